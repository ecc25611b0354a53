#include "eval/heads.h"

#include "base/mem.h"
#include "graph/tensor.h"
#include "model/head.h"

#include <math.h>
#include <string.h>

/* Rows that a plugin scores for the intervals of one posterior. */
enum { BATCH = 1024, ROWS_RESAMPLED = 2000000 };

typedef struct scoring {
    const stele__judge *j;
    const stele__head_request *q;
    const stele__head *head;
    stele__batch *batch; /* for labels alone: no rows are loaded */
    int64_t n, width;
    int64_t *row;     /* (n) */
    int64_t *place;   /* (n) where the row stands in the request */
    float *z;         /* (n, D) */
    float *predicted; /* (n, width) */
    int32_t *code;
    double *number; /* (n, columns) */
} scoring;

static void finish(scoring *s)
{
    stele__batch_destroy(s->batch);
    stele__free(s->row);
    stele__free(s->place);
    stele__free(s->z);
    stele__free(s->predicted);
    stele__free(s->code);
    stele__free(s->number);
}

/* Rows that can be scored, with their z and target. */
static stele_status choose(scoring *s)
{
    const stele__head_request *q = s->q;
    size_t width = s->j->model->latent_dim, n = (size_t)q->n;
    stele_status status = stele__batch_create(s->j->model, s->j->data, 1, &s->batch);
    s->row = stele__calloc(n, sizeof *s->row);
    s->place = stele__calloc(n, sizeof *s->place);
    s->z = stele__calloc(n * width, sizeof *s->z);
    s->code = stele__calloc(n, sizeof *s->code);
    s->number = stele__calloc(n * s->head->n_columns, sizeof *s->number);
    if (status != STELE_OK || s->row == NULL || s->place == NULL || s->z == NULL ||
        s->code == NULL || s->number == NULL) {
        return STELE_E_NOMEM;
    }
    const stele__target *t = &s->batch->target[q->head];
    for (int64_t r = 0; r < q->n; r++) {
        int64_t row = q->row[r];
        if ((stele__judge_present(s->j, row) & q->mask) == 0 ||
            !stele__head_has_target(s->batch, q->head, row)) {
            continue;
        }
        memcpy(s->z + (size_t)s->n * width, q->mean + (size_t)r * width, width * sizeof *s->z);
        stele__target_of_row(t, row, &s->code[s->n], s->number + s->n * t->n);
        s->place[s->n] = r;
        s->row[s->n++] = row;
    }
    return STELE_OK;
}

/* Predictions of n rows from `at` on, after the others. */
static stele_status predict(scoring *s, int64_t at, int64_t n)
{
    int64_t width = s->j->model->latent_dim;
    stele_shape shape = STELE__SHAPE(n, width);
    stele__judge_begin(s->j);
    stele_tensor *z = stele__graph_dense(s->j->graph, STELE_F32, &shape, s->z + at * width);
    stele_tensor *y = stele__head_predict(s->j->model, s->j->graph, s->batch, s->q->head, z, n,
                                          s->row + at, NULL);
    if (y == NULL) {
        return stele__graph_outcome(s->j->graph, STELE_E_NOMEM);
    }
    if (s->predicted == NULL) {
        s->width = y->n / n;
        s->predicted = stele__calloc((size_t)(s->n * s->width), sizeof *s->predicted);
    }
    if (s->predicted == NULL || y->dtype != STELE_F32 || y->n != n * s->width) {
        return s->predicted == NULL ? STELE_E_NOMEM : STELE_E_SHAPE;
    }
    memcpy(s->predicted + at * s->width, y->data, (size_t)y->n * sizeof *s->predicted);
    return STELE_OK;
}

/* The plugin's metrics of n rows. */
static stele_status ask(const scoring *s, int64_t n, const float *predicted, const int32_t *code,
                        const double *number, stele_metric *ret, uint32_t *ret_n)
{
    int category = s->head->target.content == STELE_FIELD_CATEGORY;
    stele_reader reader = stele__part_reader(&s->head->part);
    stele_head_scored rows = { .struct_size = sizeof rows,
                               .n_rows = n,
                               .n_distinct = n,
                               .n_outputs = s->width,
                               .predicted = predicted,
                               .code = category ? code : NULL,
                               .number = category ? NULL : number,
                               .reader = &reader };
    stele__guest_begin(s->head->part.guest, "score");
    return s->head->vt->score(stele__guest_inst(s->head->part.guest), &rows,
                              STELE__MOST_HEAD_METRICS, ret, ret_n);
}

static stele_status score(scoring *s, stele__head_score *ret, stele__diag *diag)
{
    stele_status status =
        ask(s, s->n, s->predicted, s->code, s->number, ret->metric, &ret->n_metrics);
    status = stele__guest_check(s->head->part.guest, "score", status, diag);
    return status != STELE_OK
               ? status
               : stele__metrics_check(&s->head->part, "score", ret->metric, ret->n_metrics,
                                      STELE__MOST_HEAD_METRICS, diag);
}

/* --- intervals --- */

typedef struct resampled {
    const scoring *s;
    const stele__head_score *score;
    stele_status status;
} resampled;

/* The rows of a resample, one after the other. */
typedef struct sample {
    float *predicted;
    int32_t *code;
    double *number;
    int64_t n;
} sample;

static int gather(const scoring *s, const uint32_t *count, sample *ret)
{
    const size_t columns = s->head->n_columns, width = (size_t)s->width;
    size_t at = 0;
    *ret = (sample){ 0 };
    for (int64_t i = 0; i < s->n; i++) {
        ret->n += count[s->place[i]];
    }
    ret->predicted = stele__calloc((size_t)ret->n * width + 1, sizeof *ret->predicted);
    ret->code = stele__calloc((size_t)ret->n + 1, sizeof *ret->code);
    ret->number = stele__calloc((size_t)ret->n * columns + 1, sizeof *ret->number);
    if (ret->predicted == NULL || ret->code == NULL || ret->number == NULL) {
        return 0;
    }
    for (int64_t i = 0; i < s->n; i++) {
        for (uint32_t k = 0; k < count[s->place[i]]; k++, at++) {
            memcpy(ret->predicted + at * width, s->predicted + (size_t)i * width,
                   width * sizeof *ret->predicted);
            memcpy(ret->number + at * columns, s->number + (size_t)i * columns,
                   columns * sizeof *ret->number);
            ret->code[at] = s->code[i];
        }
    }
    return 1;
}

/* The metrics of a resample; those that it does not have under the same name are undefined. */
static void score_resample(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    resampled *q = ctx;
    const scoring *s = q->s;
    stele_metric metric[STELE__MOST_HEAD_METRICS];
    uint32_t n_metrics = 0;
    sample rows;
    (void)thread;
    for (uint32_t i = 0; i < q->score->n_metrics; i++) {
        ret[i] = NAN;
    }
    if (!gather(s, count, &rows)) {
        q->status = STELE_E_NOMEM;
    } else if (rows.n > 0) {
        /* A resample that cannot be scored, with one class left, is no failure. */
        stele_status status =
            ask(s, rows.n, rows.predicted, rows.code, rows.number, metric, &n_metrics);
        stele__guest_end(s->head->part.guest, "score", status, NULL);
        n_metrics = status == STELE_OK ? n_metrics : 0;
    }
    for (uint32_t i = 0; i < n_metrics && i < q->score->n_metrics; i++) {
        if (strncmp(metric[i].name, q->score->metric[i].name, sizeof metric[i].name) == 0) {
            ret[i] = metric[i].value;
        }
    }
    stele__free(rows.predicted);
    stele__free(rows.code);
    stele__free(rows.number);
}

static stele_status resample(const scoring *s, stele__head_score *ret)
{
    resampled q = { .s = s, .score = ret };
    const uint32_t most = (uint32_t)(ROWS_RESAMPLED / s->n);
    for (uint32_t i = 0; i < ret->n_metrics; i++) {
        ret->interval[i] = (stele__interval){ NAN, NAN };
    }
    if (s->q->bootstrap == NULL || most < STELE__LEAST_RESAMPLES) {
        return STELE_OK;
    }
    stele_status status = stele__bootstrap_run(s->q->bootstrap, most, 1, ret->n_metrics,
                                               score_resample, &q, ret->interval);
    if (status == STELE_OK) {
        stele__interval_mirror(ret->metric, ret->n_metrics, ret->interval);
    }
    return status == STELE_OK ? q.status : status;
}

stele_status stele__head_score_of(const stele__judge *j, const stele__head_request *q,
                                  stele__head_score *ret, stele__diag *diag)
{
    scoring s = { .j = j, .q = q, .head = &j->model->head[q->head] };
    memset(ret, 0, sizeof *ret);
    if (s.head->vt->score == NULL) {
        return STELE_OK;
    }
    stele_status status = choose(&s);
    for (int64_t at = 0; at < s.n && status == STELE_OK; at += BATCH) {
        status = predict(&s, at, s.n - at < BATCH ? s.n - at : BATCH);
        status = stele__judge_report(j, status, " in prediction", diag);
    }
    if (status == STELE_OK && s.n > 0) {
        ret->n = s.n;
        status = score(&s, ret, diag);
        status = status == STELE_OK ? resample(&s, ret) : status;
    }
    finish(&s);
    return status;
}
