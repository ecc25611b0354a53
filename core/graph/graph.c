#include "graph/graph.h"

#include "base/mem.h"
#include "graph/op.h"
#include "graph/params.h"
#include "graph/reduce.h"

#include <inttypes.h>
#include <string.h>

typedef struct stele__param_cache {
    struct stele__param_cache *next;
    const stele__params *owner;
    stele_tensor *tensor[]; /* one per entry, NULL until asked for */
} stele__param_cache;

stele_status stele__graph_create(stele__pool *pool, uint32_t dtype, stele_graph **ret)
{
    if (dtype != STELE_F32 && dtype != STELE_F64) {
        return STELE_E_DTYPE;
    }
    stele_graph *g = stele__calloc(1, sizeof *g);
    if (g == NULL) {
        return STELE_E_NOMEM;
    }
    g->pool = pool;
    g->dtype = dtype;
    g->n_rows = -1;
    stele__arena_init(&g->arena);
    *ret = g;
    return STELE_OK;
}

void stele__graph_destroy(stele_graph *g)
{
    if (g != NULL) {
        stele__arena_finish(&g->arena);
        stele__free(g);
    }
}

void stele__graph_begin(stele_graph *g, const stele__pass *pass)
{
    stele__arena_reset(&g->arena);
    g->pass = *pass;
    g->scope = NULL;
    g->last = NULL;
    g->n_rows = -1;
    g->data_row = NULL;
    g->sample = NULL;
    g->cache = NULL;
    g->at_start = 0;
    g->status = STELE_OK;
    g->error[0] = '\0';
    g->hint[0] = '\0';
    g->error_scope = NULL;
}

void stele__graph_enter(stele_graph *g, const stele__scope *scope)
{
    g->scope = scope;
}

void stele__graph_at_start(stele_graph *g, int on)
{
    g->at_start = on;
}

void stele__graph_rows(stele_graph *g, int64_t n, const int64_t *data_row, const uint32_t *sample)
{
    g->n_rows = -1;
    g->data_row = NULL;
    g->sample = NULL;
    if (data_row == NULL) {
        return;
    }
    int64_t *row = stele__op_take(g, (size_t)n, sizeof *row);
    uint32_t *copy = sample == NULL ? NULL : stele__op_take(g, (size_t)n, sizeof *copy);
    if (row == NULL || (sample != NULL && copy == NULL)) {
        return;
    }
    memcpy(row, data_row, (size_t)n * sizeof *row);
    if (sample != NULL) {
        memcpy(copy, sample, (size_t)n * sizeof *copy);
    }
    g->n_rows = n;
    g->data_row = row;
    g->sample = copy;
}

stele_tensor *stele__graph_dense(stele_graph *g, uint32_t dtype, const stele_shape *s,
                                 const void *data)
{
    return g->status == STELE_OK ? stele__op_alias(g, dtype, s, data) : NULL;
}

stele_tensor *stele__graph_leaf(stele_graph *g, const stele_shape *s, const void *data)
{
    stele_tensor *t = stele__graph_dense(g, g->dtype, s, data);
    if (t != NULL) {
        t->wants_gradient = g->pass.record;
    }
    return t;
}

stele_tensor *stele__graph_csr(stele_graph *g, uint32_t dtype, int64_t rows, int64_t cols,
                               const int64_t *row_start, const int32_t *column, const void *data)
{
    if (g->status != STELE_OK) {
        return NULL;
    }
    if (row_start[0] != 0 || cols > INT32_MAX) {
        return stele__op_fail(g, STELE_E_ARG, "csr: the first row starts at %" PRId64 ", not 0",
                              row_start[0]);
    }
    stele_shape s = STELE__SHAPE(rows, cols);
    stele_tensor *t = stele__op_alias(g, dtype, &s, data);
    if (t != NULL) {
        t->layout = STELE_CSR;
        t->n = row_start[rows];
        t->row_start = row_start;
        t->column = column;
    }
    return t;
}

static stele__param_cache *cache_of(stele_graph *g, stele__params *params)
{
    for (stele__param_cache *c = g->cache; c != NULL; c = c->next) {
        if (c->owner == params) {
            return c;
        }
    }
    size_t n = stele__params_count(params);
    stele__param_cache *c = stele__op_take(g, 1, sizeof *c + n * sizeof *c->tensor);
    if (c != NULL) {
        memset(c, 0, sizeof *c + n * sizeof *c->tensor);
        c->next = g->cache;
        c->owner = params;
        g->cache = c;
    }
    return c;
}

/* A parameter that the optimiser has moved within this pass is not the one that it was asked for.
 */
static stele_tensor *unstepped(stele_graph *g, stele_tensor *t)
{
    if (g->pass.step_within != NULL && t->param != NULL &&
        t->param->has_gradient == STELE__STEPPED) {
        return stele__op_fail(g, STELE_E_STATE, "param: %s is asked for after its step",
                              t->param->name);
    }
    return t;
}

stele_tensor *stele__graph_param(stele_graph *g, stele__params *params, uint32_t entry)
{
    if (g->status != STELE_OK) {
        return NULL;
    }
    stele__param *p = stele__params_entry(params, entry);
    if (p == NULL || p->values == NULL) {
        return stele__op_fail(g, STELE_E_ARG, "param: no entry %u", (unsigned)entry);
    }
    if (stele__params_dtype(params) != g->dtype) {
        return stele__op_fail(g, STELE_E_DTYPE, "param: %s is %s, the graph computes in %s",
                              p->name, stele__dtype_name(stele__params_dtype(params)),
                              stele__dtype_name(g->dtype));
    }
    if (g->at_start && p->start != NULL) {
        return stele__op_alias(g, g->dtype, &p->shape, p->start);
    }
    stele__param_cache *c = cache_of(g, params);
    if (c == NULL || c->tensor[entry] != NULL) {
        return c == NULL ? NULL : unstepped(g, c->tensor[entry]);
    }
    stele_tensor *t = stele__op_alias(g, g->dtype, &p->shape, p->values);
    if (t != NULL && p->gradient != NULL) {
        t->gradient = p->gradient;
        t->has_gradient = &p->has_gradient;
        t->param = p;
        t->wants_gradient = g->pass.record && !g->pass.fixed;
    }
    c->tensor[entry] = t;
    return t;
}

/* Everything but parameters starts afresh. */
static void forget(stele_tensor *t)
{
    if (t != NULL) {
        t->own_flag = 0;
    }
}

static stele_status walk(stele_graph *g)
{
    const stele__scope *outer = g->scope;
    stele_status status = STELE_OK;
    for (stele__tape_node *node = g->last; node != NULL && status == STELE_OK;
         node = node->previous) {
        if (!*node->out->has_gradient) {
            continue;
        }
        g->scope = node->scope;
        status = node->backward(g, node);
        if (status != STELE_OK) {
            stele__op_fail(g, status, "backward: %s", stele__status_text(status));
        }
    }
    g->scope = outer;
    return status;
}

stele_status stele__graph_backward_from(stele_graph *g, uint32_t n, stele_tensor *const *t,
                                        const void *const *gradient)
{
    if (g->status != STELE_OK) {
        return g->status;
    }
    if (!g->pass.record) {
        stele__op_fail(g, STELE_E_STATE, "backward: the pass does not record");
        return g->status;
    }
    for (stele__tape_node *node = g->last; node != NULL; node = node->previous) {
        forget(node->out);
        for (uint32_t i = 0; i < node->n; i++) {
            forget(node->in[i]);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (t[i] == NULL || t[i]->dtype != g->dtype || t[i]->layout != STELE_DENSE) {
            stele__op_fail(g, STELE_E_ARG, "backward: tensor %u carries no derivative", i);
            return g->status;
        }
        if (!t[i]->wants_gradient) {
            continue;
        }
        if (stele__grad_add(g, t[i], gradient[i]) != STELE_OK) {
            return g->status;
        }
    }
    return walk(g);
}

stele_status stele__graph_backward(stele_graph *g, stele_tensor *loss)
{
    static const float one_f32 = 1.0f;
    static const double one_f64 = 1.0;
    if (g->status != STELE_OK) {
        return g->status;
    }
    if (loss == NULL || loss->n != 1) {
        stele__op_fail(g, STELE_E_SHAPE, "backward: the loss is not a scalar");
        return g->status;
    }
    const void *one = g->dtype == STELE_F32 ? (const void *)&one_f32 : (const void *)&one_f64;
    return stele__graph_backward_from(g, 1, &loss, &one);
}

stele_status stele__graph_status(const stele_graph *g)
{
    return g->status;
}

const char *stele__graph_error(const stele_graph *g)
{
    return g->error;
}

const char *stele__graph_hint(const stele_graph *g)
{
    return g->hint;
}

const stele__scope *stele__graph_error_scope(const stele_graph *g)
{
    return g->error_scope;
}

const void *stele__tensor_data(const stele_tensor *t)
{
    return t->data;
}

const void *stele__tensor_grad(const stele_tensor *t)
{
    return *t->has_gradient ? t->gradient : NULL;
}

uint32_t stele__graph_dtype(const stele_graph *g)
{
    return g->dtype;
}

stele__pool *stele__graph_pool(const stele_graph *g)
{
    return g->pool;
}
