/* neighbour_graph.h - the weighted graph of nearest neighbours that clustering works on.
 *
 * Weights as in UMAP's fuzzy simplicial set (McInnes, Healy & Melville 2018), which scanpy's
 * `neighbors` uses by default, so that scores compare with other programs': row i gives its
 * neighbour j the weight exp(-(d_ij - rho_i) / sigma_i), rho the distance to the nearest other
 * point and sigma such that the weights sum to log2(k); the edge has a + b - ab of its two
 * directions. As there, k counts the row itself: k = 15 means 14 others. */
#ifndef STELE_EVAL_NEIGHBOUR_GRAPH_H
#define STELE_EVAL_NEIGHBOUR_GRAPH_H

#include "base/diag.h"

#include <stdint.h>

typedef struct stele__neighbour_graph {
    size_t n, n_edges;
    int32_t *from, *to; /* [n_edges]; every edge once, its ends differ */
    double *weight;     /* [n_edges], in (0, 1] */
} stele__neighbour_graph;

/* x[n, n_columns], all finite; k from 2 to n. Errors: E_ARG, E_NONFINITE, E_NOMEM. */
STELE_NODISCARD stele_status stele__neighbour_graph_init(stele__neighbour_graph *graph,
                                                         const float *x, size_t n, size_t n_columns,
                                                         size_t k, stele__diag *diag);
void stele__neighbour_graph_finish(stele__neighbour_graph *graph); /* legal after a failed init */

#endif
