#include "model/fused_sums.h"

#include "kernels/adamw.h"
#include "kernels/vec.h"

void stele__block_column_sums(uint32_t dtype, int64_t rows, int64_t n, const void *x, int add,
                              void *ret)
{
    if (dtype == STELE_F32) {
        stele__vec_column_sums_f32((size_t)rows, (size_t)n, x, add, ret);
    } else {
        stele__vec_column_sums_f64((size_t)rows, (size_t)n, x, add, ret);
    }
}

double stele__block_squares(uint32_t dtype, int64_t n, const void *x)
{
    return dtype == STELE_F32 ? stele__sum_squares_f32(NULL, (size_t)n, x)
                              : stele__sum_squares_f64(NULL, (size_t)n, x);
}

/* Chunk by chunk, so that the sums in double stay in the cache and the inner loop is a vector's. */
enum { SUM_CHUNK = 1024 };
#define LANE_SUM(real_)                                                                            \
    do {                                                                                           \
        double total[SUM_CHUNK];                                                                   \
        for (int64_t i = 0; i < n; i += SUM_CHUNK) {                                               \
            const int64_t m = n - i < SUM_CHUNK ? n - i : SUM_CHUNK;                               \
            real_ *sum = (real_ *)out + i;                                                         \
            for (int64_t j = 0; j < m; j++) {                                                      \
                total[j] = fresh ? 0.0 : (double)sum[j];                                           \
            }                                                                                      \
            for (int64_t l = 0; l < n_lanes; l++) {                                                \
                const real_ *in = (const real_ *)lanes + l * n + i;                                \
                for (int64_t j = 0; j < m; j++) {                                                  \
                    total[j] += (double)in[j];                                                     \
                }                                                                                  \
            }                                                                                      \
            for (int64_t j = 0; j < m; j++) {                                                      \
                sum[j] = (real_)total[j];                                                          \
            }                                                                                      \
        }                                                                                          \
    } while (0)

void stele__lane_sum(uint32_t dtype, const void *lanes, int64_t n_lanes, int64_t n, int fresh,
                     void *out)
{
    if (dtype == STELE_F32) {
        LANE_SUM(float);
    } else {
        LANE_SUM(double);
    }
}
