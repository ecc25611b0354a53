#include "kernels/gemm.h"

#include "kernels/panel.h"

#include <cblas.h>
#include <pthread.h>

static void hold_blas(void)
{
    openblas_set_num_threads(1);
}

/* Before the first product, wherever it comes from. */
static void prepare_blas(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, hold_blas);
}

/* Blocks of about 4 Mflop, some 50 microseconds: enough to pay for a pick-up and for packing the
 * operand that all blocks share, small enough to balance. Widths are multiples of 64, so that only
 * the last block leaves the fast path of the BLAS kernels. */
enum { BLOCK_FLOPS = 1 << 22, BLOCK_WIDTH = 64, MAX_BLOCKS = 64 };

static size_t block_width(size_t m, size_t n, size_t k)
{
    size_t longer = m > n ? m : n;
    double flops = 2.0 * (double)m * (double)n * (double)k;
    size_t blocks =
        flops < (double)BLOCK_FLOPS * MAX_BLOCKS ? (size_t)(flops / BLOCK_FLOPS) : MAX_BLOCKS;
    if (blocks < 2) {
        return longer;
    }
    size_t width = (longer + blocks - 1) / blocks;
    return (width + BLOCK_WIDTH - 1) / BLOCK_WIDTH * BLOCK_WIDTH;
}

/* At most so many multiplications: OpenBLAS has paths of its own for them on some processors that
 * call malloc, and a step must not. */
#define SMALL_PRODUCT 1e6

/* Of a product by hand: bytes of a row of a panel, at most, and rows that are packed at a time. */
enum { PANEL_ROW_BYTES = 128, SMALL_DEPTH = 192 };

#define GEMM_f32     cblas_sgemm
#define GEMM_f64     cblas_dgemm
#define STELE__TWICE "kernels/gemm.inc"
#include "kernels/twice.h"
