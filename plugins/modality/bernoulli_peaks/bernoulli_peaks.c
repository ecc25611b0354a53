/* modality/bernoulli_peaks - open or closed regions of chromatin, and other sparse binary features.
 *
 *     x_j ~ Bernoulli(sigmoid(eta_j + b_j + d)),  eta = decoder(z)
 *
 * b_j is the region's bias, d the log of the row's number of open regions over the median of the
 * training rows: observed in reconstruction, 0 in prediction, or learned as a function of z. Counts
 * above 1 are treated as 1. */
#include <stele/count_model.h>
#include <stele/draw.h>
#include <stele/likelihood.h>
#include <stele/metrics.h>
#include <stele/plugin.h>

static const char *const depth_names[] = { "observed", "learned", "none", NULL };

typedef struct config {
    stele_count_config counts;
} config;

static const stele_option options[] = {
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_BINARY, 0.2, STELE_NORM_NONE),
    STELE_OPTION_ENUM(
        config, counts.size, "depth", depth_names, STELE_SIZE_OBSERVED,
        "Where a row's depth comes from: its own peaks, learned from z, or no depth term."),
};

struct stele_inst {
    stele_count_model counts;
    uint32_t weight, bias;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const config *c = a->config;
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    stele_count_model_init(a, &c->counts, 1, &self->counts);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status = stele_count_model_build(&self->counts, b);
    if (status == STELE_OK) {
        status = stele_count_output_build(&self->counts, b, "output", &self->weight, &self->bias);
    }
    if (status == STELE_OK) {
        status = stele_count_size_build(&self->counts, b, "depth");
    }
    return status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    (void)self;
    return stele_counts_validate(x, STELE_COUNTS_WHOLE, ret);
}

/* Biases start at the log-odds of each region's share of open rows, with half a row added on both
 * sides. */
static stele_status fit(const stele_inst *self, stele_fit *f)
{
    stele_count_stats s;
    stele_status status = stele_count_model_fit(&self->counts, f, &s);
    if (status != STELE_OK) {
        return status;
    }
    double n = (double)s.n_rows;
    for (int64_t j = 0; j < s.n_features; j++) {
        s.total[j] = log((s.nonzero[j] + 0.5) / (n - s.nonzero[j] + 0.5));
    }
    status = self->counts.host->fit->set(f, self->bias, (uint64_t)s.n_features, s.total);
    stele_count_stats_finish(&s);
    return status;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    return stele_count_encode(&self->counts, g, a, ret_q);
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    stele_count_decode(&self->counts, g, a, ret);
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    return self->counts.host->ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    return stele_bernoulli(self->counts.host->vec, b);
}

static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double logit = stele_block_eta(b, 0, row, j) + stele_block_row(b, 0, row);
    double p = 1.0 / (1.0 + exp(-logit));
    if (what == STELE_DRAW_MEAN) {
        return p;
    }
    return what == STELE_DRAW_MODE ? p > 0.5 : u[0] < p;
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return stele_draw_elements(b, d, 1, draw_one);
}

/* All (row, region) pairs ranked together by predicted probability. */
static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(stele_ranking);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    (void)self;
    for (int64_t i = 0; i < s->n_rows * s->n_features; i++) {
        if (!isnan(s->truth[i])) {
            stele_ranking_add(state, s->predicted[i], s->truth[i] > 0.0f);
        }
    }
    return STELE_OK;
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    double auroc, average_precision;
    (void)self;
    if (capacity < 2) {
        return STELE_E_ARG;
    }
    stele_ranking_read(state, &auroc, &average_precision);
    stele_metric_set(&ret[0], "auroc", auroc, 1);
    stele_metric_set(&ret[1], "average_precision", average_precision, 1);
    *ret_n = 2;
    return STELE_OK;
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .validate = validate,
    .fit = fit,
    .encode = encode,
    .decode = decode,
    .likelihood = likelihood,
    .draw = draw,
    .score_size = score_size,
    .score_add = score_add,
    .score_end = score_end,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/bernoulli_peaks",
    .version = "0.1.0",
    .summary = "Open or closed regions with a Bernoulli likelihood and a depth term.",
    .license = "BSD-3-Clause",
    .reference = "Ashuach et al., Cell Reports Methods 2, 100182 (2022)",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
