#include "image.h"

stele_status image_extents_read(const stele_host *h, const stele_shape *sample,
                                const stele_i64_list *size, image_extents *ret)
{
    int64_t d[3] = { sample->dim[0], sample->dim[1], sample->dim[2] };
    uint32_t n = sample->ndim;
    if (n == 1 && size->n >= 2 && size->n <= 3) {
        n = (uint32_t)size->n;
        int64_t count = 1;
        for (uint32_t i = 0; i < n; i++) {
            d[i] = size->v[i];
            count *= size->v[i];
        }
        if (count != sample->dim[0]) {
            return STELE_FAIL(h, STELE_E_OPTION, "size: is of %lld elements, rows have %lld",
                              (long long)count, (long long)sample->dim[0]);
        }
    } else if (size->n > 0) {
        return STELE_FAIL(h, STELE_E_OPTION, "size: %s",
                          n == 1 ? "must be [height, width] or [height, width, channels]"
                                 : "is for flat rows, the measurement has extents of its own");
    }
    if (n < 2 || n > 3) {
        return STELE_FAIL(h, STELE_E_SHAPE,
                          "a row must be an image: (height, width), (height, width, channels) or "
                          "(channels, height, width)%s",
                          n == 1 ? "; flat rows need `size`" : "");
    }
    const int first = n == 3 && d[2] >= IMAGE_LEAST; /* channels come first */
    *ret = (image_extents){ .channels = n == 2 ? 1 : first ? d[0] : d[2] };
    ret->channels_last = !first;
    ret->height[0] = d[first];
    ret->width[0] = d[first + 1];
    if (ret->height[0] < IMAGE_LEAST || ret->width[0] < IMAGE_LEAST || ret->channels < 1 ||
        ret->channels > IMAGE_MOST_CHANNELS) {
        return STELE_FAIL(h, STELE_E_SHAPE,
                          "images of %lld x %lld pixels in %lld channels: at least %d x %d are "
                          "needed, in at most %d",
                          (long long)ret->height[0], (long long)ret->width[0],
                          (long long)ret->channels, IMAGE_LEAST, IMAGE_LEAST, IMAGE_MOST_CHANNELS);
    }
    return STELE_OK;
}

int64_t image_count(const image_extents *e)
{
    return e->height[0] * e->width[0] * e->channels;
}

/* A convolution of stride 2 halves an extent, rounded up for odd kernels and down for even ones. */
static int64_t padding(int64_t kernel)
{
    return (kernel - 1) / 2;
}

static int64_t halved(int64_t extent, int64_t kernel)
{
    return (extent + 2 * padding(kernel) - kernel) / 2 + 1;
}

/* The extents below the image. `key`: of the option that asks for that many. */
static stele_status shrink(const stele_host *h, const char *key, const image_layers_config *c,
                           image_extents *e)
{
    if (c->channels.n < 1 || c->channels.n > IMAGE_MOST_LAYERS) {
        return STELE_FAIL(h, STELE_E_OPTION, "%s: between 1 and %d convolutions", key,
                          IMAGE_MOST_LAYERS);
    }
    for (uint64_t i = 0; i < c->channels.n; i++) {
        if (e->height[i] < 2 || e->width[i] < 2) {
            return STELE_FAIL(h, STELE_E_OPTION,
                              "%s: %d convolutions halve images of %lld x %lld pixels too often",
                              key, (int)c->channels.n, (long long)e->height[0],
                              (long long)e->width[0]);
        }
        e->height[i + 1] = halved(e->height[i], c->kernel);
        e->width[i + 1] = halved(e->width[i], c->kernel);
    }
    return STELE_OK;
}

/* One layer of w (first, second, kernel, kernel); n_bias 0: no bias. `seen`: elements that one of
 * the output sees. Layers keep the spread of their input (He et al. 2015): were it to shrink from
 * one to the next, the decoder would start deaf to z and the posterior collapse at once. */
static stele_status declare_layer(const stele_host *h, stele_build *b, const char *side, uint32_t i,
                                  int64_t first, int64_t second, double seen, int64_t n_bias,
                                  image_layers *l)
{
    char name[48];
    stele_shape shape = { 4, 0, { first, second, l->kernel, l->kernel, 0, 0 } };
    snprintf(name, sizeof name, "%s.conv%u", side, i);
    stele_status status = stele_declare(h, b, name, "weight", shape, STELE_INIT_UNIFORM,
                                        sqrt(6.0 / seen), 1.0, &l->weight[i]);
    if (status == STELE_OK && n_bias > 0) {
        status = stele_declare(h, b, name, "bias", stele_shape1(n_bias), STELE_INIT_ZERO, 0.0, 0.0,
                               &l->bias[i]);
    }
    return status;
}

static image_layers layers_of(const image_layers_config *c, int32_t activation)
{
    return (image_layers){ .n = (uint32_t)c->channels.n,
                           .activation = (uint32_t)activation,
                           .kernel = c->kernel };
}

stele_status image_encoder_build(const stele_host *h, stele_build *b, const image_layers_config *c,
                                 int32_t activation, image_extents *e, image_layers *l,
                                 int64_t *ret_out)
{
    int64_t in = e->channels;
    stele_status status = shrink(h, "encoder.channels", c, e);
    *l = layers_of(c, activation);
    for (uint32_t i = 0; i < l->n && status == STELE_OK; i++) {
        const int64_t out = c->channels.v[i];
        status = declare_layer(h, b, "encoder", i, out, in, (double)(in * l->kernel * l->kernel),
                               out, l);
        in = out;
    }
    *ret_out = in * e->height[l->n] * e->width[l->n];
    return status;
}

/* The last layer's bias would be that of a channel; pixels have their own. */
stele_status image_decoder_build(const stele_host *h, stele_build *b, const image_layers_config *c,
                                 int32_t activation, image_extents *e, image_layers *l,
                                 int64_t *ret_in)
{
    stele_status status = shrink(h, "decoder.channels", c, e);
    *l = layers_of(c, activation);
    for (uint32_t i = 0; i < l->n && status == STELE_OK; i++) {
        const int is_last = i + 1 == l->n;
        const int64_t in = c->channels.v[i], out = is_last ? e->channels : c->channels.v[i + 1];
        status = declare_layer(h, b, "decoder", i, in, out,
                               0.25 * (double)(in * l->kernel * l->kernel), is_last ? 0 : out, l);
    }
    *ret_in = status == STELE_OK ? c->channels.v[0] * e->height[l->n] * e->width[l->n] : 0;
    return status;
}

static stele_window window_of(const image_layers *l)
{
    const int64_t k = l->kernel, p = padding(k);
    return (stele_window){ .struct_size = sizeof(stele_window),
                           .kernel = { k, k },
                           .stride = { 2, 2 },
                           .padding = { p, p },
                           .dilation = { 1, 1 },
                           .groups = 1 };
}

/* What a transposed convolution leaves out of `extent`, the one that was halved. */
static int64_t rest(int64_t extent, int64_t kernel)
{
    return extent - (2 * (halved(extent, kernel) - 1) - 2 * padding(kernel) + kernel);
}

stele_status image_encoder_apply(const stele_host *h, stele_graph *g, const image_extents *e,
                                 const image_layers *l, stele_tensor *x, stele_tensor **ret)
{
    static const uint32_t first[] = { 0, 3, 1, 2 };
    const stele_ops *ops = h->ops;
    const stele_window w = window_of(l);
    stele_shape s;
    stele_status status = ops->shape(x, &s);
    if (status != STELE_OK) {
        return status;
    }
    const int64_t rows = s.dim[0], c = e->channels;
    s = (stele_shape){ 4, 0, { rows, c, e->height[0], e->width[0], 0, 0 } };
    if (e->channels_last && c > 1) {
        const stele_shape last = { 4, 0, { rows, e->height[0], e->width[0], c, 0, 0 } };
        x = ops->permute(g, ops->reshape(g, x, &last), first);
    } else {
        x = ops->reshape(g, x, &s);
    }
    for (uint32_t i = 0; i < l->n; i++) {
        x = ops->conv2d(g, x, ops->param(g, l->weight[i]), ops->param(g, l->bias[i]), &w);
        x = stele_activate(h, g, x, (int32_t)l->activation);
    }
    status = x != NULL ? ops->shape(x, &s) : ops->status(g);
    if (status == STELE_OK) {
        s = stele_shape2(rows, s.dim[1] * s.dim[2] * s.dim[3]);
        *ret = ops->reshape(g, x, &s);
    }
    return status == STELE_OK ? ops->status(g) : status;
}

stele_status image_decoder_apply(const stele_host *h, stele_graph *g, const image_extents *e,
                                 const image_layers *l, stele_tensor *hidden, stele_tensor **ret)
{
    static const uint32_t last[] = { 0, 2, 3, 1 };
    const stele_ops *ops = h->ops;
    stele_window w = window_of(l);
    stele_shape s;
    stele_status status = hidden != NULL ? ops->shape(hidden, &s) : ops->status(g);
    if (status != STELE_OK) {
        return status;
    }
    const int64_t rows = s.dim[0], small = e->height[l->n] * e->width[l->n];
    s = (stele_shape){ 4, 0, { rows, s.dim[1] / small, e->height[l->n], e->width[l->n], 0, 0 } };
    stele_tensor *x = ops->reshape(g, hidden, &s);
    for (uint32_t i = 0; i < l->n; i++) {
        const uint32_t to = l->n - 1 - i;
        const int is_last = i + 1 == l->n;
        w.output_padding[0] = rest(e->height[to], l->kernel);
        w.output_padding[1] = rest(e->width[to], l->kernel);
        x = ops->conv2d_transpose(g, x, ops->param(g, l->weight[i]),
                                  is_last ? NULL : ops->param(g, l->bias[i]), &w);
        x = is_last ? x : stele_activate(h, g, x, (int32_t)l->activation);
    }
    if (e->channels_last && e->channels > 1) {
        x = ops->permute(g, x, last);
    }
    s = stele_shape2(rows, image_count(e));
    *ret = ops->reshape(g, x, &s);
    return ops->status(g);
}
