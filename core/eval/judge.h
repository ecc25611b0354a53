/* judge.h - a trained model at work on rows of its data: what the figures about models start from.
 *
 * Noise is that of a fixed step address, so the same run gives the same figures, and every
 * posterior of a row is sampled with the same random numbers: differences between them are less
 * noisy than each. */
#ifndef STELE_EVAL_JUDGE_H
#define STELE_EVAL_JUDGE_H

#include "model/infer.h"
#include "model/mixture.h"

typedef struct stele__judge {
    const stele__model *model;
    const stele__dataset *data;
    stele_graph *graph; /* of dtype F32, as the model */
    uint64_t seed;
    const stele__mixture *prior; /* what z is drawn from without a row; NULL: N(0, I) */
} stele__judge;

/* Begin a pass without dropout and without a tape. */
void stele__judge_begin(const stele__judge *j);
/* `status`, with what the graph or the plugin said about it as a message; `when` (" in prediction")
 * follows it. */
stele_status stele__judge_report(const stele__judge *j, stele_status status, const char *when,
                                 stele__diag *diag);
/* Bits of all modalities of the model. */
uint64_t stele__judge_all(const stele__judge *j);
/* Which modalities a row of the data set has, as bits in the order of the model. */
uint64_t stele__judge_present(const stele__judge *j, int64_t row);

/* Mean and standard deviation of q(z | x of the modalities in `mask`) for n rows of the data set:
 * (n, latent_dim) each; mixtures give the moments of the mixture, rows without any of them the
 * prior's. [main] */
STELE_NODISCARD stele_status stele__judge_moments(const stele__judge *j, const int64_t *row,
                                                  int64_t n, uint64_t mask, float *ret_mean,
                                                  float *ret_sd, stele__diag *diag);

/* The means, (n, latent_dim), at which heads are asked: those of stele__judge_moments, but with
 * what is calibrated after training as it was in training. [main] */
STELE_NODISCARD stele_status stele__judge_means_for_heads(const stele__judge *j, const int64_t *row,
                                                          int64_t n, uint64_t mask, float *ret_mean,
                                                          stele__diag *diag);

/* Folds 0 .. n_folds - 1 of n rows, stratified by code (n), -1 where that is negative. They follow
 * the rows' ids, so that a row is in the same fold for every posterior and model. */
STELE_NODISCARD stele_status stele__judge_folds(const stele__judge *j, const int64_t *row,
                                                int64_t n, const int32_t *code, int64_t n_folds,
                                                int32_t *ret);

#endif
