/* fusion/jsd - mixture of experts, held together by a Jensen-Shannon divergence.
 *
 * The joint is the mixture of the n experts that are present, with equal weights. In place of the
 * evidence lower bound (Sutter et al., NeurIPS 2020):
 *
 *     loss = -(1/n) sum_m log p(x | z_m) + beta JS,   z_m drawn from q_m
 *     JS = (1/(n + 1)) [ sum_m KL(q_m || f) + KL(prior || f) ]
 *
 * where f, the dynamic prior, is the geometric mean of the experts and the prior: a Gaussian, so
 * that all is in closed form. Evaluation and calibration go by the evidence lower bound of the
 * mixture. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <math.h>
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
    stele_status status = stele_experts_gaussian(self->host, in, "a Jensen-Shannon divergence");
    return status == STELE_OK ? stele_mixture_of_experts(self->host, g, &self->scale, in, ret)
                              : status;
}

static stele_tensor *kl_rows(const stele_ops *ops, stele_graph *g, const stele_dist *q,
                             const stele_dist *p, const stele_shape *column)
{
    stele_tensor *rows = NULL;
    ops->kl(g, q, p, &rows);
    return ops->reshape(g, rows, column);
}

/* Jensen-Shannon divergence of the components that a row has and the prior, (B, 1). */
static stele_status divergence(const stele_ops *ops, stele_graph *g, const stele_loss_args *a,
                               stele_tensor **ret)
{
    const stele_experts *in = a->experts;
    stele_shape scalar = { 0 }, column;
    stele_tensor *zero = ops->full(g, &scalar, 0.0), *one = ops->full(g, &scalar, 1.0);
    stele_tensor *n = ops->sum(g, in->present, -1, 1);
    stele_tensor *share = ops->div(g, one, ops->shift(g, n, 1.0)); /* 1 / (n + 1) */
    stele_product p = { NULL, NULL };
    stele_dist prior;
    for (uint32_t m = 0; m < in->n; m++) {
        stele_product_expert(ops, g, &a->joint->component[m], stele_expert_present(ops, g, in, m),
                             share, &p);
    }
    stele_product_prior(ops, g, in->prior, share, &p);
    stele_dist f = stele_product_dist(ops, g, &p);
    stele_status status = ops->shape(n, &column);
    status = status == STELE_OK ? stele_prior_like(ops, g, in->prior, f.p[0], &prior) : status;
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *sum = kl_rows(ops, g, &prior, &f, &column);
    for (uint32_t m = 0; m < in->n; m++) {
        stele_tensor *here = stele_expert_present(ops, g, in, m);
        stele_dist q = a->joint->component[m];
        for (uint32_t k = 0; k < q.n; k++) {
            q.p[k] = ops->where(g, here, q.p[k], zero);
        }
        sum = ops->add(g, sum, ops->where(g, here, kl_rows(ops, g, &q, &f, &column), zero));
    }
    *ret = ops->mul(g, share, sum);
    return ops->status(g);
}

static stele_status loss(const stele_inst *self, stele_graph *g, const stele_loss_args *a,
                         stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *js = NULL;
    stele_status status = divergence(ops, g, a, &js);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *weight = ops->exp(g, a->joint->log_weight);
    stele_tensor *fit = ops->sum(g, ops->mul(g, weight, a->log_px), 1, 1);
    *ret_rows = ops->sum(g, ops->sub(g, ops->scale(g, js, a->beta), fit), 1, 0);
    return ops->status(g);
}

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
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
    .id = "fusion/jsd",
    .version = "0.1.0",
    .summary = "Mixture of experts with a Jensen-Shannon divergence to a dynamic prior.",
    .license = "BSD-3-Clause",
    .reference = "Sutter et al., NeurIPS 2020, arXiv:2006.08242",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
