#include "graph/lanes.h"
#include "graph/ops.h"
#include "graph/reduce.h"
#include "graph/window.h"
#include "kernels/gemm.h"

#include <string.h>

/* Convolutions and their transposes. Both are one linear map between a large side (B, C, H, W) and
 * a small side (B, O, P, Q) with weights (O, C / groups, KH, KW): a convolution goes from large to
 * small, its transpose from small to large. Hence three kinds of work serve all values and
 * derivatives: to_small, to_large and to_weight. Each takes the places of the small side a tile at
 * a time, writes the elements of the large side they see as columns of a matrix (im2col:
 * Chellapilla et al. 2006) and multiplies. Rows are cut into blocks by the sizes alone. */

/* Elements that a matrix of columns should have, to stay in cache, and the columns it should have
 * to be worth a product. */
#define TILE_ELEMENTS ((int64_t)1 << 17)
#define TILE_LEAST    128
#define TILE_MOST     1024
/* Blocks that rows are cut into at least, if there are as many: each has weights of its own in
 * to_weight, so there are not many more. */
#define SHARES 8

struct conv {
    stele__window w;
    int transposed;
    int64_t rows, large_c, small_c;
    int64_t places, plane; /* of a channel: P * Q, H * W */
    int64_t deep, wide;    /* of a group: C / groups * KH * KW and O / groups */
    int64_t tile;          /* columns at a time: some rows, or a part of one */
    int64_t per_tile;      /* rows */
    int64_t per_share;     /* rows of a block of to_weight */
    const void *large, *small, *weight, *bias;
    void *to;
    int add; /* to what `to` holds */
};

/* A piece of work: columns [begin, end) of the places of n rows. */
struct tile {
    int64_t row, n, begin, end;
};

static int64_t tile_columns(const struct tile *t)
{
    return t->n * (t->end - t->begin);
}

/* Tile i of rows [first, end). 0: there is none. */
static int tile_at(const struct conv *r, int64_t first, int64_t end, int64_t i, struct tile *ret)
{
    const int64_t per_row = stele__n_blocks(r->places, r->tile);
    *ret =
        (struct tile){ .row = first + i / per_row * r->per_tile, .begin = i % per_row * r->tile };
    ret->n = end - ret->row < r->per_tile ? end - ret->row : r->per_tile;
    ret->end = r->places - ret->begin < r->tile ? r->places : ret->begin + r->tile;
    return ret->row < end;
}

#define STELE__BOTH "graph/ops_conv.inc"
#include "graph/both.h"

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void cut(struct conv *r)
{
    int64_t columns = TILE_ELEMENTS / r->deep;
    columns = columns < TILE_LEAST ? TILE_LEAST : at_most(columns, TILE_MOST);
    r->per_share = stele__n_blocks(r->rows, SHARES);
    r->per_tile = at_most(columns / r->places, r->per_share);
    r->per_tile = r->per_tile < 1 ? 1 : r->per_tile;
    r->tile = r->places <= columns ? r->per_tile * r->places : columns;
}

static stele_status run_rows(stele_graph *g, struct conv *r,
                             void (*fn)(void *user, int64_t block, void *scratch))
{
    return stele__op_lanes(g, stele__n_blocks(r->rows, r->per_tile), (r->deep + r->wide) * r->tile,
                           fn, r);
}

/* d = (add ? d : 0) + the derivative of the weights: every share of the rows sums its own, then
 * they are added in order. */
static stele_status run_weight(stele_graph *g, struct conv *r, int add, void *d)
{
    const int64_t n = r->small_c * r->deep;
    const int64_t shares = r->rows == 0 ? 0 : stele__n_blocks(r->rows, r->per_share);
    const stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    r->to = stele__op_take(g, (size_t)(shares * n), stele__dtype_size(g->dtype));
    if (r->to == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status =
        stele__op_lanes(g, shares, (r->deep + r->wide) * r->tile, STELE__PICK(g, weight_block), r);
    if (status == STELE_OK) {
        status = stele__reduce_sum(g, 1, shares, n, r->to, 1.0, add, d);
    }
    stele__arena_release(&g->arena, mark);
    return status;
}

/* Sum over rows and places of dy (rows, channels, places). */
static stele_status run_bias(stele_graph *g, int64_t rows, int64_t channels, int64_t places,
                             const void *dy, int add, void *d)
{
    const stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    void *by_row = stele__op_take(g, (size_t)(rows * channels), stele__dtype_size(g->dtype));
    if (by_row == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = stele__reduce_sum(g, rows * channels, places, 1, dy, 1.0, 0, by_row);
    if (status == STELE_OK) {
        status = stele__reduce_sum(g, 1, rows, channels, by_row, 1.0, add, d);
    }
    stele__arena_release(&g->arena, mark);
    return status;
}

static stele_status conv_back(stele_graph *g, const stele__tape_node *node)
{
    struct conv r = *(const struct conv *)node->saved;
    const void *x = node->in[0]->data, *dy = node->out->gradient;
    stele_status status = STELE_OK;
    int fresh = 0;
    r.bias = NULL;
    r.large = r.transposed ? dy : x;
    r.small = r.transposed ? x : dy;
    r.to = stele__grad_open(g, node->in[0], &fresh);
    if (r.to != NULL) {
        r.add = !fresh;
        status = run_rows(g, &r,
                          r.transposed ? STELE__PICK(g, small_block) : STELE__PICK(g, large_block));
    }
    void *d = status == STELE_OK ? stele__grad_open(g, node->in[1], &fresh) : NULL;
    if (d != NULL) {
        status = run_weight(g, &r, !fresh, d);
    }
    d = status == STELE_OK ? stele__grad_open(g, node->in[2], &fresh) : NULL;
    if (d != NULL) {
        status =
            run_bias(g, r.rows, node->in[2]->n, r.transposed ? r.plane : r.places, dy, !fresh, d);
    }
    return status == STELE_OK ? g->status : status;
}

/* --- checks --- */

static int shapes_fail(stele_graph *g, const char *op, const stele_tensor *x, const stele_tensor *w,
                       const char *why)
{
    char tx[STELE__SHAPE_TEXT], tw[STELE__SHAPE_TEXT];
    stele__op_fail(g, STELE_E_SHAPE, "%s: x is %s, w is %s: %s", op,
                   stele__shape_text(&x->shape, tx), stele__shape_text(&w->shape, tw), why);
    return 0;
}

/* Channels and groups of x and w against each other. */
static int channels_fit(stele_graph *g, const char *op, const stele_tensor *x,
                        const stele_tensor *w, struct conv *r)
{
    const int64_t in = x->shape.dim[1], groups = r->w.groups;
    const int64_t *d = w->shape.dim;
    r->rows = x->shape.dim[0];
    r->small_c = d[0];
    r->large_c = d[1] * groups;
    if (d[0] < 1 || d[1] < 1 || d[0] % groups != 0) {
        return shapes_fail(g, op, x, w, "groups do not divide the channels");
    }
    if (in != (r->transposed ? r->small_c : r->large_c)) {
        return shapes_fail(g, op, x, w, "their channels differ");
    }
    r->wide = d[0] / groups;
    r->deep = d[1] * r->w.kernel[0] * r->w.kernel[1];
    return 1;
}

static int conv_fits(stele_graph *g, const char *op, const stele_tensor *x, const stele_tensor *w,
                     const stele_tensor *bias, const stele_window *p, uint32_t axes, struct conv *r)
{
    if (!stele__op_real(g, op, "x", x) || !stele__op_real(g, op, "w", w) ||
        (bias != NULL && !stele__op_real(g, op, "bias", bias))) {
        return 0;
    }
    if (x->shape.ndim != axes + 2 || w->shape.ndim != axes + 2) {
        return shapes_fail(g, op, x, w, "wrong number of axes");
    }
    if (!stele__window_read(g, op, p, axes, r->transposed, &r->w)) {
        return 0;
    }
    for (uint32_t a = 2 - axes; a < 2; a++) {
        if (w->shape.dim[a + axes] != r->w.kernel[a]) {
            return shapes_fail(g, op, x, w, "the window has another kernel");
        }
    }
    if (!channels_fit(g, op, x, w, r) || !stele__window_fit(g, op, x, r->transposed, &r->w)) {
        return 0;
    }
    const int64_t out = r->transposed ? r->large_c : r->small_c;
    if (bias != NULL && (bias->shape.ndim != 1 || bias->n != out)) {
        return shapes_fail(g, op, x, w, "the bias does not have one number per output channel");
    }
    return 1;
}

static stele_tensor *convolve(stele_graph *g, const char *op, stele_tensor *x, stele_tensor *w,
                              stele_tensor *bias, const stele_window *p, uint32_t axes,
                              int transposed)
{
    stele_tensor *in[3] = { x, w, bias };
    struct conv *r;
    if (!stele__op_ready(g, 2, in) || (r = stele__op_take(g, 1, sizeof *r)) == NULL) {
        return NULL;
    }
    *r = (struct conv){ .transposed = transposed };
    if (!conv_fits(g, op, x, w, bias, p, axes, r)) {
        return NULL;
    }
    r->places = r->w.small[0] * r->w.small[1];
    r->plane = r->w.large[0] * r->w.large[1];
    cut(r);
    stele_shape shape = transposed ? stele__window_shape(r->rows, r->large_c, axes, r->w.large)
                                   : stele__window_shape(r->rows, r->small_c, axes, r->w.small);
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    if (out == NULL) {
        return NULL;
    }
    r->large = r->small = x->data;
    r->weight = w->data;
    r->bias = bias == NULL ? NULL : bias->data;
    r->to = out->data;
    if (run_rows(g, r, transposed ? STELE__PICK(g, large_block) : STELE__PICK(g, small_block)) !=
        STELE_OK) {
        return NULL;
    }
    stele__op_record(g, out, 3, in, conv_back, r);
    return out;
}

stele_tensor *stele__op_conv1d(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                               const stele_window *p)
{
    return convolve(g, "conv1d", x, w, bias, p, 1, 0);
}

stele_tensor *stele__op_conv2d(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                               const stele_window *p)
{
    return convolve(g, "conv2d", x, w, bias, p, 2, 0);
}

stele_tensor *stele__op_conv1d_transpose(stele_graph *g, stele_tensor *x, stele_tensor *w,
                                         stele_tensor *bias, const stele_window *p)
{
    return convolve(g, "conv1d_transpose", x, w, bias, p, 1, 1);
}

stele_tensor *stele__op_conv2d_transpose(stele_graph *g, stele_tensor *x, stele_tensor *w,
                                         stele_tensor *bias, const stele_window *p)
{
    return convolve(g, "conv2d_transpose", x, w, bias, p, 2, 1);
}
