#include "graph/ops.h"
#include "graph/reduce.h"

#include <math.h>

/* Layer normalisation (Ba et al. 2016). */

#define COLUMNS 256

struct run {
    int64_t rows, n, per_block;
    double eps;
    double *mean, *scale; /* (rows) */
    const void *x, *gain, *bias, *dy;
    void *y; /* forward: the output; backward: where the derivative goes */
    int fresh;
};

#define STELE__BOTH "graph/ops_norm.inc"
#include "graph/both.h"

static stele_status norm_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = *(const struct run *)node->saved;
    stele_tensor *a = node->in[0], *gain = node->in[1], *bias = node->in[2];
    r.dy = node->out->gradient;
    r.y = stele__grad_open(g, a, &r.fresh);
    if (r.y != NULL) {
        stele__op_blocks(g, stele__n_blocks(r.rows, r.per_block), STELE__PICK(g, norm_back_block),
                         &r);
    }
    r.y = stele__grad_open(g, gain, &r.fresh);
    if (r.y != NULL) {
        stele__op_blocks(g, stele__n_blocks(r.n, COLUMNS), STELE__PICK(g, gain_block), &r);
    }
    int fresh = 0;
    void *d = stele__grad_open(g, bias, &fresh);
    if (d != NULL) {
        return stele__reduce_sum(g, 1, r.rows, r.n, r.dy, 1.0, !fresh, d);
    }
    return g->status;
}

/* 1 if p is NULL or has shape (n). */
static int fits(stele_graph *g, const stele_tensor *a, const char *name, const stele_tensor *p,
                int64_t n)
{
    if (p == NULL) {
        return 1;
    }
    if (p->shape.ndim != 1 || p->n != n) {
        char ta[STELE__SHAPE_TEXT], tp[STELE__SHAPE_TEXT];
        stele__op_fail(g, STELE_E_SHAPE, "layer_norm: a is %s, %s is %s",
                       stele__shape_text(&a->shape, ta), name, stele__shape_text(&p->shape, tp));
        return 0;
    }
    return stele__op_real(g, "layer_norm", name, p);
}

stele_tensor *stele__op_layer_norm(stele_graph *g, stele_tensor *a, stele_tensor *gain,
                                   stele_tensor *bias, double eps)
{
    stele_tensor *in[3] = { a, gain, bias };
    if (!stele__op_ready(g, 1, in) || !stele__op_real(g, "layer_norm", "a", a)) {
        return NULL;
    }
    int64_t n = a->shape.ndim == 0 ? 0 : a->shape.dim[a->shape.ndim - 1];
    if (n == 0) {
        return stele__op_fail(g, STELE_E_SHAPE, "layer_norm: a has no last axis");
    }
    struct run *r = stele__op_take(g, 1, sizeof *r);
    stele_tensor *out = stele__op_output(g, g->dtype, &a->shape);
    double *moments = stele__op_take(g, (size_t)(a->n / n) * 2, sizeof *moments);
    if (r == NULL || out == NULL || moments == NULL || !fits(g, a, "gain", gain, n) ||
        !fits(g, a, "bias", bias, n)) {
        return NULL;
    }
    out->weight = a->weight;
    *r = (struct run){ .rows = a->n / n,
                       .n = n,
                       .per_block = n >= STELE__BLOCK ? 1 : STELE__BLOCK / n,
                       .eps = eps,
                       .mean = moments,
                       .scale = moments + a->n / n,
                       .x = a->data,
                       .gain = gain == NULL ? NULL : gain->data,
                       .bias = bias == NULL ? NULL : bias->data,
                       .y = out->data };
    stele__op_blocks(g, stele__n_blocks(r->rows, r->per_block), STELE__PICK(g, norm_block), r);
    stele__op_record(g, out, 3, in, norm_back, r);
    return out;
}
