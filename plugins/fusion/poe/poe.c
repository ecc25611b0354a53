/* fusion/poe - product of Gaussian experts.
 *
 *     1/var = [prior] + sum_m present_m t_m / var_m
 *     mean  = var * sum_m present_m t_m mean_m / var_m
 *
 * Hinton 2002; Wu and Goodman, NeurIPS 2018. t_m = 1, or one factor per modality that tempers
 * experts which claim more than they know (Cao and Fleet 2014): trained with the rest, or
 * calibrated on the validation rows. The prior N(0, I) counts as one more expert if prior_expert is
 * on: in training and evaluation alike, for single modalities as well. */
#include <stele/plugin.h>

#include <stdlib.h>

enum { SCALE_ONE = 0, SCALE_LEARNED, SCALE_CALIBRATED };
static const char *const scale_names[] = { "one", "learned", "calibrated", NULL };

typedef struct config {
    int32_t prior_expert, precision_scale;
} config;

static const stele_option options[] = {
    STELE_OPTION_BOOL(config, prior_expert, "prior_expert", 1,
                      "Multiply the prior into every product, as one more expert."),
    STELE_OPTION_ENUM(
        config, precision_scale, "precision_scale", scale_names, SCALE_ONE,
        "Factor on each expert's precision: one, learned in (0, 1) with the rest, or "
        "calibrated: fitted to the validation rows after training, starting from one."),
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

/* Learned scales are sigmoids that start near one; calibrated ones exponentials that start at one.
 */
static stele_status build(stele_inst *self, stele_build *b)
{
    int learned = self->config->precision_scale == SCALE_LEARNED;
    if (self->config->precision_scale == SCALE_ONE) {
        return STELE_OK;
    }
    stele_shape shape = { 1, 0, { self->n_modalities } };
    stele_param_spec spec = { .struct_size = sizeof spec,
                              .name = "precision_scale",
                              .shape = &shape,
                              .scale = learned ? 2.0 : 0.0,
                              .init = STELE_INIT_CONSTANT,
                              .flags = learned ? 0 : STELE_PARAM_CALIBRATED };
    return self->host->build->param(b, &spec, &self->scale);
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

/* Running total of precision and precision-weighted mean; absent experts are never looked at. */
typedef struct product {
    stele_tensor *precision, *weighted; /* (B, D) */
} product;

static stele_tensor *column(const stele_ops *ops, stele_graph *g, stele_tensor *t, uint32_t m)
{
    return ops->slice(g, t, -1, m, (int64_t)m + 1);
}

static void multiply(const stele_inst *self, stele_graph *g, const stele_experts *in, uint32_t m,
                     product *p)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *present = column(ops, g, in->present, m);
    stele_shape scalar = { 0 };
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *mean = ops->where(g, present, in->q[m].p[0], zero);
    stele_tensor *logvar = ops->where(g, present, in->q[m].p[1], zero);
    stele_tensor *precision = ops->exp(g, ops->scale(g, logvar, -1.0));
    if (self->config->precision_scale != SCALE_ONE) {
        int learned = self->config->precision_scale == SCALE_LEARNED;
        stele_tensor *raw = ops->param(g, self->scale);
        stele_tensor *t = learned ? ops->sigmoid(g, raw) : ops->exp(g, raw);
        precision = ops->mul(g, precision, column(ops, g, t, m));
    }
    precision = ops->where(g, present, precision, zero);
    p->precision = p->precision != NULL ? ops->add(g, p->precision, precision) : precision;
    stele_tensor *weighted = ops->mul(g, precision, mean);
    p->weighted = p->weighted != NULL ? ops->add(g, p->weighted, weighted) : weighted;
}

/* Where no expert is present the product is empty and the prior takes its place. */
static void prior_where_empty(const stele_ops *ops, stele_graph *g, const stele_experts *in,
                              product *p)
{
    stele_tensor *any = ops->max(g, in->present, -1, 1);
    stele_tensor *precision = ops->exp(g, ops->scale(g, in->prior->p[1], -1.0));
    p->precision = ops->where(g, any, p->precision, precision);
    p->weighted = ops->where(g, any, p->weighted, ops->mul(g, precision, in->prior->p[0]));
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    product p = { NULL, NULL };
    for (uint32_t m = 0; m < in->n; m++) {
        if (in->q[m].family != STELE_NORMAL) {
            return STELE_FAIL(self->host, STELE_E_UNSUPPORTED, "a product needs Gaussian experts");
        }
        multiply(self, g, in, m, &p);
    }
    if (self->config->prior_expert) {
        stele_tensor *precision = ops->exp(g, ops->scale(g, in->prior->p[1], -1.0));
        p.precision = ops->add(g, p.precision, precision);
        p.weighted = ops->add(g, p.weighted, ops->mul(g, precision, in->prior->p[0]));
    } else {
        prior_where_empty(ops, g, in, &p);
    }
    ret->n = 1;
    ret->component[0].family = STELE_NORMAL;
    ret->component[0].n = 2;
    ret->component[0].p[0] = ops->div(g, p.weighted, p.precision);
    ret->component[0].p[1] = ops->scale(g, ops->log(g, p.precision), -1.0);
    ret->subset[0] = in->n < 64 ? (UINT64_C(1) << in->n) - 1 : UINT64_MAX;
    ret->log_weight = NULL;
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
            STELE_CAP_ORDER_FREE | STELE_CAP_EMPTY_IS_PRIOR,
    .id = "fusion/poe",
    .version = "0.1.0",
    .summary = "Product of Gaussian experts, with or without the prior as an expert.",
    .license = "BSD-3-Clause",
    .reference = "Wu and Goodman, NeurIPS 2018, arXiv:1802.05335",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
