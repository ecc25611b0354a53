/* A mixture of experts with the negative evidence lower bound as a loss of its own: the sound
 * plugin of mutants of losses. */
#include <stele/plugin.h>

#include <math.h>
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

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    return n_modalities + 1;
}

static stele_tensor *log_weights(const stele_ops *ops, stele_graph *g, const stele_experts *in)
{
    stele_shape scalar = { 0 };
    stele_tensor *none = ops->full(g, &scalar, -HUGE_VAL), *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *count = ops->sum(g, in->present, -1, 1);
    stele_tensor *share = ops->scale(g, ops->log(g, ops->clamp(g, count, 1.0, HUGE_VAL)), -1.0);
    stele_tensor *part[2] = { ops->where(g, in->present, share, none),
                              ops->where(g, count, none, zero) };
    return ops->concat(g, 2, part, -1);
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_shape shape;
    for (uint32_t m = 0; m < in->n; m++) {
        ret->component[m] = in->q[m];
        ret->subset[m] = UINT64_C(1) << m;
    }
    stele_status status = ops->shape(in->q[0].p[0], &shape);
    if (status != STELE_OK) {
        return status;
    }
    ret->component[in->n] = *in->prior;
    for (uint32_t k = 0; k < in->prior->n; k++) {
        ret->component[in->n].p[k] = ops->expand(g, in->prior->p[k], &shape);
    }
    ret->subset[in->n] = 0;
    ret->n = in->n + 1;
    ret->log_weight = log_weights(ops, g, in);
    return ops->status(g);
}

/* -sum_c w_c (log_px_c - beta divergence_c) */
static stele_status loss(const stele_inst *self, stele_graph *g, const stele_loss_args *a,
                         stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    double beta = a->beta;
    stele_tensor *log_px = a->log_px;
#ifdef DEFECT_BETA_IGNORED
    beta = 1.0;
#endif
#ifdef DEFECT_LIKELIHOOD_SIGN
    log_px = ops->scale(g, log_px, -1.0);
#endif
    stele_tensor *terms = ops->sub(g, ops->scale(g, a->divergence, beta), log_px);
    *ret_rows = ops->sum(g, ops->mul(g, ops->exp(g, a->joint->log_weight), terms), -1, 0);
    return ops->status(g);
}

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .max_components = max_components,
    .fuse = fuse,
    .loss = loss,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_FUSION,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_ORDER_FREE | STELE_CAP_EMPTY_IS_PRIOR | STELE_CAP_SINGLE_IS_EXPERT,
    .id = "fusion/" NAME,
    .version = "0.1.0",
    .summary = "Mixture of experts for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
