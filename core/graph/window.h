/* window.h - how a stele_window lies over its axes: for convolution and pooling. */
#ifndef STELE_GRAPH_WINDOW_H
#define STELE_GRAPH_WINDOW_H

#include "graph/op.h"

/* Place `s` of the small side sees, with kernel element k, place s * stride - padding + k *
 * dilation of the large side, along each of (height, width); outside [0, large) lies padding. The
 * small side is the output of a convolution or pooling and the input of a transposed convolution.
 * 1-d has height 1. */
typedef struct stele__window {
    int64_t kernel[2], stride[2], padding[2], dilation[2], output_padding[2];
    int64_t groups;
    int64_t large[2], small[2];
} stele__window;

/* Check p and take over all but large and small. axes: 1 or 2 spatial axes. 0 after failing with a
 * message. */
int stele__window_read(stele_graph *g, const char *op, const stele_window *p, uint32_t axes,
                       int transposed, stele__window *ret);
/* x is (B, C, T) or (B, C, H, W): take over its spatial extents as the large side (or the small one
 * if transposed) and work out the other. 0 after failing with a message. */
int stele__window_fit(stele_graph *g, const char *op, const stele_tensor *x, int transposed,
                      stele__window *w);
/* Shape (batch, channels, extent[0] (if axes is 2), extent[1]). */
stele_shape stele__window_shape(int64_t batch, int64_t channels, uint32_t axes,
                                const int64_t extent[2]);
/* Which of i = 0 ... count - 1 have i * step + offset inside [0, n): [*ret_first, *ret_end); none:
 * both 0. For the places that see something with a kernel element, or the kernel elements with
 * which a place sees something. */
void stele__window_inside(int64_t count, int64_t n, int64_t step, int64_t offset,
                          int64_t *ret_first, int64_t *ret_end);

#endif
