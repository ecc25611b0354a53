/* Special functions in long double, for tests to compare with. */
#ifndef STELE_TEST_SPECIAL_H
#define STELE_TEST_SPECIAL_H

#include <float.h>
#include <math.h>

/* Valgrind computes long double as double: no reference then. */
static inline int long_double_is_long(void)
{
    volatile long double one = 1;
    return LDBL_MANT_DIG > DBL_MANT_DIG && one + LDBL_EPSILON != one;
}

/* psi(x) in long double: recurrence up to 30, then the asymptotic series; error below 1e-18. */
static inline long double digammal(long double x)
{
    static const long double b[] = { 1.0L / 12,  -1.0L / 120,     1.0L / 252, -1.0L / 240,
                                     1.0L / 132, -691.0L / 32760, 1.0L / 12,  -3617.0L / 8160 };
    long double sum = 0, power = 1;
    for (; x < 30; x += 1) {
        sum -= 1 / x;
    }
    for (int k = 0; k < 8; k++) {
        power /= x * x;
        sum -= b[k] * power;
    }
    return sum + logl(x) - 1 / (2 * x);
}

static inline long double softplusl(long double x)
{
    return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

static inline long double sigmoidl(long double x)
{
    return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

/* softplus - sigmoid. Below x = -8 the difference cancels; there, with y = e^x, the series
 * y^2 / 2 - 2 y^3 / 3 + 3 y^4 / 4 ... */
static inline long double softplus_excessl(long double x)
{
    long double y = expl(x), sum = 0, power = y;
    if (x > -8) {
        return softplusl(x) - sigmoidl(x);
    }
    for (int k = 1; k < 8; k++) {
        power *= -y;
        sum -= power * k / (k + 1);
    }
    return sum;
}

/* Tails of Stirling's series for ln Gamma and of that for psi, z >= 50: error below 1e-20. */
static inline long double tail_of_lgammal(long double z)
{
    long double r = 1 / z, r2 = r * r;
    return r *
           (1.0L / 12 - r2 * (1.0L / 360 - r2 * (1.0L / 1260 - r2 * (1.0L / 1680 - r2 / 1188))));
}

static inline long double tail_of_digammal(long double z)
{
    long double r2 = 1 / (z * z);
    return r2 * (1.0L / 12 - r2 * (1.0L / 120 - r2 * (1.0L / 252 - r2 * (1.0L / 240 - r2 / 132))));
}

/* ln(Gamma(theta + x) / (Gamma(theta) theta^x)); from theta = 50 on, where the logarithms of Gamma
 * cancel, the difference of their Stirling series. */
static inline long double risingl(long double x, long double theta)
{
    long double n = theta + x;
    if (theta < 50) {
        return lgammal(n) - lgammal(theta) - x * logl(theta);
    }
    return (n - 0.5L) * log1pl(x / theta) - x + tail_of_lgammal(n) - tail_of_lgammal(theta);
}

/* Its derivative towards ln theta, in the same way. */
static inline long double d_risingl(long double x, long double theta)
{
    long double n = theta + x;
    if (theta < 50) {
        return theta * (digammal(n) - digammal(theta)) - x;
    }
    return theta * (log1pl(x / theta) + x / (2 * theta * n) - tail_of_digammal(n) +
                    tail_of_digammal(theta)) -
           x;
}

#endif
