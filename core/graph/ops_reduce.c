#include "graph/ops.h"
#include "graph/reduce.h"

#include <math.h>

/* Reductions along an axis, and the softmax family. */

struct run {
    int64_t outer, n, inner;
    int64_t lines, n_lines; /* lines per block, and in all */
    const void *x, *dy;
    void *y, *dx;
    int64_t *index; /* max: which; CSR sums: row_start */
    double factor;
    int fresh, log;
};

#define STELE__BOTH "graph/ops_reduce.inc"
#include "graph/both.h"

/* Split a's shape at the axis; 0 after a failure. shape: what a reduction leaves. */
static int split(stele_graph *g, const char *op, const stele_tensor *a, int32_t axis, int32_t keep,
                 struct run *r, stele_shape *shape)
{
    *shape = (stele_shape){ 0 };
    if (axis == STELE_ALL_AXES) {
        *r = (struct run){ .outer = 1, .n = a->n, .inner = 1 };
        shape->ndim = keep ? a->shape.ndim : 0;
        for (uint32_t d = 0; d < shape->ndim; d++) {
            shape->dim[d] = 1;
        }
    } else {
        int at = stele__op_axis(g, op, a, axis);
        if (at < 0) {
            return 0;
        }
        *r = (struct run){ .outer = 1, .n = a->shape.dim[at], .inner = 1 };
        for (int d = 0; d < (int)a->shape.ndim; d++) {
            r->outer *= d < at ? a->shape.dim[d] : 1;
            r->inner *= d > at ? a->shape.dim[d] : 1;
            if (d != at || keep) {
                shape->dim[shape->ndim++] = d == at ? 1 : a->shape.dim[d];
            }
        }
    }
    r->n_lines = r->outer * r->inner;
    r->lines = r->n >= STELE__BLOCK ? 1 : STELE__BLOCK / (r->n < 1 ? 1 : r->n);
    r->factor = 1.0;
    r->x = a->data;
    return 1;
}

static void run_lines(stele_graph *g, void (*fn)(void *, int64_t), struct run *r)
{
    stele__op_blocks(g, stele__n_blocks(r->n_lines, r->lines), fn, r);
}

/* What backward needs: the split, kept in the arena. */
static const struct run *keep_run(stele_graph *g, const struct run *r)
{
    struct run *kept = stele__op_take(g, 1, sizeof *kept);
    if (kept != NULL) {
        *kept = *r;
    }
    return kept;
}

static stele_status back_with(stele_graph *g, const stele__tape_node *node,
                              void (*fn)(void *, int64_t))
{
    struct run r = *(const struct run *)node->saved;
    r.dy = node->out->gradient;
    r.dx = stele__grad_open(g, node->in[0], &r.fresh);
    if (r.dx == NULL) {
        return STELE_E_NOMEM;
    }
    run_lines(g, fn, &r);
    return STELE_OK;
}

/* --- sum and mean --- */

static stele_status sum_back(stele_graph *g, const stele__tape_node *node)
{
    return back_with(g, node, STELE__PICK(g, spread_block));
}

static stele_tensor *sum_csr(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep, int mean)
{
    const char *op = mean ? "mean" : "sum";
    if (a->dtype != g->dtype || (axis != 1 && axis != -1)) {
        return stele__op_fail(g, STELE_E_UNSUPPORTED, "%s: a is sparse: along axis 1 only, and %s",
                              op, "of the graph's type");
    }
    stele_shape s = { .ndim = keep ? 2 : 1, .dim = { a->shape.dim[0], 1 } };
    s.dim[1] = keep ? 1 : 0;
    stele_tensor *out = stele__op_output(g, g->dtype, &s);
    if (out != NULL) {
        struct run r = { .x = a->data,
                         .y = out->data,
                         .index = (int64_t *)(uintptr_t)a->row_start,
                         .factor = mean ? 1.0 / (double)a->shape.dim[1] : 1.0 };
        stele__op_blocks(g, a->shape.dim[0], STELE__PICK(g, csr_sum_block), &r);
    }
    return out;
}

static stele_tensor *sum(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep, int mean)
{
    const char *op = mean ? "mean" : "sum";
    struct run r;
    stele_shape shape;
    if (!stele__op_ready(g, 1, &a)) {
        return NULL;
    }
    if (a->layout == STELE_CSR) {
        return sum_csr(g, a, axis, keep, mean);
    }
    if (!stele__op_real(g, op, "a", a) || !split(g, op, a, axis, keep, &r, &shape)) {
        return NULL;
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    r.factor = mean ? 1.0 / (double)r.n : 1.0;
    const struct run *kept = keep_run(g, &r);
    if (out == NULL || kept == NULL ||
        stele__reduce_sum(g, r.outer, r.n, r.inner, a->data, r.factor, 0, out->data) != STELE_OK) {
        return NULL;
    }
    stele__op_record(g, out, 1, &a, sum_back, kept);
    return out;
}

stele_tensor *stele__op_sum(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep)
{
    return sum(g, a, axis, keep, 0);
}

stele_tensor *stele__op_mean(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep)
{
    return sum(g, a, axis, keep, 1);
}

/* --- max and logsumexp --- */

static stele_status max_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = *(const struct run *)node->saved;
    r.dy = node->out->gradient;
    r.dx = stele__grad_zeroed(g, node->in[0]);
    if (r.dx == NULL) {
        return STELE_E_NOMEM;
    }
    run_lines(g, STELE__PICK(g, max_back_block), &r);
    return STELE_OK;
}

stele_tensor *stele__op_max(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep)
{
    struct run r;
    stele_shape shape;
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, "max", "a", a) ||
        !split(g, "max", a, axis, keep, &r, &shape)) {
        return NULL;
    }
    if (r.n == 0) {
        return stele__op_fail(g, STELE_E_SHAPE, "max: there is nothing along the axis");
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    r.index = stele__op_take(g, (size_t)r.n_lines, sizeof *r.index);
    const struct run *kept = keep_run(g, &r);
    if (out == NULL || r.index == NULL || kept == NULL) {
        return NULL;
    }
    r.y = out->data;
    run_lines(g, STELE__PICK(g, max_block), &r);
    stele__op_record(g, out, 1, &a, max_back, kept);
    return out;
}

static stele_status lse_back(stele_graph *g, const stele__tape_node *node)
{
    return back_with(g, node, STELE__PICK(g, lse_back_block));
}

stele_tensor *stele__op_logsumexp(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep)
{
    struct run r;
    stele_shape shape;
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, "logsumexp", "a", a) ||
        !split(g, "logsumexp", a, axis, keep, &r, &shape)) {
        return NULL;
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    const struct run *kept = keep_run(g, &r);
    if (out == NULL || kept == NULL) {
        return NULL;
    }
    r.y = out->data;
    run_lines(g, STELE__PICK(g, lse_block), &r);
    stele__op_record(g, out, 1, &a, lse_back, kept);
    return out;
}

/* --- softmax --- */

static stele_status softmax_back(stele_graph *g, const stele__tape_node *node)
{
    return back_with(g, node, STELE__PICK(g, softmax_back_block));
}

static stele_tensor *softmax(stele_graph *g, const char *op, stele_tensor *a, int32_t axis, int log)
{
    struct run r;
    stele_shape shape;
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, op, "a", a) ||
        !split(g, op, a, axis, 0, &r, &shape)) {
        return NULL;
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &a->shape);
    if (out == NULL) {
        return NULL;
    }
    r.y = out->data;
    r.log = log;
    run_lines(g, STELE__PICK(g, softmax_block), &r);
    const struct run *kept = keep_run(g, &r);
    if (kept == NULL) {
        return NULL;
    }
    stele__op_record(g, out, 1, &a, softmax_back, kept);
    return out;
}

stele_tensor *stele__op_softmax(stele_graph *g, stele_tensor *a, int32_t axis)
{
    return softmax(g, "softmax", a, axis, 0);
}

stele_tensor *stele__op_log_softmax(stele_graph *g, stele_tensor *a, int32_t axis)
{
    return softmax(g, "log_softmax", a, axis, 1);
}
