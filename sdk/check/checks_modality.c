/* Checks of modalities beside the elementwise likelihood itself. */
#include "block.h"
#include "guard.h"
#include "metric.h"
#include "rig.h"

#include "base/mem.h"
#include "graph/op.h"
#include "graph/tensor.h"

#include <math.h>
#include <string.h>

static int start(check_trial *t, const rig_plan *plan, rig *r, rig_result *res, int record)
{
    return rig_start(t, plan, r) && rig_compute(r, r->plan.rows, NULL, record, res);
}

/* Sum of log p(x | z), the last output of a modality. */
static double total(const rig_result *res)
{
    const rig_output *o = &res->out[res->n - 1];
    double sum = 0.0;
    for (int64_t i = 0; i < o->rows; i++) {
        sum += o->value[i];
    }
    return sum;
}

static double *gradient_of(rig *r, const rig_result *res, double *ret_squares)
{
    size_t n = 0;
    double *copy = NULL, one[256];
    const void *from = one;
    stele_tensor *out = res->out[res->n - 1].t;
    for (int k = 0; k < 256; k++) {
        one[k] = 1.0;
    }
    stele__params_begin_gradient(r->params);
    stele_status status = stele__graph_backward_from(r->graph, 1, &out, &from);
    stele__params_end_gradient(r->params);
    stele__params_values(r->params, &n);
    if (status != STELE_OK) {
        check_fail(r->t, "derivatives failed: %s", stele__graph_error(r->graph));
        return NULL;
    }
    copy = rig_take(r, n * sizeof *copy + 1);
    memcpy(copy, stele__params_gradient(r->params), n * sizeof *copy);
    *ret_squares = 0.0;
    for (size_t k = 0; k < n; k++) {
        *ret_squares += copy[k] * copy[k];
    }
    return copy;
}

void check_modality_logprob(check_trial *t)
{
    rig r;
    rig_plan plan = { .dtype = STELE_F64, .rows = 7, .features = 6 };
    rig_result res;
    if ((t->plugin->desc.caps & STELE_CAP_F64) == 0) {
        check_skip(t, "the plugin does not promise double");
        return;
    }
    if (start(t, &plan, &r, &res, 1)) {
        double before = total(&res), squares = 0.0;
        double *d = gradient_of(&r, &res, &squares);
        rig_result_finish(&res);
        size_t n = 0;
        double *values = stele__params_values(r.params, &n);
        if (d != NULL && squares == 0.0) {
            check_say(t, CHECK_HOLLOW, "all derivatives were 0");
        } else if (d != NULL) {
            double step = 1e-5 / sqrt(squares); /* so short that the slope alone decides */
            for (size_t k = 0; k < n; k++) {
                values[k] += step * d[k];
            }
            if (rig_compute(&r, r.plan.rows, NULL, 0, &res)) {
                double rise = total(&res) - before, promised = step * squares;
                if (!(fabs(rise - promised) <= 0.02 * promised)) {
                    check_fail(t, "a step along the derivative changes log p(x | z) by %.6g, it promised %.6g", rise,
                               promised);
                }
                rig_result_finish(&res);
            }
        }
    }
    rig_finish(&r);
}

/* decode() without a target: its outputs one behind the other. 0: failed, which was said. */
static int predict(rig *r, double *ret, size_t capacity, size_t *ret_n)
{
    stele__pass pass = { .seed = 11 };
    stele_output out = { .struct_size = sizeof out };
    stele_decode_args a = { .struct_size = sizeof a };
    stele__graph_begin(r->graph, &pass);
    a.z = rig_constant(r->graph, &r->input[1].shape, r->input[1].value);
    stele__graph_enter(r->graph, &r->scope);
    stele_status status = r->vt->modality.decode(r->inst, r->graph, &a, &out);
    stele__graph_enter(r->graph, NULL);
    const int given = out.hidden == NULL; /* the predictors themselves */
    if (status != STELE_OK || stele__graph_status(r->graph) != STELE_OK || (given && out.eta[0] == NULL)) {
        check_fail(r->t, "decode without a target failed: %s", stele__graph_error(r->graph));
        return 0;
    }
    *ret_n = 0;
    const uint32_t n_first = given ? out.n_eta : 1;
    for (uint32_t k = 0; k < n_first + out.n_row; k++) {
        const stele_tensor *o = k >= n_first ? out.row[k - n_first] : given ? out.eta[k] : out.hidden;
        for (int64_t i = 0; o != NULL && i < o->n && *ret_n < capacity; i++) {
            ret[(*ret_n)++] =
                r->plan.dtype == STELE_F64 ? ((const double *)o->data)[i] : (double)((const float *)o->data)[i];
        }
    }
    return 1;
}

void check_modality_prediction(check_trial *t)
{
    static double a[8192], b[8192];
    rig r;
    rig_plan plan = { .rows = 7, .features = 6 };
    rig_result res;
    size_t n_a, n_b;
    if (start(t, &plan, &r, &res, 0)) {
        rig_result_finish(&res);
        int good = predict(&r, a, 8192, &n_a);
        for (int64_t i = 0; i < r.plan.rows * r.plan.features; i++) {
            r.input[0].value[i] = rig_value(&r, 999, i);
        }
        if (good && rig_compute(&r, r.plan.rows, NULL, 0, &res)) { /* the plugin now has seen other data */
            rig_result_finish(&res);
            if (predict(&r, b, 8192, &n_b) && (n_a != n_b || memcmp(a, b, n_a * sizeof *a) != 0)) {
                check_fail(t, "what was measured before changes what is predicted without a measurement");
            }
        }
    }
    rig_finish(&r);
}

void check_modality_sparse(check_trial *t)
{
    rig dense, sparse;
    rig_plan plan = { .rows = 7, .features = 6 };
    rig_result a, b;
    if (!start(t, &plan, &dense, &a, 0)) {
        rig_finish(&dense);
        return;
    }
    plan.layout = STELE_CSR;
    int may_be_sparse = dense.field.sample.ndim <= RIG_SPARSE_DIMS;
    stele_status status = may_be_sparse ? rig_try(t, &plan, &sparse) : STELE_E_SHAPE;
    if (status != STELE_OK || rig_run(&sparse, 7, NULL, 0, &b) != STELE_OK) {
        check_skip(t, "the plugin takes no sparse input: %s",
                   may_be_sparse ? rig_message(&sparse) : "its rows have too many extents");
    } else {
        for (uint32_t i = 0; i < a.n; i++) {
            double d = block_distance(a.out[i].rows * a.out[i].width, a.out[i].value, b.out[i].value);
            if (!(d <= (dense.plan.dtype == STELE_F64 ? 1e-10 : 1e-4))) {
                check_fail(t, "the %s of sparse input differs by %.3g", a.out[i].name, d);
            }
        }
        rig_result_finish(&b);
    }
    if (may_be_sparse) {
        rig_finish(&sparse);
    }
    rig_result_finish(&a);
    rig_finish(&dense);
}

/* --- absent rows -------------------------------------------------------------------------------------------------- */

void check_modality_absent(check_trial *t)
{
    enum { ROWS = 7, EMPTY = 2, SAME = 4 };
    rig r;
    rig_plan plan = { .rows = ROWS, .features = 6 };
    uint8_t whole[ROWS], one = 0;
    if (rig_start(t, &plan, &r)) {
        rig_input *x = &r.input[0];
        int n = 0;
        for (int64_t j = 0; j < x->width; j++) {
            x->value[EMPTY * x->width + j] = NAN;
            x->value[SAME * x->width + j] = x->value[SAME * x->width];
        }
        int good = rig_absent(&r, ROWS, NULL, whole);
        for (int64_t i = 0; good && i < ROWS; i++) {
            good = rig_absent(&r, 1, &i, &one);
            n += whole[i];
            if (good && one != whole[i]) {
                check_fail(t, "row %lld is %s among others and %s by itself", (long long)i,
                           whole[i] ? "absent" : "present", one ? "absent" : "present");
            }
        }
        if (good && !whole[EMPTY]) {
            check_fail(t, "a row of missing entries only is not absent");
        }
        if (good && n == ROWS) {
            check_say(t, CHECK_HOLLOW, "every row that was made up is absent");
        }
    }
    rig_finish(&r);
}

/* --- scores ------------------------------------------------------------------------------------------------------- */

enum { SCORED = 40, SCORED_FEATURES = 6, MOST_METRICS = 16 };

/* How score_by goes about it. */
typedef struct scoring {
    int64_t step;      /* features at a time */
    uint32_t capacity; /* room for metrics */
    int beginning;     /* see guard_at_beginning */
} scoring;

/* One block of features, all arrays of it in memory whose borders are watched. */
static stele_status score_block(rig *r, const float *truth, const float *predicted, int64_t first, int64_t n,
                                void *state)
{
    const size_t size = (size_t)(SCORED * n) * sizeof(float);
    float *a = guard_take(size, "truth"), *b = guard_take(size, "predicted");
    float *detail = r->plugin->desc.detail != NULL ? guard_take(size, "detail") : NULL;
    double *known = guard_take((size_t)n * sizeof *known, "known");
    stele_scored s = { .struct_size = sizeof s, .n_rows = SCORED, .first = first, .n_features = n };
    s.truth = a;
    s.predicted = b;
    s.detail = detail;
    s.known = known;
    for (int64_t i = 0; i < SCORED * n; i++) {
        const int64_t at = i / n * SCORED_FEATURES + first + i % n;
        a[i] = truth[at];
        b[i] = predicted[at];
        known[i % n] += (double)truth[at] / SCORED;
        if (detail != NULL) {
            detail[i] = (float)rig_uniform(r->t, 502, at);
        }
    }
    s.likely = rig_likely(r, (size_t)(SCORED * n), b);
    return r->vt->modality.score_add(r->inst, state, &s);
}

/* Metrics of SCORED rows. 0: failed, which was said; or refused for want of room. */
static uint32_t score_by(rig *r, const float *truth, const float *predicted, scoring how, stele_metric *ret)
{
    const stele_modality_vt *vt = &r->vt->modality;
    const size_t mark = guard_mark();
    guard_at_beginning(how.beginning);
    void *state = guard_take_aligned((size_t)vt->score_size(r->inst), 16, "the state of the metrics");
    stele_metric *metric = guard_take(how.capacity * sizeof *metric, "the metrics");
    stele_status status = STELE_OK;
    uint32_t n = 0;
    for (int64_t first = 0; first < SCORED_FEATURES && status == STELE_OK; first += how.step) {
        const int64_t left = SCORED_FEATURES - first;
        status = score_block(r, truth, predicted, first, left < how.step ? left : how.step, state);
    }
    if (status != STELE_OK) {
        check_fail(r->t, "score_add failed");
    } else {
        status = vt->score_end(r->inst, state, how.capacity, metric, &n);
        const int refused = status != STELE_OK && how.capacity < MOST_METRICS;
        if (!refused && (status != STELE_OK || n < 1 || n > how.capacity)) {
            check_fail(r->t, "score_end failed, or gave %u metrics where there is room for %u", n, how.capacity);
            status = STELE_E_INTERNAL;
        }
    }
    if (status == STELE_OK) {
        memcpy(ret, metric, n * sizeof *ret);
    }
    guard_free(r->t, mark);
    guard_at_beginning(0);
    return status == STELE_OK ? n : 0;
}

static void compare_metrics(check_trial *t, uint32_t n, const stele_metric *whole, const stele_metric *blocks,
                            const stele_metric *good, const stele_metric *bad, const stele_metric *again)
{
    for (uint32_t k = 0; k < n; k++) {
        const stele_metric *m = &whole[k];
        if (!metric_is_named(t, k, m)) {
            continue;
        }
        if (!(fabs(m->value - blocks[k].value) <= 1e-9 * (1.0 + fabs(m->value))) &&
            !(isnan(m->value) && isnan(blocks[k].value))) {
            check_fail(t, "`%s` is %.9g at once and %.9g by blocks of features", m->name, m->value, blocks[k].value);
        }
        if (memcmp(&m->value, &again[k].value, sizeof m->value) != 0) {
            check_fail(t, "`%s` is %.17g, and %.17g in a later call on the same data", m->name, m->value,
                       again[k].value);
        }
        double gain = (good[k].value - bad[k].value) * (m->higher_is_better ? 1.0 : -1.0);
        if (gain < 0.0 && m->higher_is_better != STELE_METRIC_NEITHER) {
            check_fail(t, "`%s` prefers a bad prediction (%.6g) to the truth (%.6g)", m->name, bad[k].value,
                       good[k].value);
        }
        if (isnan(m->value)) {
            check_say(t, CHECK_HOLLOW, "`%s` is undefined on these data", m->name);
        }
    }
}

void check_score(check_trial *t)
{
    float truth[SCORED * SCORED_FEATURES], near_it[SCORED * SCORED_FEATURES], bad[SCORED * SCORED_FEATURES];
    stele_metric whole[MOST_METRICS], blocks[MOST_METRICS], best[MOST_METRICS], worst[MOST_METRICS],
        again[MOST_METRICS + 1];
    rig r;
    rig_plan plan = { .features = SCORED_FEATURES };
    if (t->plugin->vt.modality.score_size == NULL) {
        check_skip(t, t->plugin->vt.modality.tally != NULL ? "its metrics are of whole rows"
                                                           : "the plugin has no metrics");
        return;
    }
    if (rig_start(t, &plan, &r)) {
        for (int64_t i = 0; i < SCORED * SCORED_FEATURES; i++) {
            truth[i] = (float)rig_value(&r, 500, i);
            near_it[i] = (float)(0.7 * (double)truth[i] + 0.3 * rig_uniform(t, 501, i));
        }
        for (int64_t i = 0; i < SCORED * SCORED_FEATURES; i++) {
            bad[i] = truth[SCORED * SCORED_FEATURES - 1 - i] *
                     (r.support.low == -HUGE_VAL && r.support.high == HUGE_VAL ? -1.0f : 1.0f);
        }
        const scoring all = { SCORED_FEATURES, MOST_METRICS, 0 }, by_four = { 4, MOST_METRICS, 0 },
                      beginning = { SCORED_FEATURES, MOST_METRICS, 1 }, narrow = { SCORED_FEATURES, 1, 0 };
        uint32_t n = score_by(&r, truth, near_it, all, whole);
        if (n > 0 && score_by(&r, truth, near_it, by_four, blocks) == n && score_by(&r, truth, truth, all, best) == n &&
            score_by(&r, truth, bad, all, worst) == n && score_by(&r, truth, near_it, beginning, again) == n) {
            score_by(&r, truth, near_it, narrow, again + MOST_METRICS); /* refused, or one metric */
            compare_metrics(t, n, whole, blocks, best, worst, again);
        }
    }
    rig_finish(&r);
}
