/* stats.h - whether one setting is better than another, from repetitions of both. */
#ifndef STELE_SWEEP_STATS_H
#define STELE_SWEEP_STATS_H

#include <stddef.h>

/* Mean and standard deviation (over n - 1) of n values; NaN where there are too few. */
void stele__mean_sd(const double *x, size_t n, double *ret_mean, double *ret_sd);

/* Two-sided tests of n paired differences against 0. NaN where a test has no answer: fewer than two
 * pairs; for those with t, differences that are all the same. */
typedef struct stele__paired {
    double mean;      /* of the differences */
    double t;         /* paired t-test: takes pairs for independent and differences for normal */
    double corrected; /* the same with the variance of repeated splits of the same rows: 1 / n
                         becomes 1 / n + test rows / training rows (Nadeau and Bengio, "Inference
                         for the generalization error", Machine Learning 52, 2003) */
    double flip;      /* sign flips: the share of all 2^n signs whose mean is as far from 0. Never
                         below 2^(1 - n); beyond 20 pairs a sample of the signs */
} stele__paired;

/* `ratio` is test rows over training rows. */
stele__paired stele__paired_test(const double *difference, size_t n, double ratio);

/* P(|T| >= |t|) of Student's t with a whole number of degrees of freedom. */
double stele__student_two_sided(double t, size_t freedom);

#endif
