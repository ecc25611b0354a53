#include "eval/bound.h"

#include "base/mem.h"
#include "eval/moments.h"
#include "graph/op.h"
#include "model/decode.h"

#include <math.h>
#include <string.h>

/* Rows of a batch, and rows times samples decoded in one pass: enough for the wide products to run
 * at full rate, few enough to bound the memory. */
enum { BATCH = 64, STACK = 512 };

/* Sums over the samples of the rows of one batch. */
typedef struct tally {
    const stele__judge *j;
    uint64_t mask;
    uint32_t n_samples, n_components, per_pass; /* samples decoded together */
    double *log_w;  /* (BATCH, samples, components) log (weight p(x, z) / q(z)); -inf: no such */
    double *log_px; /* (BATCH, modalities) */
    double *divergence;  /* (BATCH) */
    uint8_t *used;       /* (BATCH) */
    stele__draws *draws; /* (samples of a pass, components) */
    double *log_pxs;     /* (stacked rows) log p(x | z) of every row of every draw */
    uint32_t *draw;
    int64_t *index;
} tally;

static double real_at(const stele_tensor *t, int64_t i)
{
    return t->dtype == STELE_F64 ? ((const double *)t->data)[i]
                                 : (double)((const float *)t->data)[i];
}

static int64_t stack_rows(const tally *t)
{
    return (int64_t)BATCH * t->per_pass * t->n_components;
}

static void tally_finish(tally *t)
{
    stele__free(t->log_w);
    stele__free(t->log_px);
    stele__free(t->divergence);
    stele__free(t->used);
    stele__free(t->draws);
    stele__free(t->log_pxs);
    stele__free(t->draw);
    stele__free(t->index);
}

static stele_status tally_init(tally *t)
{
    size_t stack = (size_t)stack_rows(t), terms = (size_t)t->n_samples * t->n_components;
    t->log_w = stele__calloc(BATCH * terms, sizeof *t->log_w);
    t->log_px = stele__calloc((size_t)BATCH * t->j->model->n_modalities, sizeof *t->log_px);
    t->divergence = stele__calloc(BATCH, sizeof *t->divergence);
    t->used = stele__calloc(BATCH, sizeof *t->used);
    t->draws = stele__calloc((size_t)t->per_pass * t->n_components, sizeof *t->draws);
    t->log_pxs = stele__calloc(stack, sizeof *t->log_pxs);
    t->draw = stele__calloc(stack, sizeof *t->draw);
    t->index = stele__calloc(stack, sizeof *t->index);
    int ok = t->log_w != NULL && t->log_px != NULL && t->divergence != NULL && t->used != NULL &&
             t->draws != NULL && t->log_pxs != NULL && t->draw != NULL && t->index != NULL;
    return ok ? STELE_OK : STELE_E_NOMEM;
}

static double weight_at(const stele__draws *d, int64_t r)
{
    return d->weight != NULL ? real_at(d->weight, r) : 1.0;
}

/* log p(x_i | z) of all draws, added to log_pxs, where draw k begins at first[k]. */
static stele_status add_modality(tally *t, const stele__expert_set *e, uint32_t i, uint32_t n_draws,
                                 const int64_t *first)
{
    stele__decode_rows rows = { .draw = t->draw, .index = t->index };
    for (uint32_t k = 0; k < n_draws; k++) {
        for (int64_t r = 0; r < t->draws[k].n; r++) {
            if ((e->batch->present[t->draws[k].position[r]] >> i & 1) != 0) {
                t->draw[rows.n] = k;
                t->index[rows.n++] = r;
            }
        }
    }
    if (rows.n == 0) {
        return STELE_OK;
    }
    const stele_tensor *log_px =
        stele__decode_log_prob(t->j->model, t->j->graph, e, i, t->draws, n_draws, &rows, NULL);
    if (log_px == NULL) {
        return stele__graph_outcome(t->j->graph, STELE_E_NOMEM);
    }
    for (int64_t a = 0; a < rows.n; a++) {
        const stele__draws *d = &t->draws[t->draw[a]];
        int64_t r = t->index[a], at = d->position[r];
        double value = real_at(log_px, a);
        t->log_pxs[first[t->draw[a]] + r] += value;
        t->log_px[at * t->j->model->n_modalities + i] += weight_at(d, r) * value / t->n_samples;
    }
    return STELE_OK;
}

/* The divergence has a closed form for a single component; nothing is gained by sampling it. */
static stele_status add_closed(tally *t, const stele__expert_set *e)
{
    uint32_t n = 0;
    stele__draws *closed = stele__op_take(t->j->graph, t->n_components, sizeof *closed);
    stele_status status = closed != NULL
                              ? stele__draw(t->j->model, t->j->graph, e, t->mask, 0, 1, closed, &n)
                              : STELE_E_NOMEM;
    for (uint32_t k = 0; k < n && status == STELE_OK; k++) {
        for (int64_t r = 0; r < closed[k].n && closed[k].weight == NULL; r++) {
            t->divergence[closed[k].position[r]] = real_at(closed[k].log_ratio, r);
        }
    }
    return status;
}

static void add_terms(tally *t, uint32_t sample, uint32_t k, const double *log_px)
{
    const stele__draws *d = &t->draws[k];
    for (int64_t r = 0; r < d->n; r++) {
        int64_t at = d->position[r];
        double ratio = real_at(d->log_ratio, r), weight = weight_at(d, r);
        t->used[at] = 1;
        t->log_w[(at * t->n_samples + sample) * t->n_components + d->component] =
            log(weight) + log_px[r] - ratio;
        if (d->weight != NULL) {
            t->divergence[at] += weight * ratio / t->n_samples;
        }
    }
}

/* Samples first .. first + n - 1 of the rows of a batch. */
static stele_status add_samples(tally *t, const stele__batch *b, uint32_t first, uint32_t n)
{
    stele__expert_set e;
    uint32_t n_draws = 0;
    size_t most = (size_t)n * t->n_components;
    stele__judge_begin(t->j);
    uint32_t *sample = stele__op_take(t->j->graph, most, sizeof *sample);
    int64_t *begin = stele__op_take(t->j->graph, most, sizeof *begin);
    stele_status status = sample != NULL && begin != NULL
                              ? stele__encode(t->j->model, t->j->graph, b, &e)
                              : STELE_E_NOMEM;
    int64_t rows = 0;
    for (uint32_t s = 0; s < n && status == STELE_OK; s++) {
        uint32_t more = 0;
        status = stele__draw(t->j->model, t->j->graph, &e, t->mask, first + s, 0,
                             t->draws + n_draws, &more);
        for (uint32_t k = n_draws; k < n_draws + more; k++) {
            sample[k] = first + s;
            begin[k] = rows;
            rows += t->draws[k].n;
        }
        n_draws += more;
    }
    memset(t->log_pxs, 0, (size_t)stack_rows(t) * sizeof *t->log_pxs);
    if (status == STELE_OK && first == 0) {
        status = add_closed(t, &e);
    }
    for (uint32_t i = 0; i < t->j->model->n_modalities && status == STELE_OK; i++) {
        status = add_modality(t, &e, i, n_draws, begin);
    }
    for (uint32_t k = 0; k < n_draws && status == STELE_OK; k++) {
        add_terms(t, sample[k], k, t->log_pxs + begin[k]);
    }
    return stele__graph_outcome(t->j->graph, status);
}

static void clear(tally *t)
{
    size_t terms = (size_t)BATCH * t->n_samples * t->n_components;
    for (size_t i = 0; i < terms; i++) {
        t->log_w[i] = -HUGE_VAL;
    }
    memset(t->log_px, 0, (size_t)BATCH * t->j->model->n_modalities * sizeof *t->log_px);
    memset(t->divergence, 0, BATCH * sizeof *t->divergence);
    memset(t->used, 0, BATCH);
}

static void add_rows(const tally *t, const stele__batch *b, stele__moments *elbo,
                     stele__moments *importance, stele__moments *divergence, stele__moments *log_px)
{
    uint32_t m = t->j->model->n_modalities;
    size_t terms = (size_t)t->n_samples * t->n_components;
    for (int64_t r = 0; r < b->n; r++) {
        double sum = -t->divergence[r];
        if (!t->used[r]) {
            continue;
        }
        for (uint32_t i = 0; i < m; i++) {
            if ((b->present[r] >> i & 1) != 0) {
                sum += t->log_px[r * m + i];
                stele__moments_add(&log_px[i], t->log_px[r * m + i]);
            }
        }
        stele__moments_add(elbo, sum);
        stele__moments_add(divergence, t->divergence[r]);
        /* Components count by their weights, so the sum over them is no mean. */
        stele__moments_add(importance, stele__log_mean_exp(t->log_w + (size_t)r * terms, terms) +
                                           log((double)t->n_components));
    }
}

static double mean_of(const stele__moments *m)
{
    return m->n > 0.0 ? m->mean : NAN;
}

static stele_status run(tally *t, stele__batch *b, const int64_t *row, int64_t n, stele__bound *ret)
{
    stele__moments elbo = { 0 }, importance = { 0 }, divergence = { 0 };
    stele__moments log_px[STELE__MAX_MODALITIES] = { { 0 } };
    stele_status status = STELE_OK;
    for (int64_t at = 0; at < n && status == STELE_OK; at += BATCH) {
        stele__batch_load(b, n - at < BATCH ? n - at : BATCH, row + at, 0);
        clear(t);
        for (uint32_t s = 0; s < t->n_samples && status == STELE_OK; s += t->per_pass) {
            uint32_t left = t->n_samples - s;
            status = add_samples(t, b, s, left < t->per_pass ? left : t->per_pass);
        }
        add_rows(t, b, &elbo, &importance, &divergence, log_px);
    }
    *ret = (stele__bound){ .n = (int64_t)elbo.n,
                           .elbo = mean_of(&elbo),
                           .elbo_error = stele__moments_standard_error(&elbo),
                           .importance = mean_of(&importance),
                           .importance_error = stele__moments_standard_error(&importance),
                           .divergence = mean_of(&divergence) };
    for (uint32_t i = 0; i < t->j->model->n_modalities; i++) {
        ret->n_px[i] = (int64_t)log_px[i].n;
        ret->log_px[i] = mean_of(&log_px[i]);
    }
    return status;
}

stele_status stele__bound_compute(const stele__judge *j, const int64_t *row, int64_t n,
                                  uint64_t mask, uint32_t n_samples, stele__bound *ret,
                                  stele__diag *diag)
{
    stele__batch *b = NULL;
    tally t = {
        .j = j, .mask = mask, .n_samples = n_samples, .n_components = j->model->max_components
    };
    t.per_pass = STACK / BATCH / t.n_components > 0 ? STACK / BATCH / t.n_components : 1;
    stele_status status = tally_init(&t);
    if (status == STELE_OK) {
        status = stele__batch_create(j->model, j->data, BATCH, &b);
    }
    if (status == STELE_OK) {
        status = stele__judge_report(j, run(&t, b, row, n, ret), "log-likelihood failed", diag);
    }
    stele__batch_destroy(b);
    tally_finish(&t);
    return status;
}
