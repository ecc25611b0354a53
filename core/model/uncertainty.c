#include "model/uncertainty.h"

#include "base/mem.h"
#include "base/str.h"
#include "graph/noise.h"
#include "graph/op.h"
#include "graph/ops.h"

static const stele_ops *const ops = &stele__ops;

/* The one parameter of an uncertainty's scope. */
enum { LOG_VARIANCE = 0 };

#define MOST_LOG_VARIANCE 5.0

stele_status stele__uncertainty_build(stele__model *m, uint32_t h, stele__diag *diag)
{
    stele__head *head = &m->head[h];
    stele__uncertainty *u = &head->uncertainty;
    if (!u->learned) {
        return STELE_OK;
    }
    stele__str name, full;
    stele__str_init(&name);
    stele__str_init(&full);
    stele__str_printf(&name, "%s.uncertainty", head->name);
    stele__str_printf(&full, "%s.uncertainty.log_variance", head->name);
    u->name = stele__str_take(&name);
    char *parameter = stele__str_take(&full);
    stele_status status = u->name != NULL && parameter != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        stele__declaration d = { .name = parameter,
                                 .shape = STELE__SHAPE(1),
                                 .kind = STELE__TRAINED,
                                 .init = STELE_INIT_ZERO,
                                 .group = STELE__GROUP_MODEL };
        status = stele__params_declare(m->params, &d, &u->entry, diag);
        u->scope = (stele__scope){ .name = u->name,
                                   .purpose = stele__noise_hash(u->name),
                                   .params = m->params,
                                   .entry = &u->entry,
                                   .n = 1 };
    }
    stele__free(parameter);
    return status;
}

stele_tensor *stele__uncertain(const stele__model *m, stele_graph *g, uint32_t h,
                               stele_tensor *mean)
{
    const stele__uncertainty *u = &m->head[h].uncertainty;
    const stele_shape scalar = { 0, 0, { 0 } };
    if (!u->learned) {
        return mean;
    }
    stele__graph_enter(g, &u->scope);
    stele_tensor *s = ops->reshape(g, ops->param(g, LOG_VARIANCE), &scalar);
    s = ops->clamp(g, s, -MOST_LOG_VARIANCE, MOST_LOG_VARIANCE);
    stele_tensor *weight = ops->exp(g, ops->scale(g, s, -1.0));
    stele_tensor *all = ops->add(g, ops->mul(g, weight, mean), ops->scale(g, s, 0.5));
    stele__graph_enter(g, NULL);
    return all;
}
