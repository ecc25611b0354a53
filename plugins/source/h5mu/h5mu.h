/* plugins/source/h5mu: MuData (.h5mu) and AnnData (.h5ad) files as a source of rows.
 *
 * h5mu.h - what the files of this plugin share. Fields are listed when the file is opened; the
 * numbers behind a field are looked at when it is first read, so that a layer nobody asks for may
 * be as broken or exotic as it likes. HDF5 is not thread-safe: every function below that touches a
 * file is called between h5_enter and h5_leave. */
#ifndef H5MU_H
#define H5MU_H

#include "h5.h"

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
    h5_file h5;
    texts *axis, *table; /* row ids of each axis; feature names of each var table */
    uint32_t n_axes, n_tables, n_fields, capacity;
    field *field;
};

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
