/* What the encoder sees of an image while training: moved, turned and resized a little at random.
 */
#include "image.h"

#include <math.h>

static double value_at(const stele_view *x, int64_t i)
{
    return x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                 : (double)((const float *)x->data)[i];
}

/* Where the pixels of a row's output come from: rows and columns from the middle, by a matrix, and
 * a shift. */
typedef struct map {
    double a, b, dy, dx; /* y = a v - b u + dy, x = b v + a u + dx */
} map;

static map map_of(const stele_inst *self, const stele_view *noise, int64_t row)
{
    const image_config *c = self->config;
    const double scale = exp(c->zoom * value_at(noise, 4 * row));
    const double angle = c->turn * acos(-1.0) / 180.0 * value_at(noise, 4 * row + 1);
    return (map){ .a = scale * cos(angle),
                  .b = scale * sin(angle),
                  .dy = c->shift * value_at(noise, 4 * row + 2),
                  .dx = c->shift * value_at(noise, 4 * row + 3) };
}

/* The pixel left of or above `at`, and the share of the next one; beyond the edge the last pixel
 * goes on. */
static int64_t pixel_of(double at, int64_t n, double *ret_share)
{
    at = at < 0.0 ? 0.0 : at > (double)(n - 1) ? (double)(n - 1) : at;
    const int64_t i = (int64_t)at < n - 1 ? (int64_t)at : n - 2;
    *ret_share = at - (double)i;
    return i;
}

/* One pixel of all channels, between its four neighbours. */
static void sample_pixel(const image_extents *e, const stele_view *x, int64_t first, double at_y,
                         double at_x, int64_t to, void *out)
{
    const int64_t channel = e->channels_last ? 1 : e->height * e->width;
    const int64_t pixel = e->channels_last ? e->channels : 1;
    double v, u;
    const int64_t i = pixel_of(at_y, e->height, &v), k = pixel_of(at_x, e->width, &u);
    for (int64_t c = 0; c < e->channels; c++) {
        const int64_t from = first + c * channel + (i * e->width + k) * pixel;
        const int64_t below = from + e->width * pixel;
        const double above = (1.0 - u) * value_at(x, from) + u * value_at(x, from + pixel);
        const double under = (1.0 - u) * value_at(x, below) + u * value_at(x, below + pixel);
        const double y = (1.0 - v) * above + v * under;
        const int64_t at = first + c * channel + to * pixel;
        if (x->dtype == STELE_F64) {
            ((double *)out)[at] = y;
        } else {
            ((float *)out)[at] = (float)y;
        }
    }
}

static stele_status move_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const stele_inst *self = user;
    const image_extents *e = &self->extents;
    const double my = 0.5 * (double)(e->height - 1), mx = 0.5 * (double)(e->width - 1);
    (void)n;
    for (int64_t r = 0; r < in[0]->shape.dim[0]; r++) {
        const map m = map_of(self, in[1], r);
        for (int64_t i = 0; i < e->height * e->width; i++) {
            const double v = (double)(i / e->width) - my, u = (double)(i % e->width) - mx;
            sample_pixel(e, in[0], r * image_count(e), m.a * v - m.b * u + m.dy + my,
                         m.b * v + m.a * u + m.dx + mx, i, out);
        }
    }
    return STELE_OK;
}

stele_status image_jitter(const stele_inst *self, stele_graph *g, stele_tensor *x,
                          stele_tensor **ret)
{
    static const stele_custom op = { sizeof op, "move", move_forward, NULL };
    const stele_ops *ops = self->host->ops;
    const image_config *c = self->config;
    stele_shape s;
    stele_status status = ops->shape(x, &s);
    if (status == STELE_OK && ops->training(g) &&
        (c->shift > 0.0 || c->turn > 0.0 || c->zoom > 0.0)) {
        const stele_shape each = stele_shape2(s.dim[0], 4);
        stele_tensor *in[2] = { x, ops->noise(g, &each, STREAM_MOVE) };
        x = ops->custom(g, &op, (void *)(uintptr_t)self, 2, in, &s);
    }
    if (status == STELE_OK && ops->training(g) && c->noise > 0.0) {
        x = ops->add(g, x, ops->scale(g, ops->noise(g, &s, STREAM_NOISE), c->noise));
    }
    *ret = x;
    return status == STELE_OK ? ops->status(g) : status;
}
