/* heads.h - how well a head predicts its target on held-out rows, by the metrics of its own plugin.
 *
 * The prediction is made at the mean of the posterior of z, as heads see it (model/infer.h); rows
 * without the target, or without any of the posterior's modalities, are left out. */
#ifndef STELE_EVAL_HEADS_H
#define STELE_EVAL_HEADS_H

#include "eval/bootstrap.h"
#include "eval/judge.h"
#include "model/head.h"

typedef struct stele__head_request {
    uint32_t head;
    const int64_t *row; /* n rows of the data set */
    const float *mean;  /* (n, latent_dim) of z */
    int64_t n;
    uint64_t mask;                     /* modalities that the posterior is given */
    const stele__bootstrap *bootstrap; /* of the n rows; NULL: no intervals */
} stele__head_request;

typedef struct stele__head_score {
    int64_t n; /* rows scored; 0: no metrics */
    uint32_t n_metrics;
    stele_metric metric[STELE__MOST_HEAD_METRICS];
    stele__interval interval[STELE__MOST_HEAD_METRICS]; /* NaN: none */
} stele__head_score;

/* Intervals ask the plugin for its metrics of every resample: of at most 2 million rows in all,
 * fewer resamples of many rows, and none beyond 20,000 rows. Memory: the predictions of all rows,
 * twice. [main] */
STELE_NODISCARD stele_status stele__head_score_of(const stele__judge *j,
                                                  const stele__head_request *q,
                                                  stele__head_score *ret, stele__diag *diag);

#endif
