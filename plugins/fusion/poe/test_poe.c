/* fusion/poe: precisions of experts add up, means count by them. */
#include "test.h"

#include "fuse_case.h"
#include "graph/noise.h"

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

/* Factors of the dimensions. */
static void set_joint(toy *t, double a, double b)
{
    double *log_factor = param(t, "fusion.joint_scale")->values;
    log_factor[0] = log(a);
    log_factor[1] = log(b);
}

/* What experts add to the precision gets the factor of the dimension; the mean and rows without
 * experts do not. */
static void check_joint(const char *fusion, int prior)
{
    const double factor[2] = { exp(-0.5), exp(0.25) }, joint[FUSE_DIM] = { 0.2, 0.7 };
    toy t;
    fused f;
    fuse_open(&t, fusion, &f);
    set_joint(&t, joint[0], joint[1]);
    fuse_step(&t, 0, 0, &f);
    for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
        const int64_t row = i / FUSE_DIM;
        const double base = prior || row == 2 ? 1.0 : 0.0;
        double evidence = 0.0, weighted = 0.0;
        for (int m = 0; m < 2; m++) {
            if (fuse_present[row * 2 + m] > 0.0) {
                const double own = factor[m] * exp(-fuse_logvar[m][i]);
                evidence += own;
                weighted += own * fuse_mean[m][i];
            }
        }
        assert_float_equal(fuse_value(&f, 0, 0, i), weighted / (base + evidence), 1e-12);
        assert_float_equal(fuse_value(&f, 0, 1, i), -log(base + joint[i % FUSE_DIM] * evidence),
                           1e-12);
    }
    toy_close(&t);
}

static void a_joint_factor_leaves_the_mean(void **state)
{
    (void)state;
    check_joint("fusion: {plugin: poe, precision_scale: calibrated, joint_scale: calibrated}\n", 1);
    check_joint("fusion: {plugin: poe, precision_scale: calibrated, joint_scale: calibrated, "
                "prior_expert: false}\n",
                0);
}

/* One dimension in conflict, the other not: tau^2 by hand. Rows with one expert or none stay. */
static void excess_spread_is_that_of_a_meta_analysis(void **state)
{
    const double mean[2][6] = { { 3.0, 0.2, NAN, NAN, NAN, NAN },
                                { -1.0, 0.1, 3.0, 1.0, NAN, NAN } };
    const double *const means[2] = { mean[0], mean[1] };
    const double *const logvars[2] = { fuse_logvar[0], fuse_logvar[1] };
    const stele__pass pass = { .seed = 1 };
    double q = 0.0, leverage = 0.0;
    toy t;
    fused f;
    (void)state;
    open_spec(&t, A B, "fusion: {plugin: poe, prior_expert: false, conflict: temper}\n", "",
              STELE_F64, 1);
    for (int d = 0; d < 2; d++) {
        double v0 = exp(fuse_logvar[0][d]), v1 = exp(fuse_logvar[1][d]), w0 = 1.0 / v0,
               w1 = 1.0 / v1;
        q += (mean[0][d] - mean[1][d]) * (mean[0][d] - mean[1][d]) / (v0 + v1);
        leverage += w0 + w1 - (w0 * w0 + w1 * w1) / (w0 + w1);
    }
    double tau = (q - 2.0) / leverage; /* all of it only beyond 13.8 */
    stele__graph_begin(t.graph, &pass);
    fuse_experts(&t, FUSE_ROWS, means, logvars, fuse_present, &f);
    double share = (q / 2.0 - 2.9957) / (6.9078 - 2.9957); /* exact quantiles of 2 degrees */
    assert_true(share > 0.1 && share < 0.9);
    for (int d = 0; d < 2; d++) {
        double w0 = 1.0 / (exp(fuse_logvar[0][d]) + share * tau);
        double w1 = 1.0 / (exp(fuse_logvar[1][d]) + share * tau);
        /* The quantiles of the rule are good to a few per cent at so few degrees of freedom. */
        assert_float_equal(fuse_value(&f, 0, 1, d), -log(w0 + w1), 0.02);
        assert_float_equal(fuse_value(&f, 0, 0, d), (w0 * mean[0][d] + w1 * mean[1][d]) / (w0 + w1),
                           0.05);
        assert_float_equal(fuse_value(&f, 0, 0, 2 + d), mean[1][2 + d], 1e-12);
        assert_float_equal(fuse_value(&f, 0, 1, 2 + d), fuse_logvar[1][2 + d], 1e-12);
        assert_float_equal(fuse_value(&f, 0, 1, 4 + d), 0.0, 1e-12);
    }
    toy_close(&t);
}

#define POE_KEEP   "fusion: {plugin: poe, prior_expert: false}\n"
#define POE_TEMPER "fusion: {plugin: poe, prior_expert: false, conflict: temper}\n"
enum { ROWS = 20000 };

/* Experts with variances 0.02 and 0.1. They speak of z, or, every `wrong`-th row, one of them of
 * another row's z; their errors are `excess` times as large as they say. Which fraction of the true
 * values lies in the fused 90 % interval: of rows that agree, of those with a wrong partner. */
static void cover(const char *fusion, int wrong, double excess, double ret[2])
{
    static float noise[4 * ROWS * FUSE_DIM];
    static double mean[2][ROWS * FUSE_DIM], logvar[2][ROWS * FUSE_DIM], here[2 * ROWS];
    const double variance[2] = { 0.02, 0.1 };
    const double *const means[2] = { mean[0], mean[1] };
    const double *const logvars[2] = { logvar[0], logvar[1] };
    const stele__stream stream = { .key = 9 };
    const stele__pass pass = { .seed = 1 };
    double inside[2] = { 0.0, 0.0 }, n[2] = { 0.0, 0.0 };
    toy t;
    fused f;
    open_spec(&t, A B, fusion, "", STELE_F64, 1);
    stele__noise_normal(&stream, 4 * ROWS * FUSE_DIM, noise);
    for (int64_t i = 0; i < ROWS * FUSE_DIM; i++) {
        const float *of = noise + 4 * i;
        int other = wrong > 0 && i / FUSE_DIM % wrong == 0;
        for (int m = 0; m < 2; m++) {
            double about = (double)(other && m == i / FUSE_DIM / wrong % 2 ? of[3] : of[0]);
            mean[m][i] = about + excess * sqrt(variance[m]) * (double)of[1 + m];
            logvar[m][i] = log(variance[m]);
            here[i / FUSE_DIM * 2 + m] = 1.0;
        }
    }
    stele__graph_begin(t.graph, &pass);
    fuse_experts(&t, ROWS, means, logvars, here, &f);
    for (int64_t i = 0; i < ROWS * FUSE_DIM; i++) {
        int other = wrong > 0 && i / FUSE_DIM % wrong == 0;
        double distance = fabs((double)noise[4 * i] - fuse_value(&f, 0, 0, i));
        n[other] += 1.0;
        inside[other] += distance < 1.6448536 * exp(0.5 * fuse_value(&f, 0, 1, i));
    }
    for (int k = 0; k < 2; k++) {
        ret[k] = n[k] > 0.0 ? inside[k] / n[k] : -1.0;
    }
    toy_close(&t);
}

/* Where nothing is wrong nothing is tempered beyond what chance does now and then. */
static void intervals_of_honest_experts_stay(void **state)
{
    double keep[2], temper[2];
    (void)state;
    cover(POE_KEEP, 0, 1.0, keep);
    cover(POE_TEMPER, 0, 1.0, temper);
    assert_float_equal(keep[0], 0.9, 0.006);
    assert_float_equal(temper[0], 0.905, 0.008);
}

static void conflicts_widen_intervals(void **state)
{
    double keep[2], temper[2];
    (void)state;
    cover(POE_KEEP, 5, 1.0, keep);
    cover(POE_TEMPER, 5, 1.0, temper);
    print_message("wrong partners: %.3f kept, %.3f tempered; in all %.3f and %.3f\n", keep[1],
                  temper[1], 0.8 * keep[0] + 0.2 * keep[1], 0.8 * temper[0] + 0.2 * temper[1]);
    assert_true(temper[1] > 0.85 && temper[1] < 0.95);
    assert_true(keep[1] < 0.7);
    assert_true(0.8 * temper[0] + 0.2 * temper[1] > 0.85);
    cover(POE_KEEP, 0, 3.0, keep);
    cover(POE_TEMPER, 0, 3.0, temper);
    print_message("errors three times as large: %.3f kept, %.3f tempered\n", keep[0], temper[0]);
    assert_true(keep[0] < 0.5);
}

/* Two experts of equal widths, right about them, whose errors have correlation RHO: given both, z
 * has the precision 1 + 2 / (v (1 + RHO)), which the factor 1 / (1 + RHO) gives. */
static void errors_in_common_are_made_up_for(void **state)
{
    enum { POINTS = 20000 };
    static float noise[4 * POINTS * FUSE_DIM];
    static double mean[2][POINTS * FUSE_DIM], logvar[POINTS * FUSE_DIM], here[2 * POINTS];
    const double *const means[2] = { mean[0], mean[1] };
    const double *const logvars[2] = { logvar, logvar };
    const double v = 0.05, rho = 0.8, factor[2] = { 1.0, 1.0 / (1.0 + rho) };
    const stele__stream stream = { .key = 11 };
    const stele__pass pass = { .seed = 1 };
    double inside[2] = { 0.0, 0.0 };
    (void)state;
    stele__noise_normal(&stream, 4 * POINTS * FUSE_DIM, noise);
    for (int64_t i = 0; i < POINTS * FUSE_DIM; i++) {
        const float *of = noise + 4 * i;
        for (int m = 0; m < 2; m++) {
            const double error = sqrt(rho) * (double)of[3] + sqrt(1.0 - rho) * (double)of[1 + m];
            mean[m][i] = (double)of[0] + sqrt(v) * error;
            here[i / FUSE_DIM * 2 + m] = 1.0;
        }
        logvar[i] = log(v);
    }
    for (int k = 0; k < 2; k++) {
        toy t;
        fused f;
        open_spec(&t, A B, "fusion: {plugin: poe, joint_scale: calibrated}\n", "", STELE_F64, 1);
        set_joint(&t, factor[k], factor[k]);
        stele__graph_begin(t.graph, &pass);
        fuse_experts(&t, POINTS, means, logvars, here, &f);
        for (int64_t i = 0; i < POINTS * FUSE_DIM; i++) {
            const double distance = fabs((double)noise[4 * i] - fuse_value(&f, 0, 0, i));
            inside[k] += distance < 1.6448536 * exp(0.5 * fuse_value(&f, 0, 1, i));
        }
        toy_close(&t);
    }
    print_message("errors in common: %.3f without, %.3f with the factor\n",
                  inside[0] / (POINTS * FUSE_DIM), inside[1] / (POINTS * FUSE_DIM));
    assert_true(inside[0] < 0.8 * POINTS * FUSE_DIM);
    assert_float_equal(inside[1] / (POINTS * FUSE_DIM), 0.9, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precisions_add_up),
        cmocka_unit_test(factors_scale_precisions),
        cmocka_unit_test(a_joint_factor_leaves_the_mean),
        cmocka_unit_test(errors_in_common_are_made_up_for),
        cmocka_unit_test(excess_spread_is_that_of_a_meta_analysis),
        cmocka_unit_test(intervals_of_honest_experts_stay),
        cmocka_unit_test(conflicts_widen_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
