/* chain_density.h - log p(x, z) and its derivative towards z at many points of each row. */
#ifndef STELE_TRAIN_CHAIN_DENSITY_H
#define STELE_TRAIN_CHAIN_DENSITY_H

#include "model/decode.h"

/* Points, `of_row` of each of n / of_row rows of the batch one behind the other. A point is z and,
 * behind it, the private latents of all modalities. */
typedef struct stele__chain_points {
    int64_t n, of_row, width; /* points; latent_dim and all private dimensions */
    int64_t *position, *row;  /* (n) in the batch, of the data set */
    uint32_t *sample;         /* (n) 0 .. of_row - 1 */
    uint64_t seed, step;      /* address of noise, if decoders have any */
} stele__chain_points;

/* Dimensions of a point. */
int64_t stele__chain_width(const stele__model *m);

/* log p(x, z) of each point, (n), but for what no latent changes, and its derivative (n, width).
 * Private latents of modalities that the row lacks follow their prior. Begins a pass. */
STELE_NODISCARD stele_status stele__chain_density(const stele__model *m, stele_graph *g,
                                                  const stele__batch *b,
                                                  const stele__chain_points *c, const double *place,
                                                  double *ret_log_p, double *ret_slope);

#endif
