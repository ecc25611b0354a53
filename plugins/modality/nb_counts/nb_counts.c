/* modality/nb_counts - counts with a negative binomial likelihood (RNA and the like).
 *
 *     x_j ~ NB(mean = s exp(eta_j), dispersion theta_j),  eta = decoder(z)
 *
 * s is the row's size factor over the median of the training rows: observed when the row itself is
 * reconstructed (the sum of its counts), 1 in prediction, or learned as a function of z. Optional
 * zero inflation per feature and row. */
#include <stele/counts.h>
#include <stele/likelihood.h>
#include <stele/metrics.h>
#include <stele/plugin.h>

enum { SIZE_OBSERVED = 0, SIZE_LEARNED };
static const char *const size_names[] = { "observed", "learned", NULL };

typedef struct config {
    stele_dense_config encoder, decoder;
    stele_count_input input;
    double output_decay, dispersion;
    int32_t zero_inflation, size_factor;
} config;

static const stele_option options[] = {
    STELE_DENSE_OPTIONS(config, encoder, "encoder", "[128]", 0.0),
    STELE_COUNT_INPUT_OPTIONS(config, input, STELE_INPUT_LOG1P, 0.0),
    STELE_DENSE_OPTIONS(config, decoder, "decoder", "[128]", 0.0),
    STELE_OPTION_F64(config, output_decay, "decoder.output_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the decoder's output layer."),
    STELE_OPTION_F64(config, dispersion, "dispersion", 1.0, 1e-3, 1e3,
                     "Start of the inverse dispersion theta; variance is mean + mean^2 / theta."),
    STELE_OPTION_BOOL(config, zero_inflation, "zero_inflation", 0,
                      "Add a probability of extra zeros per feature, predicted from z."),
    STELE_OPTION_ENUM(config, size_factor, "size_factor", size_names, SIZE_OBSERVED,
                      "Where a row's size comes from: its own counts, or learned from z."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t n_features, latent, encoder_covariates, decoder_covariates;
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    uint32_t weight[2], bias[2], log_theta, log_median, size_weight, size_bias;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->sample.ndim != 1 || a->input->sample.dim[0] < 1) {
        return STELE_FAIL(a->host, STELE_E_SHAPE, "counts must be one row of features each");
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->n_features = a->input->sample.dim[0];
    self->latent = (int64_t)a->latent_dim + (int64_t)a->private_dim;
    self->encoder_covariates = a->encoder_covariates;
    self->decoder_covariates = a->decoder_covariates;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build_output(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    static const char *const names[] = { "output", "extra_zero" };
    double scale = 1.0 / sqrt((double)self->decoder.out);
    stele_status status = STELE_OK;
    for (int32_t k = 0; k <= self->config->zero_inflation && status == STELE_OK; k++) {
        status = stele_declare(
            h, b, names[k], "weight", stele_shape2(self->n_features, self->decoder.out),
            STELE_INIT_UNIFORM, scale, self->config->output_decay, &self->weight[k]);
        if (status == STELE_OK) {
            status = stele_declare(h, b, names[k], "bias", stele_shape1(self->n_features),
                                   STELE_INIT_ZERO, 0.0, 0.0, &self->bias[k]);
        }
    }
    return status;
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const config *c = self->config;
    const stele_shape scalar = { 0 };
    stele_status status =
        stele_dense_build(h, b, "encoder", self->n_features, self->encoder_covariates,
                          c->input.input_decay, &c->encoder, &self->encoder);
    if (status == STELE_OK) {
        status = stele_gaussian_head_build(h, b, self->encoder.out, self->latent, &self->expert);
    }
    if (status == STELE_OK) {
        status = stele_dense_build(h, b, "decoder", self->latent, self->decoder_covariates, 1.0,
                                   &c->decoder, &self->decoder);
    }
    if (status == STELE_OK) {
        status = build_output(self, b);
    }
    if (status == STELE_OK) {
        status = stele_declare(h, b, "dispersion", "log_theta", stele_shape1(self->n_features),
                               STELE_INIT_CONSTANT, log(c->dispersion), 0.0, &self->log_theta);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "log_median_size", &scalar, 0.0, &self->log_median);
    }
    if (status == STELE_OK && c->size_factor == SIZE_LEARNED) {
        status = stele_declare_linear(h, b, "size", self->decoder.out, 1, 1.0, &self->size_weight,
                                      &self->size_bias);
    }
    return status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    (void)self;
    return stele_counts_validate(x, 1, ret);
}

/* Biases start at the log of the mean count of a row of median size, the extra zeros at a share of
 * 1 in 20. */
static stele_status fit(const stele_inst *self, stele_fit *f)
{
    const stele_host *h = self->host;
    stele_count_stats s;
    stele_status status = stele_count_stats_read(h, f, self->n_features, 0, &s);
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
    double log_median = log(s.median);
    status = h->fit->set(f, self->bias[0], (uint64_t)s.n_features, s.total);
    if (status == STELE_OK) {
        status = h->fit->set(f, self->log_median, 1, &log_median);
    }
    if (status == STELE_OK && self->config->zero_inflation) {
        for (int64_t j = 0; j < s.n_features; j++) {
            s.total[j] = -3.0;
        }
        status = h->fit->set(f, self->bias[1], (uint64_t)s.n_features, s.total);
    }
    if (status == STELE_OK) {
        status = stele_count_input_fit(h, f, &self->config->input, &self->encoder, &s, 0.3);
    }
    stele_count_stats_finish(&s);
    return status;
}

enum { STREAM_INPUT = 1, STREAM_ENCODER = 16, STREAM_DECODER = 32 };

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    const stele_host *h = self->host;
    stele_tensor *in = stele_count_input_apply(h, g, &self->config->input, a->x,
                                               h->ops->param(g, self->log_median), STREAM_INPUT);
    stele_tensor *hidden =
        stele_dense_apply(h, g, &self->encoder, in, a->covariates, STREAM_ENCODER);
    stele_gaussian_head_apply(h, g, &self->expert, hidden, ret_q);
    return h->ops->status(g);
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    const stele_ops *ops = self->host->ops;
    ret->hidden =
        stele_dense_apply(self->host, g, &self->decoder, a->z, a->covariates, STREAM_DECODER);
    ret->n_eta = self->config->zero_inflation ? 2 : 1;
    for (uint32_t k = 0; k < ret->n_eta; k++) {
        ret->weight[k] = self->weight[k];
        ret->bias[k] = self->bias[k];
    }
    ret->n_feature = 1;
    ret->feature[0] = self->log_theta;
    if (self->config->size_factor == SIZE_LEARNED) {
        ret->n_row = 1;
        ret->row[0] = ops->linear(g, ret->hidden, ops->param(g, self->size_weight),
                                  ops->param(g, self->size_bias));
    } else if (a->target != NULL) {
        ret->n_row = 1;
        ret->row[0] = stele_log_size(self->host, g, a->target, 0, ops->param(g, self->log_median));
    }
    return ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    return stele_negative_binomial(self->host->vec, b);
}

static double element(const void *p, uint32_t dtype, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void put(void *p, uint32_t dtype, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)p)[i] = v;
    } else {
        ((float *)p)[i] = (float)v;
    }
}

/* Smallest count whose cumulative probability exceeds u. The walk ends where the remaining mass is
 * below rounding. */
static double nb_quantile(double mean, double theta, double u)
{
    double p = exp(-theta * log1p(mean / theta)), ratio = mean / (mean + theta), cumulative = p;
    double limit = mean + 60.0 * sqrt(mean + mean * mean / theta) + 100.0, x = 0.0;
    while (cumulative < u && x < limit) {
        p *= ratio * (x + theta) / (x + 1.0);
        x += 1.0;
        cumulative += p;
    }
    return x;
}

/* Value for one element; u[0] decides the count, u[1] the extra zero. */
static double draw_one(uint32_t what, double mean, double theta, double extra_zero, double u0,
                       double u1)
{
    if (what == STELE_DRAW_MEAN) {
        return (1.0 - extra_zero) * mean;
    }
    if (what == STELE_DRAW_MODE) {
        double mode = theta > 1.0 ? floor(mean * (theta - 1.0) / theta) : 0.0;
        return extra_zero >= 0.5 ? 0.0 : mode;
    }
    return u1 < extra_zero ? 0.0 : nb_quantile(mean, theta, u0);
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    int64_t n = b->n_features;
    double *u = malloc((size_t)(2 * n) * sizeof *u);
    if (u == NULL) {
        return STELE_E_NOMEM;
    }
    (void)self;
    for (int64_t r = 0; r < b->n_rows; r++) {
        double size = b->row != NULL && b->row[0] != NULL ? element(b->row[0], b->dtype, r) : 0.0;
        if (d->what == STELE_DRAW_SAMPLE) {
            d->uniform(d->ctx, r, 0, u);
            d->uniform(d->ctx, r, 1, u + n);
        }
        for (int64_t j = 0; j < n; j++) {
            double mean = exp(element(b->eta[0], b->dtype, r * n + j) + size);
            double theta = exp(element(b->feature[0], b->dtype, j));
            double zero =
                b->n_eta > 1 ? 1.0 / (1.0 + exp(-element(b->eta[1], b->dtype, r * n + j))) : 0.0;
            int sample = d->what == STELE_DRAW_SAMPLE;
            put(d->out, b->dtype, r * n + j,
                draw_one(d->what, mean, theta, zero, sample ? u[j] : 0.0, sample ? u[n + j] : 0.0));
        }
    }
    free(u);
    return STELE_OK;
}

/* Mean over features of the correlation across rows between log(1 + count) and log(1 + predicted
 * mean). */
typedef struct score {
    double sum, n;
} score;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(score);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    score *sc = state;
    double *a = malloc((size_t)(2 * s->n_rows + 1) * sizeof *a);
    if (a == NULL) {
        return STELE_E_NOMEM;
    }
    (void)self;
    double *b = a + s->n_rows;
    for (int64_t j = 0; j < s->n_features; j++) {
        for (int64_t r = 0; r < s->n_rows; r++) {
            a[r] = log1p((double)s->truth[r * s->n_features + j]);
            b[r] = log1p((double)s->predicted[r * s->n_features + j]);
        }
        double corr = stele_pearson(s->n_rows, a, b);
        int varies = 0;
        for (int64_t r = 1; r < s->n_rows && !varies; r++) {
            varies = a[r] != a[0];
        }
        if (varies) { /* a constant prediction of a varying feature explains nothing: 0 */
            sc->sum += isnan(corr) ? 0.0 : corr;
            sc->n += 1.0;
        }
    }
    free(a);
    return STELE_OK;
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    const score *sc = state;
    (void)self;
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "feature_correlation", sc->n > 0.0 ? sc->sum / sc->n : NAN, 1);
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
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_stride = sizeof options[0],
    .config_size = sizeof(config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
