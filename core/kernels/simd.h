/* simd.h - vectors of the instruction set this file is compiled for, and SLEEF on them.
 *
 * Vectors are the vector extension of GCC and Clang: operators work on them, and they are the types
 * that intrinsics and SLEEF take. STELE__VF(name, accuracy) and STELE__VD(...) are SLEEF's function
 * `name` for a vector of float or double. For isa_body.c and the .inc files it includes alone. */
#ifndef STELE_KERNELS_SIMD_H
#define STELE_KERNELS_SIMD_H

#include <sleef.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define STELE__VECTOR_BYTES  64
#define STELE__VF(name_, u_) Sleef_##name_##f16_##u_##avx512f
#define STELE__VD(name_, u_) Sleef_##name_##d8_##u_##avx512f
#elif defined(__AVX2__)
#define STELE__VECTOR_BYTES  32
#define STELE__VF(name_, u_) Sleef_##name_##f8_##u_##avx2
#define STELE__VD(name_, u_) Sleef_##name_##d4_##u_##avx2
#elif defined(__SSE2__)
#define STELE__VECTOR_BYTES  16
#define STELE__VF(name_, u_) Sleef_##name_##f4_##u_##sse2
#define STELE__VD(name_, u_) Sleef_##name_##d2_##u_##sse2
#else
#define STELE__VECTOR_BYTES  16
#define STELE__VF(name_, u_) lanes_##name_##_f32
#define STELE__VD(name_, u_) lanes_##name_##_f64
#define STELE__LANES
#endif

typedef float vector_f32 __attribute__((vector_size(STELE__VECTOR_BYTES)));
typedef double vector_f64 __attribute__((vector_size(STELE__VECTOR_BYTES)));
typedef int32_t mask_f32 __attribute__((vector_size(STELE__VECTOR_BYTES)));
typedef int64_t mask_f64 __attribute__((vector_size(STELE__VECTOR_BYTES)));

/* The larger of two; b where one is NaN. As one instruction of the machine. */
static inline vector_f32 larger_f32(vector_f32 a, vector_f32 b)
{
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
    return _mm_max_ps(a, b);
#else
    mask_f32 above = a > b;
    return (vector_f32)((above & (mask_f32)a) | (~above & (mask_f32)b));
#endif
}

/* As many floats as there are doubles in a vector. */
typedef float half_f32 __attribute__((vector_size(STELE__VECTOR_BYTES / 2)));

/* One instruction, of which GCC 12 makes four where it is left to it. */
static inline vector_f64 doubles(half_f32 h)
{
#if defined(__AVX512F__)
    return _mm512_cvtps_pd(h);
#elif defined(__AVX2__)
    return _mm256_cvtps_pd(h);
#else
    return __builtin_convertvector(h, vector_f64);
#endif
}

#ifdef STELE__LANES
/* Elsewhere: SLEEF's scalar functions lane by lane. */
#define STELE__LANES_OF(name_, u_)                                                                 \
    static inline vector_f32 lanes_##name_##_f32(vector_f32 x)                                     \
    {                                                                                              \
        for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {                                      \
            x[i] = Sleef_##name_##f_##u_(x[i]);                                                    \
        }                                                                                          \
        return x;                                                                                  \
    }                                                                                              \
    static inline vector_f64 lanes_##name_##_f64(vector_f64 x)                                     \
    {                                                                                              \
        for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {                                      \
            x[i] = Sleef_##name_##_##u_(x[i]);                                                     \
        }                                                                                          \
        return x;                                                                                  \
    }
STELE__LANES_OF(exp, u10)
STELE__LANES_OF(expm1, u10)
STELE__LANES_OF(log, u10)
STELE__LANES_OF(log1p, u10)
STELE__LANES_OF(tanh, u35)
STELE__LANES_OF(erf, u10)
STELE__LANES_OF(lgamma, u10)
#endif

#endif
