/* stele/levels.h - likelihoods of values that are one of a few levels, with their derivatives, one element at a time in
 * double. No host symbol.
 *
 *   ordered    P(x <= k) = 1 / (1 + exp(eta - t_k)): the cumulative logit (McCullagh, J. R. Stat. Soc. B 1980). Its
 *              n - 1 thresholds are t_0 = a_0 and t_k = t_(k-1) + exp(a_k), so that they ascend whatever a is
 *   unordered  P(x = k) = softmax(eta)_k
 */
#ifndef STELE_LEVELS_H
#define STELE_LEVELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* Logarithms of gaps between thresholds are cut here, and have no derivative beyond. */
#define STELE_LEVELS_LOG_MAX 20.0

static inline double stele_levels_softplus(double t)
{
    return t > 0.0 ? t + log1p(exp(-t)) : log1p(exp(t));
}

static inline double stele_levels_sigmoid(double t)
{
    return t > 0.0 ? 1.0 / (1.0 + exp(-t)) : exp(t) / (1.0 + exp(t));
}

static inline double stele_levels_gap(double a)
{
    return exp(fmax(-STELE_LEVELS_LOG_MAX, fmin(STELE_LEVELS_LOG_MAX, a)));
}

/* Threshold k of those that a (n_levels - 1) describes. */
static inline double stele_levels_threshold(const double *a, int64_t k)
{
    double t = a[0];
    for (int64_t i = 1; i <= k; i++) {
        t += stele_levels_gap(a[i]);
    }
    return t;
}

/* log P(x = level), 0 <= level < n, n at least 2. With d_eta also its derivatives: d_eta written, d_a (n - 1) added to,
 * both times `weight`. */
static inline double stele_ordered_logit(int64_t n, int64_t level, double eta, const double *a, double weight,
                                         double *d_eta, double *d_a)
{
    const int first = level == 0, last = level == n - 1;
    const double below = first ? 0.0 : stele_levels_threshold(a, level - 1) - eta;
    const double gap = first || last ? 1.0 : stele_levels_gap(a[level]);
    const double above = last ? 0.0 : first ? a[0] - eta : below + gap;
    /* P = sigmoid(above) sigmoid(-below) (1 - exp(-gap)), without what an end lacks. */
    double log_p = first || last ? 0.0 : log(-expm1(-gap));
    log_p -= last ? 0.0 : stele_levels_softplus(-above);
    log_p -= first ? 0.0 : stele_levels_softplus(below);
    if (d_eta != NULL) {
        const double d_above = last ? 0.0 : weight * stele_levels_sigmoid(-above);
        const double d_below = first ? 0.0 : -weight * stele_levels_sigmoid(below);
        const double d_gap = first || last ? 0.0 : weight / expm1(gap);
        *d_eta = -d_above - d_below;
        d_a[0] += d_above + d_below;
        for (int64_t i = 1; i < n - 1 && i <= level; i++) {
            const double g = stele_levels_gap(a[i]);
            const double slope = fabs(a[i]) < STELE_LEVELS_LOG_MAX ? g : 0.0;
            d_a[i] += slope * (i < level ? d_above + d_below : d_above + d_gap);
        }
    }
    return log_p;
}

/* P(x = k) for all n levels. */
static inline void stele_ordered_probabilities(int64_t n, double eta, const double *a, double *ret)
{
    for (int64_t k = 0; k < n; k++) {
        ret[k] = exp(stele_ordered_logit(n, k, eta, a, 0.0, NULL, NULL));
    }
}

/* log sum_k exp(eta_k). */
static inline double stele_levels_logsumexp(int64_t n, const double *eta)
{
    double most = eta[0], sum = 0.0;
    for (int64_t k = 1; k < n; k++) {
        most = fmax(most, eta[k]);
    }
    for (int64_t k = 0; k < n; k++) {
        sum += exp(eta[k] - most);
    }
    return most + log(sum);
}

/* log P(x = level). With d_eta (n) also its derivatives, written, times `weight`. */
static inline double stele_unordered_logit(int64_t n, int64_t level, const double *eta, double weight, double *d_eta)
{
    const double all = stele_levels_logsumexp(n, eta);
    for (int64_t k = 0; d_eta != NULL && k < n; k++) {
        d_eta[k] = weight * ((k == level ? 1.0 : 0.0) - exp(eta[k] - all));
    }
    return eta[level] - all;
}

static inline void stele_unordered_probabilities(int64_t n, const double *eta, double *ret)
{
    const double all = stele_levels_logsumexp(n, eta);
    for (int64_t k = 0; k < n; k++) {
        ret[k] = exp(eta[k] - all);
    }
}

/* The level at which the cumulative probability reaches u in (0, 1); the most likely one. */
static inline int64_t stele_levels_quantile(int64_t n, const double *p, double u)
{
    int64_t k = 0;
    for (double sum = p[0]; k < n - 1 && sum < u; sum += p[k]) {
        k++;
    }
    return k;
}

static inline int64_t stele_levels_mode(int64_t n, const double *p)
{
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++) {
        best = p[k] > p[best] ? k : best;
    }
    return best;
}

#endif /* STELE_LEVELS_H */
