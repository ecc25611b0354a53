/* adamw.h - the optimiser's pass over flat buffers (values w, gradients g, first and second moments
 * m, v, all of n elements): AdamW with decoupled weight decay (Loshchilov and Hutter, ICLR 2019),
 * as torch.optim.AdamW computes it. For an element of a segment, at step t = 1, 2, ...
 *
 *     g' = grad_scale g
 *     w  = w (1 - lr s d)                  s, d: lr_scale and weight_decay of its segment
 *     m  = m + (1 - beta1) (g' - m)
 *     v  = beta2 v + (1 - beta2) g'^2
 *     w  = w - lr s / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * in one pass: every buffer is read once and all but g written once (28 bytes per float parameter),
 * which is what bounds its speed. Blocks have a fixed size: same bits for any number of threads. */
#ifndef STELE_KERNELS_ADAMW_H
#define STELE_KERNELS_ADAMW_H

#include "kernels/isa.h"
#include "kernels/pool.h"

#include <stddef.h>
#include <stdint.h>

/* The pass reads and writes one element of four buffers in turn. A load from an address whose low
 * 12 bits are those of a store just before it has to wait for that store, so equal elements must
 * not lie at equal places within their pages: each buffer begins a quarter of a page further on
 * than the one before, in the order w, m, v, g. */
enum { STELE__ALIAS_PAGE = 4096, STELE__ALIAS_STEP = STELE__ALIAS_PAGE / 4 };

/* Elements begin .. end - 1 and what holds for them. */
typedef struct stele__adamw_segment {
    size_t begin, end;
    double weight_decay, lr_scale;
} stele__adamw_segment;

typedef struct stele__adamw {
    double lr, beta1, beta2, eps;
    double grad_scale; /* 1, or the factor of clipping; applied on the fly */
    int64_t step;      /* 1 for the first update */
} stele__adamw;

/* Update the segments, which are ascending and do not overlap. Elements in no segment (frozen, or
 * stepped by somebody else) keep all four buffers as they are. pool may be NULL. */
void stele__adamw_step_f32(stele__pool *pool, const stele__adamw *opt,
                           const stele__adamw_segment *segment, size_t n_segments, float *w,
                           const float *g, float *m, float *v);
void stele__adamw_step_f64(stele__pool *pool, const stele__adamw *opt,
                           const stele__adamw_segment *segment, size_t n_segments, double *w,
                           const double *g, double *m, double *v);

/* The same for n elements on the calling thread, for those who have a part of the derivative in the
 * cache; factors: those of a segment, whose borders are not looked at. */
stele__adamw_factors stele__adamw_prepare(const stele__adamw *opt,
                                          const stele__adamw_segment *segment);
void stele__adamw_part_f32(const stele__adamw_factors *factors, size_t n, float *w, const float *g,
                           float *m, float *v);
void stele__adamw_part_f64(const stele__adamw_factors *factors, size_t n, double *w,
                           const double *g, double *m, double *v);

/* The sum of squares of n elements in double, for the global norm; NaN or infinite exactly when an
 * element is (or, in double, when a square overflows). */
double stele__sum_squares_f32(stele__pool *pool, size_t n, const float *x);
double stele__sum_squares_f64(stele__pool *pool, size_t n, const double *x);

#endif
