/* fusion/mvtcae - product of experts, trained on a bound of total correlation.
 *
 * The joint q is the product of the experts that are present. In place of the evidence lower bound,
 * with n of them and a = alpha (Hwang et al., NeurIPS 2021):
 *
 *     loss = -((n - a) / n) sum_m log p(x_m | z)
 *            + beta [ (a / n) sum_m KL(q || q_m) + (1 - a) KL(q || prior) ]
 *
 * a = 0 is the evidence lower bound; the terms KL(q || q_m) make every expert alone tell what all
 * of them know together. Evaluation and calibration go by the evidence lower bound. The q_m of the
 * loss are the experts as they are, whatever conflict says. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

typedef struct config {
    double alpha;
    int32_t prior_expert, conflict;
} config;

static const stele_option options[] = {
    STELE_OPTION_F64(
        config, alpha, "alpha", 5.0 / 6.0, 0.0, 1.0,
        "Weight of the conditional bottleneck: how much experts learn from the joint."),
    STELE_OPTION_BOOL(config, prior_expert, "prior_expert", 0,
                      "Multiply the prior into every product, as one more expert."),
    STELE_CONFLICT_OPTION(config, conflict),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
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
    (void)n_modalities;
    return 1;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    const stele_precision_scale one = { STELE_SCALE_ONE, 0 };
    stele_product p = { NULL, NULL };
    stele_dist q[STELE_MOST_EXPERTS] = { { 0, 0, { NULL } } };
    stele_tensor *here[STELE_MOST_EXPERTS] = { NULL };
    stele_status status = stele_experts_gaussian(self->host, in, "a product");
    if (status == STELE_OK) {
        status = stele_experts_prepare(self->host, g, &one, self->config->conflict, in, q, here);
    }
    if (status != STELE_OK) {
        return status;
    }
    for (uint32_t m = 0; m < in->n; m++) {
        stele_product_expert(ops, g, &q[m], here[m], NULL, &p);
    }
    return stele_product_joint(ops, g, in, self->config->prior_expert, &p, ret);
}

/* sum_m KL(q || q_m) over the modalities that are present, (B, 1). */
static stele_status to_experts(const stele_ops *ops, stele_graph *g, const stele_experts *in,
                               const stele_dist *q, stele_tensor **ret)
{
    stele_shape scalar = { 0 };
    stele_tensor *zero = ops->full(g, &scalar, 0.0), *sum = NULL;
    stele_shape column = { 0 };
    stele_status status = ops->shape(stele_expert_present(ops, g, in, 0), &column);
    for (uint32_t m = 0; m < in->n; m++) {
        stele_tensor *here = stele_expert_present(ops, g, in, m), *rows = NULL;
        stele_dist expert = in->q[m];
        for (uint32_t k = 0; k < expert.n; k++) {
            expert.p[k] = ops->where(g, here, expert.p[k], zero);
        }
        ops->kl(g, q, &expert, &rows);
        rows = ops->where(g, here, ops->reshape(g, rows, &column), zero);
        sum = sum != NULL ? ops->add(g, sum, rows) : rows;
    }
    *ret = sum;
    return status == STELE_OK ? ops->status(g) : status;
}

static stele_status loss(const stele_inst *self, stele_graph *g, const stele_loss_args *a,
                         stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    double alpha = self->config->alpha;
    stele_tensor *n = ops->clamp(g, ops->sum(g, a->experts->present, -1, 1), 1.0, HUGE_VAL);
    stele_shape one = stele_shape1(1);
    stele_tensor *share = ops->div(g, ops->full(g, &one, alpha), n); /* alpha / n */
    stele_tensor *bottleneck = NULL;
    stele_status status = to_experts(ops, g, a->experts, &a->joint->component[0], &bottleneck);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *kl =
        ops->add(g, ops->mul(g, share, bottleneck), ops->scale(g, a->divergence, 1.0 - alpha));
    stele_tensor *fit = ops->mul(g, ops->shift(g, share, -1.0), a->log_px);
    *ret_rows = ops->sum(g, ops->add(g, fit, ops->scale(g, kl, a->beta)), 1, 0);
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
            STELE_CAP_ORDER_FREE | STELE_CAP_EMPTY_IS_PRIOR,
    .id = "fusion/mvtcae",
    .version = "0.1.0",
    .summary = "Product of experts with a bound of total correlation in place of the evidence "
               "lower bound.",
    .license = "BSD-3-Clause",
    .reference = "Hwang et al., NeurIPS 2021",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
