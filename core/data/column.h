/* column.h - a named column of a table about to be written (csv.h, h5ad.h). Everything is borrowed.
 */
#ifndef STELE_DATA_COLUMN_H
#define STELE_DATA_COLUMN_H

#include <stddef.h>
#include <stdint.h>

enum {
    STELE__TEXT = 1, /* text[rows], UTF-8; NULL is missing and written as an empty string */
    STELE__CATEGORY, /* text[n_categories], all different; code[rows], -1 is missing */
    STELE__FLOAT,    /* f32[rows * stride]: row r is f32[r * stride], so a matrix needs no copy */
    STELE__DOUBLE,   /* f64[rows] */
    STELE__INTEGER,  /* i64[rows] */
};

typedef struct stele__column {
    const char *name; /* UTF-8 */
    int kind;         /* one of the above; the fields that it does not name are ignored */
    const char *const *text;
    size_t n_categories;
    const int32_t *code;
    const float *f32;
    size_t stride; /* elements from row to row, at least 1 */
    const double *f64;
    const int64_t *i64;
} stele__column;

#endif
