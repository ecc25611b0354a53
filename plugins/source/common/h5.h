/* h5.h - reading HDF5 files with checks and messages. HDF5 is not thread-safe: every function below
 * that touches a file is called between h5_enter and h5_leave. */
#ifndef SOURCE_H5_H
#define SOURCE_H5_H

#include "texts.h"

#include <hdf5.h>
#include <stele/plugin.h>

typedef struct h5_file {
    const stele_host *host;
    const char *path;
    int64_t size; /* bytes */
    hid_t id;
} h5_file;

void h5_enter(void);
void h5_leave(void);
/* Record a message about object `where` of the file (NULL: the file) and return `code`. `at`: the
 * line of this source that says so. */
stele_status h5_fail_at(const h5_file *f, stele_status code, const char *at, const char *where,
                        const char *fmt, ...) STELE_PRINTF(5, 6);
#define H5_HERE                         __FILE__ ":" STELE_STR(__LINE__)
#define h5_fail(f_, code_, where_, ...) h5_fail_at(f_, code_, H5_HERE, where_, __VA_ARGS__)
#define h5_nomem(f_, where_)            h5_fail(f_, STELE_E_NOMEM, where_, "does not fit into memory")
/* `what`, with what the HDF5 library had to say about its last error. */
enum { H5_REASON = 256 };
void h5_library_says(const char *what, char ret[H5_REASON]);
/* Fail with that, or with the compression that the library lacks. */
stele_status h5_fail_library_at(const h5_file *f, const char *at, const char *where,
                                const char *what);
#define h5_fail_library(f_, where_, what_) h5_fail_library_at(f_, H5_HERE, where_, what_)

/* Open f->path for reading; `id` has to be -1 before. */
stele_status h5_file_open(h5_file *f);
void h5_file_close(h5_file *f);
int h5_exists(const h5_file *f, const char *path);
/* Is there a link of that name, whatever it points to? */
int h5_is_linked(const h5_file *f, const char *path);
/* Does the link `path` point to nothing? Then says where it points. */
int h5_dangles(const h5_file *f, const char *path, char *ret, size_t size);
int h5_is_group(const h5_file *f, const char *path);
/* Text attribute into ret (capacity bytes); 0 if there is none or it does not fit. */
int h5_text_attribute(hid_t object, const char *name, char *ret, size_t capacity);
/* Names of the links of a group. */
stele_status h5_list(const h5_file *f, const char *path, texts *ret);
/* Open a dataset with ndim dimensions (1 or 2); its extents in ret_extent. */
stele_status h5_open(const h5_file *f, const char *path, int ndim, hid_t *ret, hsize_t *ret_extent);
/* Entries first .. first + n - 1 of a 1-d dataset, converted to memory type `type`. */
stele_status h5_read_range(const h5_file *f, const char *path, hid_t dataset, int64_t first,
                           int64_t n, hid_t type, void *ret);
/* A whole 1-d dataset of n_wanted entries (-1: any), converted to a type of `size` bytes. *ret is
 * malloc'ed. */
stele_status h5_read_all(const h5_file *f, const char *path, int64_t n_wanted, hid_t type,
                         size_t size, void **ret, int64_t *ret_n);
/* A 1-d dataset of texts or numbers as texts. */
stele_status h5_read_texts(const h5_file *f, const char *path, texts *ret);

#endif
