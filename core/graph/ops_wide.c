#include "graph/lanes.h"
#include "graph/ops.h"
#include "graph/reduce.h"
#include "kernels/gemm.h"
#include "kernels/vec.h"

#include <math.h>

/* Reductions over the outputs of a layer that is too wide for a (rows, features) matrix: computed
 * by blocks of features, each of which fits a cache, and computed again on the way back. */

/* Lanes hold partial sums of d x: more than threads, so that uneven lanes even out, but a number
 * that does not depend on the threads. */
enum { BLOCK = 512, MAX_LANES = 32 };

struct wide {
    int64_t rows, hidden, features, n_blocks, n_lanes;
    const void *x, *w, *bias; /* (rows, hidden), (features, hidden), (features) or NULL */
    double *peak, *sum;       /* (n_blocks, rows): the largest eta, sum of exp(eta - peak) */
    const void *lse, *dy;     /* (rows) */
    void *dw, *db, *lane_x;   /* NULL: not wanted; lane_x (n_lanes, rows, hidden) */
    int fresh_w, fresh_b;
};

#define STELE__BOTH "graph/ops_wide.inc"
#include "graph/both.h"

static struct wide wide_of(const stele_tensor *x, const stele_tensor *w, const stele_tensor *bias)
{
    struct wide s = { .rows = x->shape.dim[0],
                      .hidden = x->shape.dim[1],
                      .features = w->shape.dim[0],
                      .x = x->data,
                      .w = w->data,
                      .bias = bias != NULL ? bias->data : NULL };
    s.n_blocks = stele__n_blocks(s.features, BLOCK);
    s.n_lanes = s.n_blocks < MAX_LANES ? s.n_blocks : MAX_LANES;
    return s;
}

static stele_status linear_logsumexp_back(stele_graph *g, const stele__tape_node *node)
{
    stele_tensor *x = node->in[0];
    struct wide s = wide_of(x, node->in[1], node->in[2]);
    int fresh_x = 0;
    s.lse = node->out->data;
    s.dy = node->out->gradient;
    s.dw = stele__grad_open(g, node->in[1], &s.fresh_w);
    s.db = stele__grad_open(g, node->in[2], &s.fresh_b);
    void *dx = stele__grad_open(g, x, &fresh_x);
    if (dx != NULL) {
        s.lane_x =
            stele__op_take(g, (size_t)(s.n_lanes * s.rows * s.hidden), stele__dtype_size(g->dtype));
    }
    if (g->status != STELE_OK) {
        return g->status;
    }
    stele_status status =
        stele__op_lanes(g, s.n_lanes, s.rows * BLOCK, STELE__PICK(g, back_lane), &s);
    if (status == STELE_OK && dx != NULL) {
        status = stele__reduce_sum(g, 1, s.n_lanes, s.rows * s.hidden, s.lane_x, 1.0, !fresh_x, dx);
    }
    return status;
}

static int wide_fits(stele_graph *g, const stele_tensor *x, const stele_tensor *w,
                     const stele_tensor *bias)
{
    char tx[STELE__SHAPE_TEXT], tw[STELE__SHAPE_TEXT];
    if (!stele__op_real(g, "linear_logsumexp", "x", x) ||
        !stele__op_real(g, "linear_logsumexp", "w", w) ||
        (bias != NULL && !stele__op_real(g, "linear_logsumexp", "bias", bias))) {
        return 0;
    }
    if (x->shape.ndim != 2 || w->shape.ndim != 2 || x->shape.dim[1] != w->shape.dim[1] ||
        w->shape.dim[0] == 0) {
        stele__op_fail(g, STELE_E_SHAPE, "linear_logsumexp: x is %s, w is %s",
                       stele__shape_text(&x->shape, tx), stele__shape_text(&w->shape, tw));
        return 0;
    }
    if (bias != NULL && (bias->shape.ndim != 1 || bias->n != w->shape.dim[0])) {
        stele__op_fail(g, STELE_E_SHAPE, "linear_logsumexp: w is %s, bias is %s",
                       stele__shape_text(&w->shape, tw), stele__shape_text(&bias->shape, tx));
        return 0;
    }
    return 1;
}

stele_tensor *stele__op_linear_logsumexp(stele_graph *g, stele_tensor *x, stele_tensor *w,
                                         stele_tensor *bias)
{
    stele_tensor *in[3] = { x, w, bias };
    if (!stele__op_ready(g, 2, in) || !wide_fits(g, x, w, bias)) {
        return NULL;
    }
    struct wide s = wide_of(x, w, bias);
    size_t n_parts = (size_t)(s.n_blocks * s.rows);
    stele_tensor *out = stele__op_output(g, g->dtype, &STELE__SHAPE(s.rows, 1));
    s.peak = stele__op_take(g, n_parts, sizeof *s.peak);
    s.sum = stele__op_take(g, n_parts, sizeof *s.sum);
    if (out == NULL || s.peak == NULL || s.sum == NULL ||
        stele__op_lanes(g, s.n_blocks, s.rows * BLOCK, STELE__PICK(g, sum_block), &s) != STELE_OK) {
        return NULL;
    }
    STELE__PICK(g, join_blocks)(&s, out->data);
    stele__op_record(g, out, 3, in, linear_logsumexp_back, NULL);
    return out;
}
