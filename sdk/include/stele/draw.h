/* stele/draw.h - the draw slot of elementwise likelihoods, one element at a time. No host symbol.
 */
#ifndef STELE_DRAW_H
#define STELE_DRAW_H

#include <stele/kinds.h>

#include <math.h>
#include <stdlib.h>

/* Element i of an array of the block's dtype, to be read and to be written. */
static inline double stele_block_real(const stele_block *b, const void *array, int64_t i)
{
    return b->dtype == STELE_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static inline void stele_block_put(const stele_block *b, void *array, int64_t i, double v)
{
    if (b->dtype == STELE_F64) {
        ((double *)array)[i] = v;
    } else {
        ((float *)array)[i] = (float)v;
    }
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
            stele_block_put(b, d->out, r * n + j, element(b, d->what, r, j, own));
        }
    }
    free(u);
    return STELE_OK;
}

/* Smallest count below `limit` whose cumulative probability exceeds u, for laws with p(x + 1) / p(x) = (a + b x) /
 * (x + 1) (Panjer 1981). Far below the mode, where probabilities underflow, their logarithm is followed: nothing is
 * lost there. */
static inline double stele_panjer_quantile(double log_p0, double a, double b, double limit, double u)
{
    double x = 0.0, log_p = log_p0;
    for (; log_p < -700.0 && x < limit; x += 1.0) {
        log_p += log((a + b * x) / (x + 1.0));
    }
    double p = exp(log_p), cumulative = p;
    while (cumulative < u && x < limit) {
        p *= (a + b * x) / (x + 1.0);
        x += 1.0;
        cumulative += p;
    }
    return x;
}

/* The walk ends where the remaining mass is below rounding. */
static inline double stele_poisson_quantile(double mean, double u)
{
    return stele_panjer_quantile(-mean, mean, 0.0, mean + 60.0 * sqrt(mean) + 100.0, u);
}

static inline double stele_nb_quantile(double mean, double theta, double u)
{
    double ratio = mean / (mean + theta), limit = mean + 60.0 * sqrt(mean + mean * mean / theta) + 100.0;
    return stele_panjer_quantile(-theta * log1p(mean / theta), ratio * theta, ratio, limit, u);
}

static inline double stele_nb_mode(double mean, double theta)
{
    return theta > 1.0 ? floor(mean * (theta - 1.0) / theta) : 0.0;
}

/* A stele_draw_element of one uniform number for the arrays of stele_negative_binomial, without extra zeros. */
static inline double stele_nb_draw(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double mean = exp(stele_block_eta(b, 0, row, j) + stele_block_row(b, 0, row));
    double theta = exp(stele_block_feature(b, 0, j));
    if (what == STELE_DRAW_SAMPLE) {
        return stele_nb_quantile(mean, theta, u[0]);
    }
    return what == STELE_DRAW_MODE ? stele_nb_mode(mean, theta) : mean;
}

#endif /* STELE_DRAW_H */
