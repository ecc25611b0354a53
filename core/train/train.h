/* train.h - the training loop. */
#ifndef STELE_TRAIN_TRAIN_H
#define STELE_TRAIN_TRAIN_H

#include "data/split.h"
#include "kernels/pool.h"
#include "model/head.h"
#include "model/objective.h"
#include "train/checkpoint.h"

#include <signal.h>

/* What a reporter hears after every step and every epoch. Figures in nats per row. */
typedef struct stele__progress {
    int64_t epoch, n_epochs;  /* of n_epochs, from 0 */
    int64_t batch, n_batches; /* batches done in this epoch */
    int64_t step;
    const stele__model *model;
    const stele__loss_terms *terms; /* of the step, or means over the epoch when epoch_end is set */
    const stele__loss_terms *valid; /* epoch_end: on validation rows; NULL: there are none */
    int epoch_end, improved;
    double rows_per_second, seconds_left;
} stele__progress;

typedef struct stele__training {
    stele__model *model;
    const stele__dataset *data;
    const stele__split *split;
    const stele__spec *spec;
    stele__pool *pool;
    const char *dir;         /* run folder: metrics.jsonl, best.safetensors, last.safetensors */
    const char *fingerprint; /* of the spec */
    int resume;
    const volatile sig_atomic_t
        *interrupted; /* set by a signal handler: end the step, write `last` */
    void (*report)(void *ctx, const stele__progress *p); /* optional */
    void *report_ctx;
} stele__training;

/* What the calibration of a head on validation rows came to: its plugin's metrics on these rows,
 * before and after. */
typedef struct stele__head_calibration {
    int64_t n; /* validation rows with its target; 0: it could not be calibrated */
    int asked; /* its plugin can, and the spec does not switch it off */
    int left;  /* these rows say too little, of which a warning told: it is as it was */
    uint32_t n_metrics;
    stele_metric before[STELE__MOST_HEAD_METRICS], after[STELE__MOST_HEAD_METRICS];
} stele__head_calibration;

/* How it ended. */
typedef struct stele__trained {
    stele__position at;
    int stopped_early;
    double divergence; /* KL(q(z | x) || p(z)) of the best epoch's validation rows, else of its
                        * training rows, nats a row; NaN: this call made no epoch the best */
    int was_done;      /* a resumed training that had come to its end before: nothing was done */
    double seconds;
    stele__head_calibration *head; /* (heads) to be freed; NULL: the training did not get there */
} stele__trained;

/* Train until the epochs are over, early stopping strikes or the user interrupts (E_INTERRUPTED;
 * `last` is written). E_NONFINITE with modality, step and last good checkpoint if a loss or
 * derivative is no number. Afterwards the model holds the last parameters. Steps allocate nothing
 * once the largest batch was seen. */
STELE_NODISCARD stele_status stele__train(const stele__training *t, stele__trained *ret,
                                          stele__diag *diag);

/* Means of the loss terms over rows without derivatives or dropout, the same noise at
 * every call. */
STELE_NODISCARD stele_status stele__loss_over(const stele__model *m, stele_graph *g,
                                              stele__batch *b, const stele__objective *o,
                                              double beta, const int64_t *row, int64_t n,
                                              uint64_t seed, stele__loss_terms *ret);

/* The spec's objective section as the model wants it. */
stele__objective stele__objective_of(const stele__objective_spec *spec);

/* Seconds on a clock that never goes back. [any] */
double stele__now(void);

#endif
