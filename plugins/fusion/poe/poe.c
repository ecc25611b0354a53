/* fusion/poe - product of Gaussian experts.
 *
 *     1/var = [prior] + sum_m present_m t_m / var_m
 *     mean  = var * sum_m present_m t_m mean_m / var_m
 *
 * Hinton 2002; Wu and Goodman, NeurIPS 2018. t_m = 1, or one factor per modality that tempers
 * experts which claim more than they know (Cao and Fleet 2014): trained with the rest, or
 * calibrated on the validation rows. The prior N(0, I) counts as one more expert if prior_expert is
 * on: in training and evaluation alike, for single modalities as well. conflict: temper widens the
 * experts of rows in which they disagree beyond chance; the prior stays as it is. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <stdlib.h>

typedef struct config {
    int32_t prior_expert, precision_scale, conflict, reserved;
} config;

static const stele_option options[] = {
    STELE_OPTION_BOOL(config, prior_expert, "prior_expert", 1,
                      "Multiply the prior into every product, as one more expert."),
    STELE_PRECISION_SCALE_OPTION(config, precision_scale),
    STELE_CONFLICT_OPTION(config, conflict),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    uint32_t n_modalities;
    stele_precision_scale scale;
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

static stele_status build(stele_inst *self, stele_build *b)
{
    return stele_precision_scale_build(self->host, b, self->n_modalities,
                                       self->config->precision_scale, &self->scale);
}

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
    stele_product p = { NULL, NULL };
    stele_dist q[STELE_MOST_EXPERTS] = { { 0, 0, { NULL } } };
    stele_tensor *here[STELE_MOST_EXPERTS] = { NULL };
    stele_status status = stele_experts_gaussian(self->host, in, "a product");
    if (status == STELE_OK) {
        status =
            stele_experts_prepare(self->host, g, &self->scale, self->config->conflict, in, q, here);
    }
    if (status != STELE_OK) {
        return status;
    }
    for (uint32_t m = 0; m < in->n; m++) {
        stele_product_expert(ops, g, &q[m], here[m], NULL, &p);
    }
    return stele_product_joint(ops, g, in, self->config->prior_expert, &p, ret);
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
