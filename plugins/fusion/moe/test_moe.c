/* fusion/moe: every expert that is present is a component of equal weight; the prior stands in
 * where there is none. */
#include "test.h"

#include "fuse_case.h"

/* Factors t on the precisions: variances are divided by them. */
static void check(const char *fusion, double t0, double t1)
{
    toy t;
    fused f;
    const double factor[2] = { t0, t1 };
    static const double weight[FUSE_ROWS][3] = { { 0.5, 0.5, 0.0 },
                                                 { 0.0, 1.0, 0.0 },
                                                 { 0.0, 0.0, 1.0 } };
    fuse_open(&t, fusion, &f);
    assert_int_equal(f.joint.n, 3);
    for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
        int64_t row = i / FUSE_DIM;
        for (int m = 0; m < 2; m++) {
            if (fuse_present[row * 2 + m] > 0.0) {
                assert_float_equal(fuse_value(&f, (uint32_t)m, 0, i), fuse_mean[m][i], 1e-12);
                assert_float_equal(fuse_value(&f, (uint32_t)m, 1, i),
                                   fuse_logvar[m][i] - log(factor[m]), 1e-12);
            }
        }
        assert_true(fuse_value(&f, 2, 0, i) == 0.0 && fuse_value(&f, 2, 1, i) == 0.0);
        for (int c = 0; c < 3; c++) {
            const double *log_weight = f.joint.log_weight->data;
            assert_float_equal(exp(log_weight[row * 3 + c]), weight[row][c], 1e-12);
        }
    }
    assert_true(f.subset[0] == 1 && f.subset[1] == 2 && f.subset[2] == 0);
    toy_close(&t);
}

static void experts_are_the_components(void **state)
{
    (void)state;
    check(MOE, 1.0, 1.0);
}

static void factors_divide_variances(void **state)
{
    (void)state;
    check(MOE_CAL, exp(-0.5), exp(0.25));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(experts_are_the_components),
        cmocka_unit_test(factors_divide_variances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
