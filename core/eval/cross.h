/* cross.h - how well one modality is predicted from another, by the metrics of the predicted
 * modality's own plugin, beside what can be said without the model.
 *
 * The prediction is the mean of x_to at the posterior mean of z given x_from alone. Nothing of the
 * row's own x_to enters, its depth included. Baselines, scored in the same way:
 *
 *     marginal    each feature's mean over the training rows
 *     class_mean  an oracle that knows the row's class: the mean over the training rows of that
 *                 class, with the marginal counting as STELE__PSEUDO_ROWS further rows; the
 *                 marginal for rows without a class
 *
 * Modalities whose columns differ in kind (STELE_CAP_COLUMNS) are also given the most likely value:
 * the model's mode, or as baselines what most of the training rows, or of those of the class, have.
 *
 * Modalities with metrics of whole rows are predicted from themselves, too, and have other
 * baselines: tally.h. */
#ifndef STELE_EVAL_CROSS_H
#define STELE_EVAL_CROSS_H

#include "eval/bootstrap.h"
#include "eval/judge.h"

enum { STELE__PSEUDO_ROWS = 10 };
enum { STELE__CROSS_MODEL = 0, STELE__CROSS_MARGINAL, STELE__CROSS_CLASS_MEAN, STELE__N_CROSS };
enum { STELE__MOST_METRICS = 16 };

typedef struct stele__cross_request {
    uint32_t from, to;    /* modalities; the same only where `to` has metrics of whole rows */
    const int64_t *row;   /* n rows to score; those that lack either are left out */
    const int64_t *train; /* n_train rows that the baselines come from */
    int64_t n, n_train;
    const stele__label *label; /* CATEGORY, of all rows; NULL: no class_mean */
    int64_t first, n_features; /* score n_features of x_to from `first` on; n_features 0: all */
    const stele__bootstrap *bootstrap; /* of the n rows; NULL: no intervals */
} stele__cross_request;

typedef struct stele__cross {
    int64_t n; /* rows scored; 0: neither metrics */
    uint32_t n_metrics[STELE__N_CROSS];
    stele_metric metric[STELE__N_CROSS][STELE__MOST_METRICS];
    stele__interval interval[STELE__N_CROSS][STELE__MOST_METRICS]; /* NaN: none */
} stele__cross;

/* Rows of a request that have what is needed: those to score both modalities, training rows one. */
typedef struct stele__cross_rows {
    int64_t n, n_train;
    int64_t *row, *train;
    int64_t *place; /* (n) where the row stands in the request */
} stele__cross_rows;

/* `mask`: one of these is enough for a training row. stele__cross_rows_finish in any case. */
STELE_NODISCARD stele_status stele__cross_rows_of(const stele__judge *j,
                                                  const stele__cross_request *q, uint64_t mask,
                                                  stele__cross_rows *ret);
void stele__cross_rows_finish(stele__cross_rows *rows);

/* Can the modality be predicted and scored? */
int stele__cross_possible(const stele__modality *to);
/* Intervals ask the plugin for its metrics of every resample, of at most 20 million values in all:
 * fewer resamples of large data or of metrics with a large state (rankings), and none beyond
 * 200,000 values (scored rows x features), or where a block holds only some of the features.
 * Memory: some blocks of scored or training rows x features of 16 MB each, and what `generate`
 * takes for all scored rows where the likelihood is not elementwise. [main] */
STELE_NODISCARD stele_status stele__cross_compute(const stele__judge *j,
                                                  const stele__cross_request *q, stele__cross *ret,
                                                  stele__diag *diag);

#endif
