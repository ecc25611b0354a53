/* Convolutions and their transposes against plain loops, differences and each other. */
#include "window_case.h"

static const window_case cases[] = {
    { "1", 1, 0, 1, 1, 1, { 1, 1 }, 1, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 1, 1 }, { 0, 0 } },
    { "plain", 2, 0, 2, 2, 3, { 4, 5 }, 1, { 3, 2 }, { 1, 1 }, { 0, 0 }, { 1, 1 }, { 0, 0 } },
    { "1-d", 1, 0, 3, 2, 3, { 1, 7 }, 1, { 9, 3 }, { 9, 2 }, { 9, 1 }, { 9, 1 }, { 0, 0 } },
    { "stride", 2, 0, 1, 1, 2, { 5, 7 }, 1, { 3, 3 }, { 2, 3 }, { 1, 0 }, { 1, 1 }, { 0, 0 } },
    { "dilation", 2, 0, 2, 1, 1, { 7, 6 }, 1, { 2, 3 }, { 1, 2 }, { 2, 3 }, { 3, 2 }, { 0, 0 } },
    { "groups", 2, 0, 2, 4, 6, { 3, 5 }, 2, { 3, 3 }, { 1, 2 }, { 1, 1 }, { 1, 1 }, { 0, 0 } },
    { "depthwise", 1, 0, 2, 3, 3, { 1, 5 }, 3, { 1, 3 }, { 1, 1 }, { 0, 1 }, { 1, 1 }, { 0, 0 } },
    { "mostly padding",
      2,
      0,
      1,
      1,
      1,
      { 1, 2 },
      1,
      { 3, 3 },
      { 1, 1 },
      { 4, 4 },
      { 1, 1 },
      { 0, 0 } },
    { "t 1", 1, 1, 1, 1, 1, { 1, 1 }, 1, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 1, 1 }, { 0, 0 } },
    { "t plain", 2, 1, 2, 3, 2, { 4, 3 }, 1, { 3, 2 }, { 1, 1 }, { 0, 0 }, { 1, 1 }, { 0, 0 } },
    { "t 1-d", 1, 1, 3, 2, 3, { 1, 5 }, 1, { 9, 3 }, { 9, 2 }, { 9, 1 }, { 9, 1 }, { 9, 1 } },
    { "t stride", 2, 1, 2, 2, 1, { 3, 4 }, 1, { 3, 4 }, { 2, 3 }, { 1, 1 }, { 1, 1 }, { 1, 2 } },
    { "t dilation", 2, 1, 1, 1, 2, { 3, 3 }, 1, { 2, 3 }, { 1, 2 }, { 1, 3 }, { 3, 2 }, { 2, 1 } },
    { "t groups", 2, 1, 2, 4, 6, { 2, 3 }, 2, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1 }, { 1, 0 } },
    /* Too many places for one tile; rows that share a tile, and a last one with fewer. */
    { "tiles", 2, 0, 3, 1, 2, { 33, 37 }, 1, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0, 0 } },
    { "deep tiles",
      2,
      0,
      2,
      120,
      2,
      { 12, 13 },
      1,
      { 3, 3 },
      { 1, 1 },
      { 1, 1 },
      { 1, 1 },
      { 0, 0 } },
    { "rows", 2, 0, 21, 4, 6, { 5, 5 }, 2, { 3, 3 }, { 2, 1 }, { 1, 1 }, { 1, 1 }, { 0, 0 } },
    { "t tiles", 2, 1, 2, 2, 1, { 33, 37 }, 1, { 3, 3 }, { 2, 1 }, { 1, 1 }, { 1, 1 }, { 1, 0 } },
    { "t rows", 1, 1, 43, 2, 4, { 1, 9 }, 2, { 1, 5 }, { 1, 2 }, { 0, 2 }, { 1, 1 }, { 0, 1 } },
};
#define N_CASES (sizeof cases / sizeof cases[0])

static stele_tensor *do_conv(stele_graph *g, stele_tensor *const *in, void *user)
{
    const window_case *c = user;
    const stele_window w = window_of(c);
    if (c->axes == 1) {
        return c->transposed ? stele__ops.conv1d_transpose(g, in[0], in[1], in[2], &w)
                             : stele__ops.conv1d(g, in[0], in[1], in[2], &w);
    }
    return c->transposed ? stele__ops.conv2d_transpose(g, in[0], in[1], in[2], &w)
                         : stele__ops.conv2d(g, in[0], in[1], in[2], &w);
}

/* The definition in plain loops over everything that meets: input channel i, output channel o,
 * place of the small side (p, q), kernel element (kh, kw). out_size: (height, width). */
static double *plain_conv(const window_case *c, const double *x, const double *w, const double *b,
                          const int64_t out_size[2])
{
    const int one = c->axes == 1;
    const int64_t kernel0 = one ? 1 : c->kernel[0], stride0 = one ? 1 : c->stride[0];
    const int64_t padding0 = one ? 0 : c->padding[0], dilation0 = one ? 1 : c->dilation[0];
    const int64_t *small = c->transposed ? c->size : out_size;
    const int64_t *large = c->transposed ? out_size : c->size;
    const int64_t plane = out_size[0] * out_size[1], in_g = c->in / c->groups;
    const int64_t out_g = c->out / c->groups, k1 = c->kernel[1];
    double *y = calloc((size_t)(c->rows * c->out * plane), sizeof *y);
    assert_non_null(y);
    for (int64_t n = 0; n < c->rows * c->out * plane; n++) {
        y[n] = b[n / plane % c->out];
    }
    for (int64_t n = 0; n < c->rows * c->groups * in_g * out_g * small[0] * small[1]; n++) {
        const int64_t q = n % small[1], p = n / small[1] % small[0];
        int64_t rest = n / (small[0] * small[1]);
        const int64_t o = rest % out_g, i = rest / out_g % in_g;
        rest /= in_g * out_g;
        const int64_t group = rest % c->groups, row = rest / c->groups;
        const int64_t ci = group * in_g + i, co = group * out_g + o;
        for (int64_t k = 0; k < kernel0 * k1; k++) {
            const int64_t kh = k / k1, kw = k % k1;
            const int64_t h = p * stride0 - padding0 + kh * dilation0;
            const int64_t v = q * c->stride[1] - c->padding[1] + kw * c->dilation[1];
            if (h < 0 || h >= large[0] || v < 0 || v >= large[1]) {
                continue;
            }
            const int64_t at_small = p * small[1] + q, at_large = h * large[1] + v;
            const double weight = c->transposed ? w[(ci * out_g + o) * kernel0 * k1 + k]
                                                : w[(co * in_g + i) * kernel0 * k1 + k];
            y[(row * c->out + co) * plane + (c->transposed ? at_large : at_small)] +=
                weight * x[(row * c->in + ci) * c->size[0] * c->size[1] +
                           (c->transposed ? at_small : at_large)];
        }
    }
    return y;
}

static void check_conv(const window_case *c, uint32_t dtype, double tolerance)
{
    stele_shape shape[3];
    double *value[3];
    stele_tensor *in[3];
    stele_graph *g = NULL;
    const stele__pass pass = { 0 };
    const int64_t size[2] = { expected_size(c, 0), expected_size(c, 1) };
    assert_int_equal(stele__graph_create(NULL, dtype, &g), STELE_OK);
    stele__graph_begin(g, &pass);
    shapes_of(c, shape);
    for (int i = 0; i < 3; i++) {
        value[i] = numbers(stele__shape_count(&shape[i]), i);
        in[i] = stele__op_cast(g, stele__op_constant(g, STELE_F64, &shape[i], value[i]), dtype);
    }
    const stele_tensor *out = do_conv(g, in, (void *)(uintptr_t)c);
    assert_string_equal(stele__graph_error(g), "");
    assert_int_equal(out->n, c->rows * c->out * size[0] * size[1]);
    assert_int_equal(out->shape.ndim, c->axes + 2);
    assert_int_equal(out->shape.dim[c->axes + 1], size[1]);
    double *expected = plain_conv(c, value[0], value[1], value[2], size);
    double worst = 0.0;
    for (int64_t i = 0; i < out->n; i++) {
        const double y = dtype == STELE_F32 ? (double)((const float *)out->data)[i]
                                            : ((const double *)out->data)[i];
        worst = fmax(worst, fabs(y - expected[i]));
    }
    if (!(worst < tolerance)) {
        fail_msg("%s: off by %g", c->name, worst);
    }
    for (int i = 0; i < 3; i++) {
        free(value[i]);
    }
    free(expected);
    stele__graph_destroy(g);
}

static void conv_is_its_definition(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        check_conv(&cases[i], STELE_F64, 1e-11);
        check_conv(&cases[i], STELE_F32, 1e-4);
    }
}

static void conv_derivatives(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < N_CASES; i++) {
        stele_shape shape[3];
        shapes_of(&cases[i], shape);
        if (stele__shape_count(&shape[0]) < 400) {
            failures +=
                !derivatives_right(cases[i].name, do_conv, (void *)(uintptr_t)&cases[i], 3, shape);
        }
    }
    assert_int_equal(failures, 0);
}

static double dot(int64_t n, const double *a, const double *b)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* <conv(x), y> = <x, conv_transpose(y)> with the same weights, and the derivatives of <conv(x), y>
 * are conv_transpose(y) for x and, the form being bilinear, have <dw, w> = <conv(x), y>. */
static void transpose_is_the_adjoint(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        window_case c = cases[k];
        const stele__pass pass = { .record = 1 };
        stele_shape shape[3];
        stele_graph *g = NULL;
        if (c.transposed) {
            continue;
        }
        shapes_of(&c, shape);
        assert_int_equal(stele__graph_create(NULL, STELE_F64, &g), STELE_OK);
        stele__graph_begin(g, &pass);
        double *x = numbers(stele__shape_count(&shape[0]), 0);
        double *w = numbers(stele__shape_count(&shape[1]), 1);
        stele_tensor *in[3] = { stele__graph_leaf(g, &shape[0], x),
                                stele__graph_leaf(g, &shape[1], w), NULL };
        stele_tensor *out = do_conv(g, in, &c);
        assert_non_null(out);
        double *y = numbers(out->n, 2);
        const double form = dot(out->n, out->data, y);
        c.transposed = 1;
        for (uint32_t a = 2 - c.axes; a < 2; a++) {
            const int64_t reach = c.dilation[a] * (c.kernel[a] - 1) + 1;
            c.output_padding[a] = (c.size[a] + 2 * c.padding[a] - reach) % c.stride[a];
        }
        stele_tensor *back_in[3] = { stele__graph_dense(g, STELE_F64, &out->shape, y), in[1],
                                     NULL };
        const stele_tensor *back = do_conv(g, back_in, &c);
        assert_string_equal(stele__graph_error(g), "");
        assert_true(stele__shape_equal(&back->shape, &shape[0]));
        const double scale = 1e-10 * (double)(in[0]->n + out->n);
        assert_true(fabs(form) > scale);
        assert_true(fabs(dot(in[0]->n, back->data, x) - form) < scale);
        const void *dy = y;
        assert_int_equal(stele__graph_backward_from(g, 1, &out, &dy), STELE_OK);
        assert_true(fabs(dot(in[1]->n, stele__tensor_grad(in[1]), w) - form) < scale);
        const double *dx = stele__tensor_grad(in[0]), *expected = back->data;
        for (int64_t i = 0; i < in[0]->n; i++) {
            assert_true(fabs(dx[i] - expected[i]) < 1e-11);
        }
        free(x);
        free(w);
        free(y);
        stele__graph_destroy(g);
    }
}

static void conv_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        stele_shape shape[3];
        shapes_of(&cases[i], shape);
        same_bits_for_all_threads(do_conv, (void *)(uintptr_t)&cases[i], 3, shape);
    }
}

/* NaN in one row stays in that row, in values and derivatives. */
static void rows_do_not_leak(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        window_case c = cases[k];
        const stele__pass pass = { .record = 1 };
        stele_shape shape[3];
        stele_graph *g = NULL;
        if (c.rows < 2) {
            continue;
        }
        shapes_of(&c, shape);
        assert_int_equal(stele__graph_create(NULL, STELE_F64, &g), STELE_OK);
        stele__graph_begin(g, &pass);
        double *x = numbers(stele__shape_count(&shape[0]), 0);
        double *w = numbers(stele__shape_count(&shape[1]), 1);
        const int64_t n = stele__shape_count(&shape[0]) / c.rows;
        for (int64_t i = n; i < 2 * n; i++) {
            x[i] = NAN;
        }
        stele_tensor *in[3] = { stele__graph_leaf(g, &shape[0], x),
                                stele__graph_dense(g, STELE_F64, &shape[1], w), NULL };
        stele_tensor *out = do_conv(g, in, &c);
        assert_non_null(out);
        const int64_t m = out->n / c.rows;
        double *y = numbers(out->n, 2);
        for (int64_t i = 0; i < out->n; i++) {
            if (i / m != 1) {
                assert_false(isnan(((const double *)out->data)[i]));
            } else {
                y[i] = NAN;
            }
        }
        const void *dy = y;
        assert_int_equal(stele__graph_backward_from(g, 1, &out, &dy), STELE_OK);
        for (int64_t i = 0; i < n * c.rows; i++) {
            assert_true(i / n == 1 || !isnan(((const double *)stele__tensor_grad(in[0]))[i]));
        }
        free(x);
        free(w);
        free(y);
        stele__graph_destroy(g);
    }
}

/* No rows: nothing comes out and nothing is learned. */
static void no_rows(void **state)
{
    (void)state;
    window_case c = cases[1];
    c.rows = 0;
    stele_shape shape[3];
    shapes_of(&c, shape);
    int64_t n = 0;
    float *d = one_pass(2, do_conv, &c, 3, shape, &n);
    for (int64_t i = 0; i < n; i++) {
        assert_true(d[i] == 0.0f);
    }
    free(d);
}

/* What is wrong with a window or shapes is said, and stops the graph. */
static void refuse(window_case c, stele_status status, const char *message)
{
    stele_graph *g = NULL;
    stele_shape shape[3];
    stele_tensor *in[3];
    const stele__pass pass = { 0 };
    shapes_of(&c, shape);
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &g), STELE_OK);
    stele__graph_begin(g, &pass);
    for (int i = 0; i < 3; i++) {
        in[i] = stele__op_full(g, &shape[i], 1.0);
    }
    if (c.kernel[0] == 77) {
        in[1] = stele__op_full(g, &STELE__SHAPE(3, 2, 3, 3), 1.0);
    }
    assert_null(do_conv(g, in, &c));
    assert_int_equal(stele__graph_status(g), status);
    if (strstr(stele__graph_error(g), message) == NULL) {
        fail_msg("%s", stele__graph_error(g));
    }
    stele__graph_destroy(g);
}

static void conv_refuses(void **state)
{
    (void)state;
    window_case c = cases[1];
    c.stride[1] = 0;
    refuse(c, STELE_E_ARG, "stride is 0");
    c = cases[1];
    c.padding[0] = -1;
    refuse(c, STELE_E_ARG, "padding is -1");
    c = cases[1];
    c.dilation[0] = INT64_MAX;
    refuse(c, STELE_E_ARG, "dilation is 9223372036854775807");
    c = cases[1];
    c.output_padding[0] = 1;
    refuse(c, STELE_E_ARG, "output_padding is for transposed");
    c = cases[9];
    c.output_padding[0] = 1;
    refuse(c, STELE_E_ARG, "output_padding is 1, must be below");
    c = cases[1];
    c.kernel[0] = 77;
    refuse(c, STELE_E_SHAPE, "another kernel");
    c = cases[1];
    c.size[0] = 2;
    refuse(c, STELE_E_SHAPE, "conv2d: x is (2, 2, 2, 5), too small for a window that spans 3");
    c = cases[1];
    c.groups = 2;
    refuse(c, STELE_E_SHAPE, "groups do not divide");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_is_its_definition),
        cmocka_unit_test(conv_derivatives),
        cmocka_unit_test(transpose_is_the_adjoint),
        cmocka_unit_test(conv_threads),
        cmocka_unit_test(rows_do_not_leak),
        cmocka_unit_test(no_rows),
        cmocka_unit_test(conv_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
