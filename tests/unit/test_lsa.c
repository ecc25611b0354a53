/* Latent semantic analysis of modality/text: axes of a matrix against the equations that they
 * solve, and matrices that have fewer. */
#include "test.h"

#include <math.h>
#include <string.h>

/* A copy under a name of its own: that of the plugin is taken where plugins are linked in. */
#define lsa_decompose own_lsa_decompose
#include "lsa.c"

enum { TEXTS = 40, TERMS = 30, TOPICS = 4 };

/* Counts that follow from a few topics, and noise: no two values alike. */
static void made_up(lsa_matrix *x, double dense[TEXTS][TERMS])
{
    uint32_t seed = 5;
    int64_t n = 0;
    for (int r = 0; r < TEXTS; r++) {
        x->begin[r] = n;
        for (int c = 0; c < TERMS; c++) {
            seed = seed * 1664525u + 1013904223u;
            const int topic = r % TOPICS == c % TOPICS;
            dense[r][c] = (topic ? 5.0 - r % TOPICS : 0) + (double)(seed >> 24) / 512;
            dense[r][c] = seed >> 16 & 1 ? dense[r][c] : 0;
            if (dense[r][c] != 0) { /* in two halves, as of a token that a text has twice */
                x->column[n] = x->column[n + 1] = c;
                x->value[n] = x->value[n + 1] = dense[r][c] / 2;
                n += 2;
            }
        }
    }
    x->begin[TEXTS] = n;
}

/* C v of the covariance C of the columns times the number of rows. */
static void times_covariance(double dense[TEXTS][TERMS], const double *v, double ret[TERMS])
{
    double at[TEXTS], mean = 0;
    for (int r = 0; r < TEXTS; r++) {
        at[r] = 0;
        for (int c = 0; c < TERMS; c++) {
            at[r] += dense[r][c] * v[c];
        }
        mean += at[r] / TEXTS;
    }
    for (int c = 0; c < TERMS; c++) {
        ret[c] = 0;
        for (int r = 0; r < TEXTS; r++) {
            ret[c] += dense[r][c] * (at[r] - mean);
        }
    }
}

/* C v = s^2 v for orthonormal v, largest first; of all directions the squares add up to C's trace.
 */
static void check_axes(double dense[TEXTS][TERMS], int k, const double *vector, const double *value)
{
    for (int j = 0; j < k; j++) {
        double v[TERMS], image[TERMS];
        for (int c = 0; c < TERMS; c++) {
            v[c] = vector[c * k + j];
        }
        times_covariance(dense, v, image);
        assert_true(j == 0 || value[j] <= value[j - 1]);
        for (int c = 0; c < TERMS; c++) {
            assert_float_equal(image[c], value[j] * value[j] * v[c], 1e-6 * value[0] * value[0]);
        }
        for (int i = 0; i <= j; i++) {
            double dot = 0;
            for (int c = 0; c < TERMS; c++) {
                dot += vector[c * k + i] * v[c];
            }
            assert_float_equal(dot, i == j, 1e-9);
        }
    }
}

static void analysis_finds_the_axes(void **state)
{
    (void)state;
    static double dense[TEXTS][TERMS], all[TERMS * TERMS], few[TERMS * TOPICS], again[TERMS];
    int64_t begin[TEXTS + 1];
    int32_t column[2 * TEXTS * TERMS];
    double part[2 * TEXTS * TERMS], value[TERMS] = { 0 }, first[TOPICS] = { 0 }, trace = 0;
    lsa_matrix x = { TEXTS, TERMS, begin, column, part };
    made_up(&x, dense);
    assert_int_equal(lsa_decompose(&x, TERMS, all, value), TERMS);
    check_axes(dense, TERMS, all, value);
    for (int c = 0; c < TERMS; c++) {
        double unit[TERMS] = { 0 };
        unit[c] = 1;
        times_covariance(dense, unit, again);
        trace += again[c] - value[c] * value[c];
    }
    assert_float_equal(trace, 0, 1e-6);
    /* Of a part of the directions the largest. */
    assert_int_equal(lsa_decompose(&x, TOPICS, few, first), TOPICS);
    check_axes(dense, TOPICS, few, first);
    for (int j = 0; j < TOPICS; j++) {
        assert_float_equal(first[j], value[j], 1e-6 * value[j]);
    }
}

/* Three different rows lie in a plane; equal ones nowhere. */
static void analysis_knows_the_rank(void **state)
{
    (void)state;
    int64_t begin[] = { 0, 1, 2, 3, 4 };
    int32_t column[] = { 0, 1, 2, 0 };
    double one[] = { 1, 1, 2, 1 }, vector[15], value[3];
    lsa_matrix x = { 4, 5, begin, column, one };
    assert_int_equal(lsa_decompose(&x, 3, vector, value), 2);
    /* Squares add up to those of the rows around (1/2, 1/4, 1/2). */
    assert_float_equal(value[0] * value[0] + value[1] * value[1], 7 - 4 * (0.5 + 0.0625), 1e-12);
    for (int c = 0; c < 5; c++) {
        assert_float_equal(vector[3 * c + 2], 0, 0);
        assert_true(c < 3 || (vector[3 * c] == 0 && vector[3 * c + 1] == 0));
    }
    x.n_rows = 1;
    assert_int_equal(lsa_decompose(&x, 3, vector, value), 0);
    assert_true(value[0] == 0 && vector[0] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(analysis_finds_the_axes),
        cmocka_unit_test(analysis_knows_the_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
