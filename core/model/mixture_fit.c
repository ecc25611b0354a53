/* Expectation maximisation for mixtures of normal distributions. */
#include "base/mem.h"
#include "model/mixture.h"

#include <math.h>
#include <string.h>

/* Points of a task of the first half of a step, whatever the number of threads; a component is one
 * of the second half. */
enum { BLOCK = 128, STARTS = 4, ROUNDS = 10 };
/* Responsibilities below are none, and so are those of components whose logarithm is so much lower
 * than another's. */
#define NEGLIGIBLE 1e-12
#define FAR        40.0

struct stele__mixture_work {
    const stele__points *points;
    stele__pool *pool;
    stele__mixture *m; /* of the step at hand */
    double floor;
    size_t n_blocks, n_threads;
    double *share;    /* (points, components) responsibilities */
    double *inverse;  /* as m->factor: inverses of the factors */
    double *trace;    /* (components, dim) diagonals of the inverse covariances */
    double *constant; /* (components) log weight and determinant */
    double *sum;      /* (blocks) of the bound */
    double *room;     /* (threads, dim) */
    double *distance; /* (points) to the nearest centre */
    int64_t *centre;  /* (points) */
};

stele_status stele__mixture_work_create(const stele__points *points, const stele__mixture *m,
                                        double floor, stele__pool *pool, stele__mixture_work **ret)
{
    stele__mixture_work *w = stele__calloc(1, sizeof *w);
    const size_t n = (size_t)points->n, k = m->n, d = m->dim;
    *ret = w;
    if (w == NULL) {
        return STELE_E_NOMEM;
    }
    w->points = points;
    w->pool = pool;
    w->floor = floor;
    w->n_blocks = (n + BLOCK - 1) / BLOCK;
    w->n_threads = stele__pool_threads(pool);
    w->share = stele__calloc(n * k + 1, sizeof *w->share);
    w->inverse = stele__calloc(k * stele__mixture_factor(m), sizeof *w->inverse);
    w->trace = stele__calloc(k * d, sizeof *w->trace);
    w->constant = stele__calloc(k, sizeof *w->constant);
    w->sum = stele__calloc(w->n_blocks + 1, sizeof *w->sum);
    w->room = stele__calloc(w->n_threads * d, sizeof *w->room);
    w->distance = stele__calloc(n + 1, sizeof *w->distance);
    w->centre = stele__calloc(n + 1, sizeof *w->centre);
    const int ok = w->share != NULL && w->inverse != NULL && w->trace != NULL &&
                   w->constant != NULL && w->sum != NULL && w->room != NULL &&
                   w->distance != NULL && w->centre != NULL;
    return ok ? STELE_OK : STELE_E_NOMEM;
}

void stele__mixture_work_destroy(stele__mixture_work *w)
{
    if (w == NULL) {
        return;
    }
    stele__free(w->share);
    stele__free(w->inverse);
    stele__free(w->trace);
    stele__free(w->constant);
    stele__free(w->sum);
    stele__free(w->room);
    stele__free(w->distance);
    stele__free(w->centre);
    stele__free(w);
}

/* --- responsibilities --- */

/* The inverse of a lower triangle, (n, n) both. */
static void invert(const double *l, size_t n, double *ret)
{
    memset(ret, 0, n * n * sizeof *ret);
    for (size_t j = 0; j < n; j++) {
        ret[j * n + j] = 1.0 / l[j * n + j];
        for (size_t i = j + 1; i < n; i++) {
            double sum = 0.0;
            for (size_t k = j; k < i; k++) {
                sum += l[i * n + k] * ret[k * n + j];
            }
            ret[i * n + j] = -sum / l[i * n + i];
        }
    }
}

static void prepare_component(void *ctx, size_t k, unsigned thread)
{
    (void)thread;
    stele__mixture_work *w = ctx;
    const stele__mixture *m = w->m;
    const size_t d = m->dim, size = stele__mixture_factor(m);
    const double *factor = m->factor + k * size;
    double *inverse = w->inverse + k * size, *trace = w->trace + k * d;
    double log_determinant = 0.0;
    if (!(m->log_weight[k] > -HUGE_VAL)) {
        w->constant[k] = -HUGE_VAL;
        return;
    }
    if (m->full) {
        invert(factor, d, inverse);
    }
    for (size_t j = 0; j < d; j++) {
        const double diagonal = m->full ? factor[j * d + j] : factor[j];
        log_determinant += log(diagonal);
        trace[j] = 0.0;
        for (size_t i = j; i < d && m->full; i++) {
            trace[j] += inverse[i * d + j] * inverse[i * d + j];
        }
        if (!m->full) {
            inverse[j] = 1.0 / diagonal;
            trace[j] = inverse[j] * inverse[j];
        }
    }
    w->constant[k] = m->log_weight[k] - log_determinant - 0.5 * (double)d * log(2.0 * M_PI);
}

/* The expected log-density of one point under component k, with the component's weight; -inf if it
 * is below `least`. */
static double expected(const stele__mixture_work *w, int64_t i, size_t k, double least,
                       double *room)
{
    const stele__mixture *m = w->m;
    const size_t d = m->dim;
    const double *mean = w->points->mean + (size_t)i * d, *var = w->points->var + (size_t)i * d;
    const double *inverse = w->inverse + k * stele__mixture_factor(m), *trace = w->trace + k * d;
    double sum = 0.0;
    if (!(w->constant[k] > -HUGE_VAL)) {
        return -HUGE_VAL;
    }
    for (size_t j = 0; j < d; j++) {
        room[j] = mean[j] - m->mean[k * d + j];
        sum += trace[j] * (var[j] + w->floor);
    }
    for (size_t j = 0; j < d; j++) {
        double x = 0.0;
        if (w->constant[k] - 0.5 * sum < least) {
            return -HUGE_VAL;
        }
        if (m->full) {
            for (size_t c = 0; c <= j; c++) {
                x += inverse[j * d + c] * room[c];
            }
        } else {
            x = inverse[j] * room[j];
        }
        sum += x * x;
    }
    return w->constant[k] - 0.5 * sum;
}

static void share_block(void *ctx, size_t block, unsigned thread)
{
    stele__mixture_work *w = ctx;
    const size_t n = w->m->n;
    double *room = w->room + thread * w->m->dim, total = 0.0;
    const int64_t begin = (int64_t)block * BLOCK;
    const int64_t end = begin + BLOCK < w->points->n ? begin + BLOCK : w->points->n;
    for (int64_t i = begin; i < end; i++) {
        double *share = w->share + (size_t)i * n, most = -HUGE_VAL, sum = 0.0;
        for (size_t k = 0; k < n; k++) {
            share[k] = expected(w, i, k, most - FAR, room);
            most = share[k] > most ? share[k] : most;
        }
        for (size_t k = 0; k < n; k++) {
            share[k] = exp(share[k] - most);
            sum += share[k];
        }
        for (size_t k = 0; k < n; k++) {
            share[k] /= sum;
        }
        total += w->points->weight[i] * (most + log(sum));
    }
    w->sum[block] = total;
}

static double all_weights(const stele__points *p)
{
    double sum = 0.0;
    for (int64_t i = 0; i < p->n; i++) {
        sum += p->weight[i];
    }
    return sum;
}

/* --- components --- */

/* The lower factor of a symmetric matrix (n, n) of which the lower triangle is given, in place. Its
 * eigenvalues are at least `least`, and so are the pivots but for rounding. */
static void factorise(double *a, size_t n, double least)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++) {
                sum -= a[i * n + k] * a[j * n + k];
            }
            a[i * n + j] = i > j ? sum / a[j * n + j] : sqrt(sum > least ? sum : least);
        }
        for (size_t i = 0; i < j; i++) {
            a[i * n + j] = 0.0;
        }
    }
}

/* Add the covariance of one point around the component's mean, with weight r. */
static void add_spread(const stele__mixture_work *w, size_t i, size_t k, double r, double *room)
{
    const size_t d = w->m->dim;
    const double *mean = w->points->mean + i * d, *var = w->points->var + i * d;
    double *to = w->m->factor + k * stele__mixture_factor(w->m);
    for (size_t j = 0; j < d; j++) {
        room[j] = mean[j] - w->m->mean[k * d + j];
    }
    for (size_t j = 0; j < d; j++) {
        const double own = r * (var[j] + w->floor);
        if (!w->m->full) {
            to[j] += r * room[j] * room[j] + own;
            continue;
        }
        for (size_t c = 0; c <= j; c++) {
            to[j * d + c] += r * room[j] * room[c];
        }
        to[j * d + j] += own;
    }
}

static void update_component(void *ctx, size_t k, unsigned thread)
{
    stele__mixture_work *w = ctx;
    stele__mixture *m = w->m;
    const size_t d = m->dim, size = stele__mixture_factor(m), n = (size_t)w->points->n;
    double *mean = m->mean + k * d, *factor = m->factor + k * size, total = 0.0;
    for (size_t i = 0; i < n; i++) {
        total += w->points->weight[i] * w->share[i * m->n + k];
    }
    if (!(total > NEGLIGIBLE)) {
        m->log_weight[k] = -HUGE_VAL;
        return;
    }
    m->log_weight[k] = log(total / all_weights(w->points));
    memset(mean, 0, d * sizeof *mean);
    memset(factor, 0, size * sizeof *factor);
    for (size_t i = 0; i < n; i++) {
        const double r = w->points->weight[i] * w->share[i * m->n + k] / total;
        for (size_t j = 0; j < d && r > 0.0; j++) {
            mean[j] += r * w->points->mean[i * d + j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        const double r = w->points->weight[i] * w->share[i * m->n + k] / total;
        if (r > NEGLIGIBLE / (double)n) {
            add_spread(w, i, k, r, w->room + thread * d);
        }
    }
    if (m->full) {
        factorise(factor, d, w->floor);
    }
    for (size_t j = 0; j < d && !m->full; j++) {
        factor[j] = sqrt(factor[j]);
    }
}

double stele__mixture_step(stele__mixture_work *w, stele__mixture *m)
{
    double sum = 0.0;
    w->m = m;
    stele__pool_run(w->pool, m->n, prepare_component, w);
    stele__pool_run(w->pool, w->n_blocks, share_block, w);
    for (size_t b = 0; b < w->n_blocks; b++) {
        sum += w->sum[b];
    }
    stele__pool_run(w->pool, m->n, update_component, w);
    return sum / all_weights(w->points);
}

/* --- where to start --- */

static double squared_distance(const stele__mixture_work *w, int64_t i, const double *centre)
{
    const size_t d = w->m->dim;
    double sum = 0.0;
    for (size_t j = 0; j < d; j++) {
        const double x = w->points->mean[(size_t)i * d + j] - centre[j];
        sum += x * x;
    }
    return sum;
}

/* Point i of n by weights that add up to `total`, at the place u of the sum. */
static int64_t point_at(const stele__mixture_work *w, double total, double u, int by_distance)
{
    double sum = 0.0;
    int64_t found = 0;
    for (int64_t i = 0; i < w->points->n; i++) {
        const double weight = w->points->weight[i] * (by_distance ? w->distance[i] : 1.0);
        if (weight > 0.0) {
            sum += weight;
            found = i;
        }
        if (sum > u * total) {
            break;
        }
    }
    return found;
}

/* Each further centre is a point drawn by its squared distance from those before. */
static void spread_out(stele__mixture_work *w, uint64_t key, uint32_t start)
{
    const size_t d = w->m->dim;
    for (uint32_t k = 0; k < w->m->n; k++) {
        const stele__stream at = { .key = key, .row = k, .sample = start };
        double u, total = 0.0;
        for (int64_t i = 0; i < w->points->n; i++) {
            total += w->points->weight[i] * (k > 0 ? w->distance[i] : 1.0);
        }
        stele__stream_uniform(&at, STELE_F64, 1, &u);
        const int64_t chosen = point_at(w, total, u, k > 0);
        double *centre = w->m->mean + k * d;
        memcpy(centre, w->points->mean + (size_t)chosen * d, d * sizeof *centre);
        for (int64_t i = 0; i < w->points->n; i++) {
            const double distance = squared_distance(w, i, centre);
            w->distance[i] = k > 0 && w->distance[i] < distance ? w->distance[i] : distance;
        }
    }
}

static void find_centre(void *ctx, size_t block, unsigned thread)
{
    (void)thread;
    stele__mixture_work *w = ctx;
    const int64_t begin = (int64_t)block * BLOCK;
    const int64_t end = begin + BLOCK < w->points->n ? begin + BLOCK : w->points->n;
    for (int64_t i = begin; i < end; i++) {
        w->distance[i] = HUGE_VAL;
        for (uint32_t k = 0; k < w->m->n; k++) {
            const double distance = squared_distance(w, i, w->m->mean + (size_t)k * w->m->dim);
            if (distance < w->distance[i]) {
                w->distance[i] = distance;
                w->centre[i] = k;
            }
        }
    }
}

/* Points to their nearest centres, as responsibilities; the sum of their squared distances. */
static double assign(stele__mixture_work *w)
{
    double sum = 0.0;
    stele__pool_run(w->pool, w->n_blocks, find_centre, w);
    memset(w->share, 0, (size_t)w->points->n * w->m->n * sizeof *w->share);
    for (int64_t i = 0; i < w->points->n; i++) {
        w->share[(size_t)i * w->m->n + (size_t)w->centre[i]] = 1.0;
        sum += w->points->weight[i] * w->distance[i];
    }
    return sum;
}

void stele__mixture_start(stele__mixture_work *w, uint64_t seed, stele__mixture *m)
{
    const uint64_t key = stele__noise_key(seed, stele__noise_hash("mixture/start"), 0);
    uint32_t best = 0;
    double least = HUGE_VAL;
    w->m = m;
    for (uint32_t start = 0; start <= STARTS; start++) { /* the best one again at last */
        spread_out(w, key, start < STARTS ? start : best);
        double sum = assign(w);
        for (int round = 0; round < ROUNDS; round++) {
            stele__pool_run(w->pool, m->n, update_component, w);
            sum = assign(w);
        }
        if (sum < least) {
            least = sum;
            best = start;
        }
    }
    stele__pool_run(w->pool, m->n, update_component, w);
}
