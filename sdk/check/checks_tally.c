/* Metrics of whole rows: the numbers of each row, and what is made of their sums. */
#include "block.h"
#include "guard.h"
#include "metric.h"

#include <math.h>
#include <string.h>

enum { ROWS = 480, PARTS = 12, FEATURES = 6, MOST_METRICS = 16 };

/* Numbers of n rows of the instance into ret (n, width). 0: failed, which was said. */
static int numbers_of(rig *r, int64_t n, const int64_t *index, int64_t width, double *ret)
{
    rig_result res;
    if (!rig_compute(r, n, index, 0, &res)) {
        return 0;
    }
    const rig_output *o = &res.out[res.n - 1];
    int good = o->rows == n && o->width == width;
    if (!good) {
        check_fail(r->t, "tally gave (%lld, %lld) for %lld rows, and tally_width is %lld", (long long)o->rows,
                   (long long)o->width, (long long)n, (long long)width);
    }
    for (int64_t i = 0; good && i < n * width; i++) {
        ret[i] = o->value[i];
        if (!isfinite(ret[i])) {
            check_fail(r->t, "tally: number %lld of row %lld is %g", (long long)(i % width), (long long)(i / width),
                       ret[i]);
            good = 0;
        }
    }
    rig_result_finish(&res);
    return good;
}

/* Metrics of rows first .. first + n - 1 of the numbers. 0: failed, which was said; or refused for want of room. */
static uint32_t metrics_of(rig *r, const double *number, int64_t first, int64_t n, uint32_t capacity, stele_metric *ret)
{
    const int64_t width = (int64_t)r->vt->modality.tally_width(r->inst);
    const size_t mark = guard_mark();
    uint32_t n_metrics = 0;
    double *sum = guard_take((size_t)width * sizeof *sum, "the sums");
    for (int64_t i = first * width; i < (first + n) * width; i++) {
        sum[i % width] += number[i];
    }
    stele_metric *metric = guard_take(capacity * sizeof *metric, "the metrics");
    stele_status status = r->vt->modality.tally_end(r->inst, sum, capacity, metric, &n_metrics);
    const int refused = status != STELE_OK && capacity < MOST_METRICS;
    if (!refused && (status != STELE_OK || n_metrics < 1 || n_metrics > capacity)) {
        check_fail(r->t, "tally_end failed%s, or gave %u metrics where there is room for %u",
                   n == 0 ? " without a row" : "", n_metrics, capacity);
        status = STELE_E_INTERNAL;
    }
    if (status == STELE_OK) {
        memcpy(ret, metric, n_metrics * sizeof *ret);
    }
    guard_free(r->t, mark);
    return status == STELE_OK ? n_metrics : 0;
}

/* Once more, and every second one in reverse. */
static void expect_rows(rig *r, int64_t width, const double *number)
{
    int64_t some[ROWS / 2];
    double *again = rig_take(r, (size_t)(ROWS * width) * sizeof *again);
    for (int64_t i = 0; i < ROWS / 2; i++) {
        some[i] = ROWS - 1 - 2 * i;
    }
    if (numbers_of(r, ROWS, NULL, width, again) && memcmp(number, again, (size_t)(ROWS * width) * sizeof *again) != 0) {
        check_fail(r->t, "tally gives other numbers in a later call on the same rows");
    }
    if (!numbers_of(r, ROWS / 2, some, width, again)) {
        return;
    }
    for (int64_t i = 0; i < ROWS / 2 && r->t->verdict < CHECK_FAIL; i++) {
        const double d = block_distance(width, number + some[i] * width, again + i * width);
        if (!(d <= (r->plan.dtype == STELE_F64 ? 1e-10 : 1e-4))) {
            check_fail(r->t, "tally: the numbers of row %lld differ by %.3g among %d rows in reverse",
                       (long long)some[i], d, ROWS / 2);
        }
    }
}

static void expect_metrics(rig *r, const double *number)
{
    stele_metric all[MOST_METRICS], again[MOST_METRICS], none[MOST_METRICS], narrow;
    const uint32_t n = metrics_of(r, number, 0, ROWS, MOST_METRICS, all);
    guard_at_beginning(1);
    const int same = n > 0 && metrics_of(r, number, 0, ROWS, MOST_METRICS, again) == n;
    guard_at_beginning(0);
    const uint32_t n_none = same ? metrics_of(r, number, 0, 0, MOST_METRICS, none) : 0;
    metrics_of(r, number, 0, ROWS, 1, &narrow); /* refused, or one metric */
    if (r->t->verdict < CHECK_FAIL && (!same || n_none != n)) {
        check_fail(r->t, "tally_end gives %u metrics, and another number in a later call or without a row", n);
    }
    for (uint32_t k = 0; k < n && r->t->verdict < CHECK_FAIL; k++) {
        if (!metric_is_named(r->t, k, &all[k])) {
            continue;
        }
        if (memcmp(&all[k].value, &again[k].value, sizeof all[k].value) != 0) {
            check_fail(r->t, "`%s` is %.17g, and %.17g in a later call on the same sums", all[k].name, all[k].value,
                       again[k].value);
        }
        if (strcmp(all[k].name, none[k].name) != 0) {
            check_fail(r->t, "metric %u is `%s`, and `%s` without a row", k, all[k].name, none[k].name);
        }
        if (isnan(all[k].value)) {
            check_say(r->t, CHECK_HOLLOW, "`%s` is undefined on these data", all[k].name);
        }
    }
}

/* z of each row in place of that of the row before. */
static void rotate(rig_input *z)
{
    const size_t row = (size_t)z->width;
    double last[8];
    memcpy(last, z->value + (ROWS - 1) * row, row * sizeof *last);
    memmove(z->value + row, z->value, (ROWS - 1) * row * sizeof *last);
    memcpy(z->value, last, row * sizeof *last);
}

/* Rows drawn at z are to be preferred to those drawn at another: by the metrics of PARTS parts of them. */
static void expect_preference(rig *r, const double *right, const double *wrong)
{
    stele_metric a[MOST_METRICS], b[MOST_METRICS];
    double sum[MOST_METRICS] = { 0 }, squares[MOST_METRICS] = { 0 };
    uint32_t n = 0;
    for (int64_t k = 0; k < PARTS; k++) {
        const int64_t first = k * (ROWS / PARTS), rows = ROWS / PARTS;
        n = metrics_of(r, right, first, rows, MOST_METRICS, a);
        if (metrics_of(r, wrong, first, rows, MOST_METRICS, b) != n) {
            return;
        }
        for (uint32_t m = 0; m < n; m++) {
            const double gain = (a[m].value - b[m].value) * (a[m].higher_is_better ? 1.0 : -1.0);
            const double d = a[m].higher_is_better == STELE_METRIC_NEITHER || isnan(gain) ? 0.0 : gain;
            sum[m] += d / PARTS;
            squares[m] += d * d / PARTS;
        }
    }
    for (uint32_t m = 0; m < n; m++) {
        const double error = sqrt(fmax(squares[m] - sum[m] * sum[m], 0.0) / (PARTS - 1));
        if (sum[m] < -5.0 * error - 1e-9) {
            check_fail(r->t, "`%s` prefers the z of other rows to that which rows were drawn at, by %.4g +- %.2g",
                       a[m].name, -sum[m], error);
        }
    }
}

/* Draws of a plugin that generates rows itself; what blocks draw does not follow from z here. z is far from 0, so that
 * rows differ by it. */
static void look_at_draws(block_rig *b, int64_t width, double *number)
{
    rig *r = &b->r;
    rig_input *x = &r->input[0], *z = &r->input[1];
    double *wrong = rig_take(r, (size_t)(ROWS * width) * sizeof *wrong);
    for (int64_t i = 0; i < ROWS * z->width; i++) {
        z->value[i] *= 3.0;
    }
    if (!b->own || z->width > 8 || own_draw(b, STELE_DRAW_SAMPLE, 1, x->value) != STELE_OK ||
        !numbers_of(r, ROWS, NULL, width, number)) {
        return;
    }
    rotate(z);
    if (numbers_of(r, ROWS, NULL, width, wrong)) {
        expect_preference(r, number, wrong);
    }
}

void check_tally(check_trial *t)
{
    block_rig b;
    rig_plan plan = { .rows = ROWS, .features = FEATURES, .tally = 1 };
    if (block_start(t, &plan, &b)) {
        rig *r = &b.r;
        const int64_t width = (int64_t)r->vt->modality.tally_width(r->inst);
        double *number = rig_take(r, (size_t)(ROWS * STELE_MOST_TALLIES) * sizeof *number);
        if (width < 1 || width > STELE_MOST_TALLIES) {
            check_fail(t, "tally_width gives %lld, from 1 to %d are allowed", (long long)width, STELE_MOST_TALLIES);
        } else if (numbers_of(r, ROWS, NULL, width, number)) {
            expect_rows(r, width, number);
            expect_metrics(r, number);
            if (t->verdict < CHECK_FAIL) {
                look_at_draws(&b, width, number);
            }
            if (t->verdict < CHECK_FAIL && rig_allows(r, NAN)) {
                r->input[0].value[0] = NAN;
                numbers_of(r, ROWS, NULL, width, number);
            }
        }
    }
    block_finish(&b);
}
