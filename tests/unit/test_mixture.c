/* Mixtures of normal distributions: a step by hand, a known mixture found again, the bound that
 * never falls, points that have a width, the same bits for any number of threads, draws. */
#include "test.h"

#include "model/mixture.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 3000 };

typedef struct scene {
    stele__points points;
    double mean[MOST * 2], var[MOST * 2], weight[MOST];
} scene;

static double normal(int64_t row, uint32_t k)
{
    const stele__stream at = { .key = 77, .row = row };
    double x[8];
    stele__stream_normal(&at, STELE_F64, 8, x);
    return x[k];
}

/* Two thirds around (-3, 1), correlated; one third around (4, 0), wide in the second. */
static void two_groups(scene *s)
{
    s->points =
        (stele__points){ .n = MOST, .dim = 2, .mean = s->mean, .var = s->var, .weight = s->weight };
    for (int64_t i = 0; i < MOST; i++) {
        const double a = normal(i, 0), b = normal(i, 1);
        s->mean[2 * i] = i % 3 == 0 ? 4 + 0.5 * a : -3 + a;
        s->mean[2 * i + 1] = i % 3 == 0 ? 2 * b : 1 + 0.8 * a + 0.6 * b;
        s->var[2 * i] = s->var[2 * i + 1] = 0;
        s->weight[i] = 1;
    }
}

/* Entry (i, j) of the covariance of component k. */
static double covariance(const stele__mixture *m, uint32_t k, uint32_t i, uint32_t j)
{
    const double *f = m->factor + k * stele__mixture_factor(m);
    double sum = 0;
    for (uint32_t c = 0; c < m->dim && m->full; c++) {
        sum += f[i * m->dim + c] * f[j * m->dim + c];
    }
    return m->full ? sum : i == j ? f[i] * f[i] : 0;
}

static void fit(const stele__points *p, uint32_t n, int full, unsigned threads, stele__mixture *m,
                double *ret_bound)
{
    stele__pool *pool = NULL;
    assert_int_equal(stele__pool_create(threads, &pool), STELE_OK);
    assert_int_equal(stele__mixture_init(m, n, p->dim, full), STELE_OK);
    assert_int_equal(stele__mixture_fit(p, 1e-6, 5, pool, m, ret_bound), STELE_OK);
    stele__pool_destroy(pool);
}

static void a_known_mixture_is_found_again(void **state)
{
    (void)state;
    static scene s;
    stele__mixture m;
    double bound;
    two_groups(&s);
    fit(&s.points, 2, 1, 1, &m, &bound);
    const uint32_t left = m.mean[0] < 0 ? 0 : 1, right = 1 - left;
    assert_float_equal(exp(m.log_weight[left]), 2.0 / 3.0, 0.005);
    assert_float_equal(m.mean[2 * left], -3, 0.1);
    assert_float_equal(m.mean[2 * left + 1], 1, 0.1);
    assert_float_equal(m.mean[2 * right], 4, 0.1);
    assert_float_equal(m.mean[2 * right + 1], 0, 0.2);
    assert_float_equal(covariance(&m, left, 0, 0), 1, 0.1);
    assert_float_equal(covariance(&m, left, 0, 1), 0.8, 0.1);
    assert_float_equal(covariance(&m, left, 1, 1), 1, 0.1);
    assert_float_equal(covariance(&m, right, 0, 0), 0.25, 0.05);
    assert_float_equal(covariance(&m, right, 1, 1), 4, 0.4);
    assert_float_equal(covariance(&m, right, 0, 1), 0, 0.1);
    /* Minus the entropy of the truth: of the choice, and of the two, whose determinants are .36
     * and 1. */
    const double choice = log(1.0 / 3) / 3 + 2 * log(2.0 / 3) / 3;
    assert_float_equal(bound, choice - 1 - log(2 * M_PI) - log(0.36) / 3, 0.05);
    stele__mixture_finish(&m);
}

/* One component has the moments of the points, their own variances among them. */
static void one_component_has_the_moments_of_all(void **state)
{
    (void)state;
    double mean[] = { 1, 0, 3, 2, 1, 4 }, var[] = { 0.5, 1, 0.25, 2, 0, 3 }, weight[] = { 1, 2, 1 };
    const stele__points p = { .n = 3, .dim = 2, .mean = mean, .var = var, .weight = weight };
    stele__mixture m;
    double bound;
    for (int full = 0; full < 2; full++) {
        fit(&p, 1, full, 1, &m, &bound);
        assert_float_equal(m.log_weight[0], 0, 1e-12);
        assert_float_equal(m.mean[0], 2, 1e-12);
        assert_float_equal(m.mean[1], 2, 1e-12);
        assert_float_equal(covariance(&m, 0, 0, 0), 1 + 0.25 + 1e-6, 1e-9);
        assert_float_equal(covariance(&m, 0, 1, 1), 2 + 2 + 1e-6, 1e-9);
        assert_float_equal(covariance(&m, 0, 0, 1), 0, 1e-12);
        /* E log N(z) of all at once: the covariance is that of z. */
        assert_float_equal(bound, -1 - log(2 * M_PI) - 0.5 * log((1.25 + 1e-6) * (4 + 1e-6)), 1e-9);
        stele__mixture_finish(&m);
    }
}

/* Responsibilities and bound of one step from a mixture that is given, in one dimension. */
static void a_step_by_hand(void **state)
{
    (void)state;
    double mean[] = { -1, 2 }, var[] = { 0.5, 0 }, weight[] = { 1, 3 };
    const stele__points p = { .n = 2, .dim = 1, .mean = mean, .var = var, .weight = weight };
    double share[2], bound = 0, total = 0, first = 0;
    stele__mixture m;
    stele__mixture_work *w = NULL;
    assert_int_equal(stele__mixture_init(&m, 2, 1, 1), STELE_OK);
    m.log_weight[0] = log(0.25);
    m.log_weight[1] = log(0.75);
    m.mean[1] = 1;
    m.factor[0] = 1;
    m.factor[1] = 2;
    for (int i = 0; i < 2; i++) {
        const double a = 0.25 / sqrt(2 * M_PI) * exp(-0.5 * (mean[i] * mean[i] + var[i]));
        const double d = mean[i] - 1;
        const double b = 0.75 / sqrt(8 * M_PI) * exp(-0.125 * (d * d + var[i]));
        share[i] = a / (a + b);
        bound += weight[i] * log(a + b) / 4;
        total += weight[i] * share[i];
        first += weight[i] * share[i] * mean[i];
    }
    assert_int_equal(stele__mixture_work_create(&p, &m, 0, NULL, &w), STELE_OK);
    assert_float_equal(stele__mixture_step(w, &m), bound, 1e-12);
    assert_float_equal(m.log_weight[0], log(total / 4), 1e-12);
    assert_float_equal(m.mean[0], first / total, 1e-12);
    double spread = 0;
    for (int i = 0; i < 2; i++) {
        const double d = mean[i] - first / total;
        spread += weight[i] * share[i] * (d * d + var[i]) / total;
    }
    assert_float_equal(covariance(&m, 0, 0, 0), spread, 1e-12);
    stele__mixture_work_destroy(w);
    stele__mixture_finish(&m);
}

static void no_step_lowers_the_bound(void **state)
{
    (void)state;
    static scene s;
    two_groups(&s);
    for (int64_t i = 0; i < MOST; i++) {
        s.var[2 * i] = 0.1 + 0.1 * (double)(i % 7);
        s.var[2 * i + 1] = 0.5;
        s.weight[i] = 1 + (double)(i % 5);
    }
    for (int full = 0; full < 2; full++) {
        stele__mixture m;
        stele__mixture_work *w = NULL;
        assert_int_equal(stele__mixture_init(&m, 7, 2, full), STELE_OK);
        assert_int_equal(stele__mixture_work_create(&s.points, &m, 1e-6, NULL, &w), STELE_OK);
        stele__mixture_start(w, 3, &m);
        double before = stele__mixture_step(w, &m), start = before;
        for (int k = 0; k < 60; k++) {
            const double now = stele__mixture_step(w, &m);
            assert_true(now >= before - 1e-10);
            before = now;
        }
        assert_true(before > start + 1e-3);
        for (uint32_t k = 0; k < 7; k++) { /* never narrower than the posteriors */
            assert_true(covariance(&m, k, 0, 0) > 0.1 && covariance(&m, k, 1, 1) > 0.5);
        }
        stele__mixture_work_destroy(w);
        stele__mixture_finish(&m);
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    static scene s;
    stele__mixture one, two, other;
    double bound[2];
    two_groups(&s);
    fit(&s.points, 5, 1, 1, &one, &bound[0]);
    fit(&s.points, 5, 1, 2, &two, &bound[1]);
    assert_memory_equal(&bound[0], &bound[1], sizeof bound[0]);
    assert_memory_equal(one.log_weight, two.log_weight, 5 * sizeof *one.log_weight);
    assert_memory_equal(one.mean, two.mean, 10 * sizeof *one.mean);
    assert_memory_equal(one.factor, two.factor, 20 * sizeof *one.factor);
    stele__mixture_finish(&two);
    /* Another seed starts elsewhere. */
    assert_int_equal(stele__mixture_init(&other, 5, 2, 1), STELE_OK);
    assert_int_equal(stele__mixture_fit(&s.points, 1e-6, 6, NULL, &other, &bound[1]), STELE_OK);
    assert_memory_not_equal(one.mean, other.mean, 10 * sizeof *one.mean);
    stele__mixture_finish(&one);
    stele__mixture_finish(&other);
}

/* As many components as points, some of which lie on each other: the rest has no weight or shares
 * one, and nothing becomes NaN. */
static void points_on_each_other(void **state)
{
    (void)state;
    double mean[] = { 1, 1, 1, 5 }, var[] = { 0, 0, 0, 0 }, weight[] = { 1, 1, 1, 1 };
    const stele__points p = { .n = 4, .dim = 1, .mean = mean, .var = var, .weight = weight };
    stele__mixture m;
    double bound, total = 0;
    fit(&p, 4, 1, 1, &m, &bound);
    assert_true(isfinite(bound));
    for (int k = 0; k < 4; k++) {
        assert_false(isnan(m.log_weight[k]) || isnan(m.mean[k]) || isnan(m.factor[k]));
        total += exp(m.log_weight[k]);
    }
    assert_float_equal(total, 1, 1e-9);
    stele__mixture_finish(&m);
}

static void draws_have_the_moments(void **state)
{
    (void)state;
    stele__mixture m;
    double n[2] = { 0 }, sum[2] = { 0 }, square[3] = { 0 };
    assert_int_equal(stele__mixture_init(&m, 2, 2, 1), STELE_OK);
    m.log_weight[0] = log(0.3);
    m.log_weight[1] = log(0.7);
    m.mean[0] = m.mean[1] = -10;
    m.mean[2] = 10;
    m.mean[3] = 20;
    m.factor[0] = m.factor[3] = 1;
    m.factor[4] = 2; /* covariance (4, 1; 1, 1) */
    m.factor[6] = 0.5;
    m.factor[7] = sqrt(0.75);
    for (int64_t i = 0; i < 20000; i++) {
        const stele__stream which = { .key = 1, .row = i }, at = { .key = 2, .row = i };
        float z[2], cold[2];
        stele__mixture_draw(&m, &which, &at, 1.0, z);
        stele__mixture_draw(&m, &which, &at, 0.0, cold);
        const int k = z[0] > 0;
        assert_true(cold[0] == (float)m.mean[2 * k] && cold[1] == (float)m.mean[2 * k + 1]);
        n[k]++;
        if (k == 1) {
            const double a = (double)z[0] - 10, b = (double)z[1] - 20;
            sum[0] += a;
            sum[1] += b;
            square[0] += a * a;
            square[1] += a * b;
            square[2] += b * b;
        }
    }
    assert_float_equal(n[1] / 20000, 0.7, 0.01);
    assert_float_equal(sum[0] / n[1], 0, 0.06);
    assert_float_equal(sum[1] / n[1], 0, 0.03);
    assert_float_equal(square[0] / n[1], 4, 0.15);
    assert_float_equal(square[1] / n[1], 1, 0.06);
    assert_float_equal(square[2] / n[1], 1, 0.04);
    stele__mixture_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_mixture_is_found_again),
        cmocka_unit_test(one_component_has_the_moments_of_all),
        cmocka_unit_test(a_step_by_hand),
        cmocka_unit_test(no_step_lowers_the_bound),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(points_on_each_other),
        cmocka_unit_test(draws_have_the_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
