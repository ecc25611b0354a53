/* sample.h - draws of z to generate from: from the posterior of rows, from the prior, and from the
 * prior given what a head is to say. Noise is addressed by the seed and each draw's row and number,
 * so more draws change none of those before. */
#ifndef STELE_EVAL_SAMPLE_H
#define STELE_EVAL_SAMPLE_H

#include "eval/judge.h"

typedef struct stele__sampling {
    uint64_t seed;
    double temperature; /* factor on the deviation from the mean: of the posterior's component, and
                           of the prior, of a mixture from that of a component; at least 0 */
} stele__sampling;

/* The `sample`-th draw of q(z | x of the modalities in `mask`) for n distinct rows of the data set:
 * ret (n, latent_dim). Of a mixture one component is drawn by its weight. Rows without any of the
 * modalities are drawn from the prior. [main] */
STELE_NODISCARD stele_status stele__sample_posterior(const stele__judge *j, const int64_t *row,
                                                     int64_t n, uint64_t mask, uint32_t sample,
                                                     const stele__sampling *s, float *ret,
                                                     stele__diag *diag);

/* Draws first .. first + n - 1 from the prior, the judge's own if it has one: ret (n, latent_dim).
 * [any] */
void stele__sample_prior(const stele__judge *j, int64_t first, int64_t n, const stele__sampling *s,
                         float *ret);

/* What a head is to say. */
typedef struct stele__wish {
    uint32_t head;
    int32_t code;  /* a CATEGORY's value */
    double number; /* a NUMBER's */
    int64_t row;   /* whose covariates the head sees */
} stele__wish;

/* n draws from p(z | head says so), which is the prior times exp(-loss of the head): importance
 * resampling of a pool of candidates (Rubin 1987; systematic as in Kitagawa 1996). *ret_effective:
 * the number of candidates that carry the weight, 1 / sum w^2; draws repeat where it is not far
 * above n. [main] */
STELE_NODISCARD stele_status stele__sample_wish(const stele__judge *j, const stele__wish *w,
                                                int64_t n, const stele__sampling *s, float *ret,
                                                double *ret_effective, stele__diag *diag);

#endif
