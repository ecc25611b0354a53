/* The kernels of one instruction set: compiled once for each with STELE__ISA_NAME set. Everything
 * is static but the table at the end. */
#include "kernels/isa.h"
#include "kernels/simd.h"

#include <math.h>

/* 1 / (2k + 3), highest k first: (atanh(s) / s - 1) / s^2 as a power series in s^2 <= 1/9. */
static const float atanh_series_f32[] = { 1.F / 15, 1.F / 13, 1.F / 11, 1.F / 9,
                                          1.F / 7,  1.F / 5,  1.F / 3 };
static const double atanh_series_f64[] = { 1. / 33, 1. / 31, 1. / 29, 1. / 27, 1. / 25, 1. / 23,
                                           1. / 21, 1. / 19, 1. / 17, 1. / 15, 1. / 13, 1. / 11,
                                           1. / 9,  1. / 7,  1. / 5,  1. / 3 };
/* Where the asymptotic series take over, and their coefficients B_2k / 2k and B_2k / (2k (2k - 1)),
 * highest k first. */
enum { SHIFT_f32 = 4, SHIFT_f64 = 8 };
static const float digamma_series_f32[] = { 1.F / 132, -1.F / 240, 1.F / 252, -1.F / 120,
                                            1.F / 12 };
static const double digamma_series_f64[] = { 43867. / 14364, -3617. / 8160, 1. / 12,
                                             -691. / 32760,  1. / 132,      -1. / 240,
                                             1. / 252,       -1. / 120,     1. / 12 };
static const float lgamma_series_f32[] = { -1.F / 1680, 1.F / 1260, -1.F / 360, 1.F / 12 };
static const double lgamma_series_f64[] = { 43867. / 244188, -3617. / 122400, 1. / 156,
                                            -691. / 360360,  1. / 1188,       -1. / 1680,
                                            1. / 1260,       -1. / 360,       1. / 12 };

static inline vector_f32 root_f32(vector_f32 x)
{
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        x[i] = sqrtf(x[i]);
    }
    return x;
}

static inline vector_f64 root_f64(vector_f64 x)
{
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        x[i] = sqrt(x[i]);
    }
    return x;
}

/* Tiles of a product: as many rows as registers hold with two vectors each. */
#if STELE__VECTOR_BYTES == 64
enum { TILE_ROWS = 8 };
#else
enum { TILE_ROWS = 6 };
#endif
enum { PANEL_DEPTH = 192 };

/* A vector of doubles from as many elements. */
static inline vector_f64 widen_f32(const float *x)
{
    half_f32 h;
    memcpy(&h, x, sizeof h);
    return doubles(h);
}

static inline vector_f64 widen_f64(const double *x)
{
    vector_f64 v;
    memcpy(&v, x, sizeof v);
    return v;
}

/* Doubles of as many lanes as half a vector of floats, or as a vector: the two halves are added. */
static inline vector_f64 widened_f32(vector_f32 v)
{
    half_f32 h[2];
    memcpy(h, &v, sizeof v);
    return doubles(h[0]) + doubles(h[1]);
}

static inline vector_f64 widened_f64(vector_f64 v)
{
    return v;
}

/* e^-a for a >= 0, to 1.5 ulp; NaN goes through. With k the whole number nearest to -a / ln 2, it
 * is 2^k e^r, |r| <= ln(2) / 2. Adding 1.5 2^23 + 127 rounds to a whole number, whose lowest bits
 * are those of k + 127, the exponent of 2^k: 0 for k = -127. (e^r - 1 - r) / r^2 is the polynomial
 * that keeps the relative error of e^r least, 3e-9. Inline, where a call per vector would keep the
 * processor from working on several at once. */
static inline vector_f32 decay_f32(vector_f32 a)
{
    vector_f32 x = larger_f32((vector_f32){ 0 } - 88.F, -a);
    vector_f32 k = x * 1.44269504F + 12583039.F;
    vector_f32 power = (vector_f32)((mask_f32)k << 23);
    k -= 12583039.F;
    vector_f32 r = x - k * 0.693359375F; /* the product is exact: few bits */
    r = r - k * -2.12194440e-4F;
    vector_f32 p = (vector_f32){ 0 } + 1.381456941e-3F;
    p = p * r + 8.368730993e-3F;
    p = p * r + 4.166838941e-2F;
    p = p * r + 1.666652052e-1F;
    p = p * r + 4.999999344e-1F;
    return (p * (r * r) + r) * power + power;
}

static inline vector_f64 decay_f64(vector_f64 a)
{
    return STELE__VD(exp, u10)(-a);
}

/* Of the sum of softplus: factors per logarithm, vectors at a time. */
enum { SUM_FACTORS = 64, SUM_AT_ONCE = 4 };

#define SLEEF_f32 STELE__VF
#define SLEEF_f64 STELE__VD

#define STELE__TWICE "kernels/vec.inc"
#include "kernels/twice.h"
#define STELE__TWICE "kernels/softplus.inc"
#include "kernels/twice.h"
#define STELE__TWICE "kernels/csr.inc"
#include "kernels/twice.h"
#define STELE__TWICE "kernels/panel.inc"
#include "kernels/twice.h"
#define STELE__TWICE "kernels/flat.inc"
#include "kernels/twice.h"

#define KERNELS(real_, type_)                                                                      \
    {                                                                                              \
        .exp = exp_array_##type_, .expm1 = expm1_array_##type_, .log = log_array_##type_,          \
        .log1p = log1p_array_##type_, .tanh = tanh_array_##type_, .erf = erf_array_##type_,        \
        .lgamma = lgamma_array_##type_, .digamma = digamma_array_##type_,                          \
        .softplus_sigmoid = softplus_sigmoid_array_##type_, .softplus_sum = softplus_sum_##type_,  \
        .scaled_softplus = scaled_softplus_##type_, .rising = rising_array_##type_,                \
        .lgamma_digamma = lgamma_digamma_array_##type_, .csr_row = csr_row_##type_,                \
        .column_sums = column_sums_##type_,                                                        \
        .panel_width = 2 * sizeof(vector_##type_) / sizeof(real_), .pack = pack_##type_,           \
        .pack_transposed = pack_transposed_##type_, .panel_product = panel_product_##type_,        \
        .adamw = adamw_##type_, .sum_squares = sum_squares_##type_                                 \
    }

#define TABLE_OF(name_) stele__isa_##name_
#define TABLE(name_)    TABLE_OF(name_)
#define TEXT_OF(name_)  #name_
#define TEXT(name_)     TEXT_OF(name_)

extern const stele__isa TABLE(STELE__ISA_NAME);
const stele__isa TABLE(STELE__ISA_NAME) = {
    .name = TEXT(STELE__ISA_NAME),
    .f32 = KERNELS(float, f32),
    .f64 = KERNELS(double, f64),
};
