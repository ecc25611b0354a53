/* Encoder and decoder. */
#include "table.h"

#include <math.h>
#include <stdlib.h>

static void put(const stele_view *like, void *out, int64_t i, double v)
{
    if (like->dtype == STELE_F64) {
        ((double *)out)[i] = v;
    } else {
        ((float *)out)[i] = (float)v;
    }
}

/* Measurements (n, columns) -> coded values (n, terms). */
static stele_status code_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const stele_inst *self = user;
    (void)n;
    for (int64_t r = 0; r < in[0]->shape.dim[0]; r++) {
        for (int64_t t = 0; t < self->n_terms; t++) {
            const double x = table_real(in[0], r * self->n_columns + self->term[t].column);
            put(in[0], out, r * self->n_terms + t, table_coded(self, t, x));
        }
    }
    return STELE_OK;
}

static const stele_custom code_op = { .struct_size = sizeof code_op,
                                      .name = "coding of a table",
                                      .forward = code_forward };

/* x (n, columns). */
static stele_tensor *coded(const stele_inst *self, stele_graph *g, stele_tensor *x, int64_t n)
{
    const stele_shape shape = stele_shape2(n, self->n_terms);
    /* The operation only reads the instance. */
    return self->host->ops->custom(g, &code_op, (void *)(uintptr_t)self, 1, &x, &shape);
}

/* --- encoder ---------------------------------------------------------------------------------- */

/* What the encoder sees of a term in a row. */
static void put_seen(const stele_inst *self, const stele_view *const *in, int64_t r, int64_t t,
                     void *out, int64_t first)
{
    const table_term *term = &self->term[t];
    const double y = table_real(in[0], r * self->n_terms + t);
    const int hidden = isnan(y) || table_real(in[1], r * self->n_columns + term->column) != 0.0;
    for (int64_t k = 0; k < term->n_eta; k++) {
        double v = 0.0;
        if (!hidden && t >= self->first[TABLE_CLASSES]) {
            v = y == (double)k ? 1.0 : 0.0;
        } else if (!hidden) {
            v = (table_seen(self, t, y) - table_real(in[2], t)) / exp(table_real(in[3], t));
            v = fmax(-STELE_SEEN_MOST, fmin(STELE_SEEN_MOST, v));
        }
        put(in[0], out, first + term->input + k, v);
    }
}

/* Coded values (n, terms), hidden entries (n, columns), centre and log_scale (terms) -> inputs and,
 * with the indicator, which columns are missing. */
static stele_status input_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const stele_inst *self = user;
    const int64_t columns = self->config->indicator ? self->n_columns : 0;
    const int64_t width = self->n_inputs + columns;
    (void)n;
    for (int64_t r = 0; r < in[0]->shape.dim[0]; r++) {
        for (int64_t t = 0; t < self->n_terms; t++) {
            put_seen(self, in, r, t, out, r * width);
        }
        for (int64_t j = 0; j < columns; j++) {
            const table_column *c = &self->column[j];
            const int64_t at = r * self->n_terms;
            /* What a proportion lacks inside may be there as an end. */
            const int missing =
                c->term < 0 || (isnan(table_real(in[0], at + c->term)) &&
                                (c->end < 0 || isnan(table_real(in[0], at + c->end))));
            const int hidden = table_real(in[1], r * self->n_columns + j) != 0.0;
            put(in[0], out, r * width + self->n_inputs + j,
                c->term >= 0 && (missing || hidden) ? 1.0 : 0.0);
        }
    }
    return STELE_OK;
}

static const stele_custom input_op = { .struct_size = sizeof input_op,
                                       .name = "encoder's input of a table",
                                       .forward = input_forward };

stele_status table_encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                          stele_dist *ret_q)
{
    const stele_ops *ops = self->host->ops;
    const double rate = self->config->input_dropout;
    stele_shape shape;
    stele_status status = ops->shape(a->x, &shape);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *all = ops->full(g, &shape, 1.0);
    stele_tensor *kept =
        rate > 0.0 ? ops->sign(g, ops->dropout(g, all, rate, 1, STREAM_INPUT)) : all;
    stele_tensor *in[] = { coded(self, g, a->x, shape.dim[0]), ops->sub(g, all, kept),
                           ops->param(g, self->centre), ops->param(g, self->log_scale) };
    shape = stele_shape2(shape.dim[0],
                         self->n_inputs + (self->config->indicator ? self->n_columns : 0));
    stele_tensor *x = ops->custom(g, &input_op, (void *)(uintptr_t)self, 4, in, &shape);
    x = stele_dense_apply(self->host, g, &self->encoder, x, a->covariates, STREAM_ENCODER);
    stele_gaussian_head_apply(self->host, g, &self->expert, x, ret_q);
    return ops->status(g);
}

/* --- decoder ---------------------------------------------------------------------------------- */

stele_tensor *table_predict(const stele_inst *self, stele_graph *g, const stele_decode_args *a)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *h =
        stele_dense_apply(self->host, g, &self->decoder, a->z, a->covariates, STREAM_DECODER);
    return ops->linear(g, h, ops->param(g, self->weight), ops->param(g, self->bias));
}

stele_tensor *table_log_variance(const stele_inst *self, stele_graph *g)
{
    const stele_ops *ops = self->host->ops;
    return ops->maximum(g, ops->param(g, self->log_variance),
                        ops->param(g, self->least_log_variance));
}

stele_status table_log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                            stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_shape rows;
    stele_status status = ops->shape(a->z, &rows);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *in[7] = { table_predict(self, g, a), coded(self, g, a->target, rows.dim[0]),
                            ops->param(g, self->centre), ops->param(g, self->log_scale) };
    uint32_t n = 4;
    if (table_count(self, TABLE_NORMAL) > 0) {
        in[n++] = table_log_variance(self, g);
    }
    if (table_count(self, TABLE_COUNTS) > 0) {
        in[n++] = ops->param(g, self->log_dispersion);
    }
    if (table_count(self, TABLE_RANKS) > 0) {
        in[n++] = ops->param(g, self->thresholds);
    }
    rows = stele_shape1(rows.dim[0]);
    *ret_rows = ops->custom(g, &table_likelihood, (void *)(uintptr_t)self, n, in, &rows);
    return ops->status(g);
}
