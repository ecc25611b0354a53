/* What the baselines of a prediction across modalities are made of: values by hand. */
#include "test.h"

#include "eval/cross.h"
#include "toy_specs.h"

#include <math.h>

/* What was scored, in the order of the calls: model, marginal, class mean. */
static struct {
    int calls;
    int64_t width; /* features that a call is to have */
    float predicted[STELE__N_CROSS][TOY_ROWS * TOY_B];
    float likely[STELE__N_CROSS][TOY_ROWS * TOY_B];
    int64_t n_rows, n_features;
    float truth[TOY_ROWS * TOY_B];
} seen;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return 1;
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    (void)self;
    (void)state;
    assert_true(seen.calls < STELE__N_CROSS && (seen.width == 0 || s->n_features == seen.width));
    seen.n_rows = s->n_rows;
    seen.n_features = s->n_features;
    if (s->likely != NULL) {
        memcpy(seen.likely[seen.calls], s->likely,
               (size_t)(s->n_rows * s->n_features) * sizeof *s->likely);
    }
    if (s->n_rows * s->n_features <= TOY_ROWS * TOY_B) {
        memcpy(seen.truth, s->truth, (size_t)(s->n_rows * s->n_features) * sizeof *s->truth);
    }
    memcpy(seen.predicted[seen.calls++], s->predicted,
           (size_t)(s->n_rows * s->n_features) * sizeof *s->predicted);
    return STELE_OK;
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    (void)self;
    (void)state;
    (void)capacity;
    (void)ret;
    *ret_n = 0;
    return STELE_OK;
}

/* Row of `b` in the source, -1 if it lacks it. */
static int64_t in_b(const toy *t, int64_t row)
{
    for (int64_t i = 0; i < 8; i++) {
        if (strcmp(toy_b_ids[i], stele__dataset_row_id(t->data, row)) == 0) {
            return i;
        }
    }
    return -1;
}

static int64_t row_named(const toy *t, const char *id)
{
    int64_t r = 0;
    while (strcmp(stele__dataset_row_id(t->data, r), id) != 0) {
        r++;
    }
    return r;
}

/* Is the entry taken out, where `holes` are made? Every feature lacks two rows of the source. */
static int is_hole(int holes, int64_t at, int64_t f)
{
    return holes && (at + f) % 4 == 0;
}

/* Mean of feature f of b over the training rows of a class (all: -1), and how many those are. */
static double mean_of(const toy *t, const int64_t *train, int64_t n, const stele__label *label,
                      int32_t k, int64_t f, int holes, double *ret_n)
{
    double sum = 0.0;
    *ret_n = 0.0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = in_b(t, train[i]);
        if (at >= 0 && !is_hole(holes, at, f) && (k < 0 || label->code[train[i]] == k)) {
            sum += toy_b[at * TOY_B + f];
            *ret_n += 1.0;
        }
    }
    return *ret_n > 0.0 ? sum / *ret_n : 0.0;
}

/* r3 and r6 come first and last, have counts and a class: leaving one out would show. r5 has no
 * class and counts in the marginal alone. */
static void compare_baselines(int holes)
{
    static const char *const id[] = { "r3", "r10", "r0", "r8", "r1", "r5", "r9", "r6" };
    enum { N_TRAIN = sizeof id / sizeof id[0], N_SCORED = 6 };
    toy t;
    int64_t all[TOY_ROWS], train[N_TRAIN], scored = 0;
    stele__cross cross;
    open_spec(&t, A_ALL "  b: {plugin: bernoulli_peaks, from: b/dense, " SMALL "}\n", POE, "",
              STELE_F32, 1);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        const stele__matrix *m = &t.data->matrix[1];
        for (int64_t f = 0; f < TOY_B && in_b(&t, r) >= 0; f++) {
            float *entry = &m->dense[m->store_row[r] * TOY_B + f];
            *entry = is_hole(holes, in_b(&t, r), f) ? NAN : *entry;
        }
    }
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = r;
    }
    for (int i = 0; i < N_TRAIN; i++) {
        train[i] = row_named(&t, id[i]);
    }
    stele_modality_vt vt = *t.model.modality[1].vt;
    vt.score_size = score_size;
    vt.score_add = score_add;
    vt.score_end = score_end;
    t.model.modality[1].vt = &vt;
    stele__judge judge = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    const stele__label *label = stele__dataset_label(t.data, "batch", STELE_FIELD_CATEGORY);
    stele__cross_request q = { .from = 0,
                               .to = 1,
                               .row = all,
                               .n = TOY_ROWS,
                               .train = train,
                               .n_train = N_TRAIN,
                               .label = label };
    memset(&seen, 0, sizeof seen);
    seen.width = TOY_B;
    TOY_OK(&t, stele__cross_compute(&judge, &q, &cross, &t.diag));
    assert_int_equal(cross.n, N_SCORED);
    assert_int_equal(seen.calls, STELE__N_CROSS);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        if ((stele__judge_present(&judge, r) & 3) != 3) {
            continue;
        }
        for (int64_t f = 0; f < TOY_B; f++, scored++) {
            double n, n_class;
            double marginal = mean_of(&t, train, N_TRAIN, label, -1, f, holes, &n);
            double own = mean_of(&t, train, N_TRAIN, label, label->code[r], f, holes, &n_class);
            double want = label->code[r] < 0 ? marginal
                                             : (own * n_class + 10.0 * marginal) / (n_class + 10.0);
            assert_true(holes ? n >= 3.0 && n <= 5.0 : n == 6.0);
            assert_float_equal(seen.predicted[STELE__CROSS_MARGINAL][scored], marginal, 1e-6);
            assert_float_equal(seen.predicted[STELE__CROSS_CLASS_MEAN][scored], want, 1e-6);
        }
    }
    toy_close(&t);
}

static void baselines_are_means_of_all_training_rows(void **state)
{
    (void)state;
    compare_baselines(0);
}

/* A missing entry is not a 0. */
static void baselines_leave_out_missing_entries(void **state)
{
    (void)state;
    compare_baselines(1);
}

enum { FLAG = 5, CLASS = 7, SAME = 8 };

/* A likelihood that is not elementwise is predicted by `generate`; columns that differ in kind come
 * with their most likely values, of which the baselines have the training rows' most frequent. */
static void columns_have_likely_values(void **state)
{
    static const char spec[] =
        "{stele: 1, seed: 1, data: {source: simulate}, latent: {dim: 2}, modalities: {"
        "b: {plugin: bernoulli_peaks, encoder: {hidden: [3]}, decoder: {hidden: [3]}}, "
        "t: {plugin: table, from: table, unordered: [class], encoder: {hidden: [3]}, "
        "decoder: {hidden: [3], covariates: [batch]}}}, fusion: {plugin: poe}}";
    int64_t all[TOY_ROWS];
    stele__cross cross;
    toy t;
    (void)state;
    toy_open(&t, spec, &toy_source, toy_others, 1, STELE_F32, 1);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = r;
    }
    stele_modality_vt vt = *t.model.modality[1].vt;
    assert_true(vt.decode == NULL && stele__cross_possible(&t.model.modality[1]));
    vt.score_size = score_size;
    vt.score_add = score_add;
    vt.score_end = score_end;
    t.model.modality[1].vt = &vt;
    stele__judge judge = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    stele__cross_request q = { .from = 0,
                               .to = 1,
                               .row = all,
                               .n = TOY_ROWS,
                               .train = all,
                               .n_train = TOY_ROWS,
                               .label =
                                   stele__dataset_label(t.data, "batch", STELE_FIELD_CATEGORY) };
    memset(&seen, 0, sizeof seen);
    TOY_OK(&t, stele__cross_compute(&judge, &q, &cross, &t.diag));
    assert_true(seen.calls == STELE__N_CROSS && seen.n_features == TOY_TABLE && seen.n_rows == 6);
    for (int64_t r = 0, at = 0; r < TOY_ROWS; r++) {
        if ((stele__judge_present(&judge, r) & 3) != 3) {
            continue;
        }
        const float *likely = seen.likely[STELE__CROSS_MODEL] + at * TOY_TABLE;
        const float *mean = seen.predicted[STELE__CROSS_MODEL] + at * TOY_TABLE;
        assert_true(likely[CLASS] == 10 || likely[CLASS] == 20 || likely[CLASS] == 30 ||
                    likely[CLASS] == 40);
        assert_true(likely[FLAG] == (mean[FLAG] > 0.5f ? 1.0f : 0.0f));
        assert_true(likely[SAME] == 4 && mean[SAME] == 4);
        assert_true(mean[CLASS] == likely[CLASS]); /* levels without an order have no mean */
        const float *most = seen.likely[STELE__CROSS_MARGINAL] + at * TOY_TABLE;
        assert_true(most[CLASS] == 10 && most[FLAG] == 0); /* 4 of 8, and the least of those */
        const float *own = seen.likely[STELE__CROSS_CLASS_MEAN] + at * TOY_TABLE;
        const int32_t code = q.label->code[r];
        assert_true(code != 2 || (own[CLASS] == 10 || own[CLASS] == 20)); /* r2, r6, r7 */
        assert_true(code != 2 || own[FLAG] == 1);
        at++;
    }
    toy_close(&t);
}

/* Features that are scored alone, or a few of them, are scored as among all. */
static void features_can_be_scored_alone(void **state)
{
    enum { N_SCORED = 6 };
    (void)state;
    for (int sparse = 0; sparse < 2; sparse++) {
        toy t;
        int64_t all[TOY_ROWS];
        stele__cross cross;
        open_spec(&t,
                  sparse ? A_ALL B
                         : A_ALL "  b: {plugin: bernoulli_peaks, from: b/dense, " SMALL "}\n",
                  POE, "", STELE_F32, 1);
        for (int64_t r = 0; r < TOY_ROWS; r++) {
            all[r] = r;
        }
        stele_modality_vt vt = *t.model.modality[1].vt;
        vt.score_size = score_size;
        vt.score_add = score_add;
        vt.score_end = score_end;
        t.model.modality[1].vt = &vt;
        stele__judge judge = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
        stele__cross_request q = {
            .to = 1, .row = all, .n = TOY_ROWS, .train = all, .n_train = TOY_ROWS
        };
        memset(&seen, 0, sizeof seen);
        seen.width = TOY_B;
        TOY_OK(&t, stele__cross_compute(&judge, &q, &cross, &t.diag));
        float predicted[2][N_SCORED * TOY_B], truth[N_SCORED * TOY_B];
        memcpy(predicted, seen.predicted, sizeof predicted[0]);
        memcpy(predicted[1], seen.predicted[1], sizeof predicted[1]);
        memcpy(truth, seen.truth, sizeof truth);
        for (q.first = 0; q.first < TOY_B; q.first++) {
            q.n_features = q.first + 2 <= TOY_B ? 2 : 1;
            seen.calls = 0;
            seen.width = q.n_features;
            TOY_OK(&t, stele__cross_compute(&judge, &q, &cross, &t.diag));
            assert_int_equal(cross.n, N_SCORED);
            for (int64_t i = 0; i < N_SCORED * q.n_features; i++) {
                const int64_t at = i / q.n_features * TOY_B + q.first + i % q.n_features;
                assert_true(seen.truth[i] == truth[at]);
                assert_true(seen.predicted[0][i] == predicted[0][at]);
                assert_true(seen.predicted[1][i] == predicted[1][at]);
            }
        }
        toy_close(&t);
    }
}

/* A metric that is a mean over rows: what the plugin says of a resample is then known. */
typedef struct residual {
    double sum, n;
} residual;

static uint64_t residual_size(const stele_inst *self)
{
    (void)self;
    return sizeof(residual);
}

static stele_status residual_add(const stele_inst *self, void *state, const stele_scored *s)
{
    residual *m = state;
    (void)self;
    for (int64_t i = 0; i < s->n_rows * s->n_features; i++) {
        m->sum += (double)s->truth[i] - (double)s->predicted[i];
        m->n += 1.0;
    }
    if (seen.calls < STELE__N_CROSS && seen.calls >= 0) {
        memcpy(seen.predicted[seen.calls], s->predicted,
               (size_t)(s->n_rows * s->n_features) * sizeof *s->predicted);
        memcpy(seen.truth, s->truth, (size_t)(s->n_rows * s->n_features) * sizeof *s->truth);
        seen.calls = -1; /* of all rows; the resamples that follow are not kept */
    }
    return STELE_OK;
}

static stele_status residual_end(const stele_inst *self, void *state, uint32_t capacity,
                                 stele_metric *ret, uint32_t *ret_n)
{
    const residual *m = state;
    (void)self;
    (void)capacity;
    ret[0] = (stele_metric){ .name = "residual", .value = m->sum / m->n };
    *ret_n = 1;
    return STELE_OK;
}

static void intervals_are_of_resampled_rows(void **state)
{
    toy t;
    int64_t all[TOY_ROWS];
    double value[TOY_ROWS];
    stele__cross cross;
    stele__interval want;
    (void)state;
    open_spec(&t, A_ALL "  b: {plugin: bernoulli_peaks, from: b/dense, " SMALL "}\n", POE, "",
              STELE_F32, 1);
    stele_modality_vt vt = *t.model.modality[1].vt;
    vt.score_size = residual_size;
    vt.score_add = residual_add;
    vt.score_end = residual_end;
    t.model.modality[1].vt = &vt;
    stele__judge judge = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    stele__bootstrap b = {
        .n = TOY_ROWS, .n_units = TOY_ROWS, .n_resamples = 400, .level = 0.9, .seed = 2
    };
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = TOY_ROWS - 1 - r; /* places are those of the request, not of the data */
    }
    stele__cross_request q = {
        .to = 1, .row = all, .n = TOY_ROWS, .train = all, .n_train = TOY_ROWS, .bootstrap = &b
    };
    memset(&seen, 0, sizeof seen);
    TOY_OK(&t, stele__cross_compute(&judge, &q, &cross, &t.diag));
    for (int64_t r = 0, at = 0; r < TOY_ROWS; r++) {
        value[r] = NAN;
        if ((stele__judge_present(&judge, all[r]) & 3) == 3) {
            value[r] = 0.0;
            for (int64_t f = 0; f < TOY_B; f++, at++) {
                value[r] += ((double)seen.truth[at] - (double)seen.predicted[0][at]) / TOY_B;
            }
        }
    }
    assert_int_equal(stele__bootstrap_means(&b, value, 1, &want), STELE_OK);
    const stele__interval *got = &cross.interval[STELE__CROSS_MODEL][0];
    assert_true(want.low < want.high);
    assert_true(fabs(got->low - want.low) < 1e-9 && fabs(got->high - want.high) < 1e-9);
    b.n_resamples = 0;
    TOY_OK(&t, stele__cross_compute(&judge, &q, &cross, &t.diag));
    assert_true(isnan(got->low) && isnan(got->high));
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baselines_are_means_of_all_training_rows),
        cmocka_unit_test(baselines_leave_out_missing_entries),
        cmocka_unit_test(columns_have_likely_values),
        cmocka_unit_test(features_can_be_scored_alone),
        cmocka_unit_test(intervals_are_of_resampled_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
