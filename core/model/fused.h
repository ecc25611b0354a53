/* core/model: plugins put together into one model: parameters, one step's objective, inference.
 *
 * fused.h - output layer of a decoder and elementwise likelihood in one pass over blocks of
 * features.
 *
 * For each block of features: linear predictors of all rows, the plugin's likelihood on them, and,
 * while the block is in cache, the derivatives towards weights, biases, per-feature parameters,
 * hidden layer and per-row parameters. No matrix of rows x features exists. Blocks are grouped into
 * lanes whose number depends on the problem only; sums over features are formed per lane and then
 * in the order of the lanes, so the bits do not depend on the number of threads. Predictors that
 * decode() gives itself are such a matrix; they are worked through in the same blocks. */
#ifndef STELE_MODEL_FUSED_H
#define STELE_MODEL_FUSED_H

#include "graph/graph.h"
#include "plugin/guest.h"

#include <stele/kinds.h>

typedef struct stele__fused {
    const stele_modality_vt *vt;
    const stele_inst *inst;
    stele__guest *guest;        /* that inst belongs to; NULL: what it says is not heard */
    const stele__scope *scope;  /* of the instance: output's parameter ids */
    const stele_output *output; /* hidden (R, H) or eta (R, features) */
    int64_t n_features;
    const stele_values
        *x; /* values of the R rows: begin (and end) have R entries; borrowed until backward */
    /* (R) of the graph's dtype, or NULL. Given: the caller promises that the derivative of the loss
     * towards row r's log-probability will be weight[r]; derivatives are then formed in the same
     * pass, one product of three is saved, and those of parameters are complete on return. Backward
     * fails with E_INTERNAL if the promise is broken. */
    const void *weight;
} stele__fused;

/* log p(x | z) per row in nats, (R) of the graph's dtype; NULL after an error. All borrowed memory
 * must last until the next begin of the graph. */
stele_tensor *stele__fused_log_prob(stele_graph *g, const stele__fused *f);

/* Mean, mode or sample (what: STELE_DRAW_*) of features first .. first + n_features - 1 for the R
 * rows, into `out` (R, n_features) of the graph's dtype. Without derivatives. d->out is
 * overwritten. */
STELE_NODISCARD stele_status stele__fused_draw(stele_graph *g, const stele__fused *f, int64_t first,
                                               int64_t n_features, stele_draw *d);

/* Features of a block for R rows: part of the numerical contract, as the sums run block by block.
 */
int64_t stele__fused_block(int64_t n_rows, uint32_t n_eta, int64_t n_features);

#endif
