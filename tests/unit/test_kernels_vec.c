/* The kernels room: special functions over arrays, in every instruction set of this machine,
 * against the C library in long double. */
#include "test.h"

#include "special.h"

#include "kernels/isa.h"
#include "kernels/philox.h"
#include "kernels/vec.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { N = 4099 }; /* no multiple of any vector */

typedef struct special {
    const char *name;
    void (*f32)(size_t n, const float *x, float *y);
    void (*f64)(size_t n, const double *x, double *y);
    long double (*exact)(long double x);
    double low, high; /* arguments, spread evenly, or evenly in the logarithm if low > 0 */
    double floor;     /* errors count against max(floor, |exact|) */
    double ulps;
} special;

static void softplus_f32(size_t n, const float *x, float *y)
{
    stele__vec_softplus_sigmoid_f32(n, x, y, NULL);
}

static void softplus_f64(size_t n, const double *x, double *y)
{
    stele__vec_softplus_sigmoid_f64(n, x, y, NULL);
}

static void sigmoid_f32(size_t n, const float *x, float *y)
{
    stele__vec_softplus_sigmoid_f32(n, x, NULL, y);
}

static void sigmoid_f64(size_t n, const double *x, double *y)
{
    stele__vec_softplus_sigmoid_f64(n, x, NULL, y);
}

static void fused_lgamma_f32(size_t n, const float *x, float *y)
{
    stele__vec_lgamma_digamma_f32(n, x, y, NULL);
}

static void fused_lgamma_f64(size_t n, const double *x, double *y)
{
    stele__vec_lgamma_digamma_f64(n, x, y, NULL);
}

static void fused_digamma_f32(size_t n, const float *x, float *y)
{
    stele__vec_lgamma_digamma_f32(n, x, NULL, y);
}

static void fused_digamma_f64(size_t n, const double *x, double *y)
{
    stele__vec_lgamma_digamma_f64(n, x, NULL, y);
}

#define BOTH(name_) stele__vec_##name_##_f32, stele__vec_##name_##_f64

static const special functions[] = {
    { "exp", BOTH(exp), expl, -80, 80, 0, 1.1 },
    { "expm1", BOTH(expm1), expm1l, -80, 80, 0, 1.1 },
    { "expm1 small", BOTH(expm1), expm1l, 1e-30, 1, 0, 1.1 },
    { "log", BOTH(log), logl, 1e-30, 1e30, 0, 1.1 },
    { "log near 1", BOTH(log), logl, 0.5, 2, 0, 1.1 },
    { "log1p", BOTH(log1p), log1pl, 1e-30, 1e30, 0, 1.1 },
    { "log1p negative", BOTH(log1p), log1pl, -0.99, 0, 0, 1.1 },
    { "tanh", BOTH(tanh), tanhl, -20, 20, 0, 3.6 },
    { "tanh small", BOTH(tanh), tanhl, 1e-30, 1, 0, 3.6 },
    { "erf", BOTH(erf), erfl, -6, 6, 0, 1.1 },
    { "lgamma", BOTH(lgamma), lgammal, 1e-6, 1e6, 0, 1.1 },
    { "lgamma near 1 and 2", BOTH(lgamma), lgammal, 0.5, 2.5, 0, 1.1 },
    { "digamma", BOTH(digamma), digammal, 1e-6, 1e6, 1, 12 },
    { "softplus", softplus_f32, softplus_f64, softplusl, -80, 80, 0, 4 },
    { "sigmoid", sigmoid_f32, sigmoid_f64, sigmoidl, -80, 80, 0, 4 },
    { "softplus middle", softplus_f32, softplus_f64, softplusl, -3, 3, 0, 4 },
    { "sigmoid middle", sigmoid_f32, sigmoid_f64, sigmoidl, -3, 3, 0, 4 },
    { "fused lgamma", fused_lgamma_f32, fused_lgamma_f64, lgammal, 1e-6, 1e6, 8, 8 },
    { "fused lgamma at its series", fused_lgamma_f32, fused_lgamma_f64, lgammal, 8, 9, 0, 3 },
    { "fused digamma at its series", fused_digamma_f32, fused_digamma_f64, digammal, 8, 9, 0, 3 },
    { "fused digamma", fused_digamma_f32, fused_digamma_f64, digammal, 1e-6, 1e6, 1, 12 },
};

static void arguments(const special *s, double *x)
{
    stele__noise_uniform_f64(stele__noise_at(1, 2, 3), 0, 0, N, x);
    for (size_t i = 0; i < N; i++) {
        x[i] =
            s->low > 0 ? s->low * pow(s->high / s->low, x[i]) : s->low + x[i] * (s->high - s->low);
    }
}

/* An error against the size of one unit in the last place. */
static double ulps(long double got, long double exact, double floor, double epsilon)
{
    long double size = fabsl(exact) > floor ? fabsl(exact) : floor;
    int e;
    frexpl(size, &e);
    return (double)(fabsl(got - exact) / ldexpl(epsilon, e - 1));
}

static void worst_errors(const special *s, double *ret_f32, double *ret_f64)
{
    static double x[N], y[N];
    static float xf[N], yf[N];
    arguments(s, x);
    for (size_t i = 0; i < N; i++) {
        xf[i] = (float)x[i];
    }
    s->f32(N, xf, yf);
    s->f64(N, x, y);
    *ret_f32 = *ret_f64 = 0;
    for (size_t i = 0; i < N; i++) {
        double e32 = ulps(yf[i], s->exact(xf[i]), s->floor, FLT_EPSILON);
        double e64 = ulps(y[i], s->exact(x[i]), s->floor, DBL_EPSILON);
        *ret_f32 = e32 > *ret_f32 || isnan(e32) ? e32 : *ret_f32;
        *ret_f64 = e64 > *ret_f64 || isnan(e64) ? e64 : *ret_f64;
    }
}

static void functions_are_accurate(void **state)
{
    (void)state;
    int failed = 0;
    if (!long_double_is_long()) {
        skip();
    }
    for (size_t k = 0; k < stele__isa_count(); k++) {
        stele__isa_use(stele__isa_at(k));
        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
            const special *s = &functions[i];
            double e32, e64;
            worst_errors(s, &e32, &e64);
            if (!(e32 <= s->ulps && e64 <= s->ulps)) {
                print_error("%s, %s: %.2f and %.2f ulp, allowed %.2f\n", stele__isa_get()->name,
                            s->name, e32, e64, s->ulps);
                failed = 1;
            }
        }
    }
    stele__isa_use(NULL);
    assert_false(failed);
}

/* Lengths 0 to 40 at all alignments: nothing outside is touched, in place works, and an element has
 * the same bits wherever it stands. */
static void place_and_length_change_no_bit(void **state)
{
    (void)state;
    static float x[N], whole[N], part[128];
    for (size_t i = 0; i < N; i++) {
        x[i] = 0.01F + (float)i * 0.003F;
    }
    for (size_t k = 0; k < stele__isa_count(); k++) {
        stele__isa_use(stele__isa_at(k));
        for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
            functions[f].f32(N, x, whole);
            for (size_t n = 0; n <= 40; n++) {
                size_t from = n * 7 % 100, at = n % 16;
                for (size_t i = 0; i < 128; i++) {
                    part[i] = -7;
                }
                memcpy(part + at, x + from, n * sizeof *x);
                functions[f].f32(n, part + at, part + at);
                assert_memory_equal(part + at, whole + from, n * sizeof *x);
                for (size_t i = 0; i < 128; i++) {
                    assert_true((i >= at && i < at + n) || part[i] == -7);
                }
            }
        }
    }
    stele__isa_use(NULL);
}

static void ends_are_stable(void **state)
{
    (void)state;
    for (size_t k = 0; k < stele__isa_count(); k++) {
        stele__isa_use(stele__isa_at(k));
        float x[] = { -1e30F, -200, 0, 200, 1e30F, INFINITY, -INFINITY, NAN }, sp[8], sg[8];
        stele__vec_softplus_sigmoid_f32(8, x, sp, sg);
        assert_true(sp[0] == 0 && sp[1] == 0 && sp[3] == 200 && sp[4] == 1e30F);
        assert_true(sg[0] == 0 && sg[1] == 0 && sg[2] == 0.5F && sg[3] == 1 && sg[4] == 1);
        assert_true(sp[5] == INFINITY && sg[5] == 1 && sp[6] == 0 && sg[6] == 0);
        assert_true(isnan(sp[7]) && isnan(sg[7]));
        double d[] = { -745, -1e300, 1e300, NAN }, dsp[4], dsg[4];
        stele__vec_softplus_sigmoid_f64(4, d, dsp, dsg);
        assert_true(dsp[1] == 0 && dsg[1] == 0 && dsp[2] == 1e300 && dsg[2] == 1);
        assert_true(isnan(dsp[3]) && isnan(dsg[3]));
        double g[] = { NAN, 1e-300, 1e300 }, lg[3], dg[3];
        stele__vec_lgamma_digamma_f64(3, g, lg, dg);
        assert_true(isnan(lg[0]) && isnan(dg[0]));
        assert_true(fabs(lg[1] / -log(1e-300) - 1) < 1e-14 && fabs(dg[1] * 1e-300 + 1) < 1e-14);
        assert_true(fabs(lg[2] / lgamma(1e300) - 1) < 1e-14 &&
                    fabs(dg[2] / log(1e300) - 1) < 1e-14);
        double e[] = { 1000, -1000 };
        stele__vec_exp_f64(2, e, e);
        assert_true(e[0] == INFINITY && e[1] == 0);
    }
    stele__isa_use(NULL);
}

static void known_values(void **state)
{
    (void)state;
    double x[] = { 1, 0.5, 0.25 }, lg[3], dg[3];
    stele__vec_lgamma_digamma_f64(3, x, lg, dg);
    double euler = 0.57721566490153286061, pi = acos(-1.0);
    assert_true(fabs(dg[0] + euler) < 1e-15);
    assert_true(fabs(dg[1] + euler + 2 * log(2.0)) < 2e-15);
    assert_true(fabs(dg[2] + euler + pi / 2 + 3 * log(2.0)) < 2e-15);
    assert_true(fabs(lg[1] - log(pi) / 2) < 4e-15);
    /* One of the two may be in place. */
    stele__vec_lgamma_digamma_f64(3, x, lg, x);
    assert_memory_equal(x, dg, sizeof x);
    float f[] = { 1, 2, 3 }, sp[3], sg[3];
    stele__vec_softplus_sigmoid_f32(3, f, sp, sg);
    stele__vec_softplus_sigmoid_f32(3, f, f, sg);
    assert_memory_equal(f, sp, sizeof f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(place_and_length_change_no_bit),
        cmocka_unit_test(ends_are_stable),
        cmocka_unit_test(known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
