#include "graph/window.h"

/* Below this, places and sizes along an axis cannot overflow. */
#define LIMIT ((int64_t)1 << 31)

static int in_range(stele_graph *g, const char *op, const char *name, int64_t value, int64_t least)
{
    if (value >= least && value < LIMIT) {
        return 1;
    }
    stele__op_fail(g, STELE_E_ARG, "%s: %s is %lld, must be at least %lld and below 2^31", op, name,
                   (long long)value, (long long)least);
    return 0;
}

static int axis_in_range(stele_graph *g, const char *op, const stele__window *w, uint32_t a,
                         int transposed)
{
    if (!in_range(g, op, "kernel", w->kernel[a], 1) ||
        !in_range(g, op, "stride", w->stride[a], 1) ||
        !in_range(g, op, "padding", w->padding[a], 0) ||
        !in_range(g, op, "dilation", w->dilation[a], 1) ||
        !in_range(g, op, "output_padding", w->output_padding[a], 0)) {
        return 0;
    }
    if (!transposed && w->output_padding[a] != 0) {
        stele__op_fail(g, STELE_E_ARG, "%s: output_padding is for transposed convolutions", op);
        return 0;
    }
    if (w->output_padding[a] >= w->stride[a] && w->output_padding[a] >= w->dilation[a]) {
        if (w->output_padding[a] != 0) {
            stele__op_fail(g, STELE_E_ARG,
                           "%s: output_padding is %lld, must be below stride or dilation", op,
                           (long long)w->output_padding[a]);
            return 0;
        }
    }
    return 1;
}

int stele__window_read(stele_graph *g, const char *op, const stele_window *p, uint32_t axes,
                       int transposed, stele__window *ret)
{
    if (p == NULL || p->struct_size < sizeof *p) {
        stele__op_fail(g, STELE_E_ARG, "%s: the window is %s", op,
                       p == NULL ? "NULL" : "too short: struct_size is not set");
        return 0;
    }
    *ret = (stele__window){
        .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .groups = p->groups
    };
    for (uint32_t a = 2 - axes; a < 2; a++) {
        ret->kernel[a] = p->kernel[a];
        ret->stride[a] = p->stride[a];
        ret->padding[a] = p->padding[a];
        ret->dilation[a] = p->dilation[a];
        ret->output_padding[a] = p->output_padding[a];
        if (!axis_in_range(g, op, ret, a, transposed)) {
            return 0;
        }
    }
    return in_range(g, op, "groups", ret->groups, 1);
}

int stele__window_fit(stele_graph *g, const char *op, const stele_tensor *x, int transposed,
                      stele__window *w)
{
    const uint32_t axes = x->shape.ndim - 2;
    int64_t *from = transposed ? w->small : w->large, *to = transposed ? w->large : w->small;
    from[0] = to[0] = 1;
    for (uint32_t a = 2 - axes; a < 2; a++) {
        from[a] = x->shape.dim[a + axes];
        const int64_t reach = w->dilation[a] * (w->kernel[a] - 1) + 1;
        const int64_t room = from[a] + 2 * w->padding[a] - reach;
        if (from[a] >= LIMIT) {
            to[a] = 0;
        } else if (transposed) {
            to[a] = (from[a] - 1) * w->stride[a] - 2 * w->padding[a] + reach + w->output_padding[a];
        } else {
            to[a] = room < 0 ? 0 : room / w->stride[a] + 1;
        }
        if (from[a] < 1 || to[a] < 1 || to[a] >= LIMIT) {
            char text[STELE__SHAPE_TEXT];
            stele__op_fail(g, STELE_E_SHAPE, "%s: x is %s, too %s for a window that spans %lld", op,
                           stele__shape_text(&x->shape, text),
                           from[a] >= LIMIT || to[a] >= LIMIT ? "large" : "small",
                           (long long)reach);
            return 0;
        }
    }
    return 1;
}

stele_shape stele__window_shape(int64_t batch, int64_t channels, uint32_t axes,
                                const int64_t extent[2])
{
    return axes == 1 ? STELE__SHAPE(batch, channels, extent[1])
                     : STELE__SHAPE(batch, channels, extent[0], extent[1]);
}

void stele__window_inside(int64_t count, int64_t n, int64_t step, int64_t offset,
                          int64_t *ret_first, int64_t *ret_end)
{
    int64_t first = offset < 0 ? (-offset + step - 1) / step : 0;
    int64_t end = offset < n ? (n - 1 - offset) / step + 1 : 0;
    end = end < count ? end : count;
    *ret_first = first < end ? first : 0;
    *ret_end = first < end ? end : 0;
}
