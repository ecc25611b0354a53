/* core/train: from a spec to a trained model on disk: runs, steps, schedules, checkpoints.
 *
 * schedule.h - what changes from step to step, as functions of the step alone, so that a resumed
 * run goes on exactly. */
#ifndef STELE_TRAIN_SCHEDULE_H
#define STELE_TRAIN_SCHEDULE_H

#include "spec/spec.h"

enum { STELE__USUAL_BATCH = 128 };

/* Rows of a batch of n training rows, n >= 1: what train->batch_size says, at most n. 0 there: 128;
 * of fewer rows the largest power of two that is in them twice, so that an epoch has two steps. */
int64_t stele__batch_size(const stele__train_spec *train, int64_t n);

/* Weight of the KL term at optimiser step `step` (from 0): linear from beta->from to beta->to. */
double stele__beta_at(const stele__beta_spec *beta, int64_t step, int64_t steps_per_epoch);

/* Learning rate at optimiser step `step` (from 0). Warm-up rises linearly from lr / n to lr over n
 * steps; cosine falls from lr at the end of the warm-up to min_lr at the last step (Loshchilov and
 * Hutter 2017); plateau multiplies by `reduction`, what stele__plateau has come to. */
double stele__lr_at(const stele__train_spec *train, int64_t step, int64_t steps_per_epoch,
                    double reduction);

/* Watches a figure that should rise, epoch by epoch. Plain values: part of the checkpoint. */
typedef struct stele__plateau {
    double best;        /* -HUGE_VAL before the first epoch */
    int64_t best_epoch; /* -1 */
    int64_t waited;     /* epochs since the best, for early stopping */
    int64_t waited_lr;  /* epochs since the best or the last reduction */
    double reduction;   /* of the learning rate so far */
} stele__plateau;

void stele__plateau_init(stele__plateau *p);
/* Take in the figure of an epoch; 1 if it is the best so far. Reduces the learning rate if the
 * schedule says so. */
int stele__plateau_add(stele__plateau *p, const stele__train_spec *train, int64_t epoch,
                       double value);
/* 1 if training should stop early. */
int stele__plateau_stop(const stele__plateau *p, const stele__train_spec *train);

#endif
