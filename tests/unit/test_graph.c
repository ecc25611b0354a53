/* The mechanism of core/graph: passes, tape, parameters, errors, memory. Operations:
 * test_graph_ops.c. */
#include "test.h"

#include "base/mem.h"
#include "graph/gradcheck.h"
#include "graph/ops.h"

#include <math.h>
#include <string.h>

static const stele__pass recording = { .training = 1, .record = 1, .seed = 7, .step = 3 };

static stele_graph *new_graph(uint32_t dtype)
{
    stele_graph *g = NULL;
    assert_int_equal(stele__graph_create(NULL, dtype, &g), STELE_OK);
    stele__graph_begin(g, &recording);
    return g;
}

static void derivatives_of_a_formula(void **state)
{
    (void)state;
    const double x[3] = { 1.0, 2.0, 3.0 };
    stele_graph *g = new_graph(STELE_F64);
    stele_shape s = STELE__SHAPE(3);
    stele_tensor *a = stele__graph_leaf(g, &s, x);
    /* a appears twice: d (a^2 + 5 a) = 2 a + 5 */
    stele_tensor *y = stele__op_add(g, stele__op_mul(g, a, a), stele__op_scale(g, a, 5.0));
    const double one[3] = { 1.0, 1.0, 1.0 };
    const void *gradient = one;
    for (int i = 0; i < 2; i++) { /* a second call starts afresh */
        assert_int_equal(stele__graph_backward_from(g, 1, &y, &gradient), STELE_OK);
        const double *d = stele__tensor_grad(a);
        assert_non_null(d);
        for (int k = 0; k < 3; k++) {
            assert_true(d[k] == 2.0 * x[k] + 5.0);
        }
    }
    stele__graph_destroy(g);
}

static void first_error_sticks(void **state)
{
    (void)state;
    const float x[15] = { 0 };
    stele_graph *g = new_graph(STELE_F32);
    stele__scope scope = { .name = "modality a" };
    stele__graph_enter(g, &scope);
    stele_shape s = STELE__SHAPE(3, 5), t = STELE__SHAPE(3, 4);
    stele_tensor *bad = stele__op_add(g, stele__graph_dense(g, STELE_F32, &s, x),
                                      stele__graph_dense(g, STELE_F32, &t, x));
    assert_null(bad);
    assert_null(stele__op_exp(g, bad));
    assert_int_equal(stele__ops.status(g), STELE_E_SHAPE);
    assert_string_equal(stele__graph_error(g), "add: (3, 5) and (3, 4) do not broadcast");
    assert_string_equal(stele__graph_error_scope(g), "modality a");
    assert_null(stele__op_full(g, &s, 1.0));
    assert_int_equal(stele__graph_backward(g, bad), STELE_E_SHAPE);
    stele__graph_begin(g, &recording);
    assert_int_equal(stele__ops.status(g), STELE_OK);
    assert_null(stele__op_exp(g, stele__graph_dense(g, STELE_F64, &s, x)));
    assert_string_equal(stele__graph_error(g), "exp: a is f64, the graph computes in f32");
    stele__graph_destroy(g);
}

static void steady_state_allocates_nothing(void **state)
{
    (void)state;
    stele_graph *g = new_graph(STELE_F32);
    static float x[300 * 1000];
    uint64_t before = 0;
    for (int i = 0; i < 6; i++) {
        stele__pass pass = recording;
        stele__graph_begin(g, &pass);
        before = i == 1 ? stele__mem_count() : before;
        /* The first pass is the largest; the later ones differ in size and order. */
        stele_shape s = STELE__SHAPE(i == 0 ? 300 : 300 - 7 * i, 1000),
                    col = STELE__SHAPE(s.dim[0], 1);
        stele_tensor *a = stele__graph_leaf(g, &s, x), *b = stele__graph_leaf(g, &col, x);
        stele_tensor *y = i % 2 ? stele__op_mul(g, stele__op_exp(g, a), b)
                                : stele__op_exp(g, stele__op_mul(g, b, a));
        const void *gradient = x;
        assert_int_equal(stele__graph_backward_from(g, 1, &y, &gradient), STELE_OK);
    }
    assert_true(before > 0);
    assert_int_equal(stele__mem_count(), before);
    stele__graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_a_formula),
        cmocka_unit_test(first_error_sticks),
        cmocka_unit_test(steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
