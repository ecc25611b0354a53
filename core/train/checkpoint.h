/* checkpoint.h - a training at rest: parameters, moments, and where it stood, as one .safetensors
 * file. */
#ifndef STELE_TRAIN_CHECKPOINT_H
#define STELE_TRAIN_CHECKPOINT_H

#include "graph/params.h"
#include "model/objective.h"
#include "train/schedule.h"

/* Stages of a training. */
enum { STELE__TRAINING = 0, STELE__EPOCHS_DONE = 1, STELE__ALL_DONE = 2 };

/* Where a training stands: the next batch to be run. */
typedef struct stele__position {
    int64_t epoch, batch; /* next to run */
    int64_t step;         /* optimiser steps done */
    stele__plateau plateau;
    int32_t finished; /* stage */
    /* Over the epoch so far, weighted by rows; the log-likelihoods are sums anyway. */
    stele__loss_terms sums;
} stele__position;

/* Tensors NAME (trained values and buffers); with `moments` also moment1.NAME and moment2.NAME, for
 * a checkpoint to go on from. `fingerprint` names the spec. Whole or not at all. Without moments it
 * is written hastily (base/file.h): it lasts once stele__file_sync has been called. */
STELE_NODISCARD stele_status stele__checkpoint_write(const char *path, stele__params *params,
                                                     int moments, const stele__position *at,
                                                     const char *fingerprint, stele__diag *diag);

/* Read what write has written; every tensor has to be there with its shape, and nothing else.
 * moments 1: those too. fingerprint NULL: not compared. at may be NULL. E_DATA with a message for
 * another spec, a file cut short or changed. */
STELE_NODISCARD stele_status stele__checkpoint_read(const char *path, stele__params *params,
                                                    int moments, const char *fingerprint,
                                                    stele__position *ret_at, stele__diag *diag);

/* Whether a checkpoint belongs to the spec, and where it stands, asked before any data are read. */
STELE_NODISCARD stele_status stele__checkpoint_match(const char *path, const char *fingerprint,
                                                     int *ret_same, stele__position *ret_at,
                                                     stele__diag *diag);

#endif
