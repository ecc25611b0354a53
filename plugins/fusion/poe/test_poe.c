/* fusion/poe: precisions of experts add up, means count by them. */
#include "test.h"

#include "fuse_case.h"

/* Factors t on the precisions; the prior counts as one more expert, or only where there is none. */
static void check(const char *fusion, int prior, double t0, double t1)
{
    toy t;
    fused f;
    const double factor[2] = { t0, t1 };
    fuse_open(&t, fusion, &f);
    assert_int_equal(f.joint.n, 1);
    assert_null(f.joint.log_weight);
    for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
        int64_t row = i / FUSE_DIM;
        double precision = prior || row == 2 ? 1.0 : 0.0, weighted = 0.0;
        for (int m = 0; m < 2; m++) {
            if (fuse_present[row * 2 + m] > 0.0) {
                double own = factor[m] * exp(-fuse_logvar[m][i]);
                precision += own;
                weighted += own * fuse_mean[m][i];
            }
        }
        assert_float_equal(fuse_value(&f, 0, 0, i), weighted / precision, 1e-12);
        assert_float_equal(fuse_value(&f, 0, 1, i), -log(precision), 1e-12);
    }
    toy_close(&t);
}

static void precisions_add_up(void **state)
{
    (void)state;
    check(POE, 1, 1.0, 1.0);
    check(POE_NO, 0, 1.0, 1.0);
}

static void factors_scale_precisions(void **state)
{
    (void)state;
    check(POE_CAL, 1, exp(-0.5), exp(0.25));
    check(LEARNED, 1, 1.0 / (1.0 + exp(0.5)), 1.0 / (1.0 + exp(-0.25)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precisions_add_up),
        cmocka_unit_test(factors_scale_precisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
