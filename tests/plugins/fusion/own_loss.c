/* One source, several rules that tests compare: -DMIXTURE averages the experts, else they are
 * multiplied without a prior. -DLOSS_BOUND brings the negative evidence lower bound as a loss of
 * its own, written in operations; -DLOSS_CORRELATION a bound on total correlation (Hwang et al.
 * 2021, alpha 1/2). */
#include <stele/plugin.h>

#include <stdlib.h>

struct stele_inst {
    const stele_host *host;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

#if !defined(MIXTURE) || defined(LOSS_CORRELATION)
static stele_tensor *column(const stele_ops *ops, stele_graph *g, stele_tensor *t, uint32_t m)
{
    return ops->slice(g, t, -1, m, (int64_t)m + 1);
}
#endif

static stele_tensor *number(const stele_ops *ops, stele_graph *g, double value)
{
    stele_shape scalar = { 0 };
    return ops->full(g, &scalar, value);
}

#ifdef MIXTURE
static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    return n_modalities;
}

/* Equal weights of those present; a row without any gets nothing, as no test asks for it. */
static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *count = ops->sum(g, in->present, -1, 1);
    stele_tensor *share =
        ops->scale(g, ops->log(g, ops->maximum(g, count, number(ops, g, 1.0))), -1.0);
    stele_tensor *none = ops->log(g, number(ops, g, 0.0));
    ret->n = in->n;
    for (uint32_t m = 0; m < in->n; m++) {
        ret->component[m] = in->q[m];
        ret->subset[m] = UINT64_C(1) << m;
    }
    ret->log_weight = ops->where(g, in->present, share, none);
    return ops->status(g);
}
#else
static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *zero = number(ops, g, 0.0), *precision = zero, *weighted = zero;
    for (uint32_t m = 0; m < in->n; m++) {
        stele_tensor *present = column(ops, g, in->present, m);
        stele_tensor *p = ops->exp(g, ops->scale(g, in->q[m].p[1], -1.0));
        precision = ops->add(g, precision, ops->where(g, present, p, zero));
        weighted =
            ops->add(g, weighted, ops->where(g, present, ops->mul(g, p, in->q[m].p[0]), zero));
    }
    stele_tensor *any = ops->max(g, in->present, -1, 1);
    precision = ops->where(g, any, precision, number(ops, g, 1.0));
    ret->n = 1;
    ret->component[0] = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
    ret->component[0].p[0] = ops->div(g, weighted, precision);
    ret->component[0].p[1] = ops->scale(g, ops->log(g, precision), -1.0);
    ret->subset[0] = UINT64_MAX;
    ret->log_weight = NULL;
    return ops->status(g);
}
#endif

#ifdef LOSS_BOUND
static stele_status loss(const stele_inst *self, stele_graph *g, const stele_loss_args *a,
                         stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *rows = ops->sub(g, ops->scale(g, a->divergence, a->beta), a->log_px);
    if (a->joint->log_weight != NULL) {
        rows = ops->mul(g, rows, ops->exp(g, a->joint->log_weight));
    }
    *ret_rows = ops->sum(g, rows, -1, 0);
    return ops->status(g);
}
#endif

#ifdef LOSS_CORRELATION
static stele_status loss(const stele_inst *self, stele_graph *g, const stele_loss_args *a,
                         stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    const double alpha = 0.5, n = (double)a->experts->n;
    stele_tensor *rows = ops->sum(g, ops->scale(g, a->log_px, -(n - alpha) / n), -1, 0);
    stele_tensor *kl = NULL;
    ops->kl(g, &a->joint->component[0], a->experts->prior, &kl);
    rows = ops->add(g, rows, ops->scale(g, kl, a->beta * (1.0 - alpha)));
    for (uint32_t m = 0; m < a->experts->n; m++) {
        stele_shape flat;
        ops->kl(g, &a->joint->component[0], &a->experts->q[m], &kl);
        if (ops->shape(kl, &flat) != STELE_OK) {
            return ops->status(g);
        }
        stele_tensor *present = ops->reshape(g, column(ops, g, a->experts->present, m), &flat);
        kl = ops->where(g, present, kl, number(ops, g, 0.0));
        rows = ops->add(g, rows, ops->scale(g, kl, a->beta * alpha / n));
    }
    *ret_rows = rows;
    return ops->status(g);
}
#endif

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .max_components = max_components,
    .fuse = fuse,
#if defined(LOSS_BOUND) || defined(LOSS_CORRELATION)
    .loss = loss,
#endif
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_FUSION,
    .min_host_minor = STELE_ABI_MINOR,
    .id = "fusion/" NAME,
    .version = "0.1.0",
    .summary = "A fusion rule for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
