/* fusion/moe - mixture of experts: q(z | x) = mean over the present modalities of q_m(z | x_m).
 *
 * A true mixture: every expert is a component of its own with weight 1 / (number present), sampled
 * in strata by the host, and densities are those of the mixture. Shi et al., NeurIPS 2019. A row
 * with nothing present yields the prior. Experts which claim more than they know can be tempered:
 * one factor per modality on the precision, calibrated on the validation rows; then the expert that
 * a row with one modality yields is the tempered one. */
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

enum { SCALE_ONE = 0, SCALE_CALIBRATED };
static const char *const scale_names[] = { "one", "calibrated", NULL };

typedef struct config {
    int32_t precision_scale;
} config;

static const stele_option options[] = {
    STELE_OPTION_ENUM(config, precision_scale, "precision_scale", scale_names, SCALE_ONE,
                      "Factor on each expert's precision: one, or calibrated: fitted to the "
                      "validation rows after training, starting from one."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    uint32_t n_modalities, scale;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->n_modalities = a->n_modalities;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

/* Logarithms of the factors, which start at one. */
static stele_status build(stele_inst *self, stele_build *b)
{
    if (self->config->precision_scale == SCALE_ONE) {
        return STELE_OK;
    }
    stele_shape shape = { 1, 0, { self->n_modalities } };
    stele_param_spec spec = { .struct_size = sizeof spec,
                              .name = "precision_scale",
                              .shape = &shape,
                              .init = STELE_INIT_CONSTANT,
                              .flags = STELE_PARAM_CALIBRATED };
    return self->host->build->param(b, &spec, &self->scale);
}

/* One for each modality and one for the prior, which stands in where a row has nothing. */
static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    return n_modalities + 1;
}

/* (B, n + 1): -log(number present) for present experts, -inf for absent ones; the prior's column is
 * 0 in empty rows. */
static stele_tensor *log_weights(const stele_ops *ops, stele_graph *g, const stele_experts *in)
{
    stele_shape scalar = { 0 };
    stele_tensor *none = ops->full(g, &scalar, -HUGE_VAL);
    stele_tensor *count = ops->sum(g, in->present, -1, 1);
    stele_tensor *share = ops->scale(g, ops->log(g, ops->clamp(g, count, 1.0, HUGE_VAL)), -1.0);
    stele_tensor *part[2];
    part[0] = ops->where(g, in->present, share, none);
    part[1] = ops->where(g, count, none, ops->full(g, &scalar, 0.0));
    return ops->concat(g, 2, part, -1);
}

static stele_status temper(const stele_inst *self, stele_graph *g, uint32_t m, stele_dist *q)
{
    const stele_ops *ops = self->host->ops;
    if (self->config->precision_scale == SCALE_ONE) {
        return STELE_OK;
    }
    if (q->family != STELE_NORMAL) {
        return STELE_FAIL(self->host, STELE_E_UNSUPPORTED,
                          "calibrated factors need Gaussian experts");
    }
    stele_tensor *log_t = ops->slice(g, ops->param(g, self->scale), 0, m, (int64_t)m + 1);
    q->p[1] = ops->sub(g, q->p[1], log_t);
    return STELE_OK;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_shape shape;
    stele_status status = ops->shape(in->q[0].p[0], &shape);
    for (uint32_t m = 0; m < in->n && status == STELE_OK; m++) {
        ret->component[m] = in->q[m];
        ret->subset[m] = UINT64_C(1) << m;
        status = temper(self, g, m, &ret->component[m]);
    }
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

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .max_components = max_components,
    .fuse = fuse,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_FUSION,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_ORDER_FREE | STELE_CAP_EMPTY_IS_PRIOR | STELE_CAP_SINGLE_IS_EXPERT,
    .id = "fusion/moe",
    .version = "0.1.0",
    .summary = "Mixture of experts with equal weights, sampled in strata.",
    .license = "BSD-3-Clause",
    .reference = "Shi et al., NeurIPS 2019, arXiv:1911.03393",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
