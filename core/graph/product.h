/* product.h - dense products over the graph's pool. */
#ifndef STELE_GRAPH_PRODUCT_H
#define STELE_GRAPH_PRODUCT_H

#include "graph/op.h"

/* C (m, n) = op(A) op(B) + (add ? C : 0), row-major and packed; op transposes if asked: A is (m,
 * k), or (k, m) transposed; B is (k, n), or (n, k) transposed. All of the graph's dtype. */
void stele__product(stele_graph *g, int transpose_a, int transpose_b, int64_t m, int64_t n,
                    int64_t k, const void *a, const void *b, int add, void *c);

#endif
