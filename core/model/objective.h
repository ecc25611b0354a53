/* objective.h - the loss of one step: evidence lower bounds over subsets of the modalities, and the
 * losses of heads.
 *
 * For every subset S of a step, over the rows in which something of S is present, with K samples of
 * z drawn from every component c of q(z | x_S), whose weight is pi_c (stratified sampling):
 *
 *     log w_ck = sum_m weight_m log p(x_m | z_ck) - beta (log q(z_ck | x_S) - log p(z_ck))
 *     elbo:       L_S = sum_c pi_c mean_k log w_ck,   the divergence closed for one component
 *     iwae, dreg: L_S = sum_c pi_c log mean_k w_ck
 *
 * q is the whole mixture. iwae: Burda, Grosse and Salakhutdinov 2016; for mixtures Shi et al. 2019,
 * each component with a logarithm of its own. dreg has the same value; what moves the posteriors is
 * the doubly reparametrised estimate of its derivative (Tucker et al. 2019): log q is formed with
 * its parameters held, and what reaches them through z_ck is multiplied by w_ck / sum_k w_ck once
 * more; with a beta other than 1, by 1 - beta (1 - w_ck / sum_k w_ck), by the same argument. For
 * one component it is unbiased; for a mixture it is the estimate of Shi et al., which takes no
 * account of the other components that might have given z_ck.
 *
 * A modality with a private latent w (private.h) is decoded from [z, w]. w is drawn from q(w | x)
 * where the component is made of the modality, and then log w_ck has - beta (log q(w) - log p(w))
 * too, in the elbo KL(q || p) in closed form; else from r(w), which has no such term. In the loss
 * of a fusion rule's own this is part of log p(x | z), which it bounds.
 *
 * The loss is -(sum_S weight_S L_S) / (sum_S weight_S), averaged over the rows of the batch that
 * have anything. The scale is that of a step's whole list of terms: a row whose terms are left out
 * weighs less, under all+single one with a single modality a third of one with two. A
 * subset that has in a row no less than what the row has at all would repeat the row's joint term
 * and is left out there. Wu and Goodman 2018 (sub-sampled ELBO); cross
 * reconstruction as in Shi et al. 2019. A fusion rule with a loss of its own takes the place of
 * -L_S in every term.
 *
 * To this comes `contrast` times the mean of what contrast.h says over the pairs of modalities of
 * the batch's rows, `distil` times the mean of what distil.h says over its rows and their
 * modalities, and every head adds weight times the mean of its loss over those rows of the
 * batch that have its target, at the first sample of z of the joint term alone (the components of a
 * mixture weighted). A head that looks at subsets takes that mean in every term, over the rows that
 * have anything of it, and the mean of those by the terms' weights. What derivative reaches z is
 * the head's to say (gradient_scale). */
#ifndef STELE_MODEL_OBJECTIVE_H
#define STELE_MODEL_OBJECTIVE_H

#include "model/decode.h"
#include "spec/spec.h"

/* Terms of a step beside the joint. */
typedef struct stele__objective {
    int single;                /* each modality alone */
    uint32_t n_random;         /* random subsets per step, at most STELE__MAX_RANDOM */
    int reconstruct;           /* STELE__RECONSTRUCT_* of spec.h: what a subset's z reconstructs */
    double subset_weight;      /* of each of these terms; the joint has 1 */
    double contrast;           /* weight of the contrastive term (contrast.h), 0: none */
    double distil;             /* weight of the joint's lesson to each modality (distil.h) */
    int bound;                 /* STELE__BOUND_* of spec.h */
    uint32_t n_samples;        /* K, at least 1 */
    const double *head_factor; /* (heads) on their weights at this step; NULL: 1 */
} stele__objective;
#define STELE__MAX_RANDOM 64

/* Of the joint posterior, means over the rows concerned; the loss besides. All in nats. */
typedef struct stele__loss_terms {
    /* What is minimised, without distillation and without the heads that z is to help against
     * (gradient_scale < 0) or not to know of (0): a model is not the better for those. */
    double loss;
    double elbo; /* beta 1, weights 1; whatever the bound is, the mean over the samples */
    double divergence;
    int64_t n;                            /* rows with anything present */
    double log_px[STELE__MAX_MODALITIES]; /* sums over n_px rows */
    int64_t n_px[STELE__MAX_MODALITIES];
    double head[STELE__MAX_HEADS]; /* sums of their losses, not weighted, over n_head rows */
    int64_t n_head[STELE__MAX_HEADS];
    double contrast; /* sum over n_contrast pairs of modalities of a row, not weighted */
    int64_t n_contrast;
    double distil; /* sum over n_distil pairs of a row and one of its modalities, not weighted */
    int64_t n_distil;
} stele__loss_terms;

/* Compute the loss of a batch as a scalar tensor (NULL after an error, or with no row that has
 * anything: then terms->n is 0 and the graph has no error). seed and step address the choice of
 * random subsets. */
stele_tensor *stele__objective_loss(const stele__model *m, stele_graph *g, const stele__batch *b,
                                    const stele__objective *o, double beta, uint64_t seed,
                                    uint64_t step, stele__loss_terms *ret);

/* The losses of the heads that take steps of their own, each with weight 1, at the z that the
 * objective of the same pass address draws, detached. A scalar; NULL after an error, or with no row
 * that has a target. Fills head and n_head of *ret. */
stele_tensor *stele__objective_own_steps(const stele__model *m, stele_graph *g,
                                         const stele__batch *b, const stele__objective *o,
                                         uint64_t seed, uint64_t step, stele__loss_terms *ret);

#endif
