/* The fusion report on experts that are given: shares, disagreement, ranks and coverage by hand. */
#include "test.h"

#include "eval/trust.h"
#include "toy_specs.h"

#include <math.h>

static void fill(toy *t, const char *name, double value)
{
    stele__param *p = param(t, name);
    for (int64_t i = 0; i < p->n; i++) {
        ((float *)p->values)[i] = (float)value;
    }
}

/* a says N(mean_a, 1) of every row, b N(mean_b, 1/2), and no decoder looks at z: p(z | x) is the
 * prior. */
static void open_experts(toy *t, const char *fusion, double mean_a, double logvar_a, double mean_b,
                         double logvar_b)
{
    open_spec(t, A B, fusion, "", STELE_F32, 2);
    fill(t, "a.mean.weight", 0.0);
    fill(t, "a.logvar.weight", 0.0);
    fill(t, "a.mean.bias", mean_a);
    fill(t, "a.logvar.bias", logvar_a);
    fill(t, "b.mean.weight", 0.0);
    fill(t, "b.logvar.weight", 0.0);
    fill(t, "b.mean.bias", mean_b);
    fill(t, "b.logvar.bias", logvar_b);
    fill(t, "a.decoder.layer0.weight", 0.0);
    fill(t, "b.decoder.layer0.weight", 0.0);
}

static stele__judge judge_of(const toy *t)
{
    return (stele__judge){ .model = &t->model, .data = t->data, .graph = t->graph, .seed = 3 };
}

/* Rows r0 has both, r9 only a, r8 only b, r10 nothing. */
static const int64_t rows[4] = { 0, 9, 8, 10 };

static void shares_and_distances_by_hand(void **state)
{
    static const int64_t reference[3] = { 0, 3, 9 };
    toy t;
    stele__trust r;
    (void)state;
    open_experts(&t, POE_NO, 1.0, 0.0, 3.0, log(0.5));
    stele__judge j = judge_of(&t);
    stele__trust_request q = { .judge = &j,
                               .row = rows,
                               .n = 4,
                               .reference = reference,
                               .n_reference = 3,
                               .mask = 3,
                               .n_samples = 2 };
    TOY_OK(&t, stele__trust_compute(&q, &r, &t.diag));
    assert_float_equal(r.share[0], 1.0 / 3.0, 1e-6);
    assert_float_equal(r.share[1], 2.0 / 3.0, 1e-6);
    assert_float_equal(r.share[2], 1.0, 1e-6);
    assert_true(isnan(r.share[3]) && isnan(r.share[6]) && isnan(r.share[7]));
    /* Two dimensions, each (3 - 1)^2 / (1 + 1/2). Of 16/3 with two degrees of freedom the exact
     * p-value is exp(-8/3). */
    assert_float_equal(r.excess[0], 8.0 / 3.0, 1e-5);
    assert_float_equal(r.chance[0], exp(-8.0 / 3.0), 0.003);
    for (int i = 1; i < 4; i++) {
        assert_true(isnan(r.excess[i]) && isnan(r.chance[i]) && isnan(r.p[i]));
    }
    /* No row of the reference that has two experts disagrees less. */
    assert_float_equal(r.p[0], 1.0, 1e-12);
    assert_true(isnan(r.coverage[9]) && !isnan(r.coverage[3]));
    stele__trust_finish(&r);
    /* Asked for one modality there is nobody to disagree with. */
    q.mask = 2;
    TOY_OK(&t, stele__trust_compute(&q, &r, &t.diag));
    assert_true(isnan(r.share[0]) && isnan(r.excess[0]) && r.share[1] == 1.0);
    assert_true(isnan(r.coverage[1]) && isnan(r.coverage[3]));
    stele__trust_finish(&r);
    toy_close(&t);
}

/* Ranks among others: the farther of two rows has the smaller p. */
static void ranks_go_by_the_reference(void **state)
{
    static const int64_t all[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    toy t;
    stele__trust r;
    int tested = 0, below[8] = { 0 };
    (void)state;
    open_spec(&t, A B, POE, "", STELE_F32, 2);
    stele__judge j = judge_of(&t);
    stele__trust_request q = { .judge = &j,
                               .row = all,
                               .n = 8,
                               .reference = all,
                               .n_reference = 8,
                               .mask = 3,
                               .n_samples = 1 };
    TOY_OK(&t, stele__trust_compute(&q, &r, &t.diag));
    for (int i = 0; i < 8; i++) {
        tested += !isnan(r.excess[i]);
        for (int k = 0; k < 8; k++) {
            below[i] += r.excess[k] >= r.excess[i];
        }
    }
    assert_true(tested > 2);
    for (int i = 0; i < 8; i++) {
        assert_true(isnan(r.excess[i]) || fabs(r.p[i] - (below[i] + 1.0) / (tested + 1.0)) < 1e-12);
    }
    stele__trust_finish(&r);
    toy_close(&t);
}

/* The mean over all rows; which: the joint, or a modality's own. */
static double coverage(const char *fusion, double logvar, uint32_t which)
{
    int64_t all[TOY_ROWS];
    toy t;
    stele__trust r;
    double sum = 0.0, n = 0.0;
    open_experts(&t, fusion, 0.0, logvar, 0.0, logvar);
    for (int64_t i = 0; i < TOY_ROWS; i++) {
        all[i] = i;
    }
    stele__judge j = judge_of(&t);
    stele__trust_request q = {
        .judge = &j, .row = all, .n = TOY_ROWS, .mask = 3, .n_samples = 300
    };
    TOY_OK(&t, stele__trust_compute(&q, &r, &t.diag));
    for (int64_t i = 0; i < TOY_ROWS; i++) {
        double c = r.coverage[i * 3 + which];
        assert_true(isnan(r.p[i]));
        sum += isnan(c) ? 0.0 : c;
        n += !isnan(c);
    }
    stele__trust_finish(&r);
    toy_close(&t);
    return sum / n;
}

static double holds(double sd)
{
    return erf(1.6448536 * sd / sqrt(2.0));
}

static void intervals_hold_what_a_normal_says(void **state)
{
    (void)state;
    assert_float_equal(coverage(MOE, 0.0, 0), 0.9, 0.01);
    assert_float_equal(coverage(MOE, 0.0, 1), 0.9, 0.01);
    /* Half the variance, and for the modality alone the whole joint is of no account. */
    assert_float_equal(coverage(MOE, log(0.5), 0), holds(sqrt(0.5)), 0.015);
    assert_float_equal(coverage(POE_NO, log(0.5), 2), holds(sqrt(0.5)), 0.015);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_and_distances_by_hand),
        cmocka_unit_test(ranks_go_by_the_reference),
        cmocka_unit_test(intervals_hold_what_a_normal_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
