/* Intervals by resampled rows: against the plain definition, theory, and any number of threads. */
#include "test.h"

#include "eval/bootstrap.h"
#include "eval/moments.h"
#include "graph/noise.h"
#include "graph/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 300, RESAMPLES = 2000 };

static double value[N], pair[N][2];

static void fill(void)
{
    uint64_t seed = 11;
    for (int r = 0; r < N; r++) {
        double sum = 0.0;
        for (int i = 0; i < 12; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(seed >> 33) / (double)(1u << 31);
        }
        value[r] = 3.0 + 2.0 * (sum - 6.0); /* about normal, mean 3, deviation 2 */
        pair[r][0] = value[r];
        pair[r][1] = r % 3 == 0 ? (double)NAN : -2.0 * value[r];
    }
}

static stele__bootstrap rows_of(uint32_t n_resamples, stele__pool *pool)
{
    return (stele__bootstrap){
        .n = N, .n_units = N, .n_resamples = n_resamples, .level = 0.9, .seed = 5, .pool = pool
    };
}

/* Keeps what each resample was. */
typedef struct kept {
    uint32_t count[RESAMPLES][N];
    size_t n;
} kept;

static void keep(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    kept *k = ctx;
    (void)thread;
    memcpy(k->count[k->n++], count, sizeof k->count[0]);
    ret[0] = 0.0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) {
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
    }
}

static void resamples_draw_as_many_rows_as_there_are(void **state)
{
    static kept k;
    (void)state;
    stele__bootstrap b = rows_of(RESAMPLES, NULL);
    stele__interval i;
    double often = 0.0;
    memset(&k, 0, sizeof k);
    assert_int_equal(stele__bootstrap_run(&b, 0, 1, 1, keep, &k, &i), STELE_OK);
    assert_int_equal(k.n, RESAMPLES);
    for (size_t r = 0; r < k.n; r++) {
        uint32_t total = 0;
        for (int at = 0; at < N; at++) {
            total += k.count[r][at];
            often += k.count[r][at] == 0;
        }
        assert_int_equal(total, N);
        assert_true(r == 0 || memcmp(k.count[r], k.count[r - 1], sizeof k.count[r]) != 0);
    }
    /* A row is left out with probability (1 - 1/n)^n. */
    assert_near(often / (N * RESAMPLES), pow(1.0 - 1.0 / N, N), 0.002);
}

/* The ends are quantiles, on straight lines between order statistics, of the statistic over
 * resamples that are drawn once more and spelled out row by row. */
static void ends_are_those_of_the_definition(void **state)
{
    static kept k;
    static double mean[RESAMPLES], middle[RESAMPLES];
    (void)state;
    fill();
    stele__bootstrap b = rows_of(RESAMPLES, NULL);
    stele__interval ignored, of_mean, of_median;
    memset(&k, 0, sizeof k);
    assert_int_equal(stele__bootstrap_run(&b, 0, 1, 1, keep, &k, &ignored), STELE_OK);
    for (size_t r = 0; r < k.n; r++) {
        int64_t row[N];
        double drawn[N], sum = 0.0;
        assert_int_equal(stele__bootstrap_rows(&b, k.count[r], row), N);
        for (int at = 0; at < N; at++) {
            drawn[at] = value[row[at]];
            sum += drawn[at];
        }
        qsort(drawn, N, sizeof drawn[0], ascending);
        mean[r] = sum / N;
        middle[r] = 0.5 * (drawn[N / 2 - 1] + drawn[N / 2]);
    }
    assert_int_equal(stele__bootstrap_means(&b, value, 1, &of_mean), STELE_OK);
    assert_int_equal(stele__bootstrap_median(&b, value, &of_median), STELE_OK);
    qsort(mean, RESAMPLES, sizeof mean[0], ascending);
    qsort(middle, RESAMPLES, sizeof middle[0], ascending);
    /* 0.05 (2000 - 1) = 99.95 and 0.95 (2000 - 1) = 1899.05 */
    assert_near(of_mean.low, mean[99] + 0.95 * (mean[100] - mean[99]), 1e-9);
    assert_near(of_mean.high, mean[1899] + 0.05 * (mean[1900] - mean[1899]), 1e-9);
    assert_near(of_median.low, middle[99] + 0.95 * (middle[100] - middle[99]), 1e-9);
    assert_near(of_median.high, middle[1899] + 0.05 * (middle[1900] - middle[1899]), 1e-9);
}

static void a_mean_moves_as_its_standard_error_says(void **state)
{
    (void)state;
    fill();
    stele__bootstrap b = rows_of(RESAMPLES, NULL);
    stele__interval i[2];
    stele__moments all = { 0 }, some = { 0 };
    for (int r = 0; r < N; r++) {
        stele__moments_add(&all, pair[r][0]);
        if (!isnan(pair[r][1])) {
            stele__moments_add(&some, pair[r][1]);
        }
    }
    assert_int_equal(stele__bootstrap_means(&b, &pair[0][0], 2, i), STELE_OK);
    const stele__moments *m[] = { &all, &some };
    for (int k = 0; k < 2; k++) {
        double half = 1.645 * stele__moments_standard_error(m[k]);
        assert_near(i[k].low, m[k]->mean - half, 0.12 * half);
        assert_near(i[k].high, m[k]->mean + half, 0.12 * half);
    }
}

/* Ten groups of rows that are all alike: there are ten values to draw from, not three hundred. */
static void groups_are_drawn_together(void **state)
{
    (void)state;
    enum { GROUPS = 10 };
    static double level[N];
    static int32_t unit[N];
    stele__bootstrap b = rows_of(RESAMPLES, NULL);
    stele__interval apart, together;
    double variance = 0.0;
    for (int r = 0; r < N; r++) {
        unit[r] = r % GROUPS;
        level[r] = unit[r];
        variance += (unit[r] - 4.5) * (unit[r] - 4.5) / N;
    }
    assert_int_equal(stele__bootstrap_means(&b, level, 1, &apart), STELE_OK);
    b.unit = unit;
    b.n_units = GROUPS;
    assert_int_equal(stele__bootstrap_means(&b, level, 1, &together), STELE_OK);
    assert_near(apart.high - apart.low, 2.0 * 1.645 * sqrt(variance / N), 0.06);
    assert_near(together.high - together.low, 2.0 * 1.645 * sqrt(variance / GROUPS), 0.3);
    static kept k;
    memset(&k, 0, sizeof k);
    assert_int_equal(stele__bootstrap_run(&b, 100, 1, 1, keep, &k, &apart), STELE_OK);
    assert_int_equal(k.n, 100);
    for (int r = GROUPS; r < N; r++) {
        assert_int_equal(k.count[7][r], k.count[7][r % GROUPS]);
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    fill();
    stele__interval i[3][3];
    memset(i, 0, sizeof i);
    for (unsigned t = 1; t <= 3; t++) {
        stele__pool *pool = NULL;
        assert_int_equal(stele__pool_create(t, &pool), STELE_OK);
        stele__bootstrap b = rows_of(500, pool);
        assert_int_equal(stele__bootstrap_means(&b, &pair[0][0], 2, i[t - 1]), STELE_OK);
        assert_int_equal(stele__bootstrap_median(&b, value, &i[t - 1][2]), STELE_OK);
        stele__pool_destroy(pool);
    }
    assert_memory_equal(i[0], i[1], sizeof i[0]);
    assert_memory_equal(i[0], i[2], sizeof i[0]);
}

static void what_is_undefined_has_no_interval(void **state)
{
    (void)state;
    static double rare[N];
    stele__interval i;
    for (int r = 0; r < N; r++) {
        rare[r] = r == 0 ? 1.0 : (double)NAN; /* in 63 % of the resamples */
    }
    stele__bootstrap b = rows_of(RESAMPLES, NULL);
    assert_int_equal(stele__bootstrap_means(&b, rare, 1, &i), STELE_OK);
    assert_true(i.low == 1.0 && i.high == 1.0);
    rare[0] = NAN;
    assert_int_equal(stele__bootstrap_means(&b, rare, 1, &i), STELE_OK);
    assert_true(isnan(i.low) && isnan(i.high));
    assert_int_equal(stele__bootstrap_median(&b, rare, &i), STELE_OK);
    assert_true(isnan(i.low) && isnan(i.high));
    fill();
    b.n_resamples = STELE__LEAST_RESAMPLES - 1;
    assert_int_equal(stele__bootstrap_means(&b, value, 1, &i), STELE_OK);
    assert_true(isnan(i.low) && isnan(i.high));
}

/* --- figures that noise makes larger --- */

enum { FEW = 200, GROUPS = 15, SETS = 60 };

typedef struct distances {
    double deviation[FEW];
} distances;

/* Weighted distances of groups' means from 0, as of an expected calibration error. */
static void sum_of_distances(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    const distances *d = ctx;
    double sum[GROUPS] = { 0.0 };
    (void)thread;
    ret[0] = 0.0;
    for (int r = 0; r < FEW; r++) {
        sum[r % GROUPS] += (count != NULL ? count[r] : 1) * d->deviation[r];
    }
    for (int g = 0; g < GROUPS; g++) {
        ret[0] += fabs(sum[g]) / FEW;
    }
}

/* Deviations of -.5 or .5 that are .05 on average in every group, which so is the true figure. */
static void mirrored_intervals_hold_what_noise_makes_larger(void **state)
{
    static distances d;
    stele__stream s = { .key = stele__noise_key(3, 4, 0) };
    int plain = 0, mirrored = 0;
    double above = 0.0;
    (void)state;
    for (int set = 0; set < SETS; set++) {
        double u[FEW], figure = 0.0;
        stele__interval i;
        s.row = set;
        stele__stream_uniform(&s, STELE_F64, FEW, u);
        for (int r = 0; r < FEW; r++) {
            d.deviation[r] = u[r] < 0.55 ? 0.5 : -0.5;
        }
        stele__bootstrap b = {
            .n = FEW, .n_units = FEW, .n_resamples = 200, .level = 0.95, .seed = 5
        };
        sum_of_distances(&d, NULL, 0, &figure);
        assert_int_equal(stele__bootstrap_run(&b, 0, 0, 1, sum_of_distances, &d, &i), STELE_OK);
        const stele__interval was = i;
        const stele_metric m = { .value = figure, .flags = STELE_METRIC_EXCESS };
        plain += i.low <= 0.05 && 0.05 <= i.high;
        stele__interval_mirror(&m, 1, &i);
        assert_near(i.high, fmax(0.0, 2.0 * figure - was.low), 1e-15);
        assert_near(i.low, fmax(0.0, 2.0 * figure - was.high), 1e-15);
        mirrored += i.low <= 0.05 && 0.05 <= i.high;
        above += figure / SETS;
    }
    assert_true(above > 0.08); /* of 13 rows a group */
    assert_true(plain < SETS / 4);
    assert_true(mirrored > SETS * 3 / 4);
}

static void other_intervals_stay(void **state)
{
    const stele_metric m[] = { { .value = 0.5 }, { .value = 0.1, .flags = STELE_METRIC_EXCESS } };
    stele__interval i[] = { { 0.4, 0.7 }, { NAN, NAN } };
    (void)state;
    stele__interval_mirror(m, 2, i);
    assert_true(i[0].low == 0.4 && i[0].high == 0.7);
    assert_true(isnan(i[1].low) && isnan(i[1].high));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resamples_draw_as_many_rows_as_there_are),
        cmocka_unit_test(ends_are_those_of_the_definition),
        cmocka_unit_test(a_mean_moves_as_its_standard_error_says),
        cmocka_unit_test(groups_are_drawn_together),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(what_is_undefined_has_no_interval),
        cmocka_unit_test(mirrored_intervals_hold_what_noise_makes_larger),
        cmocka_unit_test(other_intervals_stay),
    };
    return cmocka_run_group_tests_name("bootstrap", tests, NULL, NULL);
}
