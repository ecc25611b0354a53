#include "graph/ops.h"
#include "graph/window.h"

#include <string.h>

/* Pooling: every channel of every row is a plane of its own. */

struct run {
    stele__window w;
    int64_t planes, large, small, per_block; /* elements of a plane on both sides */
    const void *x;
    void *y;
    int64_t *index; /* max_pool: where in its plane each maximum lies (planes, small) */
};

/* What a place of the small side sees: elements origin + k0 * step[0] + k1 * step[1] of the plane,
 * k inside [first, end). */
struct sight {
    int64_t origin, step[2], first[2], end[2];
};

static struct sight look(const stele__window *w, int64_t s)
{
    const int64_t place[2] = { s / w->small[1], s % w->small[1] };
    struct sight v = { 0 };
    for (uint32_t a = 0; a < 2; a++) {
        const int64_t begin = place[a] * w->stride[a] - w->padding[a];
        const int64_t line = a == 0 ? w->large[1] : 1;
        v.origin += begin * line;
        v.step[a] = w->dilation[a] * line;
        stele__window_inside(w->kernel[a], w->large[a], w->dilation[a], begin, &v.first[a],
                             &v.end[a]);
    }
    return v;
}

#define STELE__BOTH "graph/ops_pool.inc"
#include "graph/both.h"

static int64_t n_blocks(const struct run *r)
{
    return stele__n_blocks(r->planes, r->per_block);
}

static stele_status max_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = *(const struct run *)node->saved;
    r.x = node->out->gradient;
    r.y = stele__grad_zeroed(g, node->in[0]);
    if (r.y == NULL) {
        return STELE_E_NOMEM;
    }
    stele__op_blocks(g, n_blocks(&r), STELE__PICK(g, max_back_block), &r);
    return STELE_OK;
}

static stele_status mean_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = *(const struct run *)node->saved;
    r.x = node->out->gradient;
    r.y = stele__grad_zeroed(g, node->in[0]);
    if (r.y == NULL) {
        return STELE_E_NOMEM;
    }
    stele__op_blocks(g, n_blocks(&r), STELE__PICK(g, mean_back_block), &r);
    return STELE_OK;
}

/* 1 if every window holds an element that is not padding, or there would be no maximum. */
static int sees_something(const struct run *r)
{
    for (int64_t s = 0; s < r->small; s++) {
        const struct sight v = look(&r->w, s);
        if (v.first[0] == v.end[0] || v.first[1] == v.end[1]) {
            return 0;
        }
    }
    return 1;
}

static stele_tensor *pool(stele_graph *g, const char *op, stele_tensor *x, const stele_window *p,
                          int maximum)
{
    stele_tensor *in[1] = { x };
    struct run *r;
    char text[STELE__SHAPE_TEXT];
    if (!stele__op_ready(g, 1, in) || !stele__op_real(g, op, "x", x) ||
        (r = stele__op_take(g, 1, sizeof *r)) == NULL) {
        return NULL;
    }
    if (x->shape.ndim != 3 && x->shape.ndim != 4) {
        return stele__op_fail(g, STELE_E_SHAPE, "%s: x is %s, neither (B, C, T) nor (B, C, H, W)",
                              op, stele__shape_text(&x->shape, text));
    }
    const uint32_t axes = x->shape.ndim - 2;
    *r = (struct run){ .x = x->data };
    if (!stele__window_read(g, op, p, axes, 0, &r->w) || !stele__window_fit(g, op, x, 0, &r->w)) {
        return NULL;
    }
    if (r->w.groups != 1) {
        return stele__op_fail(g, STELE_E_ARG, "%s: groups is %lld, pooling knows only 1", op,
                              (long long)r->w.groups);
    }
    r->large = r->w.large[0] * r->w.large[1];
    r->small = r->w.small[0] * r->w.small[1];
    if (maximum && !sees_something(r)) {
        return stele__op_fail(g, STELE_E_SHAPE, "%s: x is %s: a window sees nothing but padding",
                              op, stele__shape_text(&x->shape, text));
    }
    stele_shape shape = stele__window_shape(x->shape.dim[0], x->shape.dim[1], axes, r->w.small);
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    if (out == NULL) {
        return NULL;
    }
    r->planes = x->shape.dim[0] * x->shape.dim[1];
    const int64_t work = r->small * r->w.kernel[0] * r->w.kernel[1];
    r->per_block = work >= STELE__BLOCK ? 1 : STELE__BLOCK / work;
    r->y = out->data;
    if (maximum) {
        r->index = stele__op_take(g, (size_t)out->n, sizeof *r->index);
        if (r->index == NULL) {
            return NULL;
        }
    }
    stele__op_blocks(g, n_blocks(r),
                     maximum ? STELE__PICK(g, max_block) : STELE__PICK(g, mean_block), r);
    stele__op_record(g, out, 1, in, maximum ? max_back : mean_back, r);
    return out;
}

stele_tensor *stele__op_max_pool(stele_graph *g, stele_tensor *x, const stele_window *p)
{
    return pool(g, "max_pool", x, p, 1);
}

stele_tensor *stele__op_mean_pool(stele_graph *g, stele_tensor *x, const stele_window *p)
{
    return pool(g, "mean_pool", x, p, 0);
}
