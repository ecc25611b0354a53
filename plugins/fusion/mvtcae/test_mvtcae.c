/* fusion/mvtcae: the joint is a product, the loss a bound of total correlation. */
#include "test.h"

#include "fuse_case.h"

static void check(const char *fusion, double alpha, int prior)
{
    static const double log_px[FUSE_ROWS] = { -3.0, -1.5, 0.0 }, kl[FUSE_ROWS] = { 2.0, 0.7, 0.0 };
    toy t;
    fused f;
    double got[FUSE_ROWS], mean[FUSE_ROWS * FUSE_DIM], logvar[FUSE_ROWS * FUSE_DIM];
    const double beta = 0.6;
    fuse_open(&t, fusion, &f);
    assert_int_equal(f.joint.n, 1);
    for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
        int64_t row = i / FUSE_DIM;
        double precision = prior || row == 2 ? 1.0 : 0.0, weighted = 0.0;
        for (int m = 0; m < 2; m++) {
            if (fuse_present[row * 2 + m] > 0.0) {
                precision += exp(-fuse_logvar[m][i]);
                weighted += exp(-fuse_logvar[m][i]) * fuse_mean[m][i];
            }
        }
        mean[i] = weighted / precision;
        logvar[i] = -log(precision);
        assert_float_equal(fuse_value(&f, 0, 0, i), mean[i], 1e-12);
        assert_float_equal(fuse_value(&f, 0, 1, i), logvar[i], 1e-12);
    }
    fuse_loss(&t, &f, log_px, kl, beta, got);
    for (int64_t r = 0; r < 2; r++) {
        double n = r == 0 ? 2.0 : 1.0, to_experts = 0.0;
        for (int m = r == 0 ? 0 : 1; m < 2; m++) {
            to_experts += fuse_kl(r, mean, logvar, fuse_mean[m], fuse_logvar[m]);
        }
        double want =
            -(n - alpha) / n * log_px[r] + beta * (alpha / n * to_experts + (1.0 - alpha) * kl[r]);
        assert_float_equal(got[r], want, 1e-12);
    }
    assert_true(isfinite(got[2]));
    toy_close(&t);
}

static void bound_of_total_correlation(void **state)
{
    (void)state;
    check("fusion: {plugin: mvtcae}\n", 5.0 / 6.0, 0);
    check("fusion: {plugin: mvtcae, alpha: 0.3, prior_expert: true}\n", 0.3, 1);
    check("fusion: {plugin: mvtcae, alpha: 0}\n", 0.0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_of_total_correlation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
