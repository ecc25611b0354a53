#include "model/mixture.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 200 };
#define LEAST_GAIN 1e-4

stele_status stele__mixture_init(stele__mixture *m, uint32_t n, uint32_t dim, int full)
{
    *m = (stele__mixture){ .n = n, .dim = dim, .full = full };
    m->log_weight = stele__calloc(n, sizeof *m->log_weight);
    m->mean = stele__calloc((size_t)n * dim, sizeof *m->mean);
    m->factor = stele__calloc((size_t)n * stele__mixture_factor(m), sizeof *m->factor);
    return m->log_weight != NULL && m->mean != NULL && m->factor != NULL ? STELE_OK : STELE_E_NOMEM;
}

void stele__mixture_finish(stele__mixture *m)
{
    stele__free(m->log_weight);
    stele__free(m->mean);
    stele__free(m->factor);
    *m = (stele__mixture){ 0 };
}

size_t stele__mixture_factor(const stele__mixture *m)
{
    return m->full ? (size_t)m->dim * m->dim : m->dim;
}

stele_status stele__mixture_fit(const stele__points *points, double floor, uint64_t seed,
                                stele__pool *pool, stele__mixture *m, double *ret_bound)
{
    stele__mixture_work *w = NULL;
    double before = -HUGE_VAL;
    stele_status status = stele__mixture_work_create(points, m, floor, pool, &w);
    if (status == STELE_OK) {
        stele__mixture_start(w, seed, m);
        for (int k = 0; k < MOST_STEPS; k++) {
            *ret_bound = stele__mixture_step(w, m);
            if (*ret_bound - before < LEAST_GAIN) {
                break;
            }
            before = *ret_bound;
        }
    }
    stele__mixture_work_destroy(w);
    return status;
}

void stele__mixture_draw(const stele__mixture *m, const stele__stream *which,
                         const stele__stream *at, double temperature, float *ret)
{
    double u, total = 0.0;
    uint32_t k = 0;
    stele__stream_uniform(which, STELE_F64, 1, &u);
    for (uint32_t i = 0; i < m->n && total < u; i++) {
        if (m->log_weight[i] > -HUGE_VAL) {
            total += exp(m->log_weight[i]);
            k = i; /* the last one also takes what rounding leaves of the weights */
        }
    }
    const double *mean = m->mean + (size_t)k * m->dim;
    const double *factor = m->factor + (size_t)k * stele__mixture_factor(m);
    stele__noise_normal(at, m->dim, ret);
    for (uint32_t i = m->dim; i-- > 0;) { /* the numbers before the i-th are still noise */
        double sum = 0.0;
        if (m->full) {
            for (uint32_t j = 0; j <= i; j++) {
                sum += factor[(size_t)i * m->dim + j] * (double)ret[j];
            }
        } else {
            sum = factor[i] * (double)ret[i];
        }
        ret[i] = (float)(mean[i] + temperature * sum);
    }
}
