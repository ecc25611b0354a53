/* stele/convolution.h - stacks of convolutions over images and signals: of an encoder, which halve every extent layer
 * by layer, and of a decoder, transposed ones that double them again to exactly what they were, whatever that is.
 * Carries no host symbol: everything goes through the op table.
 */
#ifndef STELE_CONVOLUTION_H
#define STELE_CONVOLUTION_H

#include <stele/dense.h>

#define STELE_CONV_MAX 6

/* Options of the convolutions on one side. */
typedef struct stele_conv_config {
    stele_i64_list channels; /* encoder: those that layers give; decoder: those that layers start from */
    int64_t kernel;
} stele_conv_config;

/* A built stack, to be kept in the instance. extent[0] is what is measured, extent[i] what i layers leave of it: height
 * and width; a signal has the second axis only, and 1 as its height. */
typedef struct stele_conv {
    uint32_t n, n_axes;
    int32_t activation, reserved;
    int64_t kernel, channels; /* channels: of what is measured */
    int64_t extent[STELE_CONV_MAX + 1][2];
    uint32_t weight[STELE_CONV_MAX], bias[STELE_CONV_MAX];
} stele_conv;

/* A convolution of stride 2 halves an extent, rounded up for odd kernels and down for even ones. */
static inline int64_t stele_conv_padding(int64_t kernel)
{
    return (kernel - 1) / 2;
}

static inline int64_t stele_conv_halved(int64_t extent, int64_t kernel)
{
    return (extent + 2 * stele_conv_padding(kernel) - kernel) / 2 + 1;
}

/* Extents of all layers; n_axes: 2 for images, 1 for signals (height 1). `key`: of the option that asks for that many
 * layers. [main] */
static inline stele_status stele_conv_init(const stele_host *h, const char *key, const stele_conv_config *c,
                                           int32_t activation, uint32_t n_axes, int64_t channels, int64_t height,
                                           int64_t width, stele_conv *l)
{
    const int n = (int)c->channels.n;
    memset(l, 0, sizeof *l);
    if (n < 1 || n > STELE_CONV_MAX) {
        return STELE_FAIL(h, STELE_E_OPTION, "%s: between 1 and %d convolutions", key, STELE_CONV_MAX);
    }
    l->n = (uint32_t)n;
    l->n_axes = n_axes;
    l->activation = activation;
    l->kernel = c->kernel;
    l->channels = channels;
    l->extent[0][0] = height;
    l->extent[0][1] = width;
    for (int i = 0; i < n; i++) {
        int64_t *at = l->extent[i];
        if (n_axes == 1 && at[1] < 2) {
            return STELE_FAIL(h, STELE_E_OPTION, "%s: %d convolutions halve windows of %lld samples too often", key, n,
                              (long long)width);
        }
        if (n_axes == 2 && (at[0] < 2 || at[1] < 2)) {
            return STELE_FAIL(h, STELE_E_OPTION, "%s: %d convolutions halve images of %lld x %lld pixels too often",
                              key, n, (long long)height, (long long)width);
        }
        l->extent[i + 1][0] = n_axes == 1 ? 1 : stele_conv_halved(at[0], c->kernel);
        l->extent[i + 1][1] = stele_conv_halved(at[1], c->kernel);
    }
    return STELE_OK;
}

/* One layer of w (first, second, kernel...); n_bias 0: no bias. `seen`: elements that one of the output sees. Layers
 * keep the spread of their input (He et al. 2015): were it to shrink from one to the next, the decoder would start deaf
 * to z and the posterior collapse at once. */
static inline stele_status stele_conv_layer(const stele_host *h, stele_build *b, const char *side, uint32_t i,
                                            int64_t first, int64_t second, double seen, int64_t n_bias, stele_conv *l)
{
    char name[48];
    stele_shape shape = { 2 + l->n_axes, 0, { first, second, l->kernel, l->n_axes == 2 ? l->kernel : 0, 0, 0 } };
    snprintf(name, sizeof name, "%s.conv%u", side, i);
    stele_status status =
        stele_declare(h, b, name, "weight", shape, STELE_INIT_UNIFORM, sqrt(6.0 / seen), 1.0, &l->weight[i]);
    if (status == STELE_OK && n_bias > 0) {
        status = stele_declare(h, b, name, "bias", stele_shape1(n_bias), STELE_INIT_ZERO, 0.0, 0.0, &l->bias[i]);
    }
    return status;
}

/* Elements that a kernel spans, of one channel. */
static inline double stele_conv_span(const stele_conv *l)
{
    return l->n_axes == 2 ? (double)(l->kernel * l->kernel) : (double)l->kernel;
}

/* Declare an encoder's convolutions. *ret_out: elements of what they give. [main & new] */
static inline stele_status stele_conv_build(const stele_host *h, stele_build *b, const char *side,
                                            const stele_conv_config *c, stele_conv *l, int64_t *ret_out)
{
    int64_t in = l->channels;
    stele_status status = STELE_OK;
    for (uint32_t i = 0; i < l->n && status == STELE_OK; i++) {
        const int64_t out = c->channels.v[i];
        status = stele_conv_layer(h, b, side, i, out, in, (double)in * stele_conv_span(l), out, l);
        in = out;
    }
    *ret_out = in * l->extent[l->n][0] * l->extent[l->n][1];
    return status;
}

/* A decoder's transposed convolutions; *ret_in: elements of what they start from. The last layer's bias would be that
 * of a channel; features have their own. [main & new] */
static inline stele_status stele_conv_transpose_build(const stele_host *h, stele_build *b, const char *side,
                                                      const stele_conv_config *c, stele_conv *l, int64_t *ret_in)
{
    const double share = l->n_axes == 2 ? 0.25 : 0.5; /* of a kernel's places that meet one element, at stride 2 */
    stele_status status = STELE_OK;
    for (uint32_t i = 0; i < l->n && status == STELE_OK; i++) {
        const int is_last = i + 1 == l->n;
        const int64_t in = c->channels.v[i], out = is_last ? l->channels : c->channels.v[i + 1];
        status =
            stele_conv_layer(h, b, side, i, in, out, share * (double)in * stele_conv_span(l), is_last ? 0 : out, l);
    }
    *ret_in = c->channels.v[0] * l->extent[l->n][0] * l->extent[l->n][1];
    return status;
}

static inline stele_window stele_conv_window(const stele_conv *l)
{
    const int64_t k = l->kernel, p = stele_conv_padding(k);
    const int flat = l->n_axes == 1;
    stele_window w = {
        sizeof(stele_window), { flat ? 1 : k, k }, { flat ? 1 : 2, 2 }, { flat ? 0 : p, p }, { 1, 1 }, { 0, 0 }, 1
    };
    return w;
}

/* (rows, channels, height, width) or (rows, channels, width) of layer i. */
static inline stele_shape stele_conv_shape(const stele_conv *l, uint32_t i, int64_t rows, int64_t channels)
{
    const int64_t height = l->extent[i][0], width = l->extent[i][1];
    stele_shape flat = { 3, 0, { rows, channels, width, 0, 0, 0 } };
    stele_shape both = { 4, 0, { rows, channels, height, width, 0, 0 } };
    return l->n_axes == 1 ? flat : both;
}

/* x (n, channels, extents...), without NaN -> (n, out). [compute] */
static inline stele_status stele_conv_apply(const stele_host *h, stele_graph *g, const stele_conv *l, stele_tensor *x,
                                            stele_tensor **ret)
{
    const stele_ops *ops = h->ops;
    const stele_window w = stele_conv_window(l);
    stele_shape s = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    for (uint32_t i = 0; i < l->n; i++) {
        stele_tensor *weight = ops->param(g, l->weight[i]), *bias = ops->param(g, l->bias[i]);
        x = l->n_axes == 1 ? ops->conv1d(g, x, weight, bias, &w) : ops->conv2d(g, x, weight, bias, &w);
        x = stele_activate(h, g, x, l->activation);
    }
    stele_status status = x != NULL ? ops->shape(x, &s) : ops->status(g);
    if (status == STELE_OK) {
        s = stele_shape2(s.dim[0], s.dim[1] * l->extent[l->n][0] * l->extent[l->n][1]);
        *ret = ops->reshape(g, x, &s);
    }
    return status == STELE_OK ? ops->status(g) : status;
}

/* What a transposed convolution leaves out of `extent`, the one that was halved. */
static inline int64_t stele_conv_rest(int64_t extent, int64_t kernel)
{
    return extent - (2 * (stele_conv_halved(extent, kernel) - 1) - 2 * stele_conv_padding(kernel) + kernel);
}

/* hidden (R, in) -> (R, channels, extents...). [compute] */
static inline stele_status stele_conv_transpose_apply(const stele_host *h, stele_graph *g, const stele_conv *l,
                                                      stele_tensor *hidden, stele_tensor **ret)
{
    const stele_ops *ops = h->ops;
    stele_window w = stele_conv_window(l);
    stele_shape s = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_status status = hidden != NULL ? ops->shape(hidden, &s) : ops->status(g);
    if (status != STELE_OK) {
        return status;
    }
    s = stele_conv_shape(l, l->n, s.dim[0], s.dim[1] / (l->extent[l->n][0] * l->extent[l->n][1]));
    stele_tensor *x = ops->reshape(g, hidden, &s);
    for (uint32_t i = 0; i < l->n; i++) {
        const int64_t *to = l->extent[l->n - 1 - i];
        const int is_last = i + 1 == l->n;
        stele_tensor *weight = ops->param(g, l->weight[i]), *bias = is_last ? NULL : ops->param(g, l->bias[i]);
        w.output_padding[0] = l->n_axes == 1 ? 0 : stele_conv_rest(to[0], l->kernel);
        w.output_padding[1] = stele_conv_rest(to[1], l->kernel);
        x = l->n_axes == 1 ? ops->conv1d_transpose(g, x, weight, bias, &w)
                           : ops->conv2d_transpose(g, x, weight, bias, &w);
        x = is_last ? x : stele_activate(h, g, x, l->activation);
    }
    *ret = x;
    return ops->status(g);
}

#endif /* STELE_CONVOLUTION_H */
