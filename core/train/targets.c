#include "train/targets.h"

#include "base/mem.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "model/private.h"

#include <math.h>
#include <string.h>

static const stele_ops *const ops = &stele__ops;

enum { MAX_POSTERIORS = STELE__MAX_MODALITIES + 1 };

/* One sample from every component of every posterior of the rows of a batch, side by side. */
typedef struct pass {
    const stele__model *m;
    stele_graph *g;
    stele__expert_set e;
    uint64_t mask[MAX_POSTERIORS]; /* given everything, and given each modality */
    uint32_t n_posteriors;
    stele__draws at; /* all samples as if of one draw */
    double *log_w;   /* (samples) log importance weights */
} pass;

static uint32_t posteriors(const stele__model *m, uint64_t ret_mask[MAX_POSTERIORS])
{
    uint32_t n = 0;
    ret_mask[n++] = m->n_modalities < 64 ? (UINT64_C(1) << m->n_modalities) - 1 : UINT64_MAX;
    for (uint32_t i = 0; m->n_modalities > 1 && i < m->n_modalities; i++) {
        ret_mask[n++] = UINT64_C(1) << i;
    }
    return n;
}

void stele__targets_finish(stele__targets *t)
{
    stele__free(t->position);
    stele__free(t->z);
    stele__free(t->log_w);
    memset(t, 0, sizeof *t);
}

stele_status stele__targets_reserve(stele__targets *t, int64_t n, size_t z_bytes)
{
    int64_t capacity = 2 * n;
    if (n <= t->capacity) {
        return STELE_OK;
    }
    int64_t *position = stele__realloc(t->position, (size_t)capacity * sizeof *position);
    t->position = position != NULL ? position : t->position;
    void *z = stele__realloc(t->z, (size_t)capacity * z_bytes);
    t->z = z != NULL ? z : t->z;
    double *log_w = stele__realloc(t->log_w, (size_t)capacity * sizeof *log_w);
    t->log_w = log_w != NULL ? log_w : t->log_w;
    if (position == NULL || z == NULL || log_w == NULL) {
        return STELE_E_NOMEM;
    }
    t->capacity = capacity;
    return STELE_OK;
}

/* The private latents of the draws, side by side. */
static stele_status stack_private(pass *p, const stele__draws *draws, uint32_t n_draws)
{
    stele_tensor **part = stele__op_take(p->g, n_draws, sizeof(stele_tensor *));
    p->at.w = stele__op_take(p->g, p->m->n_modalities, sizeof(stele_tensor *));
    if (part == NULL || p->at.w == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t i = 0; i < p->m->n_modalities; i++) {
        for (uint32_t k = 0; k < n_draws; k++) {
            part[k] = draws[k].w[i];
        }
        p->at.w[i] = part[0] != NULL ? ops->concat(p->g, n_draws, part, 0) : NULL;
    }
    return stele__graph_outcome(p->g, STELE_OK);
}

/* Put the draws side by side; a sample of a component starts with the component's own weight, and
 * the prior of its private latents over what they were drawn from. */
static stele_status stack(pass *p, const stele__draws *draws, uint32_t n_draws, int64_t n)
{
    stele_tensor **z = stele__op_take(p->g, n_draws, sizeof(stele_tensor *));
    stele__draws *at = &p->at;
    at->position = stele__op_take(p->g, (size_t)n, sizeof *at->position);
    at->row = stele__op_take(p->g, (size_t)n, sizeof *at->row);
    at->sample = stele__op_take(p->g, (size_t)n, sizeof *at->sample);
    p->log_w = stele__op_take(p->g, (size_t)n, sizeof *p->log_w);
    if (z == NULL || at->position == NULL || at->row == NULL || at->sample == NULL ||
        p->log_w == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t k = 0; k < n_draws; k++) {
        const stele__draws *d = &draws[k];
        z[k] = d->z;
        for (int64_t r = 0; r < d->n; r++, at->n++) {
            at->position[at->n] = d->position[r];
            at->row[at->n] = d->row[r];
            at->sample[at->n] = d->sample[r];
            p->log_w[at->n] = d->weight != NULL ? log(stele__tensor_real(d->weight, r)) : 0.0;
            p->log_w[at->n] -= d->own_ratio != NULL ? stele__tensor_real(d->own_ratio, r) : 0.0;
        }
    }
    at->z = n_draws == 1 ? z[0] : ops->concat(p->g, n_draws, z, 0);
    return stack_private(p, draws, n_draws);
}

static stele_status draw_all(pass *p, uint32_t sample)
{
    size_t most = (size_t)p->n_posteriors * p->m->max_components;
    const stele__private_how how = { .own = UINT64_MAX };
    stele__draws *draws = stele__op_take(p->g, most, sizeof *draws);
    uint32_t n_draws = 0;
    int64_t n = 0;
    stele_status status = draws != NULL ? STELE_OK : STELE_E_NOMEM;
    memset(&p->at, 0, sizeof p->at);
    for (uint32_t s = 0; s < p->n_posteriors && status == STELE_OK; s++) {
        uint32_t more = 0;
        status = stele__draw(p->m, p->g, &p->e, p->mask[s], sample * p->n_posteriors + s,
                             STELE__RATIO_SAMPLED, draws + n_draws, &more);
        for (uint32_t k = 0; k < more && status == STELE_OK; k++) {
            status = stele__private_draw(p->m, p->g, &p->e, &how, &draws[n_draws]);
            n += draws[n_draws++].n;
        }
    }
    return status == STELE_OK && n > 0 ? stack(p, draws, n_draws, n) : status;
}

/* log p(x, z), whole. */
static stele_status add_model(pass *p)
{
    const stele__draws *at = &p->at;
    uint32_t *draw = stele__op_take(p->g, (size_t)at->n, sizeof *draw);
    int64_t *index = stele__op_take(p->g, (size_t)at->n, sizeof *index);
    stele_tensor *prior = stele__prior_log_prob(p->g, &p->e, at);
    if (draw == NULL || index == NULL || prior == NULL) {
        return stele__graph_outcome(p->g, STELE_E_NOMEM);
    }
    memset(draw, 0, (size_t)at->n * sizeof *draw);
    for (int64_t k = 0; k < at->n; k++) {
        p->log_w[k] += stele__tensor_real(prior, k);
    }
    for (uint32_t i = 0; i < p->m->n_modalities; i++) {
        stele__decode_rows rows = { .draw = draw, .index = index };
        for (int64_t k = 0; k < at->n; k++) {
            if ((p->e.batch->present[at->position[k]] >> i & 1) != 0) {
                index[rows.n++] = k;
            }
        }
        if (rows.n == 0) {
            continue;
        }
        const stele_tensor *log_px =
            stele__decode_log_prob(p->m, p->g, &p->e, i, at, 1, &rows, NULL);
        if (log_px == NULL) {
            return stele__graph_outcome(p->g, STELE_E_NOMEM);
        }
        for (int64_t k = 0; k < rows.n; k++) {
            p->log_w[index[k]] += stele__tensor_real(log_px, k);
        }
    }
    return STELE_OK;
}

static double log_add(double a, double b)
{
    double most = fmax(a, b);
    return isinf(most) ? most : most + log(exp(a - most) + exp(b - most));
}

/* Over the density of all posteriors that the row has together. */
static stele_status divide_by_proposals(pass *p)
{
    const stele__draws *at = &p->at;
    double *sum = stele__op_take(p->g, (size_t)at->n, sizeof *sum);
    if (sum == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t k = 0; k < at->n; k++) {
        sum[k] = -HUGE_VAL;
    }
    for (uint32_t s = 0; s < p->n_posteriors; s++) {
        stele__posterior q;
        stele_status status = stele__fuse(p->m, p->g, &p->e, p->mask[s], &q);
        const stele_tensor *log_q =
            status == STELE_OK ? stele__posterior_log_prob(p->g, &q.joint, p->e.batch, at) : NULL;
        if (log_q == NULL) {
            return stele__graph_outcome(p->g, status != STELE_OK ? status : STELE_E_NOMEM);
        }
        for (int64_t k = 0; k < at->n; k++) {
            sum[k] = q.used[at->position[k]] != 0 ? log_add(sum[k], stele__tensor_real(log_q, k))
                                                  : sum[k];
        }
    }
    for (int64_t k = 0; k < at->n; k++) {
        p->log_w[k] -= sum[k];
    }
    return STELE_OK;
}

static stele_status append(const pass *p, stele__targets *t)
{
    size_t bytes = p->m->latent_dim * stele__dtype_size(stele__graph_dtype(p->g));
    stele_status status = stele__targets_reserve(t, t->n + p->at.n, bytes);
    if (status == STELE_OK) {
        size_t n = (size_t)p->at.n;
        memcpy(t->position + t->n, p->at.position, n * sizeof *t->position);
        memcpy((char *)t->z + (size_t)t->n * bytes, p->at.z->data, n * bytes);
        memcpy(t->log_w + t->n, p->log_w, n * sizeof *t->log_w);
        t->n += p->at.n;
    }
    return status;
}

stele_status stele__targets_draw(const stele__model *m, stele_graph *g, const stele__batch *b,
                                 uint32_t n_samples, uint64_t seed, uint64_t step,
                                 stele__targets *t)
{
    pass p = { .m = m, .g = g };
    stele_status status = STELE_OK;
    p.n_posteriors = posteriors(m, p.mask);
    for (uint32_t s = 0; s < n_samples && status == STELE_OK; s++) {
        stele__pass begin = { .seed = seed, .step = step };
        stele__graph_begin(g, &begin);
        status = stele__encode(m, g, b, &p.e);
        if (status == STELE_OK) {
            status = draw_all(&p, s);
        }
        if (status == STELE_OK && p.at.n > 0) {
            status = add_model(&p);
            status = status == STELE_OK ? divide_by_proposals(&p) : status;
            status = status == STELE_OK ? append(&p, t) : status;
        }
    }
    return status;
}

/* --- the loss
 * ------------------------------------------------------------------------------------------- */

/* From log weights to weights (n) that sum to 1 in each row; NULL: no memory. */
static double *shares(stele_graph *g, const stele__targets *t, int64_t n_rows)
{
    double *share = stele__op_take(g, (size_t)t->n, sizeof *share);
    double *sum = stele__op_take(g, (size_t)n_rows, sizeof *sum);
    if (share == NULL || sum == NULL) {
        return NULL;
    }
    for (int64_t r = 0; r < n_rows; r++) {
        sum[r] = -HUGE_VAL;
    }
    for (int64_t k = 0; k < t->n; k++) {
        sum[t->position[k]] = log_add(sum[t->position[k]], t->log_w[k]);
    }
    for (int64_t k = 0; k < t->n; k++) {
        share[k] = exp(t->log_w[k] - sum[t->position[k]]);
    }
    return share;
}

/* Does posterior s say anything about the row that the joint one does not? The joint always does.
 */
static int counts(const pass *p, uint32_t s, uint64_t present)
{
    uint64_t seen = p->mask[s] & present;
    return s == 0 ? present != 0 : seen != 0 && seen != present;
}

static stele_tensor *sample_weights(const pass *p, uint32_t s, const stele__targets *t,
                                    const double *share)
{
    const uint64_t *present = p->e.batch->present;
    size_t real = stele__dtype_size(stele__graph_dtype(p->g));
    void *w = stele__op_take(p->g, (size_t)t->n, real);
    double n_rows = 0.0;
    for (int64_t r = 0; r < p->e.batch->n; r++) {
        n_rows += present[r] != 0;
    }
    for (int64_t k = 0; w != NULL && k < t->n; k++) {
        uint64_t has = present[t->position[k]];
        double n = 0.0;
        for (uint32_t o = 0; o < p->n_posteriors; o++) {
            n += counts(p, o, has);
        }
        double v = counts(p, s, has) ? share[k] / (n * n_rows) : 0.0;
        if (real == sizeof(double)) {
            ((double *)w)[k] = v;
        } else {
            ((float *)w)[k] = (float)v;
        }
    }
    stele_shape shape = STELE__SHAPE(t->n);
    return w != NULL ? stele__graph_dense(p->g, stele__graph_dtype(p->g), &shape, w) : NULL;
}

/* What a posterior is worth for each sample, (n); less is better. */
typedef stele_tensor *(*score_of)(stele_graph *g, const stele_joint *q, const stele__batch *b,
                                  const stele__draws *at);

static stele_tensor *log_score(stele_graph *g, const stele_joint *q, const stele__batch *b,
                               const stele__draws *at)
{
    return ops->scale(g, stele__posterior_log_prob(g, q, b, at), -1.0);
}

static stele_tensor *width_score(stele_graph *g, const stele_joint *q, const stele__batch *b,
                                 const stele__draws *at)
{
    static const double outside = 0.1, half_normal = 1.6448536269514722, tiny = 1e-12;
    const stele_dist rows = stele__dist_rows(g, at, b->n, &q->component[0]);
    const int laplace = rows.family == STELE_LAPLACE;
    const double half = laplace ? -log(outside) : half_normal, power = laplace ? 1.0 : 0.5;
    stele_tensor *reach = ops->shift(g, ops->scale(g, rows.p[1], power), log(half));
    stele_tensor *distance = ops->abs(g, ops->detach(g, ops->sub(g, at->z, rows.p[0])));
    stele_tensor *beyond = ops->log(g, ops->clamp(g, distance, tiny, HUGE_VAL));
    stele_tensor *missed = ops->relu(g, ops->sub(g, beyond, reach));
    return ops->sum(g, ops->add(g, reach, ops->scale(g, missed, 1.0 / outside)), 1, 0);
}

/* Of the first `most` posteriors. */
static stele_tensor *mean_score(const stele__model *m, stele_graph *g, const stele__batch *b,
                                const stele__targets *t, uint32_t most, score_of score)
{
    pass p = { .m = m, .g = g };
    stele_shape samples = STELE__SHAPE(t->n, (int64_t)m->latent_dim), scalar = { 0 };
    stele_tensor *loss = NULL;
    p.n_posteriors = posteriors(m, p.mask);
    p.n_posteriors = p.n_posteriors < most ? p.n_posteriors : most;
    if (t->n == 0 || stele__encode(m, g, b, &p.e) != STELE_OK) {
        return NULL;
    }
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        for (uint32_t k = 0; k < p.e.q[i].n; k++) {
            p.e.q[i].p[k] = ops->detach(g, p.e.q[i].p[k]);
        }
    }
    p.at = (stele__draws){ .n = t->n, .position = t->position };
    p.at.z = stele__graph_dense(g, stele__graph_dtype(g), &samples, t->z);
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    const double *share = shares(g, t, b->n);
    for (uint32_t s = 0; s < p.n_posteriors; s++) {
        stele__posterior q;
        stele_tensor *w = share != NULL ? sample_weights(&p, s, t, share) : NULL;
        if (w == NULL || stele__fuse(m, g, &p.e, p.mask[s], &q) != STELE_OK) {
            return NULL;
        }
        stele_tensor *each = score(g, &q.joint, b, &p.at);
        stele_tensor *part =
            ops->sum(g, ops->mul(g, ops->where(g, w, each, zero), w), STELE_ALL_AXES, 0);
        loss = loss != NULL ? ops->add(g, loss, part) : part;
    }
    return stele__graph_status(g) == STELE_OK ? loss : NULL;
}

stele_tensor *stele__targets_loss(const stele__model *m, stele_graph *g, const stele__batch *b,
                                  const stele__targets *t)
{
    return mean_score(m, g, b, t, MAX_POSTERIORS, log_score);
}

stele_tensor *stele__targets_width_loss(const stele__model *m, stele_graph *g,
                                        const stele__batch *b, const stele__targets *t)
{
    return mean_score(m, g, b, t, 1, width_score);
}
