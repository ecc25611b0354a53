/* Heads correct how sure they are by the validation rows. */
#include "base/mem.h"
#include "graph/op.h"
#include "graph/tensor.h"
#include "model/head.h"
#include "model/infer.h"
#include "train/loop.h"

#include <string.h>

/* Validation rows with a target of one head, at the means of the posteriors that it learned from:
 * first those given all that a row has, then those given one modality of several. */
typedef struct rows {
    stele__loop *l;
    uint32_t head;
    int64_t n, n_joint, width;
    int64_t *row;     /* (n) */
    float *mean;      /* (n, D) of z */
    float *predicted; /* (n, width) */
    int32_t *code;    /* (n) */
    double *number;   /* (n, columns) */
} rows;

static void finish(rows *s)
{
    stele__free(s->row);
    stele__free(s->mean);
    stele__free(s->predicted);
    stele__free(s->code);
    stele__free(s->number);
}

static const stele__head *head_of(const rows *s)
{
    return &s->l->t->model->head[s->head];
}

static int wants(const stele__head *h)
{
    return h->calibrate && h->vt->calibrate != NULL;
}

int stele__loop_has_heads(const stele__loop *l)
{
    int any = 0;
    for (uint32_t h = 0; h < l->t->model->n_heads; h++) {
        any |= wants(&l->t->model->head[h]);
    }
    return any;
}

static void note_target(rows *s, int64_t row)
{
    const stele__target *t = &s->l->batch->target[s->head];
    stele__target_of_row(t, row, &s->code[s->n], s->number + s->n * t->n);
    s->row[s->n++] = row;
}

/* Posterior means given `mask`, and targets, of one batch of validation rows. */
static stele_status add_batch(rows *s, uint64_t mask, float *mean)
{
    const stele__training *t = s->l->t;
    const stele__batch *b = s->l->batch;
    const size_t width = t->model->latent_dim;
    stele__pass pass = { .seed = (uint64_t)t->spec->top->seed };
    stele__graph_begin(s->l->graph, &pass);
    const int all = mask == stele__model_all(t->model);
    stele_status status = stele__means_for_heads(t->model, s->l->graph, b, mask, mean);
    for (int64_t r = 0; status == STELE_OK && r < b->n; r++) {
        const uint64_t seen = b->present[r] & mask;
        if (seen != 0 && (all || seen != b->present[r]) &&
            stele__head_has_target(b, s->head, b->row[r])) {
            memcpy(s->mean + (size_t)s->n * width, mean + (size_t)r * width, width * sizeof *mean);
            note_target(s, b->row[r]);
        }
    }
    return status;
}

static stele_status add_posteriors(rows *s, uint64_t mask)
{
    const stele__training *t = s->l->t;
    const int64_t n = t->split->n[STELE__VALID], most = s->l->batch->capacity;
    float *mean = stele__calloc((size_t)most * t->model->latent_dim, sizeof *mean);
    stele_status status = mean != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t at = 0; at < n && status == STELE_OK; at += most) {
        stele__batch_load(s->l->batch, n - at < most ? n - at : most,
                          t->split->row[STELE__VALID] + at, 0);
        status = add_batch(s, mask, mean);
    }
    stele__free(mean);
    return status;
}

static stele_status choose(rows *s)
{
    const stele__training *t = s->l->t;
    const stele__model *m = t->model;
    const uint32_t single = head_of(s)->subsets && m->n_modalities > 1 ? m->n_modalities : 0;
    const size_t n = (size_t)t->split->n[STELE__VALID] * (1 + single);
    s->row = stele__calloc(n, sizeof *s->row);
    s->mean = stele__calloc(n * m->latent_dim, sizeof *s->mean);
    s->code = stele__calloc(n, sizeof *s->code);
    s->number = stele__calloc(n * head_of(s)->n_columns, sizeof *s->number);
    if (s->row == NULL || s->mean == NULL || s->code == NULL || s->number == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = add_posteriors(s, stele__model_all(m));
    s->n_joint = s->n;
    for (uint32_t i = 0; i < single && status == STELE_OK; i++) {
        status = add_posteriors(s, UINT64_C(1) << i);
    }
    return status;
}

/* Predictions of n rows from `at` on, after the others. */
static stele_status predict_batch(rows *s, int64_t at, int64_t n)
{
    const stele__training *t = s->l->t;
    stele_graph *g = s->l->graph;
    const int64_t dim = t->model->latent_dim;
    const uint32_t dtype = stele__params_dtype(t->model->params);
    stele_shape shape = STELE__SHAPE(n, dim);
    stele__pass pass = { .seed = (uint64_t)t->spec->top->seed };
    stele__graph_begin(g, &pass);
    void *z = stele__op_take(g, (size_t)(n * dim), sizeof(double));
    for (int64_t i = 0; z != NULL && i < n * dim; i++) {
        stele__put_real(dtype, z, i, (double)s->mean[at * dim + i]);
    }
    stele_tensor *y = z == NULL ? NULL
                                : stele__head_predict(t->model, g, s->l->batch, s->head,
                                                      stele__graph_dense(g, dtype, &shape, z), n,
                                                      s->row + at, NULL);
    if (y == NULL) {
        return stele__graph_outcome(g, STELE_E_NOMEM);
    }
    if (s->predicted == NULL) {
        s->width = y->n / n;
        s->predicted = stele__calloc((size_t)(s->n * s->width), sizeof *s->predicted);
    }
    if (s->predicted == NULL || y->n != n * s->width) {
        return s->predicted == NULL ? STELE_E_NOMEM : STELE_E_SHAPE;
    }
    for (int64_t i = 0; i < y->n; i++) {
        s->predicted[at * s->width + i] = (float)stele__tensor_real(y, i);
    }
    return STELE_OK;
}

static stele_status predict(rows *s)
{
    const int64_t most = s->l->batch->capacity;
    stele_status status = STELE_OK;
    for (int64_t at = 0; at < s->n && status == STELE_OK; at += most) {
        status = predict_batch(s, at, s->n - at < most ? s->n - at : most);
    }
    return status;
}

/* The first n of them. */
static stele_head_scored scored(const rows *s, int64_t n, const stele_reader *reader)
{
    const int category = head_of(s)->target.content == STELE_FIELD_CATEGORY;
    return (stele_head_scored){ .struct_size = sizeof(stele_head_scored),
                                .n_rows = n,
                                .n_distinct = s->n_joint,
                                .n_outputs = s->width,
                                .predicted = s->predicted,
                                .code = category ? s->code : NULL,
                                .number = category ? NULL : s->number,
                                .reader = reader };
}

/* The metrics of the plugin, if it has any, given all that rows have. */
static stele_status measure(const rows *s, stele_metric *ret, uint32_t *ret_n, stele__diag *diag)
{
    const stele__head *h = head_of(s);
    const stele_reader reader = stele__part_reader(&h->part);
    const stele_head_scored all = scored(s, s->n_joint, &reader);
    *ret_n = 0;
    if (h->vt->score == NULL) {
        return STELE_OK;
    }
    stele__guest_begin(h->part.guest, "score");
    stele_status status =
        h->vt->score(stele__guest_inst(h->part.guest), &all, STELE__MOST_HEAD_METRICS, ret, ret_n);
    status = stele__guest_check(h->part.guest, "score", status, diag);
    return status != STELE_OK ? status
                              : stele__metrics_check(&h->part, "score", ret, *ret_n,
                                                     STELE__MOST_HEAD_METRICS, diag);
}

/* --- rows that say too little --- */

/* Rows of one class say nothing of how often another is taken for it; of classes that are as rare
 * as this in all it is little that they miss. */
#define MOST_MISSING 0.05

/* Rows of each class, (n_categories), and of all. */
static int64_t count_classes(const rows *s, const int64_t *row, int64_t n, int64_t *ret)
{
    const stele__batch *b = s->l->batch;
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++) {
        if (stele__head_has_target(b, s->head, row[i])) {
            ret[b->target[s->head].column[0]->code[row[i]]]++;
            all++;
        }
    }
    return all;
}

static void warn_of_classes(const rows *s, double missing, int32_t largest, int64_t n_missing,
                            stele__diag *diag)
{
    const stele__label *l = s->l->batch->target[s->head].column[0];
    stele__diag_warning(diag, NULL,
                        "%s: not calibrated: no validation row is `%s`%s, as %.3g %% of the "
                        "training rows are",
                        head_of(s)->name, l->category[largest],
                        n_missing > 1 ? " or of another class that is missing there" : "",
                        100.0 * missing);
    stele__diag_hint(diag, "a split with rows of every class: data.split.stratify, or more "
                           "validation rows");
}

/* Do the rows lack what the training rows have? */
static stele_status lacks_classes(const rows *s, int *ret, stele__diag *diag)
{
    const stele__training *t = s->l->t;
    const stele__label *l = s->l->batch->target[s->head].column[0];
    const int64_t n = l->code != NULL ? l->n_categories : 0;
    int64_t *train = stele__calloc((size_t)(2 * n) + 1, sizeof *train);
    int64_t n_missing = 0, n_there = 0, missing = 0, largest = 0;
    if (train == NULL) {
        return STELE_E_NOMEM;
    }
    int64_t *valid = train + n;
    int64_t all =
        n == 0 ? 0
               : count_classes(s, t->split->row[STELE__TRAIN], t->split->n[STELE__TRAIN], train);
    if (n > 0) {
        (void)count_classes(s, s->row, s->n_joint, valid);
    }
    for (int64_t k = 0; k < n; k++) {
        n_there += valid[k] > 0;
        if (valid[k] == 0 && train[k] > 0) {
            n_missing++;
            missing += train[k];
            largest = n_missing == 1 || train[k] > train[largest] ? k : largest;
        }
    }
    const double share = all > 0 ? (double)missing / (double)all : 0.0;
    *ret = n_missing > 0 && (n_there < 2 || share > MOST_MISSING);
    if (*ret) {
        warn_of_classes(s, share, (int32_t)largest, n_missing, diag);
    }
    stele__free(train);
    return STELE_OK;
}

static stele_status failed(const rows *s, stele_status status, stele__diag *diag)
{
    return status == STELE_OK || stele__graph_status(s->l->graph) == STELE_OK
               ? status
               : stele__graph_report(s->l->t->model, s->l->graph, " in calibration", diag);
}

static stele_status calibrate(rows *s, stele__head_calibration *ret, stele__diag *diag)
{
    const stele_reader reader = stele__part_reader(&head_of(s)->part);
    uint32_t n_after = 0;
    stele_status status = failed(s, choose(s), diag);
    ret->n = s->n_joint;
    if (status == STELE_OK && s->n > 0) {
        status = lacks_classes(s, &ret->left, diag);
    }
    if (status != STELE_OK || s->n == 0 || ret->left) {
        return status;
    }
    status = failed(s, predict(s), diag);
    status = status == STELE_OK ? measure(s, ret->before, &ret->n_metrics, diag) : status;
    if (status == STELE_OK) {
        const stele_head_scored all = scored(s, s->n, &reader);
        int set = 0;
        status = stele__model_calibrate_head(s->l->t->model, s->head, &all, &set, diag);
        ret->left = !set;
    }
    if (status != STELE_OK || ret->left) {
        ret->n_metrics = 0;
        return status;
    }
    status = failed(s, predict(s), diag);
    status = status == STELE_OK ? measure(s, ret->after, &n_after, diag) : status;
    ret->n_metrics = n_after < ret->n_metrics ? n_after : ret->n_metrics;
    return status;
}

stele_status stele__loop_calibrate_heads(stele__loop *l, stele__diag *diag)
{
    const stele__model *m = l->t->model;
    stele_status status = STELE_OK;
    l->calibrated = stele__calloc(m->n_heads, sizeof *l->calibrated);
    if (l->calibrated == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t h = 0; h < m->n_heads && status == STELE_OK; h++) {
        rows s = { .l = l, .head = h };
        l->calibrated[h].asked = wants(&m->head[h]);
        if (l->calibrated[h].asked && l->t->split->n[STELE__VALID] > 0) {
            status = calibrate(&s, &l->calibrated[h], diag);
        }
        finish(&s);
    }
    return status;
}
