/* Reading HDF5 objects with checks and messages. */
#include "h5.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- the library's door ---------------------------------------------------------------------- */

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static H5E_auto2_t printer;
static void *printer_data;

/* The library prints its errors unless told not to; others in the process may want it to. */
void h5_enter(void)
{
    pthread_mutex_lock(&door);
    H5Eget_auto2(H5E_DEFAULT, &printer, &printer_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void h5_leave(void)
{
    H5Eset_auto2(H5E_DEFAULT, printer, printer_data);
    pthread_mutex_unlock(&door);
}

/* --- messages -------------------------------------------------------------------------------- */

stele_status h5_fail_at(const h5_file *f, stele_status code, const char *at, const char *where,
                        const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return where == NULL
               ? f->host->fail(f->host, code, at, "path: %s: %s", f->path, text)
               : f->host->fail(f->host, code, at, "path: %s: `%s`: %s", f->path, where, text);
}

static herr_t keep_innermost(unsigned n, const H5E_error2_t *error, void *ctx)
{
    if (n == 0 && error->desc != NULL) {
        snprintf(ctx, 200, "%s", error->desc);
    }
    return 0;
}

void h5_library_says(const char *what, char ret[H5_REASON])
{
    char why[200] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, why);
    snprintf(ret, H5_REASON, "%s%s%s%s", what, why[0] != '\0' ? " (HDF5: " : "", why,
             why[0] != '\0' ? ")" : "");
}

/* Does an array's compression need what this build of the library lacks? Its name or number. */
static int lacks_filter(const h5_file *f, const char *path, char *ret, size_t size)
{
    hid_t array = H5Dopen(f->id, path, H5P_DEFAULT);
    hid_t list = array >= 0 ? H5Dget_create_plist(array) : -1;
    int n = list >= 0 ? H5Pget_nfilters(list) : 0, lacks = 0;
    for (int i = 0; i < n && !lacks; i++) {
        unsigned flags;
        char name[64] = "";
        size_t n_values = 0;
        H5Z_filter_t id =
            H5Pget_filter(list, (unsigned)i, &flags, &n_values, NULL, sizeof name, name, NULL);
        lacks = id >= 0 && H5Zfilter_avail(id) <= 0;
        snprintf(ret, size, "`%s` (number %d)", name, (int)id);
    }
    if (list >= 0) {
        H5Pclose(list);
    }
    if (array >= 0) {
        H5Dclose(array);
    }
    return lacks;
}

stele_status h5_fail_library_at(const h5_file *f, const char *at, const char *where,
                                const char *what)
{
    char text[H5_REASON], filter[96];
    h5_library_says(what, text);
    if (where != NULL && lacks_filter(f, where, filter, sizeof filter)) {
        return h5_fail_at(f, STELE_E_IO, at, where,
                          "is compressed by %s, which this build of HDF5 lacks; write the file "
                          "with gzip or without compression",
                          filter);
    }
    return h5_fail_at(f, STELE_E_IO, at, where, "%s", text);
}

/* --- the file -------------------------------------------------------------------------------- */

static int is_gzip(const char *path)
{
    unsigned char magic[2] = { 0 };
    FILE *file = fopen(path, "rbe");
    const int found =
        file != NULL && fread(magic, 1, 2, file) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

stele_status h5_file_open(h5_file *f)
{
    struct stat status;
    if (stat(f->path, &status) != 0) {
        return h5_fail(f, STELE_E_IO, NULL, "cannot be opened: %s", strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return h5_fail(f, STELE_E_IO, NULL, "is %s, not a regular file",
                       S_ISDIR(status.st_mode)    ? "a folder"
                       : S_ISFIFO(status.st_mode) ? "a pipe"
                                                  : "a device");
    }
    f->size = status.st_size;
    htri_t is_hdf5 = H5Fis_hdf5(f->path);
    if (is_hdf5 == 0) {
        return h5_fail(f, STELE_E_DATA, NULL, "is not an HDF5 file%s",
                       is_gzip(f->path) ? " but a gzip file: unpack it" : "");
    }
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    /* Reading needs no lock; some network folders cannot lock. */
    H5Pset_file_locking(access, 0, 1);
#endif
    f->id = is_hdf5 > 0 ? H5Fopen(f->path, H5F_ACC_RDONLY, access) : -1;
    stele_status st = f->id < 0
                          ? h5_fail_library(f, NULL, "cannot be opened; it is damaged or cut short")
                          : STELE_OK;
    H5Pclose(access);
    return st;
}

void h5_file_close(h5_file *f)
{
    if (f->id >= 0) {
        H5Fclose(f->id);
        f->id = -1;
    }
}

/* --- objects --------------------------------------------------------------------------------- */

int h5_exists(const h5_file *f, const char *path)
{
    return H5Lexists(f->id, path, H5P_DEFAULT) > 0 &&
           H5Oexists_by_name(f->id, path, H5P_DEFAULT) > 0;
}

int h5_is_linked(const h5_file *f, const char *path)
{
    return H5Lexists(f->id, path, H5P_DEFAULT) > 0;
}

int h5_dangles(const h5_file *f, const char *path, char *ret, size_t size)
{
    H5L_info_t info;
    if (!h5_is_linked(f, path) || h5_exists(f, path) ||
        H5Lget_info(f->id, path, &info, H5P_DEFAULT) < 0 || info.type == H5L_TYPE_HARD) {
        return 0;
    }
    char *value = calloc(1, info.u.val_size + 1);
    const char *file = NULL, *object = NULL;
    int read = value != NULL && H5Lget_val(f->id, path, value, info.u.val_size, H5P_DEFAULT) >= 0;
    if (read && info.type == H5L_TYPE_SOFT) {
        snprintf(ret, size, "is a link to `%s`, where there is nothing", value);
    } else if (read && info.type == H5L_TYPE_EXTERNAL &&
               H5Lunpack_elink_val(value, info.u.val_size, NULL, &file, &object) >= 0) {
        snprintf(ret, size, "is a link to `%s` in the file `%s`, where there is nothing", object,
                 file);
    } else {
        snprintf(ret, size, "is a link to nothing");
    }
    free(value);
    return 1;
}

int h5_is_group(const h5_file *f, const char *path)
{
    if (!h5_exists(f, path)) {
        return 0;
    }
    hid_t object = H5Oopen(f->id, path, H5P_DEFAULT);
    int is_group = object >= 0 && H5Iget_type(object) == H5I_GROUP;
    if (object >= 0) {
        H5Oclose(object);
    }
    return is_group;
}

static int read_text_attribute(hid_t attribute, hid_t type, char *ret, size_t capacity)
{
    int ok = 0;
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        hid_t memory = H5Tcopy(H5T_C_S1);
        H5Tset_size(memory, H5T_VARIABLE);
        H5Tset_cset(memory, H5Tget_cset(type));
        if (H5Aread(attribute, memory, &text) >= 0 && text != NULL && strlen(text) < capacity) {
            memcpy(ret, text, strlen(text) + 1);
            ok = 1;
        }
        if (text != NULL) {
            H5free_memory(text);
        }
        H5Tclose(memory);
    } else if (H5Tget_size(type) < capacity) {
        memset(ret, 0, capacity);
        ok = H5Aread(attribute, type, ret) >= 0;
    }
    return ok;
}

int h5_text_attribute(hid_t object, const char *name, char *ret, size_t capacity)
{
    if (H5Aexists(object, name) <= 0) {
        return 0;
    }
    int ok = 0;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : -1;
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING &&
        H5Sget_simple_extent_npoints(space) == 1) {
        ok = read_text_attribute(attribute, type, ret, capacity);
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (type >= 0) {
        H5Tclose(type);
    }
    if (attribute >= 0) {
        H5Aclose(attribute);
    }
    return ok;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *ctx)
{
    (void)group;
    (void)info;
    return texts_add(ctx, name, strlen(name)) == 0 ? 0 : -1;
}

stele_status h5_list(const h5_file *f, const char *path, texts *ret)
{
    if (H5Literate_by_name(f->id, path, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_link, ret,
                           H5P_DEFAULT) < 0) {
        return h5_fail_library(f, path, "cannot be listed");
    }
    return STELE_OK;
}

/* Chunks are decompressed whole; keep the last two, or rows of a matrix would be unpacked again
 * and again. */
static hid_t access_list(hid_t dataset)
{
    hid_t created = H5Dget_create_plist(dataset), list = H5Pcreate(H5P_DATASET_ACCESS);
    hsize_t chunk[H5S_MAX_RANK];
    if (created >= 0 && list >= 0 && H5Pget_layout(created) == H5D_CHUNKED) {
        int ndim = H5Pget_chunk(created, H5S_MAX_RANK, chunk);
        hid_t type = H5Dget_type(dataset);
        double bytes = type >= 0 ? 2.0 * (double)H5Tget_size(type) : 0;
        for (int d = 0; d < ndim; d++) {
            bytes *= (double)chunk[d];
        }
        if (bytes > 1048576 && bytes < 536870912) {
            H5Pset_chunk_cache(list, H5D_CHUNK_CACHE_NSLOTS_DEFAULT, (size_t)bytes, 0.75);
        }
        if (type >= 0) {
            H5Tclose(type);
        }
    }
    if (created >= 0) {
        H5Pclose(created);
    }
    return list;
}

stele_status h5_open(const h5_file *f, const char *path, int ndim, hid_t *ret, hsize_t *ret_extent)
{
    if (!h5_exists(f, path)) {
        return h5_fail(f, STELE_E_DATA, path, "is missing from the file");
    }
    hid_t dataset = H5Dopen2(f->id, path, H5P_DEFAULT);
    if (dataset < 0) {
        return h5_fail_library(f, path, "cannot be opened as an array");
    }
    hid_t list = access_list(dataset), space = -1;
    H5Dclose(dataset);
    dataset = H5Dopen2(f->id, path, list >= 0 ? list : H5P_DEFAULT);
    stele_status st = STELE_OK;
    if (dataset < 0 || (space = H5Dget_space(dataset)) < 0) {
        st = h5_fail_library(f, path, "cannot be opened as an array");
    } else if (H5Sget_simple_extent_ndims(space) != ndim) {
        st = h5_fail(f, STELE_E_DATA, path, "has %d dimensions instead of %d",
                     H5Sget_simple_extent_ndims(space), ndim);
    } else {
        H5Sget_simple_extent_dims(space, ret_extent, NULL);
        *ret = dataset;
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (list >= 0) {
        H5Pclose(list);
    }
    if (st != STELE_OK && dataset >= 0) {
        H5Dclose(dataset);
    }
    return st;
}

/* A damaged header may claim any length. Compression gains a factor of about a thousand at most. */
static int is_plausible(const h5_file *f, hsize_t n)
{
    return n <= (hsize_t)f->size * 1100 + 4096;
}

static stele_status open_1d(const h5_file *f, const char *path, hid_t *ret, int64_t *ret_n)
{
    hsize_t n = 0;
    hid_t dataset = -1;
    stele_status st = h5_open(f, path, 1, &dataset, &n);
    if (st == STELE_OK && !is_plausible(f, n)) {
        H5Dclose(dataset);
        return h5_fail(f, STELE_E_DATA, path, "claims %llu entries, more than the file can hold",
                       (unsigned long long)n);
    }
    if (st == STELE_OK) {
        *ret = dataset;
        *ret_n = (int64_t)n;
    }
    return st;
}

/* The library would cut fractions off without a word. */
static int cuts_fractions(hid_t dataset, hid_t memory_type)
{
    if (H5Tget_class(memory_type) != H5T_INTEGER) {
        return 0;
    }
    hid_t type = H5Dget_type(dataset);
    int is_float = type >= 0 && H5Tget_class(type) == H5T_FLOAT;
    if (type >= 0) {
        H5Tclose(type);
    }
    return is_float;
}

stele_status h5_read_range(const h5_file *f, const char *path, hid_t dataset, int64_t first,
                           int64_t n, hid_t type, void *ret)
{
    if (n == 0) {
        return STELE_OK;
    }
    if (cuts_fractions(dataset, type)) {
        return h5_fail(f, STELE_E_DATA, path, "holds fractions instead of whole numbers");
    }
    hsize_t start = (hsize_t)first, count = (hsize_t)n;
    hid_t file_space = H5Dget_space(dataset), memory = H5Screate_simple(1, &count, NULL);
    stele_status st = STELE_OK;
    if (file_space < 0 || memory < 0 ||
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &start, NULL, &count, NULL) < 0 ||
        H5Dread(dataset, type, memory, file_space, H5P_DEFAULT, ret) < 0) {
        st = h5_fail_library(f, path, "cannot be read");
    }
    if (file_space >= 0) {
        H5Sclose(file_space);
    }
    if (memory >= 0) {
        H5Sclose(memory);
    }
    return st;
}

stele_status h5_read_all(const h5_file *f, const char *path, int64_t n_wanted, hid_t type,
                         size_t size, void **ret, int64_t *ret_n)
{
    hid_t dataset = -1;
    int64_t n = 0;
    void *data = NULL;
    stele_status st = open_1d(f, path, &dataset, &n);
    if (st != STELE_OK) {
        return st;
    }
    if (n_wanted >= 0 && n != n_wanted) {
        st = h5_fail(f, STELE_E_DATA, path, "has %lld entries instead of %lld", (long long)n,
                     (long long)n_wanted);
    } else if ((data = malloc(((size_t)n + 1) * size)) == NULL) {
        st = h5_nomem(f, path);
    } else {
        st = h5_read_range(f, path, dataset, 0, n, type, data);
    }
    H5Dclose(dataset);
    if (st != STELE_OK) {
        free(data);
        return st;
    }
    *ret = data;
    if (ret_n != NULL) {
        *ret_n = n;
    }
    return STELE_OK;
}
