/* A linear Gaussian model, whose likelihood and posteriors are known: z ~ N(0, 1), two measurements
 * x = z + noise, each row with one of them or both. With private latents w ~ N(0, 1) half a
 * measurement is taken for a second one, w + noise. */
#ifndef STELE_LINEAR_MODEL_H
#define STELE_LINEAR_MODEL_H

#include "base/mem.h"
#include "fake_source.h"
#include "graph/ops.h"
#include "model/infer.h"

#include <math.h>
#include <stdio.h>

enum { N = 300, A = 1, B = 2 };
#define S2            0.5              /* variance of the noise */
#define OWN_PRECISION (1.0 + 1.0 / S2) /* of a private latent given its measurement */

static const stele_ops *const ops = &stele__ops;

/* What the fusion makes of the exact posterior. */
static struct {
    double widen; /* added to the log-variance */
    int mixture;  /* two components, shifted by -0.4 and 0.3, with weights 0.3 and 0.7 */
    int own;      /* private latents: 1 with the prior without measurements, 2 with variances */
} mode;

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *q)
{
    (void)self;
    *q = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
    q->p[0] = ops->scale(g, a->x, 1.0 / S2); /* not yet a posterior: fuse() knows the rest */
    q->p[1] = ops->scale(g, a->x, 0.0);
    if (mode.own) {
        stele_tensor *mean[] = { q->p[0], ops->scale(g, a->x, 0.5 / S2 / OWN_PRECISION) };
        stele_tensor *logvar[] = { q->p[1], ops->shift(g, q->p[1], -log(OWN_PRECISION)) };
        q->p[0] = ops->concat(g, 2, mean, 1);
        q->p[1] = ops->concat(g, 2, logvar, 1);
    }
    return STELE_OK;
}

static stele_tensor *normal_rows(stele_graph *g, stele_tensor *x, stele_tensor *mean)
{
    stele_tensor *square = ops->square(g, ops->sub(g, x, mean));
    return ops->shift(g, ops->scale(g, ops->sum(g, square, 1, 0), -0.5 / S2),
                      -0.5 * log(2.0 * M_PI * S2));
}

static stele_status log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret)
{
    (void)self;
    *ret = normal_rows(g, a->target, mode.own ? ops->slice(g, a->z, 1, 0, 1) : a->z);
    if (mode.own) {
        *ret = ops->add(
            g, *ret, normal_rows(g, ops->scale(g, a->target, 0.5), ops->slice(g, a->z, 1, 1, 2)));
    }
    return STELE_OK;
}

static uint32_t max_components(const stele_inst *self, uint32_t n)
{
    (void)self;
    (void)n;
    return mode.mixture ? 2 : 1;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    static const double shift[] = { -0.4, 0.3 }, weight[] = { 0.3, 0.7 };
    stele_tensor *sum = NULL, *n = ops->sum(g, in->present, 1, 1), *column[2];
    (void)self;
    for (uint32_t i = 0; i < in->n; i++) {
        stele_tensor *x = ops->mul(g, in->q[i].p[0], ops->slice(g, in->present, 1, i, i + 1));
        sum = sum != NULL ? ops->add(g, sum, x) : x;
    }
    stele_tensor *precision = ops->shift(g, ops->scale(g, n, 1.0 / S2), 1.0);
    ret->n = mode.mixture ? 2 : 1;
    for (uint32_t c = 0; c < ret->n; c++) {
        stele_dist *q = &ret->component[c];
        *q = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
        q->p[0] = ops->shift(g, ops->div(g, sum, precision), mode.mixture ? shift[c] : 0.0);
        q->p[1] = ops->shift(g, ops->scale(g, ops->log(g, precision), -1.0), mode.widen);
        column[c] = ops->shift(g, ops->scale(g, n, 0.0), log(weight[c]));
        ret->subset[c] = A | B;
    }
    ret->log_weight = mode.mixture ? ops->concat(g, 2, column, 1) : NULL;
    return STELE_OK;
}

/* The rows: x from a fixed list of uniform numbers; every third has one measurement only. */
typedef struct scene {
    char text[N][16];
    const char *id[2][N];
    double x[2][N], value[2][N]; /* by row (NaN: absent); by axis */
    int64_t row[N];
    stele__dataset *data;
    stele__model model;
    stele_graph *graph;
} scene;

static void make_rows(scene *s)
{
    fake_axis axis[2] = { { s->id[0], 0 }, { s->id[1], 0 } };
    fake_field field[2];
    uint32_t state = 1;
    for (int i = 0; i < N; i++) {
        snprintf(s->text[i], sizeof s->text[i], "row%d", i);
        for (int k = 0; k < 2; k++) {
            state = state * 1664525u + 1013904223u;
            s->x[k][i] = i % 3 == 2 && i % 2 == k ? NAN : 4.0 * (state / 4294967296.0) - 2.0;
            if (!isnan(s->x[k][i])) {
                s->id[k][axis[k].n] = s->text[i];
                s->value[k][axis[k].n++] = s->x[k][i];
            }
        }
    }
    for (uint32_t k = 0; k < 2; k++) {
        field[k] = (fake_field){ .name = k == 0 ? "a" : "b",
                                 .content = STELE_FIELD_MATRIX,
                                 .layout = STELE_DENSE,
                                 .axis = k,
                                 .n_features = 1,
                                 .x = s->value[k] };
    }
    fake_source inst = { axis, 2, field, 2 };
    stele__source source = { "s", &fake_vt, (const stele_inst *)(const void *)&inst };
    stele__matrix_request m[] = { { .name = "a", .from = "a" }, { .name = "b", .from = "b" } };
    stele__data_request q = { &source, 1, m, 2, NULL, 0, 0, NULL };
    assert_int_equal(stele__dataset_create(&q, &s->data, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(s->data, NULL, NULL), STELE_OK);
    assert_int_equal(s->data->n_rows, N);
}

static void open_scene(scene *s)
{
    static const stele_modality_vt modality = { .struct_size = sizeof modality,
                                                .encode = encode,
                                                .log_prob = log_prob };
    static const stele_fusion_vt fusion = { .struct_size = sizeof fusion,
                                            .max_components = max_components,
                                            .fuse = fuse };
    static const stele__plugin plugin;
    static const stele__host_tables tables = { .ops = &stele__ops };
    memset(s, 0, sizeof *s);
    make_rows(s);
    s->model = (stele__model){ .latent_dim = 1, .n_modalities = 2, .fusion_vt = &fusion };
    s->model.modality = stele__calloc(2, sizeof *s->model.modality);
    for (int k = 0; k < 2; k++) {
        stele__modality *md = &s->model.modality[k];
        md->name = k == 0 ? "a" : "b";
        md->vt = &modality;
        md->input = s->data->matrix[k].field;
        md->n_features = 1;
        md->own.dim = mode.own > 0;
        md->own.learned = mode.own == 2;
        assert_int_equal(
            stele__guest_create(&plugin, md->name, NULL, &tables, NULL, &md->part.guest), STELE_OK);
    }
    assert_int_equal(
        stele__guest_create(&plugin, "fusion", NULL, &tables, NULL, &s->model.fusion.guest),
        STELE_OK);
    assert_int_equal(stele__model_build(&s->model, STELE_F32, NULL), STELE_OK);
    assert_int_equal(stele__params_finalize(s->model.params, 1, 0, NULL), STELE_OK);
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &s->graph), STELE_OK);
}

static void close_scene(scene *s)
{
    stele__graph_destroy(s->graph);
    stele__model_finish(&s->model);
    stele__dataset_destroy(s->data);
}

/* x of a row of the data set, whose order need not be ours. */
static void values_of(const scene *s, int64_t row, double ret[2])
{
    int i = 0;
    (void)!sscanf(stele__dataset_row_id(s->data, row), "row%d", &i);
    ret[0] = s->x[0][i];
    ret[1] = s->x[1][i];
}

/* Posterior given the measurements of `mask` that are there. */
static void posterior(const double x[2], int mask, double *mean, double *var)
{
    double precision = 1.0, sum = 0.0;
    for (int k = 0; k < 2; k++) {
        if ((mask >> k & 1) != 0 && !isnan(x[k])) {
            precision += 1.0 / S2;
            sum += x[k] / S2;
        }
    }
    *mean = sum / precision;
    *var = 1.0 / precision;
}

/* log N(half of a measurement; 0, var). */
static inline double half_log_p(double x, double var)
{
    return -0.5 * (log(2.0 * M_PI * var) + 0.25 * x * x / var);
}

#endif
