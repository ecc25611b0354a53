#include "graph/noise.h"
#include "graph/ops.h"

/* Noise and dropout. Row i of a tensor takes its numbers from the stream of the data row and sample
 * it stands for, so neither the order nor the company of rows in a batch matters. */

struct run {
    const stele_graph *g;
    uint32_t dtype;
    uint64_t key, rate_key;
    int64_t rows, n, per_block; /* n elements in each row */
    const int64_t *row_start;   /* CSR */
    const void *x;
    void *y, *factor;
    double rate;
    int uniform, vary, fresh;
};

static stele__stream stream_of(const struct run *r, int64_t i, uint64_t key)
{
    const stele_graph *g = r->g;
    return (stele__stream){ .key = key,
                            .row = g->data_row == NULL ? i : g->data_row[i],
                            .sample = g->sample == NULL ? 0 : g->sample[i] };
}

static double rate_of(const struct run *r, int64_t i)
{
    if (!r->vary) {
        return r->rate;
    }
    double u;
    const stele__stream s = stream_of(r, i, r->rate_key);
    stele__stream_uniform(&s, STELE_F64, 1, &u);
    return u * 2.0 * r->rate < 0.95 ? u * 2.0 * r->rate : 0.95;
}

#define STELE__BOTH "graph/ops_random.inc"
#include "graph/both.h"

/* Rows of a shape, checked against those that the host announced; 0 after a failure. */
static int start(stele_graph *g, const char *op, const stele_shape *s, uint32_t stream,
                 struct run *r)
{
    const int64_t count = stele__shape_count(s), rows = s->ndim == 0 ? 1 : s->dim[0];
    if (g->n_rows >= 0 && g->n_rows != rows) {
        char text[STELE__SHAPE_TEXT];
        stele__op_fail(g, STELE_E_SHAPE, "%s: the shape is %s, but there are %lld rows", op,
                       stele__shape_text(s, text), (long long)g->n_rows);
        return 0;
    }
    const uint64_t scope = g->scope == NULL ? 0 : g->scope->purpose;
    *r = (struct run){ .g = g, .dtype = g->dtype, .rows = rows, .n = rows < 1 ? 0 : count / rows };
    const uint64_t purpose = stele__noise_mix(scope, stream);
    r->key = stele__noise_key(g->pass.seed, purpose, g->pass.step);
    r->rate_key = stele__noise_key(g->pass.seed, ~purpose, g->pass.step);
    r->per_block = r->n >= STELE__BLOCK ? 1 : STELE__BLOCK / (r->n < 1 ? 1 : r->n);
    return 1;
}

static stele_tensor *fill(stele_graph *g, const stele_shape *s, uint32_t stream, int uniform)
{
    struct run r;
    if (g->status != STELE_OK || !start(g, "noise", s, stream, &r)) {
        return NULL;
    }
    stele_tensor *out = stele__op_output(g, g->dtype, s);
    if (out != NULL) {
        r.y = out->data;
        r.uniform = uniform;
        stele__op_blocks(g, stele__n_blocks(r.rows, r.per_block), STELE__PICK(g, noise_block), &r);
    }
    return out;
}

stele_tensor *stele__op_noise(stele_graph *g, const stele_shape *s, uint32_t stream)
{
    return fill(g, s, stream, 0);
}

stele_tensor *stele__op_uniform(stele_graph *g, const stele_shape *s, uint32_t stream)
{
    return fill(g, s, stream, 1);
}

static stele_status dropout_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = { .n = node->out->n, .x = node->out->gradient };
    r.factor = (void *)(uintptr_t)node->saved;
    r.y = stele__grad_open(g, node->in[0], &r.fresh);
    if (r.y == NULL) {
        return STELE_E_NOMEM;
    }
    stele__op_blocks(g, stele__n_blocks(r.n, STELE__BLOCK), STELE__PICK(g, dropout_back_block), &r);
    return STELE_OK;
}

stele_tensor *stele__op_dropout(stele_graph *g, stele_tensor *a, double rate, int32_t vary,
                                uint32_t stream)
{
    struct run r;
    if (!stele__op_ready(g, 1, &a)) {
        return NULL;
    }
    if (!(rate >= 0.0 && rate < 1.0)) {
        return stele__op_fail(g, STELE_E_ARG, "dropout: the rate is %g", rate);
    }
    int csr = a->layout == STELE_CSR && a->dtype == g->dtype;
    if (!csr && !stele__op_real(g, "dropout", "a", a)) {
        return NULL;
    }
    if (!g->pass.training || rate == 0.0) {
        return a;
    }
    if (!start(g, "dropout", &a->shape, stream, &r)) {
        return NULL;
    }
    stele_tensor *out =
        csr ? stele__op_csr_like(g, a, g->dtype) : stele__op_output(g, g->dtype, &a->shape);
    r.factor = stele__op_take(g, (size_t)a->n, stele__dtype_size(g->dtype));
    if (out == NULL || r.factor == NULL) {
        return NULL;
    }
    r.x = a->data;
    r.y = out->data;
    r.rate = rate;
    r.vary = vary != 0;
    if (csr) {
        r.row_start = a->row_start;
        r.per_block = 8;
    }
    stele__op_blocks(g, stele__n_blocks(r.rows, r.per_block), STELE__PICK(g, dropout_block), &r);
    stele__op_record(g, out, 1, &a, dropout_back, r.factor);
    return out;
}
