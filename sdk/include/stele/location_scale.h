/* stele/location_scale.h - likelihoods of pixels and other bounded measurements over one stele_block, with their
 * derivatives, in float and double: the Laplace, and the logistic cut into levels. No host symbol.
 *
 *   y = x / unit
 *   s = floor + exp(log_scale + row)             by feature, by row, or their product
 *   Laplace              p(y) = exp(-|y - eta| / s) / (2 s); the density is that of x: it has the term -log(unit)
 *   discretised logistic levels y = k / (levels - 1), k = 0 .. levels - 1. A level has the mass of the logistic
 *                        distribution of location eta and scale s that is nearest to it; the first and the last have
 *                        the tails (Salimans et al., ICLR 2017, arXiv:1701.05517)
 *
 * Missing entries (NaN) add nothing and have no derivative. Zeros of CSR data are measurements of 0. A level that there
 * is not has log-probability -inf.
 */
#ifndef STELE_LOCATION_SCALE_H
#define STELE_LOCATION_SCALE_H

#include <stele/gaussian.h>

/* Which array of the block holds what; -1: there is none, which stands for 0. */
typedef struct stele_location_terms {
    int32_t log_scale;     /* of `feature` */
    int32_t row_log_scale; /* of `row` */
    double floor;          /* > 0 */
    double unit;           /* > 0 */
    int64_t levels;        /* 0: Laplace; else at least 2 */
} stele_location_terms;

/* The scale s, its logarithm and its slope d log s / d log_scale. Of levels, with d = 1 / ((levels - 1) s): the part
 * log(1 - exp(-d)) of a level's log-mass that does not depend on where it lies, and its derivative towards log s. */
typedef struct stele_location_scale {
    double s, log_s, slope, log_mass, d_log_mass;
} stele_location_scale;

static inline stele_location_scale stele_location_scale_of(const stele_location_terms *t, double log_scale)
{
    const double cut = fmax(-STELE_GAUSSIAN_LOG_MAX, fmin(STELE_GAUSSIAN_LOG_MAX, log_scale)), grown = exp(cut);
    stele_location_scale ret = { t->floor + grown, 0.0, 0.0, 0.0, 0.0 };
    ret.log_s = log(ret.s);
    ret.slope = cut == log_scale ? grown / ret.s : 0.0;
    if (t->levels > 0) {
        const double d = 1.0 / ((double)(t->levels - 1) * ret.s);
        ret.log_mass = log(-expm1(-d));
        ret.d_log_mass = d < 700.0 ? -d / expm1(d) : 0.0;
    }
    return ret;
}

#define STELE_REAL       float
#define STELE_NAME(n_)   n_##_f32
#define STELE_REAL_DTYPE STELE_F32
#include <stele/detail/location_scale_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

#define STELE_REAL       double
#define STELE_NAME(n_)   n_##_f64
#define STELE_REAL_DTYPE STELE_F64
#include <stele/detail/location_scale_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

static inline stele_status stele_location(const stele_vec *vec, const stele_block *b, const stele_location_terms *terms)
{
    if (b->dtype == STELE_F64) {
        stele_location_f64(vec, b, terms);
    } else {
        stele_location_f32(vec, b, terms);
    }
    return STELE_OK;
}

/* 1 / (1 + exp(-t)), which is 0 or 1 far out. */
static inline double stele_location_sigmoid(double t)
{
    return t >= 0.0 ? 1.0 / (1.0 + exp(-t)) : exp(t) / (1.0 + exp(t));
}

static inline double stele_location_level(const stele_location_terms *t, double y)
{
    const double last = (double)(t->levels - 1);
    return fmax(0.0, fmin(last, floor(y * last + 0.5)));
}

/* Sum over levels of P(level >= k), k > 0. Beyond 40 scales those are 1 or 0. */
static inline double stele_location_level_mean(const stele_location_terms *t, double eta, double s)
{
    const double last = (double)(t->levels - 1);
    const double low = fmax(0.0, fmin(last, floor((eta - 40.0 * s) * last)));
    const double high = fmax(low, fmin(last, ceil((eta + 40.0 * s) * last + 1.0)));
    double sum = low;
    for (double k = low + 1.0; k <= high; k += 1.0) {
        sum += stele_location_sigmoid((eta - (k - 0.5) / last) / s);
    }
    return sum;
}

/* The level at the location or, where the tails weigh more, the first or the last. */
static inline double stele_location_level_mode(const stele_location_terms *t, double eta, double s)
{
    const double last = (double)(t->levels - 1), half = 0.5 / last, k = stele_location_level(t, eta);
    const double first_mass = stele_location_sigmoid((half - eta) / s);
    const double last_mass = stele_location_sigmoid((eta - 1.0 + half) / s);
    const double e = k / last - eta;
    const double mass = k > 0.0 && k < last ? stele_location_sigmoid((e + half) / s) * -expm1(-2.0 * half / s) *
                                                  stele_location_sigmoid((half - e) / s)
                                            : 0.0;
    return mass > fmax(first_mass, last_mass) ? k : first_mass >= last_mass ? 0.0 : last;
}

/* One element in units of y, of a level its number. u: a uniform number. */
static inline double stele_location_draw_one(const stele_location_terms *t, uint32_t what, double eta, double s,
                                             double u)
{
    if (t->levels > 0) {
        return what == STELE_DRAW_SAMPLE ? stele_location_level(t, eta + s * log(u / (1.0 - u)))
               : what == STELE_DRAW_MODE ? stele_location_level_mode(t, eta, s)
                                         : stele_location_level_mean(t, eta, s);
    }
    if (what != STELE_DRAW_SAMPLE) {
        return eta;
    }
    return u < 0.5 ? eta + s * log(2.0 * u) : eta - s * log(2.0 * (1.0 - u));
}

/* The draw slot. */
static inline stele_status stele_location_draw(const stele_block *b, const stele_draw *d, const stele_location_terms *t)
{
    const int64_t n = b->n_features;
    const double factor = t->levels > 0 ? t->unit / (double)(t->levels - 1) : t->unit;
    double *u = (double *)calloc((size_t)n + 1, sizeof *u);
    if (u == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < b->n_rows; r++) {
        const double row = t->row_log_scale >= 0 ? stele_block_row(b, (uint32_t)t->row_log_scale, r) : 0.0;
        if (d->what == STELE_DRAW_SAMPLE) {
            d->uniform(d->ctx, r, 0, u);
        }
        for (int64_t j = 0; j < n; j++) {
            const double s = t->floor + stele_gaussian_exp(row + stele_gaussian_optional(b, t->log_scale, j));
            const double x = factor * stele_location_draw_one(t, d->what, stele_block_eta(b, 0, r, j), s, u[j]);
            if (b->dtype == STELE_F64) {
                ((double *)d->out)[r * n + j] = x;
            } else {
                ((float *)d->out)[r * n + j] = (float)x;
            }
        }
    }
    free(u);
    return STELE_OK;
}

#endif /* STELE_LOCATION_SCALE_H */
