/* The kernels room: dense and sparse products, the optimiser's pass. Results are compared with
 * plain loops in double, and bit by bit between 1, 2 and 3 threads, in every instruction set. */
#include "test.h"

#include "base/mem.h"
#include "kernels/adamw.h"
#include "kernels/csr.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "kernels/philox.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MAX_THREADS = 3 };
static stele__pool *pools[MAX_THREADS + 1];

static int make_pools(void **state)
{
    (void)state;
    for (unsigned t = 1; t <= MAX_THREADS; t++) {
        if (stele__pool_create(t, &pools[t]) != STELE_OK) {
            return -1;
        }
    }
    return 0;
}

static int drop_pools(void **state)
{
    (void)state;
    for (unsigned t = 1; t <= MAX_THREADS; t++) {
        stele__pool_destroy(pools[t]);
    }
    return 0;
}

/* n normal numbers, the same in both types. */
static float *numbers_f32(uint64_t row, size_t n)
{
    float *x = stele__malloc(n * sizeof *x);
    assert_non_null(x);
    stele__noise_normal_f32(stele__noise_at(1, 1, 1), row, 0, n, x);
    return x;
}

static double *numbers_f64(uint64_t row, size_t n)
{
    float *x = numbers_f32(row, n);
    double *y = stele__malloc(n * sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < n; i++) {
        y[i] = (double)x[i];
    }
    stele__free(x);
    return y;
}

static const double epsilon_f32 = (double)FLT_EPSILON, epsilon_f64 = DBL_EPSILON;

#define STELE__TWICE "test_kernels_dense.inc"
#include "kernels/twice.h"

static void columns_out_of_range_are_seen(void **state)
{
    (void)state;
    int64_t start[] = { 0, 2, 2, 3 };
    int32_t good[] = { 1, 4, 4 }, bad[] = { 1, 5, 4 }, negative[] = { 1, 4, -1 };
    stele__csr x = { .n_rows = 3, .n_columns = 5, .row_start = start, .column = good };
    assert_true(stele__csr_valid(&x));
    x.column = bad;
    assert_false(stele__csr_valid(&x));
    x.column = negative;
    assert_false(stele__csr_valid(&x));
}

/* Against a walk, for every stretch of entries and every column; the first and the last of a run of
 * neighbours among them. */
static void seeking_finds_the_first_at_or_beyond(void **state)
{
    (void)state;
    const int32_t column[] = { 0, 3, 4, 9, 20 };
    for (int64_t first = 0; first <= 5; first++) {
        for (int64_t end = first; end <= 5; end++) {
            for (int64_t c = 0; c < 23; c++) {
                int64_t want = first;
                while (want < end && column[want] < c) {
                    want++;
                }
                assert_int_equal(stele__csr_seek(column, first, end, c), want);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gemm_matches_loops_f32),
        cmocka_unit_test(gemm_matches_loops_f64),
        cmocka_unit_test(gemm_bits_do_not_depend_on_threads_f32),
        cmocka_unit_test(gemm_bits_do_not_depend_on_threads_f64),
        cmocka_unit_test(sparse_products_match_loops_f32),
        cmocka_unit_test(sparse_products_match_loops_f64),
        cmocka_unit_test(sparse_bits_do_not_depend_on_threads_f32),
        cmocka_unit_test(sparse_bits_do_not_depend_on_threads_f64),
        cmocka_unit_test(columns_out_of_range_are_seen),
        cmocka_unit_test(seeking_finds_the_first_at_or_beyond),
        cmocka_unit_test(adamw_follows_the_formula_f32),
        cmocka_unit_test(adamw_follows_the_formula_f64),
        cmocka_unit_test(adamw_bits_do_not_depend_on_pieces_f32),
        cmocka_unit_test(adamw_bits_do_not_depend_on_pieces_f64),
        cmocka_unit_test(adamw_bits_do_not_depend_on_threads_f32),
        cmocka_unit_test(adamw_bits_do_not_depend_on_threads_f64),
        cmocka_unit_test(sum_of_squares_is_exact_enough_f32),
        cmocka_unit_test(sum_of_squares_is_exact_enough_f64),
    };
    return cmocka_run_group_tests(tests, make_pools, drop_pools);
}
