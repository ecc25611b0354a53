/* foscttm.h - fraction of samples closer than the true match (Liu et al. 2019): do two embeddings
 * put the same things at the same place? 0: every point's partner is its nearest, 0.5: chance. */
#ifndef STELE_EVAL_FOSCTTM_H
#define STELE_EVAL_FOSCTTM_H

#include "base/diag.h"
#include "kernels/pool.h"

/* Row i of a[n, n_columns] and of b belong together, n at least 2. ret[n]: the share of the other
 * rows of b that are nearer to row i of a than its partner is, the same the other way round, and
 * the mean of both; Euclidean distance. Time grows with the square of n. */
void stele__foscttm(const float *a, const float *b, size_t n, size_t n_columns, stele__pool *pool,
                    double *ret);

#endif
