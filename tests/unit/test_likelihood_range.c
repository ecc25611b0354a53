/* The negative binomial over the whole range of its parameters, float and double, element by
 * element against long double: theta from 1e-6 to 1e8, means from 1e-8 to 1e6 and beyond, counts up
 * to 1e6, with and without extra zeros. */
#include "test.h"

#include "special.h"

#include "model/model.h"

#include <stele/likelihood.h>

enum { MAX = 512 };

/* What one element is made of, and its log-probability with the derivatives towards eta, log theta
 * and the logit of an extra zero. */
typedef struct element {
    double x, eta, log_theta, extra;
    long double value, d_eta, d_log_theta, d_extra;
} element;

static void put(uint32_t dtype, void *p, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)p)[i] = v;
    } else {
        ((float *)p)[i] = (float)v;
    }
}

static double get(uint32_t dtype, const void *p, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

/* Elements as a column of rows, which tells their values apart, or as one row of features, which
 * tells the derivatives towards log theta apart. */
static void run(uint32_t dtype, uint32_t n_eta, int64_t rows, int64_t features, element *e)
{
    static double eta[2][MAX], log_theta[MAX], x[MAX], weight[MAX], d_log_theta[MAX], log_prob[MAX];
    static int64_t begin[MAX];
    const int64_t n = rows * features;
    for (int64_t i = 0; i < n; i++) {
        put(dtype, eta[0], i, e[i].eta);
        put(dtype, eta[1], i, e[i].extra);
        put(dtype, x, i, e[i].x);
        put(dtype, log_theta, i, e[i].log_theta); /* one column: all the same */
        put(dtype, weight, i, 1.0);
        begin[i] = i * features;
    }
    memset(d_log_theta, 0, sizeof d_log_theta);
    memset(log_prob, 0, sizeof log_prob);
    const stele_values values = { .struct_size = sizeof values,
                                  .dtype = dtype,
                                  .layout = STELE_DENSE,
                                  .data = x,
                                  .begin = begin };
    void *eta_at[] = { eta[0], eta[1] }, *d_feature[] = { d_log_theta };
    const void *feature[] = { log_theta };
    const stele_block b = { .struct_size = sizeof b,
                            .dtype = dtype,
                            .n_eta = n_eta,
                            .n_rows = rows,
                            .n_features = features,
                            .eta = (const void *const *)eta_at,
                            .d_eta = eta_at,
                            .feature = feature,
                            .d_feature = d_feature,
                            .weight = weight,
                            .x = &values,
                            .log_prob = log_prob };
    assert_int_equal(stele_negative_binomial(stele__model_tables.vec, &b), STELE_OK);
    for (int64_t i = 0; i < n; i++) {
        e[i].value = features == 1 ? (long double)log_prob[i] : e[i].value;
        e[i].d_eta = (long double)get(dtype, eta[0], i);
        e[i].d_extra = n_eta > 1 ? (long double)get(dtype, eta[1], i) : 0;
        e[i].d_log_theta = (long double)get(dtype, d_log_theta, features == 1 ? 0 : i);
    }
}

static void compute(uint32_t dtype, uint32_t n_eta, int64_t n, element *e)
{
    run(dtype, n_eta, n, 1, e);
    run(dtype, n_eta, 1, n, e);
}

/* The formula of the textbook, and of Lambert (1992) for the extra zeros. */
static element exact(const element *given, uint32_t n_eta)
{
    element e = *given;
    const long double theta = expl(e.log_theta), x = e.x, t = (long double)e.eta - e.log_theta;
    e.value = risingl(x, theta) - lgammal(x + 1) + x * e.eta - (theta + x) * softplusl(t);
    e.d_eta = x - (theta + x) * sigmoidl(t);
    e.d_log_theta = d_risingl(x, theta) - theta * softplus_excessl(t) + x * sigmoidl(t);
    if (n_eta > 1) {
        const long double u = e.value - e.extra;
        if (e.x == 0) {
            e.value = fmaxl(e.value, e.extra) + log1pl(expl(-fabsl(u))) - softplusl(e.extra);
            e.d_eta *= sigmoidl(u);
            e.d_log_theta *= sigmoidl(u);
            e.d_extra = sigmoidl(-u) - sigmoidl(e.extra);
        } else {
            e.value -= softplusl(e.extra);
            e.d_extra = -sigmoidl(e.extra);
        }
    }
    return e;
}

static int64_t all_elements(double log_theta, double extra, element *ret)
{
    static const double x[] = { 0, 0, 0.5, 1, 2, 3.25, 7, 8, 63, 64, 1e3, 1e4, 1e5, 1e6 };
    int64_t n = 0;
    for (int k = 0; k <= 28; k++) {
        /* floats, so that both types get the same */
        const float eta = k == 27 ? -80.F : k == 28 ? 80.F : -18.517F + 1.2371F * (float)k;
        for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
            ret[n++] =
                (element){ .x = x[i], .eta = (double)eta, .log_theta = log_theta, .extra = extra };
        }
    }
    return n;
}

/* Largest errors: of the value against max(1, |value|), of derivatives towards eta and log theta
 * against their size, towards the extra zero's logit against 1. */
typedef struct errors {
    double value, d_eta, d_log_theta, d_extra;
} errors;

static void note(double *worst, long double got, long double want, long double size)
{
    const double error = (double)(fabsl(got - want) / size);
    *worst = error > *worst || isnan(error) ? error : *worst;
}

/* `share` of the count is added to the size of a derivative: the rounding of what it is the
 * difference of, in double for either type. So is what a float cannot hold. With extra zeros a
 * derivative counts against its size without: the factor it gets is at most 1 and as exact. */
static errors compare(uint32_t dtype, uint32_t n_eta, double extra, double share)
{
    static element e[MAX];
    errors worst = { 0 };
    for (float log_theta = -14.F; log_theta < 18.5F; log_theta += 1.F) {
        int64_t n = all_elements((double)(log_theta + 0.1337F), extra, e);
        compute(dtype, n_eta, n, e);
        for (int64_t i = 0; i < n; i++) {
            const element want = exact(&e[i], n_eta), plain = exact(&e[i], 1);
            const long double more = (long double)(share * e[i].x + 1e-22);
            note(&worst.value, e[i].value, want.value, fmaxl(1, fabsl(want.value)));
            note(&worst.d_eta, e[i].d_eta, want.d_eta, fabsl(plain.d_eta) + more);
            note(&worst.d_log_theta, e[i].d_log_theta, want.d_log_theta,
                 fabsl(plain.d_log_theta) + more);
            note(&worst.d_extra, e[i].d_extra, want.d_extra, 1);
        }
    }
    return worst;
}

static void judge(const char *what, double extra, const errors *e, const errors *allowed)
{
    if (!(e->value <= allowed->value && e->d_eta <= allowed->d_eta &&
          e->d_log_theta <= allowed->d_log_theta && e->d_extra <= allowed->d_extra)) {
        fail_msg("%s, logit of extra zeros %g: value off by %.2g, towards eta %.2g, log theta "
                 "%.2g, extra %.2g",
                 what, extra, e->value, e->d_eta, e->d_log_theta, e->d_extra);
    }
}

static void every_element_is_accurate(void **state)
{
    (void)state;
    static const double extra[] = { 0, -80, -6, 0, 4, 16, 80 }; /* the first: without extra zeros */
    const errors f32 = { 1e-6, 4e-6, 4e-6, 1e-6 }, f64 = { 4e-9, 1e-12, 1e-12, 1e-14 };
    if (!long_double_is_long()) {
        skip();
    }
    for (size_t k = 0; k < sizeof extra / sizeof extra[0]; k++) {
        const uint32_t n_eta = k == 0 ? 1 : 2;
        const errors f = compare(STELE_F32, n_eta, extra[k], 1e-8);
        const errors d = compare(STELE_F64, n_eta, extra[k], 1e-2);
        judge("float", extra[k], &f, &f32);
        judge("double", extra[k], &d, &f64);
    }
}

/* With theta = 1e8, x eta - mean - log x!: what is left is of the size ((x - mean)^2 + x) / theta.
 */
static void large_theta_is_poisson(void **state)
{
    (void)state;
    static element e[MAX];
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        int64_t n = all_elements((double)logf(1e8F), 0, e);
        compute(dtype, 1, n, e);
        for (int64_t i = 0; i < n; i++) {
            const double mean = exp(e[i].eta), x = e[i].x;
            const double poisson = x * e[i].eta - mean - lgamma(x + 1);
            const double left = ((x - mean) * (x - mean) + x) / 1e8;
            const double size = fmax(1, fabs(poisson)) * (dtype == STELE_F32 ? 1e-6 : 4e-9);
            if (e[i].eta < 20) {
                assert_true(fabs((double)e[i].value - poisson) <= left + size);
                assert_true(fabs((double)e[i].d_eta - (x - mean)) <=
                            4e-6 * fabs(x - mean) + (x + mean) * (x + mean) / 1e8 + 1e-30);
                assert_true(fabs((double)e[i].d_log_theta) <= left);
            }
        }
    }
}

/* Across theta = 8, and across the counts whose factorial is tabled, to those that are not. */
static void formulas_meet(void **state)
{
    (void)state;
    static element e[MAX];
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        const double step = dtype == STELE_F32 ? 2 * (double)FLT_EPSILON : 2 * DBL_EPSILON;
        const double small = dtype == STELE_F32 ? 2e-6 : 1e-9;
        for (int64_t i = 0; i < 256; i += 2) {
            const double at = i < 128 ? log(8) : 1, x = i < 128 ? (double)(i / 8) : (double)(i / 2);
            e[i] = (element){ .x = x, .eta = 2, .log_theta = at - step };
            e[i + 1] = e[i];
            if (i < 128) {
                e[i + 1].log_theta = at + step;
            } else { /* no whole number */
                e[i + 1].x = x + 8 * step * x;
            }
        }
        for (int64_t i = 0; i < 256; i++) { /* one column has one theta */
            run(dtype, 1, 1, 1, &e[i]);
        }
        for (int64_t i = 0; i < 256; i += 2) {
            const double size = small * fmax(1, fabs((double)e[i].value));
            assert_true(fabsl(e[i + 1].value - e[i].value) <= (i < 128 ? size : 40 * size));
            assert_true(fabsl(e[i + 1].d_eta - e[i].d_eta) <= small * (e[i].x + 8));
            assert_true(fabsl(e[i + 1].d_log_theta - e[i].d_log_theta) <= small * (e[i].x + 8));
        }
    }
}

/* In double by 4 points, the step wide enough for the digits that large values cost. */
static void derivatives_are_those_of_the_value(void **state)
{
    (void)state;
    static const double offset[4] = { -2, -1, 1, 2 }, factor[4] = { 1, -8, 8, -1 };
    static element e[MAX], moved[MAX];
    static double d[3][MAX];
    const double h = 2e-3;
    for (double log_theta = -14; log_theta <= 18; log_theta += 4) {
        const int64_t n = all_elements(log_theta, -1, e);
        compute(STELE_F64, 2, n, e);
        memset(d, 0, sizeof d);
        for (int k = 0; k < 12; k++) {
            memcpy(moved, e, sizeof moved);
            for (int64_t i = 0; i < n; i++) {
                *(k / 4 == 0   ? &moved[i].eta
                  : k / 4 == 1 ? &moved[i].log_theta
                               : &moved[i].extra) += offset[k % 4] * h;
            }
            run(STELE_F64, 2, n, 1, moved);
            for (int64_t i = 0; i < n; i++) {
                d[k / 4][i] += factor[k % 4] * (double)moved[i].value / (12 * h);
            }
        }
        for (int64_t i = 0; i < n; i++) {
            const double noise = 1e-12 * fmax(1, fabs((double)e[i].value)) + 1e-11 * e[i].x;
            const double of[] = { (double)e[i].d_eta, (double)e[i].d_log_theta,
                                  (double)e[i].d_extra };
            for (int k = 0; k < 3; k++) {
                if (!(fabs(d[k][i] - of[k]) <= 1e-8 * fabs(of[k]) + noise + 1e-9)) {
                    fail_msg("x %g, eta %g, log theta %g: derivative %d is %.12g, by differences "
                             "%.12g",
                             e[i].x, e[i].eta, log_theta, k, of[k], d[k][i]);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_is_accurate),
        cmocka_unit_test(large_theta_is_poisson),
        cmocka_unit_test(formulas_meet),
        cmocka_unit_test(derivatives_are_those_of_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
