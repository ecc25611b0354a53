/* A fusion rule at work on experts of given numbers, for tests of what a single rule computes.
 * Three rows: both experts, the second alone, nothing. What is absent is NaN, as the contract has
 * it. */
#ifndef STELE_FUSE_CASE_H
#define STELE_FUSE_CASE_H

#include "toy_specs.h"

#include <math.h>

enum { FUSE_ROWS = 3, FUSE_DIM = 2, FUSE_MOST = 4 };

static const double fuse_mean[2][FUSE_ROWS * FUSE_DIM] = { { 0.5, -1.0, NAN, NAN, NAN, NAN },
                                                           { 2.0, 0.3, -0.7, 1.1, NAN, NAN } };
static const double fuse_logvar[2][FUSE_ROWS * FUSE_DIM] = { { -1.0, 0.2, NAN, NAN, NAN, NAN },
                                                             { 0.4, -2.0, -0.6, 0.1, NAN, NAN } };
static const double fuse_present[FUSE_ROWS * 2] = { 1, 1, 0, 1, 0, 0 };

/* The posterior of the case. Its tensors live until toy_close. */
typedef struct fused {
    stele_joint joint;
    stele_dist component[FUSE_MOST];
    uint64_t subset[FUSE_MOST];
} fused;

/* Factors on precisions are exp(-0.5) and exp(0.25), or sigmoids of these numbers; none: without
 * such a parameter. */
static inline void fuse_open(toy *t, const char *fusion, fused *ret)
{
    static const double zero[FUSE_DIM] = { 0.0, 0.0 };
    const stele_shape rows = STELE__SHAPE(FUSE_ROWS, FUSE_DIM), dim = STELE__SHAPE(FUSE_DIM),
                      present = STELE__SHAPE(FUSE_ROWS, 2);
    stele_dist q[2], prior = { STELE_NORMAL, 2, { NULL } };
    open_spec(t, A B, fusion, "", STELE_F64, 1);
    if (stele__params_find(t->model.params, "fusion.precision_scale") >= 0) {
        double *scale = param(t, "fusion.precision_scale")->values;
        scale[0] = -0.5;
        scale[1] = 0.25;
    }
    toy_begin(t, 0, NULL, 0, 0);
    stele__graph_enter(t->graph, &t->model.fusion.scope);
    for (int m = 0; m < 2; m++) {
        q[m] = (stele_dist){ STELE_NORMAL, 2, { NULL } };
        q[m].p[0] = stele__graph_dense(t->graph, STELE_F64, &rows, fuse_mean[m]);
        q[m].p[1] = stele__graph_dense(t->graph, STELE_F64, &rows, fuse_logvar[m]);
    }
    prior.p[0] = prior.p[1] = stele__graph_dense(t->graph, STELE_F64, &dim, zero);
    stele_experts in = { .struct_size = sizeof in, .n = 2, .q = q, .prior = &prior };
    in.present = stele__graph_dense(t->graph, STELE_F64, &present, fuse_present);
    memset(ret, 0, sizeof *ret);
    ret->joint = (stele_joint){ .struct_size = sizeof ret->joint,
                                .capacity = FUSE_MOST,
                                .component = ret->component,
                                .subset = ret->subset };
    TOY_OK(t, t->model.fusion_vt->fuse(stele__guest_inst(t->model.fusion.guest), t->graph, &in,
                                       &ret->joint));
    stele__graph_enter(t->graph, NULL);
}

/* Element i of (rows, dimensions) of p[k] of a component. */
static inline double fuse_value(const fused *f, uint32_t component, int k, int64_t i)
{
    return ((const double *)f->component[component].p[k]->data)[i];
}

#endif
