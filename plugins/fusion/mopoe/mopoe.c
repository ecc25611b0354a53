/* fusion/mopoe - mixture of products of experts: one product for every non-empty subset of the
 * modalities that are present, with equal weights. Sutter et al., ICLR 2021.
 *
 *     q(z | x) = 1 / (2^n - 1) * sum over subsets S of product over m in S of q_m(z | x_m)
 *
 * subsets: all has every subset as a component, sampled in strata, and the divergence is that of
 * the mixture. subsets: sampled trains on one subset a row, drawn anew in every step: in
 * expectation the bound with the mean of the subsets' divergences, which is the published one, at
 * the price of one product. It evaluates the whole mixture where that has few enough components,
 * else one of the single modalities, all together, and some others in between. A row with nothing
 * present yields the prior. */
#include <stele/experts.h>
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 0, SAMPLED };
static const char *const subsets_names[] = { "all", "sampled", NULL };

/* Components that a host takes, and the modalities whose subsets they suffice for. */
enum { MOST_SUBSETS = 63, MOST_ALL = 6, NOISE = 0x6d6f };

typedef struct config {
    int32_t subsets, prior_expert, conflict, reserved;
} config;

static const stele_option options[] = {
    STELE_OPTION_ENUM(
        config, subsets, "subsets", subsets_names, ALL,
        "all: every subset in every step, for at most 6 modalities; sampled: one a row "
        "and step while training."),
    STELE_OPTION_BOOL(config, prior_expert, "prior_expert", 0,
                      "Multiply the prior into every product, as one more expert."),
    STELE_CONFLICT_OPTION(config, conflict),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    uint32_t n_modalities, n_subsets;
    uint64_t subset[MOST_SUBSETS]; /* of the mixture, ascending where it is whole */
};

/* The subsets of the mixture. Of many modalities: each alone, all, and others that multiples
 * of an odd number visit. */
static void choose(stele_inst *self)
{
    uint32_t n = self->n_modalities;
    if (n <= MOST_ALL) {
        self->n_subsets = (UINT32_C(1) << n) - 1;
        for (uint32_t k = 0; k < self->n_subsets; k++) {
            self->subset[k] = k + 1;
        }
        return;
    }
    uint64_t all = stele_all_modalities(n), turn = 0;
    while (self->n_subsets < MOST_SUBSETS) {
        uint32_t k = self->n_subsets;
        uint64_t s = k < n ? UINT64_C(1) << k : all;
        int known = k < n ? 0 : k > n;
        while (known) {
            turn += UINT64_C(0x9e3779b97f4a7c15);
            s = turn & all;
            known = s == 0;
            for (uint32_t i = 0; i < k; i++) {
                known |= self->subset[i] == s;
            }
        }
        self->subset[self->n_subsets++] = s;
    }
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->n_modalities > MOST_ALL && ((const config *)a->config)->subsets == ALL) {
        return STELE_FAIL(
            a->host, STELE_E_OPTION,
            "subsets: %u modalities have 2^%u - 1 subsets, more than the %d that fit; "
            "`sampled` draws one for each row and step",
            a->n_modalities, a->n_modalities, MOST_SUBSETS);
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->n_modalities = a->n_modalities;
    choose(self);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)n_modalities;
    return self->n_subsets + 1;
}

/* Product of the experts of one subset, where they are present: `present` (B, M). */
static stele_status product(const stele_inst *self, stele_graph *g, const stele_experts *in,
                            stele_tensor *present, uint64_t subset, stele_dist *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_product p = { NULL, NULL };
    stele_dist q[STELE_MOST_EXPERTS] = { { 0, 0, { NULL } } };
    stele_tensor *here[STELE_MOST_EXPERTS] = { NULL };
    uint32_t n = 0;
    for (uint32_t m = 0; m < in->n; m++) {
        if ((subset >> m & 1) != 0) {
            q[n] = in->q[m];
            here[n++] = ops->slice(g, present, -1, m, (int64_t)m + 1);
        }
    }
    stele_status status = STELE_OK;
    if (self->config->conflict == STELE_CONFLICT_TEMPER) {
        status = stele_experts_temper(ops, g, n, q, here);
    }
    for (uint32_t i = 0; i < n; i++) {
        stele_product_expert(ops, g, &q[i], here[i], NULL, &p);
    }
    if (self->config->prior_expert) {
        stele_product_prior(ops, g, in->prior, NULL, &p);
    } else {
        stele_tensor *any = ops->less(g, ops->full(g, &(stele_shape){ 0 }, 0.0), p.precision);
        stele_product_or_prior(ops, g, in->prior, any, &p);
    }
    *ret = stele_product_dist(ops, g, &p);
    return status;
}

/* (B, subsets + 1) of logarithms of the weights: equal for the subsets that a row has whole; the
 * last column is the prior's, in rows that have nothing. */
static stele_tensor *log_weights(const stele_inst *self, stele_graph *g, const stele_experts *in)
{
    const stele_ops *ops = self->host->ops;
    stele_shape scalar = { 0 };
    stele_tensor *none = ops->full(g, &scalar, -HUGE_VAL), *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *column[MOST_SUBSETS + 1], *whole[MOST_SUBSETS], *count = NULL;
    for (uint32_t k = 0; k < self->n_subsets; k++) {
        whole[k] = NULL;
        for (uint32_t m = 0; m < in->n; m++) {
            if ((self->subset[k] >> m & 1) != 0) {
                stele_tensor *here = stele_expert_present(ops, g, in, m);
                whole[k] = whole[k] != NULL ? ops->mul(g, whole[k], here) : here;
            }
        }
        count = count != NULL ? ops->add(g, count, whole[k]) : whole[k];
    }
    stele_tensor *share = ops->log(g, ops->clamp(g, count, 1.0, HUGE_VAL));
    share = ops->scale(g, share, -1.0);
    for (uint32_t k = 0; k < self->n_subsets; k++) {
        column[k] = ops->where(g, whole[k], share, none);
    }
    column[self->n_subsets] = ops->where(g, count, none, zero);
    return ops->concat(g, self->n_subsets + 1, column, -1);
}

static double real_at(const stele_view *v, int64_t i)
{
    return v->dtype == STELE_F64 ? ((const double *)v->data)[i]
                                 : (double)((const float *)v->data)[i];
}

/* One subset of the n modalities of a row, all of them equally likely: bit i stands for the i-th
 * that is present. Beyond 16, a bit for each modality: an empty set is next to impossible. */
static uint64_t draw_subset(uint32_t n, const stele_view *noise, int64_t at)
{
    uint64_t s = 0;
    if (n <= 16) {
        double u = 0.5 * erfc(-real_at(noise, at) / sqrt(2.0)), most = (double)(UINT64_C(1) << n);
        return 1 + (uint64_t)fmin(floor(u * (most - 1.0)), most - 2.0);
    }
    for (uint32_t i = 0; i < n; i++) {
        s |= (uint64_t)(real_at(noise, at + i) > 0.0) << i;
    }
    return s != 0 ? s : 1;
}

static void put_real(const stele_view *like, void *out, int64_t i, double v)
{
    if (like->dtype == STELE_F64) {
        ((double *)out)[i] = v;
    } else {
        ((float *)out)[i] = (float)v;
    }
}

/* Of presence and noise, (B, M) each: presence, reduced to the subset that each row draws. */
static stele_status keep_drawn(void *user, uint32_t n_inputs, const stele_view *const *in,
                               void *out)
{
    const stele_view *present = in[0], *noise = in[1];
    const int64_t n_all = present->shape.dim[1];
    (void)user;
    (void)n_inputs;
    for (int64_t at = 0; at < present->shape.dim[0] * n_all; at += n_all) {
        uint32_t n = 0, i = 0;
        for (int64_t m = 0; m < n_all; m++) {
            n += real_at(present, at + m) > 0.0;
        }
        uint64_t s = n > 0 ? draw_subset(n, noise, at) : 0;
        for (int64_t m = 0; m < n_all; m++) {
            int here = real_at(present, at + m) > 0.0;
            put_real(present, out, at + m, here ? (double)(s >> i & 1) : 0.0);
            i += (uint32_t)here;
        }
    }
    return STELE_OK;
}

static const stele_custom keep_drawn_op = {
    .struct_size = sizeof keep_drawn_op,
    .name = "subset",
    .forward = keep_drawn,
};

/* (B, M): 1 where a modality is present and in the subset that its row draws. */
static stele_status drawn(const stele_inst *self, stele_graph *g, const stele_experts *in,
                          stele_tensor **ret)
{
    const stele_ops *ops = self->host->ops;
    stele_shape shape;
    stele_status status = ops->shape(in->present, &shape);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *input[2] = { in->present, ops->noise(g, &shape, NOISE) };
    *ret = ops->custom(g, &keep_drawn_op, NULL, 2, input, &shape);
    return ops->status(g);
}

/* What was drawn, as bits: private latents of the modalities left out are drawn blindly. */
static stele_status drawn_bits(const stele_ops *ops, stele_graph *g, const stele_tensor *drawn,
                               const uint64_t **ret)
{
    stele_view v = { .struct_size = sizeof v };
    stele_status status = ops->view(drawn, &v);
    if (status != STELE_OK) {
        return status;
    }
    const int64_t rows = v.shape.dim[0], n = v.shape.dim[1];
    uint64_t *bits = ops->scratch(g, (uint64_t)rows * sizeof *bits);
    if (bits == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < rows; r++) {
        bits[r] = 0;
        for (int64_t m = 0; m < n; m++) {
            bits[r] |= (uint64_t)(real_at(&v, r * n + m) > 0.0) << m;
        }
    }
    *ret = bits;
    return STELE_OK;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_status status = stele_experts_gaussian(self->host, in, "a mixture of products");
    if (status != STELE_OK) {
        return status;
    }
    ret->log_weight = NULL;
    if (self->config->subsets == SAMPLED && ops->training(g)) {
        stele_tensor *present = NULL;
        status = drawn(self, g, in, &present);
        if (status == STELE_OK) {
            status = drawn_bits(ops, g, present, &ret->row_subset);
        }
        if (status != STELE_OK) {
            return status;
        }
        ret->n = 1;
        ret->subset[0] = stele_all_modalities(in->n);
        status = product(self, g, in, present, ret->subset[0], &ret->component[0]);
        return status == STELE_OK ? ops->status(g) : status;
    }
    ret->n = self->n_subsets + 1;
    for (uint32_t k = 0; k < self->n_subsets; k++) {
        ret->subset[k] = self->subset[k];
        status = product(self, g, in, in->present, self->subset[k], &ret->component[k]);
        if (status != STELE_OK) {
            return status;
        }
    }
    ret->subset[self->n_subsets] = 0;
    ret->log_weight = log_weights(self, g, in);
    status = stele_prior_like(ops, g, in->prior, in->q[0].p[0], &ret->component[self->n_subsets]);
    return status == STELE_OK ? ops->status(g) : status;
}

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .max_components = max_components,
    .fuse = fuse,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_FUSION,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_ORDER_FREE | STELE_CAP_EMPTY_IS_PRIOR,
    .id = "fusion/mopoe",
    .version = "0.1.0",
    .summary = "Mixture of products of experts over all subsets of the modalities.",
    .license = "BSD-3-Clause",
    .reference = "Sutter et al., ICLR 2021, arXiv:2105.02470",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
