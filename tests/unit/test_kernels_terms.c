/* The kernels room: the functions that likelihoods are made of, in every instruction set of this
 * machine, against long double. */
#include "test.h"

#include "special.h"

#include "kernels/isa.h"
#include "kernels/philox.h"
#include "kernels/vec.h"

#include <string.h>

enum { N = 4099 }; /* no multiple of any vector */

static void uniform(double low, double high, double *x)
{
    stele__noise_uniform_f64(stele__noise_at(4, 5, 6), 0, 0, N, x);
    for (size_t i = 0; i < N; i++) {
        x[i] = low + x[i] * (high - low);
    }
}

static void narrow(const double *x, float *ret)
{
    for (size_t i = 0; i < N; i++) {
        ret[i] = (float)x[i];
    }
}

static void note(double *worst, long double got, long double exact, long double size)
{
    double error = (double)(fabsl(got - exact) / size);
    *worst = error > *worst || isnan(error) ? error : *worst;
}

static void judge(const char *what, double low, double f32, double f64, double ulps)
{
    if (!(f32 <= ulps * FLT_EPSILON && f64 <= ulps * DBL_EPSILON)) {
        fail_msg("%s, %s from %g: %.2f and %.2f ulp, allowed %.2f", stele__isa_get()->name, what,
                 low, f32 / FLT_EPSILON, f64 / DBL_EPSILON, ulps);
    }
}

/* Sums of everything, of what is next to nothing, and of what would overflow a product. */
static void sum_of_softplus(void)
{
    static const double range[][2] = { { -80, 80 },   { -17.5, -16.5 }, { -3, 1 },
                                       { -0.1, 0.1 }, { -40, -36 },     { 5, 30 } };
    static double x[N], y[N];
    static float xf[N], yf[N];
    for (size_t k = 0; k < sizeof range / sizeof range[0]; k++) {
        long double sum = 0, sum_f = 0;
        double e_f = 0, e_d = 0, y_f = 0, y_d = 0;
        uniform(range[k][0], range[k][1], x);
        narrow(x, xf);
        double got = stele__vec_softplus_sum_f64(N, x, 0.5, -3, y);
        double got_f = stele__vec_softplus_sum_f32(N, xf, 0.5F, -3, yf);
        for (size_t i = 0; i < N; i++) {
            long double t = (long double)(x[i] + 0.5), t_f = (long double)(xf[i] + 0.5F);
            sum += softplusl(t);
            sum_f += softplusl(t_f);
            note(&y_d, y[i], -3 * sigmoidl(t), 3 * sigmoidl(t));
            note(&y_f, yf[i], -3 * sigmoidl(t_f), 3 * sigmoidl(t_f));
        }
        note(&e_d, got, sum, sum > 1 ? sum : 1);
        note(&e_f, got_f, sum_f, sum_f > 1 ? sum_f : 1);
        judge("sum of softplus", range[k][0], e_f, e_d, 4);
        judge("its derivative", range[k][0], y_f, y_d, 4);
        assert_true(stele__vec_softplus_sum_f32(N, xf, 0.5F, -3, NULL) == got_f);
        assert_true(stele__vec_softplus_sum_f64(N, x, 0.5, -3, NULL) == got);
    }
}

/* t, and so its rounding, is what the kernel gets: only the rest counts. */
static void scaled(void)
{
    static const double log_a[] = { -14, -1, 0, 3, 18 };
    static double x[N], a[N], la[N], y[N], dx[N], da[N];
    static float xf[N], af[N], laf[N], yf[N], dxf[N], daf[N];
    for (size_t k = 0; k < sizeof log_a / sizeof log_a[0]; k++) {
        double e_f[3] = { 0 }, e_d[3] = { 0 };
        uniform(-60, 60, x);
        narrow(x, xf);
        for (size_t i = 0; i < N; i++) {
            la[i] = log_a[k];
            a[i] = exp(la[i]);
            laf[i] = (float)la[i];
            af[i] = (float)a[i];
        }
        stele__vec_scaled_softplus_f64(N, x, 0.25, la, a, y, dx, da);
        stele__vec_scaled_softplus_f32(N, xf, 0.25F, laf, af, yf, dxf, daf);
        for (size_t i = 0; i < N; i++) {
            long double t = (long double)(x[i] + (0.25 - la[i])), b = a[i];
            note(&e_d[0], y[i], b * softplusl(t), b * softplusl(t));
            note(&e_d[1], dx[i], b * sigmoidl(t), b * sigmoidl(t));
            note(&e_d[2], da[i], b * softplus_excessl(t), b * softplus_excessl(t));
            float tf = xf[i] + (0.25F - laf[i]);
            t = (long double)tf;
            b = (long double)af[i];
            if (b * softplus_excessl(t) < (long double)FLT_MIN) {
                continue;
            }
            note(&e_f[0], yf[i], b * softplusl(t), b * softplusl(t));
            note(&e_f[1], dxf[i], b * sigmoidl(t), b * sigmoidl(t));
            note(&e_f[2], daf[i], b * softplus_excessl(t), b * softplus_excessl(t));
        }
        for (int i = 0; i < 3; i++) {
            judge("scaled softplus", log_a[k], e_f[i], e_d[i], 5);
        }
    }
}

static double size_of(long double x, long double y)
{
    return (double)fmaxl(1, fmaxl(x, fabsl(y)));
}

static void rising(void)
{
    static double x[N], a[N], y[N], dy[N];
    static float xf[N], af[N], yf[N], dyf[N];
    for (double low = -14; low < 40; low += 2) { /* of log theta */
        double e_f = 0, e_d = 0, d_f = 0, d_d = 0;
        uniform(low, low + 2, a);
        for (size_t i = 0; i < N; i++) {
            a[i] = exp(a[i]);
            x[i] = i % 3 == 0 ? (double)(i % 50) : pow(10, (double)(i % 97) / 97 * 9 - 3);
        }
        narrow(x, xf);
        narrow(a, af);
        stele__vec_rising_f64(N, x, a, y, dy);
        stele__vec_rising_f32(N, xf, af, yf, dyf);
        for (size_t i = 0; i < N; i++) {
            long double v = risingl(x[i], a[i]), d = d_risingl(x[i], a[i]);
            note(&e_d, y[i], v, size_of(x[i], v));
            note(&d_d, dy[i], d, size_of(x[i], d));
            v = risingl(xf[i], af[i]);
            d = d_risingl(xf[i], af[i]);
            note(&e_f, yf[i], v, size_of(xf[i], v));
            note(&d_f, dyf[i], d, size_of(xf[i], d));
        }
        judge("rising", low, e_f, e_d, 20);
        judge("derivative of rising", low, d_f, d_d, 20);
    }
}

static void functions_are_accurate(void **state)
{
    (void)state;
    if (!long_double_is_long()) {
        skip();
    }
    for (size_t k = 0; k < stele__isa_count(); k++) {
        stele__isa_use(stele__isa_at(k));
        sum_of_softplus();
        scaled();
        rising();
    }
    stele__isa_use(NULL);
}

/* No step where one formula takes over from another: at theta 4 in float, 8 in double. */
static void rising_is_continuous(void **state)
{
    (void)state;
    static const double x[] = { 0, 0.3, 1, 2, 7.5, 40, 1e3, 1e6 };
    for (size_t k = 0; k < stele__isa_count(); k++) {
        stele__isa_use(stele__isa_at(k));
        for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
            double a[] = { nextafter(8, 0), 8 }, y[2], dy[2], x2[] = { x[i], x[i] };
            float af[] = { nextafterf(4, 0), 4 }, yf[2], dyf[2],
                  xf[] = { (float)x[i], (float)x[i] };
            stele__vec_rising_f64(2, x2, a, y, dy);
            stele__vec_rising_f32(2, xf, af, yf, dyf);
            double size = 16 * DBL_EPSILON, size_f = 16 * (double)FLT_EPSILON;
            assert_true(fabs(y[1] - y[0]) <= size * size_of(x[i], y[1]));
            assert_true(fabs(dy[1] - dy[0]) <= size * size_of(x[i], dy[1]));
            assert_true(fabs((double)(yf[1] - yf[0])) <= size_f * size_of(x[i], yf[1]));
            assert_true(fabs((double)(dyf[1] - dyf[0])) <= size_f * size_of(x[i], dyf[1]));
            assert_true(x[i] > 0 || (fabs(y[0]) < 1e-16 && fabs(dy[0]) < 1e-15));
            assert_true(x[i] > 0 || (fabsf(yf[0]) < 1e-7F && fabsf(dyf[0]) < 1e-6F));
        }
    }
    stele__isa_use(NULL);
}

/* Lengths beyond a group of vectors, at all alignments, in place: the same bits, nothing outside
 * touched. */
static void place_changes_no_bit(void **state)
{
    (void)state;
    enum { MOST = 300, ROOM = MOST + 32 };
    static float x[MOST], apart[MOST], part[ROOM], d[3][MOST], in_place[3][MOST];
    for (size_t i = 0; i < MOST; i++) {
        x[i] = 4.0F * sinf((float)i);
    }
    for (size_t k = 0; k < stele__isa_count(); k++) {
        stele__isa_use(stele__isa_at(k));
        for (size_t n = 0; n <= MOST; n += 1 + n / 8) {
            float sum = (float)stele__vec_softplus_sum_f32(n, x, 0.5F, 2, apart);
            for (size_t at = 0; at < 16; at++) {
                for (size_t i = 0; i < ROOM; i++) {
                    part[i] = -7;
                }
                memcpy(part + at, x, n * sizeof *x);
                assert_true(sum ==
                            (float)stele__vec_softplus_sum_f32(n, part + at, 0.5F, 2, part + at));
                assert_memory_equal(part + at, apart, n * sizeof *x);
                for (size_t i = 0; i < ROOM; i++) {
                    assert_true((i >= at && i < at + n) || part[i] == -7);
                }
            }
            for (size_t i = 0; i < n; i++) {
                in_place[0][i] = apart[i] + 1;
                in_place[1][i] = fabsf(x[i]) + 0.1F;
            }
            stele__vec_rising_f32(n, in_place[0], in_place[1], d[0], d[1]);
            stele__vec_rising_f32(n, in_place[0], in_place[1], in_place[1], in_place[0]);
            assert_memory_equal(in_place[1], d[0], n * sizeof *x);
            assert_memory_equal(in_place[0], d[1], n * sizeof *x);
            memcpy(in_place[2], x, n * sizeof *x);
            stele__vec_scaled_softplus_f32(n, x, 0, x, apart, d[0], d[1], d[2]);
            stele__vec_scaled_softplus_f32(n, in_place[2], 0, x, apart, in_place[0], in_place[1],
                                           in_place[2]);
            assert_memory_equal(in_place, d, n * sizeof *x);
            assert_memory_equal(in_place[2], d[2], n * sizeof *x);
        }
    }
    stele__isa_use(NULL);
}

static void ends_are_stable(void **state)
{
    (void)state;
    const float x[] = { -1e30F, -200, 0, 200, 1e30F, INFINITY, -INFINITY, NAN };
    const float one[8] = { 1, 1, 1, 1, 1, 1, 1, 1 }, none[8] = { 0 };
    float y[8], dx[8], da[8];
    for (size_t k = 0; k < stele__isa_count(); k++) {
        stele__isa_use(stele__isa_at(k));
        assert_true(stele__vec_softplus_sum_f32(0, x, 0, 1, y) == 0);
        assert_true(stele__vec_softplus_sum_f32(2, x, 0, 1, y) == 0 && y[0] == 0 && y[1] == 0);
        assert_true(stele__vec_softplus_sum_f32(2, x + 3, 0, 3, y) == (double)(1e30F + 200));
        assert_true(y[0] == 3 && y[1] == 3);
        assert_true(stele__vec_softplus_sum_f32(3, x + 3, 0, 1, y) == INFINITY && y[2] == 1);
        assert_true(stele__vec_softplus_sum_f32(1, x + 6, 0, 1, y) == 0 && y[0] == 0);
        assert_true(isnan(stele__vec_softplus_sum_f32(8, x, 0, 1, y)) && isnan(y[7]) &&
                    y[2] == 0.5F);
        const double xd[] = { -1e300, 1e300, NAN };
        double yd[3];
        assert_true(stele__vec_softplus_sum_f64(2, xd, 0, 1, yd) == 1e300);
        assert_true(yd[0] == 0 && yd[1] == 1);
        assert_true(isnan(stele__vec_softplus_sum_f64(3, xd, 0, 1, yd)) && isnan(yd[2]));
        stele__vec_scaled_softplus_f32(8, x, 0, none, one, y, dx, da);
        assert_true(y[0] == 0 && dx[0] == 0 && da[0] == 0 && y[6] == 0 && dx[6] == 0 && da[6] == 0);
        assert_true(y[3] == 200 && dx[3] == 1 && da[3] == 199 && y[4] == 1e30F && da[4] == 1e30F);
        assert_true(y[5] == INFINITY && dx[5] == 1 && da[5] == INFINITY);
        assert_true(isnan(y[7]) && isnan(dx[7]) && isnan(da[7]));
    }
    stele__isa_use(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(rising_is_continuous),
        cmocka_unit_test(place_changes_no_bit),
        cmocka_unit_test(ends_are_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
