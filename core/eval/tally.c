#include "eval/tally.h"

#include "base/mem.h"
#include "eval/private.h"
#include "graph/tensor.h"
#include "model/decode.h"

#include <math.h>
#include <string.h>

/* Rows that are decoded, or encoded, at once. */
enum { BATCH = 64, ENCODED = 4096 };

typedef struct tallying {
    const stele__judge *j;
    const stele__cross_request *q;
    const stele__modality *md;
    stele__cross_rows rows;
    float *z, *w; /* (n, latent), (n, private) posterior means */
    double *mean; /* (1 + classes, latent) of the training rows' posterior means: all, classes */
    int64_t n_classes;
    int64_t width;
    double *value;       /* (n, width) */
    double *sum;         /* (width) */
    stele__batch *batch; /* of at most BATCH rows */
    float *at, *own;     /* (BATCH, latent), (BATCH, private) what is decoded */
    int64_t position[BATCH];
    uint32_t zeros[BATCH];
} tallying;

static void tallying_finish(tallying *t)
{
    stele__cross_rows_finish(&t->rows);
    stele__free(t->z);
    stele__free(t->w);
    stele__free(t->mean);
    stele__free(t->value);
    stele__free(t->sum);
    stele__batch_destroy(t->batch);
    stele__free(t->at);
    stele__free(t->own);
}

static stele_status make_room(tallying *t, stele__diag *diag)
{
    const size_t n = (size_t)t->rows.n, latent = t->j->model->latent_dim, own = t->md->own.dim;
    stele__guest_begin(t->md->part.guest, "tally_width");
    t->width = (int64_t)t->md->vt->tally_width(stele__guest_inst(t->md->part.guest));
    stele__guest_restore(t->md->part.guest, "tally_width");
    if (t->width < 1 || t->width > STELE_MOST_TALLIES) {
        return stele__guest_report(t->md->part.guest, STELE_E_INTERNAL,
                                   "tally_width is not from 1 to STELE_MOST_TALLIES", "", "", diag);
    }
    t->n_classes = t->q->label != NULL ? t->q->label->n_categories : 0;
    t->z = stele__calloc(n * latent, sizeof *t->z);
    t->w = stele__calloc(n * own, sizeof *t->w);
    t->mean = stele__calloc((size_t)(1 + t->n_classes) * latent, sizeof *t->mean);
    t->value = stele__calloc(n * (size_t)t->width, sizeof *t->value);
    t->sum = stele__calloc((size_t)t->width, sizeof *t->sum);
    t->at = stele__calloc(BATCH * latent, sizeof *t->at);
    t->own = stele__calloc(BATCH * own, sizeof *t->own);
    for (int64_t r = 0; r < BATCH; r++) {
        t->position[r] = r;
    }
    return t->z != NULL && t->w != NULL && t->mean != NULL && t->value != NULL && t->sum != NULL &&
                   t->at != NULL && t->own != NULL
               ? stele__batch_create(t->j->model, t->j->data, BATCH, &t->batch)
               : STELE_E_NOMEM;
}

static stele_status infer(tallying *t, stele__diag *diag)
{
    const uint64_t from = UINT64_C(1) << t->q->from;
    const size_t latent = t->j->model->latent_dim, own = t->md->own.dim;
    float *sd = stele__calloc((size_t)t->rows.n * (latent > own ? latent : own), sizeof *sd);
    stele_status status = sd != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__judge_moments(t->j, t->rows.row, t->rows.n, from, t->z, sd, diag);
    }
    if (status == STELE_OK && own > 0) {
        status =
            stele__private_moments(t->j, t->q->to, from, t->rows.row, t->rows.n, t->w, sd, diag);
    }
    stele__free(sd);
    return status;
}

/* Add a training row's posterior mean to those of all and of its class. */
static void add_mean(tallying *t, const float *z, int32_t code, double *seen)
{
    const int64_t latent = t->j->model->latent_dim;
    for (int both = 0; both < (code >= 0 ? 2 : 1); both++) {
        const int64_t k = both != 0 ? 1 + (int64_t)code : 0;
        for (int64_t d = 0; d < latent; d++) {
            t->mean[k * latent + d] += (double)z[d];
        }
        seen[k] += 1.0;
    }
}

static void divide(tallying *t, const double *seen)
{
    const int64_t latent = t->j->model->latent_dim;
    for (int64_t d = 0; d < latent; d++) {
        t->mean[d] /= seen[0] > 0.0 ? seen[0] : 1.0;
    }
    for (int64_t i = latent; i < (1 + t->n_classes) * latent; i++) {
        t->mean[i] = (t->mean[i] + STELE__PSEUDO_ROWS * t->mean[i % latent]) /
                     (seen[i / latent] + STELE__PSEUDO_ROWS);
    }
}

/* Where the baselines stand. */
static stele_status learn(tallying *t, stele__diag *diag)
{
    const int64_t latent = t->j->model->latent_dim;
    const int32_t *code = t->n_classes > 0 ? t->q->label->code : NULL;
    float *z = stele__calloc((size_t)(ENCODED * latent), sizeof *z);
    float *sd = stele__calloc((size_t)(ENCODED * latent), sizeof *sd);
    double *seen = stele__calloc((size_t)(1 + t->n_classes), sizeof *seen);
    stele_status status = z != NULL && sd != NULL && seen != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t at = 0; at < t->rows.n_train && status == STELE_OK; at += ENCODED) {
        const int64_t n = t->rows.n_train - at < ENCODED ? t->rows.n_train - at : ENCODED;
        status = stele__judge_moments(t->j, t->rows.train + at, n, UINT64_C(1) << t->q->from, z, sd,
                                      diag);
        for (int64_t r = 0; r < n && status == STELE_OK; r++) {
            add_mean(t, z + r * latent, code != NULL ? code[t->rows.train[at + r]] : -1, seen);
        }
    }
    if (status == STELE_OK) {
        divide(t, seen);
    }
    stele__free(z);
    stele__free(sd);
    stele__free(seen);
    return status;
}

/* What rows `first` on of the batch are decoded at. */
static void place_latents(tallying *t, int which, int64_t first)
{
    const int64_t latent = t->j->model->latent_dim, own = t->md->own.dim, n = t->batch->n;
    memset(t->own, 0, (size_t)(BATCH * own) * sizeof *t->own);
    if (which == STELE__CROSS_MODEL) {
        memcpy(t->at, t->z + first * latent, (size_t)(n * latent) * sizeof *t->at);
        memcpy(t->own, t->w + first * own, (size_t)(n * own) * sizeof *t->own);
        return;
    }
    for (int64_t r = 0; r < n; r++) {
        const int32_t code =
            which == STELE__CROSS_CLASS_MEAN ? t->q->label->code[t->rows.row[first + r]] : -1;
        for (int64_t d = 0; d < latent; d++) {
            t->at[r * latent + d] = (float)t->mean[(1 + (int64_t)code) * latent + d];
        }
    }
}

static stele_status decode_batch(tallying *t, int which, int64_t first, stele__diag *diag)
{
    const stele__judge *j = t->j;
    const int64_t n = t->batch->n, own = t->md->own.dim;
    const stele_shape shape = STELE__SHAPE(n, (int64_t)j->model->latent_dim),
                      private = STELE__SHAPE(n, own);
    stele__expert_set e;
    stele_tensor *latent[STELE__MAX_MODALITIES] = { NULL }, *x = NULL;
    place_latents(t, which, first);
    stele__judge_begin(j);
    stele__draws draws = { .n = n,
                           .position = t->position,
                           .row = t->batch->row,
                           .sample = t->zeros,
                           .z = stele__graph_dense(j->graph, STELE_F32, &shape, t->at) };
    if (own > 0) {
        latent[t->q->to] = stele__graph_dense(j->graph, STELE_F32, &private, t->own);
        draws.w = latent;
    }
    const stele__decode_rows rows = { .n = n, .draw = t->zeros, .index = t->position };
    stele_status status = stele__measure(j->model, j->graph, t->batch, &e);
    if (status == STELE_OK) {
        status =
            stele__decode_tally(j->model, j->graph, &e, t->q->to, &draws, 1, &rows, t->width, &x);
    }
    for (int64_t i = 0; status == STELE_OK && i < n * t->width; i++) {
        t->value[first * t->width + i] = stele__tensor_real(x, i);
    }
    return stele__judge_report(j, status, " in prediction", diag);
}

/* Metrics of rows that each count `count` times; NULL: once. */
static stele_status read_metrics(tallying *t, const uint32_t *count, stele_metric *ret,
                                 uint32_t *ret_n)
{
    stele__guest *guest = t->md->part.guest;
    memset(t->sum, 0, (size_t)t->width * sizeof *t->sum);
    for (int64_t r = 0; r < t->rows.n; r++) {
        const double times = count != NULL ? count[t->rows.place[r]] : 1.0;
        for (int64_t k = 0; k < t->width && times > 0.0; k++) {
            t->sum[k] += times * t->value[r * t->width + k];
        }
    }
    stele__guest_begin(guest, "tally_end");
    return t->md->vt->tally_end(stele__guest_inst(guest), t->sum, STELE__MOST_METRICS, ret, ret_n);
}

typedef struct resampling {
    tallying *t;
    const stele_metric *metric; /* (n) of all rows */
    uint32_t n;
} resampling;

static void score_resample(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    const resampling *m = ctx;
    stele_metric metric[STELE__MOST_METRICS];
    uint32_t n = 0;
    (void)thread;
    const stele_status status = read_metrics(m->t, count, metric, &n);
    stele__guest_end(m->t->md->part.guest, "tally_end", status, NULL);
    for (uint32_t i = 0; i < m->n; i++) {
        const int same = status == STELE_OK && i < n &&
                         strncmp(metric[i].name, m->metric[i].name, sizeof metric[i].name) == 0;
        ret[i] = same ? metric[i].value : (double)NAN;
    }
}

static stele_status judge(tallying *t, int which, stele__cross *ret, stele__diag *diag)
{
    const uint64_t others = ~(UINT64_C(1) << t->q->to);
    stele_metric *metric = ret->metric[which];
    stele_status status = STELE_OK;
    for (uint32_t k = 0; k < STELE__MOST_METRICS; k++) {
        ret->interval[which][k] = (stele__interval){ NAN, NAN };
    }
    for (int64_t at = 0; at < t->rows.n && status == STELE_OK; at += BATCH) {
        stele__batch_load(t->batch, t->rows.n - at < BATCH ? t->rows.n - at : BATCH,
                          t->rows.row + at, others);
        status = decode_batch(t, which, at, diag);
    }
    if (status == STELE_OK) {
        status = read_metrics(t, NULL, metric, &ret->n_metrics[which]);
        status = stele__guest_check(t->md->part.guest, "tally_end", status, diag);
    }
    if (status == STELE_OK) {
        status = stele__metrics_check(&t->md->part, "tally_end", metric, ret->n_metrics[which],
                                      STELE__MOST_METRICS, diag);
    }
    if (status == STELE_OK && t->q->bootstrap != NULL) {
        resampling m = { t, metric, ret->n_metrics[which] };
        status = stele__bootstrap_run(t->q->bootstrap, 0, 1, m.n, score_resample, &m,
                                      ret->interval[which]);
    }
    return status;
}

stele_status stele__tally_compute(const stele__judge *j, const stele__cross_request *q,
                                  stele__cross *ret, stele__diag *diag)
{
    tallying t = { .j = j, .q = q, .md = &j->model->modality[q->to] };
    memset(ret, 0, sizeof *ret);
    stele_status status = stele__cross_rows_of(j, q, UINT64_C(1) << q->from, &t.rows);
    ret->n = t.rows.n;
    if (status == STELE_OK && t.rows.n > 0) {
        status = make_room(&t, diag);
        if (status == STELE_OK) {
            status = infer(&t, diag);
        }
        if (status == STELE_OK) {
            status = learn(&t, diag);
        }
        for (int which = 0; which < STELE__N_CROSS && status == STELE_OK; which++) {
            if (which != STELE__CROSS_CLASS_MEAN || t.n_classes > 0) {
                status = judge(&t, which, ret, diag);
            }
        }
    }
    tallying_finish(&t);
    return status;
}
