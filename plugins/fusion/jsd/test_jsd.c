/* fusion/jsd: experts are held together by their divergence from a geometric mean. */
#include "test.h"

#include "fuse_case.h"

static void check(const char *fusion, double t0, double t1)
{
    static const double log_px[FUSE_ROWS * 3] = { -3.0, -5.0, 0.0, 0.0, -1.5, 0.0, 0.0, 0.0, 0.0 };
    static const double zero[FUSE_ROWS * 3] = { 0.0 };
    toy t;
    fused f;
    double got[FUSE_ROWS];
    const double beta = 0.6, factor[2] = { t0, t1 };
    fuse_open(&t, fusion, &f);
    assert_int_equal(f.joint.n, 3);
    fuse_loss(&t, &f, log_px, zero, beta, got);
    for (int64_t r = 0; r < 2; r++) {
        int first = r == 0 ? 0 : 1;
        double n = r == 0 ? 2.0 : 1.0, fit = 0.0, js = 0.0;
        double logvar[2][FUSE_ROWS * FUSE_DIM], mean[FUSE_ROWS * FUSE_DIM],
            middle[FUSE_ROWS * FUSE_DIM];
        for (int64_t i = r * FUSE_DIM; i < (r + 1) * FUSE_DIM; i++) {
            double precision = 1.0, weighted = 0.0;
            for (int m = first; m < 2; m++) {
                logvar[m][i] = fuse_logvar[m][i] - log(factor[m]);
                precision += exp(-logvar[m][i]);
                weighted += exp(-logvar[m][i]) * fuse_mean[m][i];
            }
            mean[i] = weighted / precision;
            middle[i] = -log(precision / (n + 1.0));
        }
        js = fuse_kl(r, NULL, NULL, mean, middle);
        for (int m = first; m < 2; m++) {
            js += fuse_kl(r, fuse_mean[m], logvar[m], mean, middle);
            fit += log_px[r * 3 + m] / n;
        }
        assert_float_equal(got[r], -fit + beta * js / (n + 1.0), 1e-12);
    }
    assert_true(isfinite(got[2]));
    toy_close(&t);
}

static void divergence_from_the_dynamic_prior(void **state)
{
    (void)state;
    check("fusion: {plugin: jsd}\n", 1.0, 1.0);
    check("fusion: {plugin: jsd, precision_scale: calibrated}\n", exp(-0.5), exp(0.25));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divergence_from_the_dynamic_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
