/* stele/likelihood.h - elementwise likelihoods with their derivatives over one stele_block, in float and double.
 *
 * Each function adds the log-probability of every row to b->log_prob (nats) and, when b->d_eta is set, writes d_eta and
 * adds to d_feature and d_row, all weighted by b->weight. Zeros of CSR data take the closed form; only stored entries
 * cost a special function more. No host symbol: vector functions come from the host's table.
 *
 *   Bernoulli          eta[0] logit; row[0] added to the logit. What is not 0 counts as 1; in stele_bernoulli_above
 *                      what exceeds a threshold >= 0.
 *   negative binomial  eta[0] log mean; feature[0] log dispersion theta (variance mu + mu^2 / theta); row[0] log size
 *                      factor, added to eta[0]. With n_eta 2: eta[1] logit of an extra zero (zero inflation; Lambert
 *                      1992, Risso et al. 2018).
 */
#ifndef STELE_LIKELIHOOD_H
#define STELE_LIKELIHOOD_H

#include <stele/kinds.h>

#include <math.h>
#include <string.h>

/* Inner loops work on this many features at a time, in buffers on the stack; the Bernoulli, which needs few of them,
 * on longer stretches. */
#define STELE_CHUNK   256
#define STELE_STRETCH 512

/* Compile hot loops for several instruction sets and choose at load time, where the toolchain can. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&               \
    defined(__gnu_linux__)
#define STELE_HOT __attribute__((unused, target_clones("avx512f", "avx2", "default")))
#else
#define STELE_HOT __attribute__((unused))
#endif

/* Counts of a negative binomial in double, whatever the type of the block: beside a count of 1e6 its log-probability
 * near the mode, about -10, is the difference of terms of 1e7, and so is a derivative. Filled by the caller: x,
 * log_mean, log_theta, theta. Result: a = -log p(x) and its derivatives da towards log_mean and dt towards log_theta.
 */
typedef struct stele_nb_terms {
    double x[STELE_CHUNK], log_mean[STELE_CHUNK], log_theta[STELE_CHUNK], theta[STELE_CHUNK];
    double a[STELE_CHUNK], da[STELE_CHUNK], dt[STELE_CHUNK];
} stele_nb_terms;

/* log(x!) for the counts that nearly all entries have. */
#define STELE_FACTORIALS 64

static inline void stele_log_factorials(const stele_vec *vec, double *ret)
{
    for (int i = 0; i < STELE_FACTORIALS; i++) {
        ret[i] = i > 1 ? (double)i : 1.0;
    }
    vec->log(STELE_F64, STELE_FACTORIALS, ret, ret);
    for (int i = 1; i < STELE_FACTORIALS; i++) {
        ret[i] += ret[i - 1];
    }
}

/* With rising(x, a) = log(Gamma(a + x) / (Gamma(a) a^x)): ret_rising and ret_d of (x, theta), and ret_factorial =
 * log(x!) = rising(x, 1). Entries are few at a time, so they are filled up to whole vectors. */
static inline void stele_nb_gammas(const stele_vec *vec, const double *log_factorial, size_t n, const stele_nb_terms *k,
                                   double *ret_rising, double *ret_d, double *ret_factorial)
{
    double x[2 * STELE_CHUNK + 8], a[2 * STELE_CHUNK + 8];
    size_t from[STELE_CHUNK], m = n;
    for (size_t i = 0; i < n; i++) {
        x[i] = k->x[i];
        a[i] = k->theta[i];
        from[i] = 0;
        if (x[i] >= 0 && x[i] < STELE_FACTORIALS && x[i] == (double)(int)x[i]) {
            ret_factorial[i] = log_factorial[(int)x[i]];
        } else {
            from[i] = m;
            x[m] = x[i];
            a[m++] = 1.0;
        }
    }
    size_t whole = (m + 7) / 8 * 8;
    for (size_t i = m; i < whole; i++) {
        x[i] = a[i] = 1.0;
    }
    vec->rising(STELE_F64, whole, x, a, ret_rising, ret_d);
    for (size_t i = 0; i < n; i++) {
        if (from[i] != 0) {
            ret_factorial[i] = ret_rising[from[i]];
        }
    }
}

/* With t = log_mean - log_theta,
 *
 *     a = theta softplus(t) (1 + x / theta) - x log_mean - rising(x, theta) + log(x!):
 *
 * as theta grows, rising and x / theta go to 0 and theta softplus(t) to the mean: a Poisson distribution is left. */
static inline void stele_nb_terms_fill(const stele_vec *vec, const double *log_factorial, size_t n, stele_nb_terms *k)
{
    double rising[2 * STELE_CHUNK + 8], d_rising[2 * STELE_CHUNK + 8], factorial[STELE_CHUNK];
    stele_nb_gammas(vec, log_factorial, n, k, rising, d_rising, factorial);
    const size_t whole = (n + 7) / 8 * 8;
    for (size_t i = n; i < whole; i++) {
        k->theta[i] = 1.0;
        k->log_mean[i] = k->log_theta[i] = 0.0;
    }
    vec->scaled_softplus(STELE_F64, whole, k->log_mean, 0.0, k->log_theta, k->theta, k->a, k->da, k->dt);
    for (size_t i = 0; i < n; i++) {
        const double share = k->x[i] / k->theta[i];
        k->a[i] += share * k->a[i] - k->x[i] * k->log_mean[i] - (rising[i] - factorial[i]);
        k->dt[i] -= share * k->da[i] + d_rising[i];
        k->da[i] += share * k->da[i] - k->x[i];
    }
}

#define STELE_REAL       float
#define STELE_NAME(n_)   n_##_f32
#define STELE_REAL_DTYPE STELE_F32
#include <stele/detail/likelihood_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

#define STELE_REAL       double
#define STELE_NAME(n_)   n_##_f64
#define STELE_REAL_DTYPE STELE_F64
#include <stele/detail/likelihood_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

static inline stele_status stele_bernoulli_above(const stele_vec *vec, const stele_block *b, double threshold)
{
    if (b->dtype == STELE_F64) {
        stele_bernoulli_f64(vec, b, threshold);
    } else {
        stele_bernoulli_f32(vec, b, threshold);
    }
    return STELE_OK;
}

static inline stele_status stele_bernoulli(const stele_vec *vec, const stele_block *b)
{
    return stele_bernoulli_above(vec, b, 0.0);
}

static inline stele_status stele_negative_binomial(const stele_vec *vec, const stele_block *b)
{
    if (b->dtype == STELE_F64) {
        stele_negative_binomial_f64(vec, b);
    } else {
        stele_negative_binomial_f32(vec, b);
    }
    return STELE_OK;
}

#endif /* STELE_LIKELIHOOD_H */
