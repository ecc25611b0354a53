#include "eval/bootstrap.h"

#include "base/mem.h"
#include "graph/noise.h"
#include "graph/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 };

typedef struct job {
    const stele__bootstrap *b;
    uint64_t key;
    uint32_t n_figures;
    stele__statistic *statistic;
    void *ctx;
    uint32_t *count; /* (threads, n + n_units) of rows, and of units */
    double *figure;  /* (resamples, n_figures) */
} job;

/* How often each unit is drawn in a resample. */
static void draw_units(const job *q, size_t resample, uint32_t *count)
{
    const int64_t n = q->b->n_units;
    double u[CHUNK];
    memset(count, 0, (size_t)n * sizeof *count);
    for (int64_t at = 0; at < n; at += CHUNK) {
        const int64_t many = n - at < CHUNK ? n - at : CHUNK;
        const stele__stream stream = { .key = q->key,
                                       .row = (int64_t)resample,
                                       .sample = (uint32_t)(at / CHUNK) };
        stele__stream_uniform(&stream, STELE_F64, (size_t)many, u);
        for (int64_t i = 0; i < many; i++) {
            int64_t drawn = (int64_t)(u[i] * (double)n);
            count[drawn < n ? drawn : n - 1]++;
        }
    }
}

static void run_one(void *ctx, size_t task, unsigned thread)
{
    const job *q = ctx;
    const int64_t n = q->b->n;
    uint32_t *rows = q->count + (size_t)thread * (size_t)(n + q->b->n_units);
    uint32_t *units = q->b->unit != NULL ? rows + n : rows;
    draw_units(q, task, units);
    for (int64_t r = 0; q->b->unit != NULL && r < n; r++) {
        rows[r] = units[q->b->unit[r]];
    }
    q->statistic(q->ctx, rows, thread, q->figure + task * q->n_figures);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between order statistics on a straight line, as numpy does. */
static double quantile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    return below + 1 < n
               ? sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below])
               : sorted[n - 1];
}

static stele__interval interval_of(const job *q, size_t n, uint32_t figure, double *sorted)
{
    size_t defined = 0;
    for (size_t i = 0; i < n; i++) {
        double v = q->figure[i * q->n_figures + figure];
        if (isfinite(v)) {
            sorted[defined++] = v;
        }
    }
    if (n < STELE__LEAST_RESAMPLES || 2 * defined <= n) {
        return (stele__interval){ NAN, NAN };
    }
    qsort(sorted, defined, sizeof *sorted, ascending);
    return (stele__interval){ quantile(sorted, defined, 0.5 - 0.5 * q->b->level),
                              quantile(sorted, defined, 0.5 + 0.5 * q->b->level) };
}

void stele__interval_mirror(const stele_metric *metric, uint32_t n, stele__interval *interval)
{
    for (uint32_t k = 0; k < n; k++) {
        const double v = metric[k].value;
        const stele__interval i = interval[k];
        if ((metric[k].flags & STELE_METRIC_EXCESS) != 0 && isfinite(i.low) && isfinite(i.high)) {
            interval[k] =
                (stele__interval){ fmax(0.0, 2.0 * v - i.high), fmax(0.0, 2.0 * v - i.low) };
        }
    }
}

stele_status stele__bootstrap_run(const stele__bootstrap *b, uint32_t most, int alone,
                                  uint32_t n_figures, stele__statistic *statistic, void *ctx,
                                  stele__interval *ret)
{
    stele__pool *pool = alone ? NULL : b->pool;
    size_t n = most > 0 && most < b->n_resamples ? most : b->n_resamples;
    job q = { .b = b,
              .key = stele__noise_key(b->seed, stele__noise_hash("bootstrap"), 0),
              .n_figures = n_figures,
              .statistic = statistic,
              .ctx = ctx };
    n = n < STELE__LEAST_RESAMPLES ? 0 : n;
    q.count =
        stele__calloc(stele__pool_threads(pool), (size_t)(b->n + b->n_units) * sizeof *q.count + 1);
    q.figure = stele__calloc(n * n_figures + 1, sizeof *q.figure);
    double *sorted = stele__calloc(n + 1, sizeof *sorted);
    const int ok = q.count != NULL && q.figure != NULL && sorted != NULL;
    if (ok) {
        stele__pool_run(pool, n, run_one, &q);
    }
    for (uint32_t k = 0; ok && k < n_figures; k++) {
        ret[k] = interval_of(&q, n, k, sorted);
    }
    stele__free(q.count);
    stele__free(q.figure);
    stele__free(sorted);
    return ok ? STELE_OK : STELE_E_NOMEM;
}

/* --- means --- */

typedef struct columns {
    const double *value;
    int64_t n;
    uint32_t n_columns;
} columns;

static void means(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    const columns *c = ctx;
    (void)thread;
    for (uint32_t k = 0; k < c->n_columns; k++) {
        double sum = 0.0, n = 0.0;
        for (int64_t r = 0; r < c->n; r++) {
            double v = c->value[r * c->n_columns + k];
            if (count[r] > 0 && !isnan(v)) {
                sum += (double)count[r] * v;
                n += (double)count[r];
            }
        }
        ret[k] = n > 0.0 ? sum / n : NAN;
    }
}

stele_status stele__bootstrap_means(const stele__bootstrap *b, const double *value,
                                    uint32_t n_columns, stele__interval *ret)
{
    columns c = { value, b->n, n_columns };
    return stele__bootstrap_run(b, 0, 0, n_columns, means, &c, ret);
}

/* --- the median --- */

typedef struct ranked {
    double value;
    int64_t row;
} ranked;

typedef struct order {
    ranked *list;
    int64_t n;
} order;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

static void median(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    const order *o = ctx;
    int64_t total = 0, seen = 0;
    double low = NAN, high = NAN;
    (void)thread;
    for (int64_t i = 0; i < o->n; i++) {
        total += count[o->list[i].row];
    }
    for (int64_t i = 0; i < o->n && 2 * seen <= total; i++) {
        const uint32_t many = count[o->list[i].row];
        low = many > 0 && 2 * seen < total ? o->list[i].value : low;
        high = many > 0 ? o->list[i].value : high;
        seen += many;
    }
    ret[0] = 0.5 * (low + high);
}

stele_status stele__bootstrap_median(const stele__bootstrap *b, const double *value,
                                     stele__interval *ret)
{
    order o = { .list = stele__calloc((size_t)b->n + 1, sizeof *o.list) };
    if (o.list == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < b->n; r++) {
        if (!isnan(value[r])) {
            o.list[o.n++] = (ranked){ value[r], r };
        }
    }
    qsort(o.list, (size_t)o.n, sizeof *o.list, by_value);
    stele_status status = stele__bootstrap_run(b, 0, 0, 1, median, &o, ret);
    stele__free(o.list);
    return status;
}

int64_t stele__bootstrap_rows(const stele__bootstrap *b, const uint32_t *count, int64_t *ret)
{
    int64_t n = 0;
    for (int64_t r = 0; r < b->n; r++) {
        for (uint32_t k = 0; k < count[r]; k++, n++) {
            if (ret != NULL) {
                ret[n] = r;
            }
        }
    }
    return n;
}
