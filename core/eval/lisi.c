#include "eval/lisi.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { ROWS = 64, TRIES = 50 }; /* of a task; of the search for beta, as in the authors' code */
static const double TOLERANCE = 1e-5;

typedef struct job {
    const int32_t *index, *code;
    const double *distance;
    size_t n, k, n_codes;
    double log_perplexity;
    double *weight; /* (threads, k + n_codes): of neighbours, of codes */
    double *ret;
} job;

/* Weights that add up to 1, and their entropy. */
static double weigh(const double *distance, size_t k, double beta, double *weight)
{
    double sum = 0.0, moment = 0.0;
    for (size_t i = 0; i < k; i++) {
        weight[i] = exp(-distance[i] * beta);
        sum += weight[i];
        moment += distance[i] * weight[i];
    }
    for (size_t i = 0; i < k && sum > 0.0; i++) {
        weight[i] /= sum;
    }
    return sum > 0.0 ? log(sum) + beta * moment / sum : 0.0;
}

/* Doubling and halving, then bisection. */
static void find_weights(const job *q, const double *distance, double *weight)
{
    double beta = 1.0, low = -HUGE_VAL, high = HUGE_VAL;
    double excess = weigh(distance, q->k, beta, weight) - q->log_perplexity;
    for (int i = 0; i < TRIES && fabs(excess) >= TOLERANCE; i++) {
        if (excess > 0.0) {
            low = beta;
            beta = isinf(high) ? 2.0 * beta : 0.5 * (beta + high);
        } else {
            high = beta;
            beta = isinf(low) ? 0.5 * beta : 0.5 * (beta + low);
        }
        excess = weigh(distance, q->k, beta, weight) - q->log_perplexity;
    }
}

static void run(void *ctx, size_t task, unsigned thread)
{
    const job *q = ctx;
    double *weight = q->weight + thread * (q->k + q->n_codes), *share = weight + q->k;
    for (size_t i = task * ROWS; i < (task + 1) * ROWS && i < q->n; i++) {
        double simpson = 0.0;
        find_weights(q, q->distance + i * q->k, weight);
        memset(share, 0, q->n_codes * sizeof *share);
        for (size_t j = 0; j < q->k; j++) {
            share[q->code[q->index[i * q->k + j]]] += weight[j];
        }
        for (size_t c = 0; c < q->n_codes; c++) {
            simpson += share[c] * share[c];
        }
        q->ret[i] = simpson > 0.0 ? 1.0 / simpson : (double)NAN;
    }
}

stele_status stele__lisi(const int32_t *index, const double *distance, size_t n, size_t k,
                         double perplexity, const int32_t *code, size_t n_codes, stele__pool *pool,
                         double *ret)
{
    job q = { .index = index,
              .code = code,
              .distance = distance,
              .n = n,
              .k = k,
              .n_codes = n_codes,
              .log_perplexity = log(perplexity),
              .ret = ret };
    q.weight = stele__calloc(stele__pool_threads(pool), (k + n_codes) * sizeof *q.weight);
    if (q.weight == NULL) {
        return STELE_E_NOMEM;
    }
    stele__pool_run(pool, (n + ROWS - 1) / ROWS, run, &q);
    stele__free(q.weight);
    return STELE_OK;
}
