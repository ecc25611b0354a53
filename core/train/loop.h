/* loop.h - state of one training, shared by the files of the loop. */
#ifndef STELE_TRAIN_LOOP_H
#define STELE_TRAIN_LOOP_H

#include "data/batch.h"
#include "data/metrics.h"
#include "kernels/adamw.h"
#include "train/train.h"

typedef struct stele__loop {
    const stele__training *t;
    const stele__train_spec *spec;
    stele__objective objective;
    stele_graph *graph;
    stele__batch *batch;
    stele__batches batches;
    stele__metrics *metrics;
    stele__adamw_segment *segment; /* n_segments */
    size_t n_segments;
    stele__position at;
    stele__loss_terms sums; /* over the epoch so far, weighted by rows; log_px are sums anyway */
    double epoch_started, started;
    int64_t rows_this_epoch, steps_run;
    double grad_norm; /* of the last step */
} stele__loop;

/* One optimiser step on batch at.batch of at.epoch. */
STELE_NODISCARD stele_status stele__loop_step(stele__loop *l, stele__loss_terms *ret,
                                              stele__diag *diag);

double stele__now(void); /* seconds, monotonic */

#endif
