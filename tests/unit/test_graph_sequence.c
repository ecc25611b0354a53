/* Recurrence and attention against plain loops and differences; what lies beyond a row's length has
 * no influence. */
#include "graph_check.h"

typedef struct sequence_case {
    const char *name;
    int64_t rows, time, in, units; /* attention: rows, queries, features, heads */
    int64_t keys;                  /* attention */
    int with_h0, causal;
    const int64_t *lengths; /* rows repeat them in turn */
    int64_t n_lengths;
} sequence_case;

static stele_tensor *lengths_of(stele_graph *g, const sequence_case *c)
{
    if (c->lengths == NULL) {
        return NULL;
    }
    int64_t *n = malloc((size_t)c->rows * sizeof *n);
    assert_non_null(n);
    for (int64_t i = 0; i < c->rows; i++) {
        n[i] = c->lengths[i % c->n_lengths];
    }
    stele_tensor *ret = stele__op_constant(g, STELE_I64, &STELE__SHAPE(c->rows), n);
    free(n);
    return ret;
}

static int64_t length_of(const sequence_case *c, int64_t row, int64_t most)
{
    return c->lengths == NULL ? most : c->lengths[row % c->n_lengths];
}

static const int64_t four[] = { 4, 0, 2, 3 }, six[] = { 1, 6, 5, 0, 3 }, none[] = { 0 };

/* --- gru --- */

static const sequence_case grus[] = {
    { .name = "1", .rows = 1, .time = 1, .in = 1, .units = 1 },
    { .name = "plain", .rows = 2, .time = 3, .in = 3, .units = 2 },
    { .name = "h0", .rows = 3, .time = 4, .in = 2, .units = 3, .with_h0 = 1 },
    { .name = "lengths",
      .rows = 4,
      .time = 4,
      .in = 2,
      .units = 2,
      .lengths = four,
      .n_lengths = 4 },
    { "lengths h0", 4, 4, 1, 3, 0, 1, 0, four, 4 },
    { "no steps", 2, 3, 2, 2, 0, 1, 0, none, 1 },
    { "blocks", 71, 6, 5, 7, 0, 1, 0, six, 5 },
};
#define N_GRUS (sizeof grus / sizeof grus[0])

static uint32_t gru_shapes(const sequence_case *c, stele_shape shape[6])
{
    shape[0] = STELE__SHAPE(c->rows, c->time, c->in);
    shape[1] = STELE__SHAPE(c->in, 3 * c->units);
    shape[2] = STELE__SHAPE(c->units, 3 * c->units);
    shape[3] = shape[4] = STELE__SHAPE(3 * c->units);
    shape[5] = STELE__SHAPE(c->rows, c->units);
    return c->with_h0 ? 6 : 5;
}

static stele_tensor *do_gru(stele_graph *g, stele_tensor *const *in, void *user)
{
    const sequence_case *c = user;
    return stele__ops.gru(g, in[0], c->with_h0 ? in[5] : NULL, in[1], in[2], in[3], in[4],
                          lengths_of(g, c));
}

static double sum_of(int64_t n, const double *x, const double *w, int64_t step, double start)
{
    for (int64_t i = 0; i < n; i++) {
        start += x[i] * w[i * step];
    }
    return start;
}

/* One unit of one step, written as in the paper. x and h are the row's. */
static double plain_unit(const sequence_case *c, double *const *v, const double *x, const double *h,
                         int64_t j)
{
    const int64_t n = c->units;
    double from_x[3], from_h[3];
    for (int64_t gate = 0; gate < 3; gate++) {
        const int64_t at = gate * n + j;
        from_x[gate] = sum_of(c->in, x, v[1] + at, 3 * n, v[3][at]);
        from_h[gate] = sum_of(n, h, v[2] + at, 3 * n, v[4][at]);
    }
    const double reset = 1.0 / (1.0 + exp(-from_x[0] - from_h[0]));
    const double update = 1.0 / (1.0 + exp(-from_x[1] - from_h[1]));
    return (1.0 - update) * tanh(from_x[2] + reset * from_h[2]) + update * h[j];
}

static void gru_is_its_definition(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_GRUS; k++) {
        const sequence_case *c = &grus[k];
        const stele__pass pass = { 0 };
        stele_graph *g = NULL;
        stele_shape shape[6];
        double *v[6], h[16] = { 0 }, next[16] = { 0 };
        stele_tensor *in[6];
        assert_int_equal(stele__graph_create(NULL, STELE_F64, &g), STELE_OK);
        stele__graph_begin(g, &pass);
        const uint32_t n = gru_shapes(c, shape);
        for (uint32_t i = 0; i < 6; i++) {
            v[i] = numbers(stele__shape_count(&shape[i]), (int)i);
            in[i] = stele__graph_dense(g, STELE_F64, &shape[i], v[i]);
        }
        const stele_tensor *out = do_gru(g, in, (void *)(uintptr_t)c);
        assert_string_equal(stele__graph_error(g), "");
        for (int64_t row = 0; row < c->rows; row++) {
            for (int64_t j = 0; j < c->units; j++) {
                h[j] = n == 6 ? v[5][row * c->units + j] : 0.0;
            }
            for (int64_t t = 0; t < c->time; t++) {
                for (int64_t j = 0; j < c->units; j++) {
                    next[j] = plain_unit(c, v, v[0] + (row * c->time + t) * c->in, h, j);
                }
                if (t < length_of(c, row, c->time)) {
                    memcpy(h, next, sizeof h);
                }
                for (int64_t j = 0; j < c->units; j++) {
                    const int64_t at = (row * c->time + t) * c->units + j;
                    assert_true(fabs(((const double *)out->data)[at] - h[j]) < 1e-13);
                }
            }
        }
        for (uint32_t i = 0; i < 6; i++) {
            free(v[i]);
        }
        stele__graph_destroy(g);
    }
}

static void gru_derivatives(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < N_GRUS; i++) {
        stele_shape shape[6];
        void *user = (void *)(uintptr_t)&grus[i];
        const uint32_t n = gru_shapes(&grus[i], shape);
        same_bits_for_all_threads(do_gru, user, n, shape);
        failures += grus[i].rows < 10 && grus[i].lengths != none &&
                    !derivatives_right(grus[i].name, do_gru, user, n, shape);
    }
    assert_int_equal(failures, 0);
}

/* Forward and back in a double graph over the given values; copies of the output and of the
 * derivatives of n inputs, each in an array. */
static void record(check_fn fn, void *user, uint32_t n, const stele_shape *shape, double **v,
                   double **ret)
{
    const stele__pass pass = { .record = 1 };
    stele_graph *g = NULL;
    stele_tensor *in[CHECK_INPUTS];
    assert_int_equal(stele__graph_create(NULL, STELE_F64, &g), STELE_OK);
    stele__graph_begin(g, &pass);
    for (uint32_t i = 0; i < n; i++) {
        in[i] = stele__graph_leaf(g, &shape[i], v[i]);
    }
    stele_tensor *out = fn(g, in, user);
    assert_string_equal(stele__graph_error(g), "");
    double *dy = numbers(out->n, 9);
    const void *d = dy;
    assert_int_equal(stele__graph_backward_from(g, 1, &out, &d), STELE_OK);
    free(dy);
    for (uint32_t i = 0; i <= n; i++) {
        const stele_tensor *t = i < n ? in[i] : out;
        ret[i] = malloc((size_t)t->n * sizeof **ret);
        assert_non_null(ret[i]);
        memcpy(ret[i], i < n ? stele__tensor_grad(t) : t->data, (size_t)t->n * sizeof **ret);
    }
    stele__graph_destroy(g);
}

/* Row b of input i, of `steps` steps of `n` numbers: set what lies beyond the length to value, or
 * make sure that its derivative is 0. */
static void beyond(const sequence_case *c, int64_t groups, int64_t steps, int64_t n, double *x,
                   double value, int set)
{
    for (int64_t i = 0; i < c->rows * groups * steps * n; i++) {
        if (i / n % steps >= length_of(c, i / (groups * steps * n), steps)) {
            assert_true(set || x[i] == 0.0);
            x[i] = set ? value : x[i];
        }
    }
}

/* Whatever fills x beyond the lengths, all values and derivatives keep their bits. */
static void gru_padding_has_no_influence(void **state)
{
    (void)state;
    const double fillers[] = { 0.0, 1e6, NAN, INFINITY };
    const sequence_case *cases[] = { &grus[3], &grus[4], &grus[5], &grus[6] };
    for (size_t k = 0; k < 4; k++) {
        const sequence_case *c = cases[k];
        stele_shape shape[6];
        double *v[6], *expected[7] = { 0 }, *got[7];
        const uint32_t n = gru_shapes(c, shape);
        for (uint32_t i = 0; i < n; i++) {
            v[i] = numbers(stele__shape_count(&shape[i]), (int)i);
        }
        for (size_t f = 0; f < 4; f++) {
            beyond(c, 1, c->time, c->in, v[0], fillers[f], 1);
            record(do_gru, (void *)(uintptr_t)c, n, shape, v, got);
            beyond(c, 1, c->time, c->in, got[0], 0.0, 0);
            for (uint32_t i = 0; i <= n; i++) {
                const int64_t size =
                    i < n ? stele__shape_count(&shape[i]) : c->rows * c->time * c->units;
                if (f > 0) {
                    assert_memory_equal(got[i], expected[i], (size_t)size * sizeof **got);
                    free(got[i]);
                } else {
                    expected[i] = got[i];
                }
            }
        }
        for (uint32_t i = 0; i <= n; i++) {
            free(i < n ? v[i] : NULL);
            free(expected[i]);
        }
    }
}

/* --- attention --- */

static const sequence_case heads[] = {
    { .name = "1", .rows = 1, .time = 1, .in = 1, .units = 1, .keys = 2 },
    { "plain", 2, 3, 2, 2, 4, 0, 0, NULL, 0 },
    { "causal", 2, 4, 3, 1, 4, 0, 1, NULL, 0 },
    { "causal fewer keys", 1, 4, 2, 2, 2, 0, 1, NULL, 0 },
    { "causal more keys", 1, 2, 2, 1, 5, 0, 1, NULL, 0 },
    { "lengths", 4, 3, 2, 2, 4, 0, 0, four, 4 },
    { "lengths causal", 5, 6, 2, 1, 6, 0, 1, six, 5 },
    { "no keys", 2, 3, 2, 2, 3, 0, 0, none, 1 },
    { "tiles", 1, 70, 1, 1, 3, 0, 0, NULL, 0 },
    { "tiles causal", 1, 67, 1, 1, 67, 0, 1, NULL, 0 },
    { "blocks", 21, 30, 8, 4, 6, 0, 1, six, 5 },
};
#define N_HEADS (sizeof heads / sizeof heads[0])

static void head_shapes(const sequence_case *c, stele_shape shape[3])
{
    shape[0] = STELE__SHAPE(c->rows, c->units, c->time, c->in);
    shape[1] = shape[2] = STELE__SHAPE(c->rows, c->units, c->keys, c->in);
}

static stele_tensor *do_attention(stele_graph *g, stele_tensor *const *in, void *user)
{
    const sequence_case *c = user;
    return stele__ops.attention(g, in[0], in[1], in[2], lengths_of(g, c), c->causal);
}

static stele_tensor *do_self_attention(stele_graph *g, stele_tensor *const *in, void *user)
{
    const sequence_case *c = user;
    return stele__ops.attention(g, in[0], in[0], in[0], lengths_of(g, c), c->causal);
}

/* Feature e of query t of a head; q is the query, k and v the head's keys and values, n of them. */
static double plain_attention(const sequence_case *c, int64_t n, int64_t t, const double *q,
                              const double *k, const double *v, int64_t e)
{
    double total = 0.0, sum = 0.0;
    for (int64_t s = 0; s < n && (!c->causal || s <= t); s++) {
        const double w = exp(sum_of(c->in, q, k + s * c->in, 1, 0.0) / sqrt((double)c->in));
        total += w;
        sum += w * v[s * c->in + e];
    }
    return total > 0.0 ? sum / total : 0.0;
}

static void attention_is_its_definition(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_HEADS; k++) {
        const sequence_case *c = &heads[k];
        const stele__pass pass = { 0 };
        stele_graph *g = NULL;
        stele_shape shape[3];
        stele_tensor *in[3];
        double *v[3];
        assert_int_equal(stele__graph_create(NULL, STELE_F64, &g), STELE_OK);
        stele__graph_begin(g, &pass);
        head_shapes(c, shape);
        for (int i = 0; i < 3; i++) {
            v[i] = numbers(stele__shape_count(&shape[i]), i);
            in[i] = stele__graph_dense(g, STELE_F64, &shape[i], v[i]);
        }
        const stele_tensor *out = do_attention(g, in, (void *)(uintptr_t)c);
        assert_string_equal(stele__graph_error(g), "");
        assert_true(stele__shape_equal(&out->shape, &shape[0]));
        for (int64_t i = 0; i < out->n; i++) {
            const int64_t e = i % c->in, query = i / c->in, head = query / c->time;
            const int64_t n = length_of(c, head / c->units, c->keys), at = head * c->keys * c->in;
            const double expected = plain_attention(c, n, query % c->time, v[0] + query * c->in,
                                                    v[1] + at, v[2] + at, e);
            assert_true(fabs(((const double *)out->data)[i] - expected) < 1e-14);
        }
        for (int i = 0; i < 3; i++) {
            free(v[i]);
        }
        stele__graph_destroy(g);
    }
}

static void attention_derivatives(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < N_HEADS; i++) {
        const sequence_case *c = &heads[i];
        void *user = (void *)(uintptr_t)c;
        stele_shape shape[3];
        head_shapes(c, shape);
        same_bits_for_all_threads(do_attention, user, 3, shape);
        if (c->lengths != none && c->rows < 10) {
            failures += !derivatives_right(c->name, do_attention, user, 3, shape);
        }
        if (c->time == c->keys && c->lengths != none) {
            failures += !derivatives_right(c->name, do_self_attention, user, 1, shape);
        }
    }
    assert_int_equal(failures, 0);
}

static void attention_padding_has_no_influence(void **state)
{
    (void)state;
    const double fillers[] = { 0.0, 1e6, NAN, INFINITY };
    for (size_t k = 0; k < N_HEADS; k++) {
        const sequence_case *c = &heads[k];
        stele_shape shape[3];
        double *v[3], *expected[4] = { 0 }, *got[4];
        if (c->lengths == NULL) {
            continue;
        }
        head_shapes(c, shape);
        for (int i = 0; i < 3; i++) {
            v[i] = numbers(stele__shape_count(&shape[i]), i);
        }
        for (size_t f = 0; f < 4; f++) {
            for (int i = 1; i < 3; i++) {
                beyond(c, c->units, c->keys, c->in, v[i], fillers[f], 1);
            }
            record(do_attention, (void *)(uintptr_t)c, 3, shape, v, got);
            for (int i = 1; i < 3; i++) {
                beyond(c, c->units, c->keys, c->in, got[i], 0.0, 0);
            }
            for (int i = 0; i < 4; i++) {
                const int64_t size = stele__shape_count(&shape[i % 3]);
                for (int64_t j = 0; c->lengths == none && j < size; j++) {
                    assert_true(got[i][j] == 0.0);
                }
                if (f > 0) {
                    assert_memory_equal(got[i], expected[i], (size_t)size * sizeof **got);
                    free(got[i]);
                } else {
                    expected[i] = got[i];
                }
            }
        }
        for (int i = 0; i < 4; i++) {
            free(i < 3 ? v[i] : NULL);
            free(expected[i]);
        }
    }
}

/* --- both --- */

static void refuses(void **state)
{
    (void)state;
    const int64_t beyond_end[] = { 5 }, negative[] = { -1 };
    const int64_t *const lengths[] = { beyond_end, negative };
    const char *const message[] = { "length 0 is 5, there are 4", "length 0 is -1" };
    const stele__pass pass = { 0 };
    stele_graph *g = NULL;
    stele_shape shape[6];
    stele_tensor *in[6];
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &g), STELE_OK);
    for (int k = 0; k < 4; k++) {
        sequence_case c = k < 2 ? grus[3] : heads[5];
        c.lengths = lengths[k % 2];
        c.n_lengths = 1;
        stele__graph_begin(g, &pass);
        if (k < 2) {
            gru_shapes(&c, shape);
        } else {
            head_shapes(&c, shape);
        }
        for (int i = 0; i < (k < 2 ? 6 : 3); i++) {
            in[i] = stele__op_full(g, &shape[i], 0.5);
        }
        assert_null((k < 2 ? do_gru : do_attention)(g, in, &c));
        assert_int_equal(stele__graph_status(g), STELE_E_ARG);
        assert_non_null(strstr(stele__graph_error(g), message[k % 2]));
    }
    stele__graph_begin(g, &pass);
    gru_shapes(&grus[2], shape);
    for (int i = 0; i < 6; i++) {
        in[i] = stele__op_full(g, &shape[i], 0.5);
    }
    assert_null(stele__op_gru(g, in[0], in[4], in[1], in[2], in[3], in[4], NULL));
    assert_string_equal(stele__graph_error(g), "gru: h0 is (9), must be (3, 3)");
    stele__graph_begin(g, &pass);
    stele_tensor *q = stele__op_full(g, &STELE__SHAPE(1, 2, 3, 4), 0.5);
    stele_tensor *k = stele__op_full(g, &STELE__SHAPE(1, 2, 3, 5), 0.5);
    assert_null(stele__op_attention(g, q, k, k, NULL, 0));
    assert_int_equal(stele__graph_status(g), STELE_E_SHAPE);
    stele__graph_destroy(g);
}

/* The contract: a plugin calls any slot without asking. */
static void no_slot_is_missing(void **state)
{
    (void)state;
    typedef void (*slot)(void);
    const size_t begin = offsetof(stele_ops, status),
                 n = (sizeof(stele_ops) - begin) / sizeof(slot);
    assert_int_equal(stele__ops.struct_size, sizeof(stele_ops));
    assert_int_equal(begin + n * sizeof(slot), sizeof(stele_ops));
    for (size_t i = 0; i < n; i++) {
        slot s = NULL;
        memcpy(&s, (const char *)&stele__ops + begin + i * sizeof s, sizeof s);
        if (s == NULL) {
            fail_msg("slot %zu of stele_ops is NULL", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gru_is_its_definition),
        cmocka_unit_test(gru_derivatives),
        cmocka_unit_test(gru_padding_has_no_influence),
        cmocka_unit_test(attention_is_its_definition),
        cmocka_unit_test(attention_derivatives),
        cmocka_unit_test(attention_padding_has_no_influence),
        cmocka_unit_test(refuses),
        cmocka_unit_test(no_slot_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
