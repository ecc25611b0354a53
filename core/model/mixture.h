/* mixture.h - a mixture of normal distributions, fitted to points that are normal distributions
 * themselves: to posteriors of rows, so that it stands for their aggregate.
 *
 * It maximises
 *
 *     sum_i w_i log sum_k pi_k exp(E_{z ~ N(m_i, diag s_i)} log N(z; mu_k, Sigma_k)),
 *
 * a lower bound of the expected log-density of the points' z by Jensen's inequality, which for
 * points without variance is the likelihood. Expectation maximisation (Dempster, Laird and Rubin
 * 1977) has closed forms for it, as for points: the variances s_i are added to each component's. So
 * the bound never falls, and no component is narrower than the posteriors that it stands for. In
 * double, and the same for any number of threads. */
#ifndef STELE_MODEL_MIXTURE_H
#define STELE_MODEL_MIXTURE_H

#include "base/diag.h"
#include "graph/noise.h"
#include "kernels/pool.h"

typedef struct stele__points {
    int64_t n;
    uint32_t dim;
    double *mean, *var; /* (n, dim) */
    double *weight;     /* (n) above 0 */
} stele__points;

typedef struct stele__mixture {
    uint32_t n, dim;    /* components */
    int32_t full;       /* covariances: 1 full, 0 diagonal */
    double *log_weight; /* (n); -inf: a component that no point is near */
    double *mean;       /* (n, dim) */
    double *factor; /* full: (n, dim, dim) lower Cholesky factors of the covariances, 0 above the
                       diagonal; diagonal: (n, dim) standard deviations */
} stele__mixture;

/* Room for it, zeroed; stele__mixture_finish in any case. */
STELE_NODISCARD stele_status stele__mixture_init(stele__mixture *m, uint32_t n, uint32_t dim,
                                                 int full);
void stele__mixture_finish(stele__mixture *m);
/* Numbers that one component's factor has. [any] */
size_t stele__mixture_factor(const stele__mixture *m);

/* Room to work in: responsibilities (points, components). */
typedef struct stele__mixture_work stele__mixture_work;
/* `floor` is added to all variances of the points, at least 0. `points` is borrowed. */
STELE_NODISCARD stele_status stele__mixture_work_create(const stele__points *points,
                                                        const stele__mixture *m, double floor,
                                                        stele__pool *pool,
                                                        stele__mixture_work **ret);
void stele__mixture_work_destroy(stele__mixture_work *w); /* NULL is legal */
/* Components at groups of points: the best of four runs of k-means from spread out starts (Arthur
 * and Vassilvitskii 2007), drawn by the seed. At most as many components as points. */
void stele__mixture_start(stele__mixture_work *w, uint64_t seed, stele__mixture *m);
/* One step of expectation maximisation: the bound of `m` as it comes, per weight of the points. */
double stele__mixture_step(stele__mixture_work *w, stele__mixture *m);

/* Start, then steps until one gains less than 1e-4 nats, at most 200. *ret_bound: what was
 * reached. */
STELE_NODISCARD stele_status stele__mixture_fit(const stele__points *points, double floor,
                                                uint64_t seed, stele__pool *pool, stele__mixture *m,
                                                double *ret_bound);

/* A draw: the component by stream `which`, mean + temperature * deviation from it by stream `at`.
 * ret (dim). [any] */
void stele__mixture_draw(const stele__mixture *m, const stele__stream *which,
                         const stele__stream *at, double temperature, float *ret);

#endif
