/* Checks of heads. */
#include "guard.h"
#include "metric.h"
#include "rig.h"
#include "scores.h"
#include "train.h"

#include "base/mem.h"
#include "graph/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_METRICS = 16 };

/* The prediction of every row, as evaluation hands it on. NULL: failed, which was said. */
static float *predictions(rig *r, int64_t *ret_width)
{
    rig_result res;
    if (!rig_compute(r, r->plan.rows, NULL, 0, &res)) {
        return NULL;
    }
    const rig_output *y = &res.out[0];
    float *ret = rig_take(r, (size_t)(y->rows * y->width) * sizeof *ret + 1);
    for (int64_t i = 0; i < y->rows * y->width; i++) {
        ret[i] = (float)y->value[i];
    }
    *ret_width = y->width;
    rig_result_finish(&res);
    return ret;
}

/* Metrics of the rows of a head in memory whose end is watched; `reverse`: last row first. 0: failed, which was said.
 */
static uint32_t score(rig *r, int64_t width, const float *predicted, int reverse, uint32_t capacity, stele_metric *ret)
{
    int64_t n = r->plan.rows;
    int is_code = r->field.content == STELE_FIELD_CATEGORY;
    float *y = rig_take(r, (size_t)(n * width) * sizeof *y + 1);
    int32_t *code = rig_take(r, (size_t)n * sizeof *code);
    size_t columns = r->n_columns;
    double *number = rig_take(r, (size_t)n * columns * sizeof *number);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = reverse ? n - 1 - i : i;
        memcpy(y + i * width, predicted + row * width, (size_t)width * sizeof *y);
        memcpy(number + (size_t)i * columns, r->target + (size_t)row * columns, columns * sizeof *number);
        code[i] = is_code ? (int32_t)r->target[row] : 0;
    }
    stele_head_scored s = scores_of_head(r, n, width, y, code, number);
    size_t mark = guard_mark();
    stele_metric *watched = guard_take(capacity * sizeof *watched, "the metrics");
    uint32_t n_metrics = 0;
    stele_status status = r->vt->head.score(r->inst, &s, capacity, watched, &n_metrics);
    if (status == STELE_OK && n_metrics <= capacity) {
        memcpy(ret, watched, n_metrics * sizeof *ret);
    }
    guard_free(r->t, mark);
    if (capacity > 1 && (status != STELE_OK || n_metrics < 1)) {
        check_fail(r->t, "score failed, or gave no metric");
        return 0;
    }
    if (status == STELE_OK && n_metrics > capacity) {
        check_fail(r->t, "score gave %u metrics where there is room for %u", n_metrics, capacity);
        return 0;
    }
    return status == STELE_OK ? n_metrics : 0;
}

/* A metric that judges ranks or hits has to prefer what training made of the head; one of calibration need not. */
static void compare_scores(check_trial *t, uint32_t n, const stele_metric *before, const stele_metric *after,
                           const stele_metric *reversed, const stele_metric *again)
{
    uint32_t n_better = 0;
    for (uint32_t k = 0; k < n; k++) {
        const stele_metric *m = &after[k];
        if (!metric_is_named(t, k, m)) {
            continue;
        }
        if (isnan(m->value)) {
            check_say(t, CHECK_HOLLOW, "`%s` is undefined on these data", m->name);
        } else if (!(fabs(m->value - reversed[k].value) <= 1e-6 * (1.0 + fabs(m->value)))) {
            check_fail(t, "`%s` is %.9g, and %.9g with the rows reversed", m->name, m->value, reversed[k].value);
        }
        if (memcmp(&m->value, &again[k].value, sizeof m->value) != 0) {
            check_fail(t, "`%s` is %.17g, and %.17g in a later call with the same rows", m->name, m->value,
                       again[k].value);
        }
        n_better += m->higher_is_better != STELE_METRIC_NEITHER &&
                    (m->value - before[k].value) * (m->higher_is_better ? 1.0 : -1.0) > 0.0;
    }
    if (n_better == 0) {
        check_fail(t, "no metric (`%s`: %.6g, then %.6g) is better after training than before", after[0].name,
                   before[0].value, after[0].value);
    }
}

void check_head_score(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 120, .latent = 2, .raw = 1 };
    stele_metric before[MOST_METRICS], after[MOST_METRICS], reversed[MOST_METRICS], again[MOST_METRICS];
    int64_t width = 0;
    if (t->plugin->vt.head.score == NULL) {
        check_skip(t, "the plugin has no metrics");
        return;
    }
    if (rig_start(t, &plan, &r)) {
        const float *untrained = predictions(&r, &width);
        uint32_t n = untrained != NULL ? score(&r, width, untrained, 0, MOST_METRICS, before) : 0;
        train_descend(&r, 150, train_loss(&r, 0));
        const float *trained = n > 0 ? predictions(&r, &width) : NULL;
        if (trained != NULL && score(&r, width, trained, 0, MOST_METRICS, after) == n &&
            score(&r, width, trained, 1, MOST_METRICS, reversed) == n &&
            score(&r, width, trained, 0, MOST_METRICS, again) == n) {
            compare_scores(t, n, before, after, reversed, again);
            score(&r, width, trained, 0, 1, reversed); /* too little room: refused, or one metric */
        } else if (trained != NULL) {
            check_fail(t, "the number of metrics depends on the values");
        }
    }
    rig_finish(&r);
}

/* --- quantities --------------------------------------------------------------------------------------------------- */

static int is_named(const stele_head_output *o)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    size_t len = strnlen(o->name, sizeof o->name);
    return len < sizeof o->name && o->name[strspn(o->name, letters)] == '\0';
}

static void check_names(rig *r, const scores_shown *s)
{
    for (uint32_t k = 0; k < s->n; k++) {
        const stele_head_output *o = &s->output[k];
        if (!is_named(o)) {
            check_fail(r->t, "quantity %u: its name is not of [a-zA-Z0-9_.]", k);
            return;
        }
        if (o->category < -1 || o->category >= r->field.n_categories) {
            check_fail(r->t, "quantity %u (`%s`) is about category %d of %lld", k, o->name, o->category,
                       (long long)r->field.n_categories);
        }
        for (uint32_t i = 0; i < k; i++) {
            if (strcmp(o->name, s->output[i].name) == 0 && o->category == s->output[i].category) {
                check_fail(r->t, "quantities %u and %u are both `%s`", i, k, o->name);
            }
        }
    }
}

void check_head_outputs(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 20, .latent = 2 };
    scores_shown first, again;
    if (t->plugin->vt.head.outputs == NULL || t->plugin->vt.head.show == NULL) {
        check_fail(t, "outputs and show come together");
        return;
    }
    if (rig_start(t, &plan, &r)) {
        if (!scores_show(&r, &first) || !scores_show(&r, &again)) {
            check_fail(t, "outputs or show failed, or there are no quantities, or more than %d", SCORES_MOST_OUTPUTS);
        } else {
            check_names(&r, &first);
            size_t n = (size_t)r.plan.rows * first.n * sizeof(double);
            if (again.n != first.n || memcmp(first.expected, again.expected, n) != 0 ||
                memcmp(first.noisy, again.noisy, n) != 0) {
                check_fail(t, "the quantities are others in a later call with the same predictions");
            }
        }
    }
    rig_finish(&r);
}

/* --- calibration -------------------------------------------------------------------------------------------------- */

/* Values of all that is not a parameter, one behind the other; NULL: there are none. */
static double *buffers_of(rig *r, size_t *ret_n)
{
    size_t n = 0;
    double *all = rig_take(r, 65536 * sizeof *all);
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        const stele__param *p = stele__params_entry(r->params, e);
        for (int64_t i = 0; p->kind == STELE__BUFFER && i < p->n && n < 65536; i++) {
            all[n++] =
                r->plan.dtype == STELE_F64 ? ((const double *)p->values)[i] : (double)((const float *)p->values)[i];
        }
    }
    *ret_n = n;
    return all;
}

static void put_buffers(rig *r, const double *all)
{
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        stele__param *p = stele__params_entry(r->params, e);
        for (int64_t i = 0; p->kind == STELE__BUFFER && i < p->n; i++, all++) {
            if (r->plan.dtype == STELE_F64) {
                ((double *)p->values)[i] = *all;
            } else {
                ((float *)p->values)[i] = (float)*all;
            }
        }
    }
}

/* calibrate() by the rig's own rows and the predictions for them. 0: failed, which was said. */
static int calibrate(rig *r, int64_t width, const float *predicted)
{
    const int is_code = r->field.content == STELE_FIELD_CATEGORY;
    const int64_t n = r->plan.rows;
    int32_t *code = rig_take(r, (size_t)n * sizeof *code);
    for (int64_t i = 0; is_code && i < n; i++) {
        code[i] = (int32_t)r->target[i];
    }
    const stele_head_scored s = scores_of_head(r, n, width, predicted, code, r->target);
    if (rig_calibrate(r, &s) != STELE_OK) {
        check_fail(r->t, "calibrate failed");
        return 0;
    }
    return 1;
}

static void compare_calibrated(rig *r, double loss, uint32_t n, const stele_metric *before, const stele_metric *after)
{
    const double now = train_loss(r, 0);
    /* What is fitted may be a part of the loss, as the curves of survival are. */
    int better = now <= loss + 0.02 * (1.0 + fabs(loss));
    for (uint32_t k = 0; k < n; k++) {
        better = better || (before[k].higher_is_better != STELE_METRIC_NEITHER &&
                            (after[k].value - before[k].value) * (before[k].higher_is_better ? 1.0 : -1.0) > 0.0);
    }
    if (!better) {
        check_fail(r->t,
                   "the loss is %.9g, and far larger, %.9g, after calibration by the same rows; no metric is better",
                   loss, now);
    }
}

void check_head_calibrate(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 120, .latent = 2, .raw = 1 };
    stele_metric before[MOST_METRICS], after[MOST_METRICS];
    int64_t width = 0;
    size_t n_buffers = 0;
    if (rig_start(t, &plan, &r)) {
        train_descend(&r, 20, train_loss(&r, 0)); /* not yet as sure as it may be */
        const double loss = train_loss(&r, 0), *start = buffers_of(&r, &n_buffers), *once = NULL, *again = NULL;
        const float *predicted = predictions(&r, &width);
        const int scores = predicted != NULL && t->plugin->vt.head.score != NULL;
        uint32_t n = scores ? score(&r, width, predicted, 0, MOST_METRICS, before) : 0;
        int good = predicted != NULL && calibrate(&r, width, predicted);
        once = buffers_of(&r, &n_buffers);
        const float *calibrated = good ? predictions(&r, &width) : NULL;
        if (calibrated != NULL && (!scores || score(&r, width, calibrated, 0, MOST_METRICS, after) == n)) {
            compare_calibrated(&r, loss, n, before, after);
            put_buffers(&r, start);
            good = calibrate(&r, width, predicted);
            again = buffers_of(&r, &n_buffers);
            if (good && memcmp(once, again, n_buffers * sizeof *once) != 0) {
                check_fail(t, "the same rows give other buffers in a later call");
            }
        }
    }
    rig_finish(&r);
}

/* --- log p(target | z) -------------------------------------------------------------------------------------------- */

/* exp(log_prob) of all rows if their targets are v, times `weight`, added to `sum`. 0: failed, which was said. */
static int add_density(rig *r, double v, double weight, double *sum)
{
    rig_result res;
    const int64_t n = r->plan.rows;
    for (int64_t i = 0; i < n * (int64_t)r->n_columns; i++) {
        r->target[i] = v;
    }
    if (!rig_compute(r, n, NULL, 0, &res)) {
        return 0;
    }
    const rig_output *o = &res.out[res.n - 1];
    const int good = o->rows == n && o->width == 1;
    for (int64_t i = 0; good && i < n; i++) {
        sum[i] += weight * exp(o->value[i]);
    }
    rig_result_finish(&res);
    if (!good) {
        check_fail(r->t, "log_prob gave no number for each of %lld rows", (long long)n);
    }
    return good;
}

/* Numbers of the toy problem and what a head makes of them lie within 4 of 0. Of wide tails some is beyond REACH. */
#define REACH  40.0
#define STEP   0.01
#define BEYOND 0.1

void check_head_log_prob(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 6, .latent = 2, .raw = 1, .tally = 1 };
    int good = rig_start(t, &plan, &r);
    if (good && r.n_columns > 1) {
        check_skip(t, "the target has several columns");
    } else if (good) {
        const int codes = r.field.content == STELE_FIELD_CATEGORY;
        double *sum = rig_take(&r, (size_t)plan.rows * sizeof *sum);
        for (int64_t c = 0; good && codes && c < r.field.n_categories; c++) {
            good = add_density(&r, (double)c, 1.0, sum);
        }
        for (double v = -REACH; good && !codes && v < REACH; v += STEP) {
            good = add_density(&r, v, STEP, sum);
        }
        for (int64_t i = 0; good && i < plan.rows; i++) {
            if (!(sum[i] <= 1.0 + 1e-3 && sum[i] >= 1.0 - (codes ? 1e-3 : BEYOND))) {
                check_fail(t, "row %lld: %s is %.6g", (long long)i,
                           codes ? "the sum of exp(log_prob) over the classes" : "the integral of exp(log_prob)",
                           sum[i]);
                good = 0;
            }
        }
    }
    rig_finish(&r);
}
