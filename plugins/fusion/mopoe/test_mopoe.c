/* fusion/mopoe: a product for every subset of what is present, with equal weights. */
#include "test.h"

#include "fuse_case.h"

/* The product of the experts of a subset that are present in the row of element i. */
static void product(uint64_t subset, int64_t i, int prior, double *mean, double *logvar)
{
    int64_t row = i / FUSE_DIM;
    double precision = prior ? 1.0 : 0.0, weighted = 0.0;
    for (int m = 0; m < 2; m++) {
        if ((subset >> m & 1) != 0 && fuse_present[row * 2 + m] > 0.0) {
            precision += exp(-fuse_logvar[m][i]);
            weighted += exp(-fuse_logvar[m][i]) * fuse_mean[m][i];
        }
    }
    precision = precision > 0.0 ? precision : 1.0;
    *mean = weighted / precision;
    *logvar = -log(precision);
}

static void check(const char *fusion, int prior)
{
    static const double weight[FUSE_ROWS][4] = { { 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0 },
                                                 { 0.0, 1.0, 0.0, 0.0 },
                                                 { 0.0, 0.0, 0.0, 1.0 } };
    toy t;
    fused f;
    fuse_open(&t, fusion, &f);
    assert_int_equal(f.joint.n, 4);
    for (uint32_t c = 0; c < 4; c++) {
        assert_int_equal(f.subset[c], c < 3 ? c + 1 : 0);
    }
    for (int64_t i = 0; i < FUSE_ROWS * FUSE_DIM; i++) {
        for (uint32_t c = 0; c < 4; c++) {
            const double *log_weight = f.joint.log_weight->data;
            double w = weight[i / FUSE_DIM][c], mean, logvar;
            assert_float_equal(exp(log_weight[i / FUSE_DIM * 4 + c]), w, 1e-12);
            product(f.subset[c], i, prior, &mean, &logvar);
            if (w > 0.0 && c < 3) {
                assert_float_equal(fuse_value(&f, c, 0, i), mean, 1e-12);
                assert_float_equal(fuse_value(&f, c, 1, i), logvar, 1e-12);
            }
        }
        assert_true(fuse_value(&f, 3, 0, i) == 0.0 && fuse_value(&f, 3, 1, i) == 0.0);
    }
    toy_close(&t);
}

static void all_subsets(void **state)
{
    (void)state;
    check("fusion: {plugin: mopoe}\n", 0);
    check("fusion: {plugin: mopoe, prior_expert: true}\n", 1);
    check("fusion: {plugin: mopoe, subsets: sampled}\n", 0);
}

/* In training a row has one subset at a time, each about equally often. */
static void sampled_subsets(void **state)
{
    enum { STEPS = 600 };
    (void)state;
    toy t;
    fused f;
    int seen[3] = { 0, 0, 0 };
    fuse_open(&t, "fusion: {plugin: mopoe, subsets: sampled}\n", &f);
    for (int step = 0; step < STEPS; step++) {
        fuse_step(&t, 1, (uint64_t)step, &f);
        assert_int_equal(f.joint.n, 1);
        assert_null(f.joint.log_weight);
        int which = -1;
        for (uint64_t s = 1; s <= 3; s++) {
            double mean, logvar;
            product(s, 0, 0, &mean, &logvar);
            if (fabs(fuse_value(&f, 0, 0, 0) - mean) < 1e-12) {
                which = (int)s - 1;
            }
        }
        assert_true(which >= 0);
        seen[which]++;
        const uint64_t *of_row = f.joint.row_subset;
        assert_true(of_row[0] == (uint64_t)which + 1 && of_row[1] == 2 && of_row[2] == 0);
        assert_float_equal(fuse_value(&f, 0, 0, 2), fuse_mean[1][2], 1e-12);
        assert_true(fuse_value(&f, 0, 0, 4) == 0.0 && fuse_value(&f, 0, 1, 4) == 0.0);
    }
    for (int k = 0; k < 3; k++) { /* 200, standard deviation 11.5 */
        assert_in_range(seen[k], 150, 250);
    }
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_subsets),
        cmocka_unit_test(sampled_subsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
