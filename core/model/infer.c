#include "model/infer.h"

#include "graph/op.h"
#include "graph/ops.h"
#include "model/decode.h"

#include <math.h>
#include <string.h>

static const stele_ops *const ops = &stele__ops;

static stele_tensor *index_tensor(stele_graph *g, int64_t n, const int64_t *index)
{
    stele_shape shape = STELE__SHAPE(n);
    return stele__graph_dense(g, STELE_I64, &shape, index);
}

/* n rows of a field, or with `bins` > 0 n windows of as many. */
static stele_tensor *measurements(stele_graph *g, const stele_field *field,
                                  const stele__batch_values *v, int64_t n, int64_t bins)
{
    int f64 = stele__graph_dtype(g) == STELE_F64;
    const void *values = f64 ? (const void *)v->value64 : v->value;
    if (v->row_start != NULL) {
        return stele__graph_csr(g, stele__graph_dtype(g), n, v->width, v->row_start, v->column,
                                values);
    }
    stele_shape shape = { .ndim = 1, .dim = { n } };
    if (bins > 0) {
        shape.dim[shape.ndim++] = bins;
    }
    for (uint32_t d = 0; d < field->sample.ndim; d++) {
        shape.dim[shape.ndim++] = field->sample.dim[d];
    }
    return stele__graph_dense(g, stele__graph_dtype(g), &shape, values);
}

/* (n, k) of the graph's dtype, from 0 and 1. */
static stele_tensor *flags(stele_graph *g, int64_t n, int64_t k, const uint8_t *flag)
{
    int f64 = stele__graph_dtype(g) == STELE_F64;
    void *values = stele__op_take(g, (size_t)(n * k) + 1, stele__dtype_size(stele__graph_dtype(g)));
    for (int64_t i = 0; values != NULL && i < n * k; i++) {
        if (f64) {
            ((double *)values)[i] = (double)flag[i];
        } else {
            ((float *)values)[i] = (float)flag[i];
        }
    }
    stele_shape shape = STELE__SHAPE(n, k);
    return values != NULL ? stele__graph_dense(g, stele__graph_dtype(g), &shape, values) : NULL;
}

/* What encode gets in place of the rows. */
static stele_status see_window(stele_graph *g, const stele__modality *md,
                               const stele__batch_part *p, stele_encode_args *a)
{
    int64_t bins = md->window_bins;
    uint8_t *there = stele__op_take(g, (size_t)(p->n * bins) + 1, sizeof *there);
    for (int64_t k = 0; there != NULL && k < p->n * bins; k++) {
        there[k] = p->bin[k] >= 0;
    }
    a->x = measurements(g, &md->input, &p->seen, p->n, bins);
    a->present = there != NULL ? flags(g, p->n, bins, there) : NULL;
    return a->x != NULL && a->present != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* Bring an expert of n rows to the B rows of the batch; all present is the common case and costs
 * nothing. */
static void spread(stele_graph *g, const stele__batch *b, const stele__batch_part *p, stele_dist *q)
{
    if (p->n == b->n) {
        return;
    }
    stele_tensor *at = index_tensor(g, p->n, p->position);
    for (uint32_t k = 0; k < q->n; k++) {
        q->p[k] = ops->scatter(g, q->p[k], at, b->n, 0.0);
    }
}

/* Columns from .. to - 1 of an expert, for the rows of the batch. */
static stele_dist columns(stele_graph *g, const stele__batch *b, const stele__batch_part *p,
                          const stele_dist *q, int64_t from, int64_t to)
{
    stele_dist out = { .family = q->family, .n = q->n };
    for (uint32_t k = 0; k < q->n; k++) {
        out.p[k] = ops->slice(g, q->p[k], 1, from, to);
    }
    spread(g, b, p, &out);
    return out;
}

/* What an encoder gave, divided into the shared expert and the private one. */
static stele_status divide(const stele__model *m, stele_graph *g, const stele__batch *b, uint32_t i,
                           stele__expert_set *e)
{
    stele_dist *q = &e->q[i];
    const int64_t shared = m->latent_dim, all = shared + m->modality[i].own.dim;
    if (all == shared) {
        spread(g, b, &b->part[i], q);
    } else if (q->family != STELE_NORMAL) {
        stele__op_fail(g, STELE_E_UNSUPPORTED,
                       "encode: ret_q has to be STELE_NORMAL where there is a private latent");
        return stele__graph_outcome(g, STELE_E_UNSUPPORTED);
    } else {
        e->own[i] = columns(g, b, &b->part[i], q, shared, all);
        *q = columns(g, b, &b->part[i], q, 0, shared);
    }
    return stele__graph_outcome(g, STELE_OK);
}

static stele_status encode_one(const stele__model *m, stele_graph *g, const stele__batch *b,
                               uint32_t i, stele__expert_set *e)
{
    const stele__modality *md = &m->modality[i];
    const stele__batch_part *p = &b->part[i];
    stele_dist *q = &e->q[i];
    e->x[i] = NULL;
    e->own[i] = (stele_dist){ 0 };
    if (p->n == 0) {
        stele_shape shape = STELE__SHAPE(b->n, (int64_t)m->latent_dim);
        *q = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
        q->p[0] = q->p[1] = ops->full(g, &shape, 0.0);
        return stele__graph_outcome(g, STELE_OK);
    }
    e->x[i] = measurements(g, &md->input, &p->x, p->n, 0);
    stele_encode_args a = { .struct_size = sizeof a, .x = e->x[i] };
    if (md->sees) {
        a.x = measurements(g, &md->seen, &p->seen, p->n, 0);
    }
    if (md->window_bins > 0 && see_window(g, md, p, &a) != STELE_OK) {
        return stele__graph_outcome(g, STELE_E_NOMEM);
    }
    stele__graph_enter(g, &md->part.scope);
    stele__graph_rows(g, p->n, p->row, NULL);
    a.covariates = stele__covariate_tensor(g, b, &md->encoder_covariates, p->n, p->row);
    memset(q, 0, sizeof *q);
    stele__guest_begin(md->part.guest, "encode");
    stele_status status = stele__part_outcome(
        &md->part, g, "encode", md->vt->encode(stele__guest_inst(md->part.guest), g, &a, q));
    if (status == STELE_OK) {
        status =
            stele__dist_check(g, "encode", "ret_q", q, p->n, (int64_t)m->latent_dim + md->own.dim);
        if (status == STELE_E_SHAPE && md->own.dim > 0) {
            stele__op_hint(g,
                           "the modality has a private latent: latent_dim + private_dim columns");
        }
    }
    status = status == STELE_OK ? divide(m, g, b, i, e) : status;
    stele__graph_enter(g, NULL);
    return stele__graph_outcome(g, status);
}

static stele_status take_room(const stele__model *m, stele_graph *g, const stele__batch *b,
                              stele__expert_set *ret)
{
    stele_shape prior = STELE__SHAPE((int64_t)m->latent_dim);
    ret->batch = b;
    ret->q = stele__op_take(g, m->n_modalities, sizeof *ret->q);
    ret->x = stele__op_take(g, m->n_modalities, sizeof(stele_tensor *));
    ret->own = stele__op_take(g, m->n_modalities, sizeof *ret->own);
    if (ret->q == NULL || ret->x == NULL || ret->own == NULL) {
        return STELE_E_NOMEM;
    }
    ret->prior = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
    ret->prior.p[0] = ret->prior.p[1] = ops->full(g, &prior, 0.0);
    return STELE_OK;
}

stele_status stele__encode(const stele__model *m, stele_graph *g, const stele__batch *b,
                           stele__expert_set *ret)
{
    stele_status status = take_room(m, g, b, ret);
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        status = encode_one(m, g, b, i, ret);
    }
    return status;
}

stele_status stele__measure(const stele__model *m, stele_graph *g, const stele__batch *b,
                            stele__expert_set *ret)
{
    stele_status status = take_room(m, g, b, ret);
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        const stele__batch_part *p = &b->part[i];
        ret->q[i] = ret->own[i] = (stele_dist){ 0 };
        ret->x[i] = p->n > 0 ? measurements(g, &m->modality[i].input, &p->x, p->n, 0) : NULL;
    }
    return stele__graph_outcome(g, status);
}

/* (B, M) of the graph's dtype: 1 where the modality is in the mask and present. */
static stele_tensor *presence(stele_graph *g, const stele__model *m, const stele__batch *b,
                              uint64_t mask, uint64_t *ret_used)
{
    uint32_t n = m->n_modalities;
    uint8_t *there = stele__op_take(g, (size_t)b->n * n, sizeof *there);
    for (int64_t r = 0; there != NULL && r < b->n; r++) {
        ret_used[r] = b->present[r] & mask;
        for (uint32_t i = 0; i < n; i++) {
            there[r * n + i] = ret_used[r] >> i & 1;
        }
    }
    return there != NULL ? flags(g, b->n, n, there) : NULL;
}

stele_status stele__fuse(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                         uint64_t mask, stele__posterior *ret)
{
    stele_joint *joint = &ret->joint;
    memset(ret, 0, sizeof *ret);
    ret->mask = mask;
    ret->experts = (stele_experts){
        .struct_size = sizeof ret->experts, .n = m->n_modalities, .q = e->q, .prior = &e->prior
    };
    joint->struct_size = sizeof *joint;
    joint->capacity = m->max_components;
    joint->component = stele__op_take(g, m->max_components, sizeof *joint->component);
    joint->subset = stele__op_take(g, m->max_components, sizeof *joint->subset);
    ret->used = stele__op_take(g, (size_t)e->batch->n, sizeof *ret->used);
    if (ret->used != NULL) {
        ret->experts.present = presence(g, m, e->batch, mask, ret->used);
    }
    if (joint->component == NULL || joint->subset == NULL || ret->experts.present == NULL) {
        return stele__graph_outcome(g, STELE_E_NOMEM);
    }
    /* What the plugin leaves out must not look filled. */
    memset(joint->component, 0, m->max_components * sizeof *joint->component);
    memset(joint->subset, 0, m->max_components * sizeof *joint->subset);
    stele__graph_enter(g, &m->fusion.scope);
    stele__graph_rows(g, e->batch->n, e->batch->row, NULL);
    stele__guest_begin(m->fusion.guest, "fuse");
    stele_status status = stele__part_outcome(
        &m->fusion, g, "fuse",
        m->fusion_vt->fuse(stele__guest_inst(m->fusion.guest), g, &ret->experts, joint));
    if (status == STELE_OK) {
        status = stele__joint_check(g, joint, e->batch->n, (int64_t)m->latent_dim);
    }
    stele__graph_enter(g, NULL);
    return status;
}

/* Calibrated factors move means, too, and heads have learned where these were without. */
stele_status stele__fuse_for_heads(const stele__model *m, stele_graph *g,
                                   const stele__expert_set *e, uint64_t mask, stele__posterior *ret)
{
    stele__graph_at_start(g, 1);
    stele_status status = stele__fuse(m, g, e, mask, ret);
    stele__graph_at_start(g, 0);
    return status;
}

/* Rows that have component c of a posterior from at least one modality. */
static int64_t component_rows(const stele__batch *b, const stele_joint *j, uint32_t c,
                              const uint64_t *used, stele__draws *d)
{
    int64_t n = 0;
    for (int64_t r = 0; r < b->n; r++) {
        int has =
            j->log_weight == NULL || stele__tensor_real(j->log_weight, r * j->n + c) > -HUGE_VAL;
        if (used[r] != 0 && has) {
            d->position[n] = r;
            d->row[n++] = b->row[r];
        }
    }
    return n;
}

/* Rows of t named by the draw; all of them in order is the common case and costs nothing. */
static stele_tensor *rows_of(stele_graph *g, const stele__draws *d, int64_t n_batch,
                             stele_tensor *t)
{
    int64_t same = 0;
    while (same < d->n && d->position[same] == same) {
        same++;
    }
    return same == d->n && d->n == n_batch ? t
                                           : ops->gather(g, t, index_tensor(g, d->n, d->position));
}

stele_dist stele__dist_rows(stele_graph *g, const stele__draws *d, int64_t n_batch,
                            const stele_dist *q)
{
    stele_dist out = { .family = q->family, .n = q->n };
    for (uint32_t k = 0; k < q->n; k++) {
        out.p[k] = rows_of(g, d, n_batch, q->p[k]);
    }
    return out;
}

/* log of the mixture's density at the draw's z: components a row lacks are never looked at. */
static stele_tensor *log_mixture(stele_graph *g, const stele_joint *j, const stele__draws *d,
                                 int64_t n_batch)
{
    stele_tensor *column[STELE__MAX_COMPONENTS];
    stele_shape scalar = { 0 };
    stele_tensor *none = ops->full(g, &scalar, -HUGE_VAL);
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    for (uint32_t c = 0; c < j->n; c++) {
        stele_tensor *log_w =
            ops->slice(g, rows_of(g, d, n_batch, j->log_weight), 1, c, (int64_t)c + 1);
        stele_tensor *has = ops->less(g, none, log_w);
        stele_dist q = stele__dist_rows(g, d, n_batch, &j->component[c]);
        stele_tensor *log_q = NULL;
        for (uint32_t k = 0; k < q.n; k++) {
            q.p[k] = ops->where(g, has, q.p[k], zero);
        }
        if (ops->log_prob(g, &q, d->z, &log_q) != STELE_OK) {
            return NULL;
        }
        stele_shape shape = STELE__SHAPE(d->n, 1);
        column[c] = ops->where(g, has, ops->add(g, ops->reshape(g, log_q, &shape), log_w), none);
    }
    return ops->logsumexp(g, ops->concat(g, j->n, column, 1), 1, 0);
}

static stele_dist prior_rows(stele_graph *g, const stele_dist *prior, stele_tensor *like)
{
    stele_dist p = *prior;
    for (uint32_t k = 0; k < p.n; k++) {
        p.p[k] = ops->expand(g, p.p[k], &like->shape);
    }
    return p;
}

stele_tensor *stele__posterior_log_prob(stele_graph *g, const stele_joint *j, const stele__batch *b,
                                        const stele__draws *at)
{
    stele_tensor *log_q = NULL;
    if (j->n > 1 && j->log_weight != NULL) {
        return log_mixture(g, j, at, b->n);
    }
    stele_dist q = stele__dist_rows(g, at, b->n, &j->component[0]);
    ops->log_prob(g, &q, at->z, &log_q);
    return log_q;
}

stele_tensor *stele__prior_log_prob(stele_graph *g, const stele__expert_set *e,
                                    const stele__draws *at)
{
    stele_tensor *log_p = NULL;
    stele_dist p = prior_rows(g, &e->prior, at->z);
    ops->log_prob(g, &p, at->z, &log_p);
    return log_p;
}

stele_status stele__draws_ratio(stele_graph *g, const stele__expert_set *e,
                                const stele_joint *joint, stele__draws *d)
{
    stele_tensor *log_q = stele__posterior_log_prob(g, joint, e->batch, d);
    d->log_ratio = ops->sub(g, log_q, stele__prior_log_prob(g, e, d));
    return stele__graph_outcome(g, STELE_OK);
}

static stele_status divergence(stele_graph *g, const stele__expert_set *e, const stele_joint *j,
                               const stele_dist *q, int ratio, stele__draws *d)
{
    if (j->n > 1 && j->log_weight != NULL) {
        stele_tensor *w = ops->slice(g, j->log_weight, 1, d->component, (int64_t)d->component + 1);
        stele_shape shape = STELE__SHAPE(d->n);
        d->weight = ops->exp(g, ops->reshape(g, rows_of(g, d, e->batch->n, w), &shape));
    }
    if (ratio == STELE__RATIO_NONE) {
        return stele__graph_outcome(g, STELE_OK);
    }
    if (j->n == 1 && ratio == STELE__RATIO_CLOSED) {
        stele_dist p = prior_rows(g, &e->prior, d->z);
        return stele__graph_outcome(g, ops->kl(g, q, &p, &d->log_ratio));
    }
    return stele__draws_ratio(g, e, j, d);
}

stele_status stele__draw_from(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                              const stele__posterior *p, uint32_t sample, int ratio,
                              stele__draws *ret, uint32_t *ret_n)
{
    const stele__batch *b = e->batch;
    const stele_joint *j = &p->joint;
    uint32_t n_draws = 0;
    stele_status status = STELE_OK;
    for (uint32_t c = 0; status == STELE_OK && c < j->n; c++) {
        stele__draws *d = &ret[n_draws];
        *d = (stele__draws){ .mask = p->mask,
                             .subset = p->mask & j->subset[c],
                             .row_subset = j->row_subset,
                             .component = c };
        d->position = stele__op_take(g, (size_t)b->n, sizeof *d->position);
        d->row = stele__op_take(g, (size_t)b->n, sizeof *d->row);
        d->sample = stele__op_take(g, (size_t)b->n, sizeof *d->sample);
        if (d->position == NULL || d->row == NULL || d->sample == NULL) {
            return STELE_E_NOMEM;
        }
        d->n = component_rows(b, j, c, p->used, d);
        if (d->n == 0) {
            continue;
        }
        for (int64_t i = 0; i < d->n; i++) {
            d->sample[i] = sample * STELE__MAX_COMPONENTS + c;
        }
        stele_dist q = stele__dist_rows(g, d, b->n, &j->component[c]);
        d->mean = q.p[0];
        stele__graph_enter(g, &m->latent);
        stele__graph_rows(g, d->n, d->row, d->sample);
        status = stele__graph_outcome(g, ops->rsample(g, &q, 0, &d->z));
        stele__graph_enter(g, NULL);
        if (status == STELE_OK) {
            status = divergence(g, e, j, &q, ratio, d);
        }
        n_draws++;
    }
    *ret_n = n_draws;
    return status;
}

stele_status stele__draw(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                         uint64_t mask, uint32_t sample, int ratio, stele__draws *ret,
                         uint32_t *ret_n)
{
    stele__posterior p;
    *ret_n = 0;
    stele_status status = stele__fuse(m, g, e, mask, &p);
    return status == STELE_OK ? stele__draw_from(m, g, e, &p, sample, ratio, ret, ret_n) : status;
}

double stele__dist_variance(const stele_dist *q, int64_t i)
{
    double p = stele__tensor_real(q->p[1], i);
    return q->family == STELE_LAPLACE ? 2.0 * exp(2.0 * p) : exp(p);
}

/* Moments of the mixture in one row and dimension: element i of the components. */
static void moments_at(const stele_joint *j, int64_t r, int64_t i, double *ret_mean,
                       double *ret_var)
{
    double mean = 0.0, var = 0.0;
    for (uint32_t c = 0; c < j->n; c++) {
        double w =
            j->log_weight == NULL ? 1.0 : exp(stele__tensor_real(j->log_weight, r * j->n + c));
        mean += w > 0.0 ? w * stele__tensor_real(j->component[c].p[0], i) : 0.0;
    }
    for (uint32_t c = 0; c < j->n; c++) {
        double w =
            j->log_weight == NULL ? 1.0 : exp(stele__tensor_real(j->log_weight, r * j->n + c));
        if (w > 0.0) {
            double distance = stele__tensor_real(j->component[c].p[0], i) - mean;
            var += w * (stele__dist_variance(&j->component[c], i) + distance * distance);
        }
    }
    *ret_mean = mean;
    *ret_var = var;
}

/* Of all rows; ret_sd may be NULL. */
static void moments(const stele_joint *j, int64_t n, int64_t width, float *ret_mean, float *ret_sd)
{
    for (int64_t r = 0; r < n; r++) {
        for (int64_t i = r * width; i < (r + 1) * width; i++) {
            double mean, var;
            moments_at(j, r, i, &mean, &var);
            ret_mean[i] = (float)mean;
            if (ret_sd != NULL) {
                ret_sd[i] = (float)sqrt(var);
            }
        }
    }
}

typedef stele_status (*fuse_fn)(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                                uint64_t mask, stele__posterior *ret);

static stele_status moments_by(fuse_fn fuse, const stele__model *m, stele_graph *g,
                               const stele__batch *b, uint64_t mask, float *ret_mean, float *ret_sd)
{
    stele__expert_set e;
    stele__posterior p;
    stele_status status = stele__encode(m, g, b, &e);
    if (status == STELE_OK) {
        status = fuse(m, g, &e, mask, &p);
    }
    if (status == STELE_OK) {
        moments(&p.joint, b->n, m->latent_dim, ret_mean, ret_sd);
    }
    return status;
}

stele_status stele__posterior_moments(const stele__model *m, stele_graph *g, const stele__batch *b,
                                      uint64_t mask, float *ret_mean, float *ret_sd)
{
    return moments_by(stele__fuse, m, g, b, mask, ret_mean, ret_sd);
}

stele_status stele__means_for_heads(const stele__model *m, stele_graph *g, const stele__batch *b,
                                    uint64_t mask, float *ret_mean)
{
    return moments_by(stele__fuse_for_heads, m, g, b, mask, ret_mean, NULL);
}
