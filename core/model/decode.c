#include "model/decode.h"

#include "graph/op.h"
#include "graph/ops.h"
#include "model/fused.h"

#include <math.h>
#include <string.h>

static const stele_ops *const ops = &stele__ops;

/* Value of column `at` of covariate i in a row of the data set. */
static double covariate_value(const stele__batch *b, uint32_t i, int64_t at, int64_t row)
{
    const stele__covariate *c = &b->model->covariate[i];
    const stele__label *label = b->label[i];
    if (label == NULL) {
        return 0.0;
    }
    if (c->content == STELE_FIELD_CATEGORY) {
        return label->code[row] == at ? 1.0 : 0.0;
    }
    return isnan(label->number[row]) ? 0.0 : (label->number[row] - c->mean) / c->sd;
}

stele_tensor *stele__covariate_tensor(stele_graph *g, const stele__batch *b,
                                      const stele__covariate_set *set, int64_t n,
                                      const int64_t *row)
{
    void *values =
        set->width > 0 ? stele__op_take(g, (size_t)(n * set->width), sizeof(double)) : NULL;
    if (values == NULL) {
        return NULL;
    }
    int64_t column = 0;
    for (uint32_t k = 0; k < set->n; k++) {
        for (int64_t at = 0; at < b->model->covariate[set->index[k]].width; at++, column++) {
            for (int64_t r = 0; r < n; r++) {
                double v = covariate_value(b, set->index[k], at, row[r]);
                if (stele__graph_dtype(g) == STELE_F64) {
                    ((double *)values)[r * set->width + column] = v;
                } else {
                    ((float *)values)[r * set->width + column] = (float)v;
                }
            }
        }
    }
    stele_shape shape = STELE__SHAPE(n, set->width);
    return stele__graph_dense(g, stele__graph_dtype(g), &shape, values);
}

static stele_tensor *index_tensor(stele_graph *g, int64_t n, const int64_t *index)
{
    stele_shape shape = STELE__SHAPE(n);
    return stele__graph_dense(g, STELE_I64, &shape, index);
}

/* What modality i's decoder reads of a draw: z, and its private latent if it has one. */
static stele_tensor *latent_of(stele_graph *g, const stele__modality *md, uint32_t i,
                               const stele__draws *d)
{
    if (md->own.dim == 0) {
        return d->z;
    }
    if (d->w == NULL || d->w[i] == NULL) {
        stele__op_fail(g, STELE_E_INTERNAL, "decode: the private latent was not drawn");
        return NULL;
    }
    stele_tensor *both[] = { d->z, d->w[i] };
    return ops->concat(g, 2, both, 1);
}

/* z of the rows to decode, in order: draw by draw, each taken whole where all of its rows are
 * wanted. */
static stele_tensor *stack_z(stele_graph *g, const stele__modality *md, uint32_t m,
                             const stele__draws *draws, uint32_t n_draws,
                             const stele__decode_rows *rows)
{
    stele_tensor **part = stele__op_take(g, n_draws, sizeof(stele_tensor *));
    uint32_t n_parts = 0;
    int64_t at = 0;
    if (part == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < n_draws; i++) {
        int64_t begin = at;
        while (at < rows->n && rows->draw[at] == i) {
            at++;
        }
        if (at > begin) {
            stele_tensor *z = latent_of(g, md, m, &draws[i]);
            part[n_parts++] =
                at - begin == draws[i].n
                    ? z
                    : ops->gather(g, z, index_tensor(g, at - begin, rows->index + begin));
        }
    }
    return n_parts == 1 ? part[0] : ops->concat(g, n_parts, part, 0);
}

/* Rows of x; all of them in order is the common case and costs nothing. */
static stele_tensor *rows_of(stele_graph *g, stele_tensor *x, int64_t n, const int64_t *index)
{
    int64_t same = 0;
    while (same < n && index[same] == same) {
        same++;
    }
    return same == n && n == x->shape.dim[0] ? x : ops->gather(g, x, index_tensor(g, n, index));
}

/* Arguments of decode() for these rows. reconstruct 0: no target, so that nothing of the row's own
 * measurement is used. */
static int decode_args(stele_graph *g, const stele__expert_set *e, uint32_t i,
                       const stele__draws *draws, uint32_t n_draws, const stele__decode_rows *rows,
                       int reconstruct, stele_decode_args *ret)
{
    const stele__batch *b = e->batch;
    int64_t *local = stele__op_take(g, (size_t)rows->n, sizeof *local);
    int64_t *row = stele__op_take(g, (size_t)rows->n, sizeof *row);
    uint32_t *sample = stele__op_take(g, (size_t)rows->n, sizeof *sample);
    if (local == NULL || row == NULL || sample == NULL) {
        return 0;
    }
    for (int64_t k = 0; k < rows->n; k++) {
        const stele__draws *d = &draws[rows->draw[k]];
        local[k] = b->part[i].local[d->position[rows->index[k]]];
        row[k] = d->row[rows->index[k]];
        sample[k] = d->sample[rows->index[k]];
    }
    *ret = (stele_decode_args){ .struct_size = sizeof *ret };
    ret->z = stack_z(g, &b->model->modality[i], i, draws, n_draws, rows);
    ret->covariates =
        stele__covariate_tensor(g, b, &b->model->modality[i].decoder_covariates, rows->n, row);
    if (reconstruct) {
        ret->target = rows_of(g, e->x[i], rows->n, local);
    }
    stele__graph_rows(g, rows->n, row, sample);
    return ret->z != NULL && (ret->target != NULL || !reconstruct);
}

/* Where the values of each row of a gathered measurement lie. */
static stele_values *values_of(stele_graph *g, const stele_tensor *x, int64_t n_features)
{
    int64_t n = x->shape.dim[0];
    stele_values *v = stele__op_take(g, 1, sizeof *v);
    int64_t *begin = stele__op_take(g, (size_t)n, sizeof *begin);
    if (v == NULL || begin == NULL) {
        return NULL;
    }
    *v = (stele_values){
        .struct_size = sizeof *v, .dtype = x->dtype, .layout = x->layout, .data = x->data
    };
    for (int64_t r = 0; r < n; r++) {
        begin[r] = x->layout == STELE_CSR ? x->row_start[r] : r * n_features;
    }
    v->begin = begin;
    if (x->layout == STELE_CSR) {
        v->end = x->row_start + 1;
        v->column = x->column;
    }
    return v;
}

static stele__fused fused_of(const stele__modality *md, const stele_output *out)
{
    return (stele__fused){ .vt = md->vt,
                           .inst = stele__guest_inst(md->part.guest),
                           .guest = md->part.guest,
                           .scope = &md->part.scope,
                           .output = out,
                           .n_features = md->n_features };
}

static stele_tensor *elementwise(stele_graph *g, const stele__modality *md,
                                 const stele_decode_args *a, const void *weight)
{
    stele_output out = { .struct_size = sizeof out };
    stele__guest_begin(md->part.guest, "decode");
    stele_status status = md->vt->decode(stele__guest_inst(md->part.guest), g, a, &out);
    if (stele__part_outcome(&md->part, g, "decode", status) != STELE_OK) {
        return NULL;
    }
    stele__fused f = fused_of(md, &out);
    f.x = values_of(g, a->target, md->n_features);
    f.weight = weight;
    return f.x != NULL ? stele__fused_log_prob(g, &f) : NULL;
}

stele_tensor *stele__decode_log_prob(const stele__model *m, stele_graph *g,
                                     const stele__expert_set *e, uint32_t i,
                                     const stele__draws *draws, uint32_t n_draws,
                                     const stele__decode_rows *rows, const void *weight)
{
    const stele__modality *md = &m->modality[i];
    stele_decode_args a;
    stele_tensor *log_px = NULL;
    stele__graph_enter(g, &md->part.scope);
    if (decode_args(g, e, i, draws, n_draws, rows, 1, &a)) {
        if (md->vt->decode != NULL) {
            log_px = elementwise(g, md, &a, weight);
        } else {
            stele__guest_begin(md->part.guest, "log_prob");
            stele_status status =
                md->vt->log_prob(stele__guest_inst(md->part.guest), g, &a, &log_px);
            status = stele__part_outcome(&md->part, g, "log_prob", status);
            if (status == STELE_OK &&
                (log_px == NULL || log_px->shape.ndim != 1 || log_px->shape.dim[0] != rows->n)) {
                status = STELE_E_SHAPE;
                stele__op_fail(g, status, "log_prob: gave no number for each of %lld rows",
                               (long long)rows->n);
            }
            log_px = status == STELE_OK ? log_px : NULL;
        }
    }
    stele__graph_enter(g, NULL);
    return log_px;
}

stele_status stele__decode_predict(const stele__model *m, stele_graph *g,
                                   const stele__expert_set *e, uint32_t i,
                                   const stele__draws *draws, uint32_t n_draws,
                                   const stele__decode_rows *rows, stele__prediction *ret)
{
    const stele__modality *md = &m->modality[i];
    stele_decode_args a;
    *ret = (stele__prediction){ .graph = g, .modality = md };
    stele__graph_enter(g, &md->part.scope);
    stele_status status = STELE_E_NOMEM;
    if (decode_args(g, e, i, draws, n_draws, rows, 0, &a)) {
        ret->output = (stele_output){ .struct_size = sizeof ret->output };
        stele__guest_begin(md->part.guest, "decode");
        status = md->vt->decode != NULL
                     ? md->vt->decode(stele__guest_inst(md->part.guest), g, &a, &ret->output)
                     : STELE_E_UNSUPPORTED;
        status = stele__part_outcome(&md->part, g, "decode", status);
    }
    status = stele__graph_outcome(g, status);
    stele__graph_enter(g, NULL);
    return status;
}

stele_status stele__prediction_block(const stele__prediction *p, int64_t first, int64_t n_features,
                                     stele_draw *d)
{
    stele__fused f = fused_of(p->modality, &p->output);
    stele__graph_enter(p->graph, &p->modality->part.scope);
    stele_status status = stele__fused_draw(p->graph, &f, first, n_features, d);
    stele__graph_enter(p->graph, NULL);
    return status;
}

stele_status stele__decode_generate(const stele__model *m, stele_graph *g,
                                    const stele__expert_set *e, uint32_t i,
                                    const stele__draws *draws, uint32_t n_draws,
                                    const stele__decode_rows *rows, uint32_t what,
                                    stele_tensor **ret)
{
    const stele__modality *md = &m->modality[i];
    stele_decode_args a;
    stele_tensor *x = NULL;
    stele__graph_enter(g, &md->part.scope);
    stele_status status = STELE_E_NOMEM;
    if (decode_args(g, e, i, draws, n_draws, rows, 0, &a)) {
        stele__guest_begin(md->part.guest, "generate");
        status = md->vt->generate != NULL
                     ? md->vt->generate(stele__guest_inst(md->part.guest), g, &a, what, &x)
                     : STELE_E_UNSUPPORTED;
        status = stele__part_outcome(&md->part, g, "generate", status);
    }
    if (status == STELE_OK &&
        (x == NULL || x->layout != STELE_DENSE || x->n != rows->n * md->n_features)) {
        status = STELE_E_SHAPE;
        stele__op_fail(g, status, "generate: gave no %lld rows of %lld numbers", (long long)rows->n,
                       (long long)md->n_features);
    }
    status = stele__graph_outcome(g, status);
    stele__graph_enter(g, NULL);
    if (status == STELE_OK) {
        *ret = x;
    }
    return status;
}

/* All of (n, width), and finite? Else an error of the graph that names the first that is not. */
static stele_status expect_tallies(stele_graph *g, const stele_tensor *t, int64_t n, int64_t width)
{
    if (t == NULL || t->layout != STELE_DENSE || t->dtype != stele__graph_dtype(g) ||
        t->n != n * width) {
        stele__op_fail(g, STELE_E_SHAPE, "tally: gave no %lld rows of %lld numbers", (long long)n,
                       (long long)width);
        return STELE_E_SHAPE;
    }
    for (int64_t i = 0; i < t->n; i++) {
        if (!isfinite(stele__tensor_real(t, i))) {
            stele__op_fail(g, STELE_E_NONFINITE, "tally: number %lld of a row is %g",
                           (long long)(i % width), stele__tensor_real(t, i));
            return STELE_E_NONFINITE;
        }
    }
    return STELE_OK;
}

stele_status stele__decode_tally(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                                 uint32_t i, const stele__draws *draws, uint32_t n_draws,
                                 const stele__decode_rows *rows, int64_t width, stele_tensor **ret)
{
    const stele__modality *md = &m->modality[i];
    stele_decode_args a;
    stele_tensor *x = NULL;
    stele__graph_enter(g, &md->part.scope);
    stele_status status = STELE_E_NOMEM;
    if (decode_args(g, e, i, draws, n_draws, rows, 1, &a)) {
        stele__guest_begin(md->part.guest, "tally");
        status = md->vt->tally != NULL ? md->vt->tally(stele__guest_inst(md->part.guest), g, &a, &x)
                                       : STELE_E_UNSUPPORTED;
        status = stele__part_outcome(&md->part, g, "tally", status);
    }
    status = status == STELE_OK ? expect_tallies(g, x, rows->n, width) : status;
    status = stele__graph_outcome(g, status);
    stele__graph_enter(g, NULL);
    if (status == STELE_OK) {
        *ret = x;
    }
    return status;
}
