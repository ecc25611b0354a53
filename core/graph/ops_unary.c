#include "graph/ops.h"
#include "graph/watch.h"
#include "kernels/vec.h"

#include <math.h>

/* Operations on one input, element by element. The formulas are in ops_unary.inc; here is what
 * surrounds all of them. This is also the example of how an operation is written (op.h). */

struct run {
    int64_t n;
    const void *x;
    void *y;
    const void *dy;
    void *dx;
    int fresh;
    double p, q;
};

/* A block is worked through in pieces, so that intermediate values stay on the stack and in cache.
 */
#define PIECE 256
#define PIECES(r_, begin_, n_)                                                                     \
    const int64_t stop =                                                                           \
        (block + 1) * STELE__BLOCK < (r_)->n ? (block + 1) * STELE__BLOCK : (r_)->n;               \
    for (int64_t begin_ = block * STELE__BLOCK, n_;                                                \
         n_ = stop - begin_ < PIECE ? stop - begin_ : PIECE, begin_ < stop; begin_ += PIECE)

#define STELE__BOTH "graph/ops_unary.inc"
#include "graph/both.h"

typedef void (*block_fn)(void *user, int64_t block);

/* sparse 1: f(0) is 0, so a CSR input stays CSR. slope 0: no derivative. */
#define OPERATIONS(X)                                                                              \
    X(scale, 1, 1)                                                                                 \
    X(shift, 0, 1)                                                                                 \
    X(exp, 0, 1)                                                                                   \
    X(expm1, 0, 1)                                                                                 \
    X(log, 0, 1)                                                                                   \
    X(log1p, 1, 1)                                                                                 \
    X(sign, 1, 0)                                                                                  \
    X(sqrt, 1, 1)                                                                                  \
    X(square, 1, 1)                                                                                \
    X(abs, 0, 1)                                                                                   \
    X(sin, 0, 1)                                                                                   \
    X(cos, 0, 1)                                                                                   \
    X(lgamma, 0, 1)                                                                                \
    X(tanh, 0, 1)                                                                                  \
    X(sigmoid, 0, 1)                                                                               \
    X(softplus, 0, 1)                                                                              \
    X(relu, 0, 1)                                                                                  \
    X(leaky_relu, 0, 1)                                                                            \
    X(gelu, 0, 1)                                                                                  \
    X(silu, 0, 1)                                                                                  \
    X(clamp, 0, 1)                                                                                 \
    X(is_nan, 0, 0)

struct operation {
    const char *name;
    int sparse, slope;
    block_fn forward_f32, forward_f64, backward_f32, backward_f64;
};

#define ROW(op_, sparse_, slope_)                                                                  \
    static const struct operation op_##_operation = { #op_,                                        \
                                                      sparse_,                                     \
                                                      slope_,                                      \
                                                      op_##_forward_f32,                           \
                                                      op_##_forward_f64,                           \
                                                      op_##_backward_f32,                          \
                                                      op_##_backward_f64 };
OPERATIONS(ROW)

struct saved {
    const struct operation *op;
    double p, q;
};

static stele_status backward(stele_graph *g, const stele__tape_node *node)
{
    const struct saved *s = node->saved;
    stele_tensor *a = node->in[0];
    struct run r = { .n = a->n,
                     .x = a->data,
                     .y = node->out->data,
                     .dy = node->out->gradient,
                     .p = s->p,
                     .q = s->q };
    r.dx = stele__grad_open(g, a, &r.fresh);
    if (r.dx == NULL) {
        return STELE_E_NOMEM;
    }
    block_fn fn = g->dtype == STELE_F32 ? s->op->backward_f32 : s->op->backward_f64;
    stele__op_blocks(g, stele__n_blocks(r.n, STELE__BLOCK), fn, &r);
    return STELE_OK;
}

static stele_tensor *unary(stele_graph *g, const struct operation *op, stele_tensor *a, double p,
                           double q)
{
    if (!stele__op_ready(g, 1, &a)) {
        return NULL;
    }
    int csr = op->sparse && a->layout == STELE_CSR && a->dtype == g->dtype;
    if (!csr && !stele__op_real(g, op->name, "a", a)) {
        return NULL;
    }
    stele_tensor *out =
        csr ? stele__op_csr_like(g, a, g->dtype) : stele__op_output(g, g->dtype, &a->shape);
    if (out == NULL) {
        return NULL;
    }
    struct run r = { .n = a->n, .x = a->data, .y = out->data, .p = p, .q = q };
    stele__op_blocks(g, stele__n_blocks(r.n, STELE__BLOCK),
                     g->dtype == STELE_F32 ? op->forward_f32 : op->forward_f64, &r);
    if (op->slope && stele__op_recorded(g, 1, &a)) {
        struct saved *s = stele__op_take(g, 1, sizeof *s);
        if (s == NULL) {
            return NULL;
        }
        *s = (struct saved){ .op = op, .p = p, .q = q };
        stele__op_record(g, out, 1, &a, backward, s);
    }
    return out;
}

#define PLAIN(op_)                                                                                 \
    stele_tensor *stele__op_##op_(stele_graph *g, stele_tensor *a)                                 \
    {                                                                                              \
        return unary(g, &op_##_operation, a, 0.0, 0.0);                                            \
    }
PLAIN(exp)
PLAIN(expm1)
PLAIN(log)
PLAIN(log1p)
PLAIN(sign)
PLAIN(sqrt)
PLAIN(square)
PLAIN(abs)
PLAIN(sin)
PLAIN(cos)
PLAIN(lgamma)
PLAIN(tanh)
PLAIN(sigmoid)
PLAIN(softplus)
PLAIN(gelu)
PLAIN(silu)
PLAIN(is_nan)

stele_tensor *stele__op_relu(stele_graph *g, stele_tensor *a)
{
    stele_tensor *out = unary(g, &relu_operation, a, 0.0, 0.0);
    if (out != NULL && g->watch != NULL) {
        stele__watch_see(g->watch, a->weight, out);
    }
    return out;
}

stele_tensor *stele__op_scale(stele_graph *g, stele_tensor *a, double factor)
{
    return unary(g, &scale_operation, a, factor, 0.0);
}

stele_tensor *stele__op_shift(stele_graph *g, stele_tensor *a, double term)
{
    return unary(g, &shift_operation, a, term, 0.0);
}

stele_tensor *stele__op_leaky_relu(stele_graph *g, stele_tensor *a, double slope)
{
    return unary(g, &leaky_relu_operation, a, slope, 0.0);
}

stele_tensor *stele__op_clamp(stele_graph *g, stele_tensor *a, double lo, double hi)
{
    if (lo > hi) {
        return stele__op_fail(g, STELE_E_ARG, "clamp: the bounds are %g and %g", lo, hi);
    }
    return unary(g, &clamp_operation, a, lo, hi);
}
