/* fuzz_h5.h - files of HDF5 for the parsers above that library. On damaged bytes HDF5 itself
 * crashes (its global heap, for one), so what is drawn here are sound files with any objects in
 * them: absent, of other types, shapes and values. Whole files in a corpus are replayed as they
 * are.
 */
#ifndef STELE_FUZZ_H5_H
#define STELE_FUZZ_H5_H

#include "fuzz_file.h"

#include <hdf5.h>
#include <math.h>
#include <string.h>

/* Leaks over a damaged file of a corpus are the library's. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static inline int fuzz_is_h5(const uint8_t *data, size_t size)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)data;
    (void)size;
    return 0;
#else
    return size > 4 && memcmp(data, "\x89HDF", 4) == 0;
#endif
}

typedef struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
} fuzz_bytes;

/* The next byte modulo n; 0 behind the end. */
static inline unsigned fuzz_next(fuzz_bytes *b, unsigned n)
{
    if (b->left == 0) {
        return 0;
    }
    b->left--;
    return *b->at++ % n;
}

static inline double fuzz_number(fuzz_bytes *b)
{
    static const double odd[] = { -1.0, 0.25, (double)NAN, (double)INFINITY, 1e300, 5e9, -1e18 };
    const unsigned k = fuzz_next(b, 256);
    return k < 249 ? (double)k : odd[k - 249];
}

/* A type of what an object may hold, to be closed. */
static inline hid_t fuzz_type(fuzz_bytes *b, int *ret_is_text)
{
    static const char *const names[] = { "FALSE", "TRUE" };
    const unsigned kind = fuzz_next(b, 8);
    *ret_is_text = kind == 3 || kind == 4;
    if (kind < 3) {
        return H5Tcopy(kind == 0   ? H5T_NATIVE_DOUBLE
                       : kind == 1 ? H5T_NATIVE_INT64
                                   : H5T_NATIVE_UINT8);
    }
    if (kind == 5) {
        hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
        for (int8_t k = 0; k < 2; k++) {
            H5Tenum_insert(type, names[k], &k);
        }
        return type;
    }
    if (kind == 6) {
        hid_t type = H5Tcreate(H5T_COMPOUND, 8);
        H5Tinsert(type, "x", 0, H5T_NATIVE_DOUBLE);
        return type;
    }
    if (kind == 7) {
        return H5Tcopy(H5T_NATIVE_FLOAT);
    }
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, kind == 3 ? H5T_VARIABLE : 4);
    return type;
}

/* A dataset or group `path` with what the bytes say, or nothing. */
static inline void fuzz_h5_put(hid_t file, const char *path, fuzz_bytes *b)
{
    enum { MOST = 512 };
    static double number[MOST];
    static char letters[MOST][4];
    static const char *text[MOST];
    const unsigned what = fuzz_next(b, 16);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    if (what == 1) {
        H5Gclose(H5Gcreate2(file, path, links, H5P_DEFAULT, H5P_DEFAULT));
    } else if (what == 2) {
        H5Lcreate_soft("/nowhere", file, path, links, H5P_DEFAULT);
    } else if (what != 3) {
        hsize_t extent[3] = { 0 }, n = 1;
        const int ndim = what < 14 ? 1 : (int)what - 12;
        int is_text = 0;
        for (int d = 0; d < ndim; d++) {
            extent[d] = fuzz_next(b, 8);
            n *= extent[d];
        }
        hid_t type = fuzz_type(b, &is_text), space = H5Screate_simple(ndim, extent, NULL);
        hid_t data = H5Dcreate2(file, path, type, space, links, H5P_DEFAULT, H5P_DEFAULT);
        const int is_compound = H5Tget_class(type) == H5T_COMPOUND;
        for (hsize_t i = 0; i < n && i < MOST; i++) {
            number[i] = fuzz_number(b);
            snprintf(letters[i], 4, "%u", fuzz_next(b, 7));
            text[i] = fuzz_next(b, 32) == 31 ? "" : letters[i];
        }
        if (data >= 0 && n <= MOST && !is_compound && H5Tget_class(type) != H5T_ENUM) {
            H5Dwrite(data, is_text ? type : H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                     !is_text                       ? (const void *)number
                     : H5Tis_variable_str(type) > 0 ? (const void *)text
                                                    : (const void *)letters);
        }
        if (data >= 0) {
            H5Dclose(data);
        }
        H5Sclose(space);
        H5Tclose(type);
    }
    H5Pclose(links);
}

static inline void fuzz_h5_text(hid_t file, const char *object, const char *name, const char *text)
{
    hid_t o = H5Oopen(file, object, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    hid_t space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, strlen(text) + 1);
    if (o >= 0 && H5Aexists(o, name) == 0) {
        hid_t a = H5Acreate2(o, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(a, type, text);
        H5Aclose(a);
    }
    if (o >= 0) {
        H5Oclose(o);
    }
    H5Sclose(space);
    H5Tclose(type);
}

/* n numbers as an attribute; the bytes say which. */
static inline void fuzz_h5_numbers(hid_t file, const char *object, const char *name, hsize_t n,
                                   fuzz_bytes *b)
{
    double v[4] = { 0 };
    hid_t o = H5Oopen(file, object, H5P_DEFAULT), space = H5Screate_simple(1, &n, NULL);
    for (hsize_t k = 0; k < n; k++) {
        v[k] = fuzz_number(b);
    }
    if (o >= 0 && H5Aexists(o, name) == 0) {
        hid_t a = H5Acreate2(o, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(a, H5T_NATIVE_DOUBLE, v);
        H5Aclose(a);
    }
    if (o >= 0) {
        H5Oclose(o);
    }
    H5Sclose(space);
}

/* A file of these objects at `path`, where one is already. */
static inline void fuzz_h5_file(const char *path, const char *const *object, size_t n,
                                fuzz_bytes *b, void (*finish)(hid_t file, fuzz_bytes *b))
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5set_free_list_limits(0, 0, 0, 0, 0, 0); /* what is kept for later looks like a leak */
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    FUZZ_CHECK(file >= 0);
    for (size_t k = 0; k < n; k++) {
        fuzz_h5_put(file, object[k], b);
    }
    finish(file, b);
    H5Fclose(file);
}

#endif
