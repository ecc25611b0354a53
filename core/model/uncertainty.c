#include "model/uncertainty.h"

#include "graph/ops.h"
#include "model/own_scope.h"

static const stele_ops *const ops = &stele__ops;

#define MOST_LOG_VARIANCE 5.0

stele_status stele__uncertainty_build(stele__model *m, uint32_t h, stele__diag *diag)
{
    stele__head *head = &m->head[h];
    stele__uncertainty *u = &head->uncertainty;
    if (!u->learned) {
        return STELE_OK;
    }
    return stele__own_scope_build(m, head->name, "uncertainty", 1, &u->at, diag);
}

stele_tensor *stele__uncertain(const stele__model *m, stele_graph *g, uint32_t h,
                               stele_tensor *mean)
{
    const stele__uncertainty *u = &m->head[h].uncertainty;
    const stele_shape scalar = { 0, 0, { 0 } };
    if (!u->learned) {
        return mean;
    }
    stele__graph_enter(g, &u->at.scope);
    stele_tensor *s = ops->reshape(g, ops->param(g, STELE__LOG_VARIANCE), &scalar);
    s = ops->clamp(g, s, -MOST_LOG_VARIANCE, MOST_LOG_VARIANCE);
    stele_tensor *weight = ops->exp(g, ops->scale(g, s, -1.0));
    stele_tensor *all = ops->add(g, ops->mul(g, weight, mean), ops->scale(g, s, 0.5));
    stele__graph_enter(g, NULL);
    return all;
}
