#include "graph/broadcast.h"
#include "graph/ops.h"
#include "graph/reduce.h"

#include <math.h>

/* Operations on two inputs, element by element, with broadcasting; and `where`. */

struct run {
    stele__walk walk;
    const void *a, *b, *c, *dy;
    void *y;    /* forward: the output; backward: where the derivative goes, shape of the output */
    int fresh;  /* backward: assign, do not add */
    int second; /* backward: the derivative towards b; where: towards `no` */
};

struct csr_run {
    const int64_t *row_start;
    const void *x, *factor;
    void *y;
};

#define STELE__BOTH "graph/ops_binary.inc"
#include "graph/both.h"

typedef void (*block_fn)(void *user, int64_t block);

struct operation {
    const char *name;
    int slope;
    block_fn forward_f32, forward_f64, backward_f32, backward_f64;
};

#define ROW(op_, slope_)                                                                           \
    static const struct operation op_##_operation = {                                              \
        #op_, slope_, op_##_forward_f32, op_##_forward_f64, op_##_backward_f32, op_##_backward_f64 \
    };
ROW(add, 1)
ROW(sub, 1)
ROW(mul, 1)
ROW(div, 1)
ROW(maximum, 1)
ROW(minimum, 1)
ROW(less, 0)
#undef ROW

static void run_blocks(stele_graph *g, block_fn fn, struct run *r)
{
    stele__op_blocks(g, stele__n_blocks(r->walk.count, STELE__BLOCK), fn, r);
}

/* Compute the derivative towards one input: straight into place, or, if that input was stretched,
 * into scratch which is then summed. */
static stele_status towards(stele_graph *g, struct run *r, block_fn fn, const stele_tensor *out,
                            stele_tensor *t)
{
    if (!t->wants_gradient) {
        return STELE_OK;
    }
    if (t->n == out->n) {
        r->y = stele__grad_open(g, t, &r->fresh);
        if (r->y == NULL) {
            return STELE_E_NOMEM;
        }
        run_blocks(g, fn, r);
        return STELE_OK;
    }
    /* The destination outlives the scratch, so it is opened before the mark. */
    if (t->gradient == NULL && stele__grad_reserve(g, t) == NULL) {
        return STELE_E_NOMEM;
    }
    stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    r->y = stele__op_take(g, (size_t)out->n, stele__dtype_size(g->dtype));
    r->fresh = 1;
    if (r->y == NULL) {
        return STELE_E_NOMEM;
    }
    run_blocks(g, fn, r);
    stele_status status = stele__grad_reduce(g, t, &out->shape, r->y, 1.0);
    stele__arena_release(&g->arena, mark);
    return status;
}

static stele_status backward(stele_graph *g, const stele__tape_node *node)
{
    const struct operation *op = node->saved;
    const stele_tensor *out = node->out;
    block_fn fn = g->dtype == STELE_F32 ? op->backward_f32 : op->backward_f64;
    const stele_shape *shapes[2] = { &node->in[0]->shape, &node->in[1]->shape };
    struct run r = { .a = node->in[0]->data, .b = node->in[1]->data, .dy = out->gradient };
    stele__walk_init(&r.walk, &out->shape, 2, shapes);
    for (int i = 0; i < 2; i++) {
        r.second = i;
        stele_status status = op == &add_operation
                                  ? stele__grad_reduce(g, node->in[i], &out->shape, r.dy, 1.0)
                                  : towards(g, &r, fn, out, node->in[i]);
        if (status != STELE_OK) {
            return status;
        }
    }
    return STELE_OK;
}

static stele_tensor *shape_error(stele_graph *g, const char *op, const stele_tensor *a,
                                 const stele_tensor *b)
{
    char ta[STELE__SHAPE_TEXT], tb[STELE__SHAPE_TEXT];
    return stele__op_fail(g, STELE_E_SHAPE, "%s: %s and %s do not broadcast", op,
                          stele__shape_text(&a->shape, ta), stele__shape_text(&b->shape, tb));
}

static stele_tensor *binary(stele_graph *g, const struct operation *op, stele_tensor *a,
                            stele_tensor *b)
{
    stele_tensor *in[2] = { a, b };
    if (!stele__op_ready(g, 2, in) || !stele__op_real(g, op->name, "a", a) ||
        !stele__op_real(g, op->name, "b", b)) {
        return NULL;
    }
    stele_shape shape;
    if (stele__shape_broadcast(&a->shape, &b->shape, &shape) != 0) {
        return shape_error(g, op->name, a, b);
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    if (out == NULL) {
        return NULL;
    }
    const stele_shape *shapes[2] = { &a->shape, &b->shape };
    struct run r = { .a = a->data, .b = b->data, .y = out->data };
    stele__walk_init(&r.walk, &shape, 2, shapes);
    run_blocks(g, g->dtype == STELE_F32 ? op->forward_f32 : op->forward_f64, &r);
    if (op->slope) {
        stele__op_record(g, out, 2, in, backward, op);
    }
    return out;
}

#define PLAIN(op_)                                                                                 \
    stele_tensor *stele__op_##op_(stele_graph *g, stele_tensor *a, stele_tensor *b)                \
    {                                                                                              \
        return binary(g, &op_##_operation, a, b);                                                  \
    }
stele_tensor *stele__op_add(stele_graph *g, stele_tensor *a, stele_tensor *b)
{
    stele_tensor *out = binary(g, &add_operation, a, b);
    if (out != NULL) {
        out->weight = a->weight != NULL ? a->weight : b->weight;
    }
    return out;
}
PLAIN(sub)
PLAIN(div)
PLAIN(maximum)
PLAIN(minimum)
PLAIN(less)

/* A sparse tensor carries no derivative, so a factor that wants one would silently get none. */
static stele_tensor *mul_csr(stele_graph *g, stele_tensor *a, stele_tensor *b)
{
    char ta[STELE__SHAPE_TEXT], tb[STELE__SHAPE_TEXT];
    if (!stele__op_real(g, "mul", "b", b)) {
        return NULL;
    }
    stele_shape want = STELE__SHAPE(a->shape.dim[0], 1);
    if (!stele__shape_equal(&b->shape, &want)) {
        return stele__op_fail(g, STELE_E_SHAPE, "mul: sparse a is %s, b is %s: b must be %s",
                              stele__shape_text(&a->shape, ta), stele__shape_text(&b->shape, tb),
                              "one factor per row");
    }
    if (a->dtype != g->dtype || b->wants_gradient) {
        return stele__op_fail(g, a->dtype != g->dtype ? STELE_E_DTYPE : STELE_E_UNSUPPORTED,
                              "mul: sparse a %s",
                              a->dtype != g->dtype ? "is not of the graph's type"
                                                   : "gives b no derivative; detach b");
    }
    stele_tensor *out = stele__op_csr_like(g, a, g->dtype);
    if (out != NULL) {
        struct csr_run r = {
            .row_start = a->row_start, .x = a->data, .factor = b->data, .y = out->data
        };
        stele__op_blocks(g, a->shape.dim[0], STELE__PICK(g, csr_scale_block), &r);
    }
    return out;
}

stele_tensor *stele__op_mul(stele_graph *g, stele_tensor *a, stele_tensor *b)
{
    stele_tensor *in[2] = { a, b };
    if (stele__op_ready(g, 2, in) && a->layout == STELE_CSR) {
        return mul_csr(g, a, b);
    }
    return binary(g, &mul_operation, a, b);
}

static stele_status where_back(stele_graph *g, const stele__tape_node *node)
{
    const stele_tensor *out = node->out;
    struct run r = { .a = node->saved, .dy = out->gradient };
    const stele_shape *shapes[1] = { &node->in[0]->shape };
    stele__walk_init(&r.walk, &out->shape, 1, shapes);
    for (int i = 0; i < 2; i++) {
        r.second = i;
        stele_status status = towards(g, &r, STELE__PICK(g, where_backward), out, node->in[1 + i]);
        if (status != STELE_OK) {
            return status;
        }
    }
    return STELE_OK;
}

/* The condition as bytes, from any element type. */
static const uint8_t *mask_of(stele_graph *g, const stele_tensor *cond)
{
    if (cond->dtype == STELE_U8) {
        return cond->data;
    }
    uint8_t *mask = stele__op_take(g, (size_t)cond->n, 1);
    if (mask == NULL) {
        return NULL;
    }
    if (cond->dtype == STELE_F32) {
        mask_of_f32(cond->n, cond->data, mask);
    } else if (cond->dtype == STELE_F64) {
        mask_of_f64(cond->n, cond->data, mask);
    } else {
        for (int64_t i = 0; i < cond->n; i++) {
            mask[i] = cond->dtype == STELE_I32 ? ((const int32_t *)cond->data)[i] != 0
                                               : ((const int64_t *)cond->data)[i] != 0;
        }
    }
    return mask;
}

stele_tensor *stele__op_where(stele_graph *g, stele_tensor *cond, stele_tensor *yes,
                              stele_tensor *no)
{
    stele_tensor *in[3] = { cond, yes, no };
    if (!stele__op_ready(g, 3, in) || !stele__op_real(g, "where", "yes", yes) ||
        !stele__op_real(g, "where", "no", no)) {
        return NULL;
    }
    if (cond->layout != STELE_DENSE) {
        return stele__op_fail(g, STELE_E_UNSUPPORTED, "where: cond is sparse");
    }
    stele_shape shape;
    if (stele__shape_broadcast(&yes->shape, &no->shape, &shape) != 0) {
        return shape_error(g, "where", yes, no);
    }
    if (stele__shape_broadcast(&shape, &cond->shape, &shape) != 0) {
        return shape_error(g, "where", cond, yes->n >= no->n ? yes : no);
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    const uint8_t *mask = mask_of(g, cond);
    if (out == NULL || mask == NULL) {
        return NULL;
    }
    const stele_shape *shapes[3] = { &cond->shape, &yes->shape, &no->shape };
    struct run r = { .a = mask, .b = yes->data, .c = no->data, .y = out->data };
    stele__walk_init(&r.walk, &shape, 3, shapes);
    run_blocks(g, STELE__PICK(g, where_forward), &r);
    stele__op_record(g, out, 3, in, where_back, mask);
    return out;
}
