/* fusion/code - consensus of dependent experts.
 *
 * The errors of two experts about z have correlation rho, the same for every pair. With Sigma_mk =
 * rho sd_m sd_k (m != k) and var_m, over the modalities that are present, the joint is what
 * minimises the variance (Winkler 1981; Mancisidor et al. 2025):
 *
 *     1/var = 1' Sigma^-1 1,   mean = var * 1' Sigma^-1 mean
 *
 * With s_m = 1/sd_m, n present and their mean s, the inverse of this Sigma has the closed form
 *
 *     1/var = sum_m (s_m - s)^2 / (1 - rho) + n s^2 / (1 + (n - 1) rho)
 *
 * in which nothing cancels, and likewise for the mean. rho = 0 is a product of experts; towards 1,
 * experts of equal width add nothing to each other. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

enum { FIXED = 0, LEARNED, CALIBRATED };
static const char *const estimate_names[] = { "fixed", "learned", "calibrated", NULL };

typedef struct config {
    double correlation;
    int32_t estimate, prior_expert;
} config;

static const stele_option options[] = {
    STELE_OPTION_F64(config, correlation, "correlation", 0.5, 0.0, 0.99,
                     "Correlation of the errors of two experts, or where its estimate starts."),
    STELE_OPTION_ENUM(
        config, estimate, "estimate", estimate_names, FIXED,
        "The correlation is fixed, learned with the rest, or calibrated: fitted to the "
        "validation rows after training."),
    STELE_OPTION_BOOL(config, prior_expert, "prior_expert", 1,
                      "Multiply the prior into the joint, as an expert that depends on none."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    uint32_t logit;
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

/* rho is 0.99 / (1 + exp(-a)), so that it stays below one; where it starts at an end, it would stay
 * there. */
static stele_status build(stele_inst *self, stele_build *b)
{
    double share = fmin(fmax(self->config->correlation / 0.99, 1e-3), 1.0 - 1e-3);
    stele_shape shape = stele_shape1(1);
    stele_param_spec spec = { .struct_size = sizeof spec,
                              .name = "correlation",
                              .shape = &shape,
                              .scale = log(share / (1.0 - share)),
                              .init = STELE_INIT_CONSTANT };
    if (self->config->estimate == FIXED) {
        return STELE_OK;
    }
    spec.flags = self->config->estimate == CALIBRATED ? STELE_PARAM_CALIBRATED : 0;
    return self->host->build->param(b, &spec, &self->logit);
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

static stele_tensor *correlation(const stele_inst *self, stele_graph *g)
{
    const stele_ops *ops = self->host->ops;
    stele_shape one = stele_shape1(1);
    return self->config->estimate == FIXED
               ? ops->full(g, &one, self->config->correlation)
               : ops->scale(g, ops->sigmoid(g, ops->param(g, self->logit)), 0.99);
}

static stele_tensor *plus(const stele_ops *ops, stele_graph *g, stele_tensor *sum, stele_tensor *t)
{
    return sum != NULL ? ops->add(g, sum, t) : t;
}

/* What experts contribute, (B, D) each, 0 where they are absent. */
typedef struct sums {
    stele_tensor *s, *sm;        /* means over those present of s_m and of s_m mean_m */
    stele_tensor *spread, *with; /* sums of (s_m - s)^2 and of (s_m - s)(s_m mean_m - its mean) */
} sums;

static sums add_up(const stele_ops *ops, stele_graph *g, const stele_experts *in, stele_tensor *n)
{
    sums r = { NULL, NULL, NULL, NULL };
    stele_shape scalar = { 0 };
    stele_tensor *zero = ops->full(g, &scalar, 0.0),
                 *at_least_one = ops->clamp(g, n, 1.0, HUGE_VAL);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t m = 0; m < in->n; m++) {
            stele_tensor *here = stele_expert_present(ops, g, in, m);
            stele_tensor *logvar = ops->where(g, here, in->q[m].p[1], zero);
            stele_tensor *s = ops->exp(g, ops->scale(g, logvar, -0.5));
            stele_tensor *sm = ops->mul(g, s, ops->where(g, here, in->q[m].p[0], zero));
            if (pass == 0) {
                r.s = plus(ops, g, r.s, ops->where(g, here, s, zero));
                r.sm = plus(ops, g, r.sm, ops->where(g, here, sm, zero));
            } else {
                stele_tensor *ds = ops->where(g, here, ops->sub(g, s, r.s), zero);
                r.spread = plus(ops, g, r.spread, ops->square(g, ds));
                r.with = plus(ops, g, r.with, ops->mul(g, ds, ops->sub(g, sm, r.sm)));
            }
        }
        if (pass == 0) {
            r.s = ops->div(g, r.s, at_least_one);
            r.sm = ops->div(g, r.sm, at_least_one);
        }
    }
    return r;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_product p;
    stele_status status = stele_experts_gaussian(self->host, in, "a consensus of experts");
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *n = ops->sum(g, in->present, -1, 1), *rho = correlation(self, g);
    stele_tensor *apart = ops->shift(g, ops->scale(g, rho, -1.0), 1.0);
    stele_tensor *together = ops->shift(g, ops->mul(g, ops->shift(g, n, -1.0), rho), 1.0);
    sums r = add_up(ops, g, in, n);
    stele_tensor *common = ops->div(g, ops->mul(g, r.s, n), together);
    p.precision = ops->add(g, ops->div(g, r.spread, apart), ops->mul(g, common, r.s));
    p.weighted = ops->add(g, ops->div(g, r.with, apart), ops->mul(g, common, r.sm));
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
    .id = "fusion/code",
    .version = "0.1.0",
    .summary = "Consensus of dependent experts, whose errors are correlated.",
    .license = "BSD-3-Clause",
    .reference = "Mancisidor et al. 2025, arXiv:2505.01134; Winkler, Management Science 27, 1981",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
