/* plugins/source/mtx: counts of cells as Matrix Market files, in the folders that 10x Genomics' and
 * other programs write: matrix.mtx, features.tsv (or genes.tsv) and barcodes.tsv, each plain or
 * gzipped. Features are the rows of the file and cells its columns.
 *
 * mtx.h - what the files of this plugin share. */
#ifndef MTX_H
#define MTX_H

#include "input.h"

/* Cells by rows, as CSR. */
typedef struct matrix {
    int64_t n_features, n_cells, n_entries;
    int64_t *row_start; /* (n_cells + 1) */
    int32_t *column;    /* (n_entries), ascending in each row */
    float *value;
} matrix;

/* Features of one type, or all of them. */
typedef struct field {
    char *name;
    int32_t type; /* -1: all */
    int64_t n_features;
    int64_t *feature; /* (n_features) their numbers in the file; NULL: all */
} field;

/* The table of features. Zeroed when there is none. */
typedef struct features {
    texts name;     /* unique */
    int32_t *type;  /* (n) type of each, NULL: the table tells none */
    int32_t *place; /* (n) number among those of its type */
    field *field;   /* X, then one for each type */
    uint32_t n_fields;
} features;

/* Read the whole matrix, going over the file twice: memory is that of the result. */
stele_status mtx_read_matrix(input *in, matrix *ret);
void mtx_matrix_finish(matrix *m);

/* `in` NULL: no table; then there is the field X without names. ids: name features by their ids
 * instead of by their symbols. */
stele_status mtx_read_features(input *in, int ids, features *ret);
void mtx_features_finish(features *f);

#endif
