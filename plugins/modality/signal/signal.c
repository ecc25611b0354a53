/* modality/signal - windows of signals of several channels: sensors, electrodes, movement.
 *
 *     x_ct = m_c + s_c y_ct,   y_ct ~ N(eta_ct, v)   or   eta_ct + sqrt(v) T(nu),
 *     eta = decoder(z) + b,    v = floor + exp(r(z))
 *
 * for channel c and sample t; m and s are mean and standard deviation of the channel over the
 * training rows and are kept with the model. The decoder is one of transposed convolutions.
 *
 * v is the window's own, a function of z: the noise of a window is part of what a row is, so it is
 * inferred like anything else and p(x | z) stays a density of x. Were v taken from the window
 * itself instead, the likelihood would be told the answer, and nothing could be said of a window
 * that is to be predicted. Its gradient towards eta is e / v and towards r is (e^2 / v - 1) / 2 per
 * sample, e the residual: as v goes to the mean squared residual a noisy window pulls on z with the
 * weight 1 / v, and so asks less of it. The other half, that the expert of a noisy window widens,
 * is the encoder's (see windows.h).
 *
 * Missing samples (NaN) and flat channels add nothing to the likelihood; a window of nothing else
 * is absent. */
#include "windows.h"

#include <stele/gaussian.h>
#include <stele/metrics.h>
#include <stele/plugin.h>

#include <stdlib.h>

enum { NORMAL = 0, STUDENT_T };
enum { BY_WINDOW = 0, BY_SAMPLE };
static const char *const likelihood_names[] = { "normal", "student_t", NULL };
static const char *const variance_names[] = { "window", "sample", NULL };

typedef struct config {
    windows_config windows;
    stele_dense_config decoder;
    stele_conv_config decoder_layers;
    double least_variance;
    int32_t likelihood, variance;
} config;

static const stele_option options[] = {
    WINDOWS_OPTIONS(config, windows, WINDOWS_SAMPLES),
    STELE_OPTION_I64_LIST(config, decoder_layers.channels, "decoder.channels", "[64, 32]", 1, 4096,
                          "Channels that the decoder's transposed convolutions start from, first "
                          "to last; each doubles the number of samples, the last gives the "
                          "window."),
    STELE_OPTION_I64(config, decoder_layers.kernel, "decoder.kernel", 5, 2, 63,
                     "Samples that a transposed convolution of the decoder spans."),
    STELE_DENSE_OPTIONS_FROM(config, decoder, "decoder", "[128]", STELE_SILU, STELE_NORM_NONE, 0.0),
    STELE_OPTION_ENUM(config, likelihood, "likelihood", likelihood_names, NORMAL,
                      "Normal, or Student's t with learned degrees of freedom for heavy tails."),
    STELE_OPTION_ENUM(config, variance, "variance", variance_names, BY_WINDOW,
                      "What has a variance of its own: every window, as a function of z, so that a "
                      "noisy one counts for less; or every sample of a window, the same in all "
                      "windows."),
    STELE_OPTION_F64(config, least_variance, "least_variance", 1e-3, 1e-12, 1e6,
                     "Added to every variance, in units of the standardised samples, so that a "
                     "window which is predicted without error cannot take over."),
};

struct stele_inst {
    const config *config;
    windows windows;
    int64_t decoder_covariates;
    stele_dense decoder;
    stele_conv decoder_layers;
    uint32_t start_weight, start_bias; /* from the decoder's dense layers to its first signal */
    uint32_t bias, log_variance, log_dof, row_weight, row_bias;
};

enum { STREAM_DECODER = 32 };

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->config = a->config;
    self->decoder_covariates = a->decoder_covariates;
    *ret = self;
    return windows_init(a, &self->config->windows, &self->windows);
}

static void destroy(stele_inst *self)
{
    if (self != NULL) {
        windows_finish(&self->windows);
    }
    free(self);
}

/* --- parameters --- */

static stele_status build_decoder(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->windows.host;
    const windows *w = &self->windows;
    const config *c = self->config;
    int64_t n = 0;
    stele_status status =
        stele_conv_init(h, "decoder.channels", &c->decoder_layers, c->decoder.activation, 1,
                        w->channels, 1, w->samples, &self->decoder_layers);
    if (status == STELE_OK) {
        status = stele_dense_build(h, b, "decoder", w->latent, self->decoder_covariates, 1.0,
                                   &c->decoder, &self->decoder);
    }
    if (status == STELE_OK) {
        status = stele_conv_transpose_build(h, b, "decoder", &c->decoder_layers,
                                            &self->decoder_layers, &n);
    }
    if (status == STELE_OK) {
        status = stele_declare(h, b, "decoder.start", "weight", stele_shape2(self->decoder.out, n),
                               STELE_INIT_UNIFORM, sqrt(6.0 / (double)self->decoder.out), 1.0,
                               &self->start_weight);
    }
    return status != STELE_OK ? status
                              : stele_declare(h, b, "decoder.start", "bias", stele_shape1(n),
                                              STELE_INIT_ZERO, 0.0, 0.0, &self->start_bias);
}

static stele_status build_output(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->windows.host;
    const config *c = self->config;
    const stele_shape row = stele_shape1(self->windows.channels * self->windows.samples);
    stele_status status =
        stele_declare(h, b, "output", "bias", row, STELE_INIT_ZERO, 0.0, 0.0, &self->bias);
    if (status == STELE_OK && c->variance == BY_SAMPLE) {
        status = stele_declare(h, b, "output", "log_variance", row, STELE_INIT_ZERO, 0.0, 0.0,
                               &self->log_variance);
    } else if (status == STELE_OK) {
        status = stele_declare_linear(h, b, "window_log_variance", self->decoder.out, 1, 1.0,
                                      &self->row_weight, &self->row_bias);
    }
    if (status == STELE_OK && c->likelihood == STUDENT_T) { /* 2 + e^2 degrees of freedom */
        status = stele_declare(h, b, "output", "log_dof", row, STELE_INIT_CONSTANT, 2.0, 0.0,
                               &self->log_dof);
    }
    return status;
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status = windows_build(&self->windows, b);
    if (status == STELE_OK) {
        status = build_decoder(self, b);
    }
    return status == STELE_OK ? build_output(self, b) : status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    return windows_validate(&self->windows, x, ret);
}

static stele_status absent(const stele_inst *self, const stele_view *x, uint8_t *ret_absent)
{
    return windows_absent(&self->windows, x, ret_absent);
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    return windows_fit(&self->windows, f);
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    return windows_encode(&self->windows, g, a, ret_q);
}

/* --- decoder and likelihood --- */

/* Order of the arrays that decode hands to the likelihood. */
enum { CENTRE = 0, LOG_SCALE, FIRST_FREE };

static stele_gaussian_terms terms(const stele_inst *self)
{
    const config *c = self->config;
    int32_t next = FIRST_FREE;
    stele_gaussian_terms t = { -1, -1, CENTRE, LOG_SCALE, -1, 0, c->least_variance };
    if (c->variance == BY_SAMPLE) {
        t.log_variance = next++;
    } else {
        t.row_log_variance = 0;
    }
    if (c->likelihood == STUDENT_T) {
        t.log_dof = next;
    }
    return t;
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    const stele_host *h = self->windows.host;
    const stele_ops *ops = h->ops;
    const stele_gaussian_terms t = terms(self);
    stele_shape s;
    stele_tensor *d = stele_dense_apply(h, g, &self->decoder, a->z, a->covariates, STREAM_DECODER);
    stele_tensor *x =
        ops->linear(g, d, ops->param(g, self->start_weight), ops->param(g, self->start_bias));
    x = stele_activate(h, g, x, self->config->decoder.activation);
    stele_status status = stele_conv_transpose_apply(h, g, &self->decoder_layers, x, &x);
    status = status == STELE_OK ? ops->shape(x, &s) : status;
    if (status != STELE_OK) {
        return status;
    }
    s = stele_shape2(s.dim[0], self->windows.channels * self->windows.samples);
    ret->n_eta = 1;
    ret->eta[0] = ops->add(g, ops->reshape(g, x, &s), ops->param(g, self->bias));
    ret->feature[CENTRE] = self->windows.centre;
    ret->feature[LOG_SCALE] = self->windows.log_scale;
    ret->n_feature = FIRST_FREE;
    if (t.log_variance >= 0) {
        ret->feature[ret->n_feature++] = self->log_variance;
    } else {
        ret->row[ret->n_row++] =
            ops->linear(g, d, ops->param(g, self->row_weight), ops->param(g, self->row_bias));
    }
    if (t.log_dof >= 0) {
        ret->feature[ret->n_feature++] = self->log_dof;
    }
    return ops->status(g);
}

/* Does the channel of feature j, or of any later one of the block, lie flat in row r? */
static int any_flat(const windows *w, const stele_block *b)
{
    const int64_t last = b->first + b->n_features - 1;
    for (int64_t r = 0; r < b->n_rows; r++) {
        for (int64_t c = b->first / w->samples; c <= last / w->samples; c++) {
            if (windows_is_flat(w, b->x->dtype, b->x->data, b->x->begin[r], c)) {
                return 1;
            }
        }
    }
    return 0;
}

/* The block's values packed row by row, NaN in flat channels. */
static void copy_seen(const windows *w, const stele_block *b, double *ret)
{
    const int is_double = b->x->dtype == STELE_F64;
    for (int64_t r = 0; r < b->n_rows; r++) {
        int64_t channel = -1;
        int flat = 0;
        for (int64_t j = 0; j < b->n_features; j++) {
            const int64_t at = b->x->begin[r] + b->first + j, c = (b->first + j) / w->samples;
            if (c != channel) {
                flat = windows_is_flat(w, b->x->dtype, b->x->data, b->x->begin[r], c);
                channel = c;
            }
            ret[r * b->n_features + j] = flat        ? NAN
                                         : is_double ? ((const double *)b->x->data)[at]
                                                     : (double)((const float *)b->x->data)[at];
        }
    }
}

/* A row whose channels all vary is taken as it is; a block with a flat one is copied. */
static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    const stele_gaussian_terms t = terms(self);
    const windows *w = &self->windows;
    if (!any_flat(w, b)) {
        return stele_gaussian(w->host->vec, b, &t);
    }
    double *x = malloc((size_t)(b->n_rows * b->n_features) * sizeof *x);
    int64_t *begin = malloc((size_t)b->n_rows * sizeof *begin);
    stele_status status = x != NULL && begin != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        stele_values seen = { .struct_size = sizeof seen,
                              .dtype = STELE_F64,
                              .layout = STELE_DENSE,
                              .data = x,
                              .begin = begin };
        stele_block copy = *b;
        copy_seen(w, b, x);
        for (int64_t r = 0; r < b->n_rows; r++) {
            begin[r] = r * b->n_features - b->first; /* numbers of features are absolute */
        }
        copy.x = &seen;
        status = stele_gaussian(w->host->vec, &copy, &t);
    }
    free(x);
    free(begin);
    return status;
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    const stele_gaussian_terms t = terms(self);
    return stele_gaussian_draw(b, d, &t);
}

/* --- metrics --- */

/* Per sample of a window, shares of what the training rows' mean leaves that the prediction leaves
 * too, and of which sign errors are; summed. */
typedef struct score {
    double r2, bias, n;
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
    for (int64_t j = 0; j < s->n_features; j++) {
        double left = 0.0, total = 0.0, sum = 0.0, n = 0.0;
        for (int64_t r = 0; r < s->n_rows; r++) {
            const double truth = (double)s->truth[r * s->n_features + j];
            if (!isnan(truth)) {
                const double e = (double)s->predicted[r * s->n_features + j] - truth;
                left += e * e;
                total += (s->known[j] - truth) * (s->known[j] - truth);
                sum += e;
                n += 1.0;
            }
        }
        if (total > 0.0) {
            sc->r2 += 1.0 - left / total;
            sc->bias += fabs(sum / n) / sqrt(total / n);
            sc->n += 1.0;
        }
    }
    return STELE_OK;
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    const score *sc = state;
    (void)self;
    if (capacity < 2) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "r2", sc->n > 0.0 ? sc->r2 / sc->n : NAN, 1);
    stele_metric_set(&ret[1], "bias", sc->n > 0.0 ? sc->bias / sc->n : NAN, 0);
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
    .absent = absent,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/signal",
    .version = "0.1.0",
    .summary = "Windows of signals: convolutions over time, noise of each window, flat sensors.",
    .license = "BSD-3-Clause",
    .reference = "Kingma and Welling, ICLR 2014, arXiv:1312.6114",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
