/* stele/draw.h - the draw slot of elementwise likelihoods, one element at a time. No host symbol.
 */
#ifndef STELE_DRAW_H
#define STELE_DRAW_H

#include <stele/kinds.h>

#include <stdlib.h>

/* Element i of an array of the block's dtype. */
static inline double stele_block_real(const stele_block *b, const void *array, int64_t i)
{
    return b->dtype == STELE_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

/* Linear predictor k of an element; per-feature and per-row parameter k, a row parameter that is left out being 0. */
static inline double stele_block_eta(const stele_block *b, uint32_t k, int64_t row, int64_t feature)
{
    return stele_block_real(b, b->eta[k], row * b->n_features + feature);
}

static inline double stele_block_feature(const stele_block *b, uint32_t k, int64_t feature)
{
    return stele_block_real(b, b->feature[k], feature);
}

static inline double stele_block_row(const stele_block *b, uint32_t k, int64_t row)
{
    return b->row != NULL && b->row[k] != NULL ? stele_block_real(b, b->row[k], row) : 0.0;
}

/* The value of one element, `feature` counted within the block; `what` is STELE_DRAW_*. SAMPLE: u holds the uniform
 * numbers of the element; else they are 0. [compute; none] */
typedef double stele_draw_element(const stele_block *b, uint32_t what, int64_t row, int64_t feature, const double *u);

#define STELE_DRAW_MAX_UNIFORMS 4

/* Fill d->out. `n_uniforms` random numbers for each element, at most STELE_DRAW_MAX_UNIFORMS. */
static inline stele_status stele_draw_elements(const stele_block *b, const stele_draw *d, uint32_t n_uniforms,
                                               stele_draw_element *element)
{
    const int64_t n = b->n_features;
    double *u = (double *)calloc((size_t)n * n_uniforms + 1, sizeof *u);
    if (u == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < b->n_rows; r++) {
        for (uint32_t k = 0; k < n_uniforms && d->what == STELE_DRAW_SAMPLE; k++) {
            d->uniform(d->ctx, r, k, u + k * n);
        }
        for (int64_t j = 0; j < n; j++) {
            double own[STELE_DRAW_MAX_UNIFORMS] = { 0 };
            for (uint32_t k = 0; k < n_uniforms; k++) {
                own[k] = u[k * n + j];
            }
            double v = element(b, d->what, r, j, own);
            if (b->dtype == STELE_F64) {
                ((double *)d->out)[r * n + j] = v;
            } else {
                ((float *)d->out)[r * n + j] = (float)v;
            }
        }
    }
    free(u);
    return STELE_OK;
}

#endif /* STELE_DRAW_H */
