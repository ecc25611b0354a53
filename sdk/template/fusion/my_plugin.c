/* fusion/my_plugin - product of Gaussian experts, each with a learned trust.
 *
 *     1/var = 1 + sum_m present_m t_m / var_m,    mean = var * sum_m present_m t_m mean_m / var_m
 *
 * t_m in (0, 1) is learned with the rest; the 1 is the prior N(0, I) as one more expert. Go through the steps 1 to 5;
 * rebuild and run stele-check after each.
 */
#include <stele/dense.h>
#include <stele/plugin.h>

#include <stdlib.h>

/* 1. The options that a spec may set: a member of `config` and a row of `options` each. Rows are checked against the
 * type of their member when this file is compiled. `stele help fusion/my_plugin` prints them. */
typedef struct config {
    double trust;
} config;

static const stele_option options[] = {
    STELE_OPTION_F64(config, trust, "trust", 0.9, 0.01, 0.99,
                     "Where the factor on each expert's precision starts to be learned from."),
};

/* 2. The instance: what is known once the model is built. Values of parameters live in the host; here are their ids. */
struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t n_modalities;
    uint32_t trust;
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

/* 3. The parameters, if the rule has any; without them leave `build` out. The trust is a sigmoid of this one. */
static stele_status build(stele_inst *self, stele_build *b)
{
    double start = log(self->config->trust / (1.0 - self->config->trust));
    stele_shape shape = stele_shape1(self->n_modalities);
    stele_param_spec spec = {
        .struct_size = sizeof spec, .name = "trust", .shape = &shape, .scale = start, .init = STELE_INIT_CONSTANT
    };
    return self->host->build->param(b, &spec, &self->trust);
}

/* 4. The rule. It gives a mixture: a product has one component, an average of M experts has M (see stele_joint in
 * <stele/kinds.h>). Tensors are (rows, latent dimensions). */
static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

/* Adds expert m to the sums of precisions and of precision-weighted means. Rows that lack the modality hold anything,
 * NaN too: `where` takes nothing from there, while 0 * NaN would be NaN. */
static void multiply(const stele_inst *self, stele_graph *g, const stele_experts *in, uint32_t m,
                     stele_tensor **precision, stele_tensor **weighted)
{
    const stele_ops *ops = self->host->ops;
    const stele_shape scalar = { 0, 0, { 0 } };
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *present = ops->slice(g, in->present, -1, m, (int64_t)m + 1);
    stele_tensor *mean = ops->where(g, present, in->q[m].p[0], zero);
    stele_tensor *logvar = ops->where(g, present, in->q[m].p[1], zero);
    stele_tensor *trust = ops->sigmoid(g, ops->slice(g, ops->param(g, self->trust), -1, m, (int64_t)m + 1));
    stele_tensor *own = ops->mul(g, ops->exp(g, ops->scale(g, logvar, -1.0)), trust);
    own = ops->where(g, present, own, zero);
    *precision = ops->add(g, *precision, own);
    *weighted = ops->add(g, *weighted, ops->mul(g, own, mean));
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in, stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *precision = ops->exp(g, ops->scale(g, in->prior->p[1], -1.0));
    stele_tensor *weighted = ops->mul(g, precision, in->prior->p[0]);
    for (uint32_t m = 0; m < in->n; m++) {
        if (in->q[m].family != STELE_NORMAL) {
            return STELE_FAIL(self->host, STELE_E_UNSUPPORTED, "a product needs Gaussian experts");
        }
        multiply(self, g, in, m, &precision, &weighted);
    }
    ret->n = 1;
    ret->component[0].family = STELE_NORMAL;
    ret->component[0].n = 2;
    ret->component[0].p[0] = ops->div(g, weighted, precision);            /* mean */
    ret->component[0].p[1] = ops->scale(g, ops->log(g, precision), -1.0); /* log-variance */
    ret->subset[0] = in->n < 64 ? (UINT64_C(1) << in->n) - 1 : UINT64_MAX;
    ret->log_weight = NULL;
    return ops->status(g);
}

/* 5. What the host is told: the functions above, and who made this. Each of `caps` is a promise that stele-check puts
 * to the test; without STELE_CAP_F64 no derivative can be. */
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
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_EMPTY_IS_PRIOR,
    .id = "fusion/my_plugin",
    .version = "0.1.0",
    .summary = "Product of Gaussian experts, each with a learned trust.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
