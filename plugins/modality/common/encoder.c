#include "windows.h"

#include <stdlib.h>

static stele_status buffers_build(windows *w, stele_build *b)
{
    const stele_build_api *api = w->host->build;
    const stele_shape row = stele_shape1(w->channels * w->samples);
    const stele_shape bins = stele_shape1(w->channels * w->bins);
    stele_status status = api->buffer(b, "centre", &row, 0.0, &w->centre);
    if (status == STELE_OK) {
        status = api->buffer(b, "log_scale", &row, 0.0, &w->log_scale);
    }
    if (status == STELE_OK && w->config->view != WINDOWS_SAMPLES) {
        status = api->buffer(b, "bin_centre", &bins, 0.0, &w->bin_centre);
    }
    if (status == STELE_OK && w->config->view != WINDOWS_SAMPLES) {
        status = api->buffer(b, "bin_log_scale", &bins, 0.0, &w->bin_log_scale);
    }
    return status;
}

stele_status windows_build(windows *w, stele_build *b)
{
    const windows_config *c = w->config;
    int64_t convolved = 0;
    stele_status status = buffers_build(w, b);
    if (status == STELE_OK && c->view != WINDOWS_SPECTRUM) {
        status = stele_conv_init(w->host, "encoder.channels", &c->layers, c->encoder.activation, 1,
                                 w->channels * (c->indicator ? 2 : 1), 1, w->samples, &w->layers);
        if (status == STELE_OK) {
            status = stele_conv_build(w->host, b, "encoder", &c->layers, &w->layers, &convolved);
        }
    }
    if (status == STELE_OK) {
        const int64_t seen = c->view != WINDOWS_SAMPLES ? w->channels * w->bins : 0;
        status = stele_dense_build(w->host, b, "encoder", convolved + seen + 2 * w->channels,
                                   w->covariates, 1.0, &c->encoder, &w->encoder);
    }
    return status != STELE_OK
               ? status
               : stele_gaussian_head_build(w->host, b, w->encoder.out, w->latent, &w->expert);
}

stele_tensor *windows_standard(const windows *w, stele_graph *g, stele_tensor *seen,
                               stele_tensor **ret_missing)
{
    const stele_ops *ops = w->host->ops;
    const stele_shape s = stele_shape2(w->channels, w->samples), scalar = { 0 };
    stele_tensor *centre = ops->reshape(g, ops->param(g, w->centre), &s);
    stele_tensor *scale = ops->exp(g, ops->reshape(g, ops->param(g, w->log_scale), &s));
    *ret_missing = ops->is_nan(g, seen);
    return ops->where(g, *ret_missing, ops->full(g, &scalar, 0.0),
                      ops->div(g, ops->sub(g, seen, centre), scale));
}

/* While training: white noise in place of some windows, as loud as a channel on average or, row by
 * row, some times louder or softer. */
static stele_status replace_some(const windows *w, stele_graph *g, stele_tensor **y)
{
    const stele_ops *ops = w->host->ops;
    stele_shape s;
    if (w->config->noise <= 0.0 || !ops->training(g)) {
        return STELE_OK;
    }
    stele_status status = *y != NULL ? ops->shape(*y, &s) : ops->status(g);
    if (status != STELE_OK) {
        return status;
    }
    const stele_shape one = { 3, 0, { s.dim[0], 1, 1, 0, 0, 0 } };
    stele_tensor *kept =
        ops->dropout(g, ops->full(g, &one, 1.0), w->config->noise, 0, WINDOWS_STREAM_KEPT);
    stele_tensor *level =
        ops->exp(g, ops->scale(g, ops->noise(g, &one, WINDOWS_STREAM_LEVEL), 0.5));
    stele_tensor *noise = ops->mul(g, ops->noise(g, &s, WINDOWS_STREAM_NOISE), level);
    *y = ops->where(g, kept, *y, noise);
    return ops->status(g);
}

static stele_status spectrum_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const windows *w = user;
    const int64_t all = in[0]->shape.dim[0] * w->channels;
    double *x = malloc((size_t)(w->samples + 3 * w->bins) * sizeof *x);
    (void)n;
    if (x == NULL) {
        return STELE_E_NOMEM;
    }
    double *room = x + w->samples, *power = room + 2 * w->bins;
    for (int64_t i = 0; i < all; i++) {
        double mean = 0.0;
        for (int64_t t = 0; t < w->samples; t++) {
            x[t] = windows_value(in[0]->dtype, in[0]->data, i * w->samples + t);
            mean += x[t] / (double)w->samples;
        }
        for (int64_t t = 0; t < w->samples; t++) {
            x[t] -= mean;
        }
        const int any = windows_log_powers(w, x, room, power);
        for (int64_t k = 0; k < w->bins; k++) {
            const double v = any ? power[k] : NAN;
            if (in[0]->dtype == STELE_F64) {
                ((double *)out)[i * w->bins + k] = v;
            } else {
                ((float *)out)[i * w->bins + k] = (float)v;
            }
        }
    }
    free(x);
    return STELE_OK;
}

/* y (n, channels, samples) -> (n, channels * bins), 0 for a channel without power. */
static stele_tensor *spectrum_of(const windows *w, stele_graph *g, stele_tensor *y, int64_t rows)
{
    static const stele_custom op = { sizeof op, "log_spectrum", spectrum_forward, NULL };
    const stele_ops *ops = w->host->ops;
    const stele_shape s = stele_shape2(rows, w->channels * w->bins), scalar = { 0 };
    stele_tensor *p = ops->custom(g, &op, (void *)(uintptr_t)w, 1, &y, &s);
    stele_tensor *scale = ops->exp(g, ops->param(g, w->bin_log_scale));
    stele_tensor *v = ops->div(g, ops->sub(g, p, ops->param(g, w->bin_centre)), scale);
    return ops->where(g, ops->is_nan(g, p), ops->full(g, &scalar, 0.0), v);
}

/* (n, channels): log mean square over the samples, never below log 1e-3. */
static stele_tensor *level_of(const stele_ops *ops, stele_graph *g, stele_tensor *y)
{
    return ops->log(g, ops->shift(g, ops->mean(g, ops->square(g, y), 2, 0), 1e-3));
}

stele_status windows_encode(const windows *w, stele_graph *g, const stele_encode_args *a,
                            stele_dist *ret_q)
{
    const stele_ops *ops = w->host->ops;
    const windows_config *c = w->config;
    stele_tensor *part[4], *layer[2], *seen = NULL, *missing = NULL;
    const stele_shape scalar = { 0 };
    uint32_t n = 0;
    stele_shape s;
    stele_status status = windows_seen(w, g, a->x, &seen);
    status = status == STELE_OK ? ops->shape(a->x, &s) : status;
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *y = windows_standard(w, g, seen, &missing);
    status = replace_some(w, g, &y);
    if (status != STELE_OK) {
        return status;
    }
    y = ops->where(g, missing, ops->full(g, &scalar, 0.0), y);
    if (c->view != WINDOWS_SPECTRUM) {
        layer[0] = y;
        layer[1] = missing;
        status = stele_conv_apply(w->host, g, &w->layers,
                                  c->indicator ? ops->concat(g, 2, layer, 1) : y, &part[n++]);
    }
    if (status == STELE_OK && c->view != WINDOWS_SAMPLES) {
        part[n++] = spectrum_of(w, g, y, s.dim[0]);
    }
    if (status != STELE_OK) {
        return status;
    }
    part[n++] = level_of(ops, g, y);
    part[n++] = level_of(
        ops, g,
        ops->sub(g, ops->slice(g, y, 2, 1, w->samples), ops->slice(g, y, 2, 0, w->samples - 1)));
    stele_tensor *h = stele_dense_apply(w->host, g, &w->encoder, ops->concat(g, n, part, 1),
                                        a->covariates, WINDOWS_STREAM);
    stele_gaussian_head_apply(w->host, g, &w->expert, h, ret_q);
    return ops->status(g);
}
