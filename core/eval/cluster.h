/* cluster.h - communities of the neighbour graph, and how well they match known classes.
 *
 * Leiden (Traag, Waltman & van Eck 2019) through igraph with modularity as quality. igraph keeps
 * its random numbers and error handler in process-wide state: one thread at a time. It prints
 * nothing. */
#ifndef STELE_EVAL_CLUSTER_H
#define STELE_EVAL_CLUSTER_H

#include "eval/agreement.h"
#include "eval/neighbour_graph.h"

/* The fixed list from which scores take the best: 0.1, 0.2, ..., 2.0, as scib-metrics has it. */
enum { STELE__N_RESOLUTIONS = 20 };
extern const double stele__resolutions[STELE__N_RESOLUTIONS];

/* Communities of every row at each resolution: ret_membership[n_resolutions, graph->n], from 0.
 * ret_quality[n_resolutions] (may be NULL) is the modularity at that resolution. The same seed
 * gives the same communities. Errors: E_DATA for a graph without edges, E_NOMEM, E_INTERNAL. */
STELE_NODISCARD stele_status stele__leiden(const stele__neighbour_graph *graph,
                                           const double *resolution, size_t n_resolutions,
                                           uint32_t seed, int32_t *ret_membership,
                                           double *ret_quality, stele__diag *diag);

typedef struct stele__clustering {
    stele__agreement best; /* at the resolution with the highest ARI; its NMI is of the same */
    double resolution;
    size_t n_clusters;
} stele__clustering;

/* Cluster the rows of x[n, n_columns] with label >= 0 and finite values on their graph of k
 * neighbours and compare with label[n] at every resolution of the list. ret_membership[n] (may be
 * NULL) are the communities at the best one, -1 for rows left out. Errors: as above, E_DATA if
 * there are fewer than k such rows. */
STELE_NODISCARD stele_status stele__clustering_score(const float *x, const int32_t *label, size_t n,
                                                     size_t n_columns, size_t k, uint32_t seed,
                                                     stele__clustering *ret,
                                                     int32_t *ret_membership, stele__diag *diag);

#endif
