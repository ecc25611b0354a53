/* Products with a packed operand: plain loops in double for every shape around the sizes of tiles
 * and panels, both ways to store A and B, every start, in every instruction set. */
#include "test.h"

#include "base/mem.h"
#include "kernels/panel.h"
#include "kernels/philox.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { START_ZERO, START_BIAS, START_C, N_STARTS };

static const double epsilon_f32 = (double)FLT_EPSILON, epsilon_f64 = DBL_EPSILON;

#define numbers_f32 stele__noise_normal_f32
#define numbers_f64 stele__noise_normal_f64

#define STELE__TWICE "test_kernels_panel.inc"
#include "kernels/twice.h"

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_match_loops_f32),
        cmocka_unit_test(products_match_loops_f64),
        cmocka_unit_test(bits_do_not_depend_on_the_block_f32),
        cmocka_unit_test(bits_do_not_depend_on_the_block_f64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
