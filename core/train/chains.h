/* chains.h - from weighted samples of p(z | x) to samples that count alike: Markov chains whose
 * target is p(x, z).
 *
 * Of many dimensions one or two importance samples carry all the weight. Here they only say where
 * chains begin: each row has a few, drawn from its samples by their weights (sampling importance
 * resampling, Rubin 1987), which then move by Hamiltonian Monte Carlo (Duane et al. 1987; Neal
 * 2011). Nothing is to be tuned: distances are measured by the curvature of log p(x, z) around the
 * row's chains, from differences of derivatives, and the length of a step is set by how many of the
 * row's first moves were accepted. Those moves are forgotten. */
#ifndef STELE_TRAIN_CHAINS_H
#define STELE_TRAIN_CHAINS_H

#include "train/targets.h"

/* Samples of the rows of the batch in place of those in t, n_samples of each row that has anything,
 * with log-weight 0. Private latents move along with z. seed and step address the noise, which does
 * not depend on the other rows. Begins passes of the graph; derivatives of parameters are left
 * alone. A row costs 8 decodings for each posterior component, and with derivatives towards z about
 * 64, 4 for each sample and 2 for each dimension: 150 for 12 samples of 20 dimensions. */
STELE_NODISCARD stele_status stele__chains_draw(const stele__model *m, stele_graph *g,
                                                const stele__batch *b, uint32_t n_samples,
                                                uint64_t seed, uint64_t step, stele__targets *t);

#endif
