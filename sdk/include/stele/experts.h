/* stele/experts.h - blocks that fusion rules share: factors on the precisions of experts, products of Gaussian experts
 * that never look at what is absent, and what to do where experts disagree. Carries no host symbol: everything goes
 * through the op table.
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

/* Mean and precision of expert q, both 0 in the rows where `present` (B, 1) is 0, which may hold anything, NaN
 * included. [compute] */
static inline void stele_expert_masked(const stele_ops *ops, stele_graph *g, const stele_dist *q, stele_tensor *present,
                                       stele_tensor **ret_mean, stele_tensor **ret_precision)
{
    stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *logvar = ops->where(g, present, q->p[1], zero);
    *ret_mean = ops->where(g, present, q->p[0], zero);
    *ret_precision = ops->where(g, present, ops->exp(g, ops->scale(g, logvar, -1.0)), zero);
}

/* Multiplies in expert q, in the rows where `present` (B, 1) is not 0, to the power w: NULL for 1, or something that
 * broadcasts to (B, D). Rows without it may hold anything, NaN included. [compute] */
static inline void stele_product_expert(const stele_ops *ops, stele_graph *g, const stele_dist *q,
                                        stele_tensor *present, stele_tensor *w, stele_product *p)
{
    stele_tensor *mean, *precision;
    stele_expert_masked(ops, g, q, present, &mean, &precision);
    stele_product_sum(ops, g, w != NULL ? ops->mul(g, precision, w) : precision, mean, p);
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

/* --- experts that disagree beyond chance ---
 *
 * A product gets sharper with every expert, whether they agree or not. Of n Gaussian experts that are right about their
 * widths, over D dimensions, the statistic Q = sum_m (mean_m - mean)^2 / var_m around their precision-weighted mean is
 * chi-square with k = D (n - 1) degrees of freedom. Where it is far beyond that, every variance of the row grows by the
 * tau^2 that explains the excess, as in meta-analyses of studies which contradict each other (DerSimonian and Laird
 * 1986):
 *
 *     tau^2 = (Q - k) / sum over dimensions of (S1 - S2 / S1),   S1, S2: sums over the experts of 1 / var_m, 1 /
 * var_m^2
 *
 * An expert that is sharp loses the more by it: in an open conflict all count alike, and the joint covers them. Below
 * the 95 % quantile of Q nothing changes, beyond that of 99.9 % all of tau^2 counts, between them a share that grows
 * linearly, so that nothing jumps. */

enum { STELE_CONFLICT_KEEP = 0, STELE_CONFLICT_TEMPER };
static const char *const stele_conflict_names[] = { "keep", "temper", NULL };
enum { STELE_MOST_EXPERTS = 64 };

/* Row "conflict" for an int32_t member of the config. */
#define STELE_CONFLICT_OPTION(type_, fld_)                                                                             \
    STELE_OPTION_ENUM(type_, fld_, "conflict", stele_conflict_names, STELE_CONFLICT_KEEP,                              \
                      "Where experts disagree beyond chance: keep the product as sharp as it is, or temper: widen "    \
                      "the experts of that row until they agree.")

/* (B, 1): Q of n experts; here[m] (B, 1) says where expert m is present. 0 where fewer than two are. [compute] */
static inline stele_tensor *stele_experts_disagreement(const stele_ops *ops, stele_graph *g, uint32_t n,
                                                       const stele_dist *q, stele_tensor *const *here)
{
    stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_tensor *one = ops->full(g, &scalar, 1.0), *sum = NULL;
    stele_product p = { NULL, NULL };
    for (uint32_t m = 0; m < n; m++) {
        stele_product_expert(ops, g, &q[m], here[m], NULL, &p);
    }
    stele_tensor *mean = ops->div(g, p.weighted, ops->where(g, p.precision, p.precision, one));
    for (uint32_t m = 0; m < n; m++) {
        stele_tensor *own, *precision;
        stele_expert_masked(ops, g, &q[m], here[m], &own, &precision);
        stele_tensor *term = ops->mul(g, precision, ops->square(g, ops->sub(g, own, mean)));
        sum = sum != NULL ? ops->add(g, sum, term) : term;
    }
    return ops->sum(g, sum, -1, 1);
}

/* Quantile of chi-square over its degrees of freedom k, at z standard deviations of a normal (Wilson and Hilferty
 * 1931). [compute] */
static inline stele_tensor *stele_chi_square_ratio(const stele_ops *ops, stele_graph *g, stele_tensor *k, double z)
{
    stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_tensor *h = ops->div(g, ops->full(g, &scalar, 2.0 / 9.0), k);
    stele_tensor *root = ops->shift(g, ops->sub(g, ops->scale(g, ops->sqrt(g, h), z), h), 1.0);
    return ops->mul(g, ops->square(g, root), root);
}

/* (B, 1): sum over dimensions of S1 - S2 / S1; 1 where fewer than two experts are present. [compute] */
static inline stele_tensor *stele_experts_leverage(const stele_ops *ops, stele_graph *g, uint32_t n,
                                                   const stele_dist *q, stele_tensor *const *here, stele_tensor *count)
{
    stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_tensor *one = ops->full(g, &scalar, 1.0), *s1 = NULL, *s2 = NULL;
    for (uint32_t m = 0; m < n; m++) {
        stele_tensor *mean, *precision;
        stele_expert_masked(ops, g, &q[m], here[m], &mean, &precision);
        stele_tensor *squared = ops->square(g, precision);
        s1 = s1 != NULL ? ops->add(g, s1, precision) : precision;
        s2 = s2 != NULL ? ops->add(g, s2, squared) : squared;
    }
    stele_tensor *rest = ops->sub(g, s1, ops->div(g, s2, ops->where(g, s1, s1, one)));
    return ops->where(g, ops->less(g, one, count), ops->sum(g, rest, -1, 1), one);
}

/* (B, 1): tau^2 of each row, 0 where the experts do not disagree beyond chance. [compute] */
static inline stele_tensor *stele_experts_excess(const stele_ops *ops, stele_graph *g, uint32_t n, const stele_dist *q,
                                                 stele_tensor *const *here, double dim)
{
    stele_tensor *count = here[0];
    for (uint32_t m = 1; m < n; m++) {
        count = ops->add(g, count, here[m]);
    }
    stele_tensor *k = ops->scale(g, ops->clamp(g, ops->shift(g, count, -1.0), 1.0, HUGE_VAL), dim);
    stele_tensor *disagreement = stele_experts_disagreement(ops, g, n, q, here);
    stele_tensor *some = stele_chi_square_ratio(ops, g, k, 1.6448536269514722);
    stele_tensor *all = stele_chi_square_ratio(ops, g, k, 3.0902323061678132);
    stele_tensor *beyond = ops->sub(g, ops->div(g, disagreement, k), some);
    stele_tensor *share = ops->clamp(g, ops->div(g, beyond, ops->sub(g, all, some)), 0.0, 1.0);
    stele_tensor *excess = ops->clamp(g, ops->sub(g, disagreement, k), 0.0, HUGE_VAL);
    stele_tensor *tau = ops->div(g, excess, stele_experts_leverage(ops, g, n, q, here, count));
    return ops->mul(g, share, tau);
}

/* Widens the n experts q in the rows where they disagree beyond chance; `here` as above. What q held is replaced.
 * [compute] */
static inline stele_status stele_experts_temper(const stele_ops *ops, stele_graph *g, uint32_t n, stele_dist *q,
                                                stele_tensor *const *here)
{
    stele_shape shape = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    if (n < 2) {
        return ops->status(g);
    }
    stele_status status = ops->shape(q[0].p[0], &shape);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *tau = stele_experts_excess(ops, g, n, q, here, (double)shape.dim[1]);
    for (uint32_t m = 0; m < n; m++) {
        stele_tensor *wider = ops->log(g, ops->add(g, ops->exp(g, q[m].p[1]), tau));
        q[m].p[1] = ops->where(g, tau, wider, q[m].p[1]);
    }
    return ops->status(g);
}

/* The experts of a rule: scaled by s, widened where they disagree if `conflict` asks for it, into ret[n]; here[n] gets
 * their presence. [compute] */
static inline stele_status stele_experts_prepare(const stele_host *h, stele_graph *g, const stele_precision_scale *s,
                                                 int32_t conflict, const stele_experts *in, stele_dist *ret,
                                                 stele_tensor **here)
{
    for (uint32_t m = 0; m < in->n; m++) {
        ret[m] = stele_expert_scaled(h, g, s, in, m);
        here[m] = stele_expert_present(h->ops, g, in, m);
    }
    if (conflict == STELE_CONFLICT_TEMPER) {
        return stele_experts_temper(h->ops, g, in->n, ret, here);
    }
    return h->ops->status(g);
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
