#include "graph/reduce.h"

#include <string.h>

/* Columns whose sums are kept on the stack at a time. */
#define COLUMNS 256

struct reduction {
    int64_t n, inner, pieces, items, n_items; /* items: (slab, piece of columns) pairs in a block */
    const void *x;
    void *y;
    double factor;
    int add;
    double *partial;
};

#define STELE__BOTH "graph/reduce.inc"
#include "graph/both.h"

static stele_status one_sum(stele_graph *g, struct reduction *r)
{
    int64_t blocks = stele__n_blocks(r->n, STELE__BLOCK);
    stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    r->partial = stele__op_take(g, (size_t)blocks, sizeof(double));
    if (r->partial == NULL) {
        return STELE_E_NOMEM;
    }
    stele__op_blocks(g, blocks, STELE__PICK(g, partial_block), r);
    STELE__PICK(g, finish_partial)(r, blocks);
    stele__arena_release(&g->arena, mark);
    return STELE_OK;
}

stele_status stele__reduce_sum(stele_graph *g, int64_t outer, int64_t n, int64_t inner,
                               const void *x, double factor, int add, void *y)
{
    struct reduction r = {
        .n = n, .inner = inner, .x = x, .y = y, .factor = factor, .add = add, .n_items = outer
    };
    if (outer == 1 && inner == 1) {
        return one_sum(g, &r);
    }
    r.pieces = stele__n_blocks(inner, COLUMNS);
    r.n_items = outer * r.pieces;
    int64_t work = n * (inner < COLUMNS ? inner : COLUMNS);
    r.items = work >= STELE__BLOCK ? 1 : work < 1 ? STELE__BLOCK : STELE__BLOCK / work;
    stele__op_blocks(g, stele__n_blocks(r.n_items, r.items), STELE__PICK(g, reduce_block), &r);
    return STELE_OK;
}

stele_status stele__grad_add(stele_graph *g, stele_tensor *t, const void *src)
{
    return t == NULL ? STELE_OK : stele__grad_reduce(g, t, &t->shape, src, 1.0);
}

static stele_status scattered(stele_graph *g, struct reduction *r, const stele_shape *shape,
                              const stele_tensor *t)
{
    int64_t stride[STELE_MAX_DIMS] = { 0 }, step = 1;
    for (uint32_t k = 1; k <= t->shape.ndim; k++) {
        int64_t extent = t->shape.dim[t->shape.ndim - k];
        stride[shape->ndim - k] = extent == 1 ? 0 : step;
        step *= extent;
    }
    stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    r->partial = stele__op_take(g, (size_t)t->n, sizeof(double));
    if (r->partial == NULL) {
        return STELE_E_NOMEM;
    }
    memset(r->partial, 0, (size_t)t->n * sizeof(double));
    STELE__PICK(g, scatter_sum)(r, shape, stride, t->n);
    stele__arena_release(&g->arena, mark);
    return STELE_OK;
}

/* Runs of axes of `shape` that t keeps (kept 1) or is stretched along (kept 0); returns their
 * number. */
static int runs(const stele_shape *shape, const stele_shape *t, int64_t extent[], int kept[])
{
    int n = 0;
    for (uint32_t d = 0; d < shape->ndim; d++) {
        int64_t e = shape->dim[d];
        int64_t of_t = d + t->ndim >= shape->ndim ? t->dim[d + t->ndim - shape->ndim] : 1;
        if (e == 1) {
            continue;
        }
        int k = of_t == e;
        if (n > 0 && kept[n - 1] == k) {
            extent[n - 1] *= e;
        } else {
            extent[n] = e;
            kept[n++] = k;
        }
    }
    return n;
}

stele_status stele__grad_reduce(stele_graph *g, stele_tensor *t, const stele_shape *shape,
                                const void *src, double factor)
{
    int fresh = 0;
    if (t == NULL || !t->wants_gradient) {
        return STELE_OK;
    }
    void *d = stele__grad_open(g, t, &fresh);
    if (d == NULL) {
        return STELE_E_NOMEM;
    }
    int64_t extent[STELE_MAX_DIMS];
    int kept[STELE_MAX_DIMS];
    int n = runs(shape, &t->shape, extent, kept);
    struct reduction r = { .n = t->n, .x = src, .y = d, .factor = factor, .add = !fresh };
    if (n == 0 || (n == 1 && kept[0])) {
        stele__op_blocks(g, stele__n_blocks(t->n, STELE__BLOCK), STELE__PICK(g, add_block), &r);
        return STELE_OK;
    }
    if (n == 1) {
        return stele__reduce_sum(g, 1, extent[0], 1, src, factor, !fresh, d);
    }
    if (n == 2 || (n == 3 && kept[0])) {
        int64_t outer = kept[0] ? extent[0] : 1, summed = kept[0] ? extent[1] : extent[0];
        int64_t inner = kept[n - 1] ? extent[n - 1] : 1;
        return stele__reduce_sum(g, outer, summed, inner, src, factor, !fresh, d);
    }
    return scattered(g, &r, shape, t);
}
