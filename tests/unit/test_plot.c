/* Places and ticks of axes, and that pictures are drawn at all. */
#include "test.h"

#include "plot/axis.h"
#include "plot/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Sanitizers ask this: fontconfig keeps its configuration until the process ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}

static void check_ticks(double low, double high, int log, const double *expected, int n)
{
    stele__plot_axis axis = stele__plot_axis_make(low, high, 100.0, 500.0, 5, log);
    double value = 0.0;
    for (int i = 0; i < n; i++) {
        assert_true(stele__plot_tick(&axis, i, &value));
        assert_true(fabs(value - expected[i]) <= 1e-9 * fabs(expected[i]));
        double place = stele__plot_place(&axis, value);
        assert_true(place >= 100.0 && place <= 500.0);
    }
    assert_false(stele__plot_tick(&axis, n, &value));
}

static void test_ticks(void **state)
{
    (void)state;
    check_ticks(0.0, 1.0, 0, (const double[]){ 0.0, 0.2, 0.4, 0.6, 0.8, 1.0 }, 6);
    check_ticks(-151.2, -148.9, 0, (const double[]){ -151.0, -150.5, -150.0, -149.5, -149.0 }, 5);
    check_ticks(3.0, 40.0, 1, (const double[]){ 5.0, 10.0, 20.0 }, 3);
    check_ticks(1e-5, 1.0, 1, (const double[]){ 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0 }, 6);
    check_ticks(7.0, 7.0, 0, (const double[]){ 6.8, 7.0, 7.2 }, 3);
}

/* Of what is counted, a tick belongs to a number that can occur. */
static void test_whole_ticks(void **state)
{
    (void)state;
    double value = 0.0;
    stele__plot_axis axis = stele__plot_axis_make(0.0, 2.0, 0.0, 1.0, 6, 0);
    stele__plot_axis_whole(&axis);
    for (int i = 0; i < 3; i++) {
        assert_true(stele__plot_tick(&axis, i, &value));
        assert_true(value == i);
    }
    assert_false(stele__plot_tick(&axis, 3, &value));
    axis = stele__plot_axis_make(0.0, 100.0, 0.0, 1.0, 5, 0);
    stele__plot_axis_whole(&axis);
    assert_true(stele__plot_tick(&axis, 1, &value) && value == 20.0);
    axis = stele__plot_axis_make(1e-5, 1.0, 0.0, 1.0, 5, 1);
    stele__plot_axis_whole(&axis);
    assert_true(stele__plot_tick(&axis, 1, &value) && value < 2e-4);
}

static void test_places(void **state)
{
    (void)state;
    stele__plot_axis axis = stele__plot_axis_make(0.0, 10.0, 0.0, 112.0, 5, 0);
    assert_true(fabs(stele__plot_place(&axis, 0.0) - 6.0) < 1e-9);
    assert_true(fabs(stele__plot_place(&axis, 10.0) - 106.0) < 1e-9);
    axis = stele__plot_axis_make(1.0, 100.0, 112.0, 0.0, 5, 1);
    assert_true(fabs(stele__plot_place(&axis, 10.0) - 56.0) < 1e-9);
}

/* Bytes of a file that has to be a PNG; it is removed. */
static long take_png(const char *path)
{
    unsigned char head[8] = { 0 };
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(head, 1, 8, f), 8);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    fclose(f);
    unlink(path);
    return n;
}

/* Values, none at all, one, and some that are not finite. */
static void test_pictures(void **state)
{
    static const double some[] = { 1.0, 2.0, NAN, 4.0 }, none[] = { NAN, INFINITY };
    const stele__plot_set set[] = {
        { .name = "some", .x = 1.0, .value = some, .n = 4, .marked = 1 },
        { .name = "a name that is so long that it would push all that there is to be seen away",
          .x = 10.0,
          .value = none,
          .n = 2 },
        { .name = "one", .x = 100.0, .value = some, .n = 1 },
    };
    const stele__plot_line line[] = { { .name = "first", .set = set, .n = 3 },
                                      { .name = "empty", .set = set + 1, .n = 1 } };
    stele__diag diag;
    (void)state;
    stele__diag_init(&diag);
    assert_int_equal(stele__plot_groups("plot.png", "title", "axis", set, 3, &diag), STELE_OK);
    long whole = take_png("plot.png");
    assert_int_equal(stele__plot_groups("plot.png", "title", "axis", set + 1, 1, &diag), STELE_OK);
    assert_true(take_png("plot.png") < whole);
    assert_int_equal(stele__plot_lines("plot.png", "title", "x", "y", 1, line, 2, &diag), STELE_OK);
    take_png("plot.png");
    assert_int_equal(diag.n, 0);
    assert_int_equal(stele__plot_groups("no/such/plot.png", "t", "a", set, 3, &diag), STELE_E_IO);
    assert_int_equal(diag.n_errors, 1);
    stele__diag_finish(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_whole_ticks),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
