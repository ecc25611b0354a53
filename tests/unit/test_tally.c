/* Metrics of whole rows: at which latents the model and the baselines are asked, with which rows,
 * and what becomes of the rows' numbers. Values by hand. */
#include "test.h"

#include "eval/cross.h"
#include "eval/private.h"
#include "graph/ops.h"
#include "toy_specs.h"

#include <math.h>

enum { WIDTH = 3, LATENT = 2, PRIVATE = 2 };

/* z and measurements that were asked for: of the model, the marginal, the class mean. */
static struct {
    int calls;
    int64_t n_rows;
    double z[STELE__N_CROSS][TOY_ROWS * LATENT], x[TOY_ROWS * TOY_B];
    double w[STELE__N_CROSS]
            [TOY_ROWS * PRIVATE]; /* behind z, where the modality has private ones */
    int empty;                    /* answers to give: the number of a row is no number */
    uint32_t width;
} seen;

static uint32_t tally_width(const stele_inst *self)
{
    (void)self;
    return seen.width;
}

/* z[0], what the row has of its first feature, and 1. */
static stele_status tally(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                          stele_tensor **ret_rows)
{
    const int64_t n = a->z->shape.dim[0];
    const stele_shape shape = { 2, 0, { n, WIDTH } };
    float value[TOY_ROWS * WIDTH];
    (void)self;
    assert_true(seen.calls < STELE__N_CROSS && n <= TOY_ROWS && a->target->shape.dim[0] == n);
    seen.n_rows = n;
    const int64_t all = a->z->shape.dim[1];
    for (int64_t i = 0; i < n * all; i++) {
        double *to = i % all < LATENT ? &seen.z[seen.calls][i / all * LATENT + i % all]
                                      : &seen.w[seen.calls][i / all * PRIVATE + i % all - LATENT];
        *to = stele__tensor_real(a->z, i);
    }
    for (int64_t i = 0; i < n * TOY_B; i++) {
        seen.x[i] = stele__tensor_real(a->target, i);
    }
    for (int64_t r = 0; r < n; r++) {
        value[r * WIDTH] = seen.empty ? NAN : (float)seen.z[seen.calls][r * LATENT];
        value[r * WIDTH + 1] = (float)seen.x[r * TOY_B];
        value[r * WIDTH + 2] = 1.0F;
    }
    seen.calls++;
    *ret_rows = stele__ops.constant(g, STELE_F32, &shape, value);
    return stele__ops.status(g);
}

static stele_status tally_end(const stele_inst *self, const double *sum, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    (void)self;
    assert_true(capacity >= 2);
    ret[0] = (stele_metric){ "mean_z", sum[0] / sum[2], 0, 0 };
    ret[1] = (stele_metric){ "mean_x", sum[1] / sum[2], 1, 0 };
    *ret_n = 2;
    return STELE_OK;
}

typedef struct asked {
    toy t;
    stele_modality_vt vt;
    stele__judge judge;
    int64_t all[TOY_ROWS];
    stele__cross_request q;
    stele__cross cross;
} asked;

/* b predicted from a, by all rows, last to first. `own`: what b has besides. */
static void begin_with(asked *s, const char *own)
{
    char spec[1024];
    memset(s, 0, sizeof *s);
    memset(&seen, 0, sizeof seen);
    seen.width = WIDTH;
    snprintf(spec, sizeof spec,
             A_ALL "  b: {plugin: bernoulli_peaks, from: b/dense, %s" SMALL "}\n", own);
    open_spec(&s->t, spec, POE, "", STELE_F32, 1);
    s->vt = *s->t.model.modality[1].vt;
    s->vt.score_size = NULL;
    s->vt.score_add = NULL;
    s->vt.score_end = NULL;
    s->vt.tally_width = tally_width;
    s->vt.tally = tally;
    s->vt.tally_end = tally_end;
    s->t.model.modality[1].vt = &s->vt;
    s->judge =
        (stele__judge){ .model = &s->t.model, .data = s->t.data, .graph = s->t.graph, .seed = 3 };
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        s->all[r] = TOY_ROWS - 1 - r; /* places are those of the request, not of the data */
    }
    s->q = (stele__cross_request){ .from = 0,
                                   .to = 1,
                                   .row = s->all,
                                   .n = TOY_ROWS,
                                   .train = s->all,
                                   .n_train = TOY_ROWS,
                                   .label = stele__dataset_label(s->t.data, "batch",
                                                                 STELE_FIELD_CATEGORY) };
}

static void begin(asked *s)
{
    begin_with(s, "");
}

static int has(const asked *s, int64_t row, uint64_t mask)
{
    return (stele__judge_present(&s->judge, row) & mask) == mask;
}

/* Posterior means of all rows, in the order of the request. */
static void posteriors(asked *s, uint32_t from, float ret[TOY_ROWS * LATENT])
{
    float sd[TOY_ROWS * LATENT];
    TOY_OK(&s->t, stele__judge_moments(&s->judge, s->all, TOY_ROWS, UINT64_C(1) << from, ret, sd,
                                       &s->t.diag));
}

/* Mean of z over the training rows that have `from`, of a class with ten rows of the mean of all.
 */
static double mean_of(const asked *s, const float *z, int32_t code, int d)
{
    double sum = 0.0, n = 0.0;
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        if (has(s, s->all[r], UINT64_C(1) << s->q.from) &&
            (code < 0 || s->q.label->code[s->all[r]] == code)) {
            sum += (double)z[r * LATENT + d];
            n += 1.0;
        }
    }
    return code < 0 ? sum / n : (sum + 10.0 * mean_of(s, z, -1, d)) / (n + 10.0);
}

static void compare(uint32_t from)
{
    float z[TOY_ROWS * LATENT];
    asked s;
    int64_t n = 0;
    begin(&s);
    s.q.from = from;
    posteriors(&s, from, z);
    TOY_OK(&s.t, stele__cross_compute(&s.judge, &s.q, &s.cross, &s.t.diag));
    assert_int_equal(seen.calls, STELE__N_CROSS);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        const int32_t code = s.q.label->code[s.all[r]];
        if (!has(&s, s.all[r], UINT64_C(2) | UINT64_C(1) << from)) {
            continue;
        }
        const stele__matrix *m = &s.t.data->matrix[1];
        for (int64_t f = 0; f < TOY_B; f++) {
            assert_true(seen.x[n * TOY_B + f] ==
                        (double)m->dense[m->store_row[s.all[r]] * TOY_B + f]);
        }
        for (int d = 0; d < LATENT; d++) {
            const int64_t at = n * LATENT + d;
            assert_float_equal(seen.z[STELE__CROSS_MODEL][at], z[r * LATENT + d], 1e-6);
            assert_float_equal(seen.z[STELE__CROSS_MARGINAL][at], mean_of(&s, z, -1, d), 1e-6);
            assert_float_equal(seen.z[STELE__CROSS_CLASS_MEAN][at], mean_of(&s, z, code, d), 1e-6);
        }
        n++;
    }
    assert_true(s.cross.n == n && seen.n_rows == n && n == (from == 0 ? 6 : 8));
    toy_close(&s.t);
}

static void baselines_are_mean_latents(void **state)
{
    (void)state;
    compare(0);
}

static void a_modality_is_predicted_from_itself(void **state)
{
    (void)state;
    compare(1);
}

/* What a modality keeps to itself is known of its own rows, and is at the prior's mean elsewhere.
 */
static void private_latents_are_those_of_the_row(void **state)
{
    float w[TOY_ROWS * PRIVATE], sd[TOY_ROWS * PRIVATE];
    double largest = 0.0;
    asked s;
    (void)state;
    for (uint32_t from = 0; from < 2; from++) {
        int64_t n = 0;
        begin_with(&s, "private: {dim: 2}, ");
        s.q.from = from;
        TOY_OK(&s.t, stele__cross_compute(&s.judge, &s.q, &s.cross, &s.t.diag));
        TOY_OK(&s.t, stele__private_moments(&s.judge, 1, UINT64_C(1) << from, s.all, TOY_ROWS, w,
                                            sd, &s.t.diag));
        for (int64_t r = 0; r < TOY_ROWS; r++) {
            if (!has(&s, s.all[r], UINT64_C(2) | UINT64_C(1) << from)) {
                continue;
            }
            for (int64_t d = 0; d < PRIVATE;
                 d++, largest = fmax(largest, fabs((double)w[r * PRIVATE]))) {
                const double want = from == 1 ? (double)w[r * PRIVATE + d] : 0.0;
                assert_float_equal(seen.w[STELE__CROSS_MODEL][n * PRIVATE + d], want, 1e-6);
                assert_true(seen.w[STELE__CROSS_MARGINAL][n * PRIVATE + d] == 0.0);
                assert_true(seen.w[STELE__CROSS_CLASS_MEAN][n * PRIVATE + d] == 0.0);
            }
            n++;
        }
        toy_close(&s.t);
    }
    assert_true(largest > 0.01);
}

static void numbers_are_added_up(void **state)
{
    double value[TOY_ROWS * 2];
    stele__interval want[2];
    asked s;
    (void)state;
    begin(&s);
    stele__bootstrap b = {
        .n = TOY_ROWS, .n_units = TOY_ROWS, .n_resamples = 400, .level = 0.9, .seed = 2
    };
    s.q.bootstrap = &b;
    s.q.label = NULL;
    TOY_OK(&s.t, stele__cross_compute(&s.judge, &s.q, &s.cross, &s.t.diag));
    assert_int_equal(seen.calls, STELE__CROSS_CLASS_MEAN);
    assert_int_equal(s.cross.n_metrics[STELE__CROSS_CLASS_MEAN], 0);
    for (int which = 0; which < STELE__CROSS_CLASS_MEAN; which++) {
        double sum[2] = { 0.0, 0.0 };
        for (int64_t r = 0, at = 0; r < TOY_ROWS; r++) {
            const int there = has(&s, s.all[r], 3);
            value[2 * r] = there ? seen.z[which][at * LATENT] : NAN;
            value[2 * r + 1] = there ? seen.x[at * TOY_B] : NAN;
            sum[0] += there ? value[2 * r] : 0.0;
            sum[1] += there ? value[2 * r + 1] : 0.0;
            at += there;
        }
        assert_int_equal(stele__bootstrap_means(&b, value, 2, want), STELE_OK);
        assert_int_equal(s.cross.n_metrics[which], 2);
        for (int k = 0; k < 2; k++) {
            const stele__interval *got = &s.cross.interval[which][k];
            assert_float_equal(s.cross.metric[which][k].value, sum[k] / (double)s.cross.n, 1e-9);
            assert_true(fabs(got->low - want[k].low) < 1e-9 &&
                        fabs(got->high - want[k].high) < 1e-9);
        }
        assert_true(which != STELE__CROSS_MODEL || want[0].low < want[0].high);
    }
    seen.calls = 0;
    b.n_resamples = 0;
    TOY_OK(&s.t, stele__cross_compute(&s.judge, &s.q, &s.cross, &s.t.diag));
    assert_true(isnan(s.cross.interval[0][0].low) && isnan(s.cross.interval[0][0].high));
    toy_close(&s.t);
}

static void what_is_no_number_is_refused(void **state)
{
    asked s;
    (void)state;
    begin(&s);
    seen.empty = 1;
    assert_int_equal(stele__cross_compute(&s.judge, &s.q, &s.cross, &s.t.diag), STELE_E_NONFINITE);
    assert_non_null(strstr(s.t.diag.message[0].text, "tally: number 0 of a row is nan"));
    toy_close(&s.t);
    begin(&s);
    seen.width = WIDTH + 1;
    assert_int_equal(stele__cross_compute(&s.judge, &s.q, &s.cross, &s.t.diag), STELE_E_SHAPE);
    assert_non_null(strstr(s.t.diag.message[0].text, "tally: gave no 6 rows of 4 numbers"));
    toy_close(&s.t);
    begin(&s);
    seen.width = STELE_MOST_TALLIES + 1;
    assert_int_equal(stele__cross_compute(&s.judge, &s.q, &s.cross, &s.t.diag), STELE_E_INTERNAL);
    assert_non_null(strstr(s.t.diag.message[0].text, "tally_width is not from 1 to"));
    toy_close(&s.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baselines_are_mean_latents),
        cmocka_unit_test(a_modality_is_predicted_from_itself),
        cmocka_unit_test(private_latents_are_those_of_the_row),
        cmocka_unit_test(numbers_are_added_up),
        cmocka_unit_test(what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
