#include "graph/copy.h"

struct strided {
    const stele_shape *shape;
    const int64_t *stride;
    int64_t n;
    const void *x;
    void *y;
    int add;
};

struct slabs {
    int64_t outer, n, x_step, y_step, per_block;
    const void *x;
    void *y;
    int add;
};

#define STELE__BOTH "graph/copy.inc"
#include "graph/both.h"

void stele__copy_strided(stele_graph *g, const stele_shape *shape, const int64_t *stride,
                         const void *x, int add, void *y)
{
    struct strided r = {
        .shape = shape, .stride = stride, .n = stele__shape_count(shape), .x = x, .y = y, .add = add
    };
    stele__op_blocks(g, stele__n_blocks(r.n, STELE__BLOCK), STELE__PICK(g, strided_block), &r);
}

void stele__copy_slabs(stele_graph *g, int64_t outer, int64_t n, const void *x, int64_t x_step,
                       int add, void *y, int64_t y_step)
{
    struct slabs r = {
        .outer = outer, .n = n, .x = x, .x_step = x_step, .add = add, .y = y, .y_step = y_step
    };
    r.per_block = n >= STELE__BLOCK ? 1 : STELE__BLOCK / (n < 1 ? 1 : n);
    stele__op_blocks(g, stele__n_blocks(outer, r.per_block), STELE__PICK(g, slab_block), &r);
}
