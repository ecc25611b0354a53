/* The Bayes factor of a pair against numerical integration. */
#include "test.h"

#include "eval/consistency.h"
#include "eval/matched.h"

#include <math.h>

static double log_normal(double x, double mean, double sd)
{
    double r = (x - mean) / sd;
    return -0.5 * r * r - log(sd) - 0.5 * log(2.0 * 3.14159265358979323846);
}

/* log integral q_a q_b / p over one dimension, by the trapezoidal rule. */
static double integrated(double ma, double sa, double mb, double sb)
{
    const double low = -30.0, step = 1e-3;
    double sum = 0.0;
    for (int i = 0; i <= 60000; i++) {
        double z = low + i * step;
        sum += exp(log_normal(z, ma, sa) + log_normal(z, mb, sb) - log_normal(z, 0.0, 1.0)) * step;
    }
    return log(sum);
}

static void test_integral(void **state)
{
    static const float mean[] = { 0.3F, -1.1F, 2.0F, 0.0F, 0.7F };
    static const float sd[] = { 0.9F, 0.4F, 0.2F, 0.6F, 0.75F };
    double sum = 0.0;
    (void)state;
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 5; k++) {
            double want =
                integrated((double)mean[i], (double)sd[i], (double)mean[k], (double)sd[k]);
            double got = stele__log_bayes_factor(1, &mean[i], &sd[i], &mean[k], &sd[k]);
            assert_true(fabs(got - want) < 1e-6 * fmax(1.0, fabs(want)));
        }
    }
    /* Dimensions are independent: their factors multiply. */
    for (int d = 0; d < 4; d++) {
        sum += stele__log_bayes_factor(1, &mean[d], &sd[d], &mean[d + 1], &sd[d + 1]);
    }
    assert_true(fabs(stele__log_bayes_factor(4, mean, sd, mean + 1, sd + 1) - sum) < 1e-9);
}

/* A posterior that is the prior tells nothing; one that is wider tells no more than that. */
static void test_nothing_said(void **state)
{
    const float zero = 0.0F, one = 1.0F, wide = 3.0F, mean = 1.7F, sd = 0.3F;
    (void)state;
    assert_true(fabs(stele__log_bayes_factor(1, &zero, &one, &mean, &sd)) < 1e-12);
    assert_true(fabs(stele__log_bayes_factor(1, &mean, &sd, &zero, &wide)) < 1e-12);
    assert_true(stele__log_bayes_factor(1, &mean, &sd, &mean, &sd) > 0.5);
}

/* A pair counts as one of those that agree as little as itself, once. */
static void test_share_below(void **state)
{
    static const float reference[] = { -2.0F, 0.5F, 0.5F, 3.0F };
    static const struct {
        double score;
        int low; /* of the reference, at or below */
    } cases[] = { { -2.5, 0 }, { -2.0, 1 }, { 0.0, 1 }, { 0.5, 3 },
                  { 2.9, 3 },  { 3.0, 4 },  { 9.0, 4 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const double score = cases[i].score, low = cases[i].low;
        assert_float_equal(stele__share_below(reference, 4, score, 0), (low + 1.0) / 5.0, 1e-15);
        assert_float_equal(stele__share_below(reference, 4, score, 1), fmax(low, 1.0) / 4.0, 1e-15);
    }
    assert_float_equal(stele__share_below(NULL, 0, 1.0, 0), 1.0, 1e-15);
    assert_float_equal(stele__share_below(reference, 1, -2.0, 0), 1.0, 1e-15);
    assert_float_equal(stele__share_below(reference, 1, -2.1, 0), 0.5, 1e-15);
}

/* --- matched against shuffled pairs --- */

enum { N = 9 };

/* Scores of all pairs, with many ties. */
static double score_of(int k, int l)
{
    return k == l ? (double)(3 * k % 7) : (double)((5 * k + 3 * l + k * l) % 8) - 1.5;
}

/* The area where row r counts weight[r] times, as what it is. */
static double weighted_area(const double *weight)
{
    double hits = 0.0, all = 0.0;
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            for (int l = 0; l < N; l++) {
                double w = k != l ? weight[i] * weight[k] * weight[l] : 0.0;
                double own = score_of(i, i), other = score_of(k, l);
                hits += w * (own > other ? 1.0 : own < other ? 0.0 : 0.5);
                all += w;
            }
        }
    }
    return hits / all;
}

/* What a row contributes is by how much the area moves with its weight. */
static void test_contributions(void **state)
{
    stele__matched m;
    double own[N], contribution[N], weight[N], mean = 0.0;
    const double h = 1e-4;
    (void)state;
    for (int i = 0; i < N; i++) {
        own[i] = score_of(i, i);
        weight[i] = 1.0;
    }
    assert_int_equal(stele__matched_init(&m, own, N), STELE_OK);
    for (int k = 0; k < N; k++) {
        for (int l = 0; l < N; l++) {
            if (k != l) {
                stele__matched_add(&m, k, l, score_of(k, l));
            }
        }
    }
    const double area = stele__matched_area(&m, contribution);
    assert_float_equal(area, weighted_area(weight), 1e-12);
    assert_true(area > 0.5 && area < 1.0);
    for (int r = 0; r < N; r++) {
        mean += contribution[r] / N;
        weight[r] = 1.0 + h;
        double more = weighted_area(weight);
        weight[r] = 1.0 - h;
        double slope = (more - weighted_area(weight)) / (2.0 * h);
        weight[r] = 1.0;
        assert_float_equal((contribution[r] - area) / N, slope, 1e-7);
    }
    assert_float_equal(mean, area, 1e-12);
    stele__matched_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integral),
        cmocka_unit_test(test_nothing_said),
        cmocka_unit_test(test_share_below),
        cmocka_unit_test(test_contributions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
