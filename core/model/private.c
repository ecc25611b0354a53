#include "model/private.h"

#include "graph/op.h"
#include "graph/ops.h"
#include "model/own_scope.h"

#include <string.h>

static const stele_ops *const ops = &stele__ops;

stele_status stele__private_build(stele__model *m, uint32_t i, stele__diag *diag)
{
    stele__private *own = &m->modality[i].own;
    if (own->dim == 0) {
        return STELE_OK;
    }
    return stele__own_scope_build(m, m->modality[i].name, "private", own->learned ? own->dim : 0,
                                  &own->at, diag);
}

void stele__private_cross(const stele__model *m, uint32_t i, double *ret)
{
    const stele__private *own = &m->modality[i].own;
    for (uint32_t d = 0; d < own->dim; d++) {
        ret[d] = 0.0;
        if (own->learned) {
            const stele__param *p = stele__params_entry(m->params, own->at.entry);
            ret[d] = stele__params_dtype(m->params) == STELE_F64
                         ? ((const double *)p->values)[d]
                         : (double)((const float *)p->values)[d];
        }
    }
}

/* One modality's latent in the making. */
typedef struct making {
    const stele__private *own;
    stele_graph *g;
    const stele__private_how *how;
    stele__draws *d;
    stele_dist q, r, prior; /* of the draw's rows, (n, dim) each */
    stele_tensor *from_q;   /* (n, 1): 1 where w comes from q */
    stele_tensor *blind;    /* (n, 1): 1 where it is decoded all the same */
    int64_t n_from_q, n_blind;
} making;

/* (n, 1): whether the row has the measurement `bit` and w comes from it, as `from_it` says. */
static stele_tensor *flags(const making *w, const uint64_t *present, uint64_t bit, int from_it,
                           int64_t *ret_n)
{
    stele_graph *g = w->g;
    const stele__draws *d = w->d;
    const uint64_t *of_row = w->how->own_of_row;
    stele_shape shape = STELE__SHAPE(d->n, 1);
    void *value = stele__op_take(g, (size_t)d->n, sizeof(double));
    *ret_n = 0;
    for (int64_t k = 0; value != NULL && k < d->n; k++) {
        const int64_t at = d->position[k];
        const uint64_t own = of_row != NULL ? w->how->own & of_row[at] : w->how->own;
        const int is = (present[at] & bit) != 0 && ((own & bit) != 0) == from_it;
        stele__put_real(stele__graph_dtype(g), value, k, (double)is);
        *ret_n += is;
    }
    return value != NULL ? stele__graph_dense(g, stele__graph_dtype(g), &shape, value) : NULL;
}

/* The distributions, in the rows of the draw. */
static int prepare(making *w, const stele__expert_set *e, uint32_t i)
{
    stele_graph *g = w->g;
    const stele__batch *b = e->batch;
    const uint64_t bit = UINT64_C(1) << i;
    stele_shape shape = STELE__SHAPE(w->d->n, (int64_t)w->own->dim);
    stele_tensor *zero = ops->full(g, &shape, 0.0);
    w->q = stele__dist_rows(g, w->d, b->n, &e->own[i]);
    w->prior = (stele_dist){ .family = STELE_NORMAL, .n = 2, .p = { zero, zero } };
    w->r = w->prior;
    w->from_q = flags(w, b->present, bit, 1, &w->n_from_q);
    w->blind = flags(w, b->present, bit, 0, &w->n_blind);
    if (w->own->learned) {
        w->r.p[1] = ops->expand(g, ops->param(g, STELE__LOG_VARIANCE), &shape);
    }
    return stele__graph_status(g) == STELE_OK && w->from_q != NULL && w->blind != NULL;
}

static stele_tensor *reparametrise(stele_graph *g, const stele_dist *q, stele_tensor *unit)
{
    stele_tensor *sd = ops->exp(g, ops->scale(g, q->p[1], 0.5));
    return ops->add(g, q->p[0], ops->mul(g, sd, unit));
}

/* One stretch of noise serves both, so that it does not depend on who else is there. */
static stele_tensor *sample(const making *w)
{
    stele_graph *g = w->g;
    stele_tensor *unit = NULL;
    stele__graph_rows(g, w->d->n, w->d->row, w->d->sample);
    if (ops->rsample(g, &w->prior, 0, &unit) != STELE_OK) {
        return NULL;
    }
    stele_tensor *from_q = w->n_from_q > 0 ? reparametrise(g, &w->q, unit) : NULL;
    if (from_q != NULL && w->how->gate != NULL) {
        from_q = stele__gated(g, from_q, w->how->gate);
    }
    if (w->n_from_q == w->d->n) {
        return from_q;
    }
    stele_tensor *from_r = reparametrise(g, &w->r, unit);
    return w->n_from_q == 0 ? from_r : ops->where(g, w->from_q, from_q, from_r);
}

/* log q - log p at w, or its closed form, in the rows of `in`; 0 in the others. */
static stele_tensor *ratio(const making *w, const stele_dist *q, stele_tensor *in, stele_tensor *at)
{
    stele_graph *g = w->g;
    stele_shape rows = STELE__SHAPE(w->d->n), scalar = { 0 };
    stele_tensor *log_q = NULL, *log_p = NULL, *out = NULL;
    if (w->how->closed) {
        ops->kl(g, q, &w->prior, &out);
    } else {
        stele_dist held = *q;
        for (uint32_t k = 0; k < held.n && w->how->gate != NULL; k++) {
            held.p[k] = ops->detach(g, held.p[k]);
        }
        ops->log_prob(g, &held, at, &log_q);
        ops->log_prob(g, &w->prior, at, &log_p);
        out = ops->sub(g, log_q, log_p);
    }
    return ops->where(g, ops->reshape(g, in, &rows), out, ops->full(g, &scalar, 0.0));
}

static void add_ratio(const making *w, stele_tensor *more)
{
    stele__draws *d = w->d;
    d->own_ratio = d->own_ratio != NULL ? ops->add(w->g, d->own_ratio, more) : more;
}

static stele_status draw_one(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                             uint32_t i, const stele__private_how *how, stele__draws *d)
{
    making w = { .own = &m->modality[i].own, .g = g, .how = how, .d = d };
    stele__graph_enter(g, &w.own->at.scope);
    if (prepare(&w, e, i)) {
        d->w[i] = sample(&w);
        if (w.n_from_q > 0) {
            add_ratio(&w, ratio(&w, &w.q, w.from_q, d->w[i]));
        }
        if (w.n_blind > 0 && how->whole && w.own->learned) {
            add_ratio(&w, ratio(&w, &w.r, w.blind, d->w[i]));
        }
    }
    stele_status status = stele__graph_outcome(g, STELE_OK);
    stele__graph_enter(g, NULL);
    return status;
}

stele_status stele__private_draw(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                                 const stele__private_how *how, stele__draws *d)
{
    stele_status status = STELE_OK;
    d->own_ratio = NULL;
    d->w = stele__op_take(g, m->n_modalities, sizeof(stele_tensor *));
    if (d->w == NULL) {
        return stele__graph_outcome(g, STELE_E_NOMEM);
    }
    memset(d->w, 0, m->n_modalities * sizeof(stele_tensor *));
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        if (m->modality[i].own.dim > 0 && e->batch->part[i].n > 0) {
            status = draw_one(m, g, e, i, how, d);
        }
    }
    return status;
}
