#include "eval/neighbour_graph.h"

#include "base/mem.h"
#include "eval/knn.h"

#include <math.h>
#include <string.h>

static double sum_of_weights(const double *distance, size_t m, double rho, double sigma)
{
    double sum = 0.0;
    for (size_t j = 0; j < m; j++) {
        double beyond = distance[j] - rho;
        sum += beyond > 0.0 ? exp(-beyond / sigma) : 1.0;
    }
    return sum;
}

/* Bisection with an open upper end, and a floor for points that lie on top of each other: both as
 * in umap-learn's smooth_knn_dist. */
static double find_sigma(const double *distance, size_t m, double rho, double mean_of_all)
{
    const double target = log2((double)(m + 1)), tolerance = 1e-5, floor_scale = 1e-3;
    double low = 0.0, high = INFINITY, sigma = 1.0, mean = 0.0;
    for (int i = 0; i < 64; i++) {
        double excess = sum_of_weights(distance, m, rho, sigma) - target;
        if (fabs(excess) < tolerance) {
            break;
        }
        *(excess > 0.0 ? &high : &low) = sigma;
        sigma = isinf(high) ? 2.0 * sigma : 0.5 * (low + high);
    }
    for (size_t j = 0; j < m; j++) {
        mean += distance[j] / (double)(m + 1);
    }
    return fmax(sigma, floor_scale * (rho > 0.0 ? mean : mean_of_all));
}

/* distance[n, m] is replaced by the weight that each row gives its neighbours. */
static void weigh(double *distance, size_t n, size_t m)
{
    double mean_of_all = 0.0;
    for (size_t i = 0; i < n * m; i++) {
        mean_of_all += distance[i];
    }
    mean_of_all /= (double)(n * (m + 1));
    for (size_t i = 0; i < n; i++) {
        double *d = distance + i * m;
        double rho = 0.0;
        for (size_t j = 0; j < m && rho == 0.0; j++) {
            rho = d[j];
        }
        double sigma = find_sigma(d, m, rho, mean_of_all);
        for (size_t j = 0; j < m; j++) {
            double beyond = d[j] - rho;
            d[j] = beyond > 0.0 && sigma > 0.0 ? exp(-beyond / sigma) : 1.0;
        }
    }
}

/* The weight that `row` gives `other`, 0 if that is none of its neighbours. */
static double given(const int32_t *index, const double *weight, size_t m, size_t row, int32_t other)
{
    for (size_t j = 0; j < m; j++) {
        if (index[row * m + j] == other) {
            return weight[row * m + j];
        }
    }
    return 0.0;
}

/* An edge found from both ends is taken at its lower one. */
static void join(stele__neighbour_graph *graph, const int32_t *index, const double *weight,
                 size_t m)
{
    for (size_t i = 0; i < graph->n; i++) {
        for (size_t j = 0; j < m; j++) {
            int32_t other = index[i * m + j];
            double a = weight[i * m + j];
            double b = given(index, weight, m, (size_t)other, (int32_t)i);
            double joint = a + b - a * b;
            if ((b > 0.0 && (size_t)other < i) || joint <= 0.0) {
                continue;
            }
            graph->from[graph->n_edges] = (int32_t)i;
            graph->to[graph->n_edges] = other;
            graph->weight[graph->n_edges] = joint;
            graph->n_edges++;
        }
    }
}

stele_status stele__neighbour_graph_init(stele__neighbour_graph *graph, const float *x, size_t n,
                                         size_t n_columns, size_t k, stele__diag *diag)
{
    memset(graph, 0, sizeof *graph);
    if (k < 2 || n < k) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "a graph of %zu nearest neighbours needs more than %zu rows", k,
                                 n);
    }
    size_t m = k - 1;
    int32_t *index = stele__calloc(n, m * sizeof *index);
    double *distance = stele__calloc(n, m * sizeof *distance);
    graph->n = n;
    graph->from = stele__calloc(n, m * sizeof *graph->from);
    graph->to = stele__calloc(n, m * sizeof *graph->to);
    graph->weight = stele__calloc(n, m * sizeof *graph->weight);
    stele_status status = index != NULL && distance != NULL && graph->from != NULL &&
                                  graph->to != NULL && graph->weight != NULL
                              ? STELE_OK
                              : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__knn_search(x, n, x, n, n_columns, m, 1, index, distance, diag);
    }
    if (status == STELE_OK) {
        weigh(distance, n, m);
        join(graph, index, distance, m);
    }
    stele__free(index);
    stele__free(distance);
    return status;
}

void stele__neighbour_graph_finish(stele__neighbour_graph *graph)
{
    stele__free(graph->from);
    stele__free(graph->to);
    stele__free(graph->weight);
    memset(graph, 0, sizeof *graph);
}
