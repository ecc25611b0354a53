#include "eval/sample.h"

#include "base/mem.h"
#include "graph/noise.h"
#include "graph/op.h"
#include "graph/tensor.h"
#include "model/head.h"

#include <math.h>
#include <string.h>

enum { BATCH = 256, LEAST_POOL = 4096, POOL_PER_DRAW = 64 };

static uint64_t key_of(const stele__sampling *s, const char *purpose)
{
    return stele__noise_key(s->seed, stele__noise_hash(purpose), 0);
}

static void draw_prior(const stele__judge *j, const stele__stream *at, double temperature,
                       float *ret)
{
    if (j->prior != NULL) {
        stele__stream which = *at;
        which.key = stele__noise_mix(at->key, stele__noise_hash("component"));
        stele__mixture_draw(j->prior, &which, at, temperature, ret);
        return;
    }
    stele__noise_normal(at, j->model->latent_dim, ret);
    for (uint32_t d = 0; d < j->model->latent_dim; d++) {
        ret[d] = (float)(temperature * (double)ret[d]);
    }
}

void stele__sample_prior(const stele__judge *j, int64_t first, int64_t n, const stele__sampling *s,
                         float *ret)
{
    const uint64_t key = key_of(s, "generate/prior");
    for (int64_t k = 0; k < n; k++) {
        stele__stream at = { .key = key, .row = first + k };
        draw_prior(j, &at, s->temperature, ret + k * (int64_t)j->model->latent_dim);
    }
}

/* --- the posterior --- */

typedef struct choice {
    const stele__judge *j;
    const stele__batch *batch;
    const stele__sampling *s;
    stele__posterior posterior;
    stele__draws draws[STELE__MAX_COMPONENTS];
    uint32_t n_draws, sample;
} choice;

/* The component of row r by its weight: its draw and the row's place in it. 0: the row has none. */
static int choose(const choice *c, int64_t r, uint32_t *ret_draw, int64_t *ret_index)
{
    const stele_joint *joint = &c->posterior.joint;
    stele__stream at = { .key = key_of(c->s, "generate/component"),
                         .row = c->batch->row[r],
                         .sample = c->sample };
    float u;
    double total = 0.0;
    int found = 0;
    stele__noise_uniform(&at, 1, &u);
    for (uint32_t i = 0; i < c->n_draws && total < (double)u; i++) {
        const stele__draws *d = &c->draws[i];
        for (int64_t k = 0; k < d->n; k++) {
            if (d->position[k] != r) {
                continue;
            }
            *ret_draw = i;
            *ret_index = k;
            found = 1; /* the last one also takes what rounding leaves of the weights */
            total += joint->log_weight == NULL
                         ? 1.0
                         : exp(stele__tensor_real(joint->log_weight, r * joint->n + d->component));
        }
    }
    return found;
}

/* mean + temperature (z - mean): the same for every family that has a location. */
static void put_draw(const choice *c, int64_t r, float *ret)
{
    const int64_t width = c->j->model->latent_dim;
    uint32_t i;
    int64_t k;
    if (!choose(c, r, &i, &k)) {
        stele__stream at = { .key = key_of(c->s, "generate/absent"),
                             .row = c->batch->row[r],
                             .sample = c->sample };
        draw_prior(c->j, &at, c->s->temperature, ret);
        return;
    }
    const stele__draws *d = &c->draws[i];
    const stele_tensor *mean = c->posterior.joint.component[d->component].p[0];
    for (int64_t at = 0; at < width; at++) {
        double m = stele__tensor_real(mean, r * width + at);
        ret[at] = (float)(m + c->s->temperature * (stele__tensor_real(d->z, k * width + at) - m));
    }
}

static stele_status sample_batch(choice *c, uint64_t mask, float *ret)
{
    const stele__judge *j = c->j;
    stele__expert_set e;
    stele__judge_begin(j);
    stele_status status = stele__encode(j->model, j->graph, c->batch, &e);
    if (status == STELE_OK) {
        status = stele__fuse(j->model, j->graph, &e, mask, &c->posterior);
    }
    if (status == STELE_OK) {
        status = stele__draw_from(j->model, j->graph, &e, &c->posterior, c->sample,
                                  STELE__RATIO_NONE, c->draws, &c->n_draws);
    }
    for (int64_t r = 0; r < c->batch->n && status == STELE_OK; r++) {
        put_draw(c, r, ret + r * (int64_t)j->model->latent_dim);
    }
    return status;
}

stele_status stele__sample_posterior(const stele__judge *j, const int64_t *row, int64_t n,
                                     uint64_t mask, uint32_t sample, const stele__sampling *s,
                                     float *ret, stele__diag *diag)
{
    stele__judge own = *j; /* noise of the caller's seed, not of the training's */
    stele__batch *b = NULL;
    choice *c = stele__calloc(1, sizeof *c);
    own.seed = s->seed;
    stele_status status = c != NULL
                              ? stele__batch_create(j->model, j->data, n < BATCH ? n : BATCH, &b)
                              : STELE_E_NOMEM;
    for (int64_t at = 0; at < n && status == STELE_OK; at += BATCH) {
        *c = (choice){ .j = &own, .batch = b, .s = s, .sample = sample };
        stele__batch_load(b, n - at < BATCH ? n - at : BATCH, row + at, ~mask);
        status = sample_batch(c, mask, ret + at * (int64_t)j->model->latent_dim);
        status = stele__judge_report(j, status, " while sampling", diag);
    }
    stele__batch_destroy(b);
    stele__free(c);
    return status;
}

/* --- the prior given what a head says --- */

/* How well the wish fits what the head says at n draws of z: log p(target | z), of a plugin
 * without that -loss. */
static stele_status weigh(const stele__judge *j, const stele__wish *w, const stele__batch *b,
                          const float *z, int64_t n, double *ret)
{
    const stele__head *head = &j->model->head[w->head];
    stele_shape shape = STELE__SHAPE(n, (int64_t)j->model->latent_dim), rows = STELE__SHAPE(n);
    stele__judge_begin(j);
    int64_t *row = stele__op_take(j->graph, (size_t)n, sizeof *row);
    uint32_t *sample = stele__op_take(j->graph, (size_t)n, sizeof *sample);
    int32_t *code = stele__op_take(j->graph, (size_t)n, sizeof *code);
    float *number = stele__op_take(j->graph, (size_t)n, sizeof *number);
    if (row == NULL || sample == NULL || code == NULL || number == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) {
        row[i] = w->row;
        sample[i] = (uint32_t)i;
        code[i] = w->code;
        number[i] = (float)w->number;
    }
    int category = head->target.content == STELE_FIELD_CATEGORY;
    stele_tensor *target = stele__graph_dense(j->graph, category ? STELE_I32 : STELE_F32, &rows,
                                              category ? (const void *)code : (const void *)number);
    stele_tensor *at = stele__graph_dense(j->graph, STELE_F32, &shape, z), *out = NULL;
    stele_tensor *y = stele__head_predict(j->model, j->graph, b, w->head, at, n, row, sample);
    if (y == NULL || target == NULL) {
        return stele__graph_outcome(j->graph, STELE_E_NOMEM);
    }
    stele__graph_enter(j->graph, &head->part.scope);
    const int has = head->vt->log_prob != NULL;
    const char *slot = has ? "log_prob" : "loss";
    stele__guest_begin(head->part.guest, slot);
    stele_status status = (has ? head->vt->log_prob : head->vt->loss)(
        stele__guest_inst(head->part.guest), j->graph, y, target, &out);
    status = stele__part_outcome(&head->part, j->graph, slot, status);
    stele__graph_enter(j->graph, NULL);
    if (status == STELE_OK && (out == NULL || out->n != n)) {
        return STELE_E_SHAPE;
    }
    for (int64_t i = 0; i < n && status == STELE_OK; i++) {
        ret[i] = stele__tensor_real(out, i) * (has ? 1.0 : -1.0);
    }
    return status;
}

/* Weights in proportion to exp(log_weight), in place; the effective number of draws. */
static double normalise(double *weight, int64_t n)
{
    double most = -HUGE_VAL, sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++) {
        most = weight[i] > most ? weight[i] : most;
    }
    for (int64_t i = 0; i < n; i++) {
        weight[i] = exp(weight[i] - most);
        sum += weight[i];
    }
    for (int64_t i = 0; i < n; i++) {
        weight[i] /= sum;
        squares += weight[i] * weight[i];
    }
    return 1.0 / squares;
}

/* Every 1/n-th of the cumulated weights, from a random start: pool rows into ret. */
static void resample(const double *weight, const float *pool, int64_t n_pool, int64_t width,
                     double start, int64_t n, float *ret)
{
    double sum = weight[0];
    int64_t at = 0;
    for (int64_t k = 0; k < n; k++) {
        double mark = ((double)k + start) / (double)n;
        while (sum < mark && at + 1 < n_pool) {
            sum += weight[++at];
        }
        memcpy(ret + k * width, pool + at * width, (size_t)width * sizeof *ret);
    }
}

stele_status stele__sample_wish(const stele__judge *j, const stele__wish *w, int64_t n,
                                const stele__sampling *s, float *ret, double *ret_effective,
                                stele__diag *diag)
{
    const int64_t width = j->model->latent_dim;
    const int64_t n_pool = n * POOL_PER_DRAW > LEAST_POOL ? n * POOL_PER_DRAW : LEAST_POOL;
    float *pool = stele__calloc((size_t)(n_pool * width), sizeof *pool), start;
    double *weight = stele__calloc((size_t)n_pool, sizeof *weight);
    stele__batch *b = NULL; /* for covariates alone */
    stele_status status = pool != NULL && weight != NULL
                              ? stele__batch_create(j->model, j->data, 1, &b)
                              : STELE_E_NOMEM;
    if (status == STELE_OK) {
        stele__sample_prior(j, 0, n_pool, s, pool);
    }
    for (int64_t at = 0; at < n_pool && status == STELE_OK; at += BATCH) {
        int64_t many = n_pool - at < BATCH ? n_pool - at : BATCH;
        status = weigh(j, w, b, pool + at * width, many, weight + at);
        status = stele__judge_report(j, status, " while sampling", diag);
    }
    if (status == STELE_OK) {
        stele__stream at = { .key = key_of(s, "generate/resample") };
        stele__noise_uniform(&at, 1, &start);
        *ret_effective = normalise(weight, n_pool);
        resample(weight, pool, n_pool, width, (double)start, n, ret);
    }
    stele__batch_destroy(b);
    stele__free(pool);
    stele__free(weight);
    return status;
}
