/* The Poisson likelihood (stele/poisson.h) against closed forms, in float and double, and what is
 * drawn from it. Derivatives by differences and sums over x are stele-check's.
 *
 * Golden values, with mpmath 1.3 at 40 digits: x * t - exp(t) - loggamma(x + 1); those of whole
 * counts agree with scipy.stats.poisson.logpmf(x, exp(t)) of scipy 1.17. */
#include "test.h"

#include "model/model.h"

#include <stele/metrics.h>
#include <stele/poisson.h>

enum { N = 8, DRAWS = 20000 };

static const struct {
    double x, log_rate, log_p;
} golden[] = {
    { 0, 0.5, -1.6487212707001281 },   { 3, 0.75, -1.6587594858407297 },
    { 250, 5.5, -3.7371640550733485 }, { 1000000, 13.75, -2107.5428907240802 },
    { 17, -8, -169.50540891276479 },   { 0, -40, -4.248354255291589e-18 },
    { 2.5, 1.0, -1.4192554308061195 },
};
enum { N_GOLDEN = sizeof golden / sizeof golden[0] };

/* One row of up to N elements in either type; run() leaves eta as it was. */
typedef struct row {
    uint32_t dtype, layout;
    int64_t n;
    double x[N], eta[N], row, weight;
    double log_p, d_eta[N], d_row; /* results */
} row;

static void put(uint32_t dtype, void *to, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)to)[i] = v;
    } else {
        ((float *)to)[i] = (float)v;
    }
}

static double get(uint32_t dtype, const void *from, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

static void run(row *r)
{
    double x[N], eta[N], shift, weight, d_row = 0.0;
    int32_t column[N];
    int64_t begin = 0, end = 0;
    put(r->dtype, &shift, 0, r->row);
    put(r->dtype, &weight, 0, r->weight);
    put(r->dtype, &d_row, 0, 0.0);
    for (int64_t j = 0; j < r->n; j++) {
        put(r->dtype, eta, j, r->eta[j]);
        if (r->layout == STELE_DENSE || r->x[j] != 0.0) {
            column[end] = (int32_t)j;
            put(r->dtype, x, end++, r->x[j]);
        }
    }
    stele_values values = { .struct_size = sizeof values,
                            .dtype = r->dtype,
                            .layout = r->layout,
                            .data = x,
                            .begin = &begin,
                            .end = &end,
                            .column = column };
    const void *shifts[] = { &shift };
    void *etas[] = { eta }, *d_rows[] = { &d_row };
    r->log_p = 0.0;
    stele_block b = { .struct_size = sizeof b,
                      .dtype = r->dtype,
                      .n_eta = 1,
                      .n_rows = 1,
                      .n_features = r->n,
                      .eta = (const void *const *)etas,
                      .d_eta = etas, /* in place, as the host does it */
                      .row = shifts,
                      .d_row = d_rows,
                      .weight = &weight,
                      .x = &values,
                      .log_prob = &r->log_p };
    assert_int_equal(stele_poisson(stele__model_tables.vec, &b), STELE_OK);
    for (int64_t j = 0; j < r->n; j++) {
        r->d_eta[j] = get(r->dtype, eta, j);
    }
    r->d_row = get(r->dtype, &d_row, 0);
}

/* `terms`: what is added up to give it. */
static void near(double is, double want, double tolerance, double terms)
{
    if (!(fabs(is - want) <= tolerance * fmax(terms, fmax(1.0, fabs(want))))) {
        fail_msg("%.15g, expected %.15g", is, want);
    }
}

/* Counts with an exposure e^row: x log(h r) - h r - log x!, derivative w (x - h r). */
static void test_values(void **state)
{
    static const double shift[] = { 0.0, -3.0, 1.25 };
    (void)state;
    for (int k = 0; k < N_GOLDEN * 3 * 2; k++) {
        int i = k / 6, narrow = k % 2;
        row r = {
            .dtype = narrow ? STELE_F32 : STELE_F64, .layout = STELE_DENSE, .n = 1, .weight = 2.0
        };
        r.x[0] = golden[i].x;
        r.row = shift[k / 2 % 3];
        r.eta[0] = golden[i].log_rate - r.row; /* exact in float */
        run(&r);
        near(r.log_p, golden[i].log_p, narrow ? 2e-7 : 1e-15, narrow ? 1.0 : 10.0 * r.x[0]);
        double want = 2.0 * (golden[i].x - exp(golden[i].log_rate));
        near(r.d_eta[0], want, narrow ? 2e-7 : 1e-15, narrow ? 1.0 : 10.0 * r.x[0]);
        near(r.d_row, want, narrow ? 2e-7 : 1e-15, narrow ? 1.0 : 10.0 * r.x[0]);
    }
}

/* A row is the sum of its elements, zeros stored or not; missing ones add nothing. */
static void test_rows(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        uint32_t dtype = k % 2 == 0 ? STELE_F64 : STELE_F32;
        row r = { .dtype = dtype, .layout = k / 2 == 0 ? STELE_DENSE : STELE_CSR, .weight = 1.0 };
        double want = 0.0, d_row = 0.0;
        r.n = 7;
        for (int64_t j = 0; j < r.n; j++) {
            static const double x[] = { 0, 2, 0, NAN, 5, 0, 70 };
            r.x[j] = x[j];
            r.eta[j] = 0.25 * (double)j - 1.0;
            if (!isnan(x[j])) {
                want += x[j] * r.eta[j] - exp(r.eta[j]) - lgamma(x[j] + 1.0);
                d_row += x[j] - exp(r.eta[j]);
            }
        }
        run(&r);
        near(r.log_p, want, dtype == STELE_F64 ? 1e-14 : 1e-6, 1.0);
        near(r.d_row, d_row, dtype == STELE_F64 ? 1e-14 : 1e-6, 1.0);
        assert_true(r.d_eta[3] == 0.0);
        near(r.d_eta[4], 5.0 - exp(0.0), 1e-6, 1.0);
    }
}

/* Rates too large for a float have a finite cost, which grows with them. */
static void test_extremes(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        row r = { .dtype = k % 2 == 0 ? STELE_F64 : STELE_F32,
                  .layout = STELE_DENSE,
                  .n = 1,
                  .weight = 1.0 };
        double last = HUGE_VAL;
        r.x[0] = k / 2 == 0 ? 0.0 : 12.0;
        for (double t = 20.0; t < 2000.0; t *= 1.5) {
            r.eta[0] = t;
            run(&r);
            assert_true(isfinite(r.log_p) && isfinite(r.d_eta[0]) && isfinite(r.d_row));
            assert_true(r.d_eta[0] < 0.0 && r.log_p < last);
            last = r.log_p;
        }
        r.eta[0] = -2000.0;
        run(&r);
        near(r.log_p, r.x[0] > 0.0 ? -24000.0 - lgamma(13.0) : 0.0, 1e-6, 1.0);
        near(r.d_eta[0], r.x[0], 1e-6, 1.0);
    }
}

/* Evenly spread numbers in place of random ones. */
static void even_numbers(void *ctx, int64_t at, uint32_t k, double *ret)
{
    (void)ctx;
    (void)k;
    ret[0] = ((double)at + 0.5) / DRAWS;
}

/* Quantiles: mean and variance of what is drawn. The largest rates have exp(-rate) = 0. */
static void test_draws(void **state)
{
    static double eta[DRAWS], out[DRAWS], theta[1];
    static const double mean[] = { 0.02, 3.0, 900.0, 20000.0 };
    (void)state;
    for (int k = 0; k < 8; k++) {
        double m = 0.0, v = 0.0, want = mean[k / 2];
        const void *etas[] = { eta }, *feature[] = { theta };
        stele_block b = {
            .struct_size = sizeof b, .dtype = STELE_F64, .n_eta = 1, .n_rows = DRAWS
        };
        stele_draw d = { .struct_size = sizeof d, .what = STELE_DRAW_SAMPLE, .out = out };
        for (int i = 0; i < DRAWS; i++) {
            eta[i] = log(want);
        }
        theta[0] = log(400.0);
        b.n_features = 1;
        b.eta = etas;
        b.feature = feature;
        d.uniform = even_numbers;
        assert_int_equal(
            stele_draw_elements(&b, &d, 1, k % 2 == 0 ? stele_poisson_draw : stele_nb_draw),
            STELE_OK);
        for (int i = 0; i < DRAWS; i++) {
            m += out[i] / DRAWS;
        }
        for (int i = 0; i < DRAWS; i++) {
            v += (out[i] - m) * (out[i] - m) / DRAWS;
        }
        near(m, want, 2e-4, 1.0);
        near(v, k % 2 == 0 ? want : want + want * want / 400.0, 2e-3, 1.0);
    }
}

/* Counts at five probabilities as scipy 1.17 has them (nbinom.ppf, poisson.ppf), where the
 * probability of a zero underflows and where it is nearly one. */
static void test_quantiles(void **state)
{
    static const double u[5] = { 1e-9, 0.01, 0.5, 0.9, 0.999999 };
    static const struct {
        double mean, theta, count[5];
    } want[] = {
        { 0.5, 1e-06, { 0, 0, 0, 0, 132369 } },
        { 300.0, 0.01, { 0, 0, 0, 0, 214541 } },
        { 2000.0, 1000.0, { 1564, 1823, 1999, 2100, 2386 } },
        { 2000.0, INFINITY, { 1738, 1897, 2000, 2057, 2216 } },
        { 30000.0, 1.0, { 0, 301, 20794, 69078, 414472 } },
        { 30000.0, 100000.0, { 28825, 29542, 30000, 30253, 30944 } },
        { 1000000.0, 1e-06, { 0, 0, 0, 0, 264737043909 } },
        { 1000000.0, 50.0, { 369077, 700641, 993341, 1184985, 1821288 } },
        { 1000000.0, 100000000.0, { 993978, 997663, 1000000, 1001288, 1004781 } },
        { 1000000.0, INFINITY, { 994008, 997674, 1000000, 1001282, 1004757 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        for (int k = 0; k < 5; k++) {
            double got = stele_nb_quantile(want[i].mean, want[i].theta, u[k]);
            assert_true(fabs(got - want[i].count[k]) <= 1e-7 * want[i].count[k]);
            if (isinf(want[i].theta)) {
                assert_true(got == stele_poisson_quantile(want[i].mean, u[k]));
            }
        }
    }
}

#define MOMENT_DRAWS 2000

/* Means and variances over even probabilities, from a few large counts to nearly Poisson. */
static void test_moments(void **state)
{
    static const double mean[] = { 40.0, 2000.0, 1e6 }, theta[] = { 3.0, 1000.0, 1e8 };
    (void)state;
    for (int k = 0; k < 9; k++) {
        double m = 0.0, v = 0.0, a = mean[k / 3], t = theta[k % 3];
        for (int i = 0; i < MOMENT_DRAWS; i++) {
            double off = stele_nb_quantile(a, t, (i + 0.5) / MOMENT_DRAWS) - a;
            m += off / MOMENT_DRAWS;
            v += off * off / MOMENT_DRAWS;
        }
        near(1.0 + m / a, 1.0, 2e-3, 1.0);
        near(v / (a + a * a / t), 1.0, 2e-2, 1.0);
    }
}

/* 2 neurons with mean rates 0.5 and 2, a third without one, and what was not recorded. By hand:
 * log2((1 / 0.5)^1 (4 / 2)^4) - ((1 + 4 + 0) - (0.5 + 2 + 0.5)) / log(2), over 5 spikes. */
static void test_bits(void **state)
{
    static const float truth[] = { 1, 4, 7, 0, NAN, 1 }, predicted[] = { 1, 4, 9, 0, 3, 2 };
    static const double known[] = { 0.5, 2.0, 0.0 };
    stele_scored s = { .struct_size = sizeof s, .n_rows = 2, .n_features = 3 };
    stele_spike_bits bits = { 0 };
    (void)state;
    assert_true(isnan(stele_spike_bits_read(&bits)));
    s.truth = truth;
    s.predicted = predicted;
    s.known = known;
    stele_spike_bits_add(&bits, &s);
    near(stele_spike_bits_read(&bits), (5.0 - 2.0 / log(2.0)) / 5.0, 1e-8, 1.0);
}

/* Scores 3 (+), 2 (+ - -), 1 (+ -), 0 (-). By hand: of 3 * 4 pairs, 4 + (1 + 1 + 2 / 2) +
 * (1 + 1 / 2) = 8.5 are in order, those within a tie counting half; precision is 1, 2 / 4 and 3 / 6
 * where the positives stand. */
static void test_ranking(void **state)
{
    static const float score[] = { 3, 2, 2, 2, 1, 1, 0 };
    static const int hit[] = { 1, 1, 0, 0, 1, 0, 0 };
    double auroc, precision;
    stele_ranking *r = calloc(1, sizeof *r);
    (void)state;
    assert_non_null(r);
    for (int i = 0; i < 7; i++) {
        stele_ranking_add(r, score[i], hit[i]);
    }
    stele_ranking_read(r, &auroc, &precision);
    near(auroc, 8.5 / 12.0, 1e-12, 1.0);
    near(precision, (1.0 + 0.5 + 0.5) / 3.0, 1e-12, 1.0);
    for (int one = 0; one < 2; one++) { /* all negative, all positive: nothing to rank */
        memset(r, 0, sizeof *r);
        stele_ranking_add(r, 1.0f, one);
        stele_ranking_add(r, 2.0f, one);
        stele_ranking_read(r, &auroc, &precision);
        assert_true(isnan(auroc) && isnan(precision));
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_extremes), cmocka_unit_test(test_draws),
        cmocka_unit_test(test_bits),     cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_moments),  cmocka_unit_test(test_ranking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
