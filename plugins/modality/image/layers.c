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
    ret->height = d[first];
    ret->width = d[first + 1];
    if (ret->height < IMAGE_LEAST || ret->width < IMAGE_LEAST || ret->channels < 1 ||
        ret->channels > IMAGE_MOST_CHANNELS) {
        return STELE_FAIL(
            h, STELE_E_SHAPE,
            "images of %lld x %lld pixels in %lld channels: plugin image takes %d x %d "
            "pixels or more, in %d channels or fewer",
            (long long)ret->height, (long long)ret->width, (long long)ret->channels, IMAGE_LEAST,
            IMAGE_LEAST, IMAGE_MOST_CHANNELS);
    }
    return STELE_OK;
}

int64_t image_count(const image_extents *e)
{
    return e->height * e->width * e->channels;
}

stele_status image_encoder_apply(const stele_host *h, stele_graph *g, const image_extents *e,
                                 const stele_conv *l, stele_tensor *x, stele_tensor **ret)
{
    static const uint32_t first[] = { 0, 3, 1, 2 };
    const stele_ops *ops = h->ops;
    stele_shape s;
    stele_status status = ops->shape(x, &s);
    if (status != STELE_OK) {
        return status;
    }
    const int64_t rows = s.dim[0], c = e->channels;
    if (e->channels_last && c > 1) {
        const stele_shape last = { 4, 0, { rows, e->height, e->width, c, 0, 0 } };
        x = ops->permute(g, ops->reshape(g, x, &last), first);
    } else {
        s = (stele_shape){ 4, 0, { rows, c, e->height, e->width, 0, 0 } };
        x = ops->reshape(g, x, &s);
    }
    return stele_conv_apply(h, g, l, x, ret);
}

stele_status image_decoder_apply(const stele_host *h, stele_graph *g, const image_extents *e,
                                 const stele_conv *l, stele_tensor *hidden, stele_tensor **ret)
{
    static const uint32_t last[] = { 0, 2, 3, 1 };
    const stele_ops *ops = h->ops;
    stele_tensor *x = NULL;
    stele_shape s;
    stele_status status = stele_conv_transpose_apply(h, g, l, hidden, &x);
    status = status == STELE_OK ? ops->shape(x, &s) : status;
    if (status != STELE_OK) {
        return status;
    }
    if (e->channels_last && e->channels > 1) {
        x = ops->permute(g, x, last);
    }
    s = stele_shape2(s.dim[0], image_count(e));
    *ret = ops->reshape(g, x, &s);
    return ops->status(g);
}
