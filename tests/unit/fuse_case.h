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
    stele_experts in;
    stele_dist q[2], prior;
    stele_joint joint;
    stele_dist component[FUSE_MOST];
    uint64_t subset[FUSE_MOST];
} fused;

/* The posterior of two experts of n rows (n, FUSE_DIM) with presence (n, 2), in a pass that has
 * begun. */
static inline void fuse_experts(toy *t, int64_t n, const double *const *mean,
                                const double *const *logvar, const double *here, fused *ret)
{
    static const double zero[FUSE_DIM] = { 0.0, 0.0 };
    const stele_shape rows = STELE__SHAPE(n, FUSE_DIM), dim = STELE__SHAPE(FUSE_DIM),
                      present = STELE__SHAPE(n, 2);
    memset(ret, 0, sizeof *ret);
    for (int m = 0; m < 2; m++) {
        ret->q[m] = (stele_dist){ STELE_NORMAL, 2, { NULL } };
        ret->q[m].p[0] = stele__graph_dense(t->graph, STELE_F64, &rows, mean[m]);
        ret->q[m].p[1] = stele__graph_dense(t->graph, STELE_F64, &rows, logvar[m]);
    }
    ret->prior = (stele_dist){ STELE_NORMAL, 2, { NULL } };
    ret->prior.p[0] = ret->prior.p[1] = stele__graph_dense(t->graph, STELE_F64, &dim, zero);
    ret->in = (stele_experts){ .struct_size = sizeof ret->in, .n = 2, .q = ret->q };
    ret->in.prior = &ret->prior;
    ret->in.present = stele__graph_dense(t->graph, STELE_F64, &present, here);
    ret->joint = (stele_joint){ .struct_size = sizeof ret->joint,
                                .capacity = FUSE_MOST,
                                .component = ret->component,
                                .subset = ret->subset };
    stele__graph_enter(t->graph, &t->model.fusion.scope);
    TOY_OK(t, t->model.fusion_vt->fuse(stele__guest_inst(t->model.fusion.guest), t->graph, &ret->in,
                                       &ret->joint));
    stele__graph_enter(t->graph, NULL);
}

/* The posterior once more, as at a step of training or in evaluation. */
static inline void fuse_step(toy *t, int training, uint64_t step, fused *ret)
{
    const double *const mean[2] = { fuse_mean[0], fuse_mean[1] };
    const double *const logvar[2] = { fuse_logvar[0], fuse_logvar[1] };
    const stele__pass evaluation = { .seed = (uint64_t)t->spec->top->seed, .step = step };
    toy_begin(t, 0, NULL, 0, step);
    if (!training) {
        stele__graph_begin(t->graph, &evaluation);
    }
    stele__graph_enter(t->graph, &t->model.fusion.scope);
    stele__graph_rows(t->graph, FUSE_ROWS, (const int64_t[FUSE_ROWS]){ 0, 1, 2 }, NULL);
    fuse_experts(t, FUSE_ROWS, mean, logvar, fuse_present, ret);
}

/* Factors on precisions are exp(-0.5) and exp(0.25), or sigmoids of these numbers; none: without
 * such a parameter. */
static inline void fuse_open(toy *t, const char *fusion, fused *ret)
{
    open_spec(t, A B, fusion, "", STELE_F64, 1);
    if (stele__params_find(t->model.params, "fusion.precision_scale") >= 0) {
        double *scale = param(t, "fusion.precision_scale")->values;
        scale[0] = -0.5;
        scale[1] = 0.25;
    }
    fuse_step(t, 0, 0, ret);
}

/* Element i of (rows, dimensions) of p[k] of a component. */
static inline double fuse_value(const fused *f, uint32_t component, int k, int64_t i)
{
    return ((const double *)f->component[component].p[k]->data)[i];
}

/* Sum over the dimensions of KL(N(m, exp(lv)) || N(pm, exp(plv))) of row r; each array is
 * (rows, dimensions), NULL for zeros. */
static inline double fuse_kl(int64_t r, const double *m, const double *lv, const double *pm,
                             const double *plv)
{
    double sum = 0.0;
    for (int64_t i = r * FUSE_DIM; i < (r + 1) * FUSE_DIM; i++) {
        double a = m != NULL ? m[i] : 0.0, b = pm != NULL ? pm[i] : 0.0;
        double la = lv != NULL ? lv[i] : 0.0, lb = plv != NULL ? plv[i] : 0.0;
        sum += 0.5 * (lb - la + (exp(la) + (a - b) * (a - b)) / exp(lb) - 1.0);
    }
    return sum;
}

/* The rule's own loss of every row, from log_px and divergences (rows, components). */
static inline void fuse_loss(toy *t, const fused *f, const double *log_px, const double *divergence,
                             double beta, double *ret)
{
    const stele_shape shape = STELE__SHAPE(FUSE_ROWS, f->joint.n);
    stele_loss_args a = { .struct_size = sizeof a, .experts = &f->in, .joint = &f->joint };
    stele_tensor *rows = NULL;
    a.log_px = stele__graph_dense(t->graph, STELE_F64, &shape, log_px);
    a.divergence = stele__graph_dense(t->graph, STELE_F64, &shape, divergence);
    a.beta = beta;
    stele__graph_enter(t->graph, &t->model.fusion.scope);
    TOY_OK(t,
           t->model.fusion_vt->loss(stele__guest_inst(t->model.fusion.guest), t->graph, &a, &rows));
    stele__graph_enter(t->graph, NULL);
    assert_int_equal(rows->shape.ndim, 1);
    memcpy(ret, rows->data, FUSE_ROWS * sizeof *ret);
}

#endif
