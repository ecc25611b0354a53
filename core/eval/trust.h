/* trust.h - which modality a fused posterior trusts in a row, how far its experts disagree, and
 * whether its intervals hold what they promise.
 *
 * share: an expert's part of the precision of all experts that the row has, mean over the latent
 * dimensions. Experts are those of the encoders: powers, factors and priors of the fusion rule come
 * after them.
 *
 * excess: Q / k, Q = sum_m (mean_m - mean)^2 / var_m over experts and dimensions around their
 * precision-weighted mean, k = D (n - 1). If the experts were independent and right about their
 * widths, Q would be chi-square with k degrees of freedom (`chance`). They seldom are, so there is
 * a calibrated p-value as well: the rank of the row's Q, on the cube-root scale of Wilson and
 * Hilferty (1931) that makes rows with different k comparable, among reference rows which were not
 * trained on (conformal: uniform for rows that are exchangeable with those, whatever the experts
 * are worth).
 *
 * coverage: the truth is the model's own p(z | x) of everything that the row has, as samples of
 * Markov chains (train/chains.h): how many of them lie in mean -+ 1.645 standard deviations, mean
 * over dimensions. A calibrated 90 % interval holds 0.9 of them over many rows. */
#ifndef STELE_EVAL_TRUST_H
#define STELE_EVAL_TRUST_H

#include "eval/bootstrap.h"
#include "eval/judge.h"

#include <jansson.h>

typedef struct stele__trust_request {
    const stele__judge *judge;
    const int64_t *row;       /* n rows to judge */
    const int64_t *reference; /* n_reference rows of the calibrated p-value */
    int64_t n, n_reference;
    uint64_t mask;      /* modalities that take part in the joint */
    uint32_t n_samples; /* of p(z | x) of each row, at least 1 */
} stele__trust_request;

/* Row by row; NaN where something does not exist. All owned. */
typedef struct stele__trust {
    int64_t n;
    double *share;    /* (n, modalities) */
    double *excess;   /* (n): 1 by chance; below two experts NaN, as the next two */
    double *chance;   /* (n) */
    double *p;        /* (n) */
    double *coverage; /* (n, 1 + modalities): of the joint's interval, of each modality's alone */
} stele__trust;

/* stele__trust_finish in any case. [main] */
STELE_NODISCARD stele_status stele__trust_compute(const stele__trust_request *q, stele__trust *ret,
                                                  stele__diag *diag);
void stele__trust_finish(stele__trust *t);

/* Summaries of all rows and, where `label` is not NULL, of those of each of its categories:
 *
 *     samples, reference_rows
 *     groups[]  group (null: all rows), rows (that have anything of the mask)
 *         tested         rows with two experts or more
 *         disagreement   mean excess of those
 *         conflict       share of those with p below .05; conflict_chi_square by `chance`
 *         coverage, coverage_error   of the joint's 90 % interval: mean and standard error
 *         modalities{}   rows, share (mean over rows with two experts or more), coverage alone
 *
 * Groups have `intervals` as in report.h, of resampled rows of the q->n, unless b is NULL. What is
 * undefined is null. NULL: no memory. */
json_t *stele__trust_report(const stele__trust_request *q, const stele__trust *t,
                            const stele__label *label, const stele__bootstrap *b);

#endif
