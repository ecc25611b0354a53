/* head/regressor: losses in the standardised unit, predictions and metrics in the target's own. */
#include "test.h"

#include "toy_specs.h"

#include <math.h>

enum { N = 4 };

static void open_head(toy *t, const char *options)
{
    char text[1024];
    snprintf(text, sizeof text, HEAD A POE TRAIN "heads: {k: {plugin: regressor, target: age%s}}\n",
             options);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F64, 1);
}

static double buffer(toy *t, const char *name)
{
    return ((const double *)param(t, name)->values)[0];
}

/* Mean and standard deviation are those of the rows that have a value. */
static void targets_are_standardised(void **state)
{
    toy t;
    double n = 0.0, mean = 0.0, squares = 0.0;
    (void)state;
    open_head(&t, "");
    for (int r = 0; r < TOY_ROWS; r++) {
        if (!isnan(toy_age[r])) {
            n += 1.0;
            mean += toy_age[r];
        }
    }
    mean /= n;
    for (int r = 0; r < TOY_ROWS; r++) {
        squares += isnan(toy_age[r]) ? 0.0 : (toy_age[r] - mean) * (toy_age[r] - mean);
    }
    assert_true(n > 2.0 && n < TOY_ROWS);
    assert_float_equal(buffer(&t, "heads.k.target_mean"), mean, 1e-12);
    assert_float_equal(buffer(&t, "heads.k.target_sd"), sqrt(squares / n), 1e-12);
    toy_close(&t);
}

static const double target[N] = { 31.0, 45.5, 12.0, 40.0 };
static const double mean_of[N] = { 30.0, 52.0, 12.5, -60.0 }, sd_of[N] = { 2.0, 5.0, 0.4, 30.0 };

static double gaussian(double e, double sd)
{
    return 0.5 * e * e / (sd * sd) + log(sd) + 0.5 * log(2.0 * acos(-1.0));
}

static double huber(double e, double delta)
{
    return fabs(e) < delta ? 0.5 * e * e : delta * (fabs(e) - 0.5 * delta);
}

static void check_loss(const char *options, int outputs, double delta)
{
    toy t;
    open_head(&t, options);
    stele__head *h = &t.model.head[0];
    const stele_shape shape = STELE__SHAPE(N, outputs), rows = STELE__SHAPE(N);
    double y[2 * N], scale = buffer(&t, "heads.k.target_sd");
    stele_tensor *loss = NULL;
    for (int r = 0; r < N; r++) {
        y[r * outputs] = mean_of[r];
        y[r * outputs + outputs - 1] = outputs == 2 ? sd_of[r] : mean_of[r];
    }
    toy_begin(&t, 0, NULL, 0, 0);
    stele__graph_enter(t.graph, &h->part.scope);
    TOY_OK(&t, h->vt->loss(stele__guest_inst(h->part.guest), t.graph,
                           stele__graph_dense(t.graph, STELE_F64, &shape, y),
                           stele__graph_dense(t.graph, STELE_F64, &rows, target), &loss));
    for (int r = 0; r < N; r++) {
        double e = (target[r] - mean_of[r]) / scale;
        double want = outputs == 2 ? gaussian(e, sd_of[r] / scale) : huber(e, delta);
        assert_float_equal(((const double *)loss->data)[r], want, 1e-12);
    }
    stele__graph_enter(t.graph, NULL);
    toy_close(&t);
}

static void losses_by_hand(void **state)
{
    (void)state;
    check_loss("", 2, 0.0);
    check_loss(", variance: row", 2, 0.0);
    check_loss(", loss: huber", 1, 1.0);
    check_loss(", loss: huber, delta: 0.05", 1, 0.05);
}

/* With weights of zero the prediction is the mean of the targets, and the start of the standard
 * deviation about theirs. */
static void predictions_are_in_the_unit_of_the_target(void **state)
{
    (void)state;
    toy t;
    open_head(&t, ", least_sd: 0.25");
    stele__head *h = &t.model.head[0];
    const double z[2 * N] = { 0.4, -1.0, 2.0, 0.3, 0.1, 0.0, -3.0, 1.0 };
    const stele_shape shape = STELE__SHAPE(N, 2);
    double *weight = param(&t, "heads.k.output.weight")->values, scale, location;
    stele_tensor *y = NULL;
    ((double *)param(&t, "heads.k.output.bias")->values)[0] = 0.5;
    weight[0] = 0.25;
    weight[1] = -2.0;
    scale = buffer(&t, "heads.k.target_sd");
    location = buffer(&t, "heads.k.target_mean");
    toy_begin(&t, 0, NULL, 0, 0);
    stele__graph_enter(t.graph, &h->part.scope);
    TOY_OK(&t, h->vt->predict(stele__guest_inst(h->part.guest), t.graph,
                              stele__graph_dense(t.graph, STELE_F64, &shape, z), NULL, &y));
    for (int r = 0; r < N; r++) {
        double m = 0.25 * z[2 * r] - 2.0 * z[2 * r + 1] + 0.5;
        assert_float_equal(((const double *)y->data)[2 * r], location + scale * m, 1e-12);
        assert_float_equal(((const double *)y->data)[2 * r + 1], scale * (0.25 + 1.0), 1e-12);
    }
    stele__graph_enter(t.graph, NULL);
    toy_close(&t);
}

static void metrics_by_hand(void **state)
{
    (void)state;
    toy t;
    float predicted[2 * N];
    stele_metric metric[8];
    uint32_t n = 0;
    double mae = 0.0, squares = 0.0, total = 0.0, nats = 0.0;
    open_head(&t, "");
    for (int r = 0; r < N; r++) {
        double e = target[r] - mean_of[r], d = target[r] - (31.0 + 45.5 + 12.0 + 40.0) / N;
        predicted[2 * r] = (float)mean_of[r];
        predicted[2 * r + 1] = (float)sd_of[r];
        mae += fabs(e) / N;
        squares += e * e;
        total += d * d;
        nats += gaussian(e, sd_of[r]) / N;
    }
    stele_head_scored s = { .struct_size = sizeof s,
                            .n_rows = N,
                            .n_outputs = 2,
                            .predicted = predicted,
                            .number = target };
    const stele__head *h = &t.model.head[0];
    TOY_OK(&t, h->vt->score(stele__guest_inst(h->part.guest), &s, 8, metric, &n));
    assert_int_equal(n, 5);
    assert_float_equal(metric[0].value, mae, 1e-6);
    assert_float_equal(metric[1].value, sqrt(squares / N), 1e-6);
    assert_float_equal(metric[2].value, 1.0 - squares / total, 1e-6);
    assert_float_equal(metric[3].value, 0.75, 1e-12); /* the last is 3.3 standard deviations off */
    assert_float_equal(metric[4].value, nats, 1e-6);
    assert_string_equal(metric[3].name, "coverage_90");
    toy_close(&t);
}

/* The mean of ten times 0.1 is not 0.1, and what is left of its square is no variance. */
static void equal_targets_explain_nothing(void **state)
{
    enum { SAME = 10 };
    float predicted[2 * SAME];
    double same[SAME];
    toy t;
    stele_metric metric[8];
    uint32_t n = 0;
    (void)state;
    for (int r = 0; r < SAME; r++) {
        predicted[2 * r] = 0.2F;
        predicted[2 * r + 1] = 1.0F;
        same[r] = 0.1;
    }
    open_head(&t, "");
    stele_head_scored s = { .struct_size = sizeof s,
                            .n_rows = SAME,
                            .n_outputs = 2,
                            .predicted = predicted,
                            .number = same };
    const stele__head *h = &t.model.head[0];
    TOY_OK(&t, h->vt->score(stele__guest_inst(h->part.guest), &s, 8, metric, &n));
    assert_string_equal(metric[2].name, "r2");
    assert_true(isnan(metric[2].value));
    toy_close(&t);
}

/* With q the mean of squared errors over predicted variances, the factor k solves
 * N (1 - q / k^2) + log(k) / log(2)^2 = 0. */
static void a_factor_corrects_the_standard_deviation(void **state)
{
    static const double error[] = { 3.0, 1.0, 0.1 }; /* in predicted standard deviations */
    (void)state;
    for (int i = 0; i < 3; i++) {
        toy t;
        float predicted[2 * N];
        double number[N];
        open_head(&t, "");
        for (int r = 0; r < N; r++) {
            predicted[2 * r] = (float)mean_of[r];
            predicted[2 * r + 1] = (float)sd_of[r];
            number[r] = mean_of[r] + (r % 2 ? 1.0 : -1.0) * error[i] * sd_of[r];
        }
        stele_head_scored s = { .struct_size = sizeof s,
                                .n_rows = N,
                                .n_outputs = 2,
                                .predicted = predicted,
                                .number = number };
        TOY_OK(&t, stele__model_calibrate_head(&t.model, 0, &s, NULL, &t.diag));
        double k = buffer(&t, "heads.k.sd_factor");
        double slope = N * (1.0 - error[i] * error[i] / (k * k)) + log(k) / (log(2.0) * log(2.0));
        assert_true(fabs(slope) < 1e-3);
        assert_true(i == 0 ? k > 2.0 : i == 1 ? fabs(k - 1.0) < 1e-4 : k < 0.6);
        toy_close(&t);
    }
}

/* Rows that come twice say no more than once: the prior weighs as much as it does then. */
static void copies_of_rows_say_nothing_new(void **state)
{
    static const char *const loss[] = { "", ", loss: huber" };
    (void)state;
    for (int64_t width = 2; width > 0; width--) {
        double found[2], number[2 * N];
        float predicted[2 * 2 * N];
        for (int r = 0; r < 2 * N; r++) {
            predicted[(r + 1) * width - 1] = (float)sd_of[r % N];
            predicted[r * width] = (float)mean_of[r % N];
            number[r] = mean_of[r % N] + (r % N + 2.0) * sd_of[r % N];
        }
        for (int copies = 1; copies <= 2; copies++) {
            toy t;
            open_head(&t, loss[2 - width]);
            stele_head_scored s = { .struct_size = sizeof s,
                                    .n_rows = copies * N,
                                    .n_distinct = N,
                                    .n_outputs = width,
                                    .predicted = predicted,
                                    .number = number };
            TOY_OK(&t, stele__model_calibrate_head(&t.model, 0, &s, NULL, &t.diag));
            found[copies - 1] = buffer(&t, width > 1 ? "heads.k.sd_factor" : "heads.k.noise");
            toy_close(&t);
        }
        assert_true(fabs(found[1] - found[0]) < 1e-5 * found[0] && found[0] > 1.5);
    }
}

/* Of the mean nothing, of the standard deviation the factor. */
static void predicted_widths_are_multiplied(void **state)
{
    static const double z[N * 2] = { 0.3, -1.0, 2.0, 0.1, -0.5, 0.7, 1.1, 1.2 };
    const stele_shape shape = STELE__SHAPE(N, 2);
    double before[2 * N];
    (void)state;
    for (int wider = 0; wider < 2; wider++) {
        toy t;
        stele_tensor *y = NULL;
        open_head(&t, ", variance: row");
        toy_stir(&t, 0.3);
        *(double *)param(&t, "heads.k.sd_factor")->values = wider ? 3.0 : 1.0;
        stele__head *h = &t.model.head[0];
        toy_begin(&t, 0, NULL, 0, 0);
        stele__graph_enter(t.graph, &h->part.scope);
        TOY_OK(&t, h->vt->predict(stele__guest_inst(h->part.guest), t.graph,
                                  stele__graph_dense(t.graph, STELE_F64, &shape, z), NULL, &y));
        for (int i = 0; i < 2 * N; i++) {
            double is = ((const double *)y->data)[i];
            assert_true(!wider || fabs(is - before[i] * (i % 2 ? 3.0 : 1.0)) < 1e-12 * fabs(is));
            before[i] = is;
        }
        stele__graph_enter(t.graph, NULL);
        toy_close(&t);
    }
}

/* The distribution of Huber's errors, integrated from `low` to `high` with s 1 and not normalised.
 */
static double mass(double low, double high)
{
    enum { STEPS = 200000 };
    double sum = 0.0;
    for (int i = 0; i < STEPS; i++) {
        double u = low + (high - low) * (i + 0.5) / STEPS;
        sum += exp(-huber(u, 1.345)) * (high - low) / STEPS;
    }
    return sum;
}

static void shown(toy *t, const float *y, int n_outputs, const double *uniform, double *ret)
{
    const stele__head *h = &t->model.head[0];
    stele_reader reader = stele__part_reader(&h->part);
    stele_head_shown s = { .struct_size = sizeof s,
                           .n_rows = N,
                           .n_outputs = n_outputs,
                           .predicted = y,
                           .uniform = uniform,
                           .reader = &reader,
                           .ret = ret };
    TOY_OK(t, h->vt->show(stele__guest_inst(h->part.guest), &s));
}

static double coverage(toy *t, const stele_head_scored *rows)
{
    const stele__head *h = &t->model.head[0];
    stele_reader reader = stele__part_reader(&h->part);
    stele_head_scored s = *rows;
    stele_metric metric[8];
    uint32_t n = 0;
    s.reader = &reader;
    TOY_OK(t, h->vt->score(stele__guest_inst(h->part.guest), &s, 8, metric, &n));
    assert_int_equal(n, 4);
    assert_string_equal(metric[3].name, "coverage_90");
    return metric[3].value;
}

/* Before, errors are as wide as the targets. Afterwards the scale is at the maximum of the
 * likelihood times its prior, and draws reach the quantiles of the distribution: here 3 / 4 of the
 * errors lie within the middle 90 %. */
static void errors_of_a_huber_loss_have_a_width(void **state)
{
    static const double error[N] = { 1.0, -0.5, 9.0, 0.8 }, uniform[N] = { 0.5, 0.3, 0.95, 0.01 };
    const double median = 1.4826022185056018 * 0.9, all = mass(-40.0, 40.0);
    toy t;
    float predicted[N];
    double number[N], drawn[N], slope = 0.0;
    (void)state;
    open_head(&t, ", loss: huber");
    for (int r = 0; r < N; r++) {
        predicted[r] = (float)mean_of[r];
        number[r] = (double)predicted[r] + error[r];
    }
    stele_head_scored s = { .struct_size = sizeof s,
                            .n_rows = N,
                            .n_outputs = 1,
                            .predicted = predicted,
                            .number = number };
    assert_true(buffer(&t, "heads.k.noise") == buffer(&t, "heads.k.target_sd"));
    assert_float_equal(coverage(&t, &s), 1.0, 1e-12);
    TOY_OK(&t, stele__model_calibrate_head(&t.model, 0, &s, NULL, &t.diag));
    const double scale = buffer(&t, "heads.k.noise");
    for (int r = 0; r < N; r++) { /* of rho(e / s) + log s by log s */
        double u = fabs(error[r]) / scale;
        slope += 1.0 - u * fmin(u, 1.345);
    }
    slope += log(scale / median) / (log(2.0) * log(2.0));
    assert_true(fabs(slope) < 1e-3 && scale > 1.0 && scale < 4.0);
    assert_float_equal(coverage(&t, &s), 0.75, 1e-12);
    shown(&t, predicted, 1, uniform, drawn);
    for (int r = 0; r < N; r++) {
        double u = (drawn[r] - (double)predicted[r]) / scale;
        assert_float_equal(mass(-40.0, u) / all, uniform[r], 1e-6);
    }
    shown(&t, predicted, 1, NULL, drawn);
    assert_true(drawn[3] == (double)predicted[3]);
    toy_close(&t);
}

/* Where the distribution of Huber's errors with s 1 reaches p above a half, by bisection. */
static double reach_of(double p)
{
    const double half = mass(-40.0, 0.0);
    double low = 0.0, high = 20.0;
    while (high - low > 1e-6) {
        const double middle = 0.5 * (low + high);
        *(mass(0.0, middle) < (2.0 * p - 1.0) * half ? &low : &high) = middle;
    }
    return low;
}

/* The interval that is judged ends where 5 % of the errors lie beyond at either side. */
static void the_judged_interval_of_huber_holds_nine_tenths(void **state)
{
    toy t;
    float predicted[N] = { 0.0F };
    double number[N];
    (void)state;
    open_head(&t, ", loss: huber");
    const double reach = buffer(&t, "heads.k.noise") * reach_of(0.95);
    for (int inside = 0; inside <= N; inside++) {
        for (int r = 0; r < N; r++) {
            number[r] = (r % 2 ? -reach : reach) * (r < inside ? 0.999 : 1.001);
        }
        const stele_head_scored s = { .struct_size = sizeof s,
                                      .n_rows = N,
                                      .n_outputs = 1,
                                      .predicted = predicted,
                                      .number = number };
        assert_float_equal(coverage(&t, &s), (double)inside / N, 1e-12);
    }
    toy_close(&t);
}

/* Draws lie at the quantiles of the normal distribution that is predicted. */
static void noise_of_a_gaussian_is_as_wide_as_predicted(void **state)
{
    static const double uniform[N] = { 0.5, 0.3, 0.95, 0.01 };
    toy t;
    float predicted[2 * N];
    double drawn[N];
    (void)state;
    open_head(&t, "");
    for (int r = 0; r < N; r++) {
        predicted[2 * r] = (float)mean_of[r];
        predicted[2 * r + 1] = (float)sd_of[r];
    }
    shown(&t, predicted, 2, uniform, drawn);
    for (int r = 0; r < N; r++) {
        const double u = (drawn[r] - mean_of[r]) / (double)predicted[2 * r + 1];
        assert_float_equal(0.5 * erfc(-u / sqrt(2.0)), uniform[r], 1e-8);
    }
    shown(&t, predicted, 2, NULL, drawn);
    for (int r = 0; r < N; r++) {
        assert_float_equal(drawn[r], mean_of[r], 1e-12);
    }
    toy_close(&t);
}

/* In the target's unit: of a Gaussian its own, of a Huber loss that of its errors' width, whatever
 * its delta is. */
static void check_density(const char *options, int outputs, double noise)
{
    toy t;
    open_head(&t, options);
    stele__head *h = &t.model.head[0];
    const stele_shape shape = STELE__SHAPE(N, outputs), rows = STELE__SHAPE(N);
    double y[2 * N];
    stele_tensor *log_p = NULL;
    for (int r = 0; r < N; r++) {
        y[r * outputs] = mean_of[r];
        y[r * outputs + outputs - 1] = outputs == 2 ? sd_of[r] : mean_of[r];
    }
    if (outputs == 1) {
        *(double *)param(&t, "heads.k.noise")->values = noise;
    }
    toy_begin(&t, 0, NULL, 0, 0);
    stele__graph_enter(t.graph, &h->part.scope);
    TOY_OK(&t, h->vt->log_prob(stele__guest_inst(h->part.guest), t.graph,
                               stele__graph_dense(t.graph, STELE_F64, &shape, y),
                               stele__graph_dense(t.graph, STELE_F64, &rows, target), &log_p));
    for (int r = 0; r < N; r++) {
        double e = target[r] - mean_of[r], is = ((const double *)log_p->data)[r];
        double want = outputs == 2 ? gaussian(e, sd_of[r])
                                   : huber(e / noise, 1.345) + log(noise * mass(-40.0, 40.0));
        assert_float_equal(is, -want, 1e-6);
    }
    stele__graph_enter(t.graph, NULL);
    toy_close(&t);
}

static void the_density_is_that_of_the_fitted_width(void **state)
{
    (void)state;
    check_density("", 2, 0.0);
    check_density(", variance: row", 2, 0.0);
    check_density(", loss: huber", 1, 4.0);
    check_density(", loss: huber, delta: 0.05", 1, 0.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_standardised),
        cmocka_unit_test(equal_targets_explain_nothing),
        cmocka_unit_test(losses_by_hand),
        cmocka_unit_test(predictions_are_in_the_unit_of_the_target),
        cmocka_unit_test(metrics_by_hand),
        cmocka_unit_test(a_factor_corrects_the_standard_deviation),
        cmocka_unit_test(copies_of_rows_say_nothing_new),
        cmocka_unit_test(predicted_widths_are_multiplied),
        cmocka_unit_test(errors_of_a_huber_loss_have_a_width),
        cmocka_unit_test(the_judged_interval_of_huber_holds_nine_tenths),
        cmocka_unit_test(noise_of_a_gaussian_is_as_wide_as_predicted),
        cmocka_unit_test(the_density_is_that_of_the_fitted_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
