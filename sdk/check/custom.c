/* Custom operations on copies. The host's own arrays lie side by side in one arena, where nothing shows who wrote. */
#include "custom.h"

#include "guard.h"

#include "graph/op.h"
#include "graph/ops.h"
#include "graph/tensor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the arena of the pass, as long as the node that calls it. */
typedef struct wrapped {
    stele_custom op; /* the plugin's */
    void *user;
    uint32_t dtype; /* of out */
    int64_t n_out;
    stele_custom own; /* what the host calls */
} wrapped;

enum { MOST_NAMES = 64 };

/* "input 1 of custom operation `name`", for as long as memory of that name stands. */
static const char *name_of(const wrapped *w, const char *what, uint32_t i)
{
    static char text[MOST_NAMES][128];
    static uint32_t n;
    char *ret = text[n++ % MOST_NAMES];
    const char *op = w->op.name != NULL ? w->op.name : "without a name";
    if (i == UINT32_MAX) {
        snprintf(ret, sizeof text[0], "%s of custom operation %s", what, op);
    } else {
        snprintf(ret, sizeof text[0], "%s[%u] of custom operation %s", what, i, op);
    }
    return ret;
}

static void *sealed(const void *from, size_t size, const char *name)
{
    void *to = guard_take(size, name);
    memcpy(to, from, size);
    guard_seal(to);
    return to;
}

static int64_t n_of(const stele_view *v)
{
    return v->layout == STELE_CSR ? v->row_start[v->shape.dim[0]] : stele__shape_count(&v->shape);
}

static void copy_view(const wrapped *w, const char *what, uint32_t i, const stele_view *v, stele_view *ret)
{
    const int64_t n = n_of(v);
    *ret = *v;
    ret->data = sealed(v->data, (size_t)n * stele__dtype_size(v->dtype), name_of(w, what, i));
    if (v->layout == STELE_CSR) {
        ret->row_start =
            sealed(v->row_start, (size_t)(v->shape.dim[0] + 1) * sizeof(int64_t), name_of(w, "row_start of in", i));
        ret->column = sealed(v->column, (size_t)n * sizeof(int32_t), name_of(w, "column of in", i));
    }
}

/* Views of sealed copies, until the guard's mark is freed. */
static const stele_view **copy_inputs(const wrapped *w, uint32_t n, const stele_view *const *in)
{
    stele_view *view = guard_take(n * sizeof *view, name_of(w, "the views of in", UINT32_MAX));
    const stele_view **list = guard_take(n * sizeof *list, name_of(w, "in", UINT32_MAX));
    for (uint32_t i = 0; i < n; i++) {
        copy_view(w, "in", i, in[i], &view[i]);
        list[i] = &view[i];
    }
    return list;
}

/* Twice, at either border, into something else each time: what is not written differs. */
static stele_status forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const wrapped *w = user;
    const size_t element = stele__dtype_size(w->dtype), size = (size_t)w->n_out * element;
    stele_status status = STELE_OK;
    for (int side = 1; side >= 0 && status == STELE_OK; side--) {
        const size_t mark = guard_mark();
        guard_at_beginning(side);
        const stele_view **list = copy_inputs(w, n, in);
        char *room = guard_take(size, name_of(w, "out", UINT32_MAX));
        memset(room, side == 1 ? 0x11 : 0xEE, size);
        status = w->op.forward(w->user, n, list, room);
        for (size_t i = 0; side == 0 && status == STELE_OK && i < size; i++) {
            if (room[i] != ((char *)out)[i]) {
                check_fail(check_running,
                           "custom operation %s: element %zu of out is not written, or another one in a second call",
                           w->op.name, i / element);
                break;
            }
        }
        memcpy(out, room, size);
        guard_free(check_running, mark);
        guard_at_beginning(0);
    }
    return status;
}

/* --- derivatives -------------------------------------------------------------------------------------------------- */

/* What one call of backward added to each input's derivative. */
typedef struct derivatives {
    uint32_t n;
    double **d; /* NULL: not asked for */
} derivatives;

typedef struct call {
    const wrapped *w;
    uint32_t n;
    const stele_view *const *in;
    const stele_view *out;
    const void *d_out;
    void *const *d_in; /* the host's */
} call;

static void release(derivatives *r)
{
    for (uint32_t i = 0; r->d != NULL && i < r->n; i++) {
        free(r->d[i]);
    }
    free(r->d);
}

/* d_in starts at `start`; that of input `without` is not asked for. */
static stele_status call_backward(const call *c, double start, uint32_t without, int side, derivatives *ret)
{
    const size_t mark = guard_mark();
    guard_at_beginning(side);
    const stele_view **list = copy_inputs(c->w, c->n, c->in);
    stele_view out;
    copy_view(c->w, "out", UINT32_MAX, c->out, &out);
    const void *d_out =
        sealed(c->d_out, (size_t)n_of(c->out) * stele__dtype_size(c->out->dtype), name_of(c->w, "d_out", UINT32_MAX));
    void **d = guard_take(c->n * sizeof *d, name_of(c->w, "d_in", UINT32_MAX));
    *ret = (derivatives){ c->n, calloc(c->n + 1, sizeof *ret->d) };
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->d_in[i] == NULL || i == without) {
            continue;
        }
        const int64_t n = n_of(c->in[i]);
        d[i] = guard_take((size_t)n * stele__dtype_size(c->in[i]->dtype), name_of(c->w, "d_in", i));
        for (int64_t k = 0; k < n; k++) {
            stele__put_real(c->in[i]->dtype, d[i], k, start);
        }
    }
    stele_status status = c->w->op.backward(c->w->user, c->n, list, &out, d_out, d);
    for (uint32_t i = 0; i < c->n && status == STELE_OK && ret->d != NULL; i++) {
        const int64_t n = n_of(c->in[i]);
        if (c->d_in[i] == NULL || i == without || (ret->d[i] = calloc((size_t)n + 1, sizeof(double))) == NULL) {
            continue;
        }
        for (int64_t k = 0; k < n; k++) {
            ret->d[i][k] = stele__get_real(c->in[i]->dtype, d[i], k) - start;
        }
    }
    guard_free(check_running, mark);
    guard_at_beginning(0);
    return status;
}

/* Do both calls say the same of every input that both were asked for? */
static void compare(const call *c, const derivatives *a, const derivatives *b, const char *when)
{
    for (uint32_t i = 0; i < c->n && check_running->verdict < CHECK_FAIL; i++) {
        if (a->d[i] == NULL || b->d[i] == NULL) {
            continue;
        }
        const double tolerance = c->in[i]->dtype == STELE_F64 ? 1e-9 : 1e-3;
        const int64_t n = n_of(c->in[i]);
        double scale = 3.0;
        for (int64_t k = 0; k < n; k++) {
            scale = isfinite(a->d[i][k]) ? fmax(scale, fabs(a->d[i][k])) : scale;
        }
        for (int64_t k = 0; k < n; k++) {
            if (isfinite(a->d[i][k]) && !(fabs(a->d[i][k] - b->d[i][k]) <= tolerance * scale)) {
                check_fail(check_running,
                           "backward of custom operation %s adds %.9g to d_in[%u][%lld] where that is 0, %.9g %s",
                           c->w->op.name, a->d[i][k], i, (long long)k, b->d[i][k], when);
                break;
            }
        }
    }
}

static stele_status compare_calls(const call *c, const derivatives *plain, uint32_t n_wanted)
{
    derivatives other;
    stele_status status = call_backward(c, 3.0, UINT32_MAX, 1, &other);
    if (status == STELE_OK && other.d != NULL) {
        compare(c, plain, &other, "where it is 3: it has to add, not to assign");
    }
    release(&other);
    for (uint32_t i = 0; i < c->n && status == STELE_OK && n_wanted > 1; i++) {
        static char text[256];
        if (c->d_in[i] == NULL) {
            continue;
        }
        snprintf(text, sizeof text, "backward of custom operation %s uses d_in[%u] though it is NULL: not wanted\n",
                 c->w->op.name, i);
        guard_expect_null(text);
        status = call_backward(c, 0.0, i, 0, &other);
        guard_expect_null(NULL);
        if (status == STELE_OK && other.d != NULL) {
            compare(c, plain, &other, "where another derivative is not wanted (NULL)");
        }
        release(&other);
    }
    return status;
}

static stele_status backward(void *user, uint32_t n, const stele_view *const *in, const stele_view *out,
                             const void *d_out, void *const *d_in)
{
    const call c = { user, n, in, out, d_out, d_in };
    derivatives plain;
    uint32_t n_wanted = 0;
    stele_status status = call_backward(&c, 0.0, UINT32_MAX, 0, &plain);
    for (uint32_t i = 0; i < n && status == STELE_OK && plain.d != NULL; i++) {
        n_wanted += d_in[i] != NULL;
        for (int64_t k = 0; plain.d[i] != NULL && k < n_of(in[i]); k++) {
            stele__put_real(in[i]->dtype, d_in[i], k, stele__get_real(in[i]->dtype, d_in[i], k) + plain.d[i][k]);
        }
    }
    if (status == STELE_OK && plain.d != NULL && check_running->verdict < CHECK_FAIL) {
        status = compare_calls(&c, &plain, n_wanted);
    }
    release(&plain);
    return status;
}

static stele_tensor *custom(stele_graph *g, const stele_custom *op, void *user, uint32_t n, stele_tensor *const *in,
                            const stele_shape *out)
{
    wrapped *w = stele__op_ready(g, n, in) ? stele__op_take(g, 1, sizeof *w) : NULL;
    if (w == NULL) {
        return NULL;
    }
    *w = (wrapped){ .user = user, .dtype = g->dtype, .n_out = stele__shape_count(out) };
    memcpy(&w->op, op, op->struct_size < sizeof *op ? op->struct_size : sizeof *op);
    w->own = (stele_custom){ .struct_size = sizeof w->own, .name = w->op.name, .forward = forward };
    w->own.backward = w->op.backward != NULL ? backward : NULL;
    return stele__ops.custom(g, &w->own, w, n, in, out);
}

const stele__host_tables *custom_tables(void)
{
    static stele_ops ops;
    static stele__host_tables tables;
    ops = stele__ops;
    ops.custom = custom;
    tables = *rig_tables();
    tables.ops = &ops;
    return &tables;
}
