/* predict.h - what a trained model says about a modality in rows, given z: nothing of the rows' own
 * measurements of it is used, its depth included. */
#ifndef STELE_EVAL_PREDICT_H
#define STELE_EVAL_PREDICT_H

#include "eval/judge.h"

/* One modality's decoder at work on up to `capacity` rows. */
typedef struct stele__predictor {
    const stele__judge *j;
    uint32_t modality;
    stele__batch *batch; /* the rows at hand, without measurements: for covariates */
    int64_t *position;   /* (capacity) 0, 1, 2, ... */
    uint32_t *zeros;     /* (capacity) */
    uint32_t *sample;    /* (capacity) number of each row's draw, for noise: 0 unless set */
} stele__predictor;

/* stele__predictor_finish in any case. */
STELE_NODISCARD stele_status stele__predictor_init(stele__predictor *p, const stele__judge *j,
                                                   uint32_t modality, int64_t capacity);
void stele__predictor_finish(stele__predictor *p);
/* n <= capacity rows of the data set, until the next call. */
void stele__predictor_load(stele__predictor *p, int64_t n, const int64_t *row);

/* By an elementwise likelihood, or by one that can generate rows.
 * Features first .. first + width - 1 of the loaded rows at z (rows, latent_dim) and at the
 * modality's private latent w (rows, its dim), where it has one: each of the n_draws things into
 * its `out`, (rows, width) floats. [main] */
STELE_NODISCARD stele_status stele__predictor_block(const stele__predictor *p, const float *z,
                                                    const float *w, int64_t first, int64_t width,
                                                    stele_draw *d, uint32_t n_draws,
                                                    stele__diag *diag);

/* Has the modality more to say than its mean (stele_plugin.detail)? Its name, else NULL. */
const char *stele__detail_name(const stele__modality *md);
/* The detail of all features for n rows at z as above, and at the mean of the private latent:
 * ret (n, n_features). [main] */
STELE_NODISCARD stele_status stele__detail_compute(const stele__judge *j, uint32_t modality,
                                                   uint64_t mask, const int64_t *row, int64_t n,
                                                   const float *z, float *ret, stele__diag *diag);

#endif
