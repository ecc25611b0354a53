/* stele/gaussian.h - likelihoods of real-valued features over one stele_block, with their derivatives, in float and
 * double: the Gaussian, and Student's t for heavy tails. No host symbol.
 *
 *   y = (x - centre) exp(-log_scale)             the measurement, standardised
 *   v = floor + exp(log_variance + row)          by feature, by row, or their product
 *   Gaussian     y ~ N(eta, v)
 *   Student's t  y ~ eta + sqrt(v) T(nu), nu = 2 + exp(log_dof): its variance v nu / (nu - 2) is finite
 *
 * The density is that of x: it has the term -log_scale. Missing entries (NaN) add nothing and have no derivative. Zeros
 * of CSR data are measurements of 0.
 */
#ifndef STELE_GAUSSIAN_H
#define STELE_GAUSSIAN_H

#include <stele/draw.h>
#include <stele/likelihood.h>

/* Which array of the block holds what; -1: there is none, which stands for 0. */
typedef struct stele_gaussian_terms {
    int32_t log_variance;      /* of `feature` */
    int32_t row_log_variance;  /* of `row` */
    int32_t centre, log_scale; /* of `feature`; without derivatives */
    int32_t log_dof;           /* of `feature`; -1: the Gaussian */
    int32_t reserved;
    double floor; /* > 0 */
} stele_gaussian_terms;

/* Logarithms of variances and of degrees of freedom are cut here, and have no derivative beyond. */
#define STELE_GAUSSIAN_LOG_MAX 40.0

/* Of Student's t, per feature: log Gamma((nu + 1) / 2) - log Gamma(nu / 2) - log(nu / 2) / 2, which is the rising
 * factorial of nu / 2 by a half and goes to 0 as nu grows, and the derivative of it towards nu. */
static inline void stele_student_constants(const stele_vec *vec, size_t n, const double *dof, double *ret,
                                           double *ret_d)
{
    double half[STELE_CHUNK], a[STELE_CHUNK];
    for (size_t j = 0; j < n; j++) {
        half[j] = 0.5;
        a[j] = 0.5 * dof[j];
    }
    vec->rising(STELE_F64, n, half, a, ret, ret_d);
    for (size_t j = 0; j < n; j++) {
        ret_d[j] /= dof[j]; /* d log(nu / 2) / d nu */
    }
}

#define STELE_REAL       float
#define STELE_NAME(n_)   n_##_f32
#define STELE_REAL_DTYPE STELE_F32
#include <stele/detail/gaussian_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

#define STELE_REAL       double
#define STELE_NAME(n_)   n_##_f64
#define STELE_REAL_DTYPE STELE_F64
#include <stele/detail/gaussian_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

static inline stele_status stele_gaussian(const stele_vec *vec, const stele_block *b, const stele_gaussian_terms *terms)
{
    if (b->dtype == STELE_F64) {
        stele_gaussian_f64(vec, b, terms);
    } else {
        stele_gaussian_f32(vec, b, terms);
    }
    return STELE_OK;
}

static inline double stele_gaussian_optional(const stele_block *b, int32_t k, int64_t j)
{
    return k >= 0 ? stele_block_feature(b, (uint32_t)k, j) : 0.0;
}

static inline double stele_gaussian_exp(double v)
{
    return exp(fmax(-STELE_GAUSSIAN_LOG_MAX, fmin(STELE_GAUSSIAN_LOG_MAX, v)));
}

/* A draw of y - eta by Box and Muller; with the radius of Bailey (1994) of Student's t. u: two uniform numbers. */
static inline double stele_gaussian_noise(const stele_block *b, const stele_gaussian_terms *t, int64_t row, int64_t j,
                                          double u, double angle)
{
    double log_variance = stele_gaussian_optional(b, t->log_variance, j);
    double squared = -2.0 * log(u);
    if (t->row_log_variance >= 0) {
        log_variance += stele_block_row(b, (uint32_t)t->row_log_variance, row);
    }
    if (t->log_dof >= 0) {
        double nu = 2.0 + stele_gaussian_exp(stele_gaussian_optional(b, t->log_dof, j));
        squared = nu * expm1(squared / nu);
    }
    return sqrt(squared * (t->floor + stele_gaussian_exp(log_variance))) * cos(6.28318530717958647692 * angle);
}

/* The draw slot: mean and mode are the same. */
static inline stele_status stele_gaussian_draw(const stele_block *b, const stele_draw *d, const stele_gaussian_terms *t)
{
    const int64_t n = b->n_features;
    double *u = (double *)calloc((size_t)(2 * n) + 1, sizeof *u);
    if (u == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < b->n_rows; r++) {
        for (uint32_t k = 0; k < 2 && d->what == STELE_DRAW_SAMPLE; k++) {
            d->uniform(d->ctx, r, k, u + k * n);
        }
        for (int64_t j = 0; j < n; j++) {
            double y = stele_block_eta(b, 0, r, j);
            if (d->what == STELE_DRAW_SAMPLE) {
                y += stele_gaussian_noise(b, t, r, j, u[j], u[n + j]);
            }
            double scale = exp(stele_gaussian_optional(b, t->log_scale, j));
            stele_block_put(b, d->out, r * n + j, stele_gaussian_optional(b, t->centre, j) + scale * y);
        }
    }
    free(u);
    return STELE_OK;
}

#endif /* STELE_GAUSSIAN_H */
