/* Pooling against plain loops and differences. */
#include "window_case.h"

static const window_case pools[] = {
    { "1", 1, 0, 1, 1, 1, { 1, 1 }, 1, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 1, 1 }, { 0, 0 } },
    { "1-d", 1, 0, 2, 3, 3, { 1, 7 }, 1, { 9, 3 }, { 9, 2 }, { 9, 1 }, { 9, 1 }, { 0, 0 } },
    { "2-d", 2, 0, 2, 2, 2, { 4, 6 }, 1, { 2, 2 }, { 2, 2 }, { 0, 0 }, { 1, 1 }, { 0, 0 } },
    { "odd", 2, 0, 1, 2, 2, { 5, 7 }, 1, { 3, 2 }, { 2, 3 }, { 1, 1 }, { 1, 1 }, { 0, 0 } },
    { "overlap", 2, 0, 3, 1, 1, { 5, 5 }, 1, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0, 0 } },
    { "dilation", 2, 0, 1, 1, 1, { 7, 8 }, 1, { 2, 3 }, { 2, 1 }, { 1, 2 }, { 3, 2 }, { 0, 0 } },
    { "blocks", 2, 0, 24, 8, 8, { 9, 9 }, 1, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0, 0 } },
};
#define N_POOLS (sizeof pools / sizeof pools[0])

static stele_tensor *do_max(stele_graph *g, stele_tensor *const *in, void *user)
{
    const stele_window w = window_of(user);
    return stele__ops.max_pool(g, in[0], &w);
}

static stele_tensor *do_mean(stele_graph *g, stele_tensor *const *in, void *user)
{
    const stele_window w = window_of(user);
    return stele__ops.mean_pool(g, in[0], &w);
}

/* Largest and mean of what place (p, q) of the plane x sees. */
static void plain_pool(const window_case *c, const double *x, int64_t p, int64_t q, double *ret_max,
                       double *ret_mean)
{
    const int one = c->axes == 1;
    const int64_t kernel0 = one ? 1 : c->kernel[0],
                  begin0 = one ? 0 : p * c->stride[0] - c->padding[0];
    double sum = 0.0;
    *ret_max = -INFINITY;
    for (int64_t kh = 0; kh < kernel0; kh++) {
        for (int64_t kw = 0; kw < c->kernel[1]; kw++) {
            const int64_t h = begin0 + kh * (one ? 1 : c->dilation[0]);
            const int64_t v = q * c->stride[1] - c->padding[1] + kw * c->dilation[1];
            if (h >= 0 && h < c->size[0] && v >= 0 && v < c->size[1]) {
                sum += x[h * c->size[1] + v];
                *ret_max = fmax(*ret_max, x[h * c->size[1] + v]);
            }
        }
    }
    *ret_mean = sum / (double)(kernel0 * c->kernel[1]);
}

static void pool_is_its_definition(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_POOLS; k++) {
        const window_case *c = &pools[k];
        const stele__pass pass = { 0 };
        stele_shape shape[3];
        stele_graph *g = NULL;
        shapes_of(c, shape);
        assert_int_equal(stele__graph_create(NULL, STELE_F64, &g), STELE_OK);
        stele__graph_begin(g, &pass);
        double *x = numbers(stele__shape_count(&shape[0]), 0);
        stele_tensor *in[1] = { stele__graph_dense(g, STELE_F64, &shape[0], x) };
        const stele_tensor *top = do_max(g, in, (void *)(uintptr_t)c);
        const stele_tensor *mean = do_mean(g, in, (void *)(uintptr_t)c);
        assert_string_equal(stele__graph_error(g), "");
        const int64_t height = expected_size(c, 0), width = expected_size(c, 1);
        assert_int_equal(top->n, c->rows * c->in * height * width);
        assert_true(stele__shape_equal(&top->shape, &mean->shape));
        for (int64_t i = 0; i < top->n; i++) {
            double a, b;
            plain_pool(c, x + i / (height * width) * c->size[0] * c->size[1], i / width % height,
                       i % width, &a, &b);
            assert_true(((const double *)top->data)[i] == a);
            assert_true(fabs(((const double *)mean->data)[i] - b) < 1e-14);
        }
        free(x);
        stele__graph_destroy(g);
    }
}

static void pool_derivatives(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < N_POOLS; i++) {
        void *user = (void *)(uintptr_t)&pools[i];
        stele_shape shape[3];
        shapes_of(&pools[i], shape);
        same_bits_for_all_threads(do_max, user, 1, shape);
        same_bits_for_all_threads(do_mean, user, 1, shape);
        if (stele__shape_count(&shape[0]) < 400) {
            failures += !derivatives_right(pools[i].name, do_max, user, 1, shape);
            failures += !derivatives_right(pools[i].name, do_mean, user, 1, shape);
        }
    }
    assert_int_equal(failures, 0);
}

/* Of equals the first has all of the derivative; NaN is not overlooked. */
static void ties_and_nan(void **state)
{
    (void)state;
    const window_case c = pools[2];
    const stele__pass pass = { .record = 1 };
    stele_graph *g = NULL;
    double x[24];
    for (int i = 0; i < 24; i++) {
        x[i] = i == 9 ? NAN : 3.0;
    }
    assert_int_equal(stele__graph_create(NULL, STELE_F64, &g), STELE_OK);
    stele__graph_begin(g, &pass);
    stele_tensor *in[1] = { stele__graph_leaf(g, &STELE__SHAPE(1, 1, 4, 6), x) };
    stele_tensor *out = do_max(g, in, (void *)(uintptr_t)&c);
    assert_non_null(out);
    assert_int_equal(out->n, 6);
    const double dy[6] = { 1, 2, 3, 4, 5, 6 };
    const void *d = dy;
    assert_int_equal(stele__graph_backward_from(g, 1, &out, &d), STELE_OK);
    const double expected[24] = { [0] = 1, [9] = 2, [4] = 3, [12] = 4, [14] = 5, [16] = 6 };
    assert_memory_equal(stele__tensor_grad(in[0]), expected, sizeof expected);
    assert_true(isnan(((const double *)out->data)[1]));
    assert_true(((const double *)out->data)[0] == 3.0);
    stele__graph_destroy(g);
}

static void pool_refuses(void **state)
{
    (void)state;
    const stele__pass pass = { 0 };
    stele_graph *g = NULL;
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &g), STELE_OK);
    stele_window w = window_of(&pools[2]);
    w.padding[1] = 2;
    stele__graph_begin(g, &pass);
    stele_tensor *x = stele__op_full(g, &STELE__SHAPE(1, 1, 4, 6), 1.0);
    assert_non_null(stele__op_mean_pool(g, x, &w));
    assert_null(stele__op_max_pool(g, x, &w));
    assert_non_null(strstr(stele__graph_error(g), "nothing but padding"));
    w.struct_size = 0;
    stele__graph_begin(g, &pass);
    x = stele__op_full(g, &STELE__SHAPE(1, 1, 4, 6), 1.0);
    assert_null(stele__op_max_pool(g, x, &w));
    assert_non_null(strstr(stele__graph_error(g), "struct_size"));
    stele__graph_begin(g, &pass);
    assert_null(stele__op_max_pool(g, stele__op_full(g, &STELE__SHAPE(4, 6), 1.0), &w));
    assert_int_equal(stele__graph_status(g), STELE_E_SHAPE);
    stele__graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_is_its_definition),
        cmocka_unit_test(pool_derivatives),
        cmocka_unit_test(ties_and_nan),
        cmocka_unit_test(pool_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
