/* fusion/gpoe: powers of the modalities that are present sum to one. */
#include "test.h"

#include "fuse_case.h"

/* Mean and variance of a product of two experts to the powers w0 and w1. */
static void product(double w0, double w1, const double m[2], const double v[2], double prior,
                    double *mean, double *variance)
{
    double precision = w0 / v[0] + w1 / v[1] + prior;
    *variance = 1.0 / precision;
    *mean = (w0 * m[0] / v[0] + w1 * m[1] / v[1]) / precision;
}

/* Golden values of N(1, 1) and N(3, 0.5) with equal powers. */
static void golden(void **state)
{
    (void)state;
    double mean, variance;
    product(0.5, 0.5, (const double[]){ 1.0, 3.0 }, (const double[]){ 1.0, 0.5 }, 0.0, &mean,
            &variance);
    assert_float_equal(mean, 7.0 / 3.0, 1e-12);
    assert_float_equal(variance, 2.0 / 3.0, 1e-12);
}

static void check(const char *fusion, const double logit[2][FUSE_DIM], int per_dimension, int prior)
{
    toy t;
    fused f;
    fuse_open(&t, fusion, &f);
    double *raw = param(&t, "fusion.power.logit")->values;
    for (int m = 0; m < 2; m++) {
        for (int d = 0; d < (per_dimension ? FUSE_DIM : 1); d++) {
            raw[m * (per_dimension ? FUSE_DIM : 1) + d] = logit[m][d];
        }
    }
    fuse_step(&t, 0, 0, &f);
    assert_int_equal(f.joint.n, 1);
    assert_null(f.joint.log_weight);
    for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
        int64_t row = i / FUSE_DIM, d = per_dimension ? i % FUSE_DIM : 0;
        double w[2], m[2], v[2], total = 0.0, mean = 0.0, variance = 1.0;
        for (int k = 0; k < 2; k++) {
            int here = fuse_present[row * 2 + k] > 0.0;
            w[k] = here ? exp(logit[k][d]) : 0.0;
            m[k] = here ? fuse_mean[k][i] : 0.0;
            v[k] = here ? exp(fuse_logvar[k][i]) : 1.0;
            total += w[k];
        }
        if (total > 0.0) {
            product(w[0] / total, w[1] / total, m, v, prior, &mean, &variance);
        }
        assert_float_equal(fuse_value(&f, 0, 0, i), mean, 1e-12);
        assert_float_equal(fuse_value(&f, 0, 1, i), log(variance), 1e-12);
    }
    toy_close(&t);
}

static void powers_sum_to_one(void **state)
{
    (void)state;
    static const double equal[2][FUSE_DIM] = { { 0.0, 0.0 }, { 0.0, 0.0 } };
    static const double other[2][FUSE_DIM] = { { 0.7, -1.0 }, { -0.2, 0.4 } };
    static const double huge[2][FUSE_DIM] = { { 800.0, 800.0 }, { 801.0, 799.0 } };
    static const double small[2][FUSE_DIM] = { { 0.0, 0.0 }, { 1.0, -1.0 } };
    check("fusion: {plugin: gpoe}\n", equal, 0, 0);
    check("fusion: {plugin: gpoe}\n", other, 0, 0);
    check("fusion: {plugin: gpoe, prior_expert: true}\n", other, 0, 1);
    check("fusion: {plugin: gpoe, weights: dimension}\n", other, 1, 0);
    /* Only differences count, and large ones do not overflow. */
    toy t;
    fused f;
    double kept[FUSE_ROWS * FUSE_DIM];
    for (int k = 0; k < 2; k++) {
        fuse_open(&t, "fusion: {plugin: gpoe, weights: dimension}\n", &f);
        memcpy(param(&t, "fusion.power.logit")->values, k == 0 ? huge : small, sizeof huge);
        fuse_step(&t, 0, 0, &f);
        for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
            assert_true(k == 0 || fabs(fuse_value(&f, 0, 0, i) - kept[i]) < 1e-12);
            kept[i] = fuse_value(&f, 0, 0, i);
        }
        toy_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(powers_sum_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
