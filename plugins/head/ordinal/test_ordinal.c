/* head/ordinal: probabilities by the plain definition, and thresholds from frequencies. */
#include "test.h"

#include "toy_specs.h"

#include <math.h>
#include <string.h>

enum { N = 2, CLASSES = 3 };

static void open_head(toy *t, const char *options)
{
    char text[1024];
    snprintf(text, sizeof text, HEAD A POE TRAIN "heads: {k: {plugin: ordinal, target: batch%s}}\n",
             options);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F64, 1);
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Of z (N, 2), log-probabilities (N, CLASSES). */
static void predict(toy *t, const double *z, double *ret)
{
    const stele__head *h = &t->model.head[0];
    const stele_shape shape = STELE__SHAPE(N, 2);
    stele_tensor *y = NULL;
    toy_begin(t, 0, NULL, 0, 0);
    stele__graph_enter(t->graph, &h->part.scope);
    TOY_OK(t, h->vt->predict(stele__guest_inst(h->part.guest), t->graph,
                             stele__graph_dense(t->graph, STELE_F64, &shape, z), NULL, &y));
    stele__graph_enter(t->graph, NULL);
    assert_int_equal(y->n, N * CLASSES);
    memcpy(ret, y->data, N * CLASSES * sizeof *ret);
}

/* Differences of sigmoids, whose logarithms are taken without cancellation. */
static void probabilities_are_those_of_proportional_odds(void **state)
{
    (void)state;
    static const double z[N * 2] = { 0.4, -1.0, -3.0, 1.0 };
    toy t;
    double is[N * CLASSES];
    open_head(&t, "");
    double *weight = param(&t, "heads.k.output.weight")->values;
    weight[0] = 0.25;
    weight[1] = -2.0;
    ((double *)param(&t, "heads.k.output.bias")->values)[0] = 0.5;
    ((double *)param(&t, "heads.k.threshold.first")->values)[0] = -0.7;
    ((double *)param(&t, "heads.k.threshold.raw_gap")->values)[0] = 0.2;
    predict(&t, z, is);
    for (int r = 0; r < N; r++) {
        double f = 0.25 * z[2 * r] - 2.0 * z[2 * r + 1] + 0.5;
        double first = sigmoid(-0.7 - f), second = sigmoid(-0.7 + log1p(exp(0.2)) + 1e-3 - f);
        assert_float_equal(is[CLASSES * r], log(first), 1e-12);
        assert_float_equal(is[CLASSES * r + 1], log(second - first), 1e-12);
        assert_float_equal(is[CLASSES * r + 2], log(1.0 - second), 1e-12);
    }
    toy_close(&t);
}

/* Four rows are x, four y and three z: with f = 0 the probabilities are the shares of 4.5, 4.5 and
 * 3.5. */
static void thresholds_start_at_the_frequencies(void **state)
{
    (void)state;
    static const double z[N * 2] = { 0 };
    toy t;
    double is[N * CLASSES];
    open_head(&t, "");
    memset(param(&t, "heads.k.output.bias")->values, 0, sizeof(double));
    predict(&t, z, is);
    assert_float_equal(exp(is[0]), 4.5 / 12.5, 1e-9);
    assert_float_equal(exp(is[1]), 4.5 / 12.5, 1e-9);
    assert_float_equal(exp(is[2]), 3.5 / 12.5, 1e-9);
    toy_close(&t);
}

/* In the order of the spec, not in that of the data. */
static void classes_have_the_order_of_the_spec(void **state)
{
    (void)state;
    static const double z[N * 2] = { 0 };
    toy t;
    double is[N * CLASSES];
    open_head(&t, ", classes: [z, x, y]");
    memset(param(&t, "heads.k.output.bias")->values, 0, sizeof(double));
    predict(&t, z, is);
    assert_float_equal(exp(is[0]), 3.5 / 12.5, 1e-9);
    assert_float_equal(exp(is[2]), 4.5 / 12.5, 1e-9);
    toy_close(&t);
}

static void metrics_count_steps(void **state)
{
    (void)state;
    static const float y[4 * CLASSES] = { -0.1f, -3.0f, -3.0f, -3.0f, -0.1f, -3.0f,
                                          -3.0f, -3.0f, -0.1f, -0.1f, -3.0f, -3.0f };
    static const int32_t code[4] = { 0, 0, 0, 2 };
    toy t;
    stele_metric metric[16];
    uint32_t n = 0;
    open_head(&t, "");
    stele_head_scored s = {
        .struct_size = sizeof s, .n_rows = 4, .n_outputs = CLASSES, .predicted = y, .code = code
    };
    const stele__head *h = &t.model.head[0];
    TOY_OK(&t, h->vt->score(stele__guest_inst(h->part.guest), &s, 16, metric, &n));
    assert_int_equal(n, 8);
    assert_float_equal(metric[0].value, 0.25, 1e-12);
    assert_string_equal(metric[3].name, "steps_off");
    assert_float_equal(metric[3].value, (0.0 + 1.0 + 2.0 + 2.0) / 4.0, 1e-12);
    toy_close(&t);
}

/* Of rows that are all one class off it is 1, to the bit: steps are counted before they are
 * divided.
 */
static void steps_are_whole(void **state)
{
    (void)state;
    enum { ROWS = 10 };
    float y[ROWS * CLASSES];
    int32_t code[ROWS];
    toy t;
    stele_metric metric[16];
    uint32_t n = 0;
    open_head(&t, "");
    for (int r = 0; r < ROWS; r++) {
        code[r] = r % 2 == 0 ? 2 : 0;
        for (int k = 0; k < CLASSES; k++) {
            y[r * CLASSES + k] = k == 1 ? -0.1f : -3.0f;
        }
    }
    stele_head_scored s = {
        .struct_size = sizeof s, .n_rows = ROWS, .n_outputs = CLASSES, .predicted = y, .code = code
    };
    const stele__head *h = &t.model.head[0];
    TOY_OK(&t, h->vt->score(stele__guest_inst(h->part.guest), &s, 16, metric, &n));
    assert_string_equal(metric[3].name, "steps_off");
    assert_true(metric[3].value == 1.0);
    toy_close(&t);
}

/* Probabilities of the form above are those of what is learned; those of the data are as much
 * smaller as the class weighs more. */
static void predictions_have_no_weights(void **state)
{
    (void)state;
    static const double z[N * 2] = { 0.4, -1.0, -3.0, 1.0 };
    static const double weight[CLASSES] = { 0.2, 3.0, 1.5 };
    double plain[N * CLASSES], is[N * CLASSES];
    toy t;
    open_head(&t, ", class_weights: balanced");
    double *kept = param(&t, "heads.k.class_weight")->values;
    for (int k = 0; k < CLASSES; k++) {
        kept[k] = 1.0;
    }
    predict(&t, z, plain);
    memcpy(kept, weight, sizeof weight);
    predict(&t, z, is);
    for (int i = 0; i < N * CLASSES; i++) {
        assert_float_equal(is[i], plain[i] - log(weight[i % CLASSES]), 1e-12);
    }
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_proportional_odds),
        cmocka_unit_test(thresholds_start_at_the_frequencies),
        cmocka_unit_test(classes_have_the_order_of_the_spec),
        cmocka_unit_test(metrics_count_steps),
        cmocka_unit_test(steps_are_whole),
        cmocka_unit_test(predictions_have_no_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
