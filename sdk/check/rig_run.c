/* One run of a rig, its outputs as numbers, its derivatives. */
#include "rig.h"

#include "base/mem.h"
#include "graph/op.h"

#include <math.h>
#include <string.h>

/* Unequal weights without a pattern that symmetric mistakes could hide in. */
static double weight_of(int64_t i)
{
    double x = 0.6180339887498949 * (double)(i + 1);
    return 0.5 + (x - floor(x));
}

static const double *gathered(stele_graph *g, const rig_input *in, int64_t n, const int64_t *index)
{
    if (!in->per_row || index == NULL) {
        return in->value;
    }
    double *v = stele__op_take(g, (size_t)(n * in->width) + 1, sizeof *v);
    for (int64_t i = 0; v != NULL && i < n; i++) {
        memcpy(v + i * in->width, in->value + index[i] * in->width, (size_t)in->width * sizeof *v);
    }
    return v;
}

static stele_status call(rig *r, int64_t n, const int64_t *index, rig_result *ret)
{
    stele_graph *g = r->graph;
    const double *value[RIG_MOST_INPUTS];
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        rig_input *in = &r->input[i];
        stele_shape s = in->shape;
        s.dim[0] = in->per_row ? n : s.dim[0];
        value[i] = gathered(g, in, n, index);
        r->leaf[i] = value[i] != NULL ? rig_constant(g, &s, value[i]) : NULL;
        if (r->leaf[i] == NULL) {
            return STELE_E_NOMEM;
        }
        r->leaf[i]->wants_gradient = in->differentiable ? g->pass.record : 0;
    }
    if (index != NULL) {
        stele__graph_rows(g, n, index, NULL);
    }
    stele__graph_enter(g, &r->scope);
    stele_status status;
    switch (r->plugin->desc.kind) {
    case STELE_MODALITY: status = rig_modality(r, g, n, r->leaf, value, ret); break;
    case STELE_FUSION: status = rig_fusion(r, g, n, index, r->leaf, ret); break;
    default: status = rig_head(r, g, n, index, r->leaf, ret); break;
    }
    stele__graph_enter(g, NULL);
    return status;
}

static stele_status copy_outputs(rig *r, rig_result *ret)
{
    for (uint32_t i = 0; i < ret->n; i++) {
        rig_output *o = &ret->out[i];
        if (o->t == NULL || o->t->layout != STELE_DENSE || o->t->dtype != r->plan.dtype) {
            return stele__diag_error(&r->diag, STELE_E_INTERNAL, NULL, "gave no tensor for the %s", o->name);
        }
        o->rows = o->t->shape.ndim > 0 ? o->t->shape.dim[0] : 1;
        o->width = o->rows > 0 ? o->t->n / o->rows : 0;
        o->value = stele__malloc((size_t)o->t->n * sizeof(double) + 1);
        if (o->value == NULL) {
            return STELE_E_NOMEM;
        }
        for (int64_t k = 0; k < o->t->n; k++) {
            o->value[k] =
                r->plan.dtype == STELE_F64 ? ((const double *)o->t->data)[k] : (double)((const float *)o->t->data)[k];
        }
    }
    return STELE_OK;
}

stele_status rig_run(rig *r, int64_t n, const int64_t *index, int record, rig_result *ret)
{
    stele__pass pass = { .training = r->plan.training, .record = (uint32_t)record };
    pass.seed = 11 + r->plan.pass;
    pass.step = 3 + r->plan.pass;
    memset(ret, 0, sizeof *ret);
    stele__graph_begin(r->graph, &pass);
    stele_status status = call(r, n, index, ret);
    if (stele__graph_status(r->graph) != STELE_OK) {
        stele__diag_error(&r->diag, stele__graph_status(r->graph), NULL, "%s", stele__graph_error(r->graph));
        status = stele__graph_status(r->graph);
    } else if (status != STELE_OK && r->diag.n_errors == 0) {
        status = stele__guest_check(r->guest, "a compute slot", status, &r->diag);
    }
    return status == STELE_OK ? copy_outputs(r, ret) : status;
}

void rig_result_finish(rig_result *ret)
{
    for (uint32_t i = 0; i < ret->n; i++) {
        stele__free(ret->out[i].value);
    }
    memset(ret, 0, sizeof *ret);
}

int rig_compute(rig *r, int64_t n, const int64_t *index, int record, rig_result *ret)
{
    stele_status status = rig_run(r, n, index, record, ret);
    if (status != STELE_OK) {
        check_fail(r->t, "computing %lld rows%s failed: %s", (long long)n,
                   r->plan.own > 0 ? " with a private latent (private_dim in create, z longer by as much)" : "",
                   rig_message(r));
        rig_result_finish(ret);
    }
    return status == STELE_OK;
}

double rig_objective(const rig_result *res)
{
    double sum = 0.0;
    int64_t k = 0;
    for (uint32_t i = 0; i < res->n; i++) {
        for (int64_t e = 0; e < res->out[i].rows * res->out[i].width; e++) {
            sum += weight_of(k++) * res->out[i].value[e];
        }
    }
    return sum;
}

stele_status rig_backward(rig *r, const rig_result *res, const double **ret)
{
    stele_tensor *t[RIG_MOST_OUTPUTS];
    const void *gradient[RIG_MOST_OUTPUTS];
    int64_t k = 0;
    for (uint32_t i = 0; i < res->n; i++) {
        int64_t n = res->out[i].t->n;
        double *w = rig_take(r, (size_t)n * sizeof *w + 1);
        for (int64_t e = 0; e < n; e++) {
            double v = weight_of(k++);
            if (r->plan.dtype == STELE_F64) {
                w[e] = v;
            } else {
                ((float *)w)[e] = (float)v;
            }
        }
        t[i] = res->out[i].t;
        gradient[i] = w;
    }
    stele__params_begin_gradient(r->params);
    stele_status status = stele__graph_backward_from(r->graph, res->n, t, gradient);
    stele__params_end_gradient(r->params);
    if (status != STELE_OK) {
        stele__diag_error(&r->diag, status, NULL, "%s", stele__graph_error(r->graph));
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        const void *d = r->leaf[i]->wants_gradient ? stele__tensor_grad(r->leaf[i]) : NULL;
        double *copy = d != NULL ? rig_take(r, (size_t)r->leaf[i]->n * sizeof *copy + 1) : NULL;
        for (int64_t e = 0; copy != NULL && e < r->leaf[i]->n; e++) {
            copy[e] = r->plan.dtype == STELE_F64 ? ((const double *)d)[e] : (double)((const float *)d)[e];
        }
        ret[i] = copy;
    }
    return status;
}

int rig_takes_experts(check_trial *t)
{
    rig r;
    rig_plan plan = { .raw = 1 };
    stele_status status = rig_try(t, &plan, &r);
    rig_finish(&r);
    return status != STELE_E_SHAPE && status != STELE_E_UNSUPPORTED && status != STELE_E_OPTION;
}

int rig_takes_sparse(check_trial *t)
{
    rig r;
    rig_plan plan = { .layout = STELE_CSR };
    rig_result res = { 0 };
    int takes = rig_try(t, &plan, &r) == STELE_OK && r.field.sample.ndim <= RIG_SPARSE_DIMS &&
                rig_run(&r, r.plan.rows, NULL, 0, &res) == STELE_OK;
    rig_result_finish(&res);
    rig_finish(&r);
    return takes;
}
