#include "graph/lanes.h"
#include "graph/lengths.h"
#include "graph/ops.h"
#include "graph/reduce.h"
#include "kernels/gemm.h"
#include "kernels/vec.h"

#include <math.h>
#include <string.h>

/* Scaled dot-product attention (Vaswani et al. 2017). Queries of a head are taken a tile at a time:
 * the matrix of all scores never exists, backward works the weights of a tile out again. Keys that
 * a row lacks take no part in any product, so whatever they hold has no influence. */

#define QUERIES 64

struct run {
    int64_t heads, t, s, e; /* heads of all rows; queries, keys, features of a head */
    int64_t per_row;        /* heads of a row */
    int64_t per_block, queries;
    const int64_t *lengths; /* (rows) or NULL */
    int causal;
    const void *q, *k, *v, *dy;
    void *y, *dq, *dk, *dv;
};

/* Keys that the row of this head has. */
static int64_t keys_of(const struct run *r, int64_t head)
{
    return r->lengths == NULL ? r->s : r->lengths[head / r->per_row];
}

/* Keys that query t of a head with n keys sees. */
static int64_t seen_by(const struct run *r, int64_t t, int64_t n)
{
    return r->causal && t + 1 < n ? t + 1 : n;
}

#define STELE__BOTH "graph/ops_attention.inc"
#include "graph/both.h"

static int64_t n_blocks(const struct run *r)
{
    return stele__n_blocks(r->heads, r->per_block);
}

/* The three derivatives come together and q, k and v may be one tensor: hence scratch. */
static stele_status attention_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = *(const struct run *)node->saved;
    const size_t size = stele__dtype_size(g->dtype);
    for (int i = 0; i < 3; i++) {
        if (node->in[i]->wants_gradient && stele__grad_reserve(g, node->in[i]) == NULL) {
            return STELE_E_NOMEM;
        }
    }
    const stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    r.dy = node->out->gradient;
    r.dq = stele__op_take(g, (size_t)node->in[0]->n, size);
    r.dk = stele__op_take(g, (size_t)node->in[1]->n, size);
    r.dv = stele__op_take(g, (size_t)node->in[2]->n, size);
    if (g->status != STELE_OK) {
        return g->status;
    }
    stele_status status = stele__op_lanes(g, n_blocks(&r), 2 * r.queries * r.s,
                                          STELE__PICK(g, attention_back_block), &r);
    const void *const d[3] = { r.dq, r.dk, r.dv };
    for (int i = 0; i < 3 && status == STELE_OK; i++) {
        status = stele__grad_add(g, node->in[i], d[i]);
    }
    stele__arena_release(&g->arena, mark);
    return status;
}

static int attention_fits(stele_graph *g, stele_tensor *const *in)
{
    const stele_shape *q = &in[0]->shape, *k = &in[1]->shape;
    char tq[STELE__SHAPE_TEXT], tk[STELE__SHAPE_TEXT], tv[STELE__SHAPE_TEXT];
    if (!stele__op_real(g, "attention", "q", in[0]) ||
        !stele__op_real(g, "attention", "k", in[1]) ||
        !stele__op_real(g, "attention", "v", in[2])) {
        return 0;
    }
    if (q->ndim != 4 || k->ndim != 4 || !stele__shape_equal(k, &in[2]->shape) ||
        q->dim[0] != k->dim[0] || q->dim[1] != k->dim[1] || q->dim[3] != k->dim[3] ||
        q->dim[2] < 1 || k->dim[2] < 1 || q->dim[3] < 1) {
        stele__op_fail(g, STELE_E_SHAPE, "attention: q is %s, k is %s, v is %s",
                       stele__shape_text(q, tq), stele__shape_text(k, tk),
                       stele__shape_text(&in[2]->shape, tv));
        return 0;
    }
    return stele__lengths_fit(g, "attention", in[3], k->dim[0], k->dim[2]);
}

stele_tensor *stele__op_attention(stele_graph *g, stele_tensor *q, stele_tensor *k, stele_tensor *v,
                                  stele_tensor *lengths, int32_t causal)
{
    stele_tensor *in[4] = { q, k, v, lengths };
    struct run *r;
    if (!stele__op_ready(g, 3, in) || !attention_fits(g, in) ||
        (r = stele__op_take(g, 1, sizeof *r)) == NULL) {
        return NULL;
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &q->shape);
    if (out == NULL) {
        return NULL;
    }
    *r = (struct run){ .heads = q->shape.dim[0] * q->shape.dim[1],
                       .t = q->shape.dim[2],
                       .s = k->shape.dim[2],
                       .e = q->shape.dim[3],
                       .per_row = q->shape.dim[1],
                       .lengths = lengths == NULL ? NULL : lengths->data,
                       .causal = causal != 0,
                       .q = q->data,
                       .k = k->data,
                       .v = v->data,
                       .y = out->data };
    r->queries = r->t < QUERIES ? r->t : QUERIES;
    const int64_t work = r->t * (r->s + r->e);
    r->per_block = work >= STELE__BLOCK ? 1 : STELE__BLOCK / work;
    if (stele__op_lanes(g, n_blocks(r), r->queries * r->s, STELE__PICK(g, attention_block), r) !=
        STELE_OK) {
        return NULL;
    }
    stele__op_record(g, out, 4, in, attention_back, r);
    return out;
}
