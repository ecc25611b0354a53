#include "graph/product.h"

#include "kernels/gemm.h"

#include <string.h>

void stele__product(stele_graph *g, int transpose_a, int transpose_b, int64_t m, int64_t n,
                    int64_t k, const void *a, const void *b, int add, void *c)
{
    const size_t sm = (size_t)m, sn = (size_t)n, sk = (size_t)k;
    const size_t lda = transpose_a ? sm : sk, ldb = transpose_b ? sk : sn;
    if (m == 0 || n == 0) {
        return;
    }
    if (k == 0) { /* BLAS may take an empty product as nothing to do */
        if (!add) {
            memset(c, 0, sm * sn * stele__dtype_size(g->dtype));
        }
    } else if (g->dtype == STELE_F32) {
        stele__gemm_parallel_f32(g->pool, transpose_a, transpose_b, sm, sn, sk, 1.0f, a, lda, b,
                                 ldb, add ? 1.0f : 0.0f, c, sn);
    } else {
        stele__gemm_parallel_f64(g->pool, transpose_a, transpose_b, sm, sn, sk, 1.0, a, lda, b, ldb,
                                 add ? 1.0 : 0.0, c, sn);
    }
}
