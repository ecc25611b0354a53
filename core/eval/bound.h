/* bound.h - how likely held-out rows are under the model: the evidence lower bound and its
 * importance-weighted refinement, for the posterior given any subset S of the modalities.
 *
 * Whatever S is, the quantity is the same: the log-likelihood of everything that the row has,
 *
 *     log p(x) >= log mean_k p(x | z_k) p(z_k) / q(z_k | x_S) >= E_q[log p(x | z)] - KL(q || p)
 *
 * (Burda, Grosse & Salakhutdinov 2016; the middle term in expectation), so that the figures of two
 * posteriors can be compared. Mixtures are sampled in strata: K samples of every component, each
 * with its weight (Morningstar et al. 2021). Size factors are those observed.
 *
 * Batches of rows are tasks for the pool of the judge's graph, each thread with a graph of its
 * own. */
#ifndef STELE_EVAL_BOUND_H
#define STELE_EVAL_BOUND_H

#include "eval/judge.h"

/* Means over the rows, in nats; NaN without rows. */
typedef struct stele__bound {
    int64_t n;                            /* rows that have something of S */
    double elbo, elbo_error;              /* mean and its standard error over the rows */
    double importance, importance_error;  /* log mean of K importance weights */
    double divergence;                    /* KL(q || prior); sampled for mixtures */
    int64_t n_px[STELE__MAX_MODALITIES];  /* rows among them that have the modality */
    double log_px[STELE__MAX_MODALITIES]; /* E_q[log p(x_m | z)], mean over those */
    /* exp(-log_px / factors), both summed over the rows, where the modality counts the factors of
     * its likelihood (tokens of a text, say); else NaN. */
    double perplexity[STELE__MAX_MODALITIES];
} stele__bound;

/* What the means are taken of, row by row: the columns of ret_rows. */
enum {
    STELE__ROW_ELBO,
    STELE__ROW_IMPORTANCE,
    STELE__ROW_DIVERGENCE,
    STELE__ROW_LOG_PX /* of each modality of the model, in its order */
};

/* Rows in which nothing of `mask` is present are left out. n_samples: K, at least 1. ret_rows (n,
 * STELE__ROW_LOG_PX + modalities) may be NULL; NaN where a row does not count. [main] */
STELE_NODISCARD stele_status stele__bound_compute(const stele__judge *j, const int64_t *row,
                                                  int64_t n, uint64_t mask, uint32_t n_samples,
                                                  stele__bound *ret, double *ret_rows,
                                                  stele__diag *diag);

#endif
