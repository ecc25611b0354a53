/* plugins/source/h5mu: MuData (.h5mu) and AnnData (.h5ad) files as a source of rows.
 *
 * h5mu.h - what the files of this plugin share. Fields are listed when the file is opened; the
 * numbers behind a field are looked at when it is first read, so that a layer nobody asks for may
 * be as broken or exotic as it likes. HDF5 is not thread-safe: every function below that touches a
 * file is called between h5mu_enter and h5mu_leave. */
#ifndef H5MU_H
#define H5MU_H

#include "texts.h"

#include <hdf5.h>
#include <stele/plugin.h>

enum { MATRIX_DENSE = 1, MATRIX_CSR, MATRIX_CSC };

/* A matrix of the file. */
typedef struct matrix {
    int kind, opened;
    int64_t n_rows, n_columns;
    hid_t data, indices; /* open datasets, or -1 */
    int64_t *row_start;  /* sparse: (n_rows + 1) */
    int32_t *csc_column; /* CSC, converted: like the indices and data of a CSR matrix */
    float *csc_value;
} matrix;

enum {
    COLUMN_CATEGORY = 1,
    COLUMN_LEGACY_CATEGORY,
    COLUMN_BOOL,
    COLUMN_NUMBER,
    COLUMN_NULLABLE,
    COLUMN_TEXT,
    COLUMN_NULLABLE_TEXT
};

/* A column of an obs table. */
typedef struct obs_column {
    int kind, loaded;
    texts category;
    int32_t *code;  /* (rows) */
    double *number; /* (rows) */
    texts text;
} obs_column;

typedef struct field {
    char *name; /* "rna/layers/counts" */
    char *path; /* "/mod/rna/layers/counts" */
    uint32_t content, axis;
    int64_t table; /* index of the var table that names the features, -1: none */
    char *problem; /* why it cannot be read, found while listing; NULL: nothing known */
    matrix m;
    obs_column c;
} field;

struct stele_inst {
    const stele_host *host;
    const char *path;
    int64_t file_size;
    hid_t file;
    texts *axis, *table; /* row ids of each axis; feature names of each var table */
    uint32_t n_axes, n_tables, n_fields, capacity;
    field *field;
};

/* --- io.c ------------------------------------------------------------------------------------ */

void h5mu_enter(void);
void h5mu_leave(void);
/* Record a message about object `where` of the file (NULL: the file) and return `code`. `at`: the
 * line of this source that says so. */
stele_status h5mu_fail_at(const stele_inst *s, stele_status code, const char *at, const char *where,
                          const char *fmt, ...) STELE_PRINTF(5, 6);
#define H5MU_HERE                         __FILE__ ":" STELE_STR(__LINE__)
#define h5mu_fail(s_, code_, where_, ...) h5mu_fail_at(s_, code_, H5MU_HERE, where_, __VA_ARGS__)
#define h5mu_nomem(s_, where_)            h5mu_fail(s_, STELE_E_NOMEM, where_, "does not fit into memory")
/* `what`, with what the HDF5 library had to say about its last error. */
enum { H5MU_REASON = 256 };
void h5mu_library_says(const char *what, char ret[H5MU_REASON]);
/* Fail with that, or with the compression that the library lacks. */
stele_status h5mu_fail_library_at(const stele_inst *s, const char *at, const char *where,
                                  const char *what);
#define h5mu_fail_library(s_, where_, what_) h5mu_fail_library_at(s_, H5MU_HERE, where_, what_)

int h5mu_exists(const stele_inst *s, const char *path);
/* Is there a link of that name, whatever it points to? */
int h5mu_is_linked(const stele_inst *s, const char *path);
/* Does the link `path` point to nothing? Then says where it points. */
int h5mu_dangles(const stele_inst *s, const char *path, char *ret, size_t size);
int h5mu_is_group(const stele_inst *s, const char *path);
/* Text attribute into ret (capacity bytes); 0 if there is none or it does not fit. */
int h5mu_text_attribute(hid_t object, const char *name, char *ret, size_t capacity);
/* Names of the links of a group. */
stele_status h5mu_list(const stele_inst *s, const char *path, texts *ret);
/* Open a dataset with ndim dimensions (1 or 2); its extents in ret_extent. */
stele_status h5mu_open(const stele_inst *s, const char *path, int ndim, hid_t *ret,
                       hsize_t *ret_extent);
/* Entries first .. first + n - 1 of a 1-d dataset, converted to memory type `type`. */
stele_status h5mu_read_range(const stele_inst *s, const char *path, hid_t dataset, int64_t first,
                             int64_t n, hid_t type, void *ret);
/* A whole 1-d dataset of n_wanted entries (-1: any), converted to a type of `size` bytes. *ret is
 * malloc'ed. */
stele_status h5mu_read_all(const stele_inst *s, const char *path, int64_t n_wanted, hid_t type,
                           size_t size, void **ret, int64_t *ret_n);
/* A 1-d dataset of texts or numbers as texts. */
stele_status h5mu_read_texts(const stele_inst *s, const char *path, texts *ret);

/* --- column.c, matrix.c, list.c ----------------------------------------------------------------
 */

/* What kind of column is at f->path? Sets content, c.kind and the categories, or f->problem. */
stele_status h5mu_column_inspect(stele_inst *s, field *f);
stele_status h5mu_column_load(const stele_inst *s, field *f);
void h5mu_column_finish(obs_column *c);
/* The same for a matrix; n_columns: as many as its var table has, -1: any. */
stele_status h5mu_matrix_inspect(stele_inst *s, field *f, int64_t n_columns);
stele_status h5mu_matrix_count(const stele_inst *s, field *f, uint64_t n, const int64_t *row,
                               int64_t *ret_n);
stele_status h5mu_matrix_read(const stele_inst *s, field *f, const stele_read *r);
void h5mu_matrix_finish(matrix *m);
/* Keep a reason why the field cannot be read. */
stele_status h5mu_set_problem(field *f, const char *fmt, ...) STELE_PRINTF(2, 3);
/* Open the file's tables and list its fields. */
stele_status h5mu_list_file(stele_inst *s);

#endif
