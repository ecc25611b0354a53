/* fusion/code: the estimate of least variance from experts whose errors are correlated. */
#include "test.h"

#include "fuse_case.h"

/* 1/var = 1' Sigma^-1 1 and mean = var 1' Sigma^-1 m of two experts, by the inverse of Sigma. */
static void consensus(double rho, const double m[2], const double v[2], double *mean,
                      double *precision)
{
    double c = rho * sqrt(v[0] * v[1]), det = v[0] * v[1] - c * c;
    double row[2] = { (v[1] - c) / det, (v[0] - c) / det };
    *precision = row[0] + row[1];
    *mean = (row[0] * m[0] + row[1] * m[1]) / *precision;
}

/* Golden values of N(1, 1) and N(3, 0.5). */
static void golden(void **state)
{
    (void)state;
    const double m[2] = { 1.0, 3.0 }, v[2] = { 1.0, 0.5 };
    double mean, precision;
    consensus(0.5, m, v, &mean, &precision);
    assert_float_equal(mean, 2.6306, 1e-4);
    assert_float_equal(1.0 / precision, 0.47295, 1e-5);
    consensus(0.0, m, v, &mean, &precision);
    assert_float_equal(mean, 7.0 / 3.0, 1e-12);
    assert_float_equal(1.0 / precision, 1.0 / 3.0, 1e-12);
}

static void check(const char *fusion, double rho, int prior, double logit)
{
    toy t;
    fused f;
    fuse_open(&t, fusion, &f);
    if (!isnan(logit)) {
        ((double *)param(&t, "fusion.correlation")->values)[0] = logit;
        fuse_step(&t, 0, 0, &f);
    }
    for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
        int64_t row = i / FUSE_DIM;
        double m[2], v[2], mean = 0.0, precision = 1.0;
        for (int k = 0; k < 2; k++) {
            m[k] = fuse_mean[k][i];
            v[k] = exp(fuse_logvar[k][i]);
        }
        if (row == 0) {
            consensus(rho, m, v, &mean, &precision);
        } else if (row == 1) {
            mean = m[1];
            precision = 1.0 / v[1];
        }
        if (row < 2 && prior) {
            mean = mean * precision / (precision + 1.0);
            precision += 1.0;
        }
        assert_float_equal(fuse_value(&f, 0, 0, i), mean, 1e-12);
        assert_float_equal(fuse_value(&f, 0, 1, i), -log(precision), 1e-12);
    }
    toy_close(&t);
}

static void correlation_discounts(void **state)
{
    (void)state;
    check("fusion: {plugin: code, prior_expert: false}\n", 0.5, 0, NAN);
    check("fusion: {plugin: code, correlation: 0.9, prior_expert: false}\n", 0.9, 0, NAN);
    check("fusion: {plugin: code, correlation: 0}\n", 0.0, 1, NAN);
    check("fusion: {plugin: code, correlation: 0.3}\n", 0.3, 1, NAN);
    check("fusion: {plugin: code, estimate: learned}\n", 0.99 / (1.0 + exp(-0.4)), 1, 0.4);
    check("fusion: {plugin: code, estimate: calibrated}\n", 0.99 / (1.0 + exp(2.0)), 1, -2.0);
}

/* The start of an estimate is the option's value. */
static void estimate_starts_at_the_option(void **state)
{
    (void)state;
    toy t;
    const char *text =
        HEAD A B "fusion: {plugin: code, estimate: learned, correlation: 0.25}\n" TRAIN;
    toy_open(&t, text, &toy_source, toy_others, 1, STELE_F64, 1);
    double a = ((const double *)param(&t, "fusion.correlation")->values)[0];
    assert_float_equal(0.99 / (1.0 + exp(-a)), 0.25, 1e-12);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(correlation_discounts),
        cmocka_unit_test(estimate_starts_at_the_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
