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
    assert_true(seen.calls < STELE__N_CROSS && s->n_features == seen.width);
    memcpy(seen.truth, s->truth, (size_t)(s->n_rows * s->n_features) * sizeof *s->truth);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baselines_are_means_of_all_training_rows),
        cmocka_unit_test(baselines_leave_out_missing_entries),
        cmocka_unit_test(features_can_be_scored_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
