/* The optimiser's step within a pass: who may take it, that it is the step after the pass to the
 * last bit, and that a parameter that was stepped is not used again. */
#include "test.h"

#include "graph/ops.h"
#include "graph/params.h"
#include "graph/step.h"

#include <string.h>

enum { ROWS = 5, FEATURES = 40, WIDTH = 7, N_ENTRIES = 11 };

static const stele_ops *const ops = &stele__ops;
static const int64_t row_start[ROWS + 1] = { 0, 3, 3, 5, 9, N_ENTRIES };
static const int32_t column[N_ENTRIES] = { 0, 3, 39, 3, 5, 0, 1, 2, 38, 3, 4 };
static const float value[N_ENTRIES] = { 1, -2, 3, 0.5F, 4, -1, 2, 2, 0.25F, 1, 8 };

typedef struct fixture {
    stele__params *params;
    uint32_t wide, bias;
    stele_graph *g;
    stele__step_within within;
} fixture;

static void open_fixture(fixture *f, uint32_t group_of_step)
{
    const stele_shape shape = STELE__SHAPE(FEATURES, WIDTH), narrow = STELE__SHAPE(WIDTH);
    stele__declaration d = {
        .name = "wide", .shape = shape, .kind = STELE__TRAINED, .init = STELE_INIT_NORMAL
    };
    memset(f, 0, sizeof *f);
    d.scale = 0.5;
    d.decay = 3.0;
    assert_int_equal(stele__params_create(STELE_F32, &f->params), STELE_OK);
    assert_int_equal(stele__params_declare(f->params, &d, &f->wide, NULL), STELE_OK);
    d.name = "bias";
    d.shape = narrow;
    assert_int_equal(stele__params_declare(f->params, &d, &f->bias, NULL), STELE_OK);
    assert_int_equal(stele__params_finalize(f->params, 3, 1, NULL), STELE_OK);
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &f->g), STELE_OK);
    f->within = (stele__step_within){ .opt = { .lr = 0.01,
                                               .beta1 = 0.9,
                                               .beta2 = 0.999,
                                               .eps = 1e-8,
                                               .grad_scale = 1.0,
                                               .step = 1 },
                                      .weight_decay = 0.1,
                                      .group = group_of_step };
}

static void close_fixture(fixture *f)
{
    stele__graph_destroy(f->g);
    stele__params_destroy(f->params);
}

/* sum(tanh(x W + b)) for the sparse x; with `tied`, W is used once more. */
static stele_tensor *loss_of(fixture *f, int within, int tied)
{
    stele__pass pass = { .record = 1, .step_within = within ? &f->within : NULL };
    stele__graph_begin(f->g, &pass);
    stele__params_begin_gradient(f->params);
    stele_tensor *x = stele__graph_csr(f->g, STELE_F32, ROWS, FEATURES, row_start, column, value);
    stele_tensor *w = stele__graph_param(f->g, f->params, f->wide);
    stele_tensor *y = ops->linear(f->g, x, w, stele__graph_param(f->g, f->params, f->bias));
    stele_tensor *loss = ops->sum(f->g, ops->tanh(f->g, y), STELE_ALL_AXES, 0);
    if (tied) {
        loss = ops->add(f->g, loss, ops->sum(f->g, ops->square(f->g, w), STELE_ALL_AXES, 0));
    }
    return loss;
}

static const stele__param *wide(const fixture *f)
{
    return stele__params_entry(f->params, f->wide);
}

static void a_step_within_is_a_step_after(void **state)
{
    (void)state;
    fixture a, b;
    open_fixture(&a, 0);
    open_fixture(&b, 0);
    assert_int_equal(stele__graph_backward(a.g, loss_of(&a, 1, 0)), STELE_OK);
    assert_int_equal(stele__graph_backward(b.g, loss_of(&b, 0, 0)), STELE_OK);
    const stele__param *p = wide(&a), *q = wide(&b);
    assert_int_equal(p->has_gradient, STELE__STEPPED);
    assert_int_equal(q->has_gradient, STELE__MEASURED);
    assert_true(p->squares == q->squares && p->squares > 0.0);
    const stele__adamw_segment segment = { .end = (size_t)q->n,
                                           .weight_decay = 3.0 * 0.1,
                                           .lr_scale = 1.0 };
    stele__adamw_step_f32(NULL, &b.within.opt, &segment, 1, q->values, q->gradient, q->moment[0],
                          q->moment[1]);
    size_t bytes = (size_t)p->n * sizeof(float);
    assert_memory_equal(p->values, q->values, bytes);
    assert_memory_equal(p->moment[0], q->moment[0], bytes);
    assert_memory_equal(p->moment[1], q->moment[1], bytes);
    close_fixture(&a);
    close_fixture(&b);
}

/* Whether the wide layer keeps its values and gets a derivative instead. */
static void assert_not_stepped(fixture *f, int tied)
{
    float before[FEATURES * WIDTH];
    memcpy(before, wide(f)->values, sizeof before);
    assert_int_equal(stele__graph_backward(f->g, loss_of(f, 1, tied)), STELE_OK);
    assert_int_not_equal(wide(f)->has_gradient, STELE__STEPPED);
    assert_int_not_equal(wide(f)->has_gradient, 0);
    assert_memory_equal(before, wide(f)->values, sizeof before);
}

static void parameters_used_twice_or_of_other_groups_are_left_alone(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, 0);
    assert_not_stepped(&f, 1);
    close_fixture(&f);
    open_fixture(&f, 1);
    assert_not_stepped(&f, 0);
    close_fixture(&f);
}

static void a_stepped_parameter_is_not_used_again(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, 0);
    assert_int_equal(stele__graph_backward(f.g, loss_of(&f, 1, 0)), STELE_OK);
    assert_null(stele__graph_param(f.g, f.params, f.wide));
    assert_int_equal(stele__graph_status(f.g), STELE_E_STATE);
    assert_non_null(strstr(stele__graph_error(f.g), "wide"));
    /* The next pass starts afresh, whether it trains or not. */
    const stele__pass evaluation = { 0 };
    stele__graph_begin(f.g, &evaluation);
    assert_non_null(stele__graph_param(f.g, f.params, f.wide));
    assert_non_null(stele__graph_param(f.g, f.params, f.wide));
    close_fixture(&f);
}

/* Derivative, values and moments never meet at the same place of a page. */
static void buffers_do_not_alias(void **state)
{
    (void)state;
    fixture f;
    stele__stepping s;
    _Alignas(64) static char room[2 * STELE__ALIAS_PAGE];
    open_fixture(&f, 0);
    stele_tensor *loss = loss_of(&f, 1, 0);
    assert_non_null(loss);
    assert_int_equal(stele__step_begin(f.g, stele__graph_param(f.g, f.params, f.wide), 1, &s), 1);
    char *place = stele__step_place(&s, 0, room);
    assert_true(place >= room && place < room + STELE__ALIAS_PAGE);
    const uintptr_t at[] = { (uintptr_t)s.w, (uintptr_t)s.m, (uintptr_t)s.v, (uintptr_t)place };
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            size_t apart = (at[i] - at[j]) % STELE__ALIAS_PAGE;
            assert_true(apart >= 512 && apart <= STELE__ALIAS_PAGE - 512);
        }
    }
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_within_is_a_step_after),
        cmocka_unit_test(parameters_used_twice_or_of_other_groups_are_left_alone),
        cmocka_unit_test(a_stepped_parameter_is_not_used_again),
        cmocka_unit_test(buffers_do_not_alias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
