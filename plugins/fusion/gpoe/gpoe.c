/* fusion/gpoe - generalised product of experts: powers that sum to one.
 *
 *     1/var = sum_m w_m / var_m,   mean = var * sum_m w_m mean_m / var_m
 *
 * over the modalities that are present, w_m = exp(a_m) / sum of exp(a_k) over those present; a is
 * learned, one for each modality or for each of its latent dimensions. Cao and Fleet 2014. Experts
 * that agree do not sharpen each other: the joint is a geometric mean of them, which is what
 * experts that say the same thing twice deserve. A row with one modality yields that expert. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <stdlib.h>

enum { PER_MODALITY = 0, PER_DIMENSION };
static const char *const weights_names[] = { "modality", "dimension", NULL };

typedef struct config {
    int32_t weights, prior_expert, conflict, reserved;
} config;

static const stele_option options[] = {
    STELE_OPTION_ENUM(
        config, weights, "weights", weights_names, PER_MODALITY,
        "What has a learned power of its own: each modality, or each latent dimension "
        "of each modality."),
    STELE_OPTION_BOOL(config, prior_expert, "prior_expert", 0,
                      "Multiply the prior into every product, to the power of one."),
    STELE_CONFLICT_OPTION(config, conflict),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    uint32_t n_modalities, latent_dim, logit;
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

/* Equal powers at first. */
static stele_status build(stele_inst *self, stele_build *b)
{
    int64_t width = self->config->weights == PER_DIMENSION ? self->latent_dim : 1;
    return stele_declare(self->host, b, "power", "logit", stele_shape2(self->n_modalities, width),
                         STELE_INIT_ZERO, 0.0, 0.0, &self->logit);
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

/* exp(a_m) where the modality is present, else 0: (B, 1) or (B, D). Only differences between
 * logits count, so the largest of each dimension is taken off. */
static stele_tensor *share(const stele_ops *ops, stele_graph *g, stele_tensor *logit,
                           const stele_experts *in, uint32_t m)
{
    stele_shape scalar = { 0 };
    stele_tensor *own = ops->slice(g, logit, 0, m, (int64_t)m + 1);
    stele_tensor *most = ops->detach(g, ops->max(g, logit, 0, 1));
    return ops->where(g, stele_expert_present(ops, g, in, m), ops->exp(g, ops->sub(g, own, most)),
                      ops->full(g, &scalar, 0.0));
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_shape scalar = { 0 };
    stele_tensor *logit = ops->param(g, self->logit), *any = ops->max(g, in->present, -1, 1);
    stele_tensor *total = NULL;
    const stele_precision_scale one_each = { STELE_SCALE_ONE, 0 };
    stele_product p = { NULL, NULL };
    stele_dist q[STELE_MOST_EXPERTS] = { { 0, 0, { NULL } } };
    stele_tensor *here[STELE_MOST_EXPERTS] = { NULL };
    stele_status status = stele_experts_gaussian(self->host, in, "a generalised product");
    if (status == STELE_OK) {
        status =
            stele_experts_prepare(self->host, g, &one_each, self->config->conflict, in, q, here);
    }
    if (status != STELE_OK) {
        return status;
    }
    for (uint32_t m = 0; m < in->n; m++) {
        stele_tensor *one = share(ops, g, logit, in, m);
        total = total != NULL ? ops->add(g, total, one) : one;
    }
    total = ops->where(g, any, total, ops->full(g, &scalar, 1.0));
    for (uint32_t m = 0; m < in->n; m++) {
        stele_tensor *w = ops->div(g, share(ops, g, logit, in, m), total);
        stele_product_expert(ops, g, &q[m], here[m], w, &p);
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
    .id = "fusion/gpoe",
    .version = "0.1.0",
    .summary = "Generalised product of experts: learned powers that sum to one.",
    .license = "BSD-3-Clause",
    .reference = "Cao and Fleet 2014, arXiv:1410.7827",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
