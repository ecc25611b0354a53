/* stele/experts.h - blocks that fusion rules share: factors on the precisions of experts, and products of Gaussian
 * experts that never look at what is absent. Carries no host symbol: everything goes through the op table.
 */
#ifndef STELE_EXPERTS_H
#define STELE_EXPERTS_H

#include <stele/dense.h>
#include <stele/kinds.h>

/* --- one factor t_m on the precision of each modality's expert (Cao and Fleet 2014) --- */

enum { STELE_SCALE_ONE = 0, STELE_SCALE_LEARNED, STELE_SCALE_CALIBRATED };
static const char *const stele_scale_names[] = { "one", "learned", "calibrated", NULL };

/* Row "precision_scale" for an int32_t member of the config. */
#define STELE_PRECISION_SCALE_OPTION(type_, fld_)                                                                      \
    STELE_OPTION_ENUM(type_, fld_, "precision_scale", stele_scale_names, STELE_SCALE_ONE,                              \
                      "Factor on each expert's precision: one, learned in (0, 1) with the rest, or "                   \
                      "calibrated: fitted to the validation rows after training, starting from one.")

typedef struct stele_precision_scale {
    int32_t kind; /* STELE_SCALE_* */
    uint32_t id;  /* parameter (modalities), unless kind is STELE_SCALE_ONE */
} stele_precision_scale;

/* Learned factors are sigmoids that start near one, so that they stay below it; calibrated ones exponentials that start
 * at one. ret is the instance's. [main & new] */
static inline stele_status stele_precision_scale_build(const stele_host *h, stele_build *b, uint32_t n_modalities,
                                                       int32_t kind, stele_precision_scale *ret)
{
    int learned = kind == STELE_SCALE_LEARNED;
    stele_shape shape = stele_shape1(n_modalities);
    stele_param_spec spec = { sizeof spec,
                              "precision_scale",
                              &shape,
                              learned ? 2.0 : 0.0,
                              0.0,
                              STELE_INIT_CONSTANT,
                              learned ? 0u : (uint32_t)STELE_PARAM_CALIBRATED };
    ret->kind = kind;
    if (kind == STELE_SCALE_ONE) {
        return STELE_OK;
    }
    return h->build->param(b, &spec, &ret->id);
}

/* Every expert has to be a Gaussian: STELE_E_UNSUPPORTED, with `rule` in the message, where one is not. [compute] */
static inline stele_status stele_experts_gaussian(const stele_host *h, const stele_experts *in, const char *rule)
{
    for (uint32_t m = 0; m < in->n; m++) {
        if (in->q[m].family != STELE_NORMAL) {
            return STELE_FAIL(h, STELE_E_UNSUPPORTED, "%s needs Gaussian experts", rule);
        }
    }
    return STELE_OK;
}

/* Expert m with its precision times the factor: its log-variance less log t_m. Tensors are the graph's. [compute] */
static inline stele_dist stele_expert_scaled(const stele_host *h, stele_graph *g, const stele_precision_scale *s,
                                             const stele_experts *in, uint32_t m)
{
    const stele_ops *ops = h->ops;
    stele_dist q = in->q[m];
    if (s->kind != STELE_SCALE_ONE) {
        stele_tensor *log_t = ops->slice(g, ops->param(g, s->id), 0, m, (int64_t)m + 1);
        if (s->kind == STELE_SCALE_LEARNED) {
            log_t = ops->scale(g, ops->softplus(g, ops->scale(g, log_t, -1.0)), -1.0);
        }
        q.p[1] = ops->sub(g, q.p[1], log_t);
    }
    return q;
}

/* Bits of all n modalities, for stele_joint.subset. [any] */
static inline uint64_t stele_all_modalities(uint32_t n)
{
    return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* --- products of Gaussian experts: 1/var = sum_m w_m / var_m, mean = var sum_m w_m mean_m / var_m --- */

/* Running totals of precision and of precision-weighted mean, (B, D); NULL: nothing yet. */
typedef struct stele_product {
    stele_tensor *precision, *weighted;
} stele_product;

/* (B, 1): where modality m is present. [compute] */
static inline stele_tensor *stele_expert_present(const stele_ops *ops, stele_graph *g, const stele_experts *in,
                                                 uint32_t m)
{
    return ops->slice(g, in->present, -1, m, (int64_t)m + 1);
}

static inline void stele_product_sum(const stele_ops *ops, stele_graph *g, stele_tensor *precision, stele_tensor *mean,
                                     stele_product *p)
{
    stele_tensor *weighted = ops->mul(g, precision, mean);
    p->precision = p->precision != NULL ? ops->add(g, p->precision, precision) : precision;
    p->weighted = p->weighted != NULL ? ops->add(g, p->weighted, weighted) : weighted;
}

/* Multiplies in expert q, in the rows where `present` (B, 1) is not 0, to the power w: NULL for 1, or something that
 * broadcasts to (B, D). Rows without it may hold anything, NaN included. [compute] */
static inline void stele_product_expert(const stele_ops *ops, stele_graph *g, const stele_dist *q,
                                        stele_tensor *present, stele_tensor *w, stele_product *p)
{
    stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *mean = ops->where(g, present, q->p[0], zero);
    stele_tensor *logvar = ops->where(g, present, q->p[1], zero);
    stele_tensor *precision = ops->exp(g, ops->scale(g, logvar, -1.0));
    if (w != NULL) {
        precision = ops->mul(g, precision, w);
    }
    stele_product_sum(ops, g, ops->where(g, present, precision, zero), mean, p);
}

/* Multiplies in the prior, whose tensors are (D), to the power w: NULL for 1, or (B, 1). [compute] */
static inline void stele_product_prior(const stele_ops *ops, stele_graph *g, const stele_dist *prior, stele_tensor *w,
                                       stele_product *p)
{
    stele_tensor *precision = ops->exp(g, ops->scale(g, prior->p[1], -1.0));
    stele_product_sum(ops, g, w != NULL ? ops->mul(g, precision, w) : precision, prior->p[0], p);
}

/* Puts the prior in place of the product in the rows where `any` (B, 1) is 0. [compute] */
static inline void stele_product_or_prior(const stele_ops *ops, stele_graph *g, const stele_dist *prior,
                                          stele_tensor *any, stele_product *p)
{
    stele_tensor *precision = ops->exp(g, ops->scale(g, prior->p[1], -1.0));
    p->precision = ops->where(g, any, p->precision, precision);
    p->weighted = ops->where(g, any, p->weighted, ops->mul(g, precision, prior->p[0]));
}

/* The product as a distribution. [compute] */
static inline stele_dist stele_product_dist(const stele_ops *ops, stele_graph *g, const stele_product *p)
{
    stele_dist d = { STELE_NORMAL, 2, { NULL } };
    d.p[0] = ops->div(g, p->weighted, p->precision);
    d.p[1] = ops->scale(g, ops->log(g, p->precision), -1.0);
    return d;
}

/* The product as the only component of a joint of all modalities: with the prior multiplied in, or in its place in rows
 * that have nothing. [compute] */
static inline stele_status stele_product_joint(const stele_ops *ops, stele_graph *g, const stele_experts *in,
                                               int prior_expert, stele_product *p, stele_joint *ret)
{
    if (prior_expert) {
        stele_product_prior(ops, g, in->prior, NULL, p);
    } else {
        stele_product_or_prior(ops, g, in->prior, ops->max(g, in->present, -1, 1), p);
    }
    ret->n = 1;
    ret->component[0] = stele_product_dist(ops, g, p);
    ret->subset[0] = stele_all_modalities(in->n);
    ret->log_weight = NULL;
    return ops->status(g);
}

/* The prior, (D), as a distribution of (B, D) like `like`. [compute] */
static inline stele_status stele_prior_like(const stele_ops *ops, stele_graph *g, const stele_dist *prior,
                                            stele_tensor *like, stele_dist *ret)
{
    stele_shape shape = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_status status = ops->shape(like, &shape);
    *ret = *prior;
    for (uint32_t k = 0; k < ret->n && status == STELE_OK; k++) {
        ret->p[k] = ops->expand(g, ret->p[k], &shape);
    }
    return status;
}

/* (B, n + 1) log-weights of a mixture of the experts that are present, with equal weights: -log(number present), -inf
 * for absent ones; the last column is the prior's, 0 in rows with nothing. [compute] */
static inline stele_tensor *stele_mixture_log_weights(const stele_ops *ops, stele_graph *g, const stele_experts *in)
{
    stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_tensor *none = ops->full(g, &scalar, -HUGE_VAL);
    stele_tensor *count = ops->sum(g, in->present, -1, 1);
    stele_tensor *share = ops->scale(g, ops->log(g, ops->clamp(g, count, 1.0, HUGE_VAL)), -1.0);
    stele_tensor *part[2];
    part[0] = ops->where(g, in->present, share, none);
    part[1] = ops->where(g, count, none, ops->full(g, &scalar, 0.0));
    return ops->concat(g, 2, part, -1);
}

/* A component for every expert and one for the prior, which stands in where a row has nothing: needs a capacity of n
 * + 1. [compute] */
static inline stele_status stele_mixture_of_experts(const stele_host *h, stele_graph *g, const stele_precision_scale *s,
                                                    const stele_experts *in, stele_joint *ret)
{
    const stele_ops *ops = h->ops;
    for (uint32_t m = 0; m < in->n; m++) {
        ret->component[m] = stele_expert_scaled(h, g, s, in, m);
        ret->subset[m] = UINT64_C(1) << m;
    }
    ret->subset[in->n] = 0;
    ret->n = in->n + 1;
    ret->log_weight = stele_mixture_log_weights(ops, g, in);
    stele_status status = stele_prior_like(ops, g, in->prior, in->q[0].p[0], &ret->component[in->n]);
    return status == STELE_OK ? ops->status(g) : status;
}

#endif /* STELE_EXPERTS_H */
