#include "eval/cluster.h"

#include "base/mem.h"
#include "eval/knn.h"

#include <igraph.h>
#include <string.h>

const double stele__resolutions[STELE__N_RESOLUTIONS] = { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7,
                                                          0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4,
                                                          1.5, 1.6, 1.7, 1.8, 1.9, 2.0 };

/* igraph's own default for the randomness of the refinement, and passes enough to settle. */
static const double RANDOMNESS = 0.01;
enum { PASSES = 10 };

/* Initialised in the order of the fields; n_ready tells how many are. */
typedef struct work {
    igraph_vector_int_t edges, membership;
    igraph_vector_t weights, strength;
    igraph_t graph;
    int n_ready;
} work;

static igraph_error_t work_init(work *w, const stele__neighbour_graph *g)
{
    const igraph_integer_t n = (igraph_integer_t)g->n, n_edges = (igraph_integer_t)g->n_edges;
    igraph_error_t code = igraph_vector_int_init(&w->edges, 2 * n_edges);
    w->n_ready += code == IGRAPH_SUCCESS;
    if (code == IGRAPH_SUCCESS) {
        code = igraph_vector_int_init(&w->membership, n);
        w->n_ready += code == IGRAPH_SUCCESS;
    }
    if (code == IGRAPH_SUCCESS) {
        code = igraph_vector_init(&w->weights, n_edges);
        w->n_ready += code == IGRAPH_SUCCESS;
    }
    if (code == IGRAPH_SUCCESS) {
        code = igraph_vector_init(&w->strength, n);
        w->n_ready += code == IGRAPH_SUCCESS;
    }
    if (code == IGRAPH_SUCCESS) {
        for (igraph_integer_t e = 0; e < n_edges; e++) {
            VECTOR(w->edges)[2 * e] = g->from[e];
            VECTOR(w->edges)[2 * e + 1] = g->to[e];
            VECTOR(w->weights)[e] = g->weight[e];
        }
        code = igraph_create(&w->graph, &w->edges, n, IGRAPH_UNDIRECTED);
        w->n_ready += code == IGRAPH_SUCCESS;
    }
    return code;
}

static void work_finish(work *w)
{
    if (w->n_ready > 4) {
        igraph_destroy(&w->graph);
    }
    if (w->n_ready > 3) {
        igraph_vector_destroy(&w->strength);
    }
    if (w->n_ready > 2) {
        igraph_vector_destroy(&w->weights);
    }
    if (w->n_ready > 1) {
        igraph_vector_int_destroy(&w->membership);
    }
    if (w->n_ready > 0) {
        igraph_vector_int_destroy(&w->edges);
    }
}

/* Modularity is the constant Potts quality with nodes as heavy as their strength and a resolution
 * divided by the total strength (both ends of all edges). */
static igraph_error_t find_communities(work *w, const stele__neighbour_graph *g,
                                       const double *resolution, size_t n_resolutions,
                                       uint32_t seed, int32_t *membership, double *quality)
{
    double total = 0.0;
    for (size_t e = 0; e < g->n_edges; e++) {
        VECTOR(w->strength)[g->from[e]] += g->weight[e];
        VECTOR(w->strength)[g->to[e]] += g->weight[e];
        total += 2.0 * g->weight[e];
    }
    for (size_t r = 0; r < n_resolutions; r++) {
        igraph_integer_t n_found = 0;
        igraph_real_t reached = 0.0;
        igraph_error_t code = igraph_rng_seed(igraph_rng_default(), seed);
        if (code == IGRAPH_SUCCESS) {
            code =
                igraph_community_leiden(&w->graph, &w->weights, &w->strength, resolution[r] / total,
                                        RANDOMNESS, 0, PASSES, &w->membership, &n_found, &reached);
        }
        if (code != IGRAPH_SUCCESS) {
            return code;
        }
        for (size_t i = 0; i < g->n; i++) {
            membership[r * g->n + i] = (int32_t)VECTOR(w->membership)[i];
        }
        if (quality != NULL) {
            quality[r] = reached;
        }
    }
    return IGRAPH_SUCCESS;
}

stele_status stele__leiden(const stele__neighbour_graph *graph, const double *resolution,
                           size_t n_resolutions, uint32_t seed, int32_t *ret_membership,
                           double *ret_quality, stele__diag *diag)
{
    if (graph->n_edges == 0) {
        return stele__diag_error(diag, STELE_E_DATA, NULL, "a graph without edges has no clusters");
    }
    work w = { .n_ready = 0 };
    /* The default handlers abort and print. */
    igraph_error_handler_t *on_error = igraph_set_error_handler(igraph_error_handler_ignore);
    igraph_warning_handler_t *on_warning =
        igraph_set_warning_handler(igraph_warning_handler_ignore);
    igraph_error_t code = work_init(&w, graph);
    if (code == IGRAPH_SUCCESS) {
        code = find_communities(&w, graph, resolution, n_resolutions, seed, ret_membership,
                                ret_quality);
    }
    work_finish(&w);
    igraph_set_error_handler(on_error);
    igraph_set_warning_handler(on_warning);
    if (code == IGRAPH_ENOMEM) {
        return STELE_E_NOMEM;
    }
    return code == IGRAPH_SUCCESS
               ? STELE_OK
               : stele__diag_error(diag, STELE_E_INTERNAL, NULL, "clustering failed: %s",
                                   igraph_strerror(code));
}

static size_t count_clusters(const int32_t *membership, size_t n)
{
    int32_t largest = -1;
    for (size_t i = 0; i < n; i++) {
        largest = membership[i] > largest ? membership[i] : largest;
    }
    return (size_t)(largest + 1);
}

static stele_status find_best(const int32_t *membership, const int32_t *label, size_t n,
                              stele__clustering *ret, size_t *ret_which)
{
    for (size_t r = 0; r < STELE__N_RESOLUTIONS; r++) {
        stele__agreement found = { 0 };
        stele_status status = stele__agreement_compute(membership + r * n, label, n, &found);
        if (status != STELE_OK) {
            return status;
        }
        if (r == 0 || found.ari > ret->best.ari) {
            *ret = (stele__clustering){ found, stele__resolutions[r],
                                        count_clusters(membership + r * n, n) };
            *ret_which = r;
        }
    }
    return STELE_OK;
}

stele_status stele__clustering_score(const float *x, const int32_t *label, size_t n,
                                     size_t n_columns, size_t k, uint32_t seed,
                                     stele__clustering *ret, int32_t *ret_membership,
                                     stele__diag *diag)
{
    stele__neighbour_graph graph = { 0 };
    stele_status status = STELE_E_NOMEM;
    size_t n_rows = 0, best = 0;
    size_t *row = stele__malloc(n * sizeof *row);
    float *points = stele__calloc(n, n_columns * sizeof *points);
    int32_t *known = stele__calloc(n, sizeof *known);
    int32_t *membership = stele__calloc(n, STELE__N_RESOLUTIONS * sizeof *membership);
    if (row == NULL || points == NULL || known == NULL || membership == NULL) {
        goto out;
    }
    n_rows = stele__usable_rows(x, label, n, n_columns, row);
    for (size_t i = 0; i < n_rows; i++) {
        memcpy(points + i * n_columns, x + row[i] * n_columns, n_columns * sizeof *points);
        known[i] = label[row[i]];
    }
    if (n_rows < k) {
        status = stele__diag_error(diag, STELE_E_DATA, NULL,
                                   "clustering on %zu nearest neighbours needs more than %zu "
                                   "labelled rows",
                                   k, n_rows);
        goto out;
    }
    status = stele__neighbour_graph_init(&graph, points, n_rows, n_columns, k, diag);
    if (status == STELE_OK) {
        status = stele__leiden(&graph, stele__resolutions, STELE__N_RESOLUTIONS, seed, membership,
                               NULL, diag);
    }
    if (status == STELE_OK) {
        status = find_best(membership, known, n_rows, ret, &best);
    }
    if (status == STELE_OK && ret_membership != NULL) {
        memset(ret_membership, -1, n * sizeof *ret_membership);
        for (size_t i = 0; i < n_rows; i++) {
            ret_membership[row[i]] = membership[best * n_rows + i];
        }
    }
out:
    stele__neighbour_graph_finish(&graph);
    stele__free(row);
    stele__free(points);
    stele__free(known);
    stele__free(membership);
    return status;
}
