/* distil.h - each modality's posterior taught by that of all modalities.
 *
 * The bound of a subset (objective.h) wants its q(z | x_S) where the likelihood of one draw is high
 * on average, and is content with one that is far too narrow: a draw elsewhere costs, a place that
 * is never drawn does not. The other direction does not forgive that. For modality m of a row that
 * has more than m, with z drawn from the posterior of all and both z and that posterior held,
 *
 *     log q(z | x) - log q(z | x_m)
 *
 * is on average KL(q(z | x) || q(z | x_m)), the term of JMVAE-kl (Suzuki, Nakayama and Matsuo
 * 2016): least where q(z | x_m) is as wide as what x_m leaves open, so that a modality which knows
 * little of z is no match for one that knows more. Posteriors are what the fusion rule makes of the
 * modalities; of a mixture every component draws, by its weight. */
#ifndef STELE_MODEL_DISTIL_H
#define STELE_MODEL_DISTIL_H

#include "model/infer.h"

/* The sum of these over modalities, rows and n draws, which are those of the posterior `all`, times
 * share; and how many pairs of a modality and a row there are. With none the sum is NULL, as it is
 * after an error of the graph. */
stele_tensor *stele__distil(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                            const stele__posterior *all, const stele__draws *draws, uint32_t n,
                            double share, int64_t *ret_n);

#endif
