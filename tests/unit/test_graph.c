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
    assert_ptr_equal(stele__graph_error_scope(g), &scope);
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

/* --- parameters --- */

static uint32_t declare(stele__params *p, const char *name, stele_shape shape, uint32_t init,
                        double decay)
{
    uint32_t entry = 99;
    stele__declaration d = { .name = name,
                             .shape = shape,
                             .kind = STELE__TRAINED,
                             .init = init,
                             .scale = 0.5,
                             .decay = decay };
    assert_int_equal(stele__params_declare(p, &d, &entry, NULL), STELE_OK);
    return entry;
}

static void parameters_lie_flat(void **state)
{
    (void)state;
    stele__params *p = NULL, *q = NULL;
    assert_int_equal(stele__params_create(STELE_F32, &p), STELE_OK);
    assert_int_equal(stele__params_create(STELE_F64, &q), STELE_OK);
    assert_int_equal(declare(p, "a.bias", STELE__SHAPE(3), STELE_INIT_CONSTANT, 0.0), 0);
    assert_int_equal(declare(p, "a.weight", STELE__SHAPE(30, 7), STELE_INIT_NORMAL, 1.0), 1);
    assert_int_equal(declare(p, "b.weight", STELE__SHAPE(40, 40), STELE_INIT_UNIFORM, 1.0), 2);
    stele__declaration again = { .name = "a.bias", .kind = STELE__BUFFER, .init = STELE_INIT_ZERO };
    uint32_t entry;
    assert_int_equal(stele__params_declare(p, &again, &entry, NULL), STELE_E_ARG);
    again.name = "a.mean";
    again.shape = STELE__SHAPE(5);
    again.init = STELE_INIT_CONSTANT;
    again.scale = 2.0;
    assert_int_equal(stele__params_declare(p, &again, &entry, NULL), STELE_OK);
    /* The other object has another order and company; random starts must not care. */
    assert_int_equal(declare(q, "c.weight", STELE__SHAPE(3), STELE_INIT_NORMAL, 1.0), 0);
    assert_int_equal(declare(q, "a.weight", STELE__SHAPE(30, 7), STELE_INIT_NORMAL, 1.0), 1);
    assert_int_equal(stele__params_finalize(p, 42, 1, NULL), STELE_OK);
    assert_int_equal(stele__params_finalize(q, 42, 0, NULL), STELE_OK);
    const float *w = stele__params_entry(p, 1)->values;
    const double *v = stele__params_entry(q, 1)->values;
    double square = 0.0;
    for (int i = 0; i < 210; i++) {
        assert_true((float)v[i] == w[i]);
        square += v[i] * v[i];
    }
    assert_true(fabs(square / 210 - 0.25) < 0.06);
    const float *u = stele__params_entry(p, 2)->values;
    double least = 1.0, most = -1.0;
    for (int i = 0; i < 1600; i++) {
        least = fmin(least, (double)u[i]);
        most = fmax(most, (double)u[i]);
    }
    assert_true(least >= -0.5 && least < -0.49 && most <= 0.5 && most > 0.49);
    assert_true(((const float *)stele__params_entry(p, 0)->values)[2] == 0.5f);
    assert_true(((const float *)stele__params_entry(p, entry)->values)[4] == 2.0f);
    /* Decayed entries first, in two segments that cover everything. */
    size_t n_segments, n, n_buffers;
    const stele__segment *s = stele__params_segments(p, &n_segments);
    char *values = stele__params_values(p, &n);
    assert_non_null(stele__params_buffers(p, &n_buffers));
    assert_int_equal(n_segments, 2);
    assert_true(s[0].begin == 0 && s[0].decay == 1.0 && s[1].decay == 0.0);
    assert_true(s[1].begin == s[0].n && s[0].n + s[1].n == n);
    assert_true(stele__params_entry(p, 1)->values == (void *)values);
    assert_true(((uintptr_t)stele__params_entry(p, 2)->values & 63) == 0);
    assert_int_equal(n_buffers, 16);
    assert_int_equal(stele__params_find(p, "b.weight"), 2);
    assert_int_equal(stele__params_find(p, "nothing"), -1);
    stele__params_destroy(p);
    stele__params_destroy(q);
}

static void parameters_get_their_derivative(void **state)
{
    (void)state;
    const float frozen[2] = { 3.0f, 5.0f };
    stele__params *p = NULL;
    assert_int_equal(stele__params_create(STELE_F64, &p), STELE_OK);
    const uint32_t a = declare(p, "a", STELE__SHAPE(2), STELE_INIT_CONSTANT, 0.0);
    const uint32_t idle = declare(p, "idle", STELE__SHAPE(2), STELE_INIT_ZERO, 0.0);
    stele__declaration d = { .name = "f",
                             .shape = STELE__SHAPE(2),
                             .kind = STELE__FROZEN,
                             .dtype = STELE_F32,
                             .data = frozen };
    uint32_t f;
    assert_int_equal(stele__params_declare(p, &d, &f, NULL), STELE_OK);
    assert_int_equal(stele__params_finalize(p, 1, 1, NULL), STELE_OK);
    stele_graph *g = new_graph(STELE_F64);
    const uint32_t entry[2] = { f, a };
    const stele__scope scope = { .name = "x", .params = p, .entry = entry, .n = 2 };
    size_t n;
    memset(stele__params_gradient(p), 0xff, 64); /* NaN: what is stale must not shine through */
    stele__params_begin_gradient(p);
    for (int pass = 1; pass <= 2; pass++) { /* two passes of one step add up */
        stele__graph_begin(g, &recording);
        stele__graph_enter(g, &scope);
        stele_tensor *w = stele__op_param(g, 1);
        assert_ptr_equal(w, stele__op_param(g, 1));
        stele_tensor *y = stele__op_mul(g, stele__op_param(g, 0), w);
        assert_int_equal(stele__graph_backward(g, stele__op_sum(g, y, 0, 0)), STELE_OK);
        const double *gradient = stele__params_entry(p, a)->gradient;
        assert_true(gradient[0] == 3.0 * pass && gradient[1] == 5.0 * pass);
    }
    stele__params_end_gradient(p);
    const double *none = stele__params_entry(p, idle)->gradient;
    assert_true(none[0] == 0.0 && none[1] == 0.0);
    assert_non_null(stele__params_values(p, &n));
    assert_null(stele__params_entry(p, f)->gradient);
    stele__graph_begin(g, &recording);
    stele__graph_enter(g, &scope);
    assert_null(stele__op_param(g, 2));
    assert_string_equal(stele__graph_error(g), "param: x has no parameter 2");
    stele__graph_destroy(g);
    stele__params_destroy(p);
}

static void copies_between_types(void **state)
{
    (void)state;
    stele__params *p[2] = { NULL, NULL };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stele__params_create(i == 0 ? STELE_F32 : STELE_F64, &p[i]), STELE_OK);
        declare(p[i], "w", STELE__SHAPE(3), STELE_INIT_NORMAL, 1.0);
        assert_int_equal(stele__params_finalize(p[i], (uint64_t)i, 0, NULL), STELE_OK);
    }
    assert_int_equal(stele__params_copy(p[1], p[0]), STELE_OK);
    const float *f = stele__params_entry(p[0], 0)->values;
    const double *d = stele__params_entry(p[1], 0)->values;
    assert_true(d[0] == (double)f[0] && d[2] == (double)f[2]);
    stele__params_destroy(p[0]);
    stele__params_destroy(p[1]);
}

/* --- a small network: the same bits for any number of threads, and no allocation once warm --- */

enum { ROWS = 70, WIDE = 3000, HIDDEN = 96, PER_ROW = 90 };

static int64_t row_start[ROWS + 1];
static int32_t column[ROWS * PER_ROW];
static float entries[ROWS * PER_ROW];

static stele_tensor *network(stele_graph *g, int64_t rows)
{
    stele_tensor *x = stele__graph_csr(g, STELE_F32, rows, WIDE, row_start, column, entries);
    x = stele__op_dropout(g, stele__op_log1p(g, x), 0.2, 1, 0);
    stele_tensor *h = stele__op_linear(g, x, stele__op_param(g, 0), stele__op_param(g, 1));
    h = stele__op_layer_norm(g, h, stele__op_param(g, 2), stele__op_param(g, 1), 1e-5);
    h = stele__op_dropout(g, stele__op_gelu(g, h), 0.1, 0, 1);
    stele_tensor *mean = stele__op_linear(g, h, stele__op_param(g, 3), NULL);
    stele_dist q = { STELE_NORMAL, 2, { mean, stele__op_scale(g, mean, 0.1) } };
    stele_dist p = { STELE_NORMAL, 2, { stele__op_param(g, 1), stele__op_param(g, 2) } };
    stele_tensor *z = NULL, *kl = NULL;
    if (stele__op_rsample(g, &q, 2, &z) != STELE_OK || stele__op_kl(g, &q, &p, &kl) != STELE_OK) {
        return NULL;
    }
    /* A decoder as wide as the data, tied to the first layer. */
    stele_tensor *logits = stele__op_matmul(g, z, stele__op_param(g, 0), 0, 1);
    stele_tensor *fit = stele__op_sum(g, stele__op_softplus(g, logits), STELE_ALL_AXES, 0);
    return stele__op_add(g, fit, stele__op_sum(g, kl, STELE_ALL_AXES, 0));
}

static stele__params *network_params(void)
{
    stele__params *p = NULL;
    assert_int_equal(stele__params_create(STELE_F32, &p), STELE_OK);
    declare(p, "first", STELE__SHAPE(WIDE, HIDDEN), STELE_INIT_NORMAL, 1.0);
    declare(p, "bias", STELE__SHAPE(HIDDEN), STELE_INIT_NORMAL, 0.0);
    declare(p, "gain", STELE__SHAPE(HIDDEN), STELE_INIT_CONSTANT, 0.0);
    declare(p, "second", STELE__SHAPE(HIDDEN, HIDDEN), STELE_INIT_NORMAL, 1.0);
    assert_int_equal(stele__params_finalize(p, 3, 1, NULL), STELE_OK);
    for (int64_t i = 0; i < ROWS; i++) {
        row_start[i + 1] = row_start[i] + PER_ROW;
        for (int64_t k = 0; k < PER_ROW; k++) {
            column[row_start[i] + k] = (int32_t)(k * 33 + (i * 7) % 33);
            entries[row_start[i] + k] = (float)(1 + (i * k) % 5);
        }
    }
    return p;
}

static stele_status network_step(stele_graph *g, stele__params *p, int64_t rows)
{
    const uint32_t entry[4] = { 0, 1, 2, 3 };
    const stele__scope scope = { .name = "net", .purpose = 8, .params = p, .entry = entry, .n = 4 };
    stele__params_begin_gradient(p);
    stele__graph_begin(g, &recording);
    stele__graph_enter(g, &scope);
    stele_status status = stele__graph_backward(g, network(g, rows));
    stele__params_end_gradient(p);
    return status;
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    stele__params *p = network_params();
    size_t n;
    stele__params_values(p, &n);
    float *kept = stele__malloc(n * sizeof *kept);
    assert_non_null(kept);
    for (unsigned threads = 1; threads <= 3; threads++) {
        stele__pool *pool = NULL;
        stele_graph *g = NULL;
        assert_int_equal(stele__pool_create(threads, &pool), STELE_OK);
        assert_int_equal(stele__graph_create(pool, STELE_F32, &g), STELE_OK);
        assert_int_equal(network_step(g, p, ROWS), STELE_OK);
        if (threads == 1) {
            memcpy(kept, stele__params_gradient(p), n * sizeof *kept);
            double size = 0.0;
            for (size_t i = 0; i < n; i++) {
                size += fabs((double)kept[i]);
            }
            assert_true(isfinite(size) && size > 1.0);
        }
        assert_memory_equal(stele__params_gradient(p), kept, n * sizeof *kept);
        stele__graph_destroy(g);
        stele__pool_destroy(pool);
    }
    stele__free(kept);
    stele__params_destroy(p);
}

static void network_allocates_nothing(void **state)
{
    (void)state;
    stele__params *p = network_params();
    stele_graph *g = new_graph(STELE_F32);
    assert_int_equal(network_step(g, p, ROWS), STELE_OK);
    assert_int_equal(network_step(g, p, 1), STELE_OK);
    const uint64_t before = stele__mem_count();
    for (int64_t rows = ROWS; rows > 0; rows -= 13) {
        assert_int_equal(network_step(g, p, rows), STELE_OK);
    }
    assert_int_equal(stele__mem_count(), before);
    stele__graph_destroy(g);
    stele__params_destroy(p);
}

/* Each allocation of a cold step fails in turn: a status, never a crash, and the next step works.
 */
static void survives_lack_of_memory(void **state)
{
    (void)state;
    stele__params *p = network_params();
    int failed = 0;
    for (int64_t i = 0; i < 20; i++) {
        stele_graph *g = new_graph(STELE_F32);
        stele__mem_fail_at(i);
        stele_status status = network_step(g, p, ROWS);
        stele__mem_fail_at(-1);
        failed += status == STELE_E_NOMEM;
        assert_true(status == STELE_OK || status == STELE_E_NOMEM);
        assert_int_equal(network_step(g, p, ROWS), STELE_OK);
        stele__graph_destroy(g);
    }
    assert_true(failed > 0 && failed < 20);
    stele__params_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_a_formula),
        cmocka_unit_test(first_error_sticks),
        cmocka_unit_test(steady_state_allocates_nothing),
        cmocka_unit_test(parameters_lie_flat),
        cmocka_unit_test(parameters_get_their_derivative),
        cmocka_unit_test(copies_between_types),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(network_allocates_nothing),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
