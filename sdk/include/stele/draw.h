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

/* log(Gamma(x)) less Stirling's formula for it; below 10 by the recursion of Gamma. */
static inline double stele_stirling_rest(double x)
{
    double rest = 0.0;
    for (; x < 10.0; x += 1.0) {
        rest += (x + 0.5) * log1p(1.0 / x) - 1.0;
    }
    const double y = 1.0 / (x * x);
    return rest + (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y / 1188)))) / x;
}

/* The continued fraction of the incomplete beta function I_x(a, b), for x below (a + 1) / (a + b + 2), by Lentz's
 * method (Press et al., Numerical Recipes, 6.4). Its length grows with the square root of the larger argument. */
#define STELE_FRACTION_LONGEST 20000
static inline double stele_beta_fraction(double a, double b, double x)
{
    double c = 1.0, d = 1.0 / (1.0 - (a + b) * x / (a + 1.0)), value = d, change = 0.0;
    for (int m = 1; m < STELE_FRACTION_LONGEST && fabs(change - 1.0) > 1e-14; m++) {
        double at = a + 2.0 * m, even = m * (b - m) * x / ((at - 1.0) * at);
        double odd = -(a + m) * (a + b + m) * x / (at * (at + 1.0));
        d = 1.0 / (1.0 + even * d);
        c = 1.0 + even / c;
        value *= d * c;
        d = 1.0 / (1.0 + odd * d);
        c = 1.0 + odd / c;
        change = d * c;
        value *= change;
    }
    return value;
}

/* Whether P(X <= k) >= u for a negative binomial: P(X <= k) = I_x(theta, k + 1) with x = theta / (theta + mean). The
 * smaller tail is computed, and its factor from deviances (Loader 2000), so that nothing large is subtracted. */
static inline int stele_nb_reaches(double mean, double theta, double k, double u)
{
    const double b = k + 1.0, n = theta + b, off = mean - b;
    const double deviance = theta * log1p(off / n) + b * log1p(-off * theta / (n * mean));
    const double rest = stele_stirling_rest(n) - stele_stirling_rest(theta) - stele_stirling_rest(b);
    const double factor = sqrt(theta / n * b / 6.283185307179586) * exp(rest - deviance);
    const double x = theta / (theta + mean);
    if (x < (theta + 1.0) / (n + 2.0)) {
        return factor * stele_beta_fraction(theta, b, x) / theta >= u;
    }
    return factor * stele_beta_fraction(b, theta, mean / (theta + mean)) / b <= 1.0 - u;
}

/* Smallest count whose cumulative probability reaches u, 0 <= u < 1, for theta from 1e-6 and means up to 1e6; exact to
 * rounding, one number for one u. Up to STELE_WALK counts are walked; from there on the cumulative probability itself
 * is bisected, at most 100 times, counts ending at 2^53. A theta beyond 1e7 means is as good as none: the standard
 * deviation is the Poisson's but for 5e-8 of it. */
#define STELE_WALK 256
static inline double stele_nb_quantile(double mean, double theta, double u)
{
    if (!(mean > 0.0)) {
        return mean <= 0.0 ? 0.0 : mean;
    }
    theta = theta > 1e7 * mean ? 1e7 * mean : theta;
    const double ratio = mean / (mean + theta), log_p0 = -theta * log1p(mean / theta);
    double p = exp(log_p0), cumulative = p, below = -1.0, reached = STELE_WALK;
    if (log_p0 > -700.0) {
        for (double x = 0.0; x < STELE_WALK; x += 1.0) {
            if (cumulative >= u) {
                return x;
            }
            p *= ratio * (theta + x) / (x + 1.0);
            cumulative += p;
        }
        below = STELE_WALK - 1.0;
    }
    while (reached < 9007199254740992.0 && !stele_nb_reaches(mean, theta, reached, u)) {
        below = reached;
        reached *= 2.0;
    }
    while (reached - below > 1.0) {
        double middle = floor(below + 0.5 * (reached - below));
        if (stele_nb_reaches(mean, theta, middle, u)) {
            reached = middle;
        } else {
            below = middle;
        }
    }
    return reached;
}

static inline double stele_poisson_quantile(double mean, double u)
{
    return stele_nb_quantile(mean, INFINITY, u);
}

static inline double stele_nb_mode(double mean, double theta)
{
    return theta > 1.0 ? floor(mean * (theta - 1.0) / theta) : 0.0;
}

static inline double stele_nb_log_probability(double x, double mean, double theta)
{
    if (!(mean > 0.0)) {
        return x == 0.0 ? 0.0 : -INFINITY;
    }
    theta = fmin(theta, 1e7 * mean); /* as good as none, see stele_nb_quantile */
    const double all = x + theta, k = x + 1.0;
    /* log(Gamma(all) / (Gamma(theta) Gamma(k))) by Stirling's formula and what it leaves */
    const double ways = (all - 0.5) * log(all) - (theta - 0.5) * log(theta) - (k - 0.5) * log(k) + 1.0 -
                        0.9189385332046727 + stele_stirling_rest(all) - stele_stirling_rest(theta) -
                        stele_stirling_rest(k);
    return ways - theta * log1p(mean / theta) - x * log1p(theta / mean);
}

/* Of two negative binomials, `share` of the first. A mean of 0 is a point at 0. */
static inline double stele_nb_pair_log_probability(double x, double share, const double mean[2], double theta)
{
    const double a = log(share) + stele_nb_log_probability(x, mean[0], theta);
    const double b = log1p(-share) + stele_nb_log_probability(x, mean[1], theta);
    const double top = fmax(a, b);
    return isinf(top) ? top : top + log(exp(a - top) + exp(b - top));
}

/* Their most probable count: uphill from the mode of either, in steps that grow while they lead up. */
static inline double stele_nb_pair_mode(double share, const double mean[2], double theta)
{
    double best = 0.0, height = -INFINITY;
    for (int k = 0; k < 2; k++) {
        double x = stele_nb_mode(mean[k], theta), p = stele_nb_pair_log_probability(x, share, mean, theta);
        for (int downhill = 0, turn = 1; downhill < 2; turn = -turn) {
            downhill++;
            for (double step = turn; step != 0.0;) {
                double q = x + step >= 0.0 ? stele_nb_pair_log_probability(x + step, share, mean, theta) : -INFINITY;
                if (q > p) {
                    x += step;
                    p = q;
                    step *= 2.0;
                    downhill = 0;
                } else {
                    step = trunc(0.5 * step);
                }
            }
        }
        if (p > height) {
            best = x;
            height = p;
        }
    }
    return best;
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
