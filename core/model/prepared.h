/* prepared.h - rows of a measurement in the form that its plugin computes with, made once.
 *
 * A row holds the first numbers of `width` columns, as many as the plugin gave. Rows are those of
 * the data set; one without the modality has none.
 */
#ifndef STELE_MODEL_PREPARED_H
#define STELE_MODEL_PREPARED_H

#include "base/diag.h"

#include <stdint.h>

typedef struct stele__prepared {
    int64_t n_rows, width;
    int64_t *begin; /* (n_rows) */
    int64_t *n;     /* (n_rows) */
    float *value;
    int64_t n_values, capacity;
    int64_t *largest_sum; /* (n_rows + 1): numbers of the k longest rows together */
} stele__prepared;

STELE_NODISCARD stele_status stele__prepared_create(int64_t n_rows, int64_t width,
                                                    stele__prepared **ret);
void stele__prepared_destroy(stele__prepared *p); /* NULL is legal */
/* n <= width numbers of a row that has none yet. */
STELE_NODISCARD stele_status stele__prepared_add(stele__prepared *p, int64_t row, int64_t n,
                                                 const float *value);
/* Afterwards nothing is added. */
STELE_NODISCARD stele_status stele__prepared_end(stele__prepared *p);

/* The most numbers that any k distinct rows hold together. [any] */
int64_t stele__prepared_most(const stele__prepared *p, int64_t k);
/* n rows as CSR: ret_row_start (n + 1), columns and values. Allocates nothing. [any] */
void stele__prepared_gather(const stele__prepared *p, int64_t n, const int64_t *row,
                            int64_t *ret_row_start, int32_t *ret_column, float *ret_value);

#endif
