/* The compute slots of each kind, in one form. */
#include "rig.h"

#include "base/mem.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "model/fused.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const stele_ops *const ops = &stele__ops;

const stele__host_tables *rig_tables(void)
{
    static stele__host_tables tables;
    tables = stele__model_tables;
    tables.build = &rig_build_api;
    tables.fit = &rig_fit_api;
    return &tables;
}

stele_tensor *rig_constant(stele_graph *g, const stele_shape *s, const double *value)
{
    int64_t n = stele__shape_count(s);
    size_t size = stele__dtype_size(g->dtype);
    char *data = stele__op_take(g, (size_t)n + 1, size);
    for (int64_t i = 0; data != NULL && i < n; i++) {
        if (g->dtype == STELE_F64) {
            ((double *)(void *)data)[i] = value[i];
        } else {
            ((float *)(void *)data)[i] = (float)value[i];
        }
    }
    return data != NULL ? stele__graph_dense(g, g->dtype, s, data) : NULL;
}

void rig_output_add(rig_result *ret, const char *name, stele_tensor *t)
{
    if (ret->n < RIG_MOST_OUTPUTS) {
        ret->out[ret->n++] = (rig_output){ .name = name, .t = t };
    }
}

/* An argument struct of `size` bytes in memory that is `trailing` bytes longer, as a newer host would pass it. */
static void *longer(rig *r, stele_graph *g, const void *args, size_t size)
{
    char *p = stele__op_take(g, 1, size + r->plan.trailing);
    if (p != NULL) {
        uint64_t whole = size + r->plan.trailing;
        memcpy(p, args, size);
        memset(p + size, 0x5A, r->plan.trailing);
        memcpy(p, &whole, sizeof whole);
    }
    return p;
}

/* `missing`: NaN is an entry like others; else nothing is stored of it, as of an absent bin. */
static stele_tensor *sparse(stele_graph *g, int64_t n, int64_t width, const double *value, int missing)
{
    size_t room = (size_t)(n * width) + 1;
    int64_t *start = stele__op_take(g, (size_t)n + 1, sizeof *start), k = 0;
    int32_t *column = stele__op_take(g, room, sizeof *column);
    double *kept = stele__op_take(g, room, sizeof *kept);
    if (start == NULL || column == NULL || kept == NULL) {
        return NULL;
    }
    start[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < width; j++) {
            if (value[i * width + j] != 0.0 && (missing || !isnan(value[i * width + j]))) {
                column[k] = (int32_t)j;
                kept[k++] = value[i * width + j];
            }
        }
        start[i + 1] = k;
    }
    stele_shape s = STELE__SHAPE(k);
    stele_tensor *data = rig_constant(g, &s, kept);
    return data != NULL ? stele__graph_csr(g, g->dtype, n, width, start, column, data->data) : NULL;
}

/* For one pass, or as long as the rig. */
static void *room_of(rig *r, stele_graph *g, size_t size)
{
    void *p = g != NULL ? stele__op_take(g, size + 1, 1) : rig_take(r, size + 1);
    if (p != NULL) {
        memset(p, 0, size);
    }
    return p;
}

stele_status rig_prepare(rig *r, stele_graph *g, int64_t n, const double *value, int64_t *ret_n, float *ret_value)
{
    const int64_t width = r->plan.features;
    const int csr = r->field.layout == STELE_CSR;
    float *x = room_of(r, g, (size_t)(n * width) * sizeof *x);
    int64_t *start = room_of(r, g, (size_t)(n + 1) * sizeof *start), k = 0;
    int32_t *column = room_of(r, g, (size_t)(n * width) * sizeof *column);
    if (x == NULL || start == NULL || column == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < n * width; i++) {
        if (!csr || value[i] != 0.0) {
            column[k] = (int32_t)(i % width);
            x[k++] = (float)value[i];
        }
        start[i / width + 1] = k;
    }
    stele_view v = { .struct_size = sizeof v, .dtype = STELE_F32, .shape = r->input[0].shape, .data = x };
    v.layout = csr ? STELE_CSR : STELE_DENSE;
    v.row_start = csr ? start : NULL;
    v.column = csr ? column : NULL;
    v.shape.dim[0] = n;
    r->raw = r->vt->modality.prepare(r->inst, &r->reader, &v, ret_n, ret_value);
    stele__guest_restore(r->guest, "prepare");
    return r->raw;
}

/* What the plugin makes of rows, as sparse ones. */
static stele_tensor *prepared(rig *r, stele_graph *g, int64_t n, const double *value)
{
    const int64_t width = r->vt->modality.prepared_width(r->inst);
    int64_t *of = room_of(r, g, (size_t)n * sizeof *of);
    int64_t *start = stele__op_take(g, (size_t)n + 1, sizeof *start), k = 0;
    float *values = room_of(r, g, (size_t)(n * width) * sizeof *values);
    int32_t *column = stele__op_take(g, (size_t)(n * width) + 1, sizeof *column);
    double *kept = stele__op_take(g, (size_t)(n * width) + 1, sizeof *kept);
    if (of == NULL || values == NULL || start == NULL || column == NULL || kept == NULL ||
        rig_prepare(r, g, n, value, of, values) != STELE_OK) {
        return NULL;
    }
    start[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < of[i] && j < width; j++) {
            column[k] = (int32_t)j;
            kept[k++] = (double)values[i * width + j];
        }
        start[i + 1] = k;
    }
    stele_shape s = STELE__SHAPE(k);
    stele_tensor *data = rig_constant(g, &s, kept);
    return data != NULL ? stele__graph_csr(g, g->dtype, n, width, start, column, data->data) : NULL;
}

stele_tensor *rig_measurement(rig *r, stele_graph *g, int64_t n, stele_tensor *x, const double *value)
{
    if (r->vt->modality.prepare != NULL) {
        return prepared(r, g, n, value);
    }
    return r->field.layout == STELE_CSR ? sparse(g, n, r->plan.features, value, 0) : x;
}

/* Windows in place of the rows, and which bins are there. */
static stele_status see_window(rig *r, stele_graph *g, int64_t n, stele_tensor *x, const double *value,
                               stele_encode_args *a)
{
    const int64_t bins = r->plan.window, width = r->plan.features;
    double *there = stele__op_take(g, (size_t)(n * bins) + 1, sizeof *there);
    if (there == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t k = 0; k < n * bins; k++) {
        there[k] = isnan(value[k * width]) ? 0.0 : 1.0;
    }
    stele_shape s = STELE__SHAPE(n, bins);
    a->present = rig_constant(g, &s, there);
    a->x = r->field.layout == STELE_CSR ? sparse(g, n, bins * width, value, 0) : x;
    return a->x != NULL && a->present != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* Where the values of each row lie, as the host tells a likelihood. */
static stele_values *values_of(stele_graph *g, const stele_tensor *x, int64_t n, int64_t width)
{
    stele_values *v = stele__op_take(g, 1, sizeof *v);
    int64_t *begin = stele__op_take(g, (size_t)n + 1, sizeof *begin);
    if (v == NULL || begin == NULL) {
        return NULL;
    }
    *v = (stele_values){ .struct_size = sizeof *v, .dtype = x->dtype, .layout = x->layout, .data = x->data };
    for (int64_t i = 0; i < n; i++) {
        begin[i] = x->layout == STELE_CSR ? x->row_start[i] : i * width;
    }
    v->begin = begin;
    v->end = x->layout == STELE_CSR ? x->row_start + 1 : NULL;
    v->column = x->layout == STELE_CSR ? x->column : NULL;
    return v;
}

static stele_status log_px(rig *r, stele_graph *g, int64_t n, const stele_decode_args *a, rig_result *ret)
{
    const stele_modality_vt *vt = &r->vt->modality;
    stele_tensor *rows = NULL;
    if (vt->decode == NULL) {
        r->raw = vt->log_prob(r->inst, g, a, &rows);
        stele__guest_restore(r->guest, "log_prob");
    } else {
        stele_output *out = stele__op_take(g, 1, sizeof *out);
        stele__fused *f = stele__op_take(g, 1, sizeof *f);
        if (out == NULL || f == NULL) {
            return STELE_E_NOMEM;
        }
        *out = (stele_output){ .struct_size = sizeof *out };
        r->raw = vt->decode(r->inst, g, a, out);
        stele__guest_restore(r->guest, "decode");
        if (r->raw != STELE_OK || stele__graph_status(g) != STELE_OK) {
            return r->raw;
        }
        r->output = *out;
        *f = (stele__fused){ .vt = vt, .inst = r->inst, .guest = r->guest, .scope = &r->scope, .output = out };
        f->n_features = r->plan.features;
        f->x = values_of(g, a->target, n, r->plan.features);
        rows = f->x != NULL ? stele__fused_log_prob(g, f) : NULL;
    }
    rig_output_add(ret, "log p(x | z)", rows);
    return r->raw;
}

static stele_status tally(rig *r, stele_graph *g, const stele_decode_args *a, rig_result *ret)
{
    stele_tensor *rows = NULL;
    if (!r->plan.tally || r->vt->modality.tally == NULL || stele__graph_status(g) != STELE_OK) {
        return r->raw;
    }
    r->raw = r->vt->modality.tally(r->inst, g, a, &rows);
    stele__guest_restore(r->guest, "tally");
    rig_output_add(ret, "tally", rows);
    return r->raw;
}

/* What encode and fuse owe: a family that the host knows, and its tensors. Nothing else would notice here, and the host
 * only when the next plugin is given it. */
static stele_status expect_filled(rig *r, const char *slot, uint32_t number, const stele_dist *d)
{
    if ((d->family == STELE_NORMAL || d->family == STELE_LAPLACE) && d->n == 2 && d->p[0] != NULL && d->p[1] != NULL) {
        return STELE_OK;
    }
    return stele__diag_error(&r->diag, STELE_E_INTERNAL, NULL,
                             "%s returned OK with distribution %u unfilled: family %u, n %u%s (due are STELE_NORMAL or "
                             "STELE_LAPLACE and 2 tensors)",
                             slot, number, d->family, d->n,
                             d->p[0] == NULL || d->p[1] == NULL ? ", a tensor of NULL" : "");
}

stele_status rig_modality(rig *r, stele_graph *g, int64_t n, stele_tensor *const *in, const double *const *value,
                          rig_result *ret)
{
    r->raw = STELE_OK;
    stele_tensor *x = rig_measurement(r, g, n, in[0], value[0]);
    stele_encode_args encode = { .struct_size = sizeof encode, .x = x };
    stele_decode_args decode = { .struct_size = sizeof decode, .z = in[1], .target = x };
    if (r->plan.covariates > 0) {
        encode.covariates = in[2];
        decode.covariates = in[3];
    }
    if (r->sees) {
        const uint32_t s = r->at_seen;
        encode.x = r->seen.layout == STELE_CSR ? sparse(g, n, r->input[s].width, value[s], 1) : in[s];
    }
    const uint32_t w = r->n_inputs - 1;
    if (r->plan.window > 0 && see_window(r, g, n, in[w], value[w], &encode) != STELE_OK) {
        return STELE_E_NOMEM;
    }
    const stele_encode_args *a = longer(r, g, &encode, sizeof encode);
    const stele_decode_args *b = longer(r, g, &decode, sizeof decode);
    stele_dist q = { 0 };
    if (x == NULL || encode.x == NULL || a == NULL || b == NULL) {
        return r->raw != STELE_OK ? r->raw : STELE_E_NOMEM;
    }
    r->raw = r->vt->modality.encode(r->inst, g, a, &q);
    stele__guest_restore(r->guest, "encode");
    if (r->raw != STELE_OK || stele__graph_status(g) != STELE_OK) {
        return r->raw;
    }
    stele_status status = expect_filled(r, "encode", 0, &q);
    if (status != STELE_OK) {
        return status;
    }
    rig_output_add(ret, "mean of the expert", q.p[0]);
    rig_output_add(ret, "log-variance of the expert", q.p[1]);
    status = log_px(r, g, n, b, ret);
    return status == STELE_OK ? tally(r, g, b, ret) : status;
}

/* What a row lacks is never looked at: it counts as 0 here. */
static void add_components(stele_graph *g, const stele_joint *j, rig_result *ret)
{
    static const char *const names[2][4] = { { "mean of component 0", "mean of component 1", "mean of component 2",
                                               "mean of component 3" },
                                             { "log-variance of component 0", "log-variance of component 1",
                                               "log-variance of component 2", "log-variance of component 3" } };
    stele_shape scalar = { 0 };
    stele_tensor *none = ops->full(g, &scalar, -HUGE_VAL), *zero = ops->full(g, &scalar, 0.0);
    for (uint32_t c = 0; c < j->n; c++) {
        stele_tensor *has = NULL;
        if (j->log_weight != NULL) {
            has = ops->less(g, none, ops->slice(g, j->log_weight, 1, c, (int64_t)c + 1));
        }
        for (uint32_t k = 0; k < 2; k++) {
            stele_tensor *p = j->component[c].p[k];
            rig_output_add(ret, names[k][c < 4 ? c : 3], has != NULL ? ops->where(g, has, p, zero) : p);
        }
    }
    if (j->log_weight != NULL) {
        stele_tensor *has = ops->less(g, none, j->log_weight);
        rig_output_add(ret, "log-weights", ops->where(g, has, j->log_weight, zero));
    }
}

static stele_tensor *present_of(rig *r, stele_graph *g, int64_t n, const int64_t *index)
{
    const int64_t width = r->plan.experts;
    double *p = stele__op_take(g, (size_t)(n * width) + 1, sizeof *p);
    for (int64_t i = 0; p != NULL && i < n * width; i++) {
        int64_t row = index != NULL ? index[i / width] : i / width;
        p[i] = r->present[row * width + i % width];
    }
    stele_shape s = STELE__SHAPE(n, width);
    return p != NULL ? rig_constant(g, &s, p) : NULL;
}

/* (B, n), as the host gives it: in closed form for each component. */
static stele_tensor *divergences(stele_graph *g, const stele_experts *e, const stele_joint *j)
{
    stele_tensor **column = stele__op_take(g, j->n, sizeof(stele_tensor *));
    for (uint32_t c = 0; column != NULL && c < j->n; c++) {
        stele_tensor *rows = NULL;
        stele_shape shape;
        if (ops->kl(g, &j->component[c], e->prior, &rows) != STELE_OK || ops->shape(rows, &shape) != STELE_OK) {
            return NULL;
        }
        shape.dim[shape.ndim++] = 1;
        column[c] = ops->reshape(g, rows, &shape);
    }
    return column != NULL ? ops->concat(g, j->n, column, 1) : NULL;
}

static stele_status own_loss(rig *r, stele_graph *g, const stele_experts *e, const stele_joint *j,
                             stele_tensor *log_px_rows, rig_result *ret)
{
    stele_tensor *rows = NULL;
    stele_loss_args a = {
        .struct_size = sizeof a, .experts = e, .joint = j, .beta = r->plan.beta != 0.0 ? r->plan.beta : RIG_BETA
    };
    a.log_px = ops->slice(g, log_px_rows, 1, 0, j->n);
    a.divergence = divergences(g, e, j);
    if (j->log_weight != NULL && a.divergence != NULL) { /* 0 where a row lacks a component */
        stele_shape scalar = { 0 };
        stele_tensor *has = ops->less(g, ops->full(g, &scalar, -HUGE_VAL), j->log_weight);
        stele_tensor *zero = ops->full(g, &scalar, 0.0);
        a.log_px = ops->where(g, has, a.log_px, zero);
        a.divergence = ops->where(g, has, a.divergence, zero);
    }
    r->raw = r->vt->fusion.loss(r->inst, g, &a, &rows);
    stele__guest_restore(r->guest, "loss");
    rig_output_add(ret, "loss", rows);
    return r->raw;
}

/* An array for fuse, and behind it bytes that it must not. */
enum { FENCE = 4096, FENCE_BYTE = 0xA5 };

static void *fenced(stele_graph *g, uint32_t n, size_t size)
{
    char *p = stele__op_take(g, 1, n * size + FENCE);
    if (p != NULL) {
        memset(p, 0, n * size);
        memset(p + n * size, FENCE_BYTE, FENCE);
    }
    return p;
}

static int fence_holds(const void *array, uint32_t n, size_t size)
{
    const unsigned char *p = (const unsigned char *)array + n * size;
    int good = 1;
    for (int i = 0; i < FENCE; i++) {
        good = good && p[i] == FENCE_BYTE;
    }
    return good;
}

/* What is wrong with the joint as a whole, or was done to the experts, `given` in copy; it was said, then. */
static stele_status expect_joint(rig *r, const stele_joint *j, const stele_experts *e, const stele_dist *given)
{
    if (!fence_holds(e->q, e->n, sizeof *e->q) || memcmp(e->q, given, e->n * sizeof *given) != 0) {
        return stele__diag_error(&r->diag, STELE_E_INTERNAL, NULL,
                                 "fuse wrote to the %u experts, which are only to be read, or behind them", e->n);
    }
    if (!fence_holds(j->component, j->capacity, sizeof *j->component) ||
        !fence_holds(j->subset, j->capacity, sizeof *j->subset)) {
        return stele__diag_error(&r->diag, STELE_E_INTERNAL, NULL,
                                 "fuse wrote beyond the %u components that max_components gave", j->capacity);
    }
    if (j->n < 1 || j->n > j->capacity || (j->n > 1 && j->log_weight == NULL)) {
        return stele__diag_error(&r->diag, STELE_E_INTERNAL, NULL, "fuse gave %u components%s, capacity is %u", j->n,
                                 j->log_weight == NULL ? " without weights" : "", j->capacity);
    }
    stele_status status = STELE_OK;
    for (uint32_t c = 0; c < j->n && status == STELE_OK; c++) {
        status = expect_filled(r, "fuse", c, &j->component[c]);
    }
    return status;
}

stele_status rig_fusion(rig *r, stele_graph *g, int64_t n, const int64_t *index, stele_tensor *const *in,
                        rig_result *ret)
{
    const stele_fusion_vt *vt = &r->vt->fusion;
    const uint32_t n_experts = r->plan.experts;
    stele_tensor *const *after = in + 2 * n_experts; /* the prior, then log p(x | z) */
    stele_dist given[RIG_MOST_EXPERTS], prior = { .family = STELE_NORMAL, .n = 2, .p = { after[0], after[1] } };
    for (uint32_t m = 0; m < n_experts; m++) {
        given[m] = (stele_dist){ .family = STELE_NORMAL, .n = 2, .p = { in[2 * m], in[2 * m + 1] } };
    }
    stele_dist *q = fenced(g, n_experts, sizeof *q);
    if (q == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(q, given, n_experts * sizeof *q);
    stele_experts experts = { .struct_size = sizeof experts, .n = n_experts, .q = q, .prior = &prior };
    stele_joint joint = { .struct_size = sizeof joint, .capacity = vt->max_components(r->inst, n_experts) };
    if (joint.capacity < 1 || joint.capacity > 4096) {
        return stele__diag_error(&r->diag, STELE_E_INTERNAL, NULL, "max_components gives %u", joint.capacity);
    }
    experts.present = present_of(r, g, n, index);
    joint.component = fenced(g, joint.capacity, sizeof *joint.component);
    joint.subset = fenced(g, joint.capacity, sizeof *joint.subset);
    const stele_experts *e = longer(r, g, &experts, sizeof experts);
    stele_joint *j = longer(r, g, &joint, sizeof joint);
    if (experts.present == NULL || joint.component == NULL || joint.subset == NULL || e == NULL || j == NULL) {
        return STELE_E_NOMEM;
    }
    r->raw = vt->fuse(r->inst, g, e, j);
    stele__guest_restore(r->guest, "fuse");
    if (r->raw != STELE_OK || stele__graph_status(g) != STELE_OK) {
        return r->raw;
    }
    stele_status status = expect_joint(r, j, e, given);
    if (status != STELE_OK) {
        return status;
    }
    r->joint = *j;
    add_components(g, j, ret);
    return vt->loss != NULL ? own_loss(r, g, e, j, after[2], ret) : r->raw;
}

stele_status rig_head(rig *r, stele_graph *g, int64_t n, const int64_t *index, stele_tensor *const *in, rig_result *ret)
{
    const stele_head_vt *vt = &r->vt->head;
    stele_tensor *y = NULL, *rows = NULL;
    const int64_t width = r->n_columns;
    double *target = stele__op_take(g, (size_t)(n * width) + 1, sizeof *target);
    for (int64_t i = 0; target != NULL && i < n; i++) {
        memcpy(target + i * width, r->target + (index != NULL ? index[i] : i) * width, (size_t)width * sizeof *target);
    }
    r->raw = vt->predict(r->inst, g, in[0], r->plan.covariates > 0 ? in[1] : NULL, &y);
    stele__guest_restore(r->guest, "predict");
    if (target == NULL || r->raw != STELE_OK || stele__graph_status(g) != STELE_OK) {
        return target == NULL ? STELE_E_NOMEM : r->raw;
    }
    stele_shape s = width > 1 ? STELE__SHAPE(n, width) : STELE__SHAPE(n);
    stele_tensor *t = rig_constant(g, &s, target);
    if (r->field.content == STELE_FIELD_CATEGORY) {
        t = ops->cast(g, t, STELE_I32); /* codes, as labels have them */
    }
    r->raw = vt->loss(r->inst, g, y, t, &rows);
    stele__guest_restore(r->guest, "loss");
    rig_output_add(ret, "prediction", y);
    rig_output_add(ret, "loss", rows);
    if (r->plan.tally && vt->log_prob != NULL && r->raw == STELE_OK && stele__graph_status(g) == STELE_OK) {
        r->raw = vt->log_prob(r->inst, g, y, t, &rows);
        stele__guest_restore(r->guest, "log_prob");
        rig_output_add(ret, "log p(target | z)", rows);
    }
    return r->raw;
}
