/* lisi.h - local inverse Simpson's index (Korsunsky et al. 2019): how many classes a point's
 * neighbourhood effectively has, 1 for one, the number of classes where all are equally frequent.
 *
 * Neighbours weigh exp(-beta d) by their distance d, with beta such that the entropy of the
 * normalised weights is the log of the perplexity; the index is 1 / sum over classes of (sum of the
 * class's weights)^2. */
#ifndef STELE_EVAL_LISI_H
#define STELE_EVAL_LISI_H

#include "base/diag.h"
#include "kernels/pool.h"

#include <stdint.h>

/* ret[n] from the k neighbours of each of n points, as stele__knn_search gives them, and the codes
 * of all points, in 0 .. n_codes - 1. perplexity above 1 and below k. Errors: E_NOMEM. */
STELE_NODISCARD stele_status stele__lisi(const int32_t *index, const double *distance, size_t n,
                                         size_t k, double perplexity, const int32_t *code,
                                         size_t n_codes, stele__pool *pool, double *ret);

#endif
