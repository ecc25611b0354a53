#include "eval/forecast.h"

#include "base/mem.h"
#include "graph/noise.h"
#include "graph/tensor.h"
#include "model/head.h"

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
    weighed *seen;          /* (capacity, n_outputs, most) with noise */
    double *total;          /* (capacity) of weights */
    double *shown, *noisy, *uniform;
    float *predicted;
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
    stele__free(w->shown);
    stele__free(w->noisy);
    stele__free(w->uniform);
    stele__free(w->predicted);
}

/* Ask the plugin what its predictions are read as. */
static stele_status ask(work *w, stele__diag *diag)
{
    const uint32_t capacity = (uint32_t)w->head->target.n_categories + 1024;
    stele_reader reader = stele__part_reader(&w->head->part);
    w->f->output = stele__calloc(capacity, sizeof *w->f->output);
    if (w->f->output == NULL) {
        return STELE_E_NOMEM;
    }
    stele__guest_begin(w->head->part.guest, "outputs");
    stele_status status = w->head->vt->outputs(stele__guest_inst(w->head->part.guest), &reader,
                                               capacity, w->f->output, &w->f->n_outputs);
    status = stele__guest_check(w->head->part.guest, "outputs", status, diag);
    if (status == STELE_OK && (w->f->n_outputs < 1 || w->f->n_outputs > capacity)) {
        return stele__guest_report(w->head->part.guest, STELE_E_INTERNAL,
                                   "gives no quantities, or more than there is room for", "",
                                   "in outputs", diag);
    }
    return status;
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

static int has_names(const work *w)
{
    return w->head->vt->outputs != NULL && w->head->vt->show != NULL;
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
    w->noisy = stele__calloc(rows * n, sizeof *w->noisy);
    w->predicted = stele__calloc(rows * (size_t)width, sizeof *w->predicted);
    for (int64_t i = 0; f->value != NULL && i < f->n * (int64_t)n; i++) {
        f->value[i] = NAN;
    }
    for (int64_t i = 0; f->low != NULL && f->high != NULL && i < f->n * (int64_t)n; i++) {
        f->low[i] = f->high[i] = NAN;
    }
    return f->value != NULL && f->low != NULL && f->high != NULL && w->seen != NULL &&
                   w->shown != NULL && w->noisy != NULL && w->predicted != NULL
               ? STELE_OK
               : STELE_E_NOMEM;
}

/* --- draws --- */

/* Predictions of a draw as quantities, (n, n_outputs). */
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
    if (!has_names(w)) {
        for (int64_t i = 0; i < n * width; i++) {
            ret[i] = (double)w->predicted[i];
        }
        return STELE_OK;
    }
    stele__guest_begin(w->head->part.guest, "show");
    stele_status status = w->head->vt->show(stele__guest_inst(w->head->part.guest), &s);
    return stele__guest_check(w->head->part.guest, "show", status, diag);
}

/* Row r of a draw with its weight, to the row's list and mean. */
static void take(work *w, int64_t at, const stele__draws *d, int64_t r)
{
    const uint32_t n = w->f->n_outputs;
    const int64_t position = d->position[r];
    double weight = d->weight != NULL ? stele__tensor_real(d->weight, r) : 1.0;
    double *value = w->f->value + (at + position) * n;
    int64_t k = w->n_draws[position]++;
    for (uint32_t o = 0; o < n; o++) {
        double before = k == 0 ? 0.0 : value[o];
        w->seen[(position * n + o) * w->most + k] = (weighed){ w->noisy[r * n + o], weight };
        value[o] = before + weight * w->shown[r * n + o];
    }
    w->total[position] += weight;
}

static stele_status predict(work *w, const stele__draws *d, int64_t *ret_width, stele__diag *diag)
{
    stele_tensor *y = stele__head_predict(w->j->model, w->j->graph, w->batch, w->q->head, d->z,
                                          d->n, d->row, d->sample);
    stele_status status = y != NULL ? STELE_OK : STELE_E_NOMEM;
    if (y == NULL || y->dtype != STELE_F32) {
        status = stele__graph_outcome(w->j->graph, y == NULL ? status : STELE_E_SHAPE);
        return stele__judge_report(w->j, status, " in prediction", diag);
    }
    *ret_width = y->n / d->n;
    if (w->f->value == NULL) {
        status = has_names(w) ? ask(w, diag) : name_elements(w, *ret_width);
        status = status == STELE_OK ? make_room(w, *ret_width) : status;
    }
    if (status == STELE_OK) {
        memcpy(w->predicted, y->data, (size_t)y->n * sizeof *w->predicted);
    }
    return status;
}

/* All rows of one draw of one component. */
static stele_status add_draw(work *w, int64_t at, const stele__draws *d, uint64_t key,
                             stele__diag *diag)
{
    int64_t width = 0;
    stele_status status = predict(w, d, &width, diag);
    for (int64_t r = 0; status == STELE_OK && r < d->n; r++) {
        stele__stream s = { .key = key, .row = d->row[r], .sample = d->sample[r] };
        stele__stream_uniform(&s, STELE_F64, 1, &w->uniform[r]);
    }
    if (status == STELE_OK) {
        status = show(w, d->n, width, NULL, w->shown, diag);
    }
    if (status == STELE_OK) {
        status = show(w, d->n, width, w->uniform, w->noisy, diag);
    }
    for (int64_t r = 0; status == STELE_OK && r < d->n; r++) {
        take(w, at, d, r);
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

/* From sums and lists of the rows of a batch to means and intervals. */
static void conclude(work *w, int64_t at, int64_t n)
{
    const uint32_t n_outputs = w->f->n_outputs;
    const double below = 0.5 * (1.0 - w->q->level);
    for (int64_t r = 0; r < n; r++) {
        for (uint32_t o = 0; o < n_outputs && w->n_draws[r] > 0; o++) {
            weighed *list = w->seen + (r * n_outputs + o) * w->most;
            int64_t i = (at + r) * n_outputs + o;
            qsort(list, (size_t)w->n_draws[r], sizeof *list, by_value);
            w->f->value[i] /= w->total[r];
            w->f->low[i] = quantile(list, w->n_draws[r], w->total[r], below);
            w->f->high[i] = quantile(list, w->n_draws[r], w->total[r], 1.0 - below);
        }
    }
}

static stele_status run_batch(work *w, int64_t at, int64_t n, stele__diag *diag)
{
    const stele__model *m = w->j->model;
    uint64_t key = stele__noise_key(w->j->seed, stele__noise_hash("forecast"), w->q->head);
    stele__draws draws[STELE__MAX_COMPONENTS];
    stele__expert_set e;
    stele__posterior p;
    stele__batch_load(w->batch, n, w->q->row + at, ~w->q->mask);
    memset(w->n_draws, 0, (size_t)n * sizeof *w->n_draws);
    memset(w->total, 0, (size_t)n * sizeof *w->total);
    stele__judge_begin(w->j);
    stele_status status = stele__encode(m, w->j->graph, w->batch, &e);
    if (status == STELE_OK) {
        status = stele__fuse(m, w->j->graph, &e, w->q->mask, &p);
    }
    status = stele__judge_report(w->j, status, " while encoding", diag);
    for (uint32_t s = 0; status == STELE_OK && s < w->q->n_samples; s++) {
        uint32_t n_draws = 0;
        status = stele__draw_from(m, w->j->graph, &e, &p, s, 1, draws, &n_draws);
        status = stele__judge_report(w->j, status, " while drawing", diag);
        for (uint32_t k = 0; k < n_draws && status == STELE_OK; k++) {
            status = add_draw(w, at, &draws[k], key, diag);
        }
    }
    if (status == STELE_OK && w->f->value != NULL) {
        conclude(w, at, n);
    }
    return status;
}

stele_status stele__forecast_make(const stele__judge *j, const stele__forecast_request *q,
                                  stele__forecast *ret, stele__diag *diag)
{
    work w = { .j = j, .q = q, .head = &j->model->head[q->head], .f = ret };
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
    for (int64_t at = 0; status == STELE_OK && at < q->n; at += w.capacity) {
        status = run_batch(&w, at, q->n - at < w.capacity ? q->n - at : w.capacity, diag);
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
