/* The likelihoods of stele/location_scale.h: values by scipy.stats 1.17, derivatives by 4-point
 * differences, masses that sum to one, and draws that come from them. */
#include "test.h"

#include "model/model.h"

#include <stele/location_scale.h>

enum { FEATURES = 300, ROWS = 3, DRAWS = 20000 }; /* more than a chunk */

/* A block in double; evaluated in either type. */
typedef struct block {
    stele_location_terms t;
    double eta[ROWS * FEATURES], x[ROWS * FEATURES], feature[FEATURES], row[ROWS], weight[ROWS];
    double log_prob[ROWS], d_eta[ROWS * FEATURES], d_feature[FEATURES], d_row[ROWS];
} block;

static void *real(uint32_t dtype, const double *from, int64_t n, double *room)
{
    for (int64_t i = 0; i < n; i++) {
        if (dtype == STELE_F64) {
            room[i] = from[i];
        } else {
            ((float *)(void *)room)[i] = (float)from[i];
        }
    }
    return room;
}

static void read(uint32_t dtype, const void *from, int64_t n, double *ret)
{
    for (int64_t i = 0; i < n; i++) {
        ret[i] = dtype == STELE_F64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
    }
}

static void eval(block *b, uint32_t dtype)
{
    static double eta[ROWS * FEATURES], x[ROWS * FEATURES], feature[FEATURES], row[ROWS],
        weight[ROWS], d_feature[FEATURES], d_row[ROWS];
    static const double zero[FEATURES];
    const int64_t begin[ROWS] = { 0, FEATURES, 2 * FEATURES };
    const void *etas[] = { real(dtype, b->eta, ROWS * FEATURES, eta) };
    const void *features[] = { real(dtype, b->feature, FEATURES, feature) };
    const void *rows[] = { real(dtype, b->row, ROWS, row) };
    void *d_etas[] = { eta }, *d_features[] = { real(dtype, zero, FEATURES, d_feature) };
    void *d_rows[] = { real(dtype, zero, ROWS, d_row) };
    stele_values values = { .struct_size = sizeof values, .dtype = dtype, .begin = begin };
    values.layout = STELE_DENSE;
    values.data = real(dtype, b->x, ROWS * FEATURES, x);
    memset(b->log_prob, 0, sizeof b->log_prob);
    stele_block s = { .struct_size = sizeof s, .dtype = dtype, .n_eta = 1, .n_rows = ROWS };
    s.n_features = FEATURES;
    s.eta = etas;
    s.d_eta = d_etas;
    s.feature = features;
    s.d_feature = d_features;
    s.row = rows;
    s.d_row = d_rows;
    s.weight = real(dtype, b->weight, ROWS, weight);
    s.x = &values;
    s.log_prob = b->log_prob;
    assert_int_equal(stele_location(stele__model_tables.vec, &s, &b->t), STELE_OK);
    read(dtype, eta, ROWS * FEATURES, b->d_eta);
    read(dtype, d_feature, FEATURES, b->d_feature);
    read(dtype, d_row, ROWS, b->d_row);
}

/* All three rows and features alike: log p of one element. */
static double log_p(const stele_location_terms *t, uint32_t dtype, double x, double eta,
                    double log_scale)
{
    static block b;
    b.t = *t;
    for (int64_t i = 0; i < ROWS * FEATURES; i++) {
        b.x[i] = NAN;
        b.eta[i] = eta;
        b.feature[i % FEATURES] = t->row_log_scale >= 0 ? 0.0 : log_scale;
        b.row[i / FEATURES] = t->row_log_scale >= 0 ? log_scale : 0.0;
    }
    b.x[FEATURES + 280] = x;
    eval(&b, dtype);
    assert_true(b.log_prob[0] == 0.0 && b.log_prob[2] == 0.0); /* missing */
    return b.log_prob[1];
}

static void near(double is, double want, double tolerance)
{
    if (!(is == want || fabs(is - want) <= tolerance * fmax(1.0, fabs(want)))) {
        fail_msg("%.15g, expected %.15g", is, want);
    }
}

typedef struct golden {
    int64_t levels;
    double unit, floor, x, eta, log_scale, log_p;
} golden;

/* laplace.logpdf(x / unit, eta, floor + exp(log_scale)) - log(unit), and logs of differences of
 * logistic.cdf, by mpmath with 50 digits. */
static const golden cases[] = {
    { 0, 1.0, 0.125, 0.75, 0.25, -1.0, -1.00010336152913 },
    { 0, 255.0, 0.0009765625, 12.0, 0.5, -3.0, -12.1763884118518 },
    { 0, 2.0, 0.125, -40.0, 1.5, 2.0, -6.26437393757928 },
    { 256, 255.0, 0.0009765625, 0.0, 0.25, -3.0, -4.89368186376177 },
    { 256, 255.0, 0.0009765625, 255.0, 0.25, -4.0, -38.7741761872286 },
    { 256, 255.0, 0.0009765625, 128.0, 0.5, -5.5, -1.69013707539085 },
    { 256, 255.0, 0.0009765625, 3.0, 0.75, -2.0, -8.9730743385348 },
    { 2, 1.0, 0.125, 1.0, -0.5, 0.5, -1.01425697452302 },
    { 9, 8.0, 0.0009765625, 7.0, 0.125, -5.0, -89.1177852318399 },
    { 256, 1.0, 0.125, 0.2, 0.5, 8.0, -14.9275998407595 },
};

static void values_are_those_of_scipy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const golden *c = &cases[i];
        for (int by_row = 0; by_row < 2; by_row++) {
            const stele_location_terms t = { by_row ? -1 : 0, by_row ? 0 : -1, c->floor, c->unit,
                                             c->levels };
            near(log_p(&t, STELE_F64, c->x, c->eta, c->log_scale), c->log_p, 1e-13);
            near(log_p(&t, STELE_F32, c->x, c->eta, c->log_scale), c->log_p, 3e-6);
        }
    }
}

/* Levels from black to white, with tails on either side, sum to one; others have no mass. */
static void levels_sum_to_one(void **state)
{
    (void)state;
    for (int64_t levels = 2; levels <= 256; levels += 127) {
        for (double log_scale = -7.0; log_scale < 3.0; log_scale += 2.5) {
            for (double eta = -0.5; eta < 1.6; eta += 0.35) {
                const stele_location_terms t = { 0, -1, 1e-4, 255.0, levels };
                double sum = 0.0;
                for (int64_t k = 0; k < levels; k++) {
                    const double x = 255.0 * (double)k / (double)(levels - 1);
                    sum += exp(log_p(&t, STELE_F64, x, eta, log_scale));
                }
                near(sum, 1.0, 1e-12);
                assert_true(log_p(&t, STELE_F64, 600.0, eta, log_scale) == -HUGE_VAL);
            }
        }
    }
}

static void laplace_integrates_to_one(void **state)
{
    const stele_location_terms t = { -1, 0, 0.1, 4.0, 0 };
    double sum = 0.0, step = 0.02;
    (void)state;
    for (double x = -60.0 + 0.5 * step; x < 60.0; x += step) {
        sum += step * exp(log_p(&t, STELE_F64, x, 0.3, -0.4));
    }
    near(sum, 1.0, 1e-4);
}

static void fill(block *b, int64_t levels, int both)
{
    b->t = (stele_location_terms){ 0, both ? 0 : -1, 0.02, 8.0, levels };
    for (int64_t i = 0; i < ROWS * FEATURES; i++) {
        const int64_t k = i * 7919 % 97;
        b->x[i] = k == 5 ? NAN : levels > 0 ? (double)(k % 9) : 0.11 * (double)k;
        b->eta[i] = 0.013 * (double)(i * 31 % 101) - 0.2;
    }
    for (int64_t j = 0; j < FEATURES; j++) {
        b->feature[j] = 0.01 * (double)(j * 17 % 200) - 2.5;
    }
    for (int64_t r = 0; r < ROWS; r++) {
        b->row[r] = 0.3 * (double)r - 0.2;
        b->weight[r] = 0.5 + (double)r;
    }
}

static double objective(block *b)
{
    double sum = 0.0;
    eval(b, STELE_F64);
    for (int64_t r = 0; r < ROWS; r++) {
        sum += b->weight[r] * b->log_prob[r];
    }
    return sum;
}

/* d objective / d *at */
static double difference(block *b, double *at)
{
    const double h = 1e-4, v = *at;
    double f[4];
    for (int i = 0; i < 4; i++) {
        *at = v + h * (i < 2 ? (double)(i - 2) : (double)(i - 1));
        f[i] = objective(b);
    }
    *at = v;
    return (f[0] - 8.0 * f[1] + 8.0 * f[2] - f[3]) / (12.0 * h);
}

static void derivatives_are_those_of_the_values(void **state)
{
    static block b, is;
    (void)state;
    for (int64_t levels = 0; levels <= 9; levels += 9) {
        for (int both = 0; both < 2; both++) {
            fill(&b, levels, both);
            is = b;
            eval(&is, STELE_F64);
            for (int64_t i = 0; i < ROWS * FEATURES; i += 7) {
                near(is.d_eta[i], difference(&b, &b.eta[i]), 2e-7);
            }
            for (int64_t j = 0; j < FEATURES; j += 11) {
                near(is.d_feature[j], difference(&b, &b.feature[j]), 2e-7);
            }
            for (int64_t r = 0; both && r < ROWS; r++) {
                near(is.d_row[r], difference(&b, &b.row[r]), 2e-7);
            }
        }
    }
}

/* Far from every measurement, and with scales far below and above a level: finite in float. */
static void nothing_overflows(void **state)
{
    static block b;
    (void)state;
    for (int64_t levels = 0; levels <= 256; levels += 256) {
        for (int sign = -1; sign <= 1; sign += 2) {
            fill(&b, levels == 0 ? 0 : 9, 1);
            b.t.floor = 1e-6;
            for (int64_t i = 0; i < ROWS * FEATURES; i++) {
                b.eta[i] = sign * 1e3;
                b.feature[i % FEATURES] = i % 2 == 0 ? -60.0 : 60.0;
            }
            eval(&b, STELE_F32);
            for (int64_t i = 0; i < ROWS * FEATURES; i++) {
                assert_true(isfinite(b.d_eta[i]) && isfinite(b.d_feature[i % FEATURES]));
            }
            assert_true(isfinite(b.log_prob[0]) && isfinite(b.d_row[0]));
        }
    }
}

/* Evenly spread numbers in place of random ones. */
static void even_numbers(void *ctx, int64_t row, uint32_t k, double *ret)
{
    (void)ctx;
    (void)k;
    ret[0] = ((double)row + 0.5) / DRAWS;
}

static void draw(const stele_location_terms *t, uint32_t what, double eta, double log_scale,
                 int64_t n, double *out)
{
    static double etas[DRAWS], rows[DRAWS];
    const void *eta_at[] = { etas }, *row_at[] = { rows };
    for (int64_t i = 0; i < n; i++) {
        etas[i] = eta;
        rows[i] = log_scale;
    }
    stele_block b = { .struct_size = sizeof b, .dtype = STELE_F64, .n_eta = 1, .n_rows = n };
    b.n_features = 1;
    b.eta = eta_at;
    b.row = row_at;
    stele_draw d = { .struct_size = sizeof d, .what = what, .uniform = even_numbers, .out = out };
    assert_int_equal(stele_location_draw(&b, &d, t), STELE_OK);
}

/* Shares of the levels among draws are their masses; mean and mode are those of the masses. */
static void draws_come_from_the_masses(void **state)
{
    static double out[DRAWS];
    (void)state;
    for (double log_scale = -4.0; log_scale < 1.0; log_scale += 1.2) {
        for (double eta = -0.4; eta < 1.5; eta += 0.3) {
            const stele_location_terms t = { -1, 0, 1e-3, 16.0, 9 };
            double share[9] = { 0 }, mean = 0.0, most = 0.0;
            draw(&t, STELE_DRAW_SAMPLE, eta, log_scale, DRAWS, out);
            for (int i = 0; i < DRAWS; i++) {
                share[(int)(out[i] / 2.0)] += 1.0 / DRAWS;
            }
            for (int k = 0; k < 9; k++) {
                double p = exp(log_p(&t, STELE_F64, 2.0 * k, eta, log_scale));
                assert_true(fabs(share[k] - p) < 1.5 / DRAWS);
                mean += 2.0 * k * p;
                most = fmax(most, p);
            }
            draw(&t, STELE_DRAW_MEAN, eta, log_scale, 1, out);
            near(out[0], mean, 1e-12);
            draw(&t, STELE_DRAW_MODE, eta, log_scale, 1, out);
            near(exp(log_p(&t, STELE_F64, out[0], eta, log_scale)), most, 1e-9);
        }
    }
}

static void laplace_draws_have_its_moments(void **state)
{
    static double out[DRAWS];
    const stele_location_terms t = { -1, 0, 0.1, 3.0, 0 };
    double mean = 0.0, var = 0.0, s = 0.1 + exp(-0.5);
    (void)state;
    draw(&t, STELE_DRAW_SAMPLE, 0.4, -0.5, DRAWS, out);
    for (int i = 0; i < DRAWS; i++) {
        mean += out[i] / DRAWS;
        var += out[i] * out[i] / DRAWS;
    }
    near(mean, 1.2, 1e-3);
    near(var - mean * mean, 2.0 * s * s * 9.0, 5e-3);
    draw(&t, STELE_DRAW_MEAN, 0.4, -0.5, 1, out);
    near(out[0], 1.2, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_scipy),
        cmocka_unit_test(levels_sum_to_one),
        cmocka_unit_test(laplace_integrates_to_one),
        cmocka_unit_test(derivatives_are_those_of_the_values),
        cmocka_unit_test(nothing_overflows),
        cmocka_unit_test(draws_come_from_the_masses),
        cmocka_unit_test(laplace_draws_have_its_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
