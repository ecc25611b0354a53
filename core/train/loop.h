/* loop.h - state of one training, shared by the files of the loop. */
#ifndef STELE_TRAIN_LOOP_H
#define STELE_TRAIN_LOOP_H

#include "data/batch.h"
#include "data/metrics.h"
#include "kernels/adamw.h"
#include "train/train.h"

/* Parts of a step, in their order. */
enum {
    STELE__PHASE_BATCH = 0,
    STELE__PHASE_FORWARD, /* with the derivatives that the fused decoder forms on the way */
    STELE__PHASE_BACKWARD,
    STELE__PHASE_NORM,
    STELE__PHASE_UPDATE,
    STELE__N_PHASES
};

/* Parameters of one group, which take their optimiser steps together. */
typedef struct stele__group {
    stele__adamw_segment *segment;   /* n */
    stele__adamw_segment *remaining; /* room for what a pass leaves of them */
    size_t n;
} stele__group;

typedef struct stele__loop {
    const stele__training *t;
    stele__train_spec spec; /* stele__train_for the rows there are */
    stele__objective objective;
    double ramp[STELE__MAX_HEADS]; /* factors of the heads' weights at this step */
    stele_graph *graph;
    stele__batch *batch;
    stele__batches batches;
    stele__metrics *metrics;
    stele__group model, heads; /* heads: those with steps of their own */
    stele__position at;
    double epoch_started, started;
    int64_t rows_this_epoch, steps_run;
    double grad_norm;              /* of the last step */
    double divergence;             /* of the best epoch of this call, nats a row; NaN: none */
    double ended[STELE__N_PHASES]; /* when each part of the last step was over, as stele__now */
    stele__head_calibration *calibrated; /* (heads) NULL: not yet; stele__trained takes it over */
    int64_t saved_step;                  /* of the `last` checkpoint; -1: there is none */
    double saved_at;                     /* when it was written, as stele__now */
    int best_is_hasty;                   /* `best` is written, but may not outlast a crash */
} stele__loop;

/* Everything but checkpoints and the log. `t` is borrowed; stele__loop_finish in any case. */
STELE_NODISCARD stele_status stele__loop_init(const stele__training *t, stele__loop *l,
                                              stele__diag *diag);
void stele__loop_finish(stele__loop *l);

/* One optimiser step on batch at.batch of at.epoch. */
STELE_NODISCARD stele_status stele__loop_step(stele__loop *l, stele__loss_terms *ret,
                                              stele__diag *diag);

/* Segments of the parameters of one group, STELE__GROUP_HEADS: of all heads with steps of their
 * own, STELE__GROUP_CALIBRATED: widths, too; stele__group_finish in any case. */
STELE_NODISCARD stele_status stele__group_init(const stele__loop *l, uint32_t group,
                                               stele__group *ret);
void stele__group_finish(stele__group *group);
/* Update the group; derivatives are in place. lr: learning rate; step counts from 1; clip_norm:
 * bound on the group's norm, 0: none. *ret_norm: that norm. */
STELE_NODISCARD stele_status stele__loop_update(stele__loop *l, stele__group *group, double lr,
                                                int64_t step, double clip_norm, double *ret_norm,
                                                stele__diag *diag);
/* The step of the heads' own, on the batch that is loaded, before the model's step of the same
 * number. */
STELE_NODISCARD stele_status stele__loop_step_heads(stele__loop *l, double lr, stele__diag *diag);
/* Backward of `loss`, which may be NULL, with a message if the graph has an error. */
STELE_NODISCARD stele_status stele__loop_backward(stele__loop *l, stele_tensor *loss,
                                                  stele__diag *diag);
/* E_NONFINITE with a message that tells who made a figure that is no number. `when`: with the
 * number of the step in it. */
STELE_NODISCARD stele_status stele__loop_check_terms(const stele__loop *l,
                                                     const stele__loss_terms *terms,
                                                     const char *when, stele__diag *diag);
/* Why a modality's log-likelihood is no number: the value of a training or validation row whose
 * square float cannot hold; "" if there is none. */
void stele__loop_say_far(const stele__loop *l, const char *modality, size_t size, char *ret);
/* "at step 3 (epoch 1, batch 3)" */
void stele__loop_when(const stele__loop *l, char *ret, size_t capacity);
/* E_NONFINITE with a message if the loss on the validation rows, or a parameter, is no number. */
STELE_NODISCARD stele_status stele__loop_check_valid(const stele__loop *l,
                                                     const stele__loss_terms *valid,
                                                     stele__diag *diag);
STELE_NODISCARD stele_status stele__loop_check_values(const stele__loop *l, stele__diag *diag);
/* Write the checkpoint `best` of parameters that are all numbers. It outlasts a kill; a crash of
 * the machine once `last` has been written or stele__loop_keep_best has been called: a training
 * that goes on from an earlier `last` makes the same `best` again. */
STELE_NODISCARD stele_status stele__loop_write_best(stele__loop *l, stele__diag *diag);
STELE_NODISCARD stele_status stele__loop_keep_best(stele__loop *l, stele__diag *diag);
/* The checkpoint `last` to go on from, after what it relies on: `best` and the log. */
STELE_NODISCARD stele_status stele__loop_write_last(stele__loop *l, stele__diag *diag);

/* After the last epoch, first: fit the parameters that are calibrated, on top of the best
 * parameters, so that posteriors cover samples of the model's own p(z | x) of the validation rows
 * (targets.h), then those that are widths once more to Markov chains of up to 256 of these rows
 * (chains.h), and write the best parameters anew. Validation rows beyond the first two thousand or
 * so, in an order drawn by the seed, are left out. A function of the two checkpoints alone, so that
 * it can be repeated after a kill. */
STELE_NODISCARD stele_status stele__loop_calibrate(stele__loop *l, stele__diag *diag);
/* After the last epoch, before calibration: a warning for each layer of 16 units or more of which
 * more than three quarters are 0 in all training rows (watch.h). */
STELE_NODISCARD stele_status stele__loop_warn_silent(stele__loop *l, stele__diag *diag);
/* Heads to be calibrated. */
int stele__loop_has_heads(const stele__loop *l);
/* The part of it that concerns heads, on the best parameters: every head that is to be gets the
 * predictions at the means of the joint posteriors of all validation rows that have its target.
 * Fills l->calibrated. */
STELE_NODISCARD stele_status stele__loop_calibrate_heads(stele__loop *l, stele__diag *diag);

#endif
