#include "eval/heads.h"

#include "base/mem.h"
#include "graph/tensor.h"
#include "model/head.h"

#include <string.h>

enum { BATCH = 1024 };

typedef struct scoring {
    const stele__judge *j;
    const stele__head_request *q;
    const stele__head *head;
    stele__batch *batch; /* for labels alone: no rows are loaded */
    int64_t n, width;
    int64_t *row;     /* (n) */
    float *z;         /* (n, D) */
    float *predicted; /* (n, width) */
    int32_t *code;
    double *number; /* (n, columns) */
} scoring;

static void finish(scoring *s)
{
    stele__batch_destroy(s->batch);
    stele__free(s->row);
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
    s->z = stele__calloc(n * width, sizeof *s->z);
    s->code = stele__calloc(n, sizeof *s->code);
    s->number = stele__calloc(n * s->head->n_columns, sizeof *s->number);
    if (status != STELE_OK || s->row == NULL || s->z == NULL || s->code == NULL ||
        s->number == NULL) {
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
        for (uint32_t k = 0; k < t->n; k++) {
            const stele__label *l = t->column[k];
            s->code[s->n] = l->code != NULL ? l->code[row] : 0;
            s->number[s->n * t->n + k] = l->number != NULL ? l->number[row] : 0.0;
        }
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

static stele_status score(scoring *s, stele__head_score *ret, stele__diag *diag)
{
    int category = s->head->target.content == STELE_FIELD_CATEGORY;
    stele_reader reader = stele__part_reader(&s->head->part);
    stele_head_scored rows = { .struct_size = sizeof rows,
                               .n_rows = s->n,
                               .n_outputs = s->width,
                               .predicted = s->predicted,
                               .code = category ? s->code : NULL,
                               .number = category ? NULL : s->number,
                               .reader = &reader };
    stele__guest_begin(s->head->part.guest, "score");
    stele_status status =
        s->head->vt->score(stele__guest_inst(s->head->part.guest), &rows, STELE__MOST_HEAD_METRICS,
                           ret->metric, &ret->n_metrics);
    status = stele__guest_check(s->head->part.guest, "score", status, diag);
    return status != STELE_OK
               ? status
               : stele__metrics_check(&s->head->part, "score", ret->metric, ret->n_metrics,
                                      STELE__MOST_HEAD_METRICS, diag);
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
    }
    finish(&s);
    return status;
}
