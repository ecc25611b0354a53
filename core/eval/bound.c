#include "eval/bound.h"

#include "base/mem.h"
#include "eval/moments.h"
#include "graph/op.h"
#include "model/decode.h"
#include "model/private.h"

#include <math.h>
#include <string.h>

/* Rows times samples decoded in one pass: enough for the wide products to run at full rate, few
 * enough to bound the memory. Rows of a batch, which is one task: as few as leave whole passes to
 * the samples, so that a small part still gives every thread some. */
enum { STACK = 512, LEAST_ROWS = 16, MOST_ROWS = 64 };

/* What a whole bound shares: read by all tasks, each of which writes the results of its rows. */
typedef struct job {
    const stele__judge *j;
    const int64_t *row; /* (n) */
    int64_t n, batch;   /* rows, of a batch */
    uint64_t mask;
    uint32_t n_samples, n_components, per_pass; /* samples decoded together */
    struct tally *tally;                        /* (threads) */
    double *log_px;                             /* (n, modalities) */
    int64_t *factors;                /* (n, modalities) of those likelihoods, 0: unknown */
    double *divergence, *importance; /* (n) */
    uint8_t *used;                   /* (n) has something of the mask */
    uint64_t *present;               /* (n) */
} job;

/* One thread's room, and its sums over the samples of the rows of one batch. */
typedef struct tally {
    const job *job;
    stele__judge j; /* with a graph of its own */
    stele__batch *b;
    stele_status status; /* of `task`, the first that failed here; the graph holds the reason */
    size_t task;
    double *log_w; /* (batch, samples, components) log (weight p(x, z) / q(z)); -inf: no such */
    double *log_px, *divergence; /* of the batch's rows, in the job */
    int64_t *factors;
    uint8_t *used;
    stele__draws *draws; /* (samples of a pass, components) */
    double *log_pxs;     /* (stacked rows) log p(x | z) of every row of every draw */
    uint32_t *draw;
    int64_t *index;
} tally;

static int64_t stack_rows(const job *q)
{
    return q->batch * q->per_pass * q->n_components;
}

static size_t terms_of(const job *q)
{
    return (size_t)q->n_samples * q->n_components;
}

static void tally_finish(tally *t)
{
    stele__graph_destroy(t->j.graph);
    stele__batch_destroy(t->b);
    stele__free(t->log_w);
    stele__free(t->draws);
    stele__free(t->log_pxs);
    stele__free(t->draw);
    stele__free(t->index);
}

static stele_status tally_init(tally *t, const job *q)
{
    size_t stack = (size_t)stack_rows(q);
    *t = (tally){ .job = q, .j = *q->j };
    t->j.graph = NULL;
    t->log_w = stele__calloc((size_t)q->batch * terms_of(q), sizeof *t->log_w);
    t->draws = stele__calloc((size_t)q->per_pass * q->n_components, sizeof *t->draws);
    t->log_pxs = stele__calloc(stack, sizeof *t->log_pxs);
    t->draw = stele__calloc(stack, sizeof *t->draw);
    t->index = stele__calloc(stack, sizeof *t->index);
    if (t->log_w == NULL || t->draws == NULL || t->log_pxs == NULL || t->draw == NULL ||
        t->index == NULL) {
        return STELE_E_NOMEM;
    }
    /* No pool: the threads are busy with batches. */
    stele_status status = stele__graph_create(NULL, STELE_F32, &t->j.graph);
    return status == STELE_OK ? stele__batch_create(q->j->model, q->j->data, q->batch, &t->b)
                              : status;
}

static double weight_at(const stele__draws *d, int64_t r)
{
    return d->weight != NULL ? stele__tensor_real(d->weight, r) : 1.0;
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
        stele__decode_log_prob(t->j.model, t->j.graph, e, i, t->draws, n_draws, &rows, NULL);
    if (log_px == NULL) {
        return stele__graph_outcome(t->j.graph, STELE_E_NOMEM);
    }
    for (int64_t a = 0; a < rows.n; a++) {
        const stele__draws *d = &t->draws[t->draw[a]];
        int64_t r = t->index[a], at = d->position[r];
        double value = stele__tensor_real(log_px, a);
        t->log_pxs[first[t->draw[a]] + r] += value;
        t->log_px[at * t->j.model->n_modalities + i] += weight_at(d, r) * value / t->job->n_samples;
    }
    return STELE_OK;
}

/* What private latents of a draw come from does not depend on its component: from the measurements
 * that are given, else from what can do without. */
static stele_status draw_private(const tally *t, const stele__expert_set *e, int closed,
                                 stele__draws *d)
{
    const stele__private_how how = { .own = t->job->mask, .closed = closed, .whole = 1 };
    return stele__private_draw(t->j.model, t->j.graph, e, &how, d);
}

/* The divergence has a closed form for a single component, and that of private latents always;
 * nothing is gained by sampling it. */
static stele_status add_closed(tally *t, const stele__expert_set *e)
{
    uint32_t n = 0;
    stele__draws *closed = stele__op_take(t->j.graph, t->job->n_components, sizeof *closed);
    stele_status status = closed != NULL ? stele__draw(t->j.model, t->j.graph, e, t->job->mask, 0,
                                                       STELE__RATIO_CLOSED, closed, &n)
                                         : STELE_E_NOMEM;
    for (uint32_t k = 0; k < n && status == STELE_OK; k++) {
        const stele__draws *d = &closed[k];
        status = draw_private(t, e, 1, &closed[k]);
        for (int64_t r = 0; r < d->n && status == STELE_OK; r++) {
            double own = d->own_ratio != NULL ? stele__tensor_real(d->own_ratio, r) : 0.0;
            t->divergence[d->position[r]] +=
                weight_at(d, r) * own +
                (d->weight == NULL ? stele__tensor_real(d->log_ratio, r) : 0.0);
        }
    }
    return status;
}

static void add_terms(tally *t, uint32_t sample, uint32_t k, const double *log_px)
{
    const stele__draws *d = &t->draws[k];
    for (int64_t r = 0; r < d->n; r++) {
        int64_t at = d->position[r];
        double ratio = stele__tensor_real(d->log_ratio, r), weight = weight_at(d, r);
        double own = d->own_ratio != NULL ? stele__tensor_real(d->own_ratio, r) : 0.0;
        t->used[at] = 1;
        t->log_w[(at * t->job->n_samples + sample) * t->job->n_components + d->component] =
            log(weight) + log_px[r] - ratio - own;
        if (d->weight != NULL) {
            t->divergence[at] += weight * ratio / t->job->n_samples;
        }
    }
}

/* How many factors the likelihoods of the batch's rows have, where a plugin says so. */
static stele_status count_factors(tally *t, const stele__expert_set *e)
{
    const uint32_t m = t->j.model->n_modalities;
    for (uint32_t i = 0; i < m; i++) {
        const stele__modality *md = &t->j.model->modality[i];
        const stele__batch_part *part = &t->b->part[i];
        if (md->vt->factors == NULL || part->n == 0) {
            continue;
        }
        int64_t *n = stele__op_take(t->j.graph, (size_t)part->n, sizeof *n);
        if (n == NULL) {
            return STELE_E_NOMEM;
        }
        memset(n, 0, (size_t)part->n * sizeof *n);
        stele__graph_enter(t->j.graph, &md->part.scope);
        stele__graph_rows(t->j.graph, part->n, part->row, NULL);
        stele__guest_begin(md->part.guest, "factors");
        stele_status status =
            md->vt->factors(stele__guest_inst(md->part.guest), t->j.graph, e->x[i], n);
        status = stele__part_outcome(&md->part, t->j.graph, "factors", status);
        stele__graph_enter(t->j.graph, NULL);
        if (status != STELE_OK) {
            return status;
        }
        for (int64_t k = 0; k < part->n; k++) {
            t->factors[part->position[k] * m + i] = n[k];
        }
    }
    return STELE_OK;
}

/* Samples first .. first + n - 1 of the rows of a batch. */
static stele_status add_samples(tally *t, uint32_t first, uint32_t n)
{
    stele__expert_set e;
    uint32_t n_draws = 0;
    size_t most = (size_t)n * t->job->n_components;
    stele__judge_begin(&t->j);
    uint32_t *sample = stele__op_take(t->j.graph, most, sizeof *sample);
    int64_t *begin = stele__op_take(t->j.graph, most, sizeof *begin);
    stele_status status = sample != NULL && begin != NULL
                              ? stele__encode(t->j.model, t->j.graph, t->b, &e)
                              : STELE_E_NOMEM;
    int64_t rows = 0;
    for (uint32_t s = 0; s < n && status == STELE_OK; s++) {
        uint32_t more = 0;
        status = stele__draw(t->j.model, t->j.graph, &e, t->job->mask, first + s,
                             STELE__RATIO_SAMPLED, t->draws + n_draws, &more);
        for (uint32_t k = n_draws; k < n_draws + more && status == STELE_OK; k++) {
            status = draw_private(t, &e, 0, &t->draws[k]);
            sample[k] = first + s;
            begin[k] = rows;
            rows += t->draws[k].n;
        }
        n_draws += more;
    }
    memset(t->log_pxs, 0, (size_t)stack_rows(t->job) * sizeof *t->log_pxs);
    if (status == STELE_OK && first == 0) {
        status = add_closed(t, &e);
        status = status == STELE_OK ? count_factors(t, &e) : status;
    }
    for (uint32_t i = 0; i < t->j.model->n_modalities && status == STELE_OK; i++) {
        status = add_modality(t, &e, i, n_draws, begin);
    }
    for (uint32_t k = 0; k < n_draws && status == STELE_OK; k++) {
        add_terms(t, sample[k], k, t->log_pxs + begin[k]);
    }
    return stele__graph_outcome(t->j.graph, status);
}

/* The importance-weighted bound of each row of the batch; what else there is stands in the job. */
static void weigh_rows(const tally *t, double *ret)
{
    size_t terms = terms_of(t->job);
    for (int64_t r = 0; r < t->b->n; r++) {
        /* Components count by their weights, so the sum over them is no mean. */
        ret[r] = stele__log_mean_exp(t->log_w + (size_t)r * terms, terms) +
                 log((double)t->job->n_components);
    }
}

static void run_batch(void *ctx, size_t task, unsigned thread)
{
    job *q = ctx;
    tally *t = &q->tally[thread];
    const int64_t first = (int64_t)task * q->batch;
    const uint32_t m = q->j->model->n_modalities;
    if (t->status != STELE_OK) {
        return;
    }
    stele__batch_load(t->b, q->n - first < q->batch ? q->n - first : q->batch, q->row + first, 0);
    for (size_t i = 0; i < (size_t)q->batch * terms_of(q); i++) {
        t->log_w[i] = -HUGE_VAL;
    }
    t->log_px = q->log_px + first * m;
    t->factors = q->factors + first * m;
    t->divergence = q->divergence + first;
    t->used = q->used + first;
    memcpy(q->present + first, t->b->present, (size_t)t->b->n * sizeof *q->present);
    for (uint32_t s = 0; s < q->n_samples && t->status == STELE_OK; s += q->per_pass) {
        uint32_t left = q->n_samples - s;
        t->status = add_samples(t, s, left < q->per_pass ? left : q->per_pass);
    }
    t->task = task;
    weigh_rows(t, q->importance + first);
}

static double mean_of(const stele__moments *m)
{
    return m->n > 0.0 ? m->mean : NAN;
}

/* A row's ELBO; its columns, if they are wanted. */
static double elbo_of(const job *q, int64_t r, double *columns)
{
    const uint32_t m = q->j->model->n_modalities;
    double sum = -q->divergence[r];
    for (uint32_t i = 0; i < m; i++) {
        if ((q->present[r] >> i & 1) != 0) {
            sum += q->log_px[r * m + i];
        }
    }
    if (columns != NULL) {
        columns[STELE__ROW_ELBO] = sum;
        columns[STELE__ROW_IMPORTANCE] = q->importance[r];
        columns[STELE__ROW_DIVERGENCE] = q->divergence[r];
        for (uint32_t i = 0; i < m; i++) {
            columns[STELE__ROW_LOG_PX + i] =
                (q->present[r] >> i & 1) != 0 ? q->log_px[r * m + i] : (double)NAN;
        }
    }
    return sum;
}

/* Row after row, whichever thread they were computed in. */
static void sum_up(const job *q, stele__bound *ret, double *rows)
{
    stele__moments elbo = { 0 }, importance = { 0 }, divergence = { 0 };
    stele__moments log_px[STELE__MAX_MODALITIES] = { { 0 } };
    double factors[STELE__MAX_MODALITIES] = { 0 };
    const uint32_t m = q->j->model->n_modalities;
    const size_t width = STELE__ROW_LOG_PX + m;
    for (size_t i = 0; rows != NULL && i < (size_t)q->n * width; i++) {
        rows[i] = NAN;
    }
    for (int64_t r = 0; r < q->n; r++) {
        if (!q->used[r]) {
            continue;
        }
        for (uint32_t i = 0; i < m; i++) {
            if ((q->present[r] >> i & 1) != 0) {
                stele__moments_add(&log_px[i], q->log_px[r * m + i]);
                factors[i] += (double)q->factors[r * m + i];
            }
        }
        stele__moments_add(&elbo, elbo_of(q, r, rows != NULL ? rows + (size_t)r * width : NULL));
        stele__moments_add(&divergence, q->divergence[r]);
        stele__moments_add(&importance, q->importance[r]);
    }
    *ret = (stele__bound){ .n = (int64_t)elbo.n,
                           .elbo = mean_of(&elbo),
                           .elbo_error = stele__moments_standard_error(&elbo),
                           .importance = mean_of(&importance),
                           .importance_error = stele__moments_standard_error(&importance),
                           .divergence = mean_of(&divergence) };
    for (uint32_t i = 0; i < m; i++) {
        ret->n_px[i] = (int64_t)log_px[i].n;
        ret->log_px[i] = mean_of(&log_px[i]);
        ret->perplexity[i] =
            factors[i] > 0.0 ? exp(-log_px[i].mean * log_px[i].n / factors[i]) : NAN;
    }
}

/* A thread stops at its first failure and tasks are picked up in order, so the earliest failure is
 * among these, the same for any number of threads. */
static stele_status outcome(const job *q, unsigned n_threads, stele__diag *diag)
{
    const tally *worst = NULL;
    for (unsigned i = 0; i < n_threads; i++) {
        const tally *t = &q->tally[i];
        if (t->status != STELE_OK && (worst == NULL || t->task < worst->task)) {
            worst = t;
        }
    }
    return worst != NULL
               ? stele__judge_report(&worst->j, worst->status, " in the log-likelihood", diag)
               : STELE_OK;
}

static stele_status job_init(job *q, unsigned n_threads)
{
    size_t n = (size_t)q->n, fit = STACK / terms_of(q);
    q->batch = fit < LEAST_ROWS ? LEAST_ROWS : fit > MOST_ROWS ? MOST_ROWS : (int64_t)fit;
    q->per_pass = (uint32_t)(STACK / q->batch) / q->n_components;
    q->per_pass = q->per_pass > 0 ? q->per_pass : 1;
    q->tally = stele__calloc(n_threads, sizeof *q->tally);
    q->log_px = stele__calloc(n * q->j->model->n_modalities, sizeof *q->log_px);
    q->factors = stele__calloc(n * q->j->model->n_modalities, sizeof *q->factors);
    q->divergence = stele__calloc(n, sizeof *q->divergence);
    q->importance = stele__calloc(n, sizeof *q->importance);
    q->used = stele__calloc(n, sizeof *q->used);
    q->present = stele__calloc(n, sizeof *q->present);
    stele_status status = q->tally != NULL && q->log_px != NULL && q->factors != NULL &&
                                  q->divergence != NULL && q->importance != NULL &&
                                  q->used != NULL && q->present != NULL
                              ? STELE_OK
                              : STELE_E_NOMEM;
    for (unsigned i = 0; i < n_threads && status == STELE_OK; i++) {
        status = tally_init(&q->tally[i], q);
    }
    return status;
}

static void job_finish(job *q, unsigned n_threads)
{
    for (unsigned i = 0; q->tally != NULL && i < n_threads; i++) {
        tally_finish(&q->tally[i]);
    }
    stele__free(q->tally);
    stele__free(q->log_px);
    stele__free(q->factors);
    stele__free(q->divergence);
    stele__free(q->importance);
    stele__free(q->used);
    stele__free(q->present);
}

stele_status stele__bound_compute(const stele__judge *j, const int64_t *row, int64_t n,
                                  uint64_t mask, uint32_t n_samples, stele__bound *ret,
                                  double *ret_rows, stele__diag *diag)
{
    job q = { .j = j,
              .row = row,
              .n = n,
              .mask = mask,
              .n_samples = n_samples,
              .n_components = j->model->max_components };
    stele__pool *pool = stele__graph_pool(j->graph);
    unsigned n_threads = stele__pool_threads(pool);
    stele_status status = job_init(&q, n_threads);
    if (status == STELE_OK) {
        stele__pool_run(pool, (size_t)((n + q.batch - 1) / q.batch), run_batch, &q);
        status = outcome(&q, n_threads, diag);
    }
    if (status == STELE_OK) {
        sum_up(&q, ret, ret_rows);
    }
    job_finish(&q, n_threads);
    return status;
}
