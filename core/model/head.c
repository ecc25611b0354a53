#include "model/head.h"

#include "graph/op.h"
#include "graph/ops.h"
#include "model/decode.h"

#include <math.h>
#include <string.h>

static const stele_ops *const ops = &stele__ops;

/* Rows of all components of a posterior that have a target, draw by draw. */
typedef struct chosen {
    int64_t n, n_rows;    /* n counts (row, component) pairs */
    int64_t *row;         /* (n) of the data set */
    uint32_t *sample;     /* (n) */
    stele_tensor *z;      /* (n, D) */
    stele_tensor *weight; /* (n) of the row's mean: 1 / n_rows, times the component's own */
} chosen;

int stele__head_has_target(const stele__batch *b, uint32_t h, int64_t row)
{
    const stele__target *t = &b->target[h];
    int has = 1;
    for (uint32_t c = 0; c < t->n && has; c++) {
        const stele__label *l = t->column[c];
        has = l != NULL && (l->code != NULL ? l->code[row] >= 0 : !isnan(l->number[row]));
    }
    return has;
}

void stele__target_of_row(const stele__target *t, int64_t row, int32_t *ret_code,
                          double *ret_number)
{
    for (uint32_t c = 0; c < t->n; c++) {
        const stele__label *l = t->column[c];
        *ret_code = l->code != NULL ? l->code[row] : 0;
        ret_number[c] = l->number != NULL ? l->number[row] : 0.0;
    }
}

static stele_tensor *rows_of(stele_graph *g, stele_tensor *t, int64_t n, const int64_t *index)
{
    stele_shape shape = STELE__SHAPE(n);
    return n == t->shape.dim[0]
               ? t
               : ops->gather(g, t, stele__graph_dense(g, STELE_I64, &shape, index));
}

/* The same values, with the derivative on its way back times `scale`. A derivative times 0 would
 * still be NaN where it was infinite. */
static stele_tensor *scaled_back(stele_graph *g, stele_tensor *t, double scale)
{
    if (scale == 1.0) {
        return t;
    }
    return scale == 0.0 ? ops->detach(g, t) : ops->scale_gradient(g, t, scale);
}

/* Rows of the batch with a target and a posterior. */
static int64_t count_rows(const stele__batch *b, uint32_t h, uint64_t mask)
{
    int64_t n = 0;
    for (int64_t r = 0; r < b->n; r++) {
        n += (b->present[r] & mask) != 0 && stele__head_has_target(b, h, b->row[r]);
    }
    return n;
}

/* Of one draw: z and weight of the chosen rows, appended to the lists of parts. */
static int choose(stele_graph *g, const stele__batch *b, uint32_t h, const stele__draws *d,
                  chosen *c, stele_tensor **ret_z, stele_tensor **ret_weight)
{
    const int at_mean = b->model->head[h].traits.at_mean != 0;
    int64_t n = 0, *index = stele__op_take(g, (size_t)d->n, sizeof *index);
    if (index == NULL) {
        return 0;
    }
    for (int64_t r = 0; r < d->n; r++) {
        if (stele__head_has_target(b, h, d->row[r])) {
            c->row[c->n] = d->row[r];
            c->sample[c->n++] = d->sample[r];
            index[n++] = r;
        }
    }
    if (n == 0) {
        return 1;
    }
    stele_shape shape = STELE__SHAPE(n);
    double share = 1.0 / (double)c->n_rows;
    *ret_z = rows_of(g, at_mean ? d->mean : d->z, n, index);
    *ret_weight = d->weight != NULL ? ops->scale(g, rows_of(g, d->weight, n, index), share)
                                    : ops->full(g, &shape, share);
    return *ret_z != NULL && *ret_weight != NULL;
}

static int choose_all(stele_graph *g, const stele__batch *b, uint32_t h, const stele__draws *draws,
                      uint32_t n_draws, chosen *c)
{
    stele_tensor *z[STELE__MAX_COMPONENTS] = { NULL }, *weight[STELE__MAX_COMPONENTS] = { NULL };
    uint32_t n_parts = 0;
    size_t most = 0;
    for (uint32_t i = 0; i < n_draws; i++) {
        most += (size_t)draws[i].n;
    }
    c->row = stele__op_take(g, most, sizeof *c->row);
    c->sample = stele__op_take(g, most, sizeof *c->sample);
    if (c->row == NULL || c->sample == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < n_draws; i++) {
        if (!choose(g, b, h, &draws[i], c, &z[n_parts], &weight[n_parts])) {
            return 0;
        }
        n_parts += z[n_parts] != NULL;
    }
    c->z = n_parts == 1 ? z[0] : ops->concat(g, n_parts, z, 0);
    c->weight = n_parts == 1 ? weight[0] : ops->concat(g, n_parts, weight, 0);
    return c->z != NULL && c->weight != NULL;
}

static stele_tensor *target_of(stele_graph *g, const stele__batch *b, uint32_t h, const chosen *c)
{
    const stele__target *t = &b->target[h];
    const int32_t *code = t->column[0]->code;
    stele_shape one = STELE__SHAPE(c->n), several = STELE__SHAPE(c->n, (int64_t)t->n);
    stele_shape shape = t->n > 1 ? several : one;
    void *values = stele__op_take(g, (size_t)c->n * t->n, sizeof(double));
    for (int64_t i = 0; values != NULL && i < c->n; i++) {
        for (uint32_t k = 0; k < t->n; k++) {
            int64_t at = i * (int64_t)t->n + (int64_t)k;
            if (code != NULL) {
                ((int32_t *)values)[at] = code[c->row[i]];
            } else {
                stele__put_real(stele__graph_dtype(g), values, at, t->column[k]->number[c->row[i]]);
            }
        }
    }
    uint32_t dtype = code != NULL ? STELE_I32 : stele__graph_dtype(g);
    return values != NULL ? stele__graph_dense(g, dtype, &shape, values) : NULL;
}

/* Inside the head's scope. */
static stele_tensor *predict(const stele__head *h, stele_graph *g, const stele__batch *b,
                             stele_tensor *z, int64_t n, const int64_t *row, const uint32_t *sample)
{
    stele_tensor *y = NULL;
    stele_tensor *covariates = stele__covariate_tensor(g, b, &h->covariates, n, row);
    stele__graph_rows(g, n, row, sample);
    stele__guest_begin(h->part.guest, "predict");
    stele_status status = h->vt->predict(stele__guest_inst(h->part.guest), g, z, covariates, &y);
    if (stele__part_outcome(&h->part, g, "predict", status) != STELE_OK) {
        return NULL;
    }
    if (y == NULL || y->shape.ndim < 1 || y->shape.dim[0] != n) {
        return stele__op_fail(g, STELE_E_SHAPE, "predict: gave no prediction for each of %lld rows",
                              (long long)n);
    }
    return y;
}

stele_tensor *stele__head_predict(const stele__model *m, stele_graph *g, const stele__batch *b,
                                  uint32_t h, stele_tensor *z, int64_t n, const int64_t *row,
                                  const uint32_t *sample)
{
    stele__graph_enter(g, &m->head[h].part.scope);
    stele_tensor *y = predict(&m->head[h], g, b, z, n, row, sample);
    stele__graph_enter(g, NULL);
    return y;
}

/* Inside the head's scope. (n) */
static stele_tensor *row_losses(const stele__head *h, stele_graph *g, const stele__batch *b,
                                uint32_t index, double gradient_scale, const chosen *c)
{
    stele_tensor *rows = NULL;
    stele_tensor *target = target_of(g, b, index, c);
    stele_tensor *z = scaled_back(g, c->z, gradient_scale);
    stele_tensor *y = z != NULL ? predict(h, g, b, z, c->n, c->row, c->sample) : NULL;
    if (y == NULL || target == NULL) {
        return NULL;
    }
    stele__guest_begin(h->part.guest, "loss");
    stele_status status = h->vt->loss(stele__guest_inst(h->part.guest), g, y, target, &rows);
    if (stele__part_outcome(&h->part, g, "loss", status) != STELE_OK) {
        return NULL;
    }
    if (rows == NULL || rows->shape.ndim != 1 || rows->shape.dim[0] != c->n) {
        return stele__op_fail(g, STELE_E_SHAPE, "loss: gave no number for each of %lld rows",
                              (long long)c->n);
    }
    return rows;
}

stele_status stele__head_loss_of(const stele__model *m, stele_graph *g, const stele__batch *b,
                                 uint32_t h, const stele__draws *draws, uint32_t n_draws,
                                 double gradient_scale, stele__head_loss *ret)
{
    chosen c = { 0 };
    memset(ret, 0, sizeof *ret);
    c.n_rows = n_draws > 0 ? count_rows(b, h, draws[0].mask) : 0;
    if (c.n_rows == 0) {
        return stele__graph_outcome(g, STELE_OK);
    }
    if (!choose_all(g, b, h, draws, n_draws, &c)) {
        return stele__graph_outcome(g, STELE_E_NOMEM);
    }
    stele__graph_enter(g, &m->head[h].part.scope);
    stele_tensor *rows = row_losses(&m->head[h], g, b, h, gradient_scale, &c);
    stele__graph_enter(g, NULL);
    stele_tensor *weight = scaled_back(g, c.weight, gradient_scale);
    ret->mean = ops->sum(g, ops->mul(g, rows, weight), STELE_ALL_AXES, 0);
    if (ret->mean == NULL) {
        return stele__graph_outcome(g, STELE_E_NOMEM);
    }
    ret->n = c.n_rows;
    ret->sum = stele__tensor_real(ret->mean, 0) * (double)ret->n;
    return STELE_OK;
}
