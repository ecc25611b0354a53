/* fusion/poe - product of Gaussian experts.
 *
 *     1/var = [prior] + sum_m present_m t_m / var_m
 *     mean  = var * sum_m present_m t_m mean_m / var_m
 *
 * Hinton 2002; Wu and Goodman, NeurIPS 2018. t_m = 1, or one factor per modality that tempers
 * experts which claim more than they know (Cao and Fleet 2014): trained with the rest, or
 * calibrated on the validation rows. joint_scale: calibrated has one more factor for each dimension
 * of z, on the sum of the experts' terms in 1/var, while the mean stays: experts whose errors
 * depend on each other, or which leave correlations out, may have the mean right and the width
 * wrong, and t_m alone moves both. Dimensions have factors of their own because experts may be sure
 * and wrong in one of them alone. The prior N(0, I) counts as one more expert if prior_expert is
 * on: in training and evaluation alike, for single modalities as well. conflict: temper widens the
 * experts of rows in which they disagree beyond chance, before these factors: judged by what they
 * leave, rows in conflict would hardly move with them, and a fit would go by the others. The prior
 * stays as it is. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <stdlib.h>

typedef struct config {
    int32_t prior_expert, precision_scale, conflict, joint_scale;
} config;

enum { JOINT_ONE = 0, JOINT_CALIBRATED };
static const char *const joint_scales[] = { "one", "calibrated", NULL };

static const stele_option options[] = {
    STELE_OPTION_BOOL(config, prior_expert, "prior_expert", 1,
                      "Multiply the prior into every product, as one more expert."),
    STELE_PRECISION_SCALE_OPTION(config, precision_scale),
    STELE_CONFLICT_OPTION(config, conflict),
    STELE_OPTION_ENUM(
        config, joint_scale, "joint_scale", joint_scales, JOINT_ONE,
        "Factor on what all experts together add to the precision of a dimension, their mean left "
        "as it is: one, or calibrated: fitted to the validation rows after training, so that 90 % "
        "intervals hold that much."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    uint32_t n_modalities, latent_dim;
    stele_precision_scale scale;
    uint32_t joint_scale; /* parameter (latent_dim), logs of the factors; of JOINT_CALIBRATED */
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
    self->latent_dim = a->latent_dim;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_shape shape = stele_shape1(self->latent_dim);
    const stele_param_spec spec = { sizeof spec,
                                    "joint_scale",
                                    &shape,
                                    0.0,
                                    0.0,
                                    STELE_INIT_CONSTANT,
                                    STELE_PARAM_CALIBRATED | STELE_PARAM_WIDTH };
    stele_status status = stele_precision_scale_build(self->host, b, self->n_modalities,
                                                      self->config->precision_scale, &self->scale);
    return status == STELE_OK && self->config->joint_scale == JOINT_CALIBRATED
               ? self->host->build->param(b, &spec, &self->joint_scale)
               : status;
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

/* The product with its experts' precisions times the factors, and the mean that it has without. */
static stele_status scaled(const stele_inst *self, stele_graph *g, const stele_experts *in,
                           stele_product *p, stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_product wide = *p;
    stele_status status = stele_product_joint(ops, g, in, self->config->prior_expert, p, ret);
    stele_tensor *mean = ret->component[0].p[0];
    if (status == STELE_OK) {
        wide.precision = ops->mul(g, wide.precision, ops->exp(g, ops->param(g, self->joint_scale)));
        status = stele_product_joint(ops, g, in, self->config->prior_expert, &wide, ret);
        ret->component[0].p[0] = mean;
    }
    return status;
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
    return self->config->joint_scale == JOINT_CALIBRATED
               ? scaled(self, g, in, &p, ret)
               : stele_product_joint(ops, g, in, self->config->prior_expert, &p, ret);
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
