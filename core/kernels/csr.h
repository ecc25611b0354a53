/* csr.h - sparse x dense products for layers over wide, mostly zero inputs. Cost: the stored
 * entries times the width of the dense side.
 *
 * X (n_rows, n_columns) is CSR: the entries of row i are row_start[i] .. row_start[i + 1] - 1 of
 * `column` and `value`. row_start[0] need not be 0, so a slice of a longer matrix is a CSR with
 * shifted row_start. Columns of a row ascend. Dense matrices are row-major; ld* is the
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

/* All columns in range? The products do not look. */
int stele__csr_valid(const stele__csr *x);

/* The first of the entries first .. end - 1, whose columns ascend, that is at column c or beyond;
 * `end` if none is. */
int64_t stele__csr_seek(const int32_t *column, int64_t first, int64_t end, int64_t c);

/* Y (n_rows, h) = X W + b: W (n_columns, h), b (h) or NULL. Tasks are ranges of columns, so that W
 * passes by once; `scratch` holds their sums, as many bytes as stele__csr_scratch says for elements
 * of `size` bytes, aligned to 64. */
size_t stele__csr_scratch(const stele__csr *x, size_t h, size_t size);
void stele__csr_matmul_f32(stele__pool *pool, const stele__csr *x, const float *value, size_t h,
                           const float *w, size_t ldw, const float *b, float *y, size_t ldy,
                           void *scratch);
void stele__csr_matmul_f64(stele__pool *pool, const stele__csr *x, const double *value, size_t h,
                           const double *w, size_t ldw, const double *b, double *y, size_t ldy,
                           void *scratch);

/* Where dW goes. */
typedef struct stele__csr_out {
    void *dw; /* (n_columns, h): assigned, or added to with `add`; not used with `use` */
    size_t lddw;
    int add;
    /* Instead, unless NULL: use(ctx, first, n, dw) is called on any thread for every piece of dW,
     * columns first .. first + n - 1, (n, h) packed, while it is in the cache. */
    void (*use)(void *ctx, size_t first, size_t n, const void *dw);
    void *ctx;
    /* For `use`: arrays like dW that it works on, brought into the cache ahead of it, NULL after
     * the last; and the address modulo 4096 that pieces had best have (graph/step.h). */
    const void *ahead[3];
    size_t phase;
    double *ret_squares; /* NULL, or stele__csr_parts sums of squares over parts of dW */
} stele__csr_out;

/* dW (n_columns, h) = X' dY; dY (n_rows, h). Tasks are ranges of columns. scratch: as many bytes as
 * stele__csr_weight_scratch says, aligned to 64. */
size_t stele__csr_parts(size_t n_columns);
size_t stele__csr_weight_scratch(const stele__csr *x, size_t h, size_t size, unsigned n_threads);
void stele__csr_weight_f32(stele__pool *pool, const stele__csr *x, const float *value, size_t h,
                           const float *dy, size_t lddy, const stele__csr_out *out, void *scratch);
void stele__csr_weight_f64(stele__pool *pool, const stele__csr *x, const double *value, size_t h,
                           const double *dy, size_t lddy, const stele__csr_out *out, void *scratch);

/* ret (n_rows): the sum of each row, in double. */
void stele__csr_row_sums_f32(const stele__csr *x, const float *value, double *ret);
void stele__csr_row_sums_f64(const stele__csr *x, const double *value, double *ret);

#endif
