/* panel.h - dense products with one operand packed beforehand, for blocks inside tasks.
 *
 *     C (m, n) = start + A (m, k) B (k, n),    start: 0, a row of biases, or C itself
 *
 * A BLAS call packs both operands every time. A block of a wide layer is used for many rows while
 * it is in the cache and the other operand by all blocks, so that packing by hand costs a few per
 * cent and the product runs at the rate of the arithmetic units: one and a half times as fast as
 * OpenBLAS at 128 x 448 x 128 (docs/performance.md). For large products that stand alone: gemm.h.
 *
 * Packed B: panels of some columns, as many as the instruction set likes, each (k, width) row by
 * row, columns beyond n filled with 0. An element of C is added up in the order of k, so its bits
 * depend on its operands alone and not on the size of the block. Thread class any. */
#ifndef STELE_KERNELS_PANEL_H
#define STELE_KERNELS_PANEL_H

#include "kernels/isa.h"

/* Elements of the packed form of a (k, n) matrix. */
size_t stele__panel_size_f32(size_t k, size_t n);
size_t stele__panel_size_f64(size_t k, size_t n);

/* Pack B (k, n), or with `transposed` the transpose of B stored as (n, k); ldb: the distance of its
 * stored rows. `packed` is aligned to 64. */
void stele__panel_pack_f32(int transposed, size_t k, size_t n, const float *b, size_t ldb,
                           float *packed);
void stele__panel_pack_f64(int transposed, size_t k, size_t n, const double *b, size_t ldb,
                           double *packed);

/* C, see above. k may be 0. */
void stele__panel_product_f32(const stele__panel_product *p);
void stele__panel_product_f64(const stele__panel_product *p);

#endif
