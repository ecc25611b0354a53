/* core/graph: tensors, the tape and reverse-mode derivatives over it, and the parameters they end
 * in.
 *
 * graph.h - one pass as the host drives it. Operations themselves: stele__ops (ops.h). How an
 * operation is written: op.h.
 *
 * A graph runs operations at once. While recording it appends a node for every operation that has
 * an input which wants a derivative; stele__graph_backward walks the nodes in reverse. Tensors,
 * nodes, values and derivatives live in the graph's arena until the next begin, which keeps the
 * memory: from the second pass of a size on a pass allocates nothing. A graph belongs to one thread
 * at a time; it spreads the work of an operation over its pool in blocks that do not depend on the
 * number of threads. */
#ifndef STELE_GRAPH_GRAPH_H
#define STELE_GRAPH_GRAPH_H

#include "graph/tensor.h"
#include "kernels/csr.h"
#include "kernels/pool.h"

typedef struct stele__params stele__params;

typedef struct stele__param stele__param;
typedef struct stele__step_within stele__step_within;

typedef struct stele__pass {
    uint32_t training;   /* 1: dropout is on, plugins may add noise */
    uint32_t record;     /* 1: keep a tape for backward */
    uint32_t fixed;      /* 1: no derivative towards parameters is wanted */
    uint64_t seed, step; /* address of all noise of the pass */
    /* The optimiser's step, for parameters that can be stepped within the pass (step.h); NULL: all
     * derivatives are wanted as such. Borrowed until the next begin. */
    const stele__step_within *step_within;
} stele__pass;

/* On whose behalf operations run: one instance of a plugin. Borrowed; must outlive the pass. */
typedef struct stele__scope {
    const char *name;      /* instance path, for messages */
    uint64_t purpose;      /* hash of the instance path: noise of two instances differs */
    stele__params *params; /* of the graph's dtype; NULL if the instance has none */
    const uint32_t *entry; /* n entries of params: parameter id of the instance -> entry */
    uint32_t n;
    /* Called on the graph's thread before and after code of the instance runs outside of a call
     * into it: the derivative of an operation of its own. NULL: nobody wants to know. */
    void (*runs)(void *user, const char *what);
    void (*ran)(void *user, const char *what);
    void *user;
} stele__scope;

/* pool: borrowed; NULL runs on the calling thread. dtype: STELE_F32 or STELE_F64. */
STELE_NODISCARD stele_status stele__graph_create(stele__pool *pool, uint32_t dtype,
                                                 stele_graph **ret);
void stele__graph_destroy(stele_graph *g);
/* Start a pass: forget all tensors and the error, leave the scope, rows count as 0, 1, 2, ... */
void stele__graph_begin(stele_graph *g, const stele__pass *pass);
/* Scope of the operations that follow; NULL leaves. */
void stele__graph_enter(stele_graph *g, const stele__scope *scope);
/* Which row of the data set, and which sample of it, each of the n outermost indices of tensors
 * stands for, from now on: noise, dropout and rsample are addressed by it and want exactly n rows.
 * Copied. data_row NULL: row i is i, and any number of rows will do; sample NULL: all 0. */
void stele__graph_rows(stele_graph *g, int64_t n, const int64_t *data_row, const uint32_t *sample);

/* Tensors over memory of the caller, which must stay until the next begin. NULL after an error. */
stele_tensor *stele__graph_dense(stele_graph *g, uint32_t dtype, const stele_shape *s,
                                 const void *data);
/* The same, of the graph's dtype, with a derivative wanted. */
stele_tensor *stele__graph_leaf(stele_graph *g, const stele_shape *s, const void *data);
/* rows x cols; row_start (rows + 1) starts at 0, column and data (row_start[rows]). */
stele_tensor *stele__graph_csr(stele_graph *g, uint32_t dtype, int64_t rows, int64_t cols,
                               const int64_t *row_start, const int32_t *column, const void *data);
/* Entry of a params object of the graph's dtype as a tensor; its derivative goes into the flat
 * gradient of the object. Twice in a pass gives the same tensor. */
stele_tensor *stele__graph_param(stele_graph *g, stele__params *params, uint32_t entry);

/* on 1: parameters that keep their initial values (stele__declaration.keep) are asked for as those,
 * without a derivative, until it is called with 0 or a pass begins. */
void stele__graph_at_start(stele_graph *g, int on);

/* Derivatives of a scalar towards everything that wants one. Those of parameters are added to what
 * their params object holds; all others start afresh with every call. */
STELE_NODISCARD stele_status stele__graph_backward(stele_graph *g, stele_tensor *loss);
/* The same for n tensors at once, gradient[i] = d loss / d t[i], as many elements as t[i] has, of
 * the graph's dtype. */
STELE_NODISCARD stele_status stele__graph_backward_from(stele_graph *g, uint32_t n,
                                                        stele_tensor *const *t,
                                                        const void *const *gradient);

stele_status stele__graph_status(const stele_graph *g);
/* Why, in one sentence that starts with the operation; "" without an error. Lives until the next
 * begin. */
const char *stele__graph_error(const stele_graph *g);
/* What else is known about it, "" if nothing. */
const char *stele__graph_hint(const stele_graph *g);
/* The scope in which it happened; NULL if none. */
const stele__scope *stele__graph_error_scope(const stele_graph *g);

const void *stele__tensor_data(const stele_tensor *t);
/* Derivative after backward, NULL if none arrived. */
const void *stele__tensor_grad(const stele_tensor *t);

uint32_t stele__graph_dtype(const stele_graph *g);
stele__pool *stele__graph_pool(const stele_graph *g);

#endif
