/* head/survival: losses, curves and metrics against values that NumPy computes by the formulas as
 * they stand in the papers. */
#include "test.h"

#include "toy_specs.h"

#include "model/head.h"

#include <math.h>
#include <string.h>

enum { N = 8, MOST = 3 };
/* Times with ties among events, and a censored one among them. */
static double target[2 * N] = { 5, 1, 2, 1, 2, 1, 7, 0, 2, 0, 5, 1, 9, 1, 1, 0 };
static const double risk[N] = { 0.3, -1.2, 0.8, 0.1, 2.0, -0.4, 0.6, 1.5 };

static void open_head(toy *t, const char *options)
{
    char text[1024];
    snprintf(text, sizeof text,
             HEAD A POE TRAIN "heads: {k: {plugin: survival, target: [age, dead]%s}}\n", options);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F64, 1);
}

static void set(toy *t, const char *name, int64_t n, const double *values)
{
    stele__param *p = param(t, name);
    assert_int_equal(p->n, n);
    memcpy(p->values, values, (size_t)n * sizeof *values);
}

static void set_grid(toy *t, int64_t n, const double *end, const double *rate)
{
    static const double unit = 4.0, none = 0.0;
    double log_rate[MOST];
    for (int64_t k = 0; k < n; k++) {
        log_rate[k] = rate != NULL ? log(rate[k]) : 0.0;
    }
    set(t, "heads.k.interval_end", n, end);
    set(t, "heads.k.time_unit", 1, &unit);
    if (rate != NULL) {
        set(t, "heads.k.baseline.log_rate", n, log_rate);
        set(t, "heads.k.least_time", 1, &none);
    }
}

/* Of predictions (N, width). */
static void losses(toy *t, int64_t width, const double *y, double ret[N])
{
    const stele__head *h = &t->model.head[0];
    const stele_shape shape = STELE__SHAPE(N, width), two = STELE__SHAPE(N, 2);
    stele_tensor *rows = NULL;
    toy_begin(t, 0, NULL, 0, 0);
    stele__graph_enter(t->graph, &h->part.scope);
    TOY_OK(t, h->vt->loss(stele__guest_inst(h->part.guest), t->graph,
                          stele__graph_dense(t->graph, STELE_F64, &shape, y),
                          stele__graph_dense(t->graph, STELE_F64, &two, target), &rows));
    stele__graph_enter(t->graph, NULL);
    memcpy(ret, rows->data, N * sizeof *ret);
}

/* The partial likelihood with Efron's ties, and the likelihood of the baseline row by row. */
static void cox_is_that_of_the_papers(void **state)
{
    (void)state;
    static const double end[] = { 2.0, 9.0 }, rate[] = { 0.4, 1.1 };
    static const double beside[N] = { 0.9882950979610786, 2.176529574256595,  0.5613989175726486,
                                      1.740644195969145,  1.4778112197861302, 0.9917678673822055,
                                      3.1766922710255074, 0.44816890703380646 };
    toy t;
    double is[N], sum = 0.0;
    open_head(&t, ", intervals: 2");
    set_grid(&t, 2, end, rate);
    losses(&t, 1, risk, is);
    for (int r = 0; r < N; r++) {
        double partial = is[r] - beside[r];
        assert_true(target[2 * r + 1] != 0.0 || fabs(partial) < 1e-12);
        sum += partial;
    }
    assert_float_equal(sum, 8.778345609306982, 1e-10);
    toy_close(&t);
}

static void hazards_are_those_of_the_intervals(void **state)
{
    (void)state;
    static const double end[] = { 2.0, 9.0 };
    static const double want[N] = { 2.2262769399181757, 0.5130152523999526,
                                    0.5130152523999526, 0.9130152523999526,
                                    0.9130152523999526, 2.2262769399181757,
                                    2.2262769399181757, 0.0 };
    toy t;
    double is[N], y[2 * N];
    for (int r = 0; r < N; r++) {
        y[2 * r] = 0.4;
        y[2 * r + 1] = -1.0;
    }
    open_head(&t, ", model: hazard, intervals: 2");
    set_grid(&t, 2, end, NULL);
    losses(&t, 2, y, is);
    for (int r = 0; r < N; r++) {
        assert_float_equal(is[r], want[r], 1e-12);
    }
    toy_close(&t);
}

/* Of predictions (N) for the rows above. */
static uint32_t scores(toy *t, const float *y, stele_metric metric[4])
{
    const stele__head *h = &t->model.head[0];
    stele_reader reader = stele__part_reader(&h->part);
    uint32_t n = 0;
    stele_head_scored s = { .struct_size = sizeof s,
                            .n_rows = N,
                            .n_outputs = 1,
                            .predicted = y,
                            .number = target,
                            .reader = &reader };
    TOY_OK(t, h->vt->score(stele__guest_inst(h->part.guest), &s, 4, metric, &n));
    return n;
}

static double brier(toy *t, const float *y)
{
    stele_metric metric[4];
    return scores(t, y, metric) == 2 ? metric[1].value : NAN;
}

/* Rates of (0.2, 0.5, 1.2) over the three intervals. */
static void metrics_are_those_of_the_papers(void **state)
{
    (void)state;
    static const double end[] = { 2.0, 5.0, 9.0 }, rate[] = { 0.4, 2.0 / 3.0, 1.2 };
    toy t;
    float y[N];
    stele_metric metric[4];
    open_head(&t, ", intervals: 3");
    set_grid(&t, 3, end, rate);
    for (int r = 0; r < N; r++) {
        y[r] = (float)risk[r];
    }
    assert_int_equal(scores(&t, y, metric), 2);
    assert_string_equal(metric[0].name, "concordance");
    assert_float_equal(metric[0].value, 5.0 / 14.0, 1e-12);
    assert_string_equal(metric[1].name, "integrated_brier");
    assert_float_equal(metric[1].value, 0.2220157991562117, 1e-6);
    toy_close(&t);
}

/* Beyond four fifths of the training events, 6.6, when a row has its event does not matter. */
static void late_rows_do_not_set_the_range(void **state)
{
    (void)state;
    static const double end[] = { 2.0, 5.0, 9.0 }, rate[] = { 0.4, 2.0 / 3.0, 1.2 };
    static const double times[] = { 9.0, 7.5, 6.7, 900.0 };
    float y[N];
    double first = 0.0;
    toy t;
    open_head(&t, ", intervals: 3");
    set_grid(&t, 3, end, rate);
    for (int r = 0; r < N; r++) {
        y[r] = (float)risk[r];
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        target[2 * 6] = times[i];
        first = i == 0 ? brier(&t, y) : first;
        assert_float_equal(brier(&t, y), first, 1e-12);
    }
    target[2 * 6] = times[0];
    toy_close(&t);
}

/* Of two intervals the quarters end at one time. */
static void horizons_are_told_once(void **state)
{
    (void)state;
    static const double end[] = { 2.0, 9.0 }, rate[] = { 0.4, 1.1 };
    toy t;
    stele_head_output out[8];
    uint32_t n = 0;
    open_head(&t, ", intervals: 2");
    set_grid(&t, 2, end, rate);
    const stele__head *h = &t.model.head[0];
    stele_reader reader = stele__part_reader(&h->part);
    TOY_OK(&t, h->vt->outputs(stele__guest_inst(h->part.guest), &reader, 8, out, &n));
    assert_int_equal(n, 3);
    assert_string_equal(out[2].name, "survival_2");
    toy_close(&t);
}

static void predictions_are_curves(void **state)
{
    (void)state;
    static const double end[] = { 2.0, 9.0 }, rate[] = { 0.4, 1.1 };
    static const float y[] = { 0.3f };
    toy t;
    stele_head_output out[8];
    uint32_t n = 0;
    double ret[8];
    open_head(&t, ", intervals: 2, horizons: [5, 100]");
    set_grid(&t, 2, end, rate);
    const stele__head *h = &t.model.head[0];
    stele_reader reader = stele__part_reader(&h->part);
    stele_head_shown s = { .struct_size = sizeof s,
                           .n_rows = 1,
                           .n_outputs = 1,
                           .predicted = y,
                           .reader = &reader,
                           .ret = ret };
    TOY_OK(&t, h->vt->outputs(stele__guest_inst(h->part.guest), &reader, 8, out, &n));
    assert_int_equal(n, 4);
    assert_string_equal(out[2].name, "survival_5");
    TOY_OK(&t, h->vt->show(stele__guest_inst(h->part.guest), &s));
    assert_float_equal(ret[0], 0.3, 1e-6);
    assert_float_equal(ret[1], 3.656305042178375, 1e-5);
    assert_float_equal(ret[2], 0.250673175545545, 1e-6);
    assert_float_equal(ret[3], exp(-2.125 * exp(0.3)), 1e-6); /* no hazard is known beyond */
    toy_close(&t);
}

/* An event at 0 has no time at risk: with half of the first event's its hazard is bounded. */
static void an_event_at_once_does_not_run_away(void **state)
{
    (void)state;
    static const double least = 0.5, at_once[2] = { 0.0, 1.0 };
    static const double end[] = { 2.0, 9.0 }, rate[] = { 0.4, 1.1 };
    const double saved[2] = { target[0], target[1] };
    double y[N] = { 0.0 }, is[3];
    toy t;
    open_head(&t, ", intervals: 2");
    assert_true(*(const double *)param(&t, "heads.k.least_time")->values == 2.5);
    set_grid(&t, 2, end, rate);
    set(&t, "heads.k.least_time", 1, &least);
    memcpy(target, at_once, sizeof at_once);
    for (int k = 0; k < 3; k++) {
        double rows[N];
        y[0] = log(4.0 / (0.5 * 0.4)) + 2.0 * k - 2.0; /* unit over exposure, and beside it */
        losses(&t, 1, y, rows);
        /* the partial likelihood: all are at risk, the other seven with a risk of 0 */
        is[k] = rows[0] + y[0] - log(exp(y[0]) + 7.0);
    }
    assert_true(is[1] < is[0] && is[1] < is[2]);
    assert_float_equal(is[1], 1.0 + log(0.5 / 4.0), 1e-9);
    memcpy(target, saved, sizeof saved);
    toy_close(&t);
}

/* Of ten rows with both columns seven have events: 5, 12, 31, 39, 47, 66, 70. */
static void intervals_have_equally_many_events(void **state)
{
    (void)state;
    toy t;
    double exposure[2] = { 0.0, 0.0 }, unit = 0.0;
    open_head(&t, ", intervals: 2");
    const double *end = param(&t, "heads.k.interval_end")->values;
    const double *rate = param(&t, "heads.k.baseline.log_rate")->values;
    for (int r = 0; r < TOY_ROWS; r++) {
        if (!isnan(toy_age[r]) && !isnan(toy_dead[r])) {
            unit += toy_age[r] / 10.0;
            exposure[0] += fmin(toy_age[r], 31.0);
            exposure[1] += fmax(0.0, fmin(toy_age[r], 70.0) - 31.0);
        }
    }
    assert_float_equal(end[0], 31.0, 1e-12);
    assert_float_equal(end[1], 70.0, 1e-12);
    assert_float_equal(rate[0], log(3.0 * unit / exposure[0]), 1e-12);
    assert_float_equal(rate[1], log(4.0 * unit / exposure[1]), 1e-12);
    toy_close(&t);
}

/* One column is not enough of a target. */
static void rows_without_time_or_event_are_left_out(void **state)
{
    (void)state;
    toy t;
    stele__expert_set e;
    stele__draws draws[2];
    stele__head_loss loss;
    uint32_t n = 0;
    open_head(&t, "");
    toy_begin(&t, 0, NULL, 0, 0);
    TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
    TOY_OK(&t, stele__draw(&t.model, t.graph, &e, UINT64_MAX, 0, 1, draws, &n));
    TOY_OK(&t, stele__head_loss_of(&t.model, t.graph, t.batch, 0, draws, n, 1.0, &loss));
    int64_t want = 0;
    for (int64_t r = 0; r < t.batch->n; r++) {
        int64_t row = t.batch->row[r];
        want += t.batch->present[r] != 0 && !isnan(t.batch->target[0].column[0]->number[row]) &&
                !isnan(t.batch->target[0].column[1]->number[row]);
    }
    assert_int_equal(loss.n, want);
    assert_true(want > 0 && want <= 10);
    assert_true(isfinite(loss.sum));
    toy_close(&t);
}

/* The first that is wrong, wherever it stands. */
static void targets_are_checked(void **state)
{
    (void)state;
    static const double bad[][2] = { { -0.5, 1.0 }, { 3.0, 2.0 }, { 3.0, 0.5 }, { 3.0, -1.0 } };
    toy t;
    double rows[2 * N];
    stele_bad_value found = { .row = -1 };
    stele_view x = { .struct_size = sizeof x,
                     .dtype = STELE_F64,
                     .shape = { .ndim = 2, .dim = { N, 2 } },
                     .data = rows };
    open_head(&t, "");
    const stele__head *h = &t.model.head[0];
    memcpy(rows, target, sizeof rows);
    TOY_OK(&t, h->vt->validate(stele__guest_inst(h->part.guest), &x, &found));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(rows + 2 * (N - 1), bad[i], sizeof bad[i]);
        assert_int_equal(h->vt->validate(stele__guest_inst(h->part.guest), &x, &found),
                         STELE_E_DATA);
        assert_int_equal(found.row, N - 1);
        assert_int_equal(found.column, i > 0);
        assert_true(found.value == bad[i][i > 0] && found.reason != NULL);
    }
    toy_close(&t);
}

/* --- calibration --- */

static const double many_end[] = { 2.0, 5.0, 9.0 }, many_rate[] = { 0.4, 0.7, 1.2 };

/* Calibrate on n predictions of n_distinct rows; was anything set? */
static int fitted(toy *t, int64_t n, int64_t n_distinct, int64_t width, const float *y,
                  const double *seen)
{
    int set_any = 0;
    const stele_reader reader = stele__part_reader(&t->model.head[0].part);
    const stele_head_scored s = { .struct_size = sizeof s,
                                  .n_rows = n,
                                  .n_distinct = n_distinct,
                                  .n_outputs = width,
                                  .predicted = y,
                                  .number = seen,
                                  .reader = &reader };
    TOY_OK(t, stele__model_calibrate_head(&t->model, 0, &s, &set_any, &t->diag));
    return set_any;
}

/* Sum of the losses of y (N, width) by the head's own loss: of cox what the baseline adds. */
static double loss_of_rows(int64_t width, const double *y)
{
    double sum = 0.0;
    for (int with = 0; with < (width == 1 ? 2 : 1); with++) {
        toy t;
        double rows[N];
        open_head(&t, width > 1 ? ", model: hazard, intervals: 3"
                      : with    ? ", intervals: 3"
                                : ", intervals: 3, baseline_weight: 0");
        set_grid(&t, 3, many_end, width > 1 ? NULL : many_rate);
        losses(&t, width, y, rows);
        for (int r = 0; r < N; r++) {
            sum += with || width > 1 ? rows[r] : -rows[r];
        }
        toy_close(&t);
    }
    return sum;
}

/* What is minimised, by hand but for the losses. */
static double objective(int64_t width, const float *y, double slope, double level)
{
    double moved[MOST * N], u = log(slope) / log(2.0), v = level / log(2.0);
    for (int64_t k = 0; k < width; k++) {
        double mean = 0.0;
        for (int r = 0; r < N; r++) {
            mean += (double)y[r * width + k] / N;
        }
        for (int r = 0; r < N; r++) {
            moved[r * width + k] = mean + slope * ((double)y[r * width + k] - mean) + level;
        }
    }
    return loss_of_rows(width, moved) + 0.5 * u * u + 0.5 * v * v;
}

static void check_calibration(int64_t width, double sign, double shift)
{
    toy t;
    float y[MOST * N];
    double mean = 0.0;
    open_head(&t, width > 1 ? ", model: hazard, intervals: 3" : ", intervals: 3");
    set_grid(&t, 3, many_end, width > 1 ? NULL : many_rate);
    for (int64_t i = 0; i < N * width; i++) { /* in a column as many steps apart as in another */
        y[i] = (float)(sign * risk[i / width] + shift - 0.5 * (double)(i % width));
        mean += i % width == 0 ? (double)y[i] / N : 0.0;
    }
    assert_true(fitted(&t, N, N, width, y, target));
    const double slope = *(const double *)param(&t, "heads.k.slope")->values;
    const double *offset = param(&t, "heads.k.offset")->values;
    const double level = offset[0] - (1.0 - slope) * mean;
    for (int64_t k = 1; k < width; k++) { /* levels of the columns are 0.5 apart */
        assert_float_equal(offset[k] - offset[0], -0.5 * (double)k * (1.0 - slope), 1e-6);
    }
    const double least = objective(width, y, slope, level);
    for (int i = 0; i < 9; i++) {
        double by = 1.0 + 0.03 * (i % 3 - 1), more = 0.03 * (i / 3 - 1);
        assert_true(objective(width, y, slope * by, level + more) > least - 1e-9);
    }
    assert_true(least < objective(width, y, 1.0, 0.0) - 1e-3);
    assert_true(shift > 0.0 ? level < -0.1 : level > 0.1);
    toy_close(&t);
}

/* Risks that are wrong come nearer to each other; too many events expected, fewer are. */
static void curves_are_calibrated(void **state)
{
    (void)state;
    check_calibration(1, 1.0, 2.0);
    check_calibration(1, -1.0, -2.0);
    check_calibration(3, 1.0, 1.5);
    check_calibration(3, -1.0, -3.0);
}

/* What few events say of the level is too little. */
static void few_events_calibrate_nothing(void **state)
{
    (void)state;
    static const float y[N] = { 0.5f, 1.0f, -0.5f, 0.0f, 0.3f, 1.2f, -1.0f, 0.1f };
    for (int n = 2; n < 4; n++) {
        toy t;
        double seen[2 * N];
        open_head(&t, ", intervals: 3");
        set_grid(&t, 3, many_end, many_rate);
        for (int r = 0; r < N; r++) {
            seen[2 * r] = 1.0 + r;
            seen[2 * r + 1] = r < n;
        }
        assert_int_equal(fitted(&t, N, N, 1, y, seen), n == 3);
        assert_true((*(const double *)param(&t, "heads.k.slope")->values == 1.0) == (n == 2));
        toy_close(&t);
    }
}

static void fitted_to(int64_t n, int64_t n_distinct, const float *y, const double *seen,
                      double *ret)
{
    toy t;
    open_head(&t, ", intervals: 3");
    set_grid(&t, 3, many_end, many_rate);
    assert_true(fitted(&t, n, n_distinct, 1, y, seen));
    ret[0] = *(const double *)param(&t, "heads.k.slope")->values;
    ret[1] = *(const double *)param(&t, "heads.k.offset")->values;
    toy_close(&t);
}

/* Rows that come twice say no more than once. Of very many as many are taken from each half: the
 * first are predicted well, the others the wrong way round. */
static void rows_of_all_posteriors_count(void **state)
{
    enum { ALL = 8192 };
    static float y[ALL], half[ALL / 2];
    static double seen[2 * ALL], of_half[ALL];
    double is[2], want[2];
    (void)state;
    for (int r = 0; r < ALL; r++) {
        y[r] = (float)(risk[r % N] * (r < ALL / 2 ? -1.0 : 1.0));
        memcpy(seen + 2 * r, target + 2 * (r % N), 2 * sizeof *seen);
        half[r / 2] = r % 2 == 0 ? y[r] : half[r / 2];
        memcpy(of_half + r / 2 * 2, seen + r / 2 * 4, 2 * sizeof *seen);
    }
    fitted_to(ALL, ALL / 2, y, seen, is);
    fitted_to(ALL / 2, ALL / 2, half, of_half, want);
    assert_true(is[0] == want[0] && is[1] == want[1]);
    fitted_to(2 * N, N, y, seen, is);
    fitted_to(N, N, y, seen, want);
    assert_true(fabs(is[0] - want[0]) < 1e-6 && fabs(is[1] - want[1]) < 1e-6);
    assert_true(fabs(want[0] - 1.0) > 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cox_is_that_of_the_papers),
        cmocka_unit_test(hazards_are_those_of_the_intervals),
        cmocka_unit_test(metrics_are_those_of_the_papers),
        cmocka_unit_test(late_rows_do_not_set_the_range),
        cmocka_unit_test(horizons_are_told_once),
        cmocka_unit_test(predictions_are_curves),
        cmocka_unit_test(an_event_at_once_does_not_run_away),
        cmocka_unit_test(intervals_have_equally_many_events),
        cmocka_unit_test(rows_without_time_or_event_are_left_out),
        cmocka_unit_test(targets_are_checked),
        cmocka_unit_test(curves_are_calibrated),
        cmocka_unit_test(few_events_calibrate_nothing),
        cmocka_unit_test(rows_of_all_posteriors_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
