#include "model/importance.h"

#include "graph/op.h"
#include "graph/ops.h"

#include <math.h>

static const stele_ops *const ops = &stele__ops;

static stele_status gate_back(stele_graph *g, const stele__tape_node *node)
{
    const stele__gate *gate = node->saved;
    int fresh = 0;
    const int64_t n = node->out->shape.dim[0], width = node->out->n / (n > 0 ? n : 1);
    void *to = stele__grad_open(g, node->in[0], &fresh);
    for (int64_t r = 0; to != NULL && r < n; r++) {
        double factor = 1.0;
        if (gate->factor != NULL) {
            factor =
                stele__tensor_real(gate->factor, r * gate->factor->shape.dim[1] + gate->column);
        }
        for (int64_t i = r * width; i < (r + 1) * width; i++) {
            double d = factor * stele__get_real(g->dtype, node->out->gradient, i);
            stele__put_real(g->dtype, to, i, fresh ? d : d + stele__get_real(g->dtype, to, i));
        }
    }
    return g->status;
}

stele_tensor *stele__gated(stele_graph *g, stele_tensor *a, const stele__gate *gate)
{
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, "gate", "a", a)) {
        return NULL;
    }
    stele_tensor *out = stele__op_alias(g, a->dtype, &a->shape, a->data);
    if (out != NULL) {
        stele__op_record(g, out, 1, &a, gate_back, gate);
    }
    return out;
}

stele_tensor *stele__log_mean_weight(stele_graph *g, uint32_t n_samples, stele_tensor *const *log_w,
                                     stele_tensor **ret_share)
{
    stele_tensor **column = stele__op_take(g, n_samples, sizeof(stele_tensor *));
    if (column == NULL || log_w[0] == NULL) {
        return NULL;
    }
    stele_shape shape = STELE__SHAPE(log_w[0]->n, 1);
    for (uint32_t k = 0; k < n_samples; k++) {
        column[k] = ops->reshape(g, log_w[k], &shape);
    }
    stele_tensor *all = ops->concat(g, n_samples, column, 1);
    *ret_share = ops->softmax(g, ops->detach(g, all), 1);
    return ops->shift(g, ops->logsumexp(g, all, 1, 0), -log((double)n_samples));
}
