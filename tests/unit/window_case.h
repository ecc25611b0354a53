/* A window over signals or images, as the tests of convolution and pooling tabulate them. */
#ifndef STELE_TEST_WINDOW_CASE_H
#define STELE_TEST_WINDOW_CASE_H

#include "graph_check.h"

typedef struct window_case {
    const char *name;
    uint32_t axes;
    int transposed;
    int64_t rows, in, out;   /* channels of x and of the output */
    int64_t size[2], groups; /* size: height, width of x */
    int64_t kernel[2], stride[2], padding[2], dilation[2], output_padding[2];
} window_case;

static inline stele_window window_of(const window_case *c)
{
    stele_window w = { .struct_size = sizeof w, .groups = c->groups };
    memcpy(w.kernel, c->kernel, sizeof w.kernel);
    memcpy(w.stride, c->stride, sizeof w.stride);
    memcpy(w.padding, c->padding, sizeof w.padding);
    memcpy(w.dilation, c->dilation, sizeof w.dilation);
    memcpy(w.output_padding, c->output_padding, sizeof w.output_padding);
    return w;
}

/* Shapes of x, weights and bias. */
static inline void shapes_of(const window_case *c, stele_shape shape[3])
{
    const int64_t first = c->transposed ? c->in : c->out;
    const int64_t second = (c->transposed ? c->out : c->in) / c->groups;
    if (c->axes == 1) {
        shape[0] = STELE__SHAPE(c->rows, c->in, c->size[1]);
        shape[1] = STELE__SHAPE(first, second, c->kernel[1]);
    } else {
        shape[0] = STELE__SHAPE(c->rows, c->in, c->size[0], c->size[1]);
        shape[1] = STELE__SHAPE(first, second, c->kernel[0], c->kernel[1]);
    }
    shape[2] = STELE__SHAPE(c->out);
}

static inline int64_t expected_size(const window_case *c, int a)
{
    if (c->axes == 1 && a == 0) {
        return 1;
    }
    const int64_t reach = c->dilation[a] * (c->kernel[a] - 1) + 1;
    return c->transposed
               ? (c->size[a] - 1) * c->stride[a] - 2 * c->padding[a] + reach + c->output_padding[a]
               : (c->size[a] + 2 * c->padding[a] - reach) / c->stride[a] + 1;
}

#endif
