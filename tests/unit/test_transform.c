/* data/transform: values, zeros, missing entries, and what has no image. */
#include "test.h"

#include "data/transform.h"

#include <math.h>

static void log1p_keeps_zeros_and_gaps(void **state)
{
    float v[] = { 0.0f, 1.0f, NAN, -0.5f, 355326.0f };
    (void)state;
    assert_int_equal(stele__transform(STELE__TRANSFORM_LOG1P, 5, v), 5);
    assert_true(v[0] == 0.0f && isnan(v[2]));
    assert_true(fabsf(v[1] - 0.69314718f) < 1e-7f && fabsf(v[3] + 0.69314718f) < 1e-7f);
    assert_true(fabsf(v[4] - 12.780793f) < 1e-5f);
}

static void what_has_no_logarithm_is_named(void **state)
{
    float v[] = { 1.0f, -1.0f, 1.0f };
    (void)state;
    assert_int_equal(stele__transform(STELE__TRANSFORM_LOG1P, 3, v), 1);
    assert_true(v[1] == -1.0f && v[2] == 1.0f);
    assert_int_equal(stele__transform(STELE__TRANSFORM_NONE, 3, v), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log1p_keeps_zeros_and_gaps),
        cmocka_unit_test(what_has_no_logarithm_is_named),
    };
    return cmocka_run_group_tests_name("transform", tests, NULL, NULL);
}
