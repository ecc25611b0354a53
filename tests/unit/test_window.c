/* Windows of rows: which rows they hold, what of them is gathered, and what encoders of the real
 * plugins get. That no part of a split sees another is tested on whole trainings, too (window.py).
 */
#include "test.h"

#include "count_case.h"
#include "data/digest.h"

/* --- the rows of a window --------------------------------------------------------------------- */

enum { N = 14, WIDTH = 3 };
static const char *const ids[N] = { "a", "b", "c", "d", "e", "f", "g",
                                    "h", "i", "j", "k", "l", "m", "n" };
/* Rows 3 and 8 lack the measurement. */
static const char *const measured[N - 2] = { "a", "b", "c", "e", "f", "g",
                                             "h", "j", "k", "l", "m", "n" };
static const double values_of_rows[(N - 2) * WIDTH] = {
    1, 0, 2, 0, 0, 0, 3,  0, 0, 4, 5, 6, 0, 7, 0, 0, 0,  8,
    9, 0, 1, 0, 2, 0, 10, 0, 0, 0, 0, 0, 0, 3, 4, 0, 11, 0,
};
static const double ones[N] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
/* Two trials, two rows of none, and a third trial that comes back to the name of the first. */
static const double trial[N] = { 0, 0, 0, 0, 0, 1, 1, 1, 1, -1, -1, 0, 0, 0 };
static const char *const trial_names[] = { "one", "two" };
static const uint8_t part[N] = { 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0, 0, 1, 1 };

static const fake_axis n_axes[] = { { ids, N }, { measured, N - 2 } };
static const fake_field n_fields[] = {
    { "all", STELE_FIELD_MATRIX, STELE_DENSE, 0, 1, ones, NULL, NULL, 0 },
    { "sparse", STELE_FIELD_MATRIX, STELE_CSR, 1, WIDTH, values_of_rows, NULL, NULL, 0 },
    { "dense", STELE_FIELD_MATRIX, STELE_DENSE, 1, WIDTH, values_of_rows, NULL, NULL, 0 },
    { "trial", STELE_FIELD_CATEGORY, STELE_DENSE, 0, 0, trial, NULL, trial_names, 2 },
};
static const fake_source n_source = { n_axes, 2, n_fields, 4 };

static stele__dataset *open_rows(void)
{
    static const stele__matrix_request m[] = { { .name = "all", .from = "all" },
                                               { .name = "sparse", .from = "sparse" },
                                               { .name = "dense", .from = "dense" } };
    static const stele__label_request label = { .from = "trial", .content = STELE_FIELD_CATEGORY };
    const stele__source source = { "n", &fake_vt, (const stele_inst *)(const void *)&n_source };
    stele__data_request q = { &source, 1, m, 3, &label, 1, 0, NULL };
    stele__dataset *ds = NULL;
    assert_int_equal(stele__dataset_create(&q, &ds, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    return ds;
}

/* Does a window reach from one row to the other? All rows between them count. */
static int reaches(const stele__window_request *q, int64_t from, int64_t to)
{
    int64_t low = from < to ? from : to, high = from < to ? to : from;
    int together = 1;
    for (int64_t r = low + 1; r <= high; r++) {
        together &= q->group == NULL || (trial[r] >= 0.0 && trial[r] == trial[r - 1]);
        together &= q->part == NULL || part[r] == part[r - 1];
    }
    return together;
}

/* Value of a bin as the table has it; NaN where the bin has to be absent. */
static double bin_value(const stele__window_request *q, int64_t row, int64_t bin, int64_t j)
{
    int64_t at = row - q->before + bin;
    if (at < 0 || at >= N || at == 3 || at == 8 || !reaches(q, row, at)) {
        return NAN;
    }
    return values_of_rows[(at - (at > 3) - (at > 8)) * WIDTH + j];
}

static void check_windows(const stele__window_request *q)
{
    enum { MOST_BINS = 5 };
    int64_t row[N - 2], bin[N * MOST_BINS], start[N], n = 0, k = 0;
    int32_t column[N * MOST_BINS * WIDTH];
    float value[N * MOST_BINS * WIDTH], x[N * MOST_BINS * WIDTH];
    stele__dataset *ds = open_rows();
    for (int64_t r = N - 1; r >= 0; r--) {
        row[n] = r;
        n += r != 3 && r != 8;
    }
    for (size_t m = 1; m <= 2; m++) {
        assert_int_equal(stele__dataset_window(ds, m, q, NULL), STELE_OK);
        stele__dataset_window_rows(ds, m, n, row, bin);
    }
    stele__dataset_gather_window_csr(ds, 1, n, bin, start, column, value);
    stele__dataset_gather_window_dense(ds, 2, n, bin, x);
    assert_true(start[n] <= q->bins * stele__dataset_most_entries(ds, 1, n));
    for (int64_t i = 0; i < n * q->bins * WIDTH; i++) {
        int64_t b = i / WIDTH % q->bins;
        double want = bin_value(q, row[i / WIDTH / q->bins], b, i % WIDTH);
        assert_int_equal(bin[i / WIDTH] >= 0, !isnan(want));
        assert_true(isnan(want) ? isnan(x[i]) : (double)x[i] == want);
        if (!isnan(want) && want != 0.0) {
            assert_in_range(k, start[i / WIDTH / q->bins], start[i / WIDTH / q->bins + 1] - 1);
            assert_int_equal(column[k], i % (q->bins * WIDTH));
            assert_true((double)value[k++] == want);
        }
    }
    assert_int_equal(k, start[n]);
    stele__dataset_destroy(ds);
}

static void windows_end_at_groups_and_parts(void **state)
{
    (void)state;
    for (int with = 0; with < 4; with++) {
        stele__dataset *ds = open_rows();
        for (int64_t bins = 2; bins <= 5; bins++) {
            for (int64_t before = 0; before < bins; before++) {
                stele__window_request q = { bins, before, with & 1 ? &ds->label[0] : NULL,
                                            with & 2 ? part : NULL };
                check_windows(&q);
            }
        }
        stele__dataset_destroy(ds);
    }
}

/* Nine pairs lie in a trial (of 5, 4 and 3 rows), three of them in two parts. */
static void pairs_that_the_split_parts_are_counted(void **state)
{
    stele__dataset *ds = open_rows();
    stele__window_request q = { 3, 1, &ds->label[0], part };
    (void)state;
    assert_int_equal(stele__dataset_window(ds, 1, &q, NULL), STELE_OK);
    assert_int_equal(ds->matrix[1].window->n_pairs, 9);
    assert_int_equal(ds->matrix[1].window->n_cut, 3);
    stele__dataset_destroy(ds);
}

static void a_digest_knows_what_stands_beside_what(void **state)
{
    uint64_t digest[4];
    stele__dataset *ds = open_rows();
    (void)state;
    digest[0] = stele__matrix_digest(ds, 1);
    for (int with = 0; with < 3; with++) {
        stele__window_request q = { 3, 1, with > 0 ? &ds->label[0] : NULL, with > 1 ? part : NULL };
        assert_int_equal(stele__dataset_window(ds, 1, &q, NULL), STELE_OK);
        digest[with + 1] = stele__matrix_digest(ds, 1);
        for (int i = 0; i <= with; i++) {
            assert_true(digest[i] != digest[with + 1]);
        }
    }
    stele__dataset_destroy(ds);
}

static void columns_of_a_window_can_be_numbered(void **state)
{
    stele__dataset *ds = open_rows();
    stele__diag d;
    stele__window_request q = { INT32_MAX / WIDTH + 1, 1, NULL, NULL };
    (void)state;
    stele__diag_init(&d);
    assert_int_equal(stele__dataset_window(ds, 1, &q, &d), STELE_E_DATA);
    assert_null(ds->matrix[1].window);
    stele__diag_finish(&d);
    stele__dataset_destroy(ds);
}

/* --- what encoders get ------------------------------------------------------------------------ */

#define WINDOWED(plugin_, from_, more_)                                                            \
    "  a: {plugin: " plugin_ ", from: " from_ ", window: {bins: 3" more_ "}, "                     \
    "encoder: {hidden: [4], activation: tanh}, decoder: {hidden: [3]}}\n" B

/* Bin b of row r of `a`, 1 where it is there. The rows of the toy are all one group. */
static int bin_of(const toy *t, int64_t r, int64_t b, int past, double *ret)
{
    int64_t at = r + b - (past ? 2 : 1);
    int there = at >= 0 && at < TOY_ROWS && count_at(t, at, 0) >= 0.0;
    for (int64_t j = 0; j < TOY_A; j++) {
        ret[j] = there ? count_at(t, at, j) : 0.0;
    }
    return there;
}

/* What stands in the first layer of a gaussian: each bin's standardised values, then what lacks. */
static int64_t gaussian_inputs(toy *t, int64_t r, int past, double *in)
{
    const double *centre = param(t, "a.centre")->values, *scale = param(t, "a.log_scale")->values;
    int64_t n = 0;
    for (int64_t b = 0; b < 3; b++) {
        double x[TOY_A];
        int there = bin_of(t, r, b, past, x);
        for (int64_t j = 0; j < TOY_A; j++, n++) {
            in[n] = there ? (x[j] - centre[j]) / exp(scale[j]) : 0.0;
        }
        for (int64_t j = 0; j < TOY_A; j++, n++) {
            in[n] = there ? 0.0 : 1.0;
        }
    }
    return n;
}

/* In that of spikes: the counts of all bins, then through weights of their own the absent bins. */
static int64_t spikes_inputs(toy *t, int64_t r, int past, double *in)
{
    int64_t n = 3 * TOY_A;
    for (int64_t b = 0; b < 3; b++) {
        double x[TOY_A];
        in[n + b] = bin_of(t, r, b, past, x) ? 0.0 : 1.0;
        for (int64_t j = 0; j < TOY_A; j++) {
            in[b * TOY_A + j] = log1p(x[j]);
        }
    }
    return n + 3;
}

/* Means of the expert, through a hidden layer of four whose weights are `w`, then `more`. */
static void expert_of(toy *t, int64_t n, const double *in, int spikes, double ret[2])
{
    const double *w = param(t, "a.encoder.layer0.weight")->values;
    const double *more = spikes ? param(t, "a.encoder.covariates")->values : NULL;
    const double *bias = param(t, "a.encoder.layer0.bias")->values;
    const double *mean = param(t, "a.mean.weight")->values;
    const double *shift = param(t, "a.mean.bias")->values;
    const int64_t counts = spikes ? n - 3 : n;
    ret[0] = shift[0];
    ret[1] = shift[1];
    for (int k = 0; k < 4; k++) {
        double sum = bias[k];
        for (int64_t i = 0; i < n; i++) {
            sum += in[i] * (i < counts ? w[i * 4 + k] : more[(i - counts) * 4 + k]);
        }
        ret[0] += tanh(sum) * mean[2 * k];
        ret[1] += tanh(sum) * mean[2 * k + 1];
    }
}

static void encoders_get_windows(void **state)
{
    static const char *const spec[] = {
        WINDOWED("gaussian", "a/dense", ""),
        WINDOWED("gaussian", "a", ""),
        WINDOWED("spikes", "a/dense", ""),
        WINDOWED("spikes", "a", ""),
        WINDOWED("gaussian", "a/dense", ", at: past"),
        WINDOWED("spikes", "a", ", at: past"),
    };
    (void)state;
    for (int i = 0; i < 6; i++) {
        const int spikes = i == 2 || i == 3 || i == 5, past = i > 3;
        toy t;
        double is[2 * TOY_ROWS], in[6 * TOY_A + 3], want[2];
        open_spec(&t, spec[i], POE, OWN, STELE_F64, 1);
        expert_means(&t, is);
        for (int64_t r = 0; r < TOY_ROWS; r++) {
            int64_t n = spikes ? spikes_inputs(&t, r, past, in) : gaussian_inputs(&t, r, past, in);
            expert_of(&t, n, in, spikes, want);
            for (int d = 0; d < 2 && count_at(&t, r, 0) >= 0.0; d++) {
                assert_float_equal(is[2 * r + d], want[d], 1e-11);
            }
        }
        toy_close(&t);
    }
}

/* The likelihood stays that of the row: with the encoder's weights on it at 0, a model with windows
 * says of the data what a model without them says. */
static void likelihoods_are_those_of_rows(void **state)
{
    static const char *const spec[] = { WINDOWED("spikes", "a", ""),
                                        "  a: {plugin: spikes, from: a, encoder: {hidden: [4], "
                                        "activation: tanh}, decoder: {hidden: [3]}}\n" B };
    double loss[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        toy t;
        open_spec(&t, spec[i], POE, OWN, STELE_F64, 1);
        memset(param(&t, "a.mean.weight")->values, 0, 8 * sizeof(double));
        memset(param(&t, "a.logvar.weight")->values, 0, 8 * sizeof(double));
        loss[i] = loss_of(&t, 0, NULL, 0);
        toy_close(&t);
    }
    assert_float_equal(loss[0], loss[1], 1e-11);
}

static void missing_entries_have_no_influence(void **state)
{
    static const char *const own[] = { "a.output.weight", "a.output.bias", NULL };
    (void)state;
    check_missing(WINDOWED("spikes", "a/dense", ""), own);
}

static void absent_rows_have_no_influence(void **state)
{
    (void)state;
    check_absent(WINDOWED("spikes", "a", ""));
    check_absent(WINDOWED("gaussian", "a/dense", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_end_at_groups_and_parts),
        cmocka_unit_test(pairs_that_the_split_parts_are_counted),
        cmocka_unit_test(a_digest_knows_what_stands_beside_what),
        cmocka_unit_test(columns_of_a_window_can_be_numbered),
        cmocka_unit_test(encoders_get_windows),
        cmocka_unit_test(likelihoods_are_those_of_rows),
        cmocka_unit_test(missing_entries_have_no_influence),
        cmocka_unit_test(absent_rows_have_no_influence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
