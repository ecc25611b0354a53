/* cohort.h - strangers whose scores with a row say what its scores are worth: posteriors of
 * training rows, given each modality alone.
 *
 * Experts that claim too much, or whose z lies far out, score high or low with everybody. The score
 * of a pair is therefore measured by those that either side has with the cohort, as is usual in
 * the verification of speakers (symmetric normalisation, Shum et al., Odyssey 2010):
 *
 *     s = 1/2 ((l - m_a) / d_a + (l - m_b) / d_b),
 *
 * l the log Bayes factor of the pair (consistency.h), m_a and d_a mean and standard deviation of
 * those of a with the b of the cohort's rows, m_b and d_b those of b with their a. */
#ifndef STELE_EVAL_COHORT_H
#define STELE_EVAL_COHORT_H

#include "eval/judge.h"

/* Rows of each modality at most, a random part; fewer than the least are none. */
enum { STELE__MOST_COHORT = 256, STELE__LEAST_COHORT = 16 };

typedef struct stele__cohort_side {
    float *mean, *sd; /* (n, D), owned */
    int64_t n;        /* 0: there is no cohort, and scores are log Bayes factors as they are */
} stele__cohort_side;

/* Posteriors given modality m alone of at most STELE__MOST_COHORT of the n rows, of those that have
 * it, drawn by the judge's seed. stele__cohort_finish in any case. [main] */
STELE_NODISCARD stele_status stele__cohort_draw(const stele__judge *j, const int64_t *row,
                                                int64_t n, uint32_t m, stele__cohort_side *ret,
                                                stele__diag *diag);
void stele__cohort_finish(stele__cohort_side *side);

/* What the scores of one posterior are measured by. */
typedef struct stele__yardstick {
    double mean, sd;
} stele__yardstick;

/* Of the posterior with mean and sd (dim) against the cohort of the other side; 0 and 1 without
 * one, or where it tells nothing. [any] */
stele__yardstick stele__cohort_measure(const stele__cohort_side *other, uint32_t dim,
                                       const float *mean, const float *sd);
/* s of a pair with the log Bayes factor l. [any] */
double stele__cohort_score(double l, const stele__yardstick *a, const stele__yardstick *b);

#endif
