/* targets.h - where the latent of a row really is: weighted samples of p(z | x), which approximate
 * posteriors can be fitted to.
 *
 * K samples are drawn from the posterior given everything that a row has and from that given each
 * modality alone, and weighted by p(x, z) over the density of all these posteriors together
 * (multiple importance sampling with the balance heuristic, Veach and Guibas 1995). A posterior
 * that is too sharp, or in the wrong place, is found out by the samples of the others. */
#ifndef STELE_TRAIN_TARGETS_H
#define STELE_TRAIN_TARGETS_H

#include "model/decode.h"

/* Samples of the rows of one batch. A zeroed struct is empty. */
typedef struct stele__targets {
    int64_t n, capacity; /* samples */
    int64_t *position;   /* (n) in the batch */
    void *z;             /* (n, latent_dim) of the graph's dtype */
    double *log_w;       /* (n) log importance weights, not normalised */
} stele__targets;

void stele__targets_finish(stele__targets *t);
/* Room for n samples of z_bytes each. */
STELE_NODISCARD stele_status stele__targets_reserve(stele__targets *t, int64_t n, size_t z_bytes);

/* Add n_samples from every component of every posterior of each row. An importance weight takes the
 * whole x; weights of the modalities in the objective do not count. seed and step address the
 * noise. Begins passes of the graph. */
STELE_NODISCARD stele_status stele__targets_draw(const stele__model *m, stele_graph *g,
                                                 const stele__batch *b, uint32_t n_samples,
                                                 uint64_t seed, uint64_t step, stele__targets *t);

/* Minus the weighted mean of log q(z | x_S) over the samples, the posteriors S of a row and the
 * rows: up to a constant the mean of KL(p(z | x) || q(z | x_S)), the objective of reweighted
 * wake-sleep (Bornschein and Bengio 2015). For S smaller than x its minimum over the data is the
 * posterior of the model given x_S alone. What made the experts gets no derivative. NULL after an
 * error of the graph, or without samples. */
stele_tensor *stele__targets_loss(const stele__model *m, stele_graph *g, const stele__batch *b,
                                  const stele__targets *t);
/* As stele__targets_loss, of the posterior given everything alone and with the quantile loss of
 * distances from the mean (Koenker and Bassett 1978, up to what does not depend on widths) in place
 * of minus log q, summed over the dimensions:
 *     log r + 10 max(log |z - mean| - log r, 0), r half the width of the 90 % interval
 * A factor on all widths is best where 90 % of the samples lie in their intervals; dimensions of
 * which experts are sure and wrong count like others. Means get no derivative. For posteriors of
 * one component. */
stele_tensor *stele__targets_width_loss(const stele__model *m, stele_graph *g,
                                        const stele__batch *b, const stele__targets *t);

#endif
