#include "graph/ops.h"

#include <string.h>

/* Operations that pick rows by number: gather (dense and sparse), scatter, embedding. */

#define COLUMNS 64

struct run {
    int64_t rows, n, per_block; /* rows of n elements named by the index */
    const void *index;
    uint32_t index_dtype;
    const void *x;
    void *y;
    int add;
};

static int64_t index_at(const struct run *r, int64_t i)
{
    return r->index_dtype == STELE_I64 ? ((const int64_t *)r->index)[i]
                                       : ((const int32_t *)r->index)[i];
}

#define STELE__BOTH "graph/ops_index.inc"
#include "graph/both.h"

static struct run make_run(const stele_tensor *index, int64_t n)
{
    struct run r = { .rows = index->n, .n = n, .index = index->data, .index_dtype = index->dtype };
    r.per_block = n >= STELE__BLOCK ? 1 : STELE__BLOCK / (n < 1 ? 1 : n);
    return r;
}

/* 1 if every number is a row of n_rows; else fails. */
static int in_range(stele_graph *g, const char *op, const struct run *r, int64_t n_rows)
{
    for (int64_t i = 0; i < r->rows; i++) {
        int64_t row = index_at(r, i);
        if (row < 0 || row >= n_rows) {
            stele__op_fail(g, STELE_E_ARG, "%s: index %lld is %lld, there are %lld rows", op,
                           (long long)i, (long long)row, (long long)n_rows);
            return 0;
        }
    }
    return 1;
}

/* Move rows out of x by the index (gather), or into y by the index (scatter). */
static void gather_rows(stele_graph *g, struct run *r)
{
    stele__op_blocks(g, stele__n_blocks(r->rows, r->per_block), STELE__PICK(g, gather_block), r);
}

static void scatter_rows(stele_graph *g, struct run *r)
{
    stele__op_blocks(g, stele__n_blocks(r->n, COLUMNS), STELE__PICK(g, scatter_add_block), r);
}

/* --- gather and embedding: the same, but for the shape of the index --- */

static stele_status gather_back(stele_graph *g, const stele__tape_node *node)
{
    stele_tensor *a = node->in[0];
    int64_t n = a->shape.dim[0] == 0 ? 0 : a->n / a->shape.dim[0];
    struct run r = make_run(node->in[1], n);
    r.x = node->out->gradient;
    r.y = stele__grad_zeroed(g, a);
    if (r.y == NULL) {
        return STELE_E_NOMEM;
    }
    scatter_rows(g, &r);
    return STELE_OK;
}

static stele_tensor *take_rows(stele_graph *g, const char *op, stele_tensor *a, stele_tensor *index,
                               const stele_shape *shape)
{
    stele_tensor *in[2] = { a, index };
    struct run r = make_run(index, a->shape.dim[0] == 0 ? 0 : a->n / a->shape.dim[0]);
    if (!in_range(g, op, &r, a->shape.dim[0])) {
        return NULL;
    }
    stele_tensor *out = stele__op_output(g, g->dtype, shape);
    if (out == NULL) {
        return NULL;
    }
    r.x = a->data;
    r.y = out->data;
    gather_rows(g, &r);
    stele__op_record(g, out, 2, in, gather_back, NULL);
    return out;
}

static stele_tensor *gather_csr(stele_graph *g, const stele_tensor *a, const struct run *r)
{
    int64_t *start = stele__op_take(g, (size_t)r->rows + 1, sizeof *start);
    stele_tensor *out = stele__op_take(g, 1, sizeof *out);
    if (start == NULL || out == NULL) {
        return NULL;
    }
    start[0] = 0;
    for (int64_t i = 0; i < r->rows; i++) {
        int64_t row = index_at(r, i);
        start[i + 1] = start[i] + a->row_start[row + 1] - a->row_start[row];
    }
    size_t size = stele__dtype_size(a->dtype);
    int32_t *column = stele__op_take(g, (size_t)start[r->rows], sizeof *column);
    char *data = stele__op_take(g, (size_t)start[r->rows], size);
    if (column == NULL || data == NULL) {
        return NULL;
    }
    for (int64_t i = 0; i < r->rows; i++) {
        int64_t from = a->row_start[index_at(r, i)];
        size_t n = (size_t)(start[i + 1] - start[i]);
        if (n > 0) {
            memcpy(column + start[i], a->column + from, n * sizeof *column);
            memcpy(data + (size_t)start[i] * size, (const char *)a->data + (size_t)from * size,
                   n * size);
        }
    }
    *out = (stele_tensor){ .graph = g,
                           .dtype = a->dtype,
                           .layout = STELE_CSR,
                           .shape = STELE__SHAPE(r->rows, a->shape.dim[1]),
                           .n = start[r->rows],
                           .data = data,
                           .row_start = start,
                           .column = column };
    out->has_gradient = &out->own_flag;
    return out;
}

stele_tensor *stele__op_gather(stele_graph *g, stele_tensor *a, stele_tensor *index)
{
    stele_tensor *in[2] = { a, index };
    char ta[STELE__SHAPE_TEXT], ti[STELE__SHAPE_TEXT];
    if (!stele__op_ready(g, 2, in) || !stele__op_index(g, "gather", "index", index, 0)) {
        return NULL;
    }
    if (index->shape.ndim != 1 || a->shape.ndim == 0) {
        return stele__op_fail(g, STELE_E_SHAPE, "gather: a is %s, index is %s",
                              stele__shape_text(&a->shape, ta),
                              stele__shape_text(&index->shape, ti));
    }
    if (a->layout == STELE_CSR) {
        struct run r = make_run(index, 0);
        return in_range(g, "gather", &r, a->shape.dim[0]) ? gather_csr(g, a, &r) : NULL;
    }
    if (!stele__op_real(g, "gather", "a", a)) {
        return NULL;
    }
    stele_shape shape = a->shape;
    shape.dim[0] = index->n;
    return take_rows(g, "gather", a, index, &shape);
}

stele_tensor *stele__op_embedding(stele_graph *g, stele_tensor *table, stele_tensor *index)
{
    stele_tensor *in[2] = { table, index };
    if (!stele__op_ready(g, 2, in) || !stele__op_real(g, "embedding", "table", table) ||
        !stele__op_index(g, "embedding", "index", index, 1)) {
        return NULL;
    }
    if (table->shape.ndim != 2 || index->shape.ndim == STELE_MAX_DIMS) {
        char tt[STELE__SHAPE_TEXT], ti[STELE__SHAPE_TEXT];
        return stele__op_fail(g, STELE_E_SHAPE, "embedding: table is %s, index is %s",
                              stele__shape_text(&table->shape, tt),
                              stele__shape_text(&index->shape, ti));
    }
    stele_shape shape = index->shape;
    shape.dim[shape.ndim++] = table->shape.dim[1];
    return take_rows(g, "embedding", table, index, &shape);
}

/* --- scatter --- */

static stele_status scatter_back(stele_graph *g, const stele__tape_node *node)
{
    stele_tensor *a = node->in[0];
    struct run r = make_run(node->in[1], node->in[1]->n == 0 ? 0 : a->n / node->in[1]->n);
    int fresh = 0;
    r.y = stele__grad_open(g, a, &fresh);
    if (r.y == NULL) {
        return STELE_E_NOMEM;
    }
    r.x = node->out->gradient;
    r.add = !fresh;
    gather_rows(g, &r);
    return STELE_OK;
}

/* Distinct rows, or the derivative would not be that of the value. */
static int distinct(stele_graph *g, const struct run *r, int64_t n_rows)
{
    stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    uint8_t *seen = stele__op_take(g, (size_t)n_rows, 1);
    int ok = seen != NULL;
    if (ok) {
        memset(seen, 0, (size_t)n_rows);
    }
    for (int64_t i = 0; ok && i < r->rows; i++) {
        int64_t row = index_at(r, i);
        if (seen[row]++) {
            stele__op_fail(g, STELE_E_ARG, "scatter: row %lld is named twice", (long long)row);
            ok = 0;
        }
    }
    stele__arena_release(&g->arena, mark);
    return ok;
}

stele_tensor *stele__op_scatter(stele_graph *g, stele_tensor *a, stele_tensor *index,
                                int64_t n_rows, double fill)
{
    stele_tensor *in[2] = { a, index };
    if (!stele__op_ready(g, 2, in) || !stele__op_real(g, "scatter", "a", a) ||
        !stele__op_index(g, "scatter", "index", index, 0)) {
        return NULL;
    }
    if (index->shape.ndim != 1 || a->shape.ndim == 0 || a->shape.dim[0] != index->n) {
        char ta[STELE__SHAPE_TEXT], ti[STELE__SHAPE_TEXT];
        return stele__op_fail(g, STELE_E_SHAPE, "scatter: a is %s, index is %s",
                              stele__shape_text(&a->shape, ta),
                              stele__shape_text(&index->shape, ti));
    }
    struct run r = make_run(index, index->n == 0 ? 0 : a->n / index->n);
    if (!in_range(g, "scatter", &r, n_rows) || !distinct(g, &r, n_rows)) {
        return NULL;
    }
    stele_shape shape = a->shape;
    shape.dim[0] = n_rows;
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    if (out == NULL) {
        return NULL;
    }
    STELE__PICK(g, fill)(out->n, fill, out->data);
    size_t bytes = (size_t)r.n * stele__dtype_size(g->dtype);
    for (int64_t i = 0; i < r.rows; i++) {
        memcpy((char *)out->data + (size_t)index_at(&r, i) * bytes,
               (const char *)a->data + (size_t)i * bytes, bytes);
    }
    stele__op_record(g, out, 2, in, scatter_back, NULL);
    return out;
}
