/* Arrays of texts: variable or fixed length, and numbers that serve as names. */
#include "h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts read at a time; the library allocates each of them. */
#define CHUNK 4096

static stele_status add_variable(const h5_file *f, const char *path, hid_t dataset, hid_t type,
                                 int64_t first, int64_t n, texts *ret)
{
    char *text[CHUNK] = { NULL };
    hid_t memory = H5Tcopy(H5T_C_S1);
    hsize_t count = (hsize_t)n;
    hid_t space = H5Screate_simple(1, &count, NULL);
    stele_status st = STELE_OK;
    if (memory < 0 || space < 0 || H5Tset_size(memory, H5T_VARIABLE) < 0 ||
        H5Tset_cset(memory, H5Tget_cset(type)) < 0) {
        st = h5_fail_library(f, path, "cannot be read");
    }
    st = st == STELE_OK ? h5_read_range(f, path, dataset, first, n, memory, text) : st;
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        const char *t = text[i] != NULL ? text[i] : "";
        st = texts_add(ret, t, strlen(t)) == 0 ? STELE_OK : h5_nomem(f, path);
    }
    if (memory >= 0 && space >= 0) {
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, text);
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (memory >= 0) {
        H5Tclose(memory);
    }
    return st;
}

static stele_status add_fixed(const h5_file *f, const char *path, hid_t dataset, hid_t type,
                              int64_t first, int64_t n, texts *ret)
{
    size_t size = H5Tget_size(type);
    int padded = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
    if (size == 0 || size > 1048576) {
        return h5_fail(f, STELE_E_DATA, path, "has texts of %zu bytes", size);
    }
    char *buffer = malloc((size_t)n * size);
    if (buffer == NULL) {
        return h5_nomem(f, path);
    }
    stele_status st = h5_read_range(f, path, dataset, first, n, type, buffer);
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        const char *t = buffer + (size_t)i * size;
        size_t len = strnlen(t, size);
        while (padded && len > 0 && t[len - 1] == ' ') {
            len--;
        }
        st = texts_add(ret, t, len) == 0 ? STELE_OK : h5_nomem(f, path);
    }
    free(buffer);
    return st;
}

/* The shortest decimal that reads back as the same number. */
static int print_number(char *ret, size_t capacity, double v)
{
    int len = 0;
    for (int digits = 1; digits <= 17; digits++) {
        len = snprintf(ret, capacity, "%.*g", digits, v);
        if (strtod(ret, NULL) == v) {
            break;
        }
    }
    return len;
}

static stele_status add_numbers(const h5_file *f, const char *path, hid_t dataset, hid_t type,
                                int64_t first, int64_t n, texts *ret)
{
    double v[CHUNK];
    long long whole[CHUNK];
    char text[40];
    H5T_class_t class = H5Tget_class(type);
    stele_status st = class == H5T_FLOAT
                          ? h5_read_range(f, path, dataset, first, n, H5T_NATIVE_DOUBLE, v)
                          : h5_read_range(f, path, dataset, first, n, H5T_NATIVE_LLONG, whole);
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        int len = class == H5T_ENUM
                      ? snprintf(text, sizeof text, "%s", whole[i] != 0 ? "True" : "False")
                  : class == H5T_FLOAT ? print_number(text, sizeof text, v[i])
                                       : snprintf(text, sizeof text, "%lld", whole[i]);
        st = texts_add(ret, text, (size_t)len) == 0 ? STELE_OK : h5_nomem(f, path);
    }
    return st;
}

stele_status h5_read_texts(const h5_file *f, const char *path, texts *ret)
{
    hid_t dataset = -1;
    hsize_t extent = 0;
    stele_status st = h5_open(f, path, 1, &dataset, &extent);
    if (st != STELE_OK) {
        return st;
    }
    hid_t type = H5Dget_type(dataset);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    if (extent > (hsize_t)f->size * 1100 + 4096) {
        st = h5_fail(f, STELE_E_DATA, path, "claims %llu entries, more than the file can hold",
                     (unsigned long long)extent);
    }
    for (hsize_t first = 0; first < extent && st == STELE_OK; first += CHUNK) {
        int64_t at = (int64_t)first;
        int64_t n = (int64_t)(extent - first < CHUNK ? extent - first : CHUNK);
        if (class == H5T_STRING) {
            st = H5Tis_variable_str(type) > 0 ? add_variable(f, path, dataset, type, at, n, ret)
                                              : add_fixed(f, path, dataset, type, at, n, ret);
        } else if (class == H5T_INTEGER || class == H5T_FLOAT || class == H5T_ENUM) {
            st = add_numbers(f, path, dataset, type, at, n, ret);
        } else {
            st = h5_fail(f, STELE_E_DATA, path, "holds neither texts nor numbers");
        }
    }
    if (type >= 0) {
        H5Tclose(type);
    }
    H5Dclose(dataset);
    return st;
}
