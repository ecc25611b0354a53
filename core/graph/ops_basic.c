#include "graph/ops.h"
#include "graph/reduce.h"

#include <string.h>

/* Operations that concern the graph itself or pass values through, and those that plugins bring
 * along. */

stele_status stele__op_status(const stele_graph *g)
{
    return g->status;
}

stele_status stele__op_shape(const stele_tensor *t, stele_shape *ret)
{
    if (t == NULL) {
        return STELE_E_ARG;
    }
    *ret = t->shape;
    return STELE_OK;
}

stele_status stele__op_view(const stele_tensor *t, stele_view *ret)
{
    if (t == NULL) {
        return STELE_E_ARG;
    }
    stele__tensor_view(t, ret);
    return STELE_OK;
}

void *stele__op_scratch(stele_graph *g, uint64_t bytes)
{
    return stele__op_take(g, bytes, 1);
}

uint32_t stele__op_dtype(const stele_graph *g)
{
    return g->dtype;
}

int32_t stele__op_training(const stele_graph *g)
{
    return g->pass.training != 0;
}

stele_tensor *stele__op_param(stele_graph *g, uint32_t id)
{
    const stele__scope *s = g->scope;
    if (g->status != STELE_OK) {
        return NULL;
    }
    if (s == NULL || id >= s->n) {
        return stele__op_fail(g, STELE_E_ARG, "param: %s has no parameter %u",
                              s == NULL ? "the graph" : s->name, (unsigned)id);
    }
    return stele__graph_param(g, s->params, s->entry[id]);
}

stele_tensor *stele__op_full(stele_graph *g, const stele_shape *s, double value)
{
    stele_tensor *out = g->status == STELE_OK ? stele__op_output(g, g->dtype, s) : NULL;
    for (int64_t i = 0; out != NULL && i < out->n; i++) {
        if (g->dtype == STELE_F32) {
            ((float *)out->data)[i] = (float)value;
        } else {
            ((double *)out->data)[i] = value;
        }
    }
    return out;
}

stele_tensor *stele__op_constant(stele_graph *g, uint32_t dtype, const stele_shape *s,
                                 const void *data)
{
    stele_tensor *out = g->status == STELE_OK ? stele__op_output(g, dtype, s) : NULL;
    if (out != NULL && out->n > 0) {
        memcpy(out->data, data, (size_t)out->n * stele__dtype_size(dtype));
    }
    return out;
}

/* --- cast --- */

#define CONVERT(from_, type_)                                                                      \
    case from_:                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = (TO)((const type_ *)x)[i];                                                      \
        }                                                                                          \
        break;
#define CONVERTER(name_, to_)                                                                      \
    static void name_(uint32_t from, int64_t n, const void *x, to_ *y)                             \
    {                                                                                              \
        typedef to_ TO;                                                                            \
        switch (from) {                                                                            \
            CONVERT(STELE_F32, float)                                                              \
            CONVERT(STELE_F64, double)                                                             \
            CONVERT(STELE_I32, int32_t)                                                            \
            CONVERT(STELE_I64, int64_t)                                                            \
        default: CONVERT(STELE_U8, uint8_t)                                                        \
        }                                                                                          \
    }
CONVERTER(to_f32, float)
CONVERTER(to_f64, double)
CONVERTER(to_i32, int32_t)
CONVERTER(to_i64, int64_t)
CONVERTER(to_u8, uint8_t)
#undef CONVERTER
#undef CONVERT

stele_tensor *stele__op_cast(stele_graph *g, stele_tensor *a, uint32_t dtype)
{
    if (!stele__op_ready(g, 1, &a) || a->dtype == dtype) {
        return g->status == STELE_OK ? a : NULL;
    }
    if ((dtype == STELE_F32 || dtype == STELE_F64) && dtype != g->dtype) {
        return stele__op_fail(g, STELE_E_DTYPE, "cast: the graph computes in %s, not %s",
                              stele__dtype_name(g->dtype), stele__dtype_name(dtype));
    }
    stele_tensor *out = a->layout == STELE_CSR ? stele__op_csr_like(g, a, dtype)
                                               : stele__op_output(g, dtype, &a->shape);
    if (out == NULL) {
        return NULL;
    }
    switch (dtype) {
    case STELE_F32: to_f32(a->dtype, a->n, a->data, out->data); break;
    case STELE_F64: to_f64(a->dtype, a->n, a->data, out->data); break;
    case STELE_I32: to_i32(a->dtype, a->n, a->data, out->data); break;
    case STELE_I64: to_i64(a->dtype, a->n, a->data, out->data); break;
    default: to_u8(a->dtype, a->n, a->data, out->data); break;
    }
    return out;
}

/* --- derivatives --- */

stele_tensor *stele__op_detach(stele_graph *g, stele_tensor *a)
{
    if (!stele__op_ready(g, 1, &a) || a->layout == STELE_CSR || !a->wants_gradient) {
        return g->status == STELE_OK ? a : NULL;
    }
    return stele__op_alias(g, a->dtype, &a->shape, a->data);
}

static stele_status scale_back(stele_graph *g, const stele__tape_node *node)
{
    const double *factor = node->saved;
    return stele__grad_reduce(g, node->in[0], &node->in[0]->shape, node->out->gradient, *factor);
}

stele_tensor *stele__op_scale_gradient(stele_graph *g, stele_tensor *a, double factor)
{
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, "scale_gradient", "a", a)) {
        return NULL;
    }
    stele_tensor *out = stele__op_alias(g, a->dtype, &a->shape, a->data);
    double *saved = stele__op_take(g, 1, sizeof *saved);
    if (out == NULL || saved == NULL) {
        return NULL;
    }
    *saved = factor;
    stele__op_record(g, out, 1, &a, scale_back, saved);
    return out;
}

/* --- custom --- */

struct custom {
    stele_custom op;
    void *user;
    const stele_view **view; /* one per input */
};

static stele_status custom_back(stele_graph *g, const stele__tape_node *node)
{
    const struct custom *c = node->saved;
    void **d = stele__op_take(g, node->n + 1, sizeof *d);
    if (d == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t i = 0; i < node->n; i++) {
        d[i] = stele__grad_zeroed(g, node->in[i]);
    }
    if (g->status != STELE_OK) { /* NULL must not read as "not wanted" when memory was short */
        return g->status;
    }
    stele_view out = { .struct_size = sizeof out };
    stele__tensor_view(node->out, &out);
    if (g->scope != NULL && g->scope->runs != NULL) {
        g->scope->runs(g->scope->user, "backward");
    }
    stele_status status = c->op.backward(c->user, node->n, c->view, &out, node->out->gradient, d);
    if (g->scope != NULL && g->scope->ran != NULL) {
        g->scope->ran(g->scope->user, "backward");
    }
    if (status != STELE_OK) {
        stele__op_fail(g, status, "%s: backward failed: %s", c->op.name,
                       stele__status_text(status));
    }
    return status;
}

static struct custom *keep_custom(stele_graph *g, const stele_custom *op, void *user, uint32_t n,
                                  stele_tensor *const *in)
{
    struct custom *c = stele__op_take(g, 1, sizeof *c);
    stele_view *view = stele__op_take(g, n + 1, sizeof *view);
    const stele_view **list = stele__op_take(g, n + 1, sizeof *list);
    if (c == NULL || view == NULL || list == NULL) {
        return NULL;
    }
    *c = (struct custom){ .user = user, .view = list };
    memcpy(&c->op, op, op->struct_size < sizeof *op ? op->struct_size : sizeof *op);
    for (uint32_t i = 0; i < n; i++) {
        view[i].struct_size = sizeof *view;
        stele__tensor_view(in[i], &view[i]);
        list[i] = &view[i];
    }
    return c;
}

stele_tensor *stele__op_custom(stele_graph *g, const stele_custom *op, void *user, uint32_t n,
                               stele_tensor *const *in, const stele_shape *shape)
{
    if (!stele__op_ready(g, n, in)) {
        return NULL;
    }
    stele_tensor *out = stele__op_output(g, g->dtype, shape);
    struct custom *c = keep_custom(g, op, user, n, in);
    if (out == NULL || c == NULL) {
        return NULL;
    }
    stele_status status = c->op.forward(user, n, c->view, out->data);
    if (status != STELE_OK) {
        return stele__op_fail(g, status, "%s: %s", c->op.name, stele__status_text(status));
    }
    if (c->op.backward != NULL) {
        stele__op_record(g, out, n, in, custom_back, c);
    }
    return out;
}
