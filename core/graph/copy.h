/* copy.h - moving dense values between layouts: what permute, concat, slice and expand are made of.
 */
#ifndef STELE_GRAPH_COPY_H
#define STELE_GRAPH_COPY_H

#include "graph/op.h"

/* y[i] = x[source(i)] (or y[i] += ...), i counting through the dense `shape` in order and source
 * moving by stride[d] elements of x per step of axis d. x and y of the graph's dtype. */
void stele__copy_strided(stele_graph *g, const stele_shape *shape, const int64_t *stride,
                         const void *x, int add, void *y);

/* For each of `outer` slabs: n elements from x + o * x_step to y + o * y_step, all in elements of
 * the graph's dtype. */
void stele__copy_slabs(stele_graph *g, int64_t outer, int64_t n, const void *x, int64_t x_step,
                       int add, void *y, int64_t y_step);

#endif
