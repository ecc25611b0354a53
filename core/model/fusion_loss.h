/* fusion_loss.h - terms of the objective for fusion rules that bring a loss of their own. */
#ifndef STELE_MODEL_FUSION_LOSS_H
#define STELE_MODEL_FUSION_LOSS_H

#include "model/infer.h"

/* One term: a posterior, one draw from each component that some row has, and for each of these the
 * weighted sum of the log-likelihoods, (rows of the draw); NULL: nothing was reconstructed. */
typedef struct stele__fusion_term {
    const stele__posterior *posterior;
    const stele__draws *draws; /* n_draws */
    stele_tensor *const *log_px;
    uint32_t n_draws;
} stele__fusion_term;

/* The rule's loss of every row of the batch, (B); what it says of rows that the posterior leaves
 * out means nothing. NULL after an error of the graph. */
stele_tensor *stele__fusion_loss(const stele__model *m, stele_graph *g, const stele__batch *b,
                                 const stele__fusion_term *term, double beta);

#endif
