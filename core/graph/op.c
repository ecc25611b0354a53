#include "graph/op.h"

#include "graph/params.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int stele__op_ready(const stele_graph *g, uint32_t n, stele_tensor *const *in)
{
    if (g->status != STELE_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (in[i] == NULL) {
            return 0;
        }
    }
    return 1;
}

stele_tensor *stele__op_fail(stele_graph *g, stele_status code, const char *fmt, ...)
{
    if (g->status == STELE_OK) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(g->error, sizeof g->error, fmt, args);
        va_end(args);
        g->status = code;
        g->error_scope = g->scope;
    }
    return NULL;
}

void stele__op_hint(stele_graph *g, const char *fmt, ...)
{
    if (g->hint[0] == '\0') {
        va_list args;
        va_start(args, fmt);
        vsnprintf(g->hint, sizeof g->hint, fmt, args);
        va_end(args);
    }
}

int stele__op_real(stele_graph *g, const char *op, const char *name, const stele_tensor *t)
{
    if (t->layout != STELE_DENSE) {
        stele__op_fail(g, STELE_E_UNSUPPORTED, "%s: %s is sparse", op, name);
        return 0;
    }
    if (t->dtype != g->dtype) {
        stele__op_fail(g, STELE_E_DTYPE, "%s: %s is %s, the graph computes in %s", op, name,
                       stele__dtype_name(t->dtype), stele__dtype_name(g->dtype));
        return 0;
    }
    return 1;
}

int stele__op_index(stele_graph *g, const char *op, const char *name, const stele_tensor *t,
                    int allow_i32)
{
    if (t->layout == STELE_DENSE &&
        (t->dtype == STELE_I64 || (allow_i32 && t->dtype == STELE_I32))) {
        return 1;
    }
    stele__op_fail(g, STELE_E_DTYPE, "%s: %s is %s, not %s", op, name, stele__dtype_name(t->dtype),
                   allow_i32 ? "i32 or i64" : "i64");
    return 0;
}

int stele__op_axis(stele_graph *g, const char *op, const stele_tensor *t, int32_t axis)
{
    int32_t ndim = (int32_t)t->shape.ndim;
    if (axis < -ndim || axis >= ndim) {
        char text[STELE__SHAPE_TEXT];
        stele__op_fail(g, STELE_E_SHAPE, "%s: a is %s and has no axis %" PRId32, op,
                       stele__shape_text(&t->shape, text), axis);
        return -1;
    }
    return axis < 0 ? axis + ndim : axis;
}

void *stele__op_take(stele_graph *g, size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;
    if (!__builtin_mul_overflow(n, size, &bytes)) {
        p = stele__arena_take(&g->arena, bytes);
    }
    if (p == NULL) {
        stele__op_fail(g, STELE_E_NOMEM, "out of memory: %zu elements of %zu bytes", n, size);
    }
    return p;
}

stele_tensor *stele__op_alias(stele_graph *g, uint32_t dtype, const stele_shape *s,
                              const void *data)
{
    int64_t n = stele__shape_count(s);
    if (n < 0 || stele__dtype_size(dtype) == 0) {
        char text[STELE__SHAPE_TEXT];
        return stele__op_fail(g, n < 0 ? STELE_E_SHAPE : STELE_E_DTYPE,
                              "tensor: no tensor of shape %s and type %s",
                              stele__shape_text(s, text), stele__dtype_name(dtype));
    }
    stele_tensor *t = stele__op_take(g, 1, sizeof *t);
    if (t != NULL) {
        *t = (stele_tensor){
            .graph = g, .dtype = dtype, .layout = STELE_DENSE, .shape = *s, .n = n
        };
        t->data = (void *)(uintptr_t)data;
        t->has_gradient = &t->own_flag;
    }
    return t;
}

stele_tensor *stele__op_output(stele_graph *g, uint32_t dtype, const stele_shape *s)
{
    stele_tensor *t = stele__op_alias(g, dtype, s, NULL);
    if (t != NULL) {
        t->data = stele__op_take(g, (size_t)t->n, stele__dtype_size(dtype));
    }
    return t == NULL || t->data == NULL ? NULL : t;
}

stele_tensor *stele__op_csr_like(stele_graph *g, const stele_tensor *a, uint32_t dtype)
{
    stele_tensor *t = stele__op_take(g, 1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    *t = *a;
    t->dtype = dtype;
    t->gradient = NULL;
    t->has_gradient = &t->own_flag;
    t->own_flag = 0;
    t->wants_gradient = 0;
    t->data = stele__op_take(g, (size_t)t->n, stele__dtype_size(dtype));
    return t->data == NULL ? NULL : t;
}

int stele__op_recorded(const stele_graph *g, uint32_t n, stele_tensor *const *in)
{
    for (uint32_t i = 0; i < n && g->pass.record; i++) {
        if (in[i] != NULL && in[i]->wants_gradient) {
            return 1;
        }
    }
    return 0;
}

void stele__op_record(stele_graph *g, stele_tensor *out, uint32_t n, stele_tensor *const *in,
                      stele__backward_fn backward, const void *saved)
{
    if (!stele__op_recorded(g, n, in)) {
        return;
    }
    stele__tape_node *node = stele__op_take(g, 1, sizeof *node + n * sizeof *node->in);
    if (node == NULL) {
        return;
    }
    *node = (stele__tape_node){ .previous = g->last,
                                .backward = backward,
                                .saved = saved,
                                .scope = g->scope,
                                .out = out,
                                .n = n };
    if (n > 0) {
        memcpy(node->in, in, n * sizeof *in);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (in[i] != NULL) {
            in[i]->uses++;
        }
    }
    out->wants_gradient = 1;
    g->last = node;
}

void *stele__grad_reserve(stele_graph *g, stele_tensor *t)
{
    if (t->gradient == NULL) {
        t->gradient = stele__op_take(g, (size_t)t->n, stele__dtype_size(t->dtype));
    }
    return t->gradient;
}

void *stele__grad_open(stele_graph *g, stele_tensor *t, int *ret_fresh)
{
    if (t == NULL || !t->wants_gradient || stele__grad_reserve(g, t) == NULL) {
        return NULL;
    }
    if (*t->has_gradient == STELE__STEPPED) {
        stele__op_fail(g, STELE_E_STATE, "%s: a derivative arrives after its step", t->param->name);
        return NULL;
    }
    *ret_fresh = !*t->has_gradient;
    *t->has_gradient = 1;
    return t->gradient;
}

struct blocks {
    void (*fn)(void *user, int64_t block);
    void *user;
};

static void one_block(void *ctx, size_t task, unsigned thread)
{
    const struct blocks *b = ctx;
    (void)thread;
    b->fn(b->user, (int64_t)task);
}

void stele__op_blocks(stele_graph *g, int64_t n_blocks, void (*fn)(void *user, int64_t block),
                      void *user)
{
    struct blocks b = { .fn = fn, .user = user };
    if (n_blocks == 1) { /* small tensors do not wake the pool */
        fn(user, 0);
    } else if (n_blocks > 1) {
        stele__pool_run(g->pool, (size_t)n_blocks, one_block, &b);
    }
}

/* A wide first layer is many megabytes, so the pool clears it. */
#define CLEAR ((size_t)1 << 20)

struct clearing {
    char *data;
    size_t size;
};

static void clear_block(void *user, int64_t block)
{
    const struct clearing *c = user;
    const size_t begin = (size_t)block * CLEAR;
    memset(c->data + begin, 0, c->size - begin < CLEAR ? c->size - begin : CLEAR);
}

void *stele__grad_zeroed(stele_graph *g, stele_tensor *t)
{
    int fresh = 0;
    void *d = stele__grad_open(g, t, &fresh);
    if (d != NULL && fresh) {
        struct clearing c = { .data = d, .size = (size_t)t->n * stele__dtype_size(t->dtype) };
        stele__op_blocks(g, stele__n_blocks((int64_t)c.size, CLEAR), clear_block, &c);
    }
    return d;
}

void stele__grad_measured(stele_tensor *t, size_t n, const double *squares)
{
    if (t->param != NULL) {
        t->param->squares = 0.0;
        for (size_t i = 0; i < n; i++) {
            t->param->squares += squares[i];
        }
        *t->has_gradient = STELE__MEASURED;
    }
}
