/* fusion/moe - mixture of experts: q(z | x) = mean over the present modalities of q_m(z | x_m).
 *
 * A true mixture: every expert is a component of its own with weight 1 / (number present), sampled
 * in strata by the host, and densities are those of the mixture. Shi et al., NeurIPS 2019. A row
 * with nothing present yields the prior. Experts which claim more than they know can be tempered:
 * one factor per modality on the precision, learned or calibrated on the validation rows; then the
 * expert that a row with one modality yields is the tempered one. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <stdlib.h>

typedef struct config {
    int32_t precision_scale;
} config;

static const stele_option options[] = {
    STELE_PRECISION_SCALE_OPTION(config, precision_scale),
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

/* One for each modality and one for the prior, which stands in where a row has nothing. */
static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    return n_modalities + 1;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    stele_status status = STELE_OK;
    if (self->scale.kind != STELE_SCALE_ONE) {
        status = stele_experts_gaussian(self->host, in, "a factor on precisions");
    }
    return status == STELE_OK ? stele_mixture_of_experts(self->host, g, &self->scale, in, ret)
                              : status;
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
    .id = "fusion/moe",
    .version = "0.1.0",
    .summary = "Mixture of experts with equal weights, sampled in strata.",
    .license = "BSD-3-Clause",
    .reference = "Shi et al., NeurIPS 2019, arXiv:1911.03393",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
