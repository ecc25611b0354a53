/* csr.h - sparse x dense products for layers over wide, mostly zero inputs. Cost: the stored
 * entries times the width of the dense side; nothing is proportional to the number of columns.
 *
 * X (n_rows, n_columns) is CSR: the entries of row i are row_start[i] .. row_start[i + 1] - 1 of
 * `column` and `value`. row_start[0] need not be 0, so a slice of a longer matrix is a CSR with
 * shifted row_start. Columns of a row are distinct. Dense matrices are row-major; ld* is the
 * distance of their rows in elements. All sums run in a fixed order: same bits for any number of
 * threads. */
#ifndef STELE_KERNELS_CSR_H
#define STELE_KERNELS_CSR_H

#include "kernels/pool.h"

#include <stddef.h>
#include <stdint.h>

/* Where the entries are; the values are separate, so transformed values share one pattern. */
typedef struct stele__csr {
    size_t n_rows, n_columns; /* n_rows below 2^31 */
    const int64_t *row_start; /* (n_rows + 1) */
    const int32_t *column;
} stele__csr;

/* Y (n_rows, h) = X W + b: W (n_columns, h), b (h) or NULL. Tasks are groups of rows. */
void stele__csr_matmul_f32(stele__pool *pool, const stele__csr *x, const float *value, size_t h,
                           const float *w, size_t ldw, const float *b, float *y, size_t ldy);
void stele__csr_matmul_f64(stele__pool *pool, const stele__csr *x, const double *value, size_t h,
                           const double *w, size_t ldw, const double *b, double *y, size_t ldy);

/* The entries of a batch by column, columns nobody touches left out. Everything points into the
 * workspace it was built in. */
typedef struct stele__csc {
    size_t n_touched, n_entries;
    const int32_t *column; /* (n_touched) in order of first appearance */
    const int64_t *start;  /* (n_touched + 1) into row and entry */
    const int32_t *row;    /* (n_entries) ascending within a column */
    const int64_t *entry;  /* (n_entries) index into the CSR's values */
} stele__csc;

/* Bytes stele__csr_transpose needs for at most max_entries entries and n_columns columns. */
size_t stele__csr_transpose_size(size_t n_columns, size_t max_entries);

/* Build the column lists. Cost: entries + touched columns. `workspace` (8-byte aligned) must be
 * zeroed before its first use and belongs to one n_columns and one max_entries; after that it is
 * reused as it is. May run ahead of the step, in another thread. Errors: STELE_E_SHAPE when X holds
 * more than max_entries, STELE_E_DATA when a column is out of range (the workspace stays usable).
 */
STELE_NODISCARD stele_status stele__csr_transpose(const stele__csr *x, size_t max_entries,
                                                  void *workspace, stele__csc *ret);

/* dW (n_columns, h) += X' dY, rows of touched columns only; dY (n_rows, h). `value` as the CSR that
 * xt was built from indexes it. Tasks are groups of columns, each row of dW has one owner. */
void stele__csc_matmul_add_f32(stele__pool *pool, const stele__csc *xt, const float *value,
                               size_t h, const float *dy, size_t lddy, float *dw, size_t lddw);
void stele__csc_matmul_add_f64(stele__pool *pool, const stele__csc *xt, const double *value,
                               size_t h, const double *dy, size_t lddy, double *dw, size_t lddw);

/* ret (n_rows): the sum of each row, in double. */
void stele__csr_row_sums_f32(const stele__csr *x, const float *value, double *ret);
void stele__csr_row_sums_f64(const stele__csr *x, const double *value, double *ret);

#endif
