/* modality/image - grey and colour images, through convolutions.
 *
 *     y = x / white;   y_j ~ p(eta_j, s),   eta = decoder(z) + b
 *
 * b is the pixel's own bias and p one of
 *     bernoulli   y > 1/2 with probability sigmoid(eta)
 *     gaussian    N(eta, s), s the variance
 *     laplace     of location eta and scale s
 *     logistic    of location eta and scale s, cut into as many levels as a pixel has
 * A row is (height, width), (height, width, channels) or (channels, height, width). Encoder and
 * decoder halve and double the extents layer by layer; extents need not be powers of two. Missing
 * pixels (NaN) add nothing to the likelihood and are black to the encoder. */
#include "image.h"

#include <stele/location_scale.h>
#include <stele/metrics.h>
#include <stele/plugin.h>

static const char *const likelihood_names[] = { "bernoulli", "gaussian", "laplace", "logistic",
                                                NULL };
static const char *const scale_names[] = { "shared", "pixel", NULL };

static const stele_option options[] = {
    STELE_OPTION_I64_LIST(image_config, encoder_layers.channels, "encoder.channels", "[32, 64]", 1,
                          4096,
                          "Channels of the encoder's convolutions, first to last; each halves "
                          "height and width."),
    STELE_OPTION_I64(image_config, encoder_layers.kernel, "encoder.kernel", 4, 2, 15,
                     "Pixels along each side that a convolution of the encoder spans."),
    STELE_DENSE_OPTIONS_FROM(image_config, encoder, "encoder", "[256]", STELE_SILU, STELE_NORM_NONE,
                             0.0),
    STELE_OPTION_F64(image_config, shift, "encoder.shift", 0.0, 0.0, 1000.0,
                     "Pixels, down and across, by which images are moved at random before the "
                     "encoder sees them while training: the standard deviation. The pixels at the "
                     "edge go on beyond it."),
    STELE_OPTION_F64(image_config, turn, "encoder.turn", 0.0, 0.0, 180.0,
                     "The same for an angle in degrees by which they are turned."),
    STELE_OPTION_F64(image_config, zoom, "encoder.zoom", 0.0, 0.0, 1.0,
                     "The same for the logarithm of a factor by which they are resized."),
    STELE_OPTION_F64(image_config, noise, "encoder.noise", 0.0, 0.0, 10.0,
                     "The same for noise that is added to each pixel, in units of white."),
    STELE_OPTION_I64_LIST(image_config, decoder_layers.channels, "decoder.channels", "[64, 32]", 1,
                          4096,
                          "Channels that the decoder's transposed convolutions start from, first "
                          "to last; each doubles height and width, the last gives the image."),
    STELE_OPTION_I64(image_config, decoder_layers.kernel, "decoder.kernel", 4, 2, 15,
                     "Pixels along each side that a transposed convolution of the decoder spans."),
    STELE_DENSE_OPTIONS_FROM(image_config, decoder, "decoder", "[256]", STELE_SILU, STELE_NORM_NONE,
                             0.0),
    STELE_OPTION_I64_LIST(image_config, size, "size", "[]", 1, 65536,
                          "Height and width, or height, width and channels, of images that come "
                          "as flat rows."),
    STELE_OPTION_F64(image_config, white, "white", 1.0, 1e-6, 1e6,
                     "Value of a white pixel, with black at 0: 255 where pixels are bytes."),
    STELE_OPTION_ENUM(image_config, likelihood, "likelihood", likelihood_names, BERNOULLI,
                      "Black or white (bernoulli, cut at half of white), real values (gaussian, "
                      "laplace), or values in levels as bytes have them (logistic)."),
    STELE_OPTION_ENUM(image_config, scale, "scale", scale_names, SHARED,
                      "What has a learned scale of its own, but for bernoulli: the images as a "
                      "whole, or every pixel."),
    STELE_OPTION_F64(image_config, least_scale, "least_scale", 1e-3, 1e-6, 1.0,
                     "Added to every scale, in units of white, so that pixels which are predicted "
                     "without error cannot take over; gaussian: its square, to the variance."),
    STELE_OPTION_I64(image_config, levels, "levels", 256, 2, 65536,
                     "logistic: values that a pixel can have, evenly spaced from black to white."),
};

enum { STREAM_ENCODER = 16, STREAM_DECODER = 32 };

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->latent = (int64_t)a->latent_dim + (int64_t)a->private_dim;
    self->encoder_covariates = a->encoder_covariates;
    self->decoder_covariates = a->decoder_covariates;
    *ret = self;
    return image_extents_read(a->host, &a->input->sample, &self->config->size, &self->extents);
}

static void destroy(stele_inst *self)
{
    free(self);
}

/* --- parameters --- */

static stele_status build_encoder(stele_inst *self, stele_build *b)
{
    const image_config *c = self->config;
    const image_extents *e = &self->extents;
    int64_t n = 0;
    stele_status status =
        stele_conv_init(self->host, "encoder.channels", &c->encoder_layers, c->encoder.activation,
                        2, e->channels, e->height, e->width, &self->encoder_layers);
    if (status == STELE_OK) {
        status = stele_conv_build(self->host, b, "encoder", &c->encoder_layers,
                                  &self->encoder_layers, &n);
    }
    if (status == STELE_OK) {
        status = stele_dense_build(self->host, b, "encoder", n, self->encoder_covariates, 1.0,
                                   &c->encoder, &self->encoder);
    }
    return status != STELE_OK ? status
                              : stele_gaussian_head_build(self->host, b, self->encoder.out,
                                                          self->latent, &self->expert);
}

static stele_status build_decoder(stele_inst *self, stele_build *b)
{
    const image_config *c = self->config;
    const image_extents *e = &self->extents;
    int64_t n = 0;
    stele_status status =
        stele_dense_build(self->host, b, "decoder", self->latent, self->decoder_covariates, 1.0,
                          &c->decoder, &self->decoder);
    if (status == STELE_OK) {
        status = stele_conv_init(self->host, "decoder.channels", &c->decoder_layers,
                                 c->decoder.activation, 2, e->channels, e->height, e->width,
                                 &self->decoder_layers);
    }
    if (status == STELE_OK) {
        status = stele_conv_transpose_build(self->host, b, "decoder", &c->decoder_layers,
                                            &self->decoder_layers, &n);
    }
    if (status == STELE_OK) {
        status = stele_declare(self->host, b, "decoder.start", "weight",
                               stele_shape2(self->decoder.out, n), STELE_INIT_UNIFORM,
                               sqrt(6.0 / (double)self->decoder.out), 1.0, &self->start_weight);
    }
    return status != STELE_OK
               ? status
               : stele_declare(self->host, b, "decoder.start", "bias", stele_shape1(n),
                               STELE_INIT_ZERO, 0.0, 0.0, &self->start_bias);
}

static stele_status build_output(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const image_config *c = self->config;
    const stele_shape pixels = stele_shape1(image_count(&self->extents));
    stele_status status =
        stele_declare(h, b, "output", "bias", pixels, STELE_INIT_ZERO, 0.0, 0.0, &self->bias);
    if (status == STELE_OK && c->likelihood != BERNOULLI) {
        status =
            stele_declare(h, b, "output", c->likelihood == GAUSSIAN ? "log_variance" : "log_scale",
                          c->scale == BY_PIXEL ? pixels : stele_shape1(1), STELE_INIT_CONSTANT,
                          -2.0, 0.0, &self->scale);
    }
    if (status == STELE_OK && c->likelihood == GAUSSIAN) {
        status = h->build->buffer(b, "log_unit", &pixels, log(c->white), &self->log_unit);
    }
    return status;
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status = build_encoder(self, b);
    if (status == STELE_OK) {
        status = build_decoder(self, b);
    }
    return status == STELE_OK ? build_output(self, b) : status;
}

/* --- encoder, decoder, likelihood --- */

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    const stele_host *h = self->host;
    const stele_ops *ops = h->ops;
    const stele_shape scalar = { 0 };
    stele_tensor *x = NULL;
    stele_status status = stele_densify(h, g, a->x, &x);
    if (status != STELE_OK) {
        return status;
    }
    x = ops->where(g, ops->is_nan(g, x), ops->full(g, &scalar, 0.0),
                   ops->scale(g, x, 1.0 / self->config->white));
    status = image_jitter(self, g, x, &x);
    if (status == STELE_OK) {
        status = image_encoder_apply(h, g, &self->extents, &self->encoder_layers, x, &x);
    }
    if (status == STELE_OK) {
        x = stele_dense_apply(h, g, &self->encoder, x, a->covariates, STREAM_ENCODER);
        stele_gaussian_head_apply(h, g, &self->expert, x, ret_q);
        status = ops->status(g);
    }
    return status;
}

/* Order of the per-feature arrays of a Gaussian; others have their scale alone. */
enum { UNIT = 0, VARIANCE };

static stele_status add_scale(const stele_inst *self, stele_graph *g, int64_t rows,
                              stele_output *ret)
{
    const stele_ops *ops = self->host->ops;
    const image_config *c = self->config;
    if (c->likelihood == GAUSSIAN) {
        ret->feature[ret->n_feature++] = self->log_unit;
    }
    if (c->likelihood != BERNOULLI && c->scale == BY_PIXEL) {
        ret->feature[ret->n_feature++] = self->scale;
    } else if (c->likelihood != BERNOULLI) {
        const stele_shape s = stele_shape2(rows, 1);
        ret->row[ret->n_row++] = ops->expand(g, ops->param(g, self->scale), &s);
    }
    return ops->status(g);
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    const stele_host *h = self->host;
    const stele_ops *ops = h->ops;
    stele_tensor *x = stele_dense_apply(h, g, &self->decoder, a->z, a->covariates, STREAM_DECODER);
    x = ops->linear(g, x, ops->param(g, self->start_weight), ops->param(g, self->start_bias));
    x = stele_activate(h, g, x, self->config->decoder.activation);
    stele_status status = image_decoder_apply(h, g, &self->extents, &self->decoder_layers, x, &x);
    stele_shape s;
    if (status == STELE_OK) {
        status = ops->shape(x, &s);
    }
    if (status != STELE_OK) {
        return status;
    }
    ret->n_eta = 1;
    ret->eta[0] = ops->add(g, x, ops->param(g, self->bias));
    return add_scale(self, g, s.dim[0], ret);
}

static stele_gaussian_terms gaussian_terms(const stele_inst *self)
{
    const image_config *c = self->config;
    const int by_pixel = c->scale == BY_PIXEL;
    return (stele_gaussian_terms){ .log_variance = by_pixel ? VARIANCE : -1,
                                   .row_log_variance = by_pixel ? -1 : 0,
                                   .centre = -1,
                                   .log_scale = UNIT,
                                   .log_dof = -1,
                                   .floor = c->least_scale * c->least_scale };
}

static stele_location_terms location_terms(const stele_inst *self)
{
    const image_config *c = self->config;
    const int by_pixel = c->scale == BY_PIXEL;
    return (stele_location_terms){ .log_scale = by_pixel ? 0 : -1,
                                   .row_log_scale = by_pixel ? -1 : 0,
                                   .floor = c->least_scale,
                                   .unit = c->white,
                                   .levels = c->likelihood == LOGISTIC ? c->levels : 0 };
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    const stele_vec *vec = self->host->vec;
    if (self->config->likelihood == BERNOULLI) {
        return stele_bernoulli_above(vec, b, 0.5 * self->config->white);
    }
    if (self->config->likelihood == GAUSSIAN) {
        const stele_gaussian_terms t = gaussian_terms(self);
        return stele_gaussian(vec, b, &t);
    }
    const stele_location_terms t = location_terms(self);
    return stele_location(vec, b, &t);
}

static double draw_bernoulli(const stele_block *b, uint32_t what, int64_t row, int64_t j,
                             const double *u)
{
    const double p = stele_location_sigmoid(stele_block_eta(b, 0, row, j));
    return what == STELE_DRAW_MEAN ? p : (what == STELE_DRAW_SAMPLE ? u[0] : 0.5) < p ? 1.0 : 0.0;
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    if (self->config->likelihood == GAUSSIAN) {
        const stele_gaussian_terms t = gaussian_terms(self);
        return stele_gaussian_draw(b, d, &t);
    }
    if (self->config->likelihood != BERNOULLI) {
        const stele_location_terms t = location_terms(self);
        return stele_location_draw(b, d, &t);
    }
    stele_status status = stele_draw_elements(b, d, 1, draw_bernoulli);
    for (int64_t i = 0; i < b->n_rows * b->n_features && status == STELE_OK; i++) {
        if (b->dtype == STELE_F64) {
            ((double *)d->out)[i] *= self->config->white;
        } else {
            ((float *)d->out)[i] *= (float)self->config->white;
        }
    }
    return status;
}

/* --- metrics --- */

/* Squared errors of the prediction and of the training rows' mean image, over n pixels. */
typedef struct score {
    double left, total, n;
} score;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(score);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    score *sc = state;
    for (int64_t i = 0; i < s->n_rows * s->n_features; i++) {
        const double truth = (double)s->truth[i] / self->config->white;
        if (!isnan(truth)) {
            const double left = (double)s->predicted[i] / self->config->white - truth;
            const double known = s->known[i % s->n_features] / self->config->white - truth;
            sc->left += left * left;
            sc->total += known * known;
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
    stele_metric_set(&ret[0], "pixel_error", sc->n > 0.0 ? sqrt(sc->left / sc->n) : NAN, 0);
    stele_metric_set(&ret[1], "pixel_r2", sc->total > 0.0 ? 1.0 - sc->left / sc->total : NAN, 1);
    *ret_n = 2;
    return STELE_OK;
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .validate = image_validate,
    .fit = image_fit,
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
    .id = "modality/image",
    .version = "0.1.0",
    .summary = "Grey and colour images: convolutions, black and white, real values or levels.",
    .license = "BSD-3-Clause",
    .reference = "Salimans et al., ICLR 2017, arXiv:1701.05517",
    STELE_PLUGIN_OPTIONS(options, image_config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
