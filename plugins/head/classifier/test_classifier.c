/* head/classifier: losses and metrics by hand. */
#include "test.h"

#include "toy_specs.h"

#include <math.h>
#include <string.h>

enum { N = 4, CLASSES = 3 };
static const double logit[N * CLASSES] = { 2.0,  0.5, -1.0, 0.0, 0.0, 0.0,
                                           -1.0, 3.0, 1.0,  0.2, 0.1, 0.4 };
static const int32_t code[N] = { 0, 2, 1, 0 };

/* Of the toy's eleven rows with a batch four are x, four y and three z. */
static void open_head(toy *t, const char *options)
{
    char text[1024];
    snprintf(text, sizeof text,
             HEAD A POE TRAIN "heads: {k: {plugin: classifier, target: batch%s}}\n", options);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F64, 1);
}

static double log_softmax(int64_t r, int64_t k)
{
    double sum = 0.0;
    for (int64_t j = 0; j < CLASSES; j++) {
        sum += exp(logit[r * CLASSES + j]);
    }
    return logit[r * CLASSES + k] - log(sum);
}

/* Logits of what is learned where predictions are those above: weights, in logarithms, come on top.
 */
static double learned(int64_t r, int64_t k, const double weight[CLASSES])
{
    double sum = 0.0;
    for (int64_t j = 0; j < CLASSES; j++) {
        sum += weight[j] * exp(logit[r * CLASSES + j]);
    }
    return log(weight[k]) + logit[r * CLASSES + k] - log(sum);
}

/* What a slot gives for the rows (N) above: loss or log_prob. Within the graph of `t`. */
static const double *of_rows(toy *t,
                             stele_status (*slot)(const stele_inst *, stele_graph *, stele_tensor *,
                                                  stele_tensor *, stele_tensor **))
{
    stele__head *h = &t->model.head[0];
    const stele_shape shape = STELE__SHAPE(N, CLASSES), rows = STELE__SHAPE(N);
    stele_tensor *out = NULL;
    toy_begin(t, 0, NULL, 0, 0);
    stele__graph_enter(t->graph, &h->part.scope);
    TOY_OK(t, slot(stele__guest_inst(h->part.guest), t->graph,
                   stele__graph_dense(t->graph, STELE_F64, &shape, logit),
                   stele__graph_dense(t->graph, STELE_I32, &rows, code), &out));
    return out->data;
}

/* Cross entropy with the class's share 1 - s + s / 3 and s / 3 of the others, times its weight. */
static void check_loss(const char *options, double s, const double weight[CLASSES])
{
    toy t;
    open_head(&t, options);
    const double *loss = of_rows(&t, t.model.head[0].vt->loss);
    for (int64_t r = 0; r < N; r++) {
        double want = -(1.0 - s) * learned(r, code[r], weight);
        for (int64_t k = 0; k < CLASSES; k++) {
            want -= s / CLASSES * learned(r, k, weight);
        }
        assert_float_equal(loss[r], weight[code[r]] * want, 1e-6);
    }
    stele__graph_enter(t.graph, NULL);
    toy_close(&t);
}

static void the_loss_is_the_cross_entropy(void **state)
{
    static const double one[CLASSES] = { 1.0, 1.0, 1.0 };
    (void)state;
    check_loss("", 0.0, one);
    check_loss(", label_smoothing: 0.3", 0.3, one);
}

/* n / (classes n_class), over the training rows with a batch. */
static void rare_classes_weigh_more(void **state)
{
    static const double weight[CLASSES] = { 11.0 / 12.0, 11.0 / 12.0, 11.0 / 9.0 };
    (void)state;
    check_loss(", class_weights: balanced", 0.0, weight);
    check_loss(", class_weights: balanced, label_smoothing: 0.3", 0.3, weight);
}

/* Neither weights nor smoothing have a part in it. */
static void the_log_probability_is_that_of_the_prediction(void **state)
{
    static const char *const options[] = { "", ", class_weights: balanced, label_smoothing: 0.3" };
    (void)state;
    for (int i = 0; i < 2; i++) {
        toy t;
        open_head(&t, options[i]);
        const double *log_p = of_rows(&t, t.model.head[0].vt->log_prob);
        for (int64_t r = 0; r < N; r++) {
            assert_float_equal(log_p[r], log_softmax(r, code[r]), 1e-9);
        }
        stele__graph_enter(t.graph, NULL);
        toy_close(&t);
    }
}

/* Rows 0 and 2 are right; row 1 ties, which is the first class; row 3 is taken for the third. */
static void metrics_are_those_of_the_logits(void **state)
{
    toy t;
    float predicted[N * CLASSES];
    stele_metric metric[8];
    uint32_t n = 0;
    double entropy = 0.0, brier = 0.0, error = 0.0;
    (void)state;
    open_head(&t, "");
    for (int64_t i = 0; i < N * CLASSES; i++) {
        predicted[i] = (float)logit[i];
        entropy -= i % CLASSES == 0 ? log_softmax(i / CLASSES, code[i / CLASSES]) / N : 0.0;
        double d = exp(log_softmax(i / CLASSES, i % CLASSES)) - (code[i / CLASSES] == i % CLASSES);
        brier += d * d / N;
    }
    for (int64_t r = 0; r < N; r++) { /* what shares a bin errs to one side */
        static const int64_t best[N] = { 0, 0, 1, 2 };
        error += fabs((best[r] == code[r]) - exp(log_softmax(r, best[r]))) / N;
    }
    stele_head_scored s = { .struct_size = sizeof s,
                            .n_rows = N,
                            .n_outputs = CLASSES,
                            .predicted = predicted,
                            .code = code };
    const stele__head *h = &t.model.head[0];
    TOY_OK(&t, h->vt->score(stele__guest_inst(h->part.guest), &s, 8, metric, &n));
    assert_int_equal(n, 7);
    assert_string_equal(metric[0].name, "accuracy");
    assert_float_equal(metric[0].value, 0.5, 1e-12);
    assert_string_equal(metric[1].name, "balanced_accuracy");
    assert_float_equal(metric[1].value, (0.5 + 1.0 + 0.0) / 3.0, 1e-12);
    assert_string_equal(metric[2].name, "cross_entropy");
    assert_float_equal(metric[2].value, entropy, 1e-6);
    assert_string_equal(metric[3].name, "auroc");
    assert_float_equal(metric[3].value, (3.0 / 4.0 + 1.0 + 2.0 / 3.0) / 3.0, 1e-6);
    assert_string_equal(metric[4].name, "average_precision");
    assert_float_equal(metric[4].value, (5.0 / 6.0 + 1.0 + 1.0 / 2.0) / 3.0, 1e-6);
    assert_string_equal(metric[5].name, "brier");
    assert_float_equal(metric[5].value, brier, 1e-6);
    assert_string_equal(metric[6].name, "expected_calibration_error");
    assert_float_equal(metric[6].value, error, 1e-6);
    for (int k = 0; k < 7; k++) {
        assert_int_equal(metric[k].flags, k == 6 ? STELE_METRIC_EXCESS : 0);
    }
    toy_close(&t);
}

/* The figure of that name of rows whose classes have the probabilities p. */
static double figure(const char *name, const double *p, const int32_t *at, int rows)
{
    toy t;
    float predicted[8 * CLASSES];
    stele_metric metric[8];
    uint32_t n = 0, k = 0;
    assert_true(rows <= 8);
    open_head(&t, "");
    for (int i = 0; i < rows * CLASSES; i++) {
        predicted[i] = (float)log(p[i]);
    }
    stele_head_scored s = { .struct_size = sizeof s,
                            .n_rows = rows,
                            .n_outputs = CLASSES,
                            .predicted = predicted,
                            .code = at };
    const stele__head *h = &t.model.head[0];
    TOY_OK(&t, h->vt->score(stele__guest_inst(h->part.guest), &s, 8, metric, &n));
    while (k < n && strcmp(metric[k].name, name) != 0) {
        k++;
    }
    assert_true(k < n);
    toy_close(&t);
    return metric[k].value;
}

/* Fifteen bins of the largest probability: .68 and .72 share one and even out, as .72 and .75 do
 * not. */
static void calibration_is_judged_in_fifteen_bins(void **state)
{
    static const double p[] = { 0.68, 0.17, 0.15, 0.72, 0.08, 0.20,
                                0.75, 0.15, 0.10, 0.05, 0.10, 0.85 };
    static const int32_t at[] = { 1, 0, 2, 2 };
    (void)state;
    assert_float_equal(figure("expected_calibration_error", p, at, 2), 0.5 * 0.40, 1e-6);
    assert_float_equal(figure("expected_calibration_error", p, at, 3), (0.40 + 0.75) / 3.0, 1e-6);
    assert_float_equal(figure("expected_calibration_error", p + 3, at + 1, 2), (0.28 + 0.75) / 2.0,
                       1e-6);
    assert_float_equal(figure("expected_calibration_error", p + 6, at + 2, 2), (0.75 + 0.15) / 2.0,
                       1e-6);
}

/* The mean over the classes that occur: a third that no row has neither counts nor is missed. */
static void classes_that_do_not_occur_do_not_count(void **state)
{
    static const double p[] = { 0.7, 0.2, 0.1, 0.2, 0.7, 0.1, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8 };
    static const int32_t at[] = { 0, 1, 1, 1 };
    (void)state;
    assert_float_equal(figure("balanced_accuracy", p, at, 4), 0.5 * (1.0 + 1.0 / 3.0), 1e-12);
    assert_float_equal(figure("balanced_accuracy", p, at, 1), 1.0, 1e-12);
    assert_float_equal(figure("accuracy", p, at, 4), 0.5, 1e-12);
}

/* Rows of one class alone leave nothing to rank: precision would be 1 whatever the model says. */
static void rows_of_one_class_have_no_ranking(void **state)
{
    static const double p[] = { 0.7, 0.2, 0.1, 0.2, 0.7, 0.1, 0.6, 0.3, 0.1 };
    static const int32_t at[] = { 1, 1, 0 };
    (void)state;
    assert_true(isnan(figure("average_precision", p, at, 2)));
    assert_true(isnan(figure("auroc", p, at, 2)));
    assert_float_equal(figure("average_precision", p, at, 3), (1.0 / 2.0 + 5.0 / 6.0) / 2.0, 1e-6);
}

/* --- temperature --- */

enum { ROWS = 40 };

/* Of ten rows with the same logits the first `hits` are of the class that these favour. */
static void rows_of(double size, int hits, float *ret_predicted, int32_t *ret_code)
{
    for (int r = 0; r < ROWS; r++) {
        int best = r % CLASSES;
        for (int k = 0; k < CLASSES; k++) {
            ret_predicted[r * CLASSES + k] = (float)(k == best ? size : 0.1 * k);
        }
        ret_code[r] = r % 10 < hits ? best : (best + 1) % CLASSES;
    }
}

/* What is minimised: the cross entropy of all rows and the prior's share, by hand. Weights are not
 * divided. */
static double objective(const float *predicted, const int32_t *at, const double weight[CLASSES],
                        double temperature)
{
    double u = log(temperature) / log(2.0), sum = 0.5 * u * u;
    for (int r = 0; r < ROWS; r++) {
        double all = 0.0;
        for (int k = 0; k < CLASSES; k++) {
            double y = (double)predicted[r * CLASSES + k] + log(weight[k]);
            y = y / temperature - log(weight[k]);
            all += exp(y);
            sum -= k == at[r] ? y : 0.0;
        }
        sum += log(all);
    }
    return sum;
}

/* The temperature that calibrate() sets, of n predictions of n_distinct rows. */
static double fitted(toy *t, int64_t n, int64_t n_distinct, const float *predicted,
                     const int32_t *at)
{
    stele_head_scored s = { .struct_size = sizeof s,
                            .n_rows = n,
                            .n_distinct = n_distinct,
                            .n_outputs = CLASSES,
                            .predicted = predicted,
                            .code = at };
    stele_reader reader = stele__part_reader(&t->model.head[0].part);
    s.reader = &reader;
    TOY_OK(t, stele__model_calibrate_head(&t->model, 0, &s, NULL, &t->diag));
    return *(const double *)param(t, "heads.k.temperature")->values;
}

static void the_temperature_is_the_best_one(void **state)
{
    static const struct {
        double size;
        int hits;
        double least, most; /* sure of too much: above 1 */
    } given[] = { { 8.0, 7, 1.5, 20.0 }, { 0.5, 9, 0.05, 0.8 }, { 0.75, 5, 0.8, 1.25 } };
    static const double weights[2][CLASSES] = { { 1.0, 1.0, 1.0 }, { 0.2, 3.0, 1.5 } };
    float predicted[ROWS * CLASSES];
    int32_t at[ROWS];
    (void)state;
    for (size_t i = 0; i < 2 * sizeof given / sizeof given[0]; i++) {
        toy t;
        const double *weight = weights[i % 2];
        open_head(&t, i % 2 ? ", class_weights: balanced" : "");
        if (i % 2) {
            memcpy(param(&t, "heads.k.class_weight")->values, weight, sizeof weights[1]);
        }
        assert_true(*(const double *)param(&t, "heads.k.temperature")->values == 1.0);
        rows_of(given[i / 2].size, given[i / 2].hits, predicted, at);
        double best = fitted(&t, ROWS, ROWS, predicted, at),
               least = objective(predicted, at, weight, best);
        assert_true(i % 2 || (best > given[i / 2].least && best < given[i / 2].most));
        for (double other = 0.05; other < 20.0; other *= 1.01) {
            assert_true(objective(predicted, at, weight, other) > least - 1e-6);
        }
        toy_close(&t);
    }
}

/* Rows that come twice say no more than once: the prior weighs as much as it does then. */
static void copies_of_rows_say_nothing_new(void **state)
{
    float predicted[2 * ROWS * CLASSES];
    int32_t at[2 * ROWS];
    double best[2];
    (void)state;
    for (int copy = 0; copy < 2; copy++) {
        rows_of(8.0, 7, predicted + copy * ROWS * CLASSES, at + copy * ROWS);
    }
    for (int copies = 1; copies <= 2; copies++) {
        toy t;
        open_head(&t, "");
        best[copies - 1] = fitted(&t, copies * ROWS, ROWS, predicted, at);
        toy_close(&t);
    }
    assert_true(fabs(best[1] - best[0]) < 1e-6 * best[0]);
}

/* Predictions after it are those before, divided. */
static void logits_are_divided_by_it(void **state)
{
    static const double z[N * 2] = { 0.3, -1.0, 2.0, 0.1, -0.5, 0.7, 1.1, 1.2 };
    const stele_shape shape = STELE__SHAPE(N, 2);
    double before[N * CLASSES];
    (void)state;
    for (int divided = 0; divided < 2; divided++) {
        toy t;
        stele_tensor *y = NULL;
        open_head(&t, "");
        toy_stir(&t, 0.3);
        double *temperature = param(&t, "heads.k.temperature")->values;
        *temperature = divided ? 2.5 : 1.0;
        stele__head *h = &t.model.head[0];
        toy_begin(&t, 0, NULL, 0, 0);
        stele__graph_enter(t.graph, &h->part.scope);
        TOY_OK(&t, h->vt->predict(stele__guest_inst(h->part.guest), t.graph,
                                  stele__graph_dense(t.graph, STELE_F64, &shape, z), NULL, &y));
        for (int i = 0; i < N * CLASSES; i++) {
            double is = ((const double *)y->data)[i];
            assert_true(!divided || fabs(2.5 * is - before[i]) < 1e-12);
            before[i] = is;
        }
        stele__graph_enter(t.graph, NULL);
        toy_close(&t);
    }
}

/* They are those of the data: without the weights that training gave the classes. */
static void predictions_have_no_weights(void **state)
{
    static const double z[N * 2] = { 0.3, -1.0, 2.0, 0.1, -0.5, 0.7, 1.1, 1.2 };
    static const double weight[CLASSES] = { 0.2, 3.0, 1.5 };
    const stele_shape shape = STELE__SHAPE(N, 2);
    double plain[N * CLASSES];
    (void)state;
    for (int weighted = 0; weighted < 2; weighted++) {
        toy t;
        stele_tensor *y = NULL;
        open_head(&t, weighted ? ", class_weights: balanced" : "");
        toy_stir(&t, 0.3);
        *(double *)param(&t, "heads.k.temperature")->values = 2.5;
        if (weighted) {
            memcpy(param(&t, "heads.k.class_weight")->values, weight, sizeof weight);
        }
        stele__head *h = &t.model.head[0];
        toy_begin(&t, 0, NULL, 0, 0);
        stele__graph_enter(t.graph, &h->part.scope);
        TOY_OK(&t, h->vt->predict(stele__guest_inst(h->part.guest), t.graph,
                                  stele__graph_dense(t.graph, STELE_F64, &shape, z), NULL, &y));
        for (int i = 0; i < N * CLASSES; i++) {
            double is = ((const double *)y->data)[i];
            assert_true(!weighted || fabs(is - plain[i] + log(weight[i % CLASSES])) < 1e-12);
            plain[i] = is;
        }
        stele__graph_enter(t.graph, NULL);
        toy_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_the_cross_entropy),
        cmocka_unit_test(rare_classes_weigh_more),
        cmocka_unit_test(the_log_probability_is_that_of_the_prediction),
        cmocka_unit_test(predictions_have_no_weights),
        cmocka_unit_test(metrics_are_those_of_the_logits),
        cmocka_unit_test(calibration_is_judged_in_fifteen_bins),
        cmocka_unit_test(classes_that_do_not_occur_do_not_count),
        cmocka_unit_test(rows_of_one_class_have_no_ranking),
        cmocka_unit_test(the_temperature_is_the_best_one),
        cmocka_unit_test(copies_of_rows_say_nothing_new),
        cmocka_unit_test(logits_are_divided_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
