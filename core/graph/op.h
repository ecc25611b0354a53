/* op.h - how an operation is written. For files in core/graph and for fused operations of other
 * rooms.
 *
 * An operation (ops_unary.c is the simplest example):
 *   1. if (!stele__op_ready(g, n, in)) return NULL;           errors and NULL inputs pass through
 *   2. checks dtypes and shapes, fails with stele__op_fail(g, STELE_E_SHAPE, "name: ...") which
 * gives NULL
 *   3. out = stele__op_output(g, dtype, &shape); fills out->data, in blocks through
 * stele__op_blocks
 *   4. stele__op_record(g, out, n, in, backward, saved); return out;   a no-op unless a derivative
 * is wanted Its backward finds out->gradient filled, and for each input with wants_gradient either
 *   - d = stele__grad_open(g, in, &fresh): assign all of d if fresh, else add to it; or
 *   - d = stele__grad_zeroed(g, in): add to it (for scattered writes).
 * Both give NULL when memory is short (then return STELE_E_NOMEM) or when no derivative is wanted.
 * If one tensor is two inputs of a node, the calls come one after the other: finish with the first
 * before opening the second.
 *
 * A derivative of exactly 0 passes an elementwise operation as exactly 0, even where the local
 * slope is infinite or NaN: what a `where` has blocked stays blocked. */
#ifndef STELE_GRAPH_OP_H
#define STELE_GRAPH_OP_H

#include "graph/arena.h"
#include "graph/graph.h"

/* Elements of a block of elementwise work. Part of the numerical contract: never derived from the
 * thread count. */
#define STELE__BLOCK 16384

typedef struct stele__tape_node stele__tape_node;
typedef stele_status (*stele__backward_fn)(stele_graph *g, const stele__tape_node *node);
struct stele__tape_node {
    stele__tape_node *previous;
    stele__backward_fn backward;
    const void
        *saved; /* whatever the operation keeps for backward: in the arena, or outliving the pass */
    const stele__scope *scope; /* on whose behalf it ran */
    stele_tensor *out;
    uint32_t n;
    stele_tensor *in[]; /* n inputs, NULL where an optional one is missing */
};

struct stele_graph {
    stele__pool *pool;
    uint32_t dtype;
    stele__pass pass;
    const stele__scope *scope;
    stele__arena arena;
    stele__tape_node *last;
    int64_t n_rows;                   /* -1: any number, row i is i */
    const int64_t *data_row;          /* n_rows */
    const uint32_t *sample;           /* n_rows or NULL */
    struct stele__param_cache *cache; /* parameters already asked for in this pass */
    int at_start;                     /* parameters that keep their initial values have those */
    struct stele__watch *watch;       /* NULL: units of layers are not watched */
    stele_status status;
    char error[1280], hint[1280]; /* room for what a plugin says */
    const stele__scope *error_scope;
};

/* 1 if the graph has no error and none of the n inputs is NULL. */
int stele__op_ready(const stele_graph *g, uint32_t n, stele_tensor *const *in);
/* Record the first error; gives NULL for the caller to return. */
stele_tensor *stele__op_fail(stele_graph *g, stele_status code, const char *fmt, ...)
    STELE_PRINTF(3, 4);
/* Say more about the error that the graph has; the first that is said stays. */
void stele__op_hint(stele_graph *g, const char *fmt, ...) STELE_PRINTF(2, 3);
/* 1 if t is dense and of the graph's dtype; else fails with "op: name is ...". */
int stele__op_real(stele_graph *g, const char *op, const char *name, const stele_tensor *t);
/* 1 if t is dense I64 (or I32, if allowed). */
int stele__op_index(stele_graph *g, const char *op, const char *name, const stele_tensor *t,
                    int allow_i32);
/* Resolve a negative axis. -1 and a failure if it is out of range. */
int stele__op_axis(stele_graph *g, const char *op, const stele_tensor *t, int32_t axis);

/* Arena memory of the pass (content undefined); fails the graph and gives NULL when memory is
 * short. Not from inside stele__op_blocks. */
void *stele__op_take(stele_graph *g, size_t n, size_t size);
/* A dense tensor with room for its values. */
stele_tensor *stele__op_output(stele_graph *g, uint32_t dtype, const stele_shape *s);
/* A tensor whose dense values lie elsewhere (not copied). */
stele_tensor *stele__op_alias(stele_graph *g, uint32_t dtype, const stele_shape *s,
                              const void *data);
/* A CSR tensor with the structure of `a` and room for its entries. */
stele_tensor *stele__op_csr_like(stele_graph *g, const stele_tensor *a, uint32_t dtype);

/* Append a node, if the pass records and one of the inputs wants a derivative; then `out` wants one
 * too. */
void stele__op_record(stele_graph *g, stele_tensor *out, uint32_t n, stele_tensor *const *in,
                      stele__backward_fn backward, const void *saved);
/* 1 if an operation with these inputs will be recorded: whether to save anything. */
int stele__op_recorded(const stele_graph *g, uint32_t n, stele_tensor *const *in);

/* Where the derivative of t goes; see above. t may be NULL. */
void *stele__grad_open(stele_graph *g, stele_tensor *t, int *ret_fresh);
void *stele__grad_zeroed(stele_graph *g, stele_tensor *t);
/* Say that the sum of squares over n parts of t's whole derivative is known; forgotten when the
 * derivative is opened again. Only parameters keep it. */
void stele__grad_measured(stele_tensor *t, size_t n, const double *squares);
/* Make sure that a wanted derivative has memory, before scratch is taken that will be released. */
void *stele__grad_reserve(stele_graph *g, stele_tensor *t);

/* Run fn(user, i) for every block i < n_blocks, on the pool if there is more than one. fn must
 * write places of its own block only and make no calls on the graph. */
void stele__op_blocks(stele_graph *g, int64_t n_blocks, void (*fn)(void *user, int64_t block),
                      void *user);
/* Number of blocks of `block` items that cover n items. */
static inline int64_t stele__n_blocks(int64_t n, int64_t block)
{
    return (n + block - 1) / block;
}

#endif
