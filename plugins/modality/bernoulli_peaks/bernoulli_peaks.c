/* modality/bernoulli_peaks - open or closed regions of chromatin, and other sparse binary features.
 *
 *     x_j ~ Bernoulli(sigmoid(eta_j + b_j + d)),  eta = decoder(z)
 *
 * b_j is the region's bias, d the log of the row's number of open regions over the median of the
 * training rows: observed in reconstruction, 0 in prediction, or learned as a function of z. Counts
 * above 1 are treated as 1. */
#include <stele/counts.h>
#include <stele/likelihood.h>
#include <stele/metrics.h>
#include <stele/plugin.h>

enum { DEPTH_OBSERVED = 0, DEPTH_LEARNED, DEPTH_NONE };
static const char *const depth_names[] = { "observed", "learned", "none", NULL };

typedef struct config {
    stele_dense_config encoder, decoder;
    stele_count_input input;
    double output_decay;
    int32_t depth;
} config;

static const stele_option options[] = {
    STELE_DENSE_OPTIONS(config, encoder, "encoder", "[128]", 0.0),
    STELE_COUNT_INPUT_OPTIONS(config, input, STELE_INPUT_BINARY, 0.0),
    STELE_DENSE_OPTIONS(config, decoder, "decoder", "[128]", 0.0),
    STELE_OPTION_F64(config, output_decay, "decoder.output_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the decoder's output layer."),
    STELE_OPTION_ENUM(
        config, depth, "depth", depth_names, DEPTH_OBSERVED,
        "Where a row's depth comes from: its own peaks, learned from z, or no depth term."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t n_features, latent, encoder_covariates, decoder_covariates;
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    uint32_t weight, bias, log_median, depth_weight, depth_bias;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->sample.ndim != 1 || a->input->sample.dim[0] < 1) {
        return STELE_FAIL(a->host, STELE_E_SHAPE, "peaks must be one row of features each");
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
        status =
            stele_declare(h, b, "output", "weight",
                          stele_shape2(self->n_features, self->decoder.out), STELE_INIT_UNIFORM,
                          1.0 / sqrt((double)self->decoder.out), c->output_decay, &self->weight);
    }
    if (status == STELE_OK) {
        status = stele_declare(h, b, "output", "bias", stele_shape1(self->n_features),
                               STELE_INIT_ZERO, 0.0, 0.0, &self->bias);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "log_median_size", &scalar, 0.0, &self->log_median);
    }
    if (status == STELE_OK && c->depth == DEPTH_LEARNED) {
        status = stele_declare_linear(h, b, "depth", self->decoder.out, 1, 1.0, &self->depth_weight,
                                      &self->depth_bias);
    }
    return status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    (void)self;
    return stele_counts_validate(x, 1, ret);
}

/* Biases start at the log-odds of each region's share of open rows, with half a row added on both
 * sides. */
static stele_status fit(const stele_inst *self, stele_fit *f)
{
    const stele_host *h = self->host;
    stele_count_stats s;
    stele_status status = stele_count_stats_read(h, f, self->n_features, 1, &s);
    if (status != STELE_OK) {
        return status;
    }
    double n = (double)s.n_rows, log_median = log(s.median);
    for (int64_t j = 0; j < s.n_features; j++) {
        s.total[j] = log((s.nonzero[j] + 0.5) / (n - s.nonzero[j] + 0.5));
    }
    status = h->fit->set(f, self->bias, (uint64_t)s.n_features, s.total);
    if (status == STELE_OK) {
        status = h->fit->set(f, self->log_median, 1, &log_median);
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
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    if (self->config->depth == DEPTH_LEARNED) {
        ret->n_row = 1;
        ret->row[0] = ops->linear(g, ret->hidden, ops->param(g, self->depth_weight),
                                  ops->param(g, self->depth_bias));
    } else if (self->config->depth == DEPTH_OBSERVED && a->target != NULL) {
        ret->n_row = 1;
        ret->row[0] = stele_log_size(self->host, g, a->target, 1, ops->param(g, self->log_median));
    }
    return ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    return stele_bernoulli(self->host->vec, b);
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    double *u = malloc((size_t)b->n_features * sizeof *u);
    if (u == NULL) {
        return STELE_E_NOMEM;
    }
    (void)self;
    int f64 = b->dtype == STELE_F64;
    const void *row = b->row != NULL ? b->row[0] : NULL;
    for (int64_t r = 0; r < b->n_rows; r++) {
        double depth = row == NULL ? 0.0
                       : f64       ? ((const double *)row)[r]
                                   : (double)((const float *)row)[r];
        if (d->what == STELE_DRAW_SAMPLE) {
            d->uniform(d->ctx, r, 0, u);
        }
        for (int64_t j = 0; j < b->n_features; j++) {
            int64_t i = r * b->n_features + j;
            double eta =
                f64 ? ((const double *)b->eta[0])[i] : (double)((const float *)b->eta[0])[i];
            double v = 1.0 / (1.0 + exp(-(eta + depth)));
            if (d->what != STELE_DRAW_MEAN) {
                v = d->what == STELE_DRAW_MODE ? v > 0.5 : u[j] < v;
            }
            if (f64) {
                ((double *)d->out)[i] = v;
            } else {
                ((float *)d->out)[i] = (float)v;
            }
        }
    }
    free(u);
    return STELE_OK;
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
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_stride = sizeof options[0],
    .config_size = sizeof(config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
