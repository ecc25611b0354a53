/* modality/nb_counts - counts with a negative binomial likelihood (RNA and the like).
 *
 *     x_j ~ NB(mean = s exp(eta_j), dispersion theta_j),  eta = decoder(z)
 *
 * s is the row's size factor over the median of the training rows: observed when the row itself is
 * reconstructed (the sum of its counts), 1 in prediction, or learned as a function of z. With
 * softmax rates the mean is instead the row's size, or the median's, times softmax(eta)_j (Lopez et
 * al. 2018). Optional zero inflation per feature and row. */
#include <stele/count_model.h>
#include <stele/draw.h>
#include <stele/likelihood.h>
#include <stele/metrics.h>
#include <stele/plugin.h>

static const char *const size_names[] = { "observed", "learned", NULL };

enum { RATES_EXP = 0, RATES_SOFTMAX };
static const char *const rates_names[] = { "exp", "softmax", NULL };

typedef struct config {
    stele_count_config counts;
    double dispersion;
    int32_t zero_inflation, rates;
} config;

static const stele_option options[] = {
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_NORMALISED, 0.2, STELE_NORM_LAYER),
    STELE_OPTION_F64(config, dispersion, "dispersion", 1.0, 1e-3, 1e3,
                     "Start of the inverse dispersion theta; variance is mean + mean^2 / theta."),
    STELE_OPTION_BOOL(config, zero_inflation, "zero_inflation", 0,
                      "Add a probability of extra zeros per feature, predicted from z."),
    STELE_OPTION_ENUM(config, counts.size, "size_factor", size_names, STELE_SIZE_OBSERVED,
                      "Where a row's size comes from: its own counts, or learned from z."),
    STELE_OPTION_ENUM(config, rates, "rates", rates_names, RATES_EXP,
                      "How a mean follows from the decoder: exp of each feature's output, or "
                      "shares of the row's size that add up to 1 over the features."),
};

struct stele_inst {
    const config *config;
    stele_count_model counts;
    uint32_t weight[2], bias[2], log_theta; /* [1]: logit of the extra zero */
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->config = a->config;
    stele_count_model_init(a, &self->config->counts, 0, &self->counts);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->counts.host;
    stele_status status = stele_count_model_build(&self->counts, b);
    if (status == STELE_OK) {
        status =
            stele_count_output_build(&self->counts, b, "output", &self->weight[0], &self->bias[0]);
    }
    if (status == STELE_OK && self->config->zero_inflation) {
        status = stele_count_output_build(&self->counts, b, "extra_zero", &self->weight[1],
                                          &self->bias[1]);
    }
    if (status == STELE_OK) {
        status = stele_declare(h, b, "dispersion", "log_theta",
                               stele_shape1(self->counts.n_features), STELE_INIT_CONSTANT,
                               log(self->config->dispersion), 0.0, &self->log_theta);
    }
    if (status == STELE_OK) {
        status = stele_count_size_build(&self->counts, b, "size");
    }
    return status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    (void)self;
    return stele_counts_validate(x, STELE_COUNTS_WHOLE, ret);
}

/* Biases start at the log of the mean count of a row of median size, the extra zeros at a share of
 * 1 in 20. */
static stele_status fit(const stele_inst *self, stele_fit *f)
{
    const stele_host *h = self->counts.host;
    stele_count_stats s;
    stele_status status = stele_count_model_fit(&self->counts, f, &s);
    if (status != STELE_OK) {
        return status;
    }
    double sum = 0.0;
    for (int64_t j = 0; j < s.n_features; j++) {
        sum += s.total[j] + 0.5;
    }
    for (int64_t j = 0; j < s.n_features; j++) {
        s.total[j] = log((s.total[j] + 0.5) / sum * s.median);
    }
    status = h->fit->set(f, self->bias[0], (uint64_t)s.n_features, s.total);
    if (status == STELE_OK && self->config->zero_inflation) {
        for (int64_t j = 0; j < s.n_features; j++) {
            s.total[j] = -3.0;
        }
        status = h->fit->set(f, self->bias[1], (uint64_t)s.n_features, s.total);
    }
    stele_count_stats_finish(&s);
    return status;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    return stele_count_encode(&self->counts, g, a, ret_q);
}

/* Shares instead of rates: the log of their normaliser is subtracted from that of the size, which
 * is then the size itself and no longer the size over the median. */
static void share_out(const stele_inst *self, stele_graph *g, stele_output *o)
{
    const stele_ops *ops = self->counts.host->ops;
    stele_tensor *normaliser = ops->linear_logsumexp(g, o->hidden, ops->param(g, self->weight[0]),
                                                     ops->param(g, self->bias[0]));
    stele_tensor *median = ops->param(g, self->counts.log_median);
    stele_tensor *row = ops->sub(g, median, normaliser);
    o->row[0] = o->n_row > 0 ? ops->add(g, o->row[0], row) : row;
    o->n_row = 1;
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    stele_count_decode(&self->counts, g, a, ret);
    ret->n_eta = self->config->zero_inflation ? 2 : 1;
    for (uint32_t k = 0; k < ret->n_eta; k++) {
        ret->weight[k] = self->weight[k];
        ret->bias[k] = self->bias[k];
    }
    ret->n_feature = 1;
    ret->feature[0] = self->log_theta;
    if (self->config->rates == RATES_SOFTMAX) {
        share_out(self, g, ret);
    }
    return self->counts.host->ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    return stele_negative_binomial(self->counts.host->vec, b);
}

/* u[0] decides the count, u[1] the extra zero. */
static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double extra_zero = b->n_eta > 1 ? 1.0 / (1.0 + exp(-stele_block_eta(b, 1, row, j))) : 0.0;
    if (what == STELE_DRAW_MEAN) {
        return (1.0 - extra_zero) * stele_nb_draw(b, what, row, j, u);
    }
    if (what == STELE_DRAW_MODE && b->n_eta > 1) {
        const double part[2] = { 0.0, stele_nb_draw(b, STELE_DRAW_MEAN, row, j, u) };
        return stele_nb_pair_mode(extra_zero, part, exp(stele_block_feature(b, 0, j)));
    }
    return what == STELE_DRAW_SAMPLE && u[1] < extra_zero ? 0.0 : stele_nb_draw(b, what, row, j, u);
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return stele_draw_elements(b, d, 2, draw_one);
}

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(stele_log1p_correlation);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    (void)self;
    return stele_log1p_correlation_add(state, s);
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    (void)self;
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "feature_correlation", stele_log1p_correlation_read(state), 1);
    *ret_n = 1;
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
    .id = "modality/nb_counts",
    .version = "0.1.0",
    .summary = "Counts with a negative binomial likelihood and a size factor.",
    .license = "BSD-3-Clause",
    .reference = "Lopez et al., Nature Methods 15, 1053 (2018)",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
