/* silhouette.h - how much nearer points are to their own class than to the nearest other one
 * (Rousseeuw 1987): s = (b - a) / max(a, b), where a is the mean Euclidean distance to the other
 * points of the class and b the least mean distance to those of another class. 1: far apart, 0: on
 * the border, below: nearer to others. 0 for the only point of its class. */
#ifndef STELE_EVAL_SILHOUETTE_H
#define STELE_EVAL_SILHOUETTE_H

#include "base/diag.h"
#include "kernels/pool.h"

#include <stdint.h>

/* ret[n] of x[n, n_columns]; NaN for rows with label < 0 or a value that is not finite, and for all
 * if fewer than two classes are left. Time grows with the square of n, memory with the number of
 * classes. Errors: E_NOMEM. */
STELE_NODISCARD stele_status stele__silhouette(const float *x, const int32_t *label, size_t n,
                                               size_t n_columns, stele__pool *pool, double *ret);

/* The same for batches within each class (scib: Luecken et al. 2022): 1 - |s|, where s is taken
 * among the points of the class alone, with batches as classes. 1: mixed. NaN for the points of a
 * class that is in one batch only, or has no two points of a batch. */
STELE_NODISCARD stele_status stele__silhouette_batch(const float *x, const int32_t *label,
                                                     const int32_t *batch, size_t n,
                                                     size_t n_columns, stele__pool *pool,
                                                     double *ret);

#endif
