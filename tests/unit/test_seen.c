/* Encoders that see another measurement than the one their modality explains: which rows have both,
 * and the tree encoder of modality/morphology against the same recursion written out, one node
 * after the other. Derivatives are stele-check's. */
#include "test.h"

#include "allocations.h"
#include "model/infer.h"
#include "toy_model.h"

#include <math.h>

/* Numbers of a branch: how far its parent is before it, then features. */
enum { ROWS = 6, SHAPES = 3, BRANCHES = 5, WIDTH = 3, FEATURES = WIDTH - 1, LATENT = 2, STATE = 3 };
enum { FORK = 0, TURNED, ONE, NONE, CHAIN, BOTH = 5 };

static const char *const ids[ROWS] = { "fork", "turned", "one", "none", "chain", "no tree" };
static const double shapes[ROWS * SHAPES] = { 1, 2, 3, 4, 5, 6, 7,  8,   9,
                                              3, 1, 2, 5, 5, 5, .5, 1.5, 2.5 };
/* A stem with two branches and another stem; the same with its branches in another order; a single
 * branch; a soma alone; branches one after the other, with an entry that is missing. */
static const double trees[BOTH * BRANCHES * WIDTH] = {
    1, 10, 2,   1, -3, .5, 2, 40, 7,   4, 0,  1,  0, 0, 0, /* fork */
    1, 0,  1,   2, 10, 2,  1, 40, 7,   2, -3, .5, 0, 0, 0, /* turned */
    1, 5,  0.1, 0, 0,  0,  0, 0,  0,   0, 0,  0,  0, 0, 0, /* one */
    0, 0,  0,   0, 0,  0,  0, 0,  0,   0, 0,  0,  0, 0, 0, /* none */
    1, 1,  1,   1, 2,  2,  1, 9,  NAN, 1, -1, -2, 1, 0, 3, /* chain */
};
static const fake_axis axes[] = { { ids, ROWS }, { ids, BOTH } };

static fake_source source_of(fake_field field[2], uint32_t layout, const double *tree)
{
    field[0] =
        (fake_field){ "shapes", STELE_FIELD_MATRIX, STELE_DENSE, 0, SHAPES, shapes, .names = NULL };
    field[1] = (fake_field){ "trees", STELE_FIELD_MATRIX, layout, 1, BRANCHES * WIDTH,
                             tree,    .inner = WIDTH };
    return (fake_source){ axes, 2, field, 2 };
}

static const char spec_text[] =
    "stele: 1\n"
    "name: toy\n"
    "data: {source: simulate}\n"
    "latent: {dim: 2}\n"
    "modalities:\n"
    "  shape: {plugin: morphology, from: shapes, kind: real, decoder: {hidden: [4]},\n"
    "          encoder: {kind: tree, from: trees, state: 3, hidden: [4], activation: tanh}}\n"
    "fusion: {plugin: poe}\n";

static void open_trees(toy *t, fake_source *source, uint32_t dtype)
{
    toy_open(t, spec_text, source, NULL, 0, dtype, 2);
    toy_stir(t, 0.5);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void rows_have_both_or_neither(void **state)
{
    toy t;
    fake_field field[2];
    fake_source source = source_of(field, STELE_CSR, trees);
    (void)state;
    open_trees(&t, &source, STELE_F32);
    assert_int_equal(t.data->n_rows, ROWS);
    assert_int_equal(t.data->n_matrices, 2);
    for (int64_t r = 0; r < ROWS; r++) {
        assert_int_equal(t.data->present[2 * r], r < BOTH);
        assert_int_equal(t.data->present[2 * r + 1], r < BOTH);
    }
    assert_int_equal(t.data->matrix[0].n_present, BOTH);
    toy_begin(&t, 0, NULL, 0, 1);
    assert_int_equal(t.batch->part[0].n, BOTH);
    assert_int_equal(t.batch->part[0].seen.row_start[BOTH], 11 + 11 + 3 + 0 + 14);
    toy_close(&t);
}

static void no_row_with_both_is_refused(void **state)
{
    static const char *const others[] = { "x", "y", "z", "u", "v" };
    const fake_axis apart[] = { { ids, ROWS }, { others, BOTH } };
    fake_field field[2];
    fake_source from = source_of(field, STELE_CSR, trees);
    const stele__source source = { "n", &fake_vt, (const stele_inst *)(const void *)&from };
    const stele__matrix_request m[] = {
        { .name = "shape", .from = "shapes" },
        { .name = "shape.encoder", .from = "trees", .beside = 1 },
    };
    stele__data_request q = { &source, 1, m, 2, NULL, 0, 0, NULL };
    stele__dataset *ds = NULL;
    stele__diag diag;
    (void)state;
    from.axis = apart;
    stele__diag_init(&diag);
    assert_int_equal(stele__dataset_create(&q, &ds, &diag), STELE_E_DATA);
    assert_non_null(strstr(diag.message[0].text, "no row has both `shapes` and `trees`"));
    stele__diag_finish(&diag);
}

/* --- the tree encoder ------------------------------------------------------------------------- */

static const double *parameter(const toy *t, const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "shape.%s", name);
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        const stele__param *p = stele__params_entry(t->model.params, e);
        if (strcmp(p->name, full) == 0) {
            return p->values;
        }
    }
    fail_msg("there is no parameter %s", full);
    return NULL;
}

/* y += x w, w (n, m) */
static void add_product(int n, int m, const double *x, const double *w, double *y)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < m; j++) {
            y[j] += x[i] * w[i * m + j];
        }
    }
}

static double logistic(double v)
{
    return 1.0 / (1.0 + exp(-v));
}

typedef struct unit {
    double h[STATE], c[STATE];
} unit;

/* Tai et al. 2015, equations 2 to 8. `x` NULL: the soma. */
static void recur(const toy *t, const double *tree, int node, unit *ret)
{
    const double *x = node < 0 ? NULL : tree + node * WIDTH + 1;
    const double *centre = parameter(t, "encoder.tree.centre");
    const double *log_scale = parameter(t, "encoder.tree.log_scale");
    const double *bias = parameter(t, "encoder.tree.bias");
    double in[2 * FEATURES] = { 0 }, gate[4 * STATE] = { 0 }, sum[STATE] = { 0 };
    memset(ret, 0, sizeof *ret);
    for (int j = 0; x != NULL && j < 2 * FEATURES; j++) {
        const double v = x[j % FEATURES];
        const double seen = j < FEATURES ? v : copysign(log1p(fabs(v)), v);
        in[j] = isnan(v) ? 0.0 : (seen - centre[j]) / exp(log_scale[j]);
    }
    add_product(2 * FEATURES, 4 * STATE, in, parameter(t, "encoder.tree.weight"), gate);
    for (int k = node + 1; k < BRANCHES && tree[k * WIDTH] != 0.0; k++) {
        unit child;
        if (k - (int)tree[k * WIDTH] != node) {
            continue;
        }
        recur(t, tree, k, &child);
        double forget[STATE] = { 0 };
        add_product(STATE, STATE, child.h, parameter(t, "encoder.tree.child"), forget);
        for (int j = 0; j < STATE; j++) {
            const double f =
                forget[j] + gate[3 * STATE + j] + parameter(t, "encoder.tree.forget")[j];
            sum[j] += child.h[j];
            ret->c[j] += logistic(f) * child.c[j];
        }
    }
    add_product(STATE, 3 * STATE, sum, parameter(t, "encoder.tree.sum"), gate);
    for (int j = 0; j < STATE; j++) {
        ret->c[j] += logistic(gate[j] + bias[j]) * tanh(gate[2 * STATE + j] + bias[2 * STATE + j]);
        ret->h[j] = logistic(gate[STATE + j] + bias[STATE + j]) * tanh(ret->c[j]);
    }
}

static void expect_mean(const toy *t, const double *tree, const double *is)
{
    unit root;
    double known[2 * STATE], hidden[4], mean[LATENT];
    recur(t, tree, -1, &root);
    for (int j = 0; j < STATE; j++) {
        known[j] = root.h[j];
        known[STATE + j] = copysign(log1p(fabs(root.c[j])), root.c[j]);
    }
    memcpy(hidden, parameter(t, "encoder.layer0.bias"), sizeof hidden);
    add_product(2 * STATE, 4, known, parameter(t, "encoder.layer0.weight"), hidden);
    for (int j = 0; j < 4; j++) {
        hidden[j] = tanh(hidden[j]);
    }
    memcpy(mean, parameter(t, "mean.bias"), sizeof mean);
    add_product(4, LATENT, hidden, parameter(t, "mean.weight"), mean);
    for (int j = 0; j < LATENT; j++) {
        assert_true(fabs(is[j] - mean[j]) < 1e-12);
    }
}

/* Means of the experts of all trees that are there, in double. */
static void means_of(toy *t, double ret[BOTH * LATENT])
{
    stele__expert_set e;
    toy_begin(t, 0, NULL, 0, 1);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    memcpy(ret, e.q[0].p[0]->data, BOTH * LATENT * sizeof *ret);
}

static void states_are_those_of_the_recursion(void **state)
{
    double mean[2][BOTH * LATENT];
    (void)state;
    for (int k = 0; k < 2; k++) {
        toy t;
        fake_field field[2];
        fake_source source = source_of(field, k == 0 ? STELE_CSR : STELE_DENSE, trees);
        open_trees(&t, &source, STELE_F64);
        means_of(&t, mean[k]);
        for (int r = 0; r < BOTH; r++) {
            double row[BRANCHES * WIDTH]; /* as floats, which data are */
            for (int j = 0; j < BRANCHES * WIDTH; j++) {
                row[j] = (double)(float)trees[r * BRANCHES * WIDTH + j];
            }
            expect_mean(&t, row, mean[k] + r * LATENT);
        }
        toy_close(&t);
    }
    assert_memory_equal(mean[0], mean[1], sizeof mean[0]);
}

/* Another order of branches is the same tree. */
static void order_of_children_does_not_matter(void **state)
{
    double mean[BOTH * LATENT];
    toy t;
    fake_field field[2];
    fake_source source = source_of(field, STELE_CSR, trees);
    (void)state;
    open_trees(&t, &source, STELE_F64);
    means_of(&t, mean);
    for (int j = 0; j < LATENT; j++) {
        assert_true(fabs(mean[FORK * LATENT + j] - mean[TURNED * LATENT + j]) < 1e-14);
        assert_true(fabs(mean[FORK * LATENT + j] - mean[ONE * LATENT + j]) > 1e-3);
        assert_true(fabs(mean[NONE * LATENT + j] - mean[ONE * LATENT + j]) > 1e-3);
    }
    toy_close(&t);
}

/* Mean and standard deviation of the branches' features, what is missing left out. */
static void features_are_standardised(void **state)
{
    toy t;
    fake_field field[2];
    fake_source source = source_of(field, STELE_CSR, trees);
    double n = 0.0, sum = 0.0, squares = 0.0;
    (void)state;
    open_trees(&t, &source, STELE_F64);
    for (int k = 0; k < BOTH * BRANCHES; k++) {
        const double v = (double)(float)trees[k * WIDTH + 2];
        if (trees[k * WIDTH] != 0.0 && !isnan(v)) {
            n += 1.0;
            sum += v;
            squares += v * v;
        }
    }
    const double mean = sum / n, variance = squares / n - mean * mean;
    assert_true(fabs(parameter(&t, "encoder.tree.centre")[1] - mean) < 1e-12);
    assert_true(fabs(parameter(&t, "encoder.tree.log_scale")[1] - 0.5 * log(variance)) < 1e-12);
    toy_close(&t);
}

/* Trees of all sizes in every pass, whatever the plugin needs for them. */
static void passes_allocate_nothing(void **state)
{
    static const double ones[BOTH * LATENT] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    uint64_t before = 0;
    toy t;
    fake_field field[2];
    fake_source source = source_of(field, STELE_CSR, trees);
    (void)state;
    if (!bench_allocations_counted()) {
        skip();
    }
    open_trees(&t, &source, STELE_F64);
    for (int k = 0; k < 6; k++) {
        stele__expert_set e;
        before = k == 3 ? bench_allocations() : before;
        toy_begin(&t, 0, NULL, 0, (uint64_t)k);
        TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
        const void *gradient = ones;
        TOY_OK(&t, stele__graph_backward_from(t.graph, 1, &e.q[0].p[0], &gradient));
        stele__params_end_gradient(t.model.params);
    }
    assert_int_equal(bench_allocations(), before);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_both_or_neither),
        cmocka_unit_test(no_row_with_both_is_refused),
        cmocka_unit_test(states_are_those_of_the_recursion),
        cmocka_unit_test(order_of_children_does_not_matter),
        cmocka_unit_test(features_are_standardised),
        cmocka_unit_test(passes_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
