/* gemm.h - dense products C (m, n) = alpha op(A) op(B) + beta C, row-major, by OpenBLAS, and
 * by panel.h where they are small, which OpenBLAS would call malloc for.
 *
 * op(A) is (m, k), op(B) is (k, n). transpose_a != 0 means that A is stored (k, m), likewise B (n,
 * k). ld* are the distances between stored rows in elements. beta 0 overwrites C even if it holds
 * NaN. All extents below 2^31. OpenBLAS is held to one thread per call: threads are the pool's
 * business. Its bits may depend on the shape of the call and on the machine, never on when or in
 * which thread it runs, hence "blocks are cut by the problem size alone". Thread class any. */
#ifndef STELE_KERNELS_GEMM_H
#define STELE_KERNELS_GEMM_H

#include "kernels/pool.h"

#include <stddef.h>

/* One call of BLAS in the calling thread: for blocks inside tasks. */
void stele__gemm_f32(int transpose_a, int transpose_b, size_t m, size_t n, size_t k, float alpha,
                     const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                     size_t ldc);
void stele__gemm_f64(int transpose_a, int transpose_b, size_t m, size_t n, size_t k, double alpha,
                     const double *a, size_t lda, const double *b, size_t ldb, double beta,
                     double *c, size_t ldc);

/* The same, cut along the longer of m and n into blocks that the pool works through. The cut
 * depends on m, n and k only. pool may be NULL. */
void stele__gemm_parallel_f32(stele__pool *pool, int transpose_a, int transpose_b, size_t m,
                              size_t n, size_t k, float alpha, const float *a, size_t lda,
                              const float *b, size_t ldb, float beta, float *c, size_t ldc);
void stele__gemm_parallel_f64(stele__pool *pool, int transpose_a, int transpose_b, size_t m,
                              size_t n, size_t k, double alpha, const double *a, size_t lda,
                              const double *b, size_t ldb, double beta, double *c, size_t ldc);

#endif
