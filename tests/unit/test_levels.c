/* Likelihoods of levels (stele/levels.h): closed forms, sums to one, derivatives by differences. */
#include "test.h"

#include <stele/levels.h>

#include <string.h>

enum { MOST = 6 };

static const double a_of[MOST - 1] = { -0.7, 0.3, -1.2, 0.8, -25.0 };
static const double eta_of[MOST] = { 0.4, -1.3, 2.0, 0.0, -0.2, 1.1 };

static void near(double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance * fmax(1.0, fabs(want)))) {
        fail_msg("%.15g, expected %.15g", is, want);
    }
}

static void ordered_is_a_difference_of_logistics(void **state)
{
    (void)state;
    for (int64_t n = 2; n <= MOST; n++) {
        double p[MOST], sum = 0.0;
        for (double eta = -4.0; eta <= 4.0; eta += 0.5) {
            stele_ordered_probabilities(n, eta, a_of, p);
            sum = 0.0;
            for (int64_t k = 0; k < n; k++) {
                double above =
                    k == n - 1 ? 1.0 : 1.0 / (1.0 + exp(eta - stele_levels_threshold(a_of, k)));
                double below =
                    k == 0 ? 0.0 : 1.0 / (1.0 + exp(eta - stele_levels_threshold(a_of, k - 1)));
                near(p[k], above - below, 1e-9);
                sum += p[k];
            }
            near(sum, 1.0, 1e-12);
        }
    }
    /* A higher predictor makes higher levels likelier. */
    assert_true(stele_ordered_logit(3, 2, 1.0, a_of, 0.0, NULL, NULL) >
                stele_ordered_logit(3, 2, 0.0, a_of, 0.0, NULL, NULL));
}

static void ordered_derivatives(void **state)
{
    const double h = 1e-6, weight = 1.7;
    (void)state;
    for (int64_t n = 2; n <= MOST; n++) {
        for (int64_t level = 0; level < n; level++) {
            double d_a[MOST] = { 0 }, d_eta = 0.0, a[MOST - 1];
            memcpy(a, a_of, sizeof a);
            stele_ordered_logit(n, level, 0.3, a, weight, &d_eta, d_a);
            near(d_eta,
                 weight *
                     (stele_ordered_logit(n, level, 0.3 + h, a, 0.0, NULL, NULL) -
                      stele_ordered_logit(n, level, 0.3 - h, a, 0.0, NULL, NULL)) /
                     (2.0 * h),
                 1e-7);
            for (int64_t k = 0; k < n - 1; k++) {
                a[k] = a_of[k] + h;
                double above = stele_ordered_logit(n, level, 0.3, a, 0.0, NULL, NULL);
                a[k] = a_of[k] - h;
                double below = stele_ordered_logit(n, level, 0.3, a, 0.0, NULL, NULL);
                a[k] = a_of[k];
                near(d_a[k], weight * (above - below) / (2.0 * h), 1e-7);
            }
        }
    }
}

/* d_a is added to, so that many rows make one sum. */
static void ordered_adds_up(void **state)
{
    double once[MOST] = { 0 }, twice[MOST] = { 0 }, d_eta;
    (void)state;
    stele_ordered_logit(4, 2, 0.3, a_of, 1.0, &d_eta, once);
    stele_ordered_logit(4, 2, 0.3, a_of, 1.0, &d_eta, twice);
    stele_ordered_logit(4, 2, 0.3, a_of, 1.0, &d_eta, twice);
    for (int k = 0; k < 3; k++) {
        near(twice[k], 2.0 * once[k], 1e-15);
    }
    assert_true(once[1] != 0.0);
}

static void extremes_stay_finite(void **state)
{
    static const double steep[] = { 0.0, -40.0, 40.0 };
    static const double far[] = { -800.0, 800.0 };
    (void)state;
    for (int64_t level = 0; level < 4; level++) {
        for (int i = 0; i < 2; i++) {
            double d_eta = NAN, d_a[3] = { 0 };
            assert_true(isfinite(stele_ordered_logit(4, level, far[i], steep, 1.0, &d_eta, d_a)));
            assert_true(isfinite(d_eta) && isfinite(d_a[0]) && isfinite(d_a[1]) &&
                        isfinite(d_a[2]));
        }
    }
    const double wide[] = { -900.0, 900.0, 0.0 };
    double d[3];
    near(stele_unordered_logit(3, 0, wide, 1.0, d), -1800.0, 1e-12);
    assert_true(d[0] == 1.0 && d[1] == -1.0);
}

static void unordered_is_softmax(void **state)
{
    const double h = 1e-6, weight = 0.6;
    double p[MOST], d[MOST], eta[MOST], sum = 0.0;
    (void)state;
    stele_unordered_probabilities(MOST, eta_of, p);
    for (int k = 0; k < MOST; k++) {
        sum += p[k];
        near(p[k] / p[0], exp(eta_of[k] - eta_of[0]), 1e-12);
    }
    near(sum, 1.0, 1e-12);
    for (int64_t level = 0; level < MOST; level++) {
        memcpy(eta, eta_of, sizeof eta);
        near(stele_unordered_logit(MOST, level, eta, weight, d), log(p[level]), 1e-12);
        for (int k = 0; k < MOST; k++) {
            eta[k] = eta_of[k] + h;
            double above = stele_unordered_logit(MOST, level, eta, 0.0, NULL);
            eta[k] = eta_of[k] - h;
            double below = stele_unordered_logit(MOST, level, eta, 0.0, NULL);
            eta[k] = eta_of[k];
            near(d[k], weight * (above - below) / (2.0 * h), 1e-7);
        }
    }
}

static void draws_follow_probabilities(void **state)
{
    const double p[] = { 0.2, 0.5, 0.3 };
    double n[3] = { 0 };
    (void)state;
    for (int i = 0; i < 1000; i++) {
        n[stele_levels_quantile(3, p, (i + 0.5) / 1000.0)] += 1.0;
    }
    assert_true(n[0] == 200.0 && n[1] == 500.0 && n[2] == 300.0);
    assert_int_equal(stele_levels_quantile(3, p, 1.0 - 1e-17), 2);
    assert_int_equal(stele_levels_mode(3, p), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordered_is_a_difference_of_logistics),
        cmocka_unit_test(ordered_derivatives),
        cmocka_unit_test(ordered_adds_up),
        cmocka_unit_test(extremes_stay_finite),
        cmocka_unit_test(unordered_is_softmax),
        cmocka_unit_test(draws_follow_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
