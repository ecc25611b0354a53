/* bootstrap.h - how far figures would move with other rows: percentile intervals (Efron &
 * Tibshirani 1993) from resampled rows, mirrored ones of some.
 *
 * A resample draws as many units as there are, with replacement, where a unit is a row or, if rows
 * belong to groups, all rows of a group: then a figure varies as it would with other patients, not
 * with other rows of the same ones. Figures over some of the rows take those of each resample.
 * Models, predictions and clusters stay as they are: it is the rows judged that vary, not the
 * training.
 *
 * Draws are addressed by the seed and the number of the resample, so that all figures see the same
 * resamples, and any number of threads the same bits. */
#ifndef STELE_EVAL_BOOTSTRAP_H
#define STELE_EVAL_BOOTSTRAP_H

#include "base/diag.h"
#include "kernels/pool.h"

#include <stdint.h>
#include <stele/kinds.h>

/* With fewer resamples the ends of an interval are noise: none is given. */
enum { STELE__LEAST_RESAMPLES = 100 };

typedef struct stele__bootstrap {
    int64_t n, n_units;  /* rows, units */
    const int32_t *unit; /* (n) in 0 .. n_units - 1; NULL: every row is a unit. Borrowed */
    uint32_t n_resamples;
    double level; /* inside (0, 1) */
    uint64_t seed;
    stele__pool *pool; /* may be NULL */
} stele__bootstrap;

/* NaN: none, where a figure is undefined in half of the resamples. */
typedef struct stele__interval {
    double low, high;
} stele__interval;

/* Of figures that have STELE_METRIC_EXCESS: the basic interval, [2 v - high, 2 v - low] but not
 * below 0 (Davison & Hinkley 1997, 5.2). What noise adds to the figure of some rows it adds to that
 * of a resample once more, so that the percentile interval lies twice too high. */
void stele__interval_mirror(const stele_metric *metric, uint32_t n, stele__interval *interval);

/* n_figures figures of a resample, in which row r occurs count[r] times; NaN: undefined. `thread`
 * as in kernels/pool.h. */
typedef void stele__statistic(void *ctx, const uint32_t *count, unsigned thread, double *ret);

/* Intervals ret (n_figures) of a statistic, from at most `most` resamples (0: all). With `alone`
 * the statistic is asked in this thread only. */
STELE_NODISCARD stele_status stele__bootstrap_run(const stele__bootstrap *b, uint32_t most,
                                                  int alone, uint32_t n_figures,
                                                  stele__statistic *statistic, void *ctx,
                                                  stele__interval *ret);

/* Of the mean of each column of value (n, n_columns) over the rows in which it is no NaN. */
STELE_NODISCARD stele_status stele__bootstrap_means(const stele__bootstrap *b, const double *value,
                                                    uint32_t n_columns, stele__interval *ret);
/* Of the median of value (n), over the rows in which it is no NaN: of an even number the mean of
 * the two in the middle. */
STELE_NODISCARD stele_status stele__bootstrap_median(const stele__bootstrap *b, const double *value,
                                                     stele__interval *ret);

/* Rows of a resample one by one, ascending, each as often as it occurs: their number, and the rows
 * themselves in ret (that number) unless NULL. */
int64_t stele__bootstrap_rows(const stele__bootstrap *b, const uint32_t *count, int64_t *ret);

#endif
