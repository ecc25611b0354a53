/* head/adversary: what reaches z, its own steps, and its figures. */
#include "test.h"

#include "toy_specs.h"

#include "model/head.h"

#include <math.h>

enum { CLASSES = 3, MOST = 512 };

static void open_head(toy *t, const char *options)
{
    char text[1024];
    snprintf(text, sizeof text, HEAD A POE TRAIN "heads: {k: {target: batch, %s}}\n", options);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F64, 1);
    toy_stir(t, 0.3);
}

/* Derivatives of the head's loss alone towards z, for all rows with a target; the loss. */
static double derivatives(toy *t, double *ret, int64_t *ret_n)
{
    stele__expert_set e;
    stele__draws draws[2];
    stele__head_loss one;
    uint32_t n = 0;
    const stele__head *h = &t->model.head[0];
    toy_begin(t, 1, NULL, 0, 0);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    TOY_OK(t, stele__draw(&t->model, t->graph, &e, UINT64_MAX, 0, 1, draws, &n));
    assert_int_equal(n, 1);
    TOY_OK(t, stele__head_loss_of(&t->model, t->graph, t->batch, 0, draws, n,
                                  h->traits.gradient_scale, &one));
    TOY_OK(t, stele__graph_backward(t->graph, one.mean));
    *ret_n = draws[0].z->n;
    assert_true(*ret_n <= MOST);
    for (int64_t i = 0; i < *ret_n; i++) {
        ret[i] = ((const double *)draws[0].z->gradient)[i];
    }
    return one.sum;
}

/* The same parameters as a classifier's: the same loss, and what reaches z has the other sign. */
static void z_goes_against_the_loss(void **state)
{
    (void)state;
    static double is[MOST], want[MOST];
    toy t, u;
    int64_t n = 0, m = 0;
    open_head(&t, "plugin: adversary, latent: sample, hidden: [4], activation: tanh");
    open_head(&u, "plugin: classifier, hidden: [4], activation: tanh");
    assert_true(fabs(derivatives(&t, is, &n) - derivatives(&u, want, &m)) < 1e-12);
    assert_int_equal(n, m);
    double size = 0.0;
    for (int64_t i = 0; i < n; i++) {
        assert_float_equal(is[i], -want[i], 1e-12);
        size += fabs(want[i]);
    }
    assert_true(size > 1e-3);
    toy_close(&t);
    toy_close(&u);
}

/* Then draws say nothing: whatever the noise, the loss is the same. */
static void the_mean_is_what_it_is_shown(void **state)
{
    (void)state;
    toy t;
    stele__head_loss loss[2];
    open_head(&t, "plugin: adversary");
    assert_true(t.model.head[0].traits.at_mean == 1);
    for (uint32_t i = 0; i < 2; i++) {
        stele__expert_set e;
        stele__draws draws[2];
        uint32_t n = 0;
        toy_begin(&t, 0, NULL, 0, 0);
        TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
        TOY_OK(&t, stele__draw(&t.model, t.graph, &e, UINT64_MAX, i, 1, draws, &n));
        TOY_OK(&t, stele__head_loss_of(&t.model, t.graph, t.batch, 0, draws, n, 1.0, &loss[i]));
    }
    assert_float_equal(loss[0].sum, loss[1].sum, 0.0);
    assert_true(loss[0].sum > 0.0);
    toy_close(&t);
}

static void traits_are_those_of_the_options(void **state)
{
    (void)state;
    toy t;
    open_head(&t, "plugin: adversary, learning_rate: 3");
    assert_true(t.model.head[0].traits.own_step == 1);
    assert_float_equal(t.model.head[0].traits.gradient_scale, -1.0, 0.0);
    assert_float_equal(t.model.head[0].traits.step_rate, 3.0, 0.0);
    assert_int_equal(param(&t, "heads.k.logits.weight")->group, STELE__GROUP_HEADS);
    toy_close(&t);
    open_head(&t, "plugin: adversary, update: reversal");
    assert_true(t.model.head[0].traits.own_step == 0);
    assert_int_equal(param(&t, "heads.k.logits.weight")->group, STELE__GROUP_MODEL);
    toy_close(&t);
}

/* Two of four rows are right; the most frequent class has half of them. */
static void metrics_by_hand(void **state)
{
    (void)state;
    static const float logit[] = { 2.0f,  0.5f, -1.0f, 0.0f, 0.0f, 0.0f,
                                   -1.0f, 3.0f, 1.0f,  0.2f, 0.1f, 0.4f };
    static const int32_t code[] = { 0, 2, 1, 0 };
    toy t;
    stele_metric metric[8];
    uint32_t n = 0;
    open_head(&t, "plugin: adversary");
    stele_head_scored s = {
        .struct_size = sizeof s, .n_rows = 4, .n_outputs = CLASSES, .predicted = logit, .code = code
    };
    const stele__head *h = &t.model.head[0];
    TOY_OK(&t, h->vt->score(stele__guest_inst(h->part.guest), &s, 8, metric, &n));
    assert_int_equal(n, 4);
    assert_string_equal(metric[0].name, "accuracy");
    assert_float_equal(metric[0].value, 0.5, 1e-12);
    assert_string_equal(metric[3].name, "chance");
    assert_float_equal(metric[3].value, 0.5, 1e-12);
    assert_int_equal(metric[3].higher_is_better, STELE_METRIC_NEITHER);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(z_goes_against_the_loss),
        cmocka_unit_test(the_mean_is_what_it_is_shown),
        cmocka_unit_test(traits_are_those_of_the_options),
        cmocka_unit_test(metrics_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
