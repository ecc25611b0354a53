/* Inputs of a rig: what the plugin is to be given, made from its own word on what is valid. */
#include "rig.h"

#include "graph/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NOISE 0.3 /* standard deviation of a head's target around the first dimension of z */
enum { SEEN_ROWS = 5, SEEN_WIDTH = 3 };
enum { CLASSES = 3, STRIDE = 19 /* of subsets: has no factor in common with 1, 3, 7, ... 63 */ };

void rig_field_init(rig *r, size_t choice)
{
    r->field.struct_size = sizeof r->field;
    r->field.name = "checked";
    r->field.layout = r->plan.layout == STELE_CSR ? STELE_CSR : STELE_DENSE;
    if (r->plugin->desc.kind == STELE_HEAD) {
        const char *const *column = r->vt->head.columns;
        int is_number = choice == 0 || column != NULL;
        r->choice = choice;
        for (r->n_columns = 0; column != NULL && column[r->n_columns] != NULL; r->n_columns++) {
        }
        r->n_columns = column != NULL ? r->n_columns : 1;
        if (r->n_columns > 1) {
            r->field.sample = STELE__SHAPE((int64_t)r->n_columns);
        }
        r->field.content = is_number ? STELE_FIELD_NUMBER : STELE_FIELD_CATEGORY;
        r->field.dtype = is_number ? STELE_F64 : STELE_I32;
        r->field.n_categories = is_number ? 0 : CLASSES;
    } else if (r->plugin->desc.kind == STELE_MODALITY) {
        r->field.content = STELE_FIELD_MATRIX;
        r->field.dtype = STELE_F32;
        r->seen = r->field;
        r->seen.name = "seen";
        r->seen.sample = STELE__SHAPE(SEEN_ROWS, SEEN_WIDTH);
        r->plan.features = stele__shape_count(&r->field.sample);
    }
}

static rig_input *add_input(rig *r, int per_row, int differentiable, int64_t width)
{
    rig_input *in = &r->input[r->n_inputs++];
    int64_t n = per_row ? r->plan.rows * width : width;
    in->width = width;
    in->per_row = per_row;
    in->differentiable = differentiable;
    in->shape = per_row ? STELE__SHAPE(r->plan.rows, width) : STELE__SHAPE(width);
    in->value = rig_take(r, (size_t)n * sizeof(double) + 1);
    return in;
}

static void fill_normal(rig *r, rig_input *in, double centre, double scale)
{
    int64_t n = in->per_row ? r->plan.rows * in->width : in->width;
    uint64_t stream = 100 + r->n_inputs + 1000 * r->plan.seed;
    for (int64_t i = 0; i < n; i++) {
        in->value[i] = (double)(float)(centre + scale * rig_normal(r->t, stream, i));
    }
}

/* Anything, as nobody validates it; an entry is missing here and there, and zeros end one row in three. */
static void seen_input(rig *r)
{
    r->at_seen = r->n_inputs;
    rig_input *in = add_input(r, 1, 0, SEEN_ROWS * SEEN_WIDTH);
    snprintf(in->name, sizeof in->name, "seen");
    in->shape = STELE__SHAPE(r->plan.rows, SEEN_ROWS, SEEN_WIDTH);
    fill_normal(r, in, 1.0, 2.0);
    for (int64_t i = 0; i < r->plan.rows * in->width; i++) {
        const int64_t row = i / in->width, at = i % in->width;
        in->value[i] = row % 3 == 1 && at >= 2 * SEEN_WIDTH ? 0.0 : row % 3 == 2 && at == 4 ? NAN : in->value[i];
    }
}

rig_input *rig_window(rig *r)
{
    return &r->input[r->n_inputs - 1];
}

/* (rows, bins, sample...): x in the middle, neighbours from the support; two windows of three lack a bin. */
static void window_input(rig *r)
{
    const rig_input *x = &r->input[0];
    const int64_t bins = r->plan.window, at = bins / 2, width = x->width;
    rig_input *w = add_input(r, 1, 0, bins * width);
    snprintf(w->name, sizeof w->name, "window");
    w->shape.ndim = x->shape.ndim + 1;
    w->shape.dim[1] = bins;
    memcpy(&w->shape.dim[2], &x->shape.dim[1], (x->shape.ndim - 1) * sizeof(int64_t));
    for (int64_t i = 0; i < r->plan.rows * bins * width; i++) {
        int64_t row = i / (bins * width), bin = i / width % bins;
        int absent = bin != at && ((row % 3 == 0 && bin == 0) || (row % 3 == 1 && bin == bins - 1));
        w->value[i] = absent      ? NAN
                      : bin == at ? x->value[row * width + i % width]
                                  : rig_value(r, 203 + 1000 * r->plan.seed, i);
    }
}

static void modality_inputs(rig *r)
{
    rig_find_support(r);
    int64_t width = r->plan.features;
    rig_input *x = add_input(r, 1, 0, width); /* data: nobody asks for its derivative */
    snprintf(x->name, sizeof x->name, "x");
    x->shape.ndim = r->field.sample.ndim + 1;
    memcpy(&x->shape.dim[1], r->field.sample.dim, r->field.sample.ndim * sizeof(int64_t));
    for (int64_t i = 0; i < r->plan.rows * width; i++) {
        x->value[i] = rig_value(r, 200 + 1000 * r->plan.seed, i);
    }
    /* A row of zeros has no size. */
    const int may_be_empty = r->support.whole && r->support.low == 0.0 && r->support.high >= 1.0;
    for (int64_t i = 0; i < r->plan.rows && may_be_empty; i++) {
        x->value[i * width + i % width] = 1.0;
    }
    /* Of options at random no more is asked than that the plugin bears them. */
    if (r->plan.option == NULL && !rig_accepts(r, r->plan.rows, x->value)) {
        check_say(r->t, CHECK_HOLLOW, "validate refuses every row that was made up of values which it accepts alone");
    }
    rig_input *z = add_input(r, 1, 1, r->plan.latent);
    snprintf(z->name, sizeof z->name, "z");
    fill_normal(r, z, 0.0, 1.0);
    for (int k = 0; k < 2 && r->plan.covariates > 0; k++) {
        rig_input *c = add_input(r, 1, 1, r->plan.covariates);
        snprintf(c->name, sizeof c->name, k == 0 ? "encoder covariates" : "decoder covariates");
        fill_normal(r, c, 0.0, 1.0);
    }
    if (r->sees) {
        seen_input(r);
    }
    if (r->plan.window > 0) {
        window_input(r);
    }
}

static void fusion_inputs(rig *r)
{
    const int64_t n = r->plan.experts, last = (INT64_C(1) << n) - 1;
    for (int m = 0; m < n; m++) {
        for (int k = 0; k < 2; k++) {
            rig_input *in = add_input(r, 1, 1, r->plan.latent);
            snprintf(in->name, sizeof in->name, "expert %d, %s", m, k == 0 ? "mean" : "log-variance");
            fill_normal(r, in, k == 0 ? 0.0 : -0.5, k == 0 ? 1.5 : 0.7);
        }
    }
    for (int k = 0; k < 2; k++) {
        rig_input *in = add_input(r, 0, 1, r->plan.latent);
        snprintf(in->name, sizeof in->name, "prior, %s", k == 0 ? "mean" : "log-variance");
        fill_normal(r, in, 0.0, 0.3);
    }
    if (r->vt->fusion.loss != NULL) {
        rig_input *in = add_input(r, 1, 1, r->vt->fusion.max_components(r->inst, r->plan.experts));
        snprintf(in->name, sizeof in->name, "log p(x | z)");
        fill_normal(r, in, -20.0, 3.0);
    }
    r->present = rig_take(r, (size_t)(r->plan.rows * n) * sizeof(double));
    for (int64_t i = 0; i < r->plan.rows; i++) {
        /* Every subset but the empty one, all of them first. */
        int64_t pattern = i % last == 0 ? last : STRIDE * i % last;
        for (int m = 0; m < n; m++) {
            r->present[i * n + m] = (double)(pattern >> m & 1);
        }
    }
}

/* Rows whose targets a head's fit gets: a batch of one row is no reason to train on one, which a head may refuse. */
static int64_t fit_rows(const rig *r)
{
    enum { LEAST_TARGETS = 8 };
    int few = r->plugin->desc.kind == STELE_HEAD && r->plan.rows < LEAST_TARGETS;
    return few ? LEAST_TARGETS : r->plan.rows;
}

static void head_inputs(rig *r)
{
    rig_input *z = add_input(r, 1, 1, r->plan.latent);
    snprintf(z->name, sizeof z->name, "z");
    fill_normal(r, z, 0.0, 1.0);
    if (r->plan.covariates > 0) {
        rig_input *c = add_input(r, 1, 1, r->plan.covariates);
        snprintf(c->name, sizeof c->name, "covariates");
        fill_normal(r, c, 0.0, 1.0);
    }
    const int64_t width = r->n_columns, n = r->field.n_categories;
    r->target = rig_take(r, (size_t)(fit_rows(r) * width) * sizeof(double));
    for (int64_t i = 0; i < fit_rows(r) * width; i++) {
        int64_t row = i / width, last = width > 1 && i % width == width - 1;
        double known = row < r->plan.rows ? z->value[row * z->width] : rig_normal(r->t, 301, row);
        double score = known + NOISE * rig_normal(r->t, 300, i);
        if (width > 1 && r->choice == 0) {
            r->target[i] = last ? (double)(rig_uniform(r->t, 302, row) < 0.7) : exp(0.7 * score);
        } else {
            r->target[i] = n == 0 ? score : score > 0.5 ? (double)(n - 1) : score > -0.5 ? (double)(n / 2) : 0.0;
        }
    }
}

double rig_chance(const rig *r, int64_t row, int64_t class)
{
    /* How far the borders between classes are from what is known of the row; see head_inputs. */
    const double known = r->input[0].value[row * r->input[0].width];
    const double below = 0.5 * erfc((known + 0.5) / (NOISE * sqrt(2.0)));
    const double above = 0.5 * erfc((0.5 - known) / (NOISE * sqrt(2.0)));
    return class == 0 ? below : class == CLASSES - 1 ? above : 1.0 - below - above;
}

void rig_inputs_init(rig *r)
{
    switch (r->plugin->desc.kind) {
    case STELE_MODALITY: modality_inputs(r); break;
    case STELE_FUSION: fusion_inputs(r); break;
    default: head_inputs(r); break;
    }
}

/* --- fit ---------------------------------------------------------------------------------------------------------- */

struct stele_fit {
    rig *r;
    int64_t at, at_seen;
    int buffers_alone; /* calibration: no rows, and parameters stay */
    float *chunk;      /* (rows, features), or what is seen */
    int64_t *row_start;
    int32_t *column;
};

static int64_t fit_n_rows(const stele_fit *f)
{
    return f->buffers_alone ? 0 : fit_rows(f->r);
}

/* Targets of all rows at once, as a head's fit gets them: codes, or numbers. */
static stele_status fit_targets(stele_fit *f, stele_view *ret)
{
    rig *r = f->r;
    int64_t n = fit_rows(r) - f->at;
    int codes = r->field.content == STELE_FIELD_CATEGORY;
    for (int64_t i = 0; i < n; i++) {
        f->column[i] = (int32_t)r->target[i];
    }
    *ret = (stele_view){ .struct_size = sizeof *ret, .dtype = codes ? STELE_I32 : STELE_F64 };
    ret->layout = STELE_DENSE;
    ret->shape = r->n_columns > 1 ? STELE__SHAPE(n, (int64_t)r->n_columns) : STELE__SHAPE(n);
    ret->data = codes ? (const void *)f->column : r->target;
    f->at += n;
    return STELE_OK;
}

/* Two chunks, so that a plugin which takes the first for all of them is found out. */
static void next_chunk(stele_fit *f, const rig_input *x, int sparse, int64_t *at, stele_view *ret)
{
    rig *r = f->r;
    int64_t half = (r->plan.rows + 1) / 2, n = r->plan.rows - *at < half ? r->plan.rows - *at : half, k = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < x->width; j++) {
            double v = x->value[(*at + i) * x->width + j];
            if (!sparse || v != 0.0) {
                f->column[k] = (int32_t)j;
                f->chunk[k++] = (float)v;
            }
        }
        f->row_start[i + 1] = k;
    }
    *ret = (stele_view){ .struct_size = sizeof *ret, .dtype = STELE_F32, .shape = x->shape, .data = f->chunk };
    ret->layout = sparse ? STELE_CSR : STELE_DENSE;
    ret->row_start = sparse ? f->row_start : NULL;
    ret->column = sparse ? f->column : NULL;
    ret->shape.dim[0] = n;
    *at += n;
}

static stele_status fit_next(stele_fit *f, stele_view *ret)
{
    rig *r = f->r;
    if (f->buffers_alone) {
        *ret = (stele_view){ .struct_size = sizeof *ret, .shape = { .ndim = 1 } };
        return STELE_OK;
    }
    if (r->plugin->desc.kind == STELE_HEAD) {
        return fit_targets(f, ret);
    }
    next_chunk(f, &r->input[0], r->field.layout == STELE_CSR, &f->at, ret);
    return STELE_OK;
}

/* Features have no names here, which every plugin has to bear. */
static const char *fit_feature_name(const stele_fit *f, int64_t feature)
{
    (void)f;
    (void)feature;
    return NULL;
}

static stele_status fit_next_seen(stele_fit *f, stele_view *ret)
{
    rig *r = f->r;
    if (!r->sees) {
        return STELE_E_STATE;
    }
    next_chunk(f, &r->input[r->at_seen], r->seen.layout == STELE_CSR, &f->at_seen, ret);
    return STELE_OK;
}

static stele__param *fit_entry(stele_fit *f, uint32_t id)
{
    stele__param *p = id < f->r->scope.n ? stele__params_entry(f->r->params, f->r->entry[id]) : NULL;
    return p != NULL && f->buffers_alone && p->kind != STELE__BUFFER ? NULL : p;
}

static stele_status fit_set(stele_fit *f, uint32_t id, uint64_t n, const double *values)
{
    stele__param *p = fit_entry(f, id);
    if (p == NULL || p->kind == STELE__FROZEN || (uint64_t)p->n != n) {
        return STELE_E_ARG;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (f->r->plan.dtype == STELE_F64) {
            ((double *)p->values)[i] = values[i];
        } else {
            ((float *)p->values)[i] = (float)values[i];
        }
    }
    return STELE_OK;
}

static stele_status fit_scale(stele_fit *f, uint32_t id, double factor)
{
    stele__param *p = fit_entry(f, id);
    if (p == NULL || p->kind == STELE__FROZEN) {
        return STELE_E_ARG;
    }
    for (int64_t i = 0; i < p->n; i++) {
        if (f->r->plan.dtype == STELE_F64) {
            ((double *)p->values)[i] *= factor;
        } else {
            ((float *)p->values)[i] *= (float)factor;
        }
    }
    return STELE_OK;
}

const stele_fit_api rig_fit_api = {
    .struct_size = sizeof rig_fit_api,
    .n_rows = fit_n_rows,
    .next = fit_next,
    .set = fit_set,
    .scale = fit_scale,
    .next_seen = fit_next_seen,
    .feature_name = fit_feature_name,
};

stele_status rig_fit(rig *r)
{
    int head = r->plugin->desc.kind == STELE_HEAD;
    stele_status (*fit)(const stele_inst *, stele_fit *) = NULL;
    if (head) {
        fit = r->vt->head.fit;
    } else if (r->plugin->desc.kind == STELE_MODALITY) {
        fit = r->vt->modality.fit;
    }
    if (fit == NULL) {
        return STELE_OK;
    }
    const int64_t seen = r->sees ? r->input[r->at_seen].width : 0;
    const int64_t width = r->plan.features > seen ? r->plan.features : seen;
    size_t n = (size_t)(fit_rows(r) * (head ? (int64_t)r->n_columns : width));
    stele_fit f = { .r = r };
    f.chunk = rig_take(r, n * sizeof *f.chunk);
    f.column = rig_take(r, n * sizeof *f.column);
    f.row_start = rig_take(r, (size_t)(r->plan.rows + 1) * sizeof *f.row_start);
    r->raw = fit(r->inst, &f);
    return stele__guest_check(r->guest, "fit", r->raw, &r->diag);
}

stele_status rig_calibrate(rig *r, const stele_head_scored *s)
{
    stele_fit f = { .r = r, .buffers_alone = 1 };
    r->raw = r->vt->head.calibrate(r->inst, s, &f);
    return stele__guest_check(r->guest, "calibrate", r->raw, &r->diag);
}
