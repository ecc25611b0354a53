/* reduce.h - sums, the way all of core/graph takes them: in double, in an order that depends on the
 * shape alone. */
#ifndef STELE_GRAPH_REDUCE_H
#define STELE_GRAPH_REDUCE_H

#include "graph/op.h"

/* y[o, i] = (add ? y[o, i] : 0) + factor * sum_k x[o, k, i]; x (outer, n, inner) and y (outer,
 * inner) of the graph's dtype. E_NOMEM when scratch is short. */
stele_status stele__reduce_sum(stele_graph *g, int64_t outer, int64_t n, int64_t inner,
                               const void *x, double factor, int add, void *y);

/* Add factor * src, summed over the axes that broadcasting to `shape` had stretched, to the
 * derivative of t. No-op if t is NULL or wants none. */
stele_status stele__grad_reduce(stele_graph *g, stele_tensor *t, const stele_shape *shape,
                                const void *src, double factor);
/* The same without broadcasting: src has as many elements as t. */
stele_status stele__grad_add(stele_graph *g, stele_tensor *t, const void *src);

#endif
