/* Bounds of a linear Gaussian model, whose likelihood and posteriors are known: z ~ N(0, 1), two
 * measurements x = z + noise, each row with one of them or both. */
#include "test.h"
/* CMocka has a macro of the name of a slot. */
#undef fail

#include "base/mem.h"
#include "eval/blocks.h"
#include "eval/bound.h"
#include "eval/moments.h"
#include "fake_source.h"
#include "graph/ops.h"

#include <math.h>
#include <stdio.h>

enum { N = 300, A = 1, B = 2 };
#define S2 0.5 /* variance of the noise */

static const stele_ops *const ops = &stele__ops;

/* What the fusion makes of the exact posterior. */
static struct {
    double widen; /* added to the log-variance */
    int mixture;  /* two components, shifted by -0.4 and 0.3, with weights 0.3 and 0.7 */
} mode;

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *q)
{
    (void)self;
    *q = (stele_dist){ .family = STELE_NORMAL, .n = 2 };
    q->p[0] = ops->scale(g, a->x, 1.0 / S2); /* not yet a posterior: fuse() knows the rest */
    q->p[1] = ops->scale(g, a->x, 0.0);
    return STELE_OK;
}

static stele_status log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret)
{
    (void)self;
    stele_tensor *square = ops->square(g, ops->sub(g, a->target, a->z));
    *ret = ops->shift(g, ops->scale(g, ops->sum(g, square, 1, 0), -0.5 / S2),
                      -0.5 * log(2.0 * M_PI * S2));
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
    stele__judge judge;
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
    stele__data_request q = { &source, 1, m, 2, NULL, 0, 0 };
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
        assert_int_equal(
            stele__guest_create(&plugin, md->name, NULL, &tables, NULL, &md->part.guest), STELE_OK);
    }
    assert_int_equal(
        stele__guest_create(&plugin, "fusion", NULL, &tables, NULL, &s->model.fusion.guest),
        STELE_OK);
    assert_int_equal(stele__model_build(&s->model, STELE_F32, 1, 0, NULL), STELE_OK);
    s->judge = (stele__judge){ .model = &s->model, .data = s->data, .seed = 3 };
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &s->judge.graph), STELE_OK);
}

static void close_scene(scene *s)
{
    stele__graph_destroy(s->judge.graph);
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

/* log p of all that the row has: the first given nothing, the second given the first. */
static double evidence(const double x[2])
{
    double log_p = 0.0, mean, var;
    for (int k = 0; k < 2; k++) {
        posterior(x, k == 0 ? 0 : A, &mean, &var);
        double v = var + S2, d = x[k] - mean;
        log_p += isnan(x[k]) ? 0.0 : -0.5 * (log(2.0 * M_PI * v) + d * d / v);
    }
    return log_p;
}

/* Means over the rows that have something of `mask`: evidence, and the exact ELBO of the posterior
 * given `mask` with its variance times exp(widen). */
static int64_t expected(scene *s, int mask, double *ret_evidence, double *ret_elbo)
{
    int64_t n = 0;
    *ret_evidence = *ret_elbo = 0.0;
    for (int64_t r = 0; r < N; r++) {
        double x[2], m1, v1, m2, v2;
        values_of(s, r, x);
        s->row[r] = r;
        if ((stele__judge_present(&s->judge, r) & (uint64_t)mask) == 0) {
            continue;
        }
        posterior(x, mask, &m1, &v1);
        posterior(x, A | B, &m2, &v2);
        v1 *= exp(mode.widen);
        double kl = 0.5 * (v1 / v2 - 1.0 + log(v2 / v1) + (m1 - m2) * (m1 - m2) / v2);
        *ret_evidence += evidence(x);
        *ret_elbo += evidence(x) - kl;
        n++;
    }
    *ret_evidence /= (double)n;
    *ret_elbo /= (double)n;
    return n;
}

static stele__bound bound(scene *s, int mask, uint32_t k)
{
    stele__bound b;
    assert_int_equal(stele__bound_compute(&s->judge, s->row, N, (uint64_t)mask, k, &b, NULL),
                     STELE_OK);
    return b;
}

static void the_exact_posterior_has_constant_weights(void **state)
{
    scene s;
    double log_p, elbo;
    (void)state;
    memset(&mode, 0, sizeof mode);
    open_scene(&s);
    assert_int_equal(expected(&s, A | B, &log_p, &elbo), N);
    stele__bound one = bound(&s, A | B, 1), many = bound(&s, A | B, 40);
    assert_int_equal(one.n, N);
    assert_float_equal(one.importance, log_p, 1e-4);
    assert_float_equal(many.importance, log_p, 1e-4);
    assert_float_equal(many.elbo, log_p, 0.02); /* the reconstruction is sampled */
    assert_float_equal(
        many.elbo,
        (many.log_px[0] * (double)many.n_px[0] + many.log_px[1] * (double)many.n_px[1]) /
                (double)N -
            many.divergence,
        1e-4);
    assert_int_equal(many.n_px[0] + many.n_px[1], N + N * 2 / 3);
    close_scene(&s);
}

static void a_single_posterior_bounds_the_same_likelihood(void **state)
{
    scene s;
    double log_p, elbo;
    (void)state;
    memset(&mode, 0, sizeof mode);
    open_scene(&s);
    int64_t n = expected(&s, A, &log_p, &elbo);
    stele__bound b = bound(&s, A, 600);
    assert_int_equal(b.n, n);
    assert_true(n < N && elbo < log_p - 0.1);
    assert_float_equal(b.elbo, elbo, 0.02);
    assert_float_equal(b.importance, log_p, 0.02);
    close_scene(&s);
}

/* One importance sample estimates the bound itself. */
static void one_sample_gives_the_elbo(void **state)
{
    scene s;
    double log_p, elbo;
    (void)state;
    memset(&mode, 0, sizeof mode);
    mode.widen = 0.5;
    open_scene(&s);
    (void)expected(&s, A | B, &log_p, &elbo);
    stele__bound b = bound(&s, A | B, 1), many = bound(&s, A | B, 200);
    assert_float_equal(b.importance, elbo, 4.0 * b.importance_error);
    assert_float_equal(many.elbo, elbo, 0.01);
    assert_float_equal(many.importance, log_p, 0.01);
    assert_true(many.elbo < many.importance);
    close_scene(&s);
}

/* A mixture's components count by their weights. */
static void a_mixture_is_sampled_in_strata(void **state)
{
    scene s;
    double log_p, elbo;
    float mean[N], sd[N];
    (void)state;
    memset(&mode, 0, sizeof mode);
    mode.mixture = 1;
    open_scene(&s);
    (void)expected(&s, A | B, &log_p, &elbo);
    stele__bound b = bound(&s, A | B, 400), again = bound(&s, A | B, 400);
    assert_float_equal(b.importance, log_p, 0.01);
    assert_true(b.elbo < log_p - 0.05);
    assert_memory_equal(&b.importance, &again.importance, sizeof b.importance);
    assert_int_equal(stele__judge_moments(&s.judge, s.row, N, A | B, mean, sd, NULL), STELE_OK);
    for (int64_t r = 0; r < N; r++) {
        double x[2], m, v;
        values_of(&s, r, x);
        posterior(x, A | B, &m, &v);
        assert_float_equal(mean[r], m + 0.3 * -0.4 + 0.7 * 0.3, 1e-5);
        assert_float_equal(sd[r] * sd[r], v + 0.3 * 0.7 * 0.7 * 0.7, 1e-5);
    }
    close_scene(&s);
}

/* Sampling in passes, a last batch that is not full, and threads that share the batches. */
static void threads_change_no_bit(void **state)
{
    stele__bound alone, b;
    (void)state;
    memset(&mode, 0, sizeof mode);
    mode.mixture = 1;
    for (unsigned n = 1; n <= 3; n++) {
        scene s;
        double log_p, elbo;
        stele__pool *pool = NULL;
        open_scene(&s);
        (void)expected(&s, A, &log_p, &elbo);
        stele__graph_destroy(s.judge.graph);
        assert_int_equal(stele__pool_create(n, &pool), STELE_OK);
        assert_int_equal(stele__graph_create(pool, STELE_F32, &s.judge.graph), STELE_OK);
        memset(&b, 0, sizeof b);
        assert_int_equal(stele__bound_compute(&s.judge, s.row, N, A, 70, &b, NULL), STELE_OK);
        assert_true(b.n > 0 && b.n < N);
        if (n == 1) {
            alone = b;
        }
        assert_memory_equal(&b, &alone, sizeof b);
        close_scene(&s);
        stele__pool_destroy(pool);
    }
}

/* Blocks of any width give the rows of a CSR matrix, in the order that was asked for. */
static void blocks_unfold_sparse_rows(void **state)
{
    static const char *const id[] = { "p", "q", "r" };
    static const double x[] = { 0, 3, 0, 0, 700, 0, 0, 0, 0, 0, 1, 0, 2, 0, 5 };
    fake_axis axis = { id, 3 };
    fake_field field = {
        .name = "x", .content = STELE_FIELD_MATRIX, .layout = STELE_CSR, .n_features = 5, .x = x
    };
    fake_source inst = { &axis, 1, &field, 1 };
    stele__source source = { "s", &fake_vt, (const stele_inst *)(const void *)&inst };
    stele__matrix_request m = { .name = "x", .from = "x" };
    stele__data_request q = { &source, 1, &m, 1, NULL, 0, 0 };
    stele__dataset *data = NULL;
    const int64_t row[] = { 2, 0, 1 };
    (void)state;
    assert_int_equal(stele__dataset_create(&q, &data, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(data, NULL, NULL), STELE_OK);
    for (int64_t width = 1; width <= 5; width++) {
        stele__blocks b;
        float got[15];
        assert_int_equal(stele__blocks_init(&b, &data->matrix[0], row, 3), STELE_OK);
        for (int64_t first = 0; first < 5; first += width) {
            int64_t n = 5 - first < width ? 5 - first : width;
            stele__blocks_next(&b, n, got);
            for (int64_t i = 0; i < 3 * n; i++) {
                assert_float_equal(got[i], x[row[i / n] * 5 + first + i % n], 0.0);
            }
        }
        stele__blocks_finish(&b);
    }
    stele__dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exact_posterior_has_constant_weights),
        cmocka_unit_test(a_single_posterior_bounds_the_same_likelihood),
        cmocka_unit_test(one_sample_gives_the_elbo),
        cmocka_unit_test(a_mixture_is_sampled_in_strata),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(blocks_unfold_sparse_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
