#include "block.h"

#include "base/mem.h"
#include "graph/noise.h"
#include "graph/tensor.h"
#include "guard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double *take(block_rig *b, int64_t n)
{
    return rig_take(&b->r, (size_t)n * sizeof(double) + 1);
}

static void fill_parameters(block_rig *b)
{
    const stele_output *o = &b->r.output;
    for (uint32_t k = 0; k < b->n_feature; k++) {
        const stele__param *p = stele__params_entry(b->r.params, b->r.entry[o->feature[k]]);
        b->trained[k] = p->kind == STELE__TRAINED;
        b->feature[k] = take(b, b->features);
        for (int64_t j = 0; j < b->features; j++) {
            double v =
                b->r.plan.dtype == STELE_F64 ? ((const double *)p->values)[j] : (double)((const float *)p->values)[j];
            b->feature[k][j] = (double)(float)(v + (b->trained[k] ? 0.5 * rig_normal(b->r.t, 400 + k, j) : 0.0));
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        const void *data = stele__tensor_data(o->row[k]);
        b->row[k] = take(b, b->rows);
        for (int64_t i = 0; i < b->rows; i++) {
            double v = b->r.plan.dtype == STELE_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
            b->row[k][i] = (double)(float)(v + 0.3 * rig_normal(b->r.t, 420 + k, i));
        }
    }
}

int block_open(block_rig *b)
{
    rig_result res;
    const int64_t rows = b->r.plan.rows;
    const check_trial *t = b->r.t;
    if (!rig_compute(&b->r, rows, NULL, 0, &res)) {
        return 0;
    }
    rig_result_finish(&res);
    b->rows = rows;
    b->features = b->r.plan.features;
    b->own = b->r.vt->modality.decode == NULL;
    if (b->own) {
        b->x = b->r.input[0].value;
        return 1;
    }
    b->n_eta = b->r.output.n_eta;
    b->n_feature = b->r.output.n_feature;
    b->n_row = b->r.output.n_row;
    fill_parameters(b);
    for (uint32_t k = 0; k < b->n_eta; k++) {
        b->eta[k] = take(b, rows * b->features);
        for (int64_t i = 0; i < rows * b->features; i++) {
            b->eta[k][i] = (double)(float)(4.0 * rig_uniform(t, 440 + k, i) - 2.0);
        }
    }
    b->weight = take(b, rows);
    b->x = take(b, rows * b->features);
    for (int64_t i = 0; i < rows; i++) {
        b->weight[i] = (double)(float)(0.25 + rig_uniform(t, 460, i));
    }
    memcpy(b->x, b->r.input[0].value, (size_t)(rows * b->features) * sizeof *b->x);
    return 1;
}

int block_start(check_trial *t, const rig_plan *plan, block_rig *b)
{
    memset(b, 0, sizeof *b);
    return rig_start(t, plan, &b->r) && block_open(b);
}

void block_finish(block_rig *b)
{
    rig_finish(&b->r);
}

void block_result_init(block_rig *b, block_result *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->log_prob = take(b, b->rows);
    for (uint32_t k = 0; k < b->n_eta; k++) {
        ret->d_eta[k] = take(b, b->rows * b->features);
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        ret->d_feature[k] = take(b, b->features);
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        ret->d_row[k] = take(b, b->rows);
    }
}

/* One call: the arrays as the plugin sees them. */
typedef struct call {
    const block_rig *b;
    uint32_t dtype;
    unsigned how;
    int64_t first, n;
    const void *eta[STELE_MAX_ETA], *feature[STELE_MAX_PARAM], *row[STELE_MAX_PARAM];
    void *d_eta[STELE_MAX_ETA], *d_feature[STELE_MAX_PARAM], *d_row[STELE_MAX_PARAM];
} call;

static size_t real_of(const call *c)
{
    return c->dtype == STELE_F64 ? sizeof(double) : sizeof(float);
}

static double get(const call *c, const void *a, int64_t i)
{
    return c->dtype == STELE_F64 ? ((const double *)a)[i] : (double)((const float *)a)[i];
}

static void put(const call *c, void *a, int64_t i, double v)
{
    if (c->dtype == STELE_F64) {
        ((double *)a)[i] = v;
    } else {
        ((float *)a)[i] = (float)v;
    }
}

/* n rows of `count` elements out of a wider array (rows, width), from column `first`. */
static void *cut(const call *c, const double *from, int64_t rows, int64_t width, int64_t first, int64_t count,
                 const char *name)
{
    void *to = guard_take((size_t)(rows * count) * real_of(c), name);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < count; j++) {
            put(c, to, i * count + j, from[i * width + first + j]);
        }
    }
    return to;
}

static void *filled(const call *c, int64_t n, double v, const char *name)
{
    void *to = guard_take((size_t)n * real_of(c), name);
    for (int64_t i = 0; i < n; i++) {
        put(c, to, i, v);
    }
    return to;
}

static void fill_x(const call *c, stele_values *v)
{
    const block_rig *b = c->b;
    int csr = (c->how & BLOCK_CSR) != 0, wide = (c->how & BLOCK_DENSE64) != 0;
    int64_t *begin = guard_take((size_t)b->rows * sizeof *begin, "x->begin");
    int64_t *end = guard_take((size_t)b->rows * sizeof *end, "x->end");
    int64_t k = 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t size = wide ? sizeof(double) : sizeof(float);
        void *data = pass == 1 ? guard_take((size_t)k * size, "x->data") : NULL;
        int32_t *column = pass == 1 ? guard_take((size_t)k * sizeof *column, "x->column") : NULL;
        k = 0;
        for (int64_t i = 0; i < b->rows; i++) {
            begin[i] = k;
            for (int64_t j = 0; j < b->features; j++) {
                double x = b->x[i * b->features + j];
                if (csr && x == 0.0 && (c->how & BLOCK_ZEROS) == 0) {
                    continue;
                }
                if (pass == 1) {
                    column[k] = (int32_t)j;
                    if (wide) {
                        ((double *)data)[k] = x;
                    } else {
                        ((float *)data)[k] = (float)x;
                    }
                }
                k++;
            }
            end[i] = k;
        }
        v->data = data;
        v->column = csr ? column : NULL;
    }
    v->struct_size = sizeof *v;
    v->dtype = wide ? STELE_F64 : STELE_F32;
    v->layout = csr ? STELE_CSR : STELE_DENSE;
    v->begin = begin;
    v->end = csr ? end : NULL;
}

static void fill_call(call *c)
{
    const block_rig *b = c->b;
    double start = (c->how & BLOCK_FILLED) != 0 ? 3.0 : 0.0;
    int with = (c->how & BLOCK_DERIVATIVES) != 0;
    for (uint32_t k = 0; k < b->n_eta; k++) {
        void *eta = cut(c, b->eta[k], b->rows, b->features, c->first, c->n, "eta");
        c->eta[k] = eta;
        c->d_eta[k] = (c->how & BLOCK_ALIAS) != 0 ? eta : with ? filled(c, b->rows * c->n, NAN, "d_eta") : NULL;
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        c->feature[k] = cut(c, b->feature[k], 1, b->features, c->first, c->n, "feature");
        c->d_feature[k] = with && b->trained[k] ? filled(c, c->n, start, "d_feature") : NULL;
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        c->row[k] = cut(c, b->row[k], 1, b->rows, 0, b->rows, "row");
        c->d_row[k] = with ? filled(c, b->rows, start, "d_row") : NULL;
    }
}

static void read_back(const call *c, const double *log_prob, double start, block_result *ret)
{
    const block_rig *b = c->b;
    for (int64_t i = 0; i < b->rows; i++) {
        ret->log_prob[i] += log_prob[i] - start;
    }
    for (uint32_t k = 0; k < b->n_eta && c->d_eta[k] != NULL; k++) {
        for (int64_t i = 0; i < b->rows * c->n; i++) {
            ret->d_eta[k][i / c->n * b->features + c->first + i % c->n] = get(c, c->d_eta[k], i);
        }
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        for (int64_t j = 0; c->d_feature[k] != NULL && j < c->n; j++) {
            ret->d_feature[k][c->first + j] += get(c, c->d_feature[k], j) - start;
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        for (int64_t i = 0; c->d_row[k] != NULL && i < b->rows; i++) {
            ret->d_row[k][i] += get(c, c->d_row[k], i) - start;
        }
    }
}

stele_status block_eval(block_rig *b, uint32_t dtype, unsigned how, int64_t first, int64_t n, block_result *ret)
{
    call c = { .b = b, .dtype = dtype, .how = how, .first = first, .n = n };
    const double start = (how & BLOCK_FILLED) != 0 ? 3.0 : 0.0;
    const int with = (how & BLOCK_DERIVATIVES) != 0;
    const size_t mark = guard_mark();
    stele_values x = { 0 };
    fill_x(&c, &x);
    fill_call(&c);
    double *log_prob = guard_take((size_t)b->rows * sizeof *log_prob, "log_prob");
    for (int64_t i = 0; i < b->rows; i++) {
        log_prob[i] = start;
    }
    stele_block arg = { .struct_size = sizeof arg, .dtype = dtype, .n_eta = b->n_eta, .n_rows = b->rows };
    arg.first = first;
    arg.n_features = n;
    arg.eta = c.eta;
    arg.feature = c.feature;
    arg.row = b->n_row > 0 ? c.row : NULL;
    arg.x = &x;
    arg.log_prob = log_prob;
    if (with) {
        arg.d_eta = c.d_eta;
        arg.d_feature = c.d_feature;
        arg.d_row = b->n_row > 0 ? c.d_row : NULL;
        arg.weight = cut(&c, b->weight, 1, b->rows, 0, b->rows, "weight");
    }
    ret->status = b->r.vt->modality.likelihood(b->r.inst, &arg);
    if (ret->status == STELE_OK) {
        read_back(&c, log_prob, start, ret);
    }
    guard_free(b->r.t, mark);
    return ret->status;
}

int block_whole(block_rig *b, uint32_t dtype, unsigned how, block_result *ret)
{
    block_result_init(b, ret);
    if (block_eval(b, dtype, how, 0, b->features, ret) != STELE_OK) {
        check_fail(b->r.t, "likelihood failed: %s", stele__status_text(ret->status));
        return 0;
    }
    return 1;
}

double block_objective(const block_rig *b, const block_result *res)
{
    double sum = 0.0;
    for (int64_t i = 0; i < b->rows; i++) {
        sum += b->weight[i] * res->log_prob[i];
    }
    return sum;
}

typedef struct uniforms {
    const block_rig *b;
    uint64_t sample;
    int64_t first, n;
    double *room; /* (features) */
} uniforms;

/* A feature's number is its own, wherever a block begins. */
static void uniform(void *ctx, int64_t row, uint32_t k, double *ret)
{
    const uniforms *u = ctx;
    stele__stream s = { .key = stele__noise_key(u->b->r.t->subject->seed, 9000 + u->sample, k), .row = row };
    stele__stream_uniform(&s, STELE_F64, (size_t)u->b->features, u->room);
    memcpy(ret, u->room + u->first, (size_t)u->n * sizeof *ret);
}

stele_status block_draw(block_rig *b, uint32_t what, uint64_t sample, double *ret)
{
    return b->own ? own_draw(b, what, sample, ret) : block_draw_part(b, what, sample, 0, b->features, ret);
}

stele_status block_draw_part(block_rig *b, uint32_t what, uint64_t sample, int64_t first, int64_t n, double *ret)
{
    call c = { .b = b, .dtype = b->r.plan.dtype, .first = first, .n = n };
    uniforms u = { b, sample, first, n, stele__calloc((size_t)b->features, sizeof(double)) };
    if (u.room == NULL) {
        return STELE_E_NOMEM;
    }
    const size_t mark = guard_mark();
    fill_call(&c);
    void *out = guard_take((size_t)(b->rows * n) * real_of(&c), "draw's out");
    stele_draw d = { .struct_size = sizeof d, .what = what, .uniform = uniform, .ctx = &u, .out = out };
    stele_block arg = { .struct_size = sizeof arg, .dtype = c.dtype, .n_eta = b->n_eta, .n_rows = b->rows };
    arg.first = first;
    arg.n_features = n;
    arg.eta = c.eta;
    arg.feature = c.feature;
    arg.row = b->n_row > 0 ? c.row : NULL;
    stele_status status = b->r.vt->modality.draw(b->r.inst, &arg, &d);
    for (int64_t i = 0; status == STELE_OK && i < b->rows * n; i++) {
        ret[i / n * b->features + first + i % n] = get(&c, out, i);
    }
    guard_free(b->r.t, mark);
    stele__free(u.room);
    return status;
}

void block_place(const block_rig *b, char *ret, size_t size)
{
    int n = b->own ? snprintf(ret, size, "z[0] %.4g", b->r.input[1].value[0])
                   : snprintf(ret, size, "eta %.4g", b->eta[0][0]);
    if (b->n_feature > 0 && (size_t)n < size) {
        n += snprintf(ret + n, size - (size_t)n, ", feature parameter %.4g", b->feature[0][0]);
    }
    if (b->n_row > 0 && (size_t)n < size) {
        snprintf(ret + n, size - (size_t)n, ", row parameter %.4g", b->row[0][0]);
    }
}

double block_distance(int64_t n, const double *a, const double *c)
{
    double scale = 1.0, worst = 0.0;
    for (int64_t i = 0; i < n; i++) {
        scale = fmax(scale, isfinite(a[i]) ? fabs(a[i]) : 0.0);
    }
    for (int64_t i = 0; i < n; i++) {
        if (a[i] == c[i] || (isnan(a[i]) && isnan(c[i]))) {
            continue;
        }
        double d = fabs(a[i] - c[i]) / scale;
        worst = isfinite(d) ? fmax(worst, d) : HUGE_VAL;
    }
    return worst;
}
