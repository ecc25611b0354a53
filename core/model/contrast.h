/* contrast.h - rows told from each other by what their modalities have in common.
 *
 * For two modalities a and b and the n rows of a batch that have both, with
 *
 *     s_ij = log integral q(z | a_i) q(z | b_j) / p(z) dz,
 *
 * the score of eval/consistency.h: the logarithm of the Bayes factor of one z against two, the loss
 * of row i is
 *
 *     -1/2 log (exp s_ii / sum_j exp s_ij) - 1/2 log (exp s_ii / sum_j exp s_ji)
 *
 * which is least where s is log p(a, b) / (p(a) p(b)) up to a constant: what the Bayes factor
 * claims to be. InfoNCE (van den Oord, Li and Vinyals 2018), both ways as in CLIP (Radford et al.
 * 2021). Posteriors are those that the fusion rule makes of one modality alone, mixtures by their
 * moments; a posterior wider than the prior counts as one as wide. */
#ifndef STELE_MODEL_CONTRAST_H
#define STELE_MODEL_CONTRAST_H

#include "model/infer.h"

/* The sum of these losses over all pairs of modalities and their rows, at most log n each, and how
 * many there are; batches in which fewer than two rows have both add none. With none the sum is
 * NULL, as it is after an error of the graph. */
stele_tensor *stele__contrast(const stele__model *m, stele_graph *g, const stele__batch *b,
                              const stele__expert_set *e, int64_t *ret_n);

#endif
