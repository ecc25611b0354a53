/* vec.h - special functions over arrays, and how this room uses the vectors of the machine.
 *
 * Multi-versioning. One source, isa_body.c, with the .inc files it includes, is compiled several
 * times into static libraries with different target flags (kernels/meson.build): baseline (SSE2 on
 * x86-64, the compiler's 16-byte vectors elsewhere), AVX2 + FMA, AVX-512. Each build exports
 * nothing but one table of functions (isa.h). The best table this processor supports is chosen at
 * the first use; everything public here and in csr.h, adamw.h calls through it. The maths is
 * SLEEF's (https://sleef.org), with the code of each instruction set called directly. Add a kernel:
 * write it in a .inc on the vector type of simd.h, give it a slot in isa.h, fill the slot in
 * isa_body.c.
 *
 * Bits. Within one machine an element's result depends on that element alone, not on its place in
 * the array, its length or its alignment. Between instruction sets the last bits may differ.
 *
 * Common to all: n elements, any n, any alignment; y may be x (in place), other overlap is not
 * allowed. Accuracy where not stated: 1 ulp, 3.5 ulp for tanh. NaN goes through. Thread class
 * any. */
#ifndef STELE_KERNELS_VEC_H
#define STELE_KERNELS_VEC_H

#include <stddef.h>

#define STELE__VEC_DECLARE(real_, suffix_)                                                         \
    void stele__vec_exp_##suffix_(size_t n, const real_ *x, real_ *y);                             \
    void stele__vec_expm1_##suffix_(size_t n, const real_ *x, real_ *y);                           \
    void stele__vec_log_##suffix_(size_t n, const real_ *x, real_ *y);                             \
    void stele__vec_log1p_##suffix_(size_t n, const real_ *x, real_ *y);                           \
    void stele__vec_tanh_##suffix_(size_t n, const real_ *x, real_ *y);                            \
    void stele__vec_erf_##suffix_(size_t n, const real_ *x, real_ *y);                             \
    void stele__vec_lgamma_##suffix_(size_t n, const real_ *x, real_ *y);                          \
    void stele__vec_digamma_##suffix_(size_t n, const real_ *x, real_ *y);                         \
    void stele__vec_softplus_sigmoid_##suffix_(size_t n, const real_ *x, real_ *sp, real_ *sg);    \
    double stele__vec_softplus_sum_##suffix_(size_t n, const real_ *x, real_ shift, real_ scale,   \
                                             real_ *y);                                            \
    void stele__vec_scaled_softplus_##suffix_(size_t n, const real_ *x, real_ shift,               \
                                              const real_ *log_a, const real_ *a, real_ *y,        \
                                              real_ *dx, real_ *da);                               \
    void stele__vec_rising_##suffix_(size_t n, const real_ *x, const real_ *theta, real_ *y,       \
                                     real_ *dy);                                                   \
    void stele__vec_lgamma_digamma_##suffix_(size_t n, const real_ *x, real_ *lg, real_ *dg);      \
    void stele__vec_column_sums_##suffix_(size_t rows, size_t n, const real_ *x, int add, real_ *y);

/* exp, expm1, log, log1p, tanh, erf: y[i] = f(x[i]), as the C library has them.
 *
 * lgamma: ln Gamma(x). digamma: its derivative; x > 0 only. The error of digamma is below 12 ulp of
 * max(1, |digamma(x)|): it has a zero at 1.46.
 *
 * softplus_sigmoid: sp = ln(1 + e^x) and sg = 1 / (1 + e^-x), the derivative of sp, in one pass
 * over one exponential, accurate to 4 ulp at both ends: sp -> x and e^x, sg -> 1 and e^x. sp or sg
 * may be NULL, either may be x.
 *
 * softplus_sum: the sum of ln(1 + e^t) over t = x[i] + shift, in double, and its derivative times
 * `scale`, y[i] = scale / (1 + e^-t), which may be NULL or x. One logarithm, of a product, serves
 * many elements. The error of the sum is below 4 ulp of REAL times max(1, sum), that of y below 4
 * ulp beside the rounding of t; F32: e^-|t| below e^-87 may count as 0. The sum depends on the
 * elements and n, not on their alignment: it is added up in groups of four vectors.
 *
 * scaled_softplus: y = a ln(1 + e^t) with t = x + (shift - log_a), log_a the logarithm of a; its
 * derivatives towards x, dx = a / (1 + e^-t), and towards log_a, da = y - dx, without the
 * cancellation of that difference. y goes to e^(x + shift) as a grows. Errors below 5 ulp beside
 * the rounding of t. Outputs may be x.
 *
 * rising: y = ln(Gamma(theta + x) / (Gamma(theta) theta^x)), for whole x the rising factorial
 * theta (theta + 1) ... (theta + x - 1) over theta^x, and dy, its derivative towards ln theta;
 * x >= 0, theta > 0; F32: x up to 1e8. Both go to 0 as theta grows; for theta = 1, y = ln x!.
 * Errors below 8 ulp of max(1, x, |y|). dy may be NULL, outputs may be inputs.
 *
 * lgamma_digamma: both for x > 0 in one pass, where the recurrence and Stirling's series share the
 * logarithm; the error of lg is below 8 ulp of max(8, |lg|), while the single call is relatively
 * accurate around its zeros too. lg or dg may be NULL or x.
 *
 * column_sums: y (n) = or, with `add`, += sum_r x[r, :], x (rows, n) row-major; added up in the
 * order of the rows, in the element type. */
STELE__VEC_DECLARE(float, f32)
STELE__VEC_DECLARE(double, f64)
#undef STELE__VEC_DECLARE

#endif
