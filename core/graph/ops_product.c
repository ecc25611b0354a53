#include "graph/ops.h"
#include "graph/product.h"
#include "graph/reduce.h"
#include "graph/step.h"
#include "kernels/csr.h"

#include <string.h>

/* Matrix products: linear (dense or sparse input) and matmul. */

struct run {
    int64_t rows, n, per_block;
    const void *x, *w, *bias, *dy;
    void *y;
    stele__csr csr;
    stele__csr_out out;
};

#define STELE__BOTH "graph/ops_product.inc"
#include "graph/both.h"

/* --- linear --- */

static stele_status bias_back(stele_graph *g, stele_tensor *bias, const stele_tensor *out)
{
    int fresh = 0;
    void *d = stele__grad_open(g, bias, &fresh);
    if (d == NULL) {
        return bias == NULL || !bias->wants_gradient ? STELE_OK : STELE_E_NOMEM;
    }
    return stele__reduce_sum(g, 1, out->n / bias->n, bias->n, out->gradient, 1.0, !fresh, d);
}

static stele_status linear_back(stele_graph *g, const stele__tape_node *node)
{
    stele_tensor *x = node->in[0], *w = node->in[1];
    const stele_tensor *out = node->out;
    int64_t in = w->shape.dim[0], n = w->shape.dim[1], rows = n == 0 ? 0 : out->n / n;
    int fresh = 0;
    void *d = stele__grad_open(g, x, &fresh);
    if (d != NULL) {
        stele__product(g, 0, 1, rows, in, n, out->gradient, w->data, !fresh, d);
    }
    d = stele__grad_open(g, w, &fresh);
    if (d != NULL) {
        stele__product(g, 1, 0, in, n, rows, x->data, out->gradient, !fresh, d);
    }
    return g->status == STELE_OK ? bias_back(g, node->in[2], out) : g->status;
}

static stele__csr pattern(const stele_tensor *x)
{
    return (stele__csr){ .n_rows = (size_t)x->shape.dim[0],
                         .n_columns = (size_t)x->shape.dim[1],
                         .row_start = x->row_start,
                         .column = x->column };
}

/* The optimiser's step on a layer while its derivative is formed. */
struct stepped {
    stele__stepping step;
    size_t width;
};

static void step_columns(void *ctx, size_t first, size_t n, const void *dw)
{
    const struct stepped *s = ctx;
    stele__step_part(&s->step, first * s->width, n * s->width, dw);
}

static stele_status linear_csr_back(stele_graph *g, const stele__tape_node *node)
{
    const stele_tensor *x = node->in[0];
    stele_tensor *w = node->in[1];
    struct run r = { .n = w->shape.dim[1], .x = x->data, .dy = node->out->gradient };
    if (w->wants_gradient) {
        struct stepped s = { .width = (size_t)r.n };
        int fresh = 0, step = stele__step_begin(g, w, 1, &s.step);
        r.csr = pattern(x);
        r.out.lddw = (size_t)r.n;
        if (step) {
            r.out.use = step_columns;
            r.out.ctx = &s;
            r.out.ahead[0] = s.step.w;
            r.out.ahead[1] = s.step.m;
            r.out.ahead[2] = s.step.v;
            r.out.phase = stele__step_phase(&s.step, 0);
        } else if ((r.out.dw = stele__grad_open(g, w, &fresh)) == NULL) {
            return g->status;
        }
        r.out.add = !fresh;
        size_t n_parts = stele__csr_parts(r.csr.n_columns);
        size_t bytes = stele__csr_weight_scratch(&r.csr, (size_t)r.n, stele__dtype_size(g->dtype),
                                                 stele__pool_threads(g->pool));
        void *scratch = stele__op_take(g, bytes, 1);
        r.out.ret_squares = stele__op_take(g, n_parts, sizeof(double));
        if (r.out.ret_squares == NULL || scratch == NULL) {
            return g->status;
        }
        STELE__PICK(g, csr_weight)(g->pool, &r, scratch);
        (step ? stele__step_end : stele__grad_measured)(w, n_parts, r.out.ret_squares);
    }
    return g->status == STELE_OK ? bias_back(g, node->in[2], node->out) : g->status;
}

static stele_tensor *linear_csr(stele_graph *g, struct run *r, stele_tensor *out,
                                stele_tensor *const *in)
{
    r->csr = pattern(in[0]);
    if (!stele__csr_valid(&r->csr)) {
        return stele__op_fail(g, STELE_E_DATA, "linear: a column of the sparse x is out of range");
    }
    size_t bytes = stele__csr_scratch(&r->csr, (size_t)r->n, stele__dtype_size(g->dtype));
    void *scratch = stele__op_take(g, bytes, 1);
    if (scratch == NULL) {
        return NULL;
    }
    STELE__PICK(g, csr_forward)(g->pool, r, scratch);
    stele__op_record(g, out, 3, in, linear_csr_back, NULL);
    return out;
}

static int linear_fits(stele_graph *g, const stele_tensor *x, const stele_tensor *w,
                       const stele_tensor *bias)
{
    char tx[STELE__SHAPE_TEXT], tw[STELE__SHAPE_TEXT];
    if (!stele__op_real(g, "linear", "w", w) ||
        (bias != NULL && !stele__op_real(g, "linear", "bias", bias))) {
        return 0;
    }
    if (x->layout == STELE_DENSE ? !stele__op_real(g, "linear", "x", x) : x->dtype != g->dtype) {
        stele__op_fail(g, STELE_E_DTYPE, "linear: x is %s, the graph computes in %s",
                       stele__dtype_name(x->dtype), stele__dtype_name(g->dtype));
        return 0;
    }
    stele__shape_text(&x->shape, tx);
    stele__shape_text(&w->shape, tw);
    if (x->shape.ndim == 0 || w->shape.ndim != 2) {
        stele__op_fail(g, STELE_E_SHAPE, "linear: x is %s, w is %s", tx, tw);
        return 0;
    }
    int64_t last = x->shape.dim[x->shape.ndim - 1];
    if (last != w->shape.dim[0]) {
        stele__op_fail(g, STELE_E_SHAPE, "linear: x is %s, w is %s: %lld is not %lld", tx, tw,
                       (long long)last, (long long)w->shape.dim[0]);
        return 0;
    }
    if (bias != NULL && (bias->shape.ndim != 1 || bias->n != w->shape.dim[1])) {
        stele__op_fail(g, STELE_E_SHAPE, "linear: w is %s, bias is %s", tw,
                       stele__shape_text(&bias->shape, tx));
        return 0;
    }
    return 1;
}

stele_tensor *stele__op_linear(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias)
{
    stele_tensor *in[3] = { x, w, bias };
    if (!stele__op_ready(g, 2, in) || !linear_fits(g, x, w, bias)) {
        return NULL;
    }
    stele_shape shape = x->shape;
    shape.dim[shape.ndim - 1] = w->shape.dim[1];
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    if (out == NULL) {
        return NULL;
    }
    out->weight = w->param;
    int64_t n = w->shape.dim[1];
    struct run r = { .rows = n == 0 ? 0 : out->n / n,
                     .n = n,
                     .x = x->data,
                     .w = w->data,
                     .bias = bias == NULL ? NULL : bias->data,
                     .y = out->data };
    if (x->layout == STELE_CSR) {
        return linear_csr(g, &r, out, in);
    }
    stele__product(g, 0, 0, r.rows, n, w->shape.dim[0], x->data, w->data, 0, out->data);
    if (bias != NULL) {
        r.per_block = n >= STELE__BLOCK ? 1 : STELE__BLOCK / (n < 1 ? 1 : n);
        stele__op_blocks(g, stele__n_blocks(r.rows, r.per_block), STELE__PICK(g, bias_block), &r);
    }
    stele__op_record(g, out, 3, in, linear_back, NULL);
    return out;
}

/* --- matmul --- */

struct matmul {
    int64_t batch, m, n, k; /* b is shared by the whole batch if b_step is 0 */
    int64_t a_step, b_step;
    int ta, tb;
};

static const void *at(stele_graph *g, const void *base, int64_t element)
{
    return (const char *)base + element * (int64_t)stele__dtype_size(g->dtype);
}

static void *at_mutable(stele_graph *g, void *base, int64_t element)
{
    return (char *)base + element * (int64_t)stele__dtype_size(g->dtype);
}

static stele_status matmul_back(stele_graph *g, const stele__tape_node *node)
{
    const struct matmul *s = node->saved;
    stele_tensor *a = node->in[0], *b = node->in[1];
    const void *dc = node->out->gradient;
    int fresh = 0;
    void *d = stele__grad_open(g, a, &fresh);
    for (int64_t i = 0; d != NULL && i < s->batch; i++) {
        const void *dci = at(g, dc, i * s->m * s->n), *bi = at(g, b->data, i * s->b_step);
        void *di = at_mutable(g, d, i * s->a_step);
        if (s->ta) {
            stele__product(g, s->tb, 1, s->k, s->m, s->n, bi, dci, !fresh, di);
        } else {
            stele__product(g, 0, !s->tb, s->m, s->k, s->n, dci, bi, !fresh, di);
        }
    }
    d = stele__grad_open(g, b, &fresh);
    for (int64_t i = 0; d != NULL && i < s->batch; i++) {
        const void *dci = at(g, dc, i * s->m * s->n), *ai = at(g, a->data, i * s->a_step);
        void *di = at_mutable(g, d, i * s->b_step);
        int add = !fresh || (s->b_step == 0 && i > 0);
        if (s->tb) {
            stele__product(g, 1, s->ta, s->n, s->k, s->m, dci, ai, add, di);
        } else {
            stele__product(g, !s->ta, 0, s->k, s->n, s->m, ai, dci, add, di);
        }
    }
    return g->status;
}

static stele_tensor *matmul_error(stele_graph *g, const stele_tensor *a, const stele_tensor *b)
{
    char ta[STELE__SHAPE_TEXT], tb[STELE__SHAPE_TEXT];
    return stele__op_fail(g, STELE_E_SHAPE, "matmul: a is %s, b is %s",
                          stele__shape_text(&a->shape, ta), stele__shape_text(&b->shape, tb));
}

/* Sizes of the product; 0 if the shapes do not fit. */
static int matmul_sizes(const stele_tensor *a, const stele_tensor *b, struct matmul *s)
{
    uint32_t na = a->shape.ndim, nb = b->shape.ndim;
    if (na < 2 || nb < 2 || (nb != 2 && nb != na)) {
        return 0;
    }
    s->batch = 1;
    for (uint32_t d = 0; d + 2 < na; d++) {
        if (nb == na && a->shape.dim[d] != b->shape.dim[d]) {
            return 0;
        }
        s->batch *= a->shape.dim[d];
    }
    s->m = a->shape.dim[na - (s->ta ? 1 : 2)];
    s->k = a->shape.dim[na - (s->ta ? 2 : 1)];
    s->n = b->shape.dim[nb - (s->tb ? 2 : 1)];
    s->a_step = s->m * s->k;
    s->b_step = nb == 2 ? 0 : s->k * s->n;
    return s->k == b->shape.dim[nb - (s->tb ? 1 : 2)];
}

stele_tensor *stele__op_matmul(stele_graph *g, stele_tensor *a, stele_tensor *b,
                               int32_t transpose_a, int32_t transpose_b)
{
    stele_tensor *in[2] = { a, b };
    struct matmul *s;
    if (!stele__op_ready(g, 2, in) || !stele__op_real(g, "matmul", "a", a) ||
        !stele__op_real(g, "matmul", "b", b) || (s = stele__op_take(g, 1, sizeof *s)) == NULL) {
        return NULL;
    }
    *s = (struct matmul){ .ta = transpose_a != 0, .tb = transpose_b != 0 };
    if (!matmul_sizes(a, b, s)) {
        return matmul_error(g, a, b);
    }
    if (s->b_step == 0 && !s->ta) { /* one tall product instead of many */
        s->m *= s->batch;
        s->batch = 1;
    }
    stele_shape shape = a->shape;
    shape.dim[shape.ndim - 2] = s->ta ? a->shape.dim[shape.ndim - 1] : a->shape.dim[shape.ndim - 2];
    shape.dim[shape.ndim - 1] = s->n;
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    for (int64_t i = 0; out != NULL && i < s->batch; i++) {
        stele__product(g, s->ta, s->tb, s->m, s->n, s->k, at(g, a->data, i * s->a_step),
                       at(g, b->data, i * s->b_step), 0, at_mutable(g, out->data, i * s->m * s->n));
    }
    if (out != NULL) {
        stele__op_record(g, out, 2, in, matmul_back, s);
    }
    return out;
}
