#include "eval/forecast.h"

#include "base/mem.h"
#include "graph/tensor.h"
#include "model/head.h"
#include "model/quantity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Draws at a time, of all rows of a batch together. */
enum { AT_ONCE = 1 << 14 };

/* One draw of a row: its weight, and what the head makes of it. */
typedef struct weighed {
    double value, weight;
} weighed;

typedef struct work {
    const stele__judge *j;
    const stele__forecast_request *q;
    const stele__head *head;
    stele__forecast *f;
    stele__batch *batch;
    int64_t capacity, most; /* rows at a time; draws per row */
    int64_t *n_draws;       /* (capacity) */
    weighed *seen;          /* (capacity, n_outputs, most) */
    double *total;          /* (capacity) of weights */
    float *mean;            /* (n, D) of the posteriors of all rows */
    double *shown, *uniform;
    float *predicted;
    int with_draws;  /* noise is one of z's draw: the head has learned from draws */
    int wants_draws; /* a quantity of the rows at hand has no noise of its own */
} work;

void stele__forecast_finish(stele__forecast *f)
{
    stele__free(f->output);
    stele__free(f->value);
    stele__free(f->low);
    stele__free(f->high);
    memset(f, 0, sizeof *f);
}

static void work_finish(work *w)
{
    stele__batch_destroy(w->batch);
    stele__free(w->n_draws);
    stele__free(w->seen);
    stele__free(w->total);
    stele__free(w->mean);
    stele__free(w->shown);
    stele__free(w->uniform);
    stele__free(w->predicted);
}

static stele_status name_elements(work *w, int64_t width)
{
    w->f->n_outputs = (uint32_t)width;
    w->f->output = stele__calloc((size_t)width, sizeof *w->f->output);
    for (int64_t k = 0; w->f->output != NULL && k < width; k++) {
        w->f->output[k].category = -1;
        snprintf(w->f->output[k].name, sizeof w->f->output[k].name, "%lld", (long long)k);
    }
    return w->f->output != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* Everything whose size depends on what the quantities are; `width` elements of a prediction. */
static stele_status make_room(work *w, int64_t width)
{
    size_t n = (size_t)w->f->n_outputs, rows = (size_t)w->capacity;
    stele__forecast *f = w->f;
    f->value = stele__calloc((size_t)f->n * n, sizeof *f->value);
    f->low = stele__calloc((size_t)f->n * n, sizeof *f->low);
    f->high = stele__calloc((size_t)f->n * n, sizeof *f->high);
    w->seen = stele__calloc(rows * n * (size_t)w->most, sizeof *w->seen);
    w->shown = stele__calloc(rows * n, sizeof *w->shown);
    w->predicted = stele__calloc(rows * (size_t)width, sizeof *w->predicted);
    for (int64_t i = 0; f->value != NULL && i < f->n * (int64_t)n; i++) {
        f->value[i] = NAN;
    }
    for (int64_t i = 0; f->low != NULL && f->high != NULL && i < f->n * (int64_t)n; i++) {
        f->low[i] = f->high[i] = NAN;
    }
    return f->value != NULL && f->low != NULL && f->high != NULL && w->seen != NULL &&
                   w->shown != NULL && w->predicted != NULL
               ? STELE_OK
               : STELE_E_NOMEM;
}

/* Predictions as quantities, (n, n_outputs), with noise at those probabilities (n), or without:
 * NULL.
 */
static stele_status show(const work *w, int64_t n, int64_t width, const double *uniform,
                         double *ret, stele__diag *diag)
{
    stele_reader reader = stele__part_reader(&w->head->part);
    stele_head_shown s = { .struct_size = sizeof s,
                           .n_rows = n,
                           .n_outputs = width,
                           .predicted = w->predicted,
                           .uniform = uniform,
                           .reader = &reader,
                           .ret = ret };
    if (!stele__head_has_quantities(w->head)) {
        for (int64_t i = 0; i < n * width; i++) {
            ret[i] = (double)w->predicted[i];
        }
        return STELE_OK;
    }
    stele__guest_begin(w->head->part.guest, "show");
    stele_status status = w->head->vt->show(stele__guest_inst(w->head->part.guest), &s);
    return stele__guest_check(w->head->part.guest, "show", status, diag);
}

/* What head predicts for z (n, D) of those rows. */
static stele_status predict(work *w, stele_tensor *z, int64_t n, const int64_t *row,
                            const uint32_t *sample, int64_t *ret_width, stele__diag *diag)
{
    stele_tensor *y =
        stele__head_predict(w->j->model, w->j->graph, w->batch, w->q->head, z, n, row, sample);
    stele_status status = y != NULL ? STELE_OK : STELE_E_NOMEM;
    if (y == NULL || y->dtype != STELE_F32) {
        status = stele__graph_outcome(w->j->graph, y == NULL ? status : STELE_E_SHAPE);
        return stele__judge_report(w->j, status, " in prediction", diag);
    }
    *ret_width = y->n / n;
    if (w->f->value == NULL) {
        status = stele__head_has_quantities(w->head)
                     ? stele__head_quantities(w->head, &w->f->output, &w->f->n_outputs, diag)
                     : name_elements(w, *ret_width);
        status = status == STELE_OK ? make_room(w, *ret_width) : status;
    }
    if (status == STELE_OK) {
        memcpy(w->predicted, y->data, (size_t)y->n * sizeof *w->predicted);
    }
    return status;
}

/* --- at the mean --- */

static stele_status show_at(const work *w, int64_t n, int64_t width, double share, double *ret,
                            stele__diag *diag)
{
    for (int64_t r = 0; r < n; r++) {
        w->uniform[r] = share;
    }
    return show(w, n, width, w->uniform, ret, diag);
}

/* Of the quantities with noise of their own low is below high; of others both are the value. */
static void order(work *w, int64_t at, int64_t n)
{
    const int64_t n_outputs = w->f->n_outputs;
    for (int64_t i = at * n_outputs; i < (at + n) * n_outputs; i++) {
        double a = w->f->low[i], b = w->f->high[i];
        w->f->low[i] = a < b ? a : b;
        w->f->high[i] = a < b ? b : a;
        w->wants_draws |= !(w->f->low[i] < w->f->high[i]);
    }
}

static stele_status at_mean(work *w, int64_t at, int64_t n, stele__diag *diag)
{
    const int64_t dim = w->j->model->latent_dim;
    const stele_shape shape = STELE__SHAPE(n, dim);
    const double below = 0.5 * (1.0 - w->q->level);
    int64_t width = 0;
    stele__judge_begin(w->j);
    stele_tensor *z = stele__graph_dense(w->j->graph, STELE_F32, &shape, w->mean + at * dim);
    stele_status status = predict(w, z, n, w->q->row + at, NULL, &width, diag);
    const int64_t first = at * (int64_t)w->f->n_outputs;
    if (status == STELE_OK) {
        status = show(w, n, width, NULL, w->f->value + first, diag);
    }
    w->wants_draws = w->with_draws;
    if (status != STELE_OK || w->with_draws) {
        return status;
    }
    status = show_at(w, n, width, below, w->f->low + first, diag);
    if (status == STELE_OK) {
        status = show_at(w, n, width, 1.0 - below, w->f->high + first, diag);
        order(w, at, n);
    }
    return status;
}

/* --- draws --- */

/* Row r of a draw with its weight, to the row's list. */
static void take(work *w, const stele__draws *d, int64_t r)
{
    const uint32_t n = w->f->n_outputs;
    const int64_t position = d->position[r];
    double weight = d->weight != NULL ? stele__tensor_real(d->weight, r) : 1.0;
    int64_t k = w->n_draws[position]++;
    for (uint32_t o = 0; o < n; o++) {
        w->seen[(position * n + o) * w->most + k] = (weighed){ w->shown[r * n + o], weight };
    }
    w->total[position] += weight;
}

/* All rows of one draw of one component. */
static stele_status add_draw(work *w, const stele__draws *d, stele__diag *diag)
{
    const uint64_t key = stele__noise_key(w->j->seed, stele__noise_hash("forecast"), w->q->head);
    int64_t width = 0;
    stele_status status = predict(w, d->z, d->n, d->row, d->sample, &width, diag);
    for (int64_t r = 0; status == STELE_OK && r < d->n; r++) {
        stele__stream s = { .key = key, .row = d->row[r], .sample = d->sample[r] };
        stele__stream_uniform(&s, STELE_F64, 1, &w->uniform[r]);
    }
    if (status == STELE_OK) {
        status = show(w, d->n, width, w->with_draws ? w->uniform : NULL, w->shown, diag);
    }
    for (int64_t r = 0; status == STELE_OK && r < d->n; r++) {
        take(w, d, r);
    }
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = ((const weighed *)a)->value, y = ((const weighed *)b)->value;
    if (isnan(x) || isnan(y)) {
        return isnan(x) - isnan(y);
    }
    return (x > y) - (x < y);
}

/* The least value with that share of the weights at or below it. */
static double quantile(const weighed *list, int64_t n, double total, double share)
{
    double sum = 0.0;
    for (int64_t k = 0; k < n; k++) {
        sum += list[k].weight;
        if (sum >= share * total * (1.0 - 1e-9)) {
            return list[k].value;
        }
    }
    return list[n - 1].value;
}

/* Intervals from the lists of the rows of a batch, but for quantities whose noise is all. */
static void conclude(work *w, int64_t at, int64_t n)
{
    const uint32_t n_outputs = w->f->n_outputs;
    const double below = 0.5 * (1.0 - w->q->level);
    for (int64_t r = 0; r < n; r++) {
        for (uint32_t o = 0; o < n_outputs; o++) {
            weighed *list = w->seen + (r * n_outputs + o) * w->most;
            int64_t i = (at + r) * n_outputs + o;
            if (w->n_draws[r] == 0) {
                w->f->value[i] = w->f->low[i] = w->f->high[i] = NAN;
            } else if (w->with_draws || !(w->f->low[i] < w->f->high[i])) {
                qsort(list, (size_t)w->n_draws[r], sizeof *list, by_value);
                w->f->low[i] = quantile(list, w->n_draws[r], w->total[r], below);
                w->f->high[i] = quantile(list, w->n_draws[r], w->total[r], 1.0 - below);
            }
        }
    }
}

static stele_status draw(work *w, int64_t at, int64_t n, stele__diag *diag)
{
    const stele__model *m = w->j->model;
    stele__draws draws[STELE__MAX_COMPONENTS];
    stele__expert_set e;
    stele__posterior p;
    const uint32_t n_samples = w->wants_draws ? w->q->n_samples : 1;
    stele__batch_load(w->batch, n, w->q->row + at, ~w->q->mask);
    memset(w->n_draws, 0, (size_t)n * sizeof *w->n_draws);
    memset(w->total, 0, (size_t)n * sizeof *w->total);
    stele__judge_begin(w->j);
    stele_status status = stele__encode(m, w->j->graph, w->batch, &e);
    if (status == STELE_OK) {
        status = stele__fuse_for_heads(m, w->j->graph, &e, w->q->mask, &p);
    }
    status = stele__judge_report(w->j, status, " while encoding", diag);
    for (uint32_t s = 0; status == STELE_OK && s < n_samples; s++) {
        uint32_t n_draws = 0;
        status = stele__draw_from(m, w->j->graph, &e, &p, s, 1, draws, &n_draws);
        status = stele__judge_report(w->j, status, " while drawing", diag);
        for (uint32_t k = 0; k < n_draws && status == STELE_OK; k++) {
            status = add_draw(w, &draws[k], diag);
        }
    }
    if (status == STELE_OK) {
        conclude(w, at, n);
    }
    return status;
}

static stele_status find_means(work *w, stele__diag *diag)
{
    const size_t n = (size_t)w->q->n * w->j->model->latent_dim;
    w->mean = stele__calloc(n + 1, sizeof *w->mean);
    return w->mean != NULL
               ? stele__judge_means_for_heads(w->j, w->q->row, w->q->n, w->q->mask, w->mean, diag)
               : STELE_E_NOMEM;
}

stele_status stele__forecast_make(const stele__judge *j, const stele__forecast_request *q,
                                  stele__forecast *ret, stele__diag *diag)
{
    work w = { .j = j, .q = q, .head = &j->model->head[q->head], .f = ret };
    w.with_draws = !w.head->traits.at_mean;
    *ret = (stele__forecast){ .n = q->n };
    w.most = (int64_t)q->n_samples * j->model->max_components;
    w.capacity = w.most < AT_ONCE ? AT_ONCE / w.most : 1;
    w.capacity = q->n > 0 && w.capacity > q->n ? q->n : w.capacity;
    stele_status status = stele__batch_create(j->model, j->data, w.capacity, &w.batch);
    w.n_draws = stele__calloc((size_t)w.capacity, sizeof *w.n_draws);
    w.total = stele__calloc((size_t)w.capacity, sizeof *w.total);
    w.uniform = stele__calloc((size_t)w.capacity, sizeof *w.uniform);
    if (w.n_draws == NULL || w.total == NULL || w.uniform == NULL) {
        status = STELE_E_NOMEM;
    }
    status = status == STELE_OK ? find_means(&w, diag) : status;
    for (int64_t at = 0; status == STELE_OK && at < q->n; at += w.capacity) {
        int64_t n = q->n - at < w.capacity ? q->n - at : w.capacity;
        status = at_mean(&w, at, n, diag);
        status = status == STELE_OK ? draw(&w, at, n, diag) : status;
    }
    work_finish(&w);
    return status;
}

int32_t stele__forecast_category(const stele__forecast *f, int64_t r)
{
    double most = -HUGE_VAL;
    int32_t best = -1;
    for (uint32_t o = 0; o < f->n_outputs; o++) {
        double v = f->value[r * f->n_outputs + o];
        if (f->output[o].category >= 0 && v > most) {
            most = v;
            best = f->output[o].category;
        }
    }
    return best;
}
