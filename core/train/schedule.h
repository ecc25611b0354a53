/* core/train: from a spec to a trained model on disk: runs, steps, schedules, checkpoints.
 *
 * schedule.h - what changes from step to step, as functions of the step alone, so that a resumed
 * run goes on exactly. */
#ifndef STELE_TRAIN_SCHEDULE_H
#define STELE_TRAIN_SCHEDULE_H

#include "spec/spec.h"

/* What of train->batch_size and train->epochs is left to the number of rows.
 *
 * Parameters get near the optimum within some thousand steps at the usual rates, whatever the
 * number of rows, and few rows make few steps an epoch. batch_size 0: the largest power of two from
 * 16 to 128 of which an epoch has 24; of fewer than 32 rows one that is in them twice. epochs 0:
 * 100, or as many more as 6,000 steps take, or fewer where a quarter of them in a row improve
 * nothing: early_stopping.patience 0 becomes epochs / 4. Without validation rows, which tell
 * when it is enough, 100 epochs. A batch has at most n_train rows. n_train >= 1. */
stele__train_spec stele__train_for(const stele__train_spec *said, int64_t n_train, int64_t n_valid);

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
