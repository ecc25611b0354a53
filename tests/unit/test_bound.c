/* Bounds of a model whose likelihood and posteriors are known. */
#include "test.h"
/* CMocka has a macro of the name of a slot. */
#undef fail

#include "eval/blocks.h"
#include "eval/bound.h"
#include "eval/moments.h"
#include "linear_model.h"

static stele__judge judge_of(const scene *s)
{
    return (stele__judge){ .model = &s->model, .data = s->data, .graph = s->graph, .seed = 3 };
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
    stele__judge judge = judge_of(s);
    *ret_evidence = *ret_elbo = 0.0;
    for (int64_t r = 0; r < N; r++) {
        double x[2], m1, v1, m2, v2;
        values_of(s, r, x);
        s->row[r] = r;
        if ((stele__judge_present(&judge, r) & (uint64_t)mask) == 0) {
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
    stele__judge judge = judge_of(s);
    assert_int_equal(stele__bound_compute(&judge, s->row, N, (uint64_t)mask, k, &b, NULL, NULL),
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
    stele__judge judge = judge_of(&s);
    assert_int_equal(stele__judge_moments(&judge, s.row, N, A | B, mean, sd, NULL), STELE_OK);
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
        stele__graph_destroy(s.graph);
        assert_int_equal(stele__pool_create(n, &pool), STELE_OK);
        assert_int_equal(stele__graph_create(pool, STELE_F32, &s.graph), STELE_OK);
        stele__judge judge = judge_of(&s);
        memset(&b, 0, sizeof b);
        assert_int_equal(stele__bound_compute(&judge, s.row, N, A, 70, &b, NULL, NULL), STELE_OK);
        assert_true(b.n > 0 && b.n < N);
        if (n == 1) {
            alone = b;
        }
        assert_memory_equal(&b, &alone, sizeof b);
        close_scene(&s);
        stele__pool_destroy(pool);
    }
}

/* What the second measurements of a row add to its evidence; `known` alone: as a bound, where the
 * latents of the others come from N(0, var). */
static double own_evidence(const double x[2], int known, double var)
{
    double sum = 0.0;
    for (int k = 0; k < 2; k++) {
        double kl = 0.5 * (var - log(var) - 1.0);
        if (isnan(x[k])) {
            continue;
        }
        sum += (known >> k & 1) != 0
                   ? half_log_p(x[k], 1.0 + S2)
                   : -0.5 * (log(2.0 * M_PI * S2) + (0.25 * x[k] * x[k] + var) / S2) - kl;
    }
    return sum;
}

static void private_latents_belong_to_the_evidence(void **state)
{
    (void)state;
    for (int mixture = 0; mixture < 2; mixture++) {
        scene s;
        double log_p, elbo, own = 0.0;
        memset(&mode, 0, sizeof mode);
        mode.own = 1;
        mode.mixture = mixture;
        open_scene(&s);
        (void)expected(&s, A | B, &log_p, &elbo);
        for (int64_t r = 0; r < N; r++) {
            double x[2];
            values_of(&s, r, x);
            own += own_evidence(x, A | B, 1.0) / N;
        }
        stele__bound b = bound(&s, A | B, 300), one = bound(&s, A | B, 1);
        assert_float_equal(b.importance, log_p + own, mixture ? 0.01 : 1e-4);
        assert_float_equal(one.importance, log_p + own, mixture ? 0.5 : 1e-4);
        assert_true(mixture ? b.elbo < log_p + own - 0.05 : fabs(b.elbo - log_p - own) < 0.02);
        close_scene(&s);
    }
}

/* Given one modality, the other's own latent comes from the prior, or from a normal distribution of
 * learned variance, whose divergence then counts. */
static void a_private_latent_that_is_not_given_costs_what_it_has_to(void **state)
{
    (void)state;
    for (int own = 1; own <= 2; own++) {
        const double var = own == 2 ? 0.3 : 1.0;
        scene s;
        double log_p, elbo, bounded = 0.0, exact = 0.0;
        memset(&mode, 0, sizeof mode);
        mode.own = own;
        open_scene(&s);
        for (int k = 0; k < 2 && own == 2; k++) {
            const stele__private *w = &s.model.modality[k].own;
            *(float *)stele__params_entry(s.model.params, w->at.entry)->values = (float)log(var);
        }
        double n = (double)expected(&s, A, &log_p, &elbo);
        for (int64_t r = 0; r < N; r++) {
            double x[2];
            values_of(&s, r, x);
            if (!isnan(x[0])) {
                bounded += own_evidence(x, A, var) / n;
                exact += own_evidence(x, A | B, 1.0) / n;
            }
        }
        stele__bound b = bound(&s, A, 600);
        assert_float_equal(b.elbo, elbo + bounded, 0.03);
        assert_float_equal(b.importance, log_p + exact, 0.03);
        assert_true(bounded < exact - 0.1);
        close_scene(&s);
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
    stele__data_request q = { &source, 1, &m, 1, NULL, 0, 0, NULL };
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
        cmocka_unit_test(private_latents_belong_to_the_evidence),
        cmocka_unit_test(a_private_latent_that_is_not_given_costs_what_it_has_to),
        cmocka_unit_test(blocks_unfold_sparse_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
