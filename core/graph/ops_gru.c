#include "graph/lanes.h"
#include "graph/lengths.h"
#include "graph/ops.h"
#include "graph/product.h"
#include "graph/reduce.h"
#include "kernels/gemm.h"
#include "kernels/vec.h"

#include <string.h>

/* Gated recurrent unit (Cho et al. 2014), reset after the product:
 *   r = sigmoid(x Wr + br + h Vr + cr)     u = sigmoid(x Wu + bu + h Vu + cu)
 *   n = tanh(x Wn + bn + r * (h Vn + cn))  h' = (1 - u) * n + u * h
 * The products with x are one for all times; the rest runs through time for blocks of rows, which
 * know nothing of each other. */

/* Rows of a block at least: a product with fewer would spend its time on the weights. */
#define ROWS_LEAST 32
/* Blocks at most, beyond that they grow. */
#define BLOCKS_MOST 16

enum { X, WX, WH, BX, BH, H0, LENGTHS, N_INPUTS };

struct run {
    int64_t rows, time, in, n, per_block; /* n: hidden units */
    const int64_t *lengths;               /* (rows) or NULL */
    const void *x, *h0, *wh, *bx, *bh;
    void *gate; /* r, u, n (rows, time, 3 n) */
    void *part; /* h Vn + cn (rows, time, n) */
    void *h;    /* (rows, time, n) */
    /* backward: derivatives of h, of the sums inside the gates coming from x and from h, both
     * (rows, time, 3 n), of h0, and the states before each step (rows, time, n) */
    const void *dh;
    void *dx_gate, *dh_gate, *dh0, *before;
    void *x_there; /* x with zeros beyond the lengths (rows, time, in) */
};

static int64_t length_of(const struct run *r, int64_t row)
{
    return r->lengths == NULL ? r->time : r->lengths[row];
}

static int64_t longest(const struct run *r, int64_t first, int64_t end)
{
    int64_t ret = 0;
    for (int64_t i = first; i < end; i++) {
        ret = length_of(r, i) > ret ? length_of(r, i) : ret;
    }
    return ret;
}

#define STELE__BOTH "graph/ops_gru.inc"
#include "graph/both.h"

/* --- backward --- */

/* What lies beyond a row's length must not meet the 0 derivative there: it may be NaN. */
static const void *x_there(stele_graph *g, struct run *r)
{
    if (r->lengths == NULL) {
        return r->x;
    }
    r->x_there =
        stele__op_take(g, (size_t)(r->rows * r->time * r->in), stele__dtype_size(g->dtype));
    if (r->x_there != NULL) {
        stele__op_blocks(g, stele__n_blocks(r->rows, r->per_block), STELE__PICK(g, there_block), r);
    }
    return r->x_there;
}

/* Derivatives of inputs from those of the sums inside the gates. */
static stele_status spread(stele_graph *g, const stele__tape_node *node, struct run *r)
{
    const int64_t steps = r->rows * r->time, wide = 3 * r->n;
    stele_tensor *const *in = node->in;
    stele_status status = STELE_OK;
    int fresh = 0;
    void *d = stele__grad_open(g, in[X], &fresh);
    if (d != NULL) {
        stele__product(g, 0, 1, steps, r->in, wide, r->dx_gate, in[WX]->data, !fresh, d);
    }
    d = stele__grad_open(g, in[WX], &fresh);
    if (d != NULL) {
        const void *x = x_there(g, r);
        if (x == NULL) {
            return STELE_E_NOMEM;
        }
        stele__product(g, 1, 0, r->in, wide, steps, x, r->dx_gate, !fresh, d);
    }
    d = stele__grad_open(g, in[WH], &fresh);
    if (d != NULL) {
        stele__product(g, 1, 0, r->n, wide, steps, r->before, r->dh_gate, !fresh, d);
    }
    d = stele__grad_open(g, in[BX], &fresh);
    if (d != NULL) {
        status = stele__reduce_sum(g, 1, steps, wide, r->dx_gate, 1.0, !fresh, d);
    }
    d = stele__grad_open(g, in[BH], &fresh);
    if (d != NULL && status == STELE_OK) {
        status = stele__reduce_sum(g, 1, steps, wide, r->dh_gate, 1.0, !fresh, d);
    }
    return status != STELE_OK ? status : stele__grad_add(g, in[H0], r->dh0);
}

static stele_status gru_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = *(const struct run *)node->saved;
    const size_t steps = (size_t)(r.rows * r.time), size = stele__dtype_size(g->dtype);
    for (int i = 0; i < N_INPUTS; i++) {
        if (node->in[i] != NULL && node->in[i]->wants_gradient &&
            stele__grad_reserve(g, node->in[i]) == NULL) {
            return STELE_E_NOMEM;
        }
    }
    const stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    r.dh = node->out->gradient;
    r.dx_gate = stele__op_take(g, steps * (size_t)r.n, 3 * size);
    r.dh_gate = stele__op_take(g, steps * (size_t)r.n, 3 * size);
    r.before = stele__op_take(g, steps * (size_t)r.n, size);
    r.dh0 = stele__op_take(g, (size_t)(r.rows * r.n), size);
    if (g->status != STELE_OK) {
        return g->status;
    }
    stele__op_blocks(g, stele__n_blocks(r.rows, r.per_block), STELE__PICK(g, back_block), &r);
    const stele_status status = spread(g, node, &r);
    stele__arena_release(&g->arena, mark);
    return status;
}

/* --- forward --- */

static int is_shape(stele_graph *g, const char *name, const stele_tensor *t,
                    const stele_shape *want)
{
    char text[STELE__SHAPE_TEXT], expected[STELE__SHAPE_TEXT];
    if (t == NULL) {
        return 1;
    }
    if (!stele__op_real(g, "gru", name, t)) {
        return 0;
    }
    if (!stele__shape_equal(&t->shape, want)) {
        stele__op_fail(g, STELE_E_SHAPE, "gru: %s is %s, must be %s", name,
                       stele__shape_text(&t->shape, text), stele__shape_text(want, expected));
        return 0;
    }
    return 1;
}

static int gru_fits(stele_graph *g, stele_tensor *const *in, struct run *r)
{
    const stele_tensor *x = in[X], *wh = in[WH];
    char tx[STELE__SHAPE_TEXT], tw[STELE__SHAPE_TEXT];
    if (!stele__op_real(g, "gru", "x", x)) {
        return 0;
    }
    if (x->shape.ndim != 3 || wh->shape.ndim != 2 || x->shape.dim[1] < 1 || x->shape.dim[2] < 1 ||
        wh->shape.dim[0] < 1) {
        stele__op_fail(g, STELE_E_SHAPE, "gru: x is %s, wh is %s", stele__shape_text(&x->shape, tx),
                       stele__shape_text(&wh->shape, tw));
        return 0;
    }
    r->rows = x->shape.dim[0];
    r->time = x->shape.dim[1];
    r->in = x->shape.dim[2];
    r->n = wh->shape.dim[0];
    return is_shape(g, "wx", in[WX], &STELE__SHAPE(r->in, 3 * r->n)) &&
           is_shape(g, "wh", wh, &STELE__SHAPE(r->n, 3 * r->n)) &&
           is_shape(g, "bx", in[BX], &STELE__SHAPE(3 * r->n)) &&
           is_shape(g, "bh", in[BH], &STELE__SHAPE(3 * r->n)) &&
           is_shape(g, "h0", in[H0], &STELE__SHAPE(r->rows, r->n)) &&
           stele__lengths_fit(g, "gru", in[LENGTHS], r->rows, r->time);
}

stele_tensor *stele__op_gru(stele_graph *g, stele_tensor *x, stele_tensor *h0, stele_tensor *wx,
                            stele_tensor *wh, stele_tensor *bx, stele_tensor *bh,
                            stele_tensor *lengths)
{
    stele_tensor *in[N_INPUTS] = { x, wx, wh, bx, bh, h0, lengths };
    struct run *r;
    if (!stele__op_ready(g, H0, in) || (r = stele__op_take(g, 1, sizeof *r)) == NULL) {
        return NULL;
    }
    *r = (struct run){ .lengths = lengths == NULL ? NULL : lengths->data };
    if (!gru_fits(g, in, r)) {
        return NULL;
    }
    const size_t size = stele__dtype_size(g->dtype), units = (size_t)(r->rows * r->time * r->n);
    stele_tensor *out = stele__op_output(g, g->dtype, &STELE__SHAPE(r->rows, r->time, r->n));
    r->gate = stele__op_take(g, units, 3 * size);
    r->part = stele__op_take(g, units, size);
    if (g->status != STELE_OK) {
        return NULL;
    }
    r->per_block = stele__n_blocks(r->rows, BLOCKS_MOST);
    r->per_block = r->per_block < ROWS_LEAST ? ROWS_LEAST : r->per_block;
    r->x = x->data;
    r->wh = wh->data;
    r->bx = bx->data;
    r->bh = bh->data;
    r->h0 = h0 == NULL ? NULL : h0->data;
    r->h = out->data;
    stele__product(g, 0, 0, r->rows * r->time, 3 * r->n, r->in, x->data, wx->data, 0, r->gate);
    if (stele__op_lanes(g, stele__n_blocks(r->rows, r->per_block), 3 * r->n * r->per_block,
                        STELE__PICK(g, forward_block), r) != STELE_OK) {
        return NULL;
    }
    stele__op_record(g, out, N_INPUTS, in, gru_back, r);
    return out;
}
