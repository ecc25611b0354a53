/* stele/likelihood.h - elementwise likelihoods with their derivatives over one stele_block, in float and double.
 *
 * Each function adds the log-probability of every row to b->log_prob (nats) and, when b->d_eta is set, writes d_eta and
 * adds to d_feature and d_row, all weighted by b->weight. Zeros of CSR data take the closed form; only stored entries
 * cost a special function more. No host symbol: vector functions come from the host's table.
 *
 *   Bernoulli          eta[0] logit; row[0] added to the logit. x > 0 counts as 1.
 *   negative binomial  eta[0] log mean; feature[0] log dispersion theta (variance mu + mu^2 / theta); row[0] log size
 *                      factor, added to eta[0]. With n_eta 2: eta[1] logit of an extra zero (zero inflation; Lambert
 *                      1992, Risso et al. 2018).
 */
#ifndef STELE_LIKELIHOOD_H
#define STELE_LIKELIHOOD_H

#include <stele/kinds.h>

#include <math.h>
#include <string.h>

/* Inner loops work on this many features at a time, in buffers on the stack. */
#define STELE_CHUNK 256

/* Compile hot loops for several instruction sets and choose at load time, where the toolchain can. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&               \
    defined(__gnu_linux__)
#define STELE_HOT __attribute__((unused, target_clones("avx512f", "avx2", "default")))
#else
#define STELE_HOT __attribute__((unused))
#endif

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

static inline stele_status stele_bernoulli(const stele_vec *vec, const stele_block *b)
{
    if (b->dtype == STELE_F64) {
        stele_bernoulli_f64(vec, b);
    } else {
        stele_bernoulli_f32(vec, b);
    }
    return STELE_OK;
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
