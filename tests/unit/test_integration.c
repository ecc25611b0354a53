/* Silhouettes, LISI and FOSCTTM against scikit-learn, scib-metrics and numpy
 * (fixtures/make_integration.py), and where a value lies among its draws. */
#include "test.h"

#include "base/mem.h"
#include "eval/bootstrap.h"
#include "eval/calibration.h"
#include "eval/foscttm.h"
#include "eval/knn.h"
#include "eval/lisi.h"
#include "eval/silhouette.h"
#include "fixtures/integration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR = FIX_K - 1 }; /* without the row itself */

static void assert_close(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) {
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
    }
}

static void silhouettes_are_those_of_scikit_learn(void **state)
{
    (void)state;
    double s[FIX_N], sum = 0.0;
    assert_int_equal(stele__silhouette(fix_x, fix_label, FIX_N, FIX_COLUMNS, NULL, s), STELE_OK);
    for (int i = 0; i < FIX_N; i++) {
        assert_close(s[i], fix_silhouette[i], 1e-12);
        sum += 0.5 * (s[i] + 1.0) / FIX_N;
    }
    assert_true(s[5] == 0.0); /* alone in its class */
    assert_close(sum, fix_silhouette_scaled, 1e-9);
}

static void rows_that_do_not_count_leave_no_trace(void **state)
{
    (void)state;
    float x[(FIX_N + 2) * FIX_COLUMNS];
    int32_t label[FIX_N + 2];
    double s[FIX_N + 2];
    memcpy(x, fix_x, sizeof fix_x);
    memcpy(label, fix_label, sizeof fix_label);
    for (int j = 0; j < FIX_COLUMNS; j++) {
        x[FIX_N * FIX_COLUMNS + j] = 0.0f;
        x[(FIX_N + 1) * FIX_COLUMNS + j] = NAN;
    }
    label[FIX_N] = -1;
    label[FIX_N + 1] = 1;
    assert_int_equal(stele__silhouette(x, label, FIX_N + 2, FIX_COLUMNS, NULL, s), STELE_OK);
    for (int i = 0; i < FIX_N; i++) {
        assert_close(s[i], fix_silhouette[i], 1e-12);
    }
    assert_true(isnan(s[FIX_N]) && isnan(s[FIX_N + 1]));
    memset(label, 0, sizeof label);
    assert_int_equal(stele__silhouette(x, label, FIX_N, FIX_COLUMNS, NULL, s), STELE_OK);
    assert_true(isnan(s[0]) && isnan(s[FIX_N - 1])); /* one class */
}

/* scib's figure is the mean over classes of the mean over their rows. */
static void batches_within_classes_are_those_of_scib(void **state)
{
    (void)state;
    double s[FIX_N], total = 0.0, classes = 0.0;
    assert_int_equal(
        stele__silhouette_batch(fix_x, fix_label, fix_batch, FIX_N, FIX_COLUMNS, NULL, s),
        STELE_OK);
    for (int c = 0; c < FIX_CLASSES; c++) {
        double sum = 0.0, n = 0.0;
        for (int i = 0; i < FIX_N; i++) {
            if (fix_label[i] == c && !isnan(s[i])) {
                sum += s[i];
                n += 1.0;
            }
            assert_true(fix_label[i] < 2 || isnan(s[i])); /* of one batch, of one row */
        }
        total += n > 0.0 ? sum / n : 0.0;
        classes += n > 0.0;
    }
    assert_close(total / classes, fix_silhouette_batch, 1e-9);
}

static void find_lisi(const int32_t *code, size_t n_codes, stele__pool *pool, double *ret)
{
    int32_t index[FIX_N * NEAR];
    double distance[FIX_N * NEAR];
    assert_int_equal(
        stele__knn_search(fix_x, FIX_N, fix_x, FIX_N, FIX_COLUMNS, NEAR, 1, index, distance, NULL),
        STELE_OK);
    assert_int_equal(
        stele__lisi(index, distance, FIX_N, NEAR, floor(FIX_K / 3.0), code, n_codes, pool, ret),
        STELE_OK);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, FIX_N, sizeof *v, ascending);
    return 0.5 * (v[FIX_N / 2 - 1] + v[FIX_N / 2]);
}

static void lisi_is_that_of_scib(void **state)
{
    (void)state;
    double lisi[FIX_N];
    find_lisi(fix_batch, FIX_BATCHES, NULL, lisi);
    for (int i = 0; i < FIX_N; i++) {
        assert_close(lisi[i], fix_lisi[i], 1e-6);
    }
    assert_close((median(lisi) - 1.0) / (FIX_BATCHES - 1.0), fix_ilisi, 1e-6);
    find_lisi(fix_label, FIX_CLASSES, NULL, lisi);
    assert_close((FIX_CLASSES - median(lisi)) / (FIX_CLASSES - 1.0), fix_clisi, 1e-6);
}

static void fractions_closer_are_those_of_scot(void **state)
{
    (void)state;
    double f[FIX_N];
    stele__foscttm(fix_x, fix_y, FIX_N, FIX_COLUMNS, NULL, f);
    for (int i = 0; i < FIX_N; i++) {
        assert_close(f[i], fix_foscttm[i], 1e-12);
    }
    stele__foscttm(fix_x, fix_x, FIX_N, FIX_COLUMNS, NULL, f);
    for (int i = 0; i < FIX_N; i++) {
        assert_true(f[i] == 0.0);
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    double one[4][FIX_N], three[4][FIX_N];
    stele__pool *pool = NULL;
    assert_int_equal(stele__pool_create(3, &pool), STELE_OK);
    for (int k = 0; k < 2; k++) {
        double(*ret)[FIX_N] = k == 0 ? one : three;
        stele__pool *p = k == 0 ? NULL : pool;
        assert_int_equal(stele__silhouette(fix_x, fix_label, FIX_N, FIX_COLUMNS, p, ret[0]),
                         STELE_OK);
        assert_int_equal(
            stele__silhouette_batch(fix_x, fix_label, fix_batch, FIX_N, FIX_COLUMNS, p, ret[1]),
            STELE_OK);
        find_lisi(fix_batch, FIX_BATCHES, p, ret[2]);
        stele__foscttm(fix_x, fix_y, FIX_N, FIX_COLUMNS, p, ret[3]);
    }
    for (int k = 0; k < 4; k++) {
        assert_memory_equal(one[k], three[k], sizeof one[k]);
    }
    stele__pool_destroy(pool);
}

/* Ten ranks: of the middle 80 %, 1 .. 8 lie inside, 0 below and 9 above. */
static void values_lie_where_their_rank_says(void **state)
{
    (void)state;
    double place[3];
    for (uint32_t rank = 0; rank < 10; rank++) {
        stele__calibration_place(rank, 0, 9, 0.8, place);
        assert_close(place[STELE__ROW_INSIDE], rank >= 1 && rank <= 8, 1e-12);
        assert_close(place[STELE__ROW_BELOW], rank == 0, 1e-12);
        assert_close(place[STELE__ROW_ABOVE], rank == 9, 1e-12);
    }
    /* Of the ranks 0 .. 3 that a tie with three draws stands for, three are inside. */
    stele__calibration_place(0, 3, 9, 0.8, place);
    assert_close(place[STELE__ROW_INSIDE], 0.75, 1e-12);
    assert_close(place[STELE__ROW_BELOW], 0.25, 1e-12);
    /* All draws are the same: nothing is learned, the level itself comes out. */
    stele__calibration_place(0, 9, 9, 0.8, place);
    assert_close(place[STELE__ROW_INSIDE], 0.8, 1e-12);
    assert_close(place[STELE__ROW_ABOVE], 0.1, 1e-12);
    /* An end within a rank: half of rank 1 of 5 is below, if a tail is 0.3 of them. */
    stele__calibration_place(1, 0, 4, 0.4, place);
    assert_close(place[STELE__ROW_BELOW], 0.5, 1e-12);
    assert_close(place[STELE__ROW_INSIDE], 0.5, 1e-12);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    int32_t index[FIX_N * NEAR];
    double distance[FIX_N * NEAR], s[FIX_N];
    stele__bootstrap b = {
        .n = FIX_N, .n_units = FIX_N, .n_resamples = 100, .level = 0.9, .seed = 1
    };
    stele__interval interval;
    assert_int_equal(
        stele__knn_search(fix_x, FIX_N, fix_x, FIX_N, FIX_COLUMNS, NEAR, 1, index, distance, NULL),
        STELE_OK);
    for (int64_t i = 0;; i++) {
        stele__mem_fail_at(i);
        stele_status status =
            stele__silhouette_batch(fix_x, fix_label, fix_batch, FIX_N, FIX_COLUMNS, NULL, s);
        if (status == STELE_OK) {
            status =
                stele__lisi(index, distance, FIX_N, NEAR, 5.0, fix_batch, FIX_BATCHES, NULL, s);
        }
        if (status == STELE_OK) {
            status = stele__bootstrap_median(&b, s, &interval);
        }
        stele__mem_fail_at(-1);
        if (status == STELE_OK) {
            assert_true(i > 10);
            return;
        }
        assert_int_equal(status, STELE_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silhouettes_are_those_of_scikit_learn),
        cmocka_unit_test(rows_that_do_not_count_leave_no_trace),
        cmocka_unit_test(batches_within_classes_are_those_of_scib),
        cmocka_unit_test(lisi_is_that_of_scib),
        cmocka_unit_test(fractions_closer_are_those_of_scot),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(values_lie_where_their_rank_says),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("integration", tests, NULL, NULL);
}
