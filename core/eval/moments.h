/* moments.h - means, their errors, correlation and explained variance of values that stream by.
 *
 * Updating formulas of Welford and Chan, Golub & LeVeque, in double; a zeroed struct is empty.
 * Partial results are merged in a fixed order by whoever wants the same bits for any number of
 * threads. */
#ifndef STELE_EVAL_MOMENTS_H
#define STELE_EVAL_MOMENTS_H

#include <stddef.h>

typedef struct stele__moments {
    double n, mean;
    double squares; /* sum of squared deviations from the mean */
} stele__moments;

void stele__moments_add(stele__moments *m, double value);
void stele__moments_merge(stele__moments *m, const stele__moments *other);
/* Sample variance (n - 1); standard deviation of the mean. NaN below two values. */
double stele__moments_variance(const stele__moments *m);
double stele__moments_standard_error(const stele__moments *m);

/* Pairs of a true value and its prediction. */
typedef struct stele__comoments {
    double n, mean_true, mean_predicted;
    double squares_true, squares_predicted, products; /* of deviations from the means */
    double residual;                                  /* sum of (true - predicted)^2 */
} stele__comoments;

void stele__comoments_add(stele__comoments *m, double truth, double prediction);
void stele__comoments_merge(stele__comoments *m, const stele__comoments *other);
/* Pearson's correlation; NaN if either side is constant. */
double stele__comoments_correlation(const stele__comoments *m);
/* R2 = 1 - residual / total sum of squares of the truth; NaN if the truth is constant. */
double stele__comoments_r2(const stele__comoments *m);

/* log(mean(exp(value[n]))) without overflow. -inf if all are -inf; NaN if n is 0 or a value is NaN.
 */
double stele__log_mean_exp(const double *value, size_t n);

#endif
