/* Losses of rows with censored times. */
#include "survival.h"

#include <stele/dense.h>

static stele_status run_efron(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    (void)user;
    (void)n;
    survival_efron(in[0]->dtype, in[0]->shape.dim[0], in[0]->data, out);
    return STELE_OK;
}

static const stele_custom efron = { .struct_size = sizeof efron,
                                    .name = "efron",
                                    .forward = run_efron };

/* Columns of the target, (R, 1), and the intervals, (intervals) each. */
typedef struct observed {
    stele_status status;
    int64_t n; /* rows */
    stele_tensor *time, *event, *begin, *end;
    stele_tensor *after; /* as begin, but that the first interval holds the time 0, too */
} observed;

static observed observe(const survival_parts *p, stele_graph *g, stele_tensor *target)
{
    const stele_ops *ops = p->host->ops;
    stele_shape one = stele_shape1(1), shape = { 0, 0, { 0 } };
    observed o = { 0 };
    o.status = ops->shape(target, &shape);
    if (o.status != STELE_OK) {
        return o;
    }
    o.n = shape.dim[0];
    o.time = ops->slice(g, target, -1, 0, 1);
    o.event = ops->slice(g, target, -1, 1, 2);
    o.end = ops->param(g, p->end);
    for (int below = 0; below < 2; below++) {
        stele_tensor *part[2], **to = below ? &o.after : &o.begin;
        int64_t n = p->intervals - 1;
        part[0] = ops->full(g, &one, below ? -1.0 : 0.0);
        part[1] = n > 0 ? ops->slice(g, o.end, 0, 0, n) : NULL;
        *to = n > 0 ? ops->concat(g, 2, part, 0) : part[0];
    }
    return o;
}

/* 1 in the interval (begin, end] that the time lies in, (R, intervals); 0 is in the first. */
static stele_tensor *interval_of(const stele_ops *ops, stele_graph *g, const observed *o)
{
    return ops->sub(g, ops->less(g, o->after, o->time), ops->less(g, o->end, o->time));
}

static stele_tensor *rows_of(const stele_ops *ops, stele_graph *g, stele_tensor *t)
{
    return ops->sum(g, t, -1, 0);
}

/* -r_i + log sum_j w_ij exp(r_j) of rows with an event; (R). */
static stele_tensor *partial(const survival_parts *p, stele_graph *g, const observed *o,
                             stele_tensor *target, stele_tensor *r)
{
    const stele_ops *ops = p->host->ops;
    stele_shape square = stele_shape2(o->n, o->n), row = stele_shape2(1, o->n);
    stele_tensor *w = ops->custom(g, &efron, NULL, 1, &target, &square);
    stele_tensor *sum = ops->logsumexp(g, ops->add(g, w, ops->reshape(g, r, &row)), -1, 1);
    return rows_of(ops, g, ops->mul(g, ops->sub(g, sum, r), o->event));
}

/* exp(r) sum_k rate_k time_k, less the logarithm of the hazard at an event; (R). */
static stele_tensor *baseline(const survival_parts *p, stele_graph *g, const observed *o,
                              stele_tensor *r)
{
    const stele_ops *ops = p->host->ops;
    stele_tensor *rate = ops->param(g, p->log_rate);
    stele_tensor *time = ops->maximum(g, o->time, ops->param(g, p->least));
    time = ops->sub(g, ops->minimum(g, time, o->end), o->begin);
    time = ops->div(g, ops->relu(g, time), ops->param(g, p->unit));
    stele_tensor *sum = ops->sum(g, ops->mul(g, time, ops->exp(g, ops->add(g, rate, r))), -1, 1);
    stele_tensor *log_hazard = ops->mul(g, interval_of(ops, g, o), ops->add(g, rate, r));
    stele_tensor *at_event = ops->mul(g, ops->sum(g, log_hazard, -1, 1), o->event);
    return rows_of(ops, g, ops->sub(g, sum, at_event));
}

/* softplus(l) = -log(1 - h) of what was lived through, softplus(-l) = -log h of the event's; (R).
 */
static stele_tensor *hazards(const survival_parts *p, stele_graph *g, const observed *o,
                             stele_tensor *logits)
{
    const stele_ops *ops = p->host->ops;
    stele_tensor *dies = ops->mul(g, interval_of(ops, g, o), o->event);
    /* Whose end is not beyond the time, and no event stands there; those of no length say nothing.
     */
    stele_tensor *short_of = ops->less(g, o->time, o->end);
    stele_tensor *lives = ops->shift(g, ops->scale(g, short_of, -1.0), 1.0);
    lives = ops->mul(g, lives, ops->less(g, o->begin, o->end));
    lives = ops->relu(g, ops->sub(g, lives, dies));
    stele_tensor *survive = ops->mul(g, lives, ops->softplus(g, logits));
    stele_tensor *fall = ops->mul(g, dies, ops->softplus(g, ops->scale(g, logits, -1.0)));
    return rows_of(ops, g, ops->add(g, survive, fall));
}

stele_status survival_cox_loss(const survival_parts *p, stele_graph *g, stele_tensor *y,
                               stele_tensor *target, double baseline_weight,
                               stele_tensor **ret_rows)
{
    const stele_ops *ops = p->host->ops;
    observed o = observe(p, g, target);
    if (o.status != STELE_OK) {
        return o.status;
    }
    *ret_rows = partial(p, g, &o, target, y);
    if (baseline_weight > 0.0) {
        stele_tensor *whole = baseline(p, g, &o, y);
        *ret_rows = ops->add(g, *ret_rows, ops->scale(g, whole, baseline_weight));
    }
    return ops->status(g);
}

stele_status survival_hazard_loss(const survival_parts *p, stele_graph *g, stele_tensor *y,
                                  stele_tensor *target, stele_tensor **ret_rows)
{
    observed o = observe(p, g, target);
    if (o.status != STELE_OK) {
        return o.status;
    }
    *ret_rows = hazards(p, g, &o, y);
    return p->host->ops->status(g);
}
