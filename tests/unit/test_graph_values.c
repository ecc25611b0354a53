/* Values of operations against numbers computed elsewhere, and what must hold at the edges: NaN,
 * infinities, masks, noise, empty tensors, messages. */
#include "test.h"

#include "graph/noise.h"
#include "graph/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static stele_graph *graph;

static void start(uint32_t dtype, uint64_t step)
{
    stele__pass pass = { .training = 1, .record = 1, .seed = 5, .step = step };
    stele__graph_destroy(graph);
    assert_int_equal(stele__graph_create(NULL, dtype, &graph), STELE_OK);
    stele__graph_begin(graph, &pass);
}

static void check_error(const char *file, int line, stele_status code, const char *text)
{
    if (stele__graph_status(graph) != code || strcmp(stele__graph_error(graph), text) != 0) {
        fprintf(stderr, "%s:%d: %d %s\n", file, line, (int)stele__graph_status(graph),
                stele__graph_error(graph));
        fail();
    }
    stele__pass pass = { .record = 1, .training = 1 };
    stele__graph_begin(graph, &pass);
}
#define CHECK_ERROR(code_, text_) check_error(__FILE__, __LINE__, code_, text_)

/* A leaf of doubles. */
#define LEAF(shape_, ...)                                                                          \
    stele__graph_leaf(graph, &STELE__SHAPE shape_, (const double[]){ __VA_ARGS__ })

static void near(const stele_tensor *t, size_t n, const double *want)
{
    assert_int_equal(stele__graph_status(graph), STELE_OK);
    assert_int_equal(t->n, n);
    for (size_t i = 0; i < n; i++) {
        double got = ((const double *)t->data)[i];
        if (!(got == want[i] || fabs(got - want[i]) <= 1e-13 * fmax(1.0, fabs(want[i])))) {
            fprintf(stderr, "element %zu: %.17g, want %.17g\n", i, got, want[i]);
            fail();
        }
    }
}
#define NEAR(t_, ...)                                                                              \
    near(t_, sizeof((double[]){ __VA_ARGS__ }) / 8, (const double[]){ __VA_ARGS__ })

static void gradient_is(const stele_tensor *t, size_t n, const double *want)
{
    const double *d = stele__tensor_grad(t);
    assert_non_null(d);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(d[i] - want[i]) <= 1e-13)) {
            fprintf(stderr, "derivative %zu: %.17g, want %.17g\n", i, d[i], want[i]);
            fail();
        }
    }
}
#define GRADIENT(t_, ...)                                                                          \
    gradient_is(t_, sizeof((double[]){ __VA_ARGS__ }) / 8, (const double[]){ __VA_ARGS__ })

static void backward_ones(stele_tensor *t)
{
    assert_int_equal(stele__graph_backward(graph, stele__op_sum(graph, t, STELE_ALL_AXES, 0)),
                     STELE_OK);
}

static void elementwise(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    stele_tensor *x = LEAF((3), -1.3, 0.4, 2.2), *p = LEAF((3), 0.3, 1.7, 9.0);
    NEAR(stele__op_exp(g, x), 0.272531793034013, 1.49182469764127, 9.02501349943412);
    NEAR(stele__op_expm1(g, x), -0.727468206965987, 0.49182469764127, 8.02501349943412);
    NEAR(stele__op_log(g, p), -1.20397280432594, 0.53062825106217, 2.19722457733622);
    NEAR(stele__op_log1p(g, LEAF((3), -.4, .4, 9)), -0.510825623765991, 0.336472236621213,
         2.30258509299405);
    NEAR(stele__op_lgamma(g, LEAF((3), .3, 1.7, 9.5)), 1.09579799481808, -0.0958076974070654,
         11.6893334207973);
    NEAR(stele__op_tanh(g, x), -0.861723159313306, 0.379948962255225, 0.975743130031452);
    NEAR(stele__op_sigmoid(g, x), 0.214165016957441, 0.598687660112452, 0.900249510880315);
    NEAR(stele__op_softplus(g, x), 0.241008453832992, 0.913015252399953, 2.3050833197687);
    NEAR(stele__op_gelu(g, x), -0.125840629961293, 0.26216869664413, 2.1694124154703);
    NEAR(stele__op_silu(g, x), -0.278414522044674, 0.239475064044981, 1.98054892393669);
    NEAR(stele__op_sin(g, x), -0.963558185417193, 0.389418342308651, 0.80849640381959);
    NEAR(stele__op_cos(g, x), 0.267498828624587, 0.921060994002885, -0.588501117255346);
    NEAR(stele__op_relu(g, x), 0, 0.4, 2.2);
    NEAR(stele__op_leaky_relu(g, x, 0.5), -0.65, 0.4, 2.2);
    NEAR(stele__op_abs(g, x), 1.3, 0.4, 2.2);
    NEAR(stele__op_square(g, x), 1.69, 0.16, 4.84);
    NEAR(stele__op_sqrt(g, LEAF((2), 4, 2.25)), 2, 1.5);
    NEAR(stele__op_clamp(g, x, -1, 2), -1, 0.4, 2);
    NEAR(stele__op_scale(g, x, -2), 2.6, -0.8, -4.4);
    NEAR(stele__op_shift(g, x, 1), -0.3, 1.4, 3.2);
    NEAR(stele__op_sign(g, LEAF((3), -3, 0, 2)), -1, 0, 1);
    NEAR(stele__op_is_nan(g, LEAF((3), 1, NAN, INFINITY)), 0, 1, 0);
    NEAR(stele__op_softplus(g, LEAF((2), 800, -800)), 800, 0);
    NEAR(stele__op_sub(g, x, p), -1.6, -1.3, -6.8);
    NEAR(stele__op_div(g, x, LEAF((2, 1), 2, -1)), -0.65, 0.2, 1.1, 1.3, -0.4, -2.2);
    NEAR(stele__op_mul(g, LEAF((2, 1), 2, 3), LEAF((1, 2), 5, 7)), 10, 14, 15, 21);
    NEAR(stele__op_maximum(g, LEAF((3), 1, 5, 2), LEAF((3), 3, 4, 2)), 3, 5, 2);
    NEAR(stele__op_minimum(g, LEAF((3), 1, 5, 2), LEAF((3), 3, 4, 2)), 1, 4, 2);
    NEAR(stele__op_less(g, LEAF((3), 1, 5, 2), LEAF((3), 3, 4, 2)), 1, 0, 0);
}

static void reductions_and_shapes(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    stele_tensor *a = LEAF((2, 3), 1, 5, 3, 4, 2, 6);
    NEAR(stele__op_sum(g, a, 0, 0), 5, 7, 9);
    NEAR(stele__op_sum(g, a, 1, 1), 9, 12);
    NEAR(stele__op_mean(g, a, -1, 0), 3, 4);
    NEAR(stele__op_mean(g, a, STELE_ALL_AXES, 0), 3.5);
    NEAR(stele__op_max(g, a, 0, 0), 4, 5, 6);
    NEAR(stele__op_logsumexp(g, LEAF((1, 2), 1000, 1000), 1, 0), 1000 + log(2));
    NEAR(stele__op_softmax(g, LEAF((2), 0, log(3)), 0), 0.25, 0.75);
    NEAR(stele__op_log_softmax(g, LEAF((2), 0, log(3)), 0), log(0.25), log(0.75));
    NEAR(stele__op_permute(g, a, (uint32_t[]){ 1, 0 }), 1, 4, 5, 2, 3, 6);
    NEAR(stele__op_concat(g, 2, (stele_tensor *[]){ a, LEAF((2, 1), 7, 8) }, 1), 1, 5, 3, 7, 4, 2,
         6, 8);
    NEAR(stele__op_slice(g, a, 1, 1, 3), 5, 3, 2, 6);
    NEAR(stele__op_expand(g, LEAF((2, 1), 1, 2), &STELE__SHAPE(2, 2)), 1, 1, 2, 2);
    stele_tensor *index = stele__op_constant(g, STELE_I64, &STELE__SHAPE(2), (int64_t[]){ 1, 0 });
    NEAR(stele__op_gather(g, a, index), 4, 2, 6, 1, 5, 3);
    NEAR(stele__op_scatter(g, LEAF((2), 8, 9), index, 3, -1), 9, 8, -1);
    NEAR(stele__op_matmul(g, a, a, 0, 1), 35, 32, 32, 56);
    NEAR(stele__op_matmul(g, a, a, 1, 0), 17, 13, 27, 13, 29, 27, 27, 27, 45);
    NEAR(stele__op_linear(g, a, LEAF((3, 1), 1, 2, 3), LEAF((1), 10)), 30, 36);
    NEAR(stele__op_layer_norm(g, LEAF((1, 2), 1, 3), LEAF((2), 2, 2), LEAF((2), 1, 1), 0), -1, 3);
    NEAR(stele__op_full(g, &STELE__SHAPE(2), 4), 4, 4);
    stele_tensor *whole = stele__op_cast(g, LEAF((2), 2.9, -2.9), STELE_I32);
    assert_int_equal(((const int32_t *)whole->data)[0], 2);
    NEAR(stele__op_cast(g, whole, STELE_F64), 2, -2);
    /* Ties: the first, and a. */
    stele_tensor *tie = LEAF((3), 2, 7, 7);
    backward_ones(stele__op_max(g, tie, 0, 0));
    GRADIENT(tie, 0, 1, 0);
    stele_tensor *l = LEAF((1), 3), *r = LEAF((1), 3);
    backward_ones(stele__op_minimum(g, l, r));
    GRADIENT(l, 1);
    GRADIENT(r, 0);
}

static void sparse(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    const int64_t begin[] = { 0, 2, 2, 3 };
    const int32_t column[] = { 0, 3, 1 };
    const double data[] = { 3, 8, 15 };
    stele_tensor *x = stele__graph_csr(g, STELE_F64, 3, 4, begin, column, data);
    NEAR(stele__op_log1p(g, x), log(4), log(9), log(16));
    NEAR(stele__op_sum(g, stele__op_sqrt(g, stele__op_shift(g, LEAF((1), 3), 1)), 0, 0), 2);
    NEAR(stele__op_sum(g, x, 1, 1), 11, 0, 15);
    NEAR(stele__op_mean(g, x, -1, 0), 2.75, 0, 3.75);
    stele_tensor *scaled = stele__op_mul(g, x, stele__op_full(g, &STELE__SHAPE(3, 1), 2.0));
    assert_int_equal(scaled->layout, STELE_CSR);
    NEAR(scaled, 6, 16, 30);
    stele_tensor *index =
        stele__op_constant(g, STELE_I64, &STELE__SHAPE(3), (int64_t[]){ 2, 0, 2 });
    stele_tensor *rows = stele__op_gather(g, x, index);
    NEAR(rows, 15, 3, 8, 15);
    assert_int_equal(rows->row_start[3], 4);
    assert_int_equal(rows->column[2], 3);
    /* Only touched rows of w get a derivative; row 2 stays exactly 0. */
    stele_tensor *w = LEAF((4, 2), 1, 2, 3, 4, 5, 6, 7, 8), *b = LEAF((2), 100, 200);
    stele_tensor *y = stele__op_linear(g, x, w, b);
    NEAR(y, 159, 270, 100, 200, 145, 260);
    backward_ones(y);
    GRADIENT(w, 3, 3, 15, 15, 0, 0, 8, 8);
    GRADIENT(b, 3, 3);
    assert_null(stele__op_exp(g, x));
    CHECK_ERROR(STELE_E_UNSUPPORTED, "exp: a is sparse");
    x = stele__graph_csr(g, STELE_F64, 3, 4, begin, column, data);
    stele__op_mul(g, x, LEAF((3, 1), 1, 2, 3));
    CHECK_ERROR(STELE_E_UNSUPPORTED, "mul: sparse a gives b no derivative; detach b");
}

static void where_blocks(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    stele_tensor *cond =
        stele__op_constant(g, STELE_U8, &STELE__SHAPE(4), (uint8_t[]){ 1, 0, 1, 0 });
    stele_tensor *yes = LEAF((4), 1, NAN, -1, INFINITY), *no = LEAF((4), NAN, 2, INFINITY, 3);
    /* The paths not taken have infinite and undefined slopes of their own. */
    stele_tensor *y = stele__op_where(g, cond, stele__op_sqrt(g, stele__op_abs(g, yes)),
                                      stele__op_mul(g, no, stele__op_log(g, no)));
    NEAR(y, 1, 2 * log(2), 1, 3 * log(3));
    backward_ones(y);
    GRADIENT(yes, 0.5, 0, -0.5, 0);
    GRADIENT(no, 0, 1 + log(2), 0, 1 + log(3));
    const double *d = stele__tensor_grad(yes);
    assert_true(d[1] == 0.0 && d[3] == 0.0);
}

static void logsumexp_of_nothing(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    stele_tensor *a = LEAF((3, 2), -INFINITY, 1, -INFINITY, -INFINITY, 0, 0);
    stele_tensor *y = stele__op_logsumexp(g, a, 1, 0);
    NEAR(y, 1, -INFINITY, log(2));
    backward_ones(y);
    GRADIENT(a, 0, 1, 0, 0, 0.5, 0.5);
    NEAR(stele__op_softmax(g, a, 1), 0, 1, 0, 0, 0.5, 0.5);
}

static void distributions(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    stele_tensor *x = LEAF((1, 2), .5, -1), *m = LEAF((2), 0, .3), *s = LEAF((2), .2, -.4),
                 *y = NULL;
    stele_dist normal = { STELE_NORMAL, 2, { m, s } }, laplace = { STELE_LAPLACE, 2, { m, s } };
    assert_int_equal(stele__op_log_prob(g, &normal, x, &y), STELE_OK);
    NEAR(y, -3.10081028005097);
    assert_int_equal(stele__op_log_prob(g, &laplace, x, &y), STELE_OK);
    NEAR(y, -3.53503184459253);
    stele_dist q = { STELE_NORMAL, 2, { LEAF((1), .7), LEAF((1), -.4) } };
    stele_dist p = { STELE_NORMAL, 2, { LEAF((1), -.2), LEAF((1), .5) } };
    assert_int_equal(stele__op_kl(g, &q, &p, &y), STELE_OK);
    assert_true(fabs(((double *)y->data)[0] - 0.398929747054) < 1e-9); /* by quadrature */
    q.family = p.family = STELE_LAPLACE;
    assert_int_equal(stele__op_kl(g, &q, &p, &y), STELE_OK);
    assert_true(fabs(((double *)y->data)[0] - 0.552055183406) < 1e-8);
    q.family = STELE_NORMAL;
    assert_int_equal(stele__op_kl(g, &q, &p, &y), STELE_E_UNSUPPORTED);
}

/* Moments of samples: location 1, scale 2 gives variance 4 (normal) and 2 b^2 = 8 (Laplace). */
static void sample_moments(void **state)
{
    (void)state;
    start(STELE_F32, 3);
    stele_shape s = STELE__SHAPE(500, 40);
    for (int family = STELE_NORMAL; family <= STELE_LAPLACE; family++) {
        double log_scale = family == STELE_NORMAL ? log(4.0) : log(2.0);
        stele_dist d = { (uint32_t)family,
                         2,
                         { stele__op_full(graph, &s, 1.0), stele__op_full(graph, &s, log_scale) } };
        stele_tensor *z = NULL;
        assert_int_equal(stele__op_rsample(graph, &d, 1, &z), STELE_OK);
        double sum = 0.0, square = 0.0;
        for (int i = 0; i < 20000; i++) {
            double e = (double)((const float *)z->data)[i] - 1.0;
            sum += e;
            square += e * e;
        }
        assert_true(fabs(sum / 20000) < 0.06);
        double variance = family == STELE_NORMAL ? 4.0 : 8.0;
        assert_true(fabs(square / 20000 / variance - 1.0) < 0.06);
    }
}

static void noise_follows_its_row(void **state)
{
    (void)state;
    const int64_t rows[4] = { 17, 3, 99, 3 };
    const uint32_t sample[4] = { 0, 0, 0, 1 };
    float first[4][7];
    start(STELE_F32, 9);
    stele__scope scope = { .name = "a", .purpose = stele__noise_hash("a") };
    stele__scope other = { .name = "b", .purpose = stele__noise_hash("b") };
    stele__graph_enter(graph, &scope);
    stele__graph_rows(graph, 4, rows, sample);
    memcpy(first, stele__op_noise(graph, &STELE__SHAPE(4, 7), 2)->data, sizeof first);
    assert_memory_not_equal(first[1], first[3], sizeof first[1]); /* another sample of the row */
    /* Another batch, order and company. */
    const int64_t swapped[2] = { 99, 17 };
    stele__graph_rows(graph, 2, swapped, NULL);
    const float *again = stele__op_noise(graph, &STELE__SHAPE(2, 7), 2)->data;
    assert_memory_equal(again, first[2], sizeof first[2]);
    assert_memory_equal(again + 7, first[0], sizeof first[0]);
    /* Stream, scope and step all matter. */
    assert_memory_not_equal(stele__op_noise(graph, &STELE__SHAPE(2, 7), 3)->data, first[2], 28);
    stele__graph_enter(graph, &other);
    assert_memory_not_equal(stele__op_noise(graph, &STELE__SHAPE(2, 7), 2)->data, first[2], 28);
    assert_null(stele__op_noise(graph, &STELE__SHAPE(3, 7), 2));
    CHECK_ERROR(STELE_E_SHAPE, "noise: the shape is (3, 7), but there are 2 rows");
    start(STELE_F32, 10);
    stele__graph_enter(graph, &scope);
    stele__graph_rows(graph, 2, swapped, NULL);
    assert_memory_not_equal(stele__op_noise(graph, &STELE__SHAPE(2, 7), 2)->data, first[2], 28);
}

static void dropout_statistics(void **state)
{
    (void)state;
    start(STELE_F32, 1);
    stele_graph *g = graph;
    stele_tensor *a = stele__op_full(g, &STELE__SHAPE(200, 300), 1.0);
    const stele_tensor *y = stele__op_dropout(g, a, 0.3, 0, 4),
                       *same = stele__op_dropout(g, a, 0.3, 0, 4);
    assert_memory_equal(y->data, same->data, (size_t)y->n * sizeof(float));
    int64_t dropped = 0;
    for (int64_t i = 0; i < y->n; i++) {
        float v = ((const float *)y->data)[i];
        assert_true(v == 0.0f || fabsf(v - 1.0f / 0.7f) < 1e-6f);
        dropped += v == 0.0f;
    }
    assert_true(fabs((double)dropped / 60000.0 - 0.3) < 0.01);
    /* vary: rates of rows spread over (0, 0.6) around 0.3. */
    y = stele__op_dropout(g, a, 0.3, 1, 4);
    double sum = 0.0, least = 1.0, most = 0.0;
    for (int64_t r = 0; r < 200; r++) {
        int64_t n = 0;
        for (int64_t i = 0; i < 300; i++) {
            n += ((const float *)y->data)[r * 300 + i] == 0.0f;
        }
        double rate = (double)n / 300.0;
        sum += rate;
        least = fmin(least, rate);
        most = fmax(most, rate);
    }
    assert_true(fabs(sum / 200.0 - 0.3) < 0.04 && least < 0.05 && most > 0.5 && most < 0.72);
    stele__pass quiet = { .record = 1 };
    stele__graph_begin(g, &quiet);
    a = stele__op_full(g, &STELE__SHAPE(2, 3), 1.0);
    assert_ptr_equal(stele__op_dropout(g, a, 0.3, 0, 4), a);
    /* Sparse: what is left keeps its place and grows. */
    start(STELE_F64, 1);
    const int64_t begin[] = { 0, 3, 4 };
    const int32_t column[] = { 0, 5, 9, 2 };
    const double data[] = { 1, 2, 3, 4 };
    stele_tensor *x = stele__graph_csr(graph, STELE_F64, 2, 10, begin, column, data);
    y = stele__op_dropout(graph, x, 0.5, 0, 1);
    assert_int_equal(y->layout, STELE_CSR);
    for (int i = 0; i < 4; i++) {
        double v = ((const double *)y->data)[i];
        assert_true(v == 0.0 || v == 2.0 * data[i]);
    }
}

static void derivative_helpers(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    stele_tensor *a = LEAF((2), 2, 3);
    stele_tensor *y = stele__op_mul(g, stele__op_detach(g, a), stele__op_scale_gradient(g, a, -1));
    NEAR(y, 4, 9);
    backward_ones(y);
    GRADIENT(a, -2, -3);
    stele_tensor *b = LEAF((2), 2, 3);
    backward_ones(stele__op_detach(g, b)); /* nothing to derive */
    assert_null(stele__tensor_grad(b));
}

static void messages(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    static const double zero[64];
    stele_tensor *a = stele__graph_leaf(g, &STELE__SHAPE(3, 5), zero);
    assert_null(stele__op_linear(g, a, stele__graph_leaf(g, &STELE__SHAPE(4, 2), zero), NULL));
    CHECK_ERROR(STELE_E_SHAPE, "linear: x is (3, 5), w is (4, 2): 5 is not 4");
    a = stele__graph_leaf(g, &STELE__SHAPE(3, 5), zero);
    assert_null(stele__op_matmul(g, a, a, 0, 0));
    CHECK_ERROR(STELE_E_SHAPE, "matmul: a is (3, 5), b is (3, 5)");
    a = stele__graph_leaf(g, &STELE__SHAPE(3, 5), zero);
    assert_null(stele__op_sum(g, a, 2, 0));
    CHECK_ERROR(STELE_E_SHAPE, "sum: a is (3, 5) and has no axis 2");
    a = stele__graph_leaf(g, &STELE__SHAPE(3, 5), zero);
    assert_null(stele__op_reshape(g, a, &STELE__SHAPE(4, 4)));
    CHECK_ERROR(STELE_E_SHAPE, "reshape: (3, 5) has not as many elements as (4, 4)");
    a = stele__graph_leaf(g, &STELE__SHAPE(3, 5), zero);
    assert_null(stele__op_slice(g, a, 1, 2, 6));
    CHECK_ERROR(STELE_E_SHAPE, "slice: 2 to 6 of axis 1, a is (3, 5)");
    a = stele__graph_leaf(g, &STELE__SHAPE(3, 5), zero);
    int64_t three = 3, twice[2] = { 1, 1 };
    assert_null(stele__op_gather(g, a, stele__graph_dense(g, STELE_I64, &STELE__SHAPE(1), &three)));
    CHECK_ERROR(STELE_E_ARG, "gather: index 0 is 3, there are 3 rows");
    a = stele__graph_leaf(g, &STELE__SHAPE(2, 5), zero);
    assert_null(
        stele__op_scatter(g, a, stele__graph_dense(g, STELE_I64, &STELE__SHAPE(2), twice), 4, 0));
    CHECK_ERROR(STELE_E_ARG, "scatter: row 1 is named twice");
    a = stele__graph_leaf(g, &STELE__SHAPE(2, 5), zero);
    assert_null(stele__op_concat(g, 2, (stele_tensor *[]){ a, LEAF((2), 1, 2) }, 1));
    CHECK_ERROR(STELE_E_SHAPE, "concat: (2, 5) and (2) do not fit along axis 1");
    assert_null(stele__op_param(g, 0));
    CHECK_ERROR(STELE_E_ARG, "param: the graph has no parameter 0");
    assert_null(stele__op_dropout(g, LEAF((1), 1), 1.0, 0, 0));
    CHECK_ERROR(STELE_E_ARG, "dropout: the rate is 1");
    assert_int_equal(stele__graph_backward(g, LEAF((2), 1, 2)), STELE_E_SHAPE);
    CHECK_ERROR(STELE_E_SHAPE, "backward: the loss is not a scalar");
}

/* No row at all is a batch like any other. */
static void empty_batch(void **state)
{
    (void)state;
    start(STELE_F64, 0);
    stele_graph *g = graph;
    stele_tensor *x = stele__graph_leaf(g, &STELE__SHAPE(0, 3), NULL),
                 *w = LEAF((3, 2), 1, 2, 3, 4, 5, 6);
    stele_tensor *b = LEAF((2), 1, 1), *z = NULL;
    stele_tensor *h = stele__op_gelu(g, stele__op_linear(g, x, w, b));
    h = stele__op_layer_norm(g, stele__op_dropout(g, h, 0.5, 0, 1), b, b, 1e-5);
    stele_dist q = { STELE_NORMAL, 2, { h, h } };
    assert_int_equal(stele__op_rsample(g, &q, 0, &z), STELE_OK);
    backward_ones(stele__op_logsumexp(g, z, 1, 0));
    GRADIENT(w, 0, 0, 0, 0, 0, 0);
    GRADIENT(b, 0, 0);
    const int64_t none = 0;
    h = stele__op_linear(g, stele__graph_csr(g, STELE_F64, 0, 3, &none, NULL, NULL), w, b);
    backward_ones(stele__op_sum(g, h, 0, 0));
    GRADIENT(w, 0, 0, 0, 0, 0, 0);
}

static int finish(void **state)
{
    (void)state;
    stele__graph_destroy(graph);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise),
        cmocka_unit_test(reductions_and_shapes),
        cmocka_unit_test(sparse),
        cmocka_unit_test(where_blocks),
        cmocka_unit_test(logsumexp_of_nothing),
        cmocka_unit_test(distributions),
        cmocka_unit_test(sample_moments),
        cmocka_unit_test(noise_follows_its_row),
        cmocka_unit_test(dropout_statistics),
        cmocka_unit_test(derivative_helpers),
        cmocka_unit_test(messages),
        cmocka_unit_test(empty_batch),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
