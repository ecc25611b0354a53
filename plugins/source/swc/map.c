/* The map of a tree: how much cable lies at which depth, and how far from the axis of depth. */
#include "swc.h"

#include <math.h>
#include <stdlib.h>

/* Edges are cut into pieces of at most a micrometre, and into no more than so many. */
#define MOST_PIECES 4096

static int64_t bin_of(double share, int64_t n)
{
    const double at = floor(share * (double)n);
    return at < 0.0 ? 0 : at < (double)n ? (int64_t)at : n - 1;
}

/* What lies outside counts to the outermost bins, so that the sum is the length. */
static void add_edge(const swc_config *c, const swc_tree *t, int32_t k, double *map)
{
    const double *a = t->node[k].x, *b = t->node[t->node[k].parent].x;
    const double length = swc_length(t, k), n = fmax(1.0, fmin(ceil(length), MOST_PIECES));
    const int along = c->depth_axis, one = (along + 1) % 3, other = (along + 2) % 3;
    for (double i = 0.5; i < n; i += 1.0) {
        double x[3];
        for (int d = 0; d < 3; d++) {
            x[d] = b[d] + (a[d] - b[d]) * (i / n);
        }
        const double depth = 0.5 * (x[along] / c->map_depth + 1.0);
        const double radius = sqrt(x[one] * x[one] + x[other] * x[other]) / c->map_radius;
        map[bin_of(depth, c->map_bins.v[0]) * c->map_bins.v[1] +
            bin_of(radius, c->map_bins.v[1])] += length / n;
    }
}

stele_status swc_map(const swc_config *c, const input *in, const swc_tree *t, float *ret)
{
    const int64_t n = c->map_bins.v[0] * c->map_bins.v[1];
    double *map = calloc((size_t)(SWC_PARTS * n), sizeof *map);
    int there[SWC_PARTS] = { 0 };
    if (map == NULL) {
        return input_nomem(in);
    }
    for (int32_t k = 1; k < t->n; k++) {
        for (int part = SWC_AXON; part < SWC_PARTS; part++) {
            if (swc_in_part(t, k, part)) {
                there[part] = 1;
                add_edge(c, t, k, map + part * n);
            }
        }
    }
    for (int part = SWC_AXON; part < SWC_PARTS; part++) {
        for (int64_t i = 0; i < n; i++) {
            const double units = floor(map[part * n + i] / c->map_unit + 0.5);
            ret[(part - SWC_AXON) * n + i] = there[part] ? (float)units : NAN;
        }
    }
    free(map);
    return STELE_OK;
}
