/* modality/spikes - spikes of many neurons, counted in bins of time.
 *
 *     x_tj ~ Poisson(h exp(g_tj + eta_tj))  or a negative binomial of that mean,  eta = decoder(z)
 *
 * g is the log gain of neuron j (in bin t of a window), h the exposure: the width of a bin. A row
 * is one bin (neurons) or a window (bins, neurons). The encoder sees the whole window, as it is or
 * through convolutions or a recurrent network over time; the decoder predicts all of it, since the
 * likelihood is one of every element of a row. Where the host gives windows of rows, the encoder
 * sees those in the same way and the decoder predicts the one bin that is the row itself; which
 * bins are absent the dense layers are told beside it. Neurons that were not recorded in a row
 * (NaN) add nothing to the likelihood and enter the encoder as 0. */
#include "spikes.h"

#include <stele/metrics.h>
#include <stele/plugin.h>
#include <stele/poisson.h>

enum { POISSON = 0, NEGATIVE_BINOMIAL };
static const char *const likelihood_names[] = { "poisson", "negative_binomial", NULL };
static const char *const encoder_names[] = { "dense", "conv", "gru", NULL };

typedef struct config {
    stele_count_config counts;
    spikes_config window;
    double dispersion, exposure;
    int32_t likelihood, reserved;
} config;

static const stele_option options[] = {
    STELE_OPTION_ENUM(config, window.kind, "encoder.kind", encoder_names, SPIKES_DENSE,
                      "What stands before the encoder's hidden layers: nothing, convolutions over "
                      "the bins of a window (of a row, or of rows), or a gated recurrent unit that "
                      "reads them in order."),
    STELE_OPTION_I64_LIST(config, window.channels, "encoder.channels", "[32]", 1, 4096,
                          "conv: channels of each convolution, first to last."),
    STELE_OPTION_I64(config, window.kernel, "encoder.kernel", 3, 1, 999,
                     "conv: bins that a convolution spans, an odd number."),
    STELE_OPTION_I64(config, window.state, "encoder.state", 64, 1, 65536,
                     "gru: width of the recurrent state, of which the last is taken."),
    STELE_OPTION_I64(config, window.bins, "bins", 0, 0, 1000000,
                     "Bins of a window in rows of one extent, one after the other with all neurons "
                     "each; 0: as the data have it, one bin if they are not (bins, neurons)."),
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_LOG1P, 0.0, STELE_NORM_NONE),
    STELE_OPTION_ENUM(config, likelihood, "likelihood", likelihood_names, POISSON,
                      "Poisson, or a negative binomial for neurons that vary more than that."),
    STELE_OPTION_F64(config, dispersion, "dispersion", 10.0, 1e-3, 1e3,
                     "negative_binomial: start of the inverse dispersion theta; variance is mean + "
                     "mean^2 / theta."),
    STELE_OPTION_F64(config, exposure, "exposure", 1.0, 1e-9, 1e9,
                     "Width of a bin, so that gains are rates in its unit; 1: spikes per bin."),
};

struct stele_inst {
    const config *config;
    stele_count_config decoder; /* the spec's, without a size of the row */
    stele_count_model counts;
    spikes_window window;
    uint32_t weight, bias, log_theta;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->config = a->config;
    self->decoder = self->config->counts;
    self->decoder.size = STELE_SIZE_NONE;
    stele_count_model_init(a, &self->decoder, 0, &self->counts);
    self->counts.encoder_covariates += a->window_bins; /* which of them are absent */
    self->counts.layers_before = 1;
    *ret = self;
    return spikes_window_init(a, &self->config->window, &self->window);
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->counts.host;
    const config *c = self->config;
    stele_status status = spikes_window_build(h, b, c->counts.encoder.activation, &self->window);
    if (status != STELE_OK) {
        return status;
    }
    self->counts.n_features = self->window.row_bins * self->window.neurons;
    self->counts.n_inputs = self->window.out;
    status = stele_count_model_build(&self->counts, b);
    if (status == STELE_OK) {
        status = stele_count_output_build(&self->counts, b, "output", &self->weight, &self->bias);
    }
    if (status == STELE_OK && c->likelihood == NEGATIVE_BINOMIAL) {
        status =
            stele_declare(h, b, "dispersion", "log_theta", stele_shape1(self->counts.n_features),
                          STELE_INIT_CONSTANT, log(c->dispersion), 0.0, &self->log_theta);
    }
    return status == STELE_OK ? stele_count_size_build(&self->counts, b, "size") : status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    (void)self;
    return stele_counts_validate(x, STELE_COUNTS_WHOLE | STELE_COUNTS_MISSING, ret);
}

/* The start of the layer that sees the counts. Statistics are those of rows, of which a window has
 * several. */
static stele_status fit_encoder(const stele_inst *self, stele_fit *f, stele_count_stats *s)
{
    const stele_host *h = self->counts.host;
    const stele_count_input *input = &self->config->counts.input;
    const double wider = sqrt((double)self->window.bins / (double)self->window.row_bins);
    s->norm *= wider;
    s->norm_binary *= wider;
    return self->config->window.kind == SPIKES_DENSE
               ? stele_count_input_fit(h, f, input, &self->counts.encoder, s, 0.3)
               : spikes_window_fit(h, f, &self->window,
                                   input->input == STELE_INPUT_BINARY ? s->norm_binary : s->norm);
}

/* Gains start at the mean rates, with half a spike added. */
static stele_status fit(const stele_inst *self, stele_fit *f)
{
    const stele_host *h = self->counts.host;
    stele_count_stats s;
    stele_status status = stele_count_model_fit(&self->counts, f, &s);
    if (status != STELE_OK) {
        return status;
    }
    for (int64_t j = 0; j < s.n_features; j++) {
        double seen = (double)s.n_rows - s.missing[j];
        double time = self->config->exposure * (seen > 0.0 ? seen : 1.0);
        s.total[j] = log((s.total[j] + 0.5) / time);
    }
    status = h->fit->set(f, self->bias, (uint64_t)s.n_features, s.total);
    if (status == STELE_OK) {
        status = fit_encoder(self, f, &s);
    }
    stele_count_stats_finish(&s);
    return status;
}

/* What the dense stack gets beside the counts: bins of a window that are absent, covariates. */
static stele_tensor *beside(const stele_host *h, stele_graph *g, const stele_encode_args *a)
{
    if (a->present == NULL) {
        return a->covariates;
    }
    stele_tensor *part[] = { h->ops->shift(g, h->ops->scale(g, a->present, -1.0), 1.0),
                             a->covariates };
    return a->covariates != NULL ? h->ops->concat(g, 2, part, 1) : part[0];
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    const stele_host *h = self->counts.host;
    stele_tensor *x = NULL;
    stele_status status = spikes_window_flat(h, g, &self->window, a->x, &x);
    if (status == STELE_OK) {
        status = stele_counts_present(h, g, x, &x);
    }
    if (status == STELE_OK) {
        status =
            spikes_window_apply(h, g, &self->window, stele_count_seen(&self->counts, g, x), &x);
    }
    return status != STELE_OK ? status
                              : stele_count_expert(&self->counts, g, x, beside(h, g, a), ret_q);
}

/* The log of the exposure, for every row, as the likelihoods take it. */
static stele_status log_exposure(const stele_inst *self, stele_graph *g, stele_tensor *hidden,
                                 stele_tensor **ret)
{
    const stele_ops *ops = self->counts.host->ops;
    stele_shape shape;
    stele_status status = ops->shape(hidden, &shape);
    if (status == STELE_OK) {
        shape = stele_shape2(shape.dim[0], 1);
        *ret = ops->full(g, &shape, log(self->config->exposure));
        status = ops->status(g);
    }
    return status;
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    stele_count_decode(&self->counts, g, a, ret);
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    if (self->config->likelihood == NEGATIVE_BINOMIAL) {
        ret->n_feature = 1;
        ret->feature[0] = self->log_theta;
    }
    if (self->config->exposure != 1.0) {
        ret->n_row = 1;
        return log_exposure(self, g, ret->hidden, &ret->row[0]);
    }
    return self->counts.host->ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    return self->config->likelihood == POISSON ? stele_poisson(self->counts.host->vec, b)
                                               : stele_negative_binomial(self->counts.host->vec, b);
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    return stele_draw_elements(
        b, d, 1, self->config->likelihood == POISSON ? stele_poisson_draw : stele_nb_draw);
}

/* --- metrics --- */

typedef struct score {
    stele_log1p_correlation correlation;
    stele_spike_bits bits;
} score;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(score);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    score *sc = state;
    (void)self;
    stele_spike_bits_add(&sc->bits, s);
    return stele_log1p_correlation_add(&sc->correlation, s);
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    const score *sc = state;
    (void)self;
    if (capacity < 2) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "bits_per_spike", stele_spike_bits_read(&sc->bits), 1);
    stele_metric_set(&ret[1], "feature_correlation", stele_log1p_correlation_read(&sc->correlation),
                     1);
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
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_SAMPLES | STELE_CAP_WINDOW,
    .id = "modality/spikes",
    .version = "0.1.0",
    .summary = "Spike counts of neurons in bins of time, or windows of them.",
    .license = "BSD-3-Clause",
    .reference = "Gao et al., NeurIPS 2016, arXiv:1605.08454",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
