/* A linear Gaussian model of 16 latent dimensions that depend on each other, whose p(z | x) is
 * known: z ~ N(0, I), two measurements of 24 features, x = W z + N(0, I), each row with one of them
 * or both. Its posteriors are products over the dimensions: the exact means, moved aside, and the
 * widths that the ELBO asks for, times a factor. */
#ifndef STELE_WIDE_MODEL_H
#define STELE_WIDE_MODEL_H

#include "base/mem.h"
#include "fake_source.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "model/infer.h"

#include <math.h>
#include <stdio.h>

enum { N = 60, D = 16, F = 24, A = 1, B = 2 };

static const stele_ops *const ops = &stele__ops;

static struct {
    double widen, aside; /* added to the log-variance; to the mean, in standard deviations */
} mode;

static double loading[2][F][D];    /* W */
static double precision[4][D][D];  /* of z given the measurements in the mask */
static double covariance[4][D][D]; /* its inverse */

static double noise(uint32_t *state)
{
    double sum = 0.0;
    for (int i = 0; i < 12; i++) {
        *state = *state * 1664525u + 1013904223u;
        sum += *state / 4294967296.0 - 0.5;
    }
    return sum;
}

/* Gauss and Jordan: positive definite matrices need no exchange of rows. */
static void invert(double a[D][D], double ret[D][D])
{
    double m[D][2 * D];
    for (int i = 0; i < D; i++) {
        for (int j = 0; j < D; j++) {
            m[i][j] = a[i][j];
            m[i][D + j] = i == j;
        }
    }
    for (int k = 0; k < D; k++) {
        const double pivot = m[k][k];
        for (int j = 0; j < 2 * D; j++) {
            m[k][j] /= pivot;
        }
        for (int i = 0; i < D; i++) {
            const double f = m[i][k];
            for (int j = 0; j < 2 * D && i != k; j++) {
                m[i][j] -= f * m[k][j];
            }
        }
    }
    for (int i = 0; i < D; i++) {
        memcpy(ret[i], m[i] + D, D * sizeof(double));
    }
}

/* All features look at a sum that neighbouring dimensions share, and at something of their own. */
static void make_loadings(uint32_t *state)
{
    for (int k = 0; k < 2; k++) {
        for (int f = 0; f < F; f++) {
            const double common = noise(state);
            for (int d = 0; d < D; d++) {
                loading[k][f][d] = common + 0.6 * noise(state);
            }
        }
    }
    for (int mask = 0; mask < 4; mask++) {
        for (int i = 0; i < D; i++) {
            for (int j = 0; j < D; j++) {
                precision[mask][i][j] = i == j;
                for (int f = 0; f < 2 * F; f++) {
                    const double *w = loading[f / F][f % F];
                    precision[mask][i][j] += (mask >> f / F & 1) ? w[i] * w[j] : 0.0;
                }
            }
        }
        invert(precision[mask], covariance[mask]);
    }
}

static stele_tensor *loadings(stele_graph *g, int k)
{
    stele_shape shape = STELE__SHAPE(F, D);
    void *w = stele__op_take(g, (size_t)F * D, sizeof(double));
    for (int i = 0; i < F * D; i++) {
        stele__put_real(stele__graph_dtype(g), w, i, loading[k][i / D][i % D]);
    }
    return stele__graph_dense(g, stele__graph_dtype(g), &shape, w);
}

/* W' x: no posterior yet, fuse() knows the rest. */
static stele_status encode_as(int k, stele_graph *g, const stele_encode_args *a, stele_dist *q)
{
    *q = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
    q->p[0] = ops->matmul(g, a->x, loadings(g, k), 0, 0);
    q->p[1] = ops->scale(g, q->p[0], 0.0);
    return STELE_OK;
}

static stele_status encode_a(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                             stele_dist *q)
{
    (void)self;
    return encode_as(0, g, a, q);
}

static stele_status encode_b(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                             stele_dist *q)
{
    (void)self;
    return encode_as(1, g, a, q);
}

static stele_status log_prob_as(int k, stele_graph *g, const stele_decode_args *a,
                                stele_tensor **ret)
{
    stele_tensor *far = ops->sub(g, a->target, ops->matmul(g, a->z, loadings(g, k), 0, 1));
    *ret = ops->scale(g, ops->sum(g, ops->square(g, far), 1, 0), -0.5);
    return STELE_OK;
}

static stele_status log_prob_a(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                               stele_tensor **ret)
{
    (void)self;
    return log_prob_as(0, g, a, ret);
}

static stele_status log_prob_b(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                               stele_tensor **ret)
{
    (void)self;
    return log_prob_as(1, g, a, ret);
}

static uint32_t max_components(const stele_inst *self, uint32_t n)
{
    (void)self;
    (void)n;
    return 1;
}

/* Mean of z given the measurements in the mask, from the sum of their W' x. */
static void exact_mean(const double *sum, int mask, double *ret)
{
    for (int d = 0; d < D; d++) {
        ret[d] = 0.0;
        for (int i = 0; i < D; i++) {
            ret[d] += covariance[mask][d][i] * sum[i];
        }
    }
}

/* What the fusion says in its place. */
static double said_sd(int mask, int d)
{
    return exp(0.5 * mode.widen) / sqrt(precision[mask][d][d]);
}

static double said_shift(int mask, int d)
{
    return mode.aside * (d % 2 == 0 ? 1.0 : -1.0) / sqrt(precision[mask][d][d]);
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    const int64_t rows = in->present->shape.dim[0];
    const uint32_t dtype = stele__graph_dtype(g);
    stele_shape shape = STELE__SHAPE(rows, D);
    (void)self;
    void *mean = stele__op_take(g, (size_t)rows * D, sizeof(double));
    void *logvar = stele__op_take(g, (size_t)rows * D, sizeof(double));
    for (int64_t r = 0; r < rows; r++) {
        double sum[D] = { 0.0 }, m[D];
        int mask = 0;
        for (int k = 0; k < 2; k++) {
            const int there = stele__tensor_real(in->present, r * 2 + k) > 0.0;
            mask |= there << k;
            for (int d = 0; d < D && there; d++) {
                sum[d] += stele__tensor_real(in->q[k].p[0], r * D + d);
            }
        }
        exact_mean(sum, mask, m);
        for (int d = 0; d < D; d++) {
            stele__put_real(dtype, mean, r * D + d, m[d] + said_shift(mask, d));
            stele__put_real(dtype, logvar, r * D + d, 2.0 * log(said_sd(mask, d)));
        }
    }
    ret->n = 1;
    ret->subset[0] = A | B;
    ret->component[0] = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
    ret->component[0].p[0] = stele__graph_dense(g, dtype, &shape, mean);
    ret->component[0].p[1] = stele__graph_dense(g, dtype, &shape, logvar);
    return STELE_OK;
}

/* The rows: every third has one measurement only. */
typedef struct scene {
    char text[N][16];
    const char *id[2][N];
    double x[2][N * F], value[2][N * F]; /* by row; by axis */
    int64_t row[N];
    stele__dataset *data;
    stele__model model;
    stele_graph *graph;
} scene;

static int mask_of(int i)
{
    return i % 3 != 2 ? A | B : i % 2 == 0 ? A : B;
}

static void make_rows(scene *s)
{
    fake_axis axis[2] = { { s->id[0], 0 }, { s->id[1], 0 } };
    fake_field field[2];
    uint32_t state = 1;
    make_loadings(&state);
    for (int i = 0; i < N; i++) {
        double z[D];
        snprintf(s->text[i], sizeof s->text[i], "row%d", i);
        for (int d = 0; d < D; d++) {
            z[d] = noise(&state);
        }
        for (int k = 0; k < 2; k++) {
            for (int f = 0; f < F; f++) {
                s->x[k][i * F + f] = noise(&state);
                for (int d = 0; d < D; d++) {
                    s->x[k][i * F + f] += loading[k][f][d] * z[d];
                }
            }
            if ((mask_of(i) >> k & 1) != 0) {
                memcpy(s->value[k] + axis[k].n * F, s->x[k] + i * F, F * sizeof(double));
                s->id[k][axis[k].n++] = s->text[i];
            }
        }
    }
    for (uint32_t k = 0; k < 2; k++) {
        field[k] = (fake_field){ .name = k == 0 ? "a" : "b",
                                 .content = STELE_FIELD_MATRIX,
                                 .layout = STELE_DENSE,
                                 .axis = k,
                                 .n_features = F,
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

static void open_scene(scene *s, uint32_t dtype, stele__pool *pool)
{
    static const stele_modality_vt modality[2] = {
        { .struct_size = sizeof *modality, .encode = encode_a, .log_prob = log_prob_a },
        { .struct_size = sizeof *modality, .encode = encode_b, .log_prob = log_prob_b }
    };
    static const stele_fusion_vt fusion = { .struct_size = sizeof fusion,
                                            .max_components = max_components,
                                            .fuse = fuse };
    static const stele__plugin plugin;
    static const stele__host_tables tables = { .ops = &stele__ops };
    memset(s, 0, sizeof *s);
    make_rows(s);
    s->model = (stele__model){ .latent_dim = D, .n_modalities = 2, .fusion_vt = &fusion };
    s->model.modality = stele__calloc(2, sizeof *s->model.modality);
    for (int k = 0; k < 2; k++) {
        stele__modality *md = &s->model.modality[k];
        md->name = k == 0 ? "a" : "b";
        md->vt = &modality[k];
        md->input = s->data->matrix[k].field;
        md->n_features = F;
        assert_int_equal(
            stele__guest_create(&plugin, md->name, NULL, &tables, NULL, &md->part.guest), STELE_OK);
    }
    assert_int_equal(
        stele__guest_create(&plugin, "fusion", NULL, &tables, NULL, &s->model.fusion.guest),
        STELE_OK);
    assert_int_equal(stele__model_build(&s->model, dtype, NULL), STELE_OK);
    assert_int_equal(stele__params_finalize(s->model.params, 1, 0, NULL), STELE_OK);
    assert_int_equal(stele__graph_create(pool, dtype, &s->graph), STELE_OK);
}

static void close_scene(scene *s)
{
    stele__graph_destroy(s->graph);
    stele__model_finish(&s->model);
    stele__dataset_destroy(s->data);
}

/* Number of a row of the data set, whose order need not be ours. */
static int number_of(const scene *s, int64_t row)
{
    int i = 0;
    (void)!sscanf(stele__dataset_row_id(s->data, row), "row%d", &i);
    return i;
}

/* Mean of z given the measurements of row i in the mask. */
static void truth(const scene *s, int i, int mask, double *ret)
{
    double sum[D] = { 0.0 };
    for (int k = 0; k < 2; k++) {
        for (int f = 0; f < F && (mask >> k & 1) != 0; f++) {
            for (int d = 0; d < D; d++) {
                /* Measurements pass through float on their way into a batch. */
                sum[d] += loading[k][f][d] * (double)(float)s->x[k][i * F + f];
            }
        }
    }
    exact_mean(sum, mask, ret);
}

#endif
