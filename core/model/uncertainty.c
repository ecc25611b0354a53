#include "model/uncertainty.h"

#include "graph/ops.h"
#include "model/own_scope.h"

#include <math.h>

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

static double real_of(const stele__model *m, const stele__uncertainty *u)
{
    const stele__param *p = stele__params_entry(m->params, u->at.entry);
    return stele__params_dtype(m->params) == STELE_F64 ? ((const double *)p->values)[0]
                                                       : (double)((const float *)p->values)[0];
}

void stele__uncertainty_warn(const stele__model *m, stele__diag *diag)
{
    for (uint32_t h = 0; h < m->n_heads; h++) {
        const stele__uncertainty *u = &m->head[h].uncertainty;
        if (u->learned && real_of(m, u) < 0.5 - MOST_LOG_VARIANCE) {
            stele__diag_warning(diag, NULL,
                                "%s.uncertainty: the learned weight has grown to the most "
                                "there is, %.0f times `weight`: of losses below 0, as a density "
                                "that gets narrow has, there is no best one",
                                m->head[h].name, exp(MOST_LOG_VARIANCE));
            stele__diag_hint(diag, "write `uncertainty: fixed` and a `weight`");
        }
    }
}
