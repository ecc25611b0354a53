/* private.h - latents that one modality has alone, beside the shared z.
 *
 * The last dim columns of the modality's expert are q(w | x), a normal distribution; fusion sees
 * the others only. The prior of w is N(0, I), and the decoder reads [z, w]. Where w cannot come
 * from the measurement it is drawn from r(w): the prior, or a normal distribution around 0 with
 * learned variances (Palumbo, Daunhawer and Vogt 2023). */
#ifndef STELE_MODEL_PRIVATE_H
#define STELE_MODEL_PRIVATE_H

#include "model/importance.h"
#include "model/infer.h"

/* Declare the parameter of modality i's r(w), if it has one; after the build() of its plugin. */
STELE_NODISCARD stele_status stele__private_build(stele__model *m, uint32_t i, stele__diag *diag);

/* How private latents are drawn. */
typedef struct stele__private_how {
    uint64_t own; /* bits of the modalities whose w comes from q(w | x), in the rows that have them;
                     r(w) elsewhere */
    const uint64_t *own_of_row; /* NULL, or by position in the batch: `own` is these bits of it */
    int closed;                 /* ratio: KL(q || prior) in place of log q(w) - log p(w) */
    int whole; /* ratio: also log r(w) - log p(w) of what is decoded without its own w, which
                  makes the bound one of p(x); training leaves it out, as the paper does */
    const stele__gate *gate; /* of a doubly reparametrised bound: w that comes from q passes it, and
                                log q is formed with its parameters held; NULL: neither */
} stele__private_how;

/* Add to a draw of z the w of all modalities that have one and are there: w and own_ratio of *d.
 * The noise is that of the draw's address, and each modality's own. */
STELE_NODISCARD stele_status stele__private_draw(const stele__model *m, stele_graph *g,
                                                 const stele__expert_set *e,
                                                 const stele__private_how *how, stele__draws *d);

/* log-variances (dim) of r(w) of modality i. */
void stele__private_cross(const stele__model *m, uint32_t i, double *ret);

#endif
