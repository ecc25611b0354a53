/* Logistic regression against NumPy, and as a judge of latents. */
#include "test.h"

#include "eval/logistic.h"
#include "eval/logistic_fit.h"

#include <math.h>
#include <string.h>

/* A small generator of test data; its quality does not matter. Uniform in (-1, 1). */
static float draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*seed >> 33) / (double)(1u << 30) - 1.0);
}

static void assert_close(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) {
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
    }
}

/* Weights that Newton's method in NumPy finds for the same objective. */
static void logistic_regression_finds_the_minimum(void **state)
{
    (void)state;
    enum { ROWS = 12, COLUMNS = 2, CLASSES = 3 };
    static const float x[ROWS * COLUMNS] = { 0.5f, -1.0f, 1.2f,  0.3f,  -0.7f, 0.8f, 0.1f,  0.1f,
                                             2.0f, -1.5f, -1.1f, -0.4f, 0.9f,  1.7f, -0.3f, -1.2f,
                                             1.5f, 0.6f,  -2.0f, 0.2f,  0.4f,  0.9f, -0.6f, -0.1f };
    static const int32_t label[ROWS] = { 0, 1, 2, 0, 0, 2, 1, 2, 1, 2, 1, 0 };
    static const double want[CLASSES * (COLUMNS + 1)] = { 0.18797216,  -0.61927861, 0.23969286,
                                                          0.87646428,  0.92852249,  -0.3125336,
                                                          -1.06443644, -0.30924388, 0.07284074 };
    double w[CLASSES * (COLUMNS + 1)];
    assert_int_equal(stele__logistic_fit(x, label, ROWS, COLUMNS, CLASSES, w), STELE_OK);
    for (int i = 0; i < CLASSES * (COLUMNS + 1); i++) {
        assert_close(w[i], want[i], 1e-4);
    }
    assert_int_equal(stele__logistic_class(w, x + 6 * COLUMNS, COLUMNS, CLASSES), 1);
    assert_int_equal(stele__logistic_class(w, x + 9 * COLUMNS, COLUMNS, CLASSES), 2);
}

/* A class that one column tells, whatever its unit; one that nothing tells; rows that do not count.
 */
static void logistic_accuracy_is_held_out(void **state)
{
    (void)state;
    enum { ROWS = 400 };
    uint64_t seed = 3;
    static float x[2 * ROWS];
    static int32_t told[ROWS], free_of_x[ROWS], fold[ROWS];
    stele__knn_result result;
    for (int r = 0; r < ROWS; r++) {
        x[2 * r] = 1000.0f + draw(&seed);
        x[2 * r + 1] = 1e-3f * draw(&seed);
        told[r] = x[2 * r + 1] > 0.0f;
        free_of_x[r] = draw(&seed) > 0.0f;
        fold[r] = r % 5;
    }
    told[7] = -1;
    x[16] = (float)NAN;
    assert_int_equal(stele__logistic_accuracy(x, told, fold, ROWS, 2, 5, &result, NULL, NULL),
                     STELE_OK);
    assert_int_equal(result.n, ROWS - 2);
    assert_true(result.accuracy > 0.97 && result.standard_error < 0.02);
    assert_int_equal(stele__logistic_accuracy(x, free_of_x, fold, ROWS, 2, 5, &result, NULL, NULL),
                     STELE_OK);
    assert_true(result.accuracy < 0.6 && result.accuracy > 0.4);
    memset(told, 0xff, sizeof told);
    assert_int_equal(stele__logistic_accuracy(x, told, fold, ROWS, 2, 5, &result, NULL, NULL),
                     STELE_E_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logistic_regression_finds_the_minimum),
        cmocka_unit_test(logistic_accuracy_is_held_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
