/* fused_sums.h - sums of the fused decoder, for either element type (dtype). Thread class any. */
#ifndef STELE_MODEL_FUSED_SUMS_H
#define STELE_MODEL_FUSED_SUMS_H

#include <stdint.h>

/* ret (n) = or, with `add`, += the sums of the columns of x (rows, n). */
void stele__block_column_sums(uint32_t dtype, int64_t rows, int64_t n, const void *x, int add,
                              void *ret);

/* Sum of the squares of x (n), in double. */
double stele__block_squares(uint32_t dtype, int64_t n, const void *x);

/* out (n) = or, unless `fresh`, += the sum over lanes of (lanes, n), in double and in the order of
 * the lanes. */
void stele__lane_sum(uint32_t dtype, const void *lanes, int64_t n_lanes, int64_t n, int fresh,
                     void *out);

#endif
