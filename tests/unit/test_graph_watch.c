/* Units of a layer that are never above 0, whatever stands between its weights and the relu. */
#include "test.h"

#include "graph/ops.h"
#include "graph/params.h"
#include "graph/watch.h"

#include <string.h>

enum { ROWS = 3, IN = 2, UNITS = 4 };

static const stele_ops *const ops = &stele__ops;
/* Unit 0 is above 0 in the first row alone, unit 1 in the last, units 2 and 3 never are. */
static const double first[ROWS * IN] = { 1, 0, 0, 0, -1, 0 };
static const double weights[IN * UNITS] = { 1, -1, 0, 0, 0, 0, -1, -2 };

typedef struct fixture {
    stele__params *params;
    uint32_t w;
    stele_graph *g;
    stele__watch watch;
} fixture;

static void open_fixture(fixture *f)
{
    const stele__declaration d = { .name = "m.layer0.weight",
                                   .shape = STELE__SHAPE(IN, UNITS),
                                   .kind = STELE__TRAINED,
                                   .init = STELE_INIT_NORMAL,
                                   .scale = 1 };
    memset(f, 0, sizeof *f);
    assert_int_equal(stele__params_create(STELE_F64, &f->params), STELE_OK);
    assert_int_equal(stele__params_declare(f->params, &d, &f->w, NULL), STELE_OK);
    assert_int_equal(stele__params_finalize(f->params, 3, 1, NULL), STELE_OK);
    memcpy(stele__params_entry(f->params, f->w)->values, weights, sizeof weights);
    assert_int_equal(stele__graph_create(NULL, STELE_F64, &f->g), STELE_OK);
    stele__graph_watch(f->g, &f->watch);
}

static void close_fixture(fixture *f)
{
    stele__watch_finish(&f->watch);
    stele__graph_destroy(f->g);
    stele__params_destroy(f->params);
}

enum { PLAIN = 0, COVARIATES, NORM, SQUARED };

/* relu of a linear map of n rows from `row` on. */
static void pass(fixture *f, int how, int row, int n)
{
    const stele__pass none = { 0 };
    const stele_shape shape = STELE__SHAPE(n, IN), each = STELE__SHAPE(n, UNITS);
    stele__graph_begin(f->g, &none);
    stele_tensor *x = stele__graph_dense(f->g, STELE_F64, &shape, first + row * IN);
    x = ops->linear(f->g, x, stele__graph_param(f->g, f->params, f->w), NULL);
    if (how == COVARIATES) {
        x = ops->add(f->g, ops->full(f->g, &each, 0.0), x);
    } else if (how == NORM) {
        x = ops->layer_norm(f->g, x, NULL, NULL, 1e-5);
    } else if (how == SQUARED) {
        x = ops->square(f->g, x);
    }
    assert_non_null(ops->relu(f->g, x));
}

static void units_are_counted_over_passes(void **state)
{
    (void)state;
    for (int how = PLAIN; how <= COVARIATES; how++) {
        fixture f;
        open_fixture(&f);
        pass(&f, how, 0, 2);
        assert_int_equal(f.watch.n, 1);
        assert_string_equal(f.watch.layer[0].weight->name, "m.layer0.weight");
        assert_int_equal(f.watch.layer[0].n, UNITS);
        assert_int_equal(stele__watched_silent(&f.watch.layer[0]), 3);
        pass(&f, how, 2, 1);
        assert_int_equal(f.watch.n, 1);
        assert_int_equal(stele__watched_silent(&f.watch.layer[0]), 2);
        close_fixture(&f);
    }
}

static void a_norm_belongs_to_its_layer(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    pass(&f, NORM, 0, ROWS); /* 1 -1 0 0 and -1 1 0 0 keep their signs, zeros stay at 0 */
    assert_int_equal(f.watch.n, 1);
    assert_int_equal(stele__watched_silent(&f.watch.layer[0]), 2);
    close_fixture(&f);
}

static void what_else_enters_a_relu_is_no_layer(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    pass(&f, SQUARED, 0, ROWS);
    assert_int_equal(f.watch.n, 0);
    stele__graph_watch(f.g, NULL);
    pass(&f, PLAIN, 0, ROWS);
    assert_int_equal(f.watch.n, 0);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_counted_over_passes),
        cmocka_unit_test(a_norm_belongs_to_its_layer),
        cmocka_unit_test(what_else_enters_a_relu_is_no_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
