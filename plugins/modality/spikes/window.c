#include "spikes.h"

static stele_status conv_build(const stele_host *h, stele_build *b, spikes_window *w)
{
    const spikes_config *c = w->config;
    stele_status status = STELE_OK;
    int64_t in = w->neurons;
    if (c->channels.n < 1 || c->channels.n > SPIKES_MOST_LAYERS) {
        return STELE_FAIL(h, STELE_E_OPTION, "encoder.channels: between 1 and %d convolutions",
                          SPIKES_MOST_LAYERS);
    }
    if (c->kernel % 2 == 0) {
        return STELE_FAIL(h, STELE_E_OPTION,
                          "encoder.kernel: must be odd, so that it has a "
                          "middle");
    }
    for (uint64_t i = 0; i < c->channels.n && status == STELE_OK; i++) {
        char name[48];
        int64_t out = c->channels.v[i];
        stele_shape weight = { 3, 0, { out, in, c->kernel, 0, 0, 0 } };
        snprintf(name, sizeof name, "encoder.conv%d", (int)i);
        status = stele_declare(h, b, name, "weight", weight, STELE_INIT_UNIFORM,
                               1.0 / sqrt((double)(in * c->kernel)), 1.0, &w->weight[i]);
        if (status == STELE_OK) {
            status = stele_declare(h, b, name, "bias", stele_shape1(out), STELE_INIT_ZERO, 0.0, 0.0,
                                   &w->bias[i]);
        }
        in = out;
    }
    w->out = in * w->bins;
    return status;
}

static stele_status gru_build(const stele_host *h, stele_build *b, spikes_window *w)
{
    w->out = w->config->state;
    return stele_gru_build(h, b, "encoder.gru", w->neurons, w->out, &w->gru);
}

/* Bins and neurons of a row. */
static stele_status window_shape(const stele_host *h, const stele_shape *sample, spikes_window *w)
{
    const int64_t bins = w->config->bins;
    if (sample->ndim < 1 || sample->ndim > 2 || sample->dim[0] < 1) {
        return STELE_FAIL(h, STELE_E_SHAPE,
                          "a row must be (neurons) or (bins, neurons), of fixed length");
    }
    w->bins = sample->ndim == 2 ? sample->dim[0] : bins != 0 ? bins : 1;
    w->neurons = sample->ndim == 2 ? sample->dim[1] : sample->dim[0] / w->bins;
    if (bins != 0 && bins != w->bins) {
        return STELE_FAIL(h, STELE_E_OPTION, "bins: the data have windows of %lld bins",
                          (long long)w->bins);
    }
    if (sample->ndim == 1 && w->neurons * w->bins != sample->dim[0]) {
        return STELE_FAIL(h, STELE_E_OPTION, "bins: rows of %lld counts are not %lld equal bins",
                          (long long)sample->dim[0], (long long)bins);
    }
    return STELE_OK;
}

stele_status spikes_window_init(const stele_create_args *a, const spikes_config *c,
                                spikes_window *w)
{
    const stele_host *h = a->host;
    w->config = c;
    stele_status status = window_shape(h, &a->input->sample, w);
    w->row_bins = w->bins;
    if (status == STELE_OK && a->window_bins > 0) {
        if (w->bins > 1) {
            return STELE_FAIL(h, STELE_E_SHAPE,
                              "window: a row is a window of %lld bins already, where windows of "
                              "rows need rows of one bin",
                              (long long)w->bins);
        }
        w->bins = a->window_bins;
    }
    if (status == STELE_OK && c->kind != SPIKES_DENSE && w->bins < 2) {
        return STELE_FAIL(h, STELE_E_SHAPE,
                          "encoder.kind: %s needs a window of several bins, a row has one",
                          c->kind == SPIKES_CONV ? "conv" : "gru");
    }
    return status;
}

stele_status spikes_window_build(const stele_host *h, stele_build *b, int32_t activation,
                                 spikes_window *w)
{
    w->activation = activation;
    w->out = w->bins * w->neurons;
    return w->config->kind == SPIKES_CONV  ? conv_build(h, b, w)
           : w->config->kind == SPIKES_GRU ? gru_build(h, b, w)
                                           : STELE_OK;
}

/* A unit sees `span` bins at once, and begins with a spread of 0.3 as that of a dense layer. */
stele_status spikes_window_fit(const stele_host *h, stele_fit *f, const spikes_window *w,
                               double norm)
{
    const int64_t kernel = w->config->kernel;
    const double span = w->config->kind == SPIKES_GRU ? 1.0 : (double)kernel;
    const double seen = norm * sqrt(fmin(span / (double)w->bins, 1.0));
    const double sd = 1.0 / sqrt(3.0 * span * (double)w->neurons);
    if (w->config->kind == SPIKES_DENSE || !(seen > 0.0)) {
        return STELE_OK;
    }
    return h->fit->scale(f, w->config->kind == SPIKES_GRU ? w->gru.wx : w->weight[0],
                         0.3 / (seen * sd));
}

/* (n, ...) -> (n, a) or (n, a, b). */
static stele_status reshape(const stele_host *h, stele_graph *g, stele_tensor *x, int64_t a,
                            int64_t b, stele_tensor **ret)
{
    stele_shape shape;
    stele_status status = h->ops->shape(x, &shape);
    if (status == STELE_OK) {
        stele_shape to = { b > 0 ? 3 : 2, 0, { shape.dim[0], a, b, 0, 0, 0 } };
        *ret = h->ops->reshape(g, x, &to);
        status = h->ops->status(g);
    }
    return status;
}

stele_status spikes_window_flat(const stele_host *h, stele_graph *g, const spikes_window *w,
                                stele_tensor *x, stele_tensor **ret)
{
    stele_shape shape;
    stele_status status = h->ops->shape(x, &shape);
    if (status == STELE_OK && shape.ndim != 2) {
        return reshape(h, g, x, w->bins * w->neurons, 0, ret);
    }
    *ret = x;
    return status;
}

/* (n, bins, neurons) -> (n, channels, bins) */
static stele_tensor *conv_apply(const stele_host *h, stele_graph *g, const spikes_window *w,
                                stele_tensor *x)
{
    static const uint32_t channels_first[] = { 0, 2, 1 };
    const stele_ops *ops = h->ops;
    const int64_t kernel = w->config->kernel;
    const stele_window p = { .struct_size = sizeof p,
                             .kernel = { 1, kernel },
                             .stride = { 1, 1 },
                             .padding = { 0, kernel / 2 },
                             .dilation = { 1, 1 },
                             .groups = 1 };
    x = ops->permute(g, x, channels_first);
    for (uint64_t i = 0; i < w->config->channels.n; i++) {
        x = ops->conv1d(g, x, ops->param(g, w->weight[i]), ops->param(g, w->bias[i]), &p);
        x = stele_activate(h, g, x, w->activation);
    }
    return x;
}

/* (n, bins, neurons) -> the last state, (n, 1, state) */
static stele_tensor *gru_apply(const stele_host *h, stele_graph *g, const spikes_window *w,
                               stele_tensor *x)
{
    const stele_ops *ops = h->ops;
    x = stele_gru_apply(ops, g, &w->gru, x, NULL, NULL);
    return ops->slice(g, x, 1, w->bins - 1, w->bins);
}

stele_status spikes_window_apply(const stele_host *h, stele_graph *g, const spikes_window *w,
                                 stele_tensor *in, stele_tensor **ret)
{
    *ret = in;
    if (w->config->kind == SPIKES_DENSE) {
        return STELE_OK;
    }
    stele_tensor *x = NULL;
    stele_status status = stele_densify(h, g, in, &x);
    if (status == STELE_OK) {
        status = reshape(h, g, x, w->bins, w->neurons, &x);
    }
    if (status == STELE_OK) {
        x = w->config->kind == SPIKES_CONV ? conv_apply(h, g, w, x) : gru_apply(h, g, w, x);
        status = reshape(h, g, x, w->out, 0, ret);
    }
    return status;
}
