/* Reductions over a wide layer against the same in plain operations, over one block of features,
 * several, and more than there are lanes. */
#include "graph_check.h"

static stele_tensor *wide(stele_graph *g, stele_tensor *const *in, void *user)
{
    const uint32_t *n = user;
    return stele__op_linear_logsumexp(g, in[0], in[1], *n > 2 ? in[2] : NULL);
}

static stele_tensor *plain(stele_graph *g, stele_tensor *const *in, void *user)
{
    const uint32_t *n = user;
    const uint32_t axes[] = { 1, 0 };
    stele_tensor *eta =
        stele__op_linear(g, in[0], stele__op_permute(g, in[1], axes), *n > 2 ? in[2] : NULL);
    return stele__op_logsumexp(g, eta, 1, 1);
}

static void derivatives(void **state)
{
    (void)state;
    const int64_t features[] = { 1, 7, 513 };
    for (int i = 0; i < 3; i++) {
        for (uint32_t n = 2; n <= 3; n++) {
            stele_shape shape[] = { STELE__SHAPE(3, 2), STELE__SHAPE(features[i], 2),
                                    STELE__SHAPE(features[i]) };
            assert_true(derivatives_right("linear_logsumexp", wide, &n, n, shape));
        }
    }
}

static void values_and_derivatives_are_those_of_plain_operations(void **state)
{
    (void)state;
    const int64_t features[] = { 1, 512, 1300, 512 * 33 + 5 };
    for (int i = 0; i < 4; i++) {
        for (uint32_t n = 2; n <= 3; n++) {
            stele_shape shape[] = { STELE__SHAPE(4, 3), STELE__SHAPE(features[i], 3),
                                    STELE__SHAPE(features[i]) };
            int64_t total = 0;
            float *is = one_pass(2, wide, &n, n, shape, &total);
            float *want = one_pass(2, plain, &n, n, shape, &total);
            for (int64_t k = 0; k < total; k++) {
                if (!(fabsf(is[k] - want[k]) <= 3e-6f * (1.0f + fabsf(want[k])))) {
                    fail_msg("%d features, element %d: %g, expected %g", (int)features[i], (int)k,
                             (double)is[k], (double)want[k]);
                }
            }
            free(is);
            free(want);
            same_bits_for_all_threads(wide, &n, n, shape);
        }
    }
}

static void large_predictors_do_not_overflow(void **state)
{
    (void)state;
    stele_graph *g = NULL;
    stele__pool *pool = NULL;
    enum { N = 1030 };
    static double w[N], bias[N];
    const stele__pass pass = { .record = 1 };
    for (int j = 0; j < N; j++) {
        bias[j] = j < 512 ? -3000.0 : 2000.0; /* the first block adds nothing */
    }
    assert_int_equal(stele__pool_create(1, &pool), STELE_OK);
    assert_int_equal(stele__graph_create(pool, STELE_F64, &g), STELE_OK);
    stele__graph_begin(g, &pass);
    const double one = 1.0;
    stele_tensor *x = stele__graph_leaf(g, &STELE__SHAPE(1, 1), &one);
    stele_tensor *b = stele__graph_leaf(g, &STELE__SHAPE(N), bias);
    stele_tensor *y =
        stele__op_linear_logsumexp(g, x, stele__graph_leaf(g, &STELE__SHAPE(N, 1), w), b);
    assert_float_equal(*(const double *)y->data, 2000.0 + log(N - 512), 1e-9);
    const void *dy = &one;
    assert_int_equal(stele__graph_backward_from(g, 1, &y, &dy), STELE_OK);
    const double *db = stele__tensor_grad(b);
    assert_true(db[511] == 0.0);
    assert_float_equal(db[512], 1.0 / (N - 512), 1e-12);
    assert_null(stele__op_linear_logsumexp(g, x, stele__graph_leaf(g, &STELE__SHAPE(2, 2), w), b));
    assert_string_equal(stele__graph_error(g), "linear_logsumexp: x is (1, 1), w is (2, 2)");
    stele__graph_destroy(g);
    stele__pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives),
        cmocka_unit_test(values_and_derivatives_are_those_of_plain_operations),
        cmocka_unit_test(large_predictors_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
