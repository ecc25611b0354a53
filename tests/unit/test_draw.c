/* Random values, modes and means of the plugins' likelihoods: samples have the moments of their
 * distribution, every element follows its own predictors. */
#include "test.h"

#include "toy_data.h"
#include "toy_model.h"

#include <math.h>

enum { ROWS = 4000, FEATURES = 2 };

/* Evenly spread numbers in place of random ones: sums over rows are then integrals. A second number
 * of an element is spread evenly over the pairs (golden ratio). */
static void even_numbers(void *ctx, int64_t row, uint32_t k, double *ret)
{
    (void)ctx;
    for (int64_t j = 0; j < FEATURES; j++) {
        double u = k == 0 ? ((double)row + 0.5) / ROWS : 0.6180339887498949 * ((double)row + 1.0);
        ret[j] = u - floor(u);
    }
}

/* Predictors of the two features in every row, two kinds of rows by size. */
typedef struct block {
    uint32_t dtype, n_eta;
    double eta[2][FEATURES], feature[FEATURES], size; /* size: log, of odd rows; 0 in even ones */
    double out[ROWS * FEATURES];
} block;

static void put_all(uint32_t dtype, const block *b, void *eta[2], void *feature, void *row)
{
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t j = 0; j < FEATURES; j++) {
            toy_put(dtype, eta[0], r * FEATURES + j, b->eta[0][j]);
            toy_put(dtype, eta[1], r * FEATURES + j, b->eta[1][j]);
            toy_put(dtype, feature, j, b->feature[j]);
        }
        toy_put(dtype, row, r, r % 2 != 0 ? b->size : 0.0);
    }
}

static void draw(const stele__modality *md, block *b, uint32_t what)
{
    static double eta0[ROWS * FEATURES], eta1[ROWS * FEATURES], out[ROWS * FEATURES], row[ROWS];
    double feature[FEATURES];
    void *eta[2] = { eta0, eta1 };
    const void *features[] = { feature }, *rows[] = { row };
    put_all(b->dtype, b, eta, feature, row);
    stele_block s = { .struct_size = sizeof s,
                      .dtype = b->dtype,
                      .n_eta = b->n_eta,
                      .n_rows = ROWS,
                      .n_features = FEATURES,
                      .eta = (const void *const *)eta,
                      .feature = features,
                      .row = b->size != 0.0 ? rows : NULL };
    stele_draw d = { .struct_size = sizeof d, .what = what, .uniform = even_numbers, .out = out };
    assert_int_equal(md->vt->draw(stele__guest_inst(md->part.guest), &s, &d), STELE_OK);
    for (int64_t i = 0; i < ROWS * FEATURES; i++) {
        b->out[i] = toy_real(b->dtype, out, i);
    }
}

/* Mean and variance over the odd (1) or even (0) rows of feature j. */
static void moments(const block *b, int64_t j, int64_t odd, double *ret_mean, double *ret_var)
{
    double sum = 0.0, squares = 0.0;
    for (int64_t r = odd; r < ROWS; r += 2) {
        sum += b->out[r * FEATURES + j];
        squares += b->out[r * FEATURES + j] * b->out[r * FEATURES + j];
    }
    *ret_mean = sum / (ROWS / 2);
    *ret_var = squares / (ROWS / 2) - *ret_mean * *ret_mean;
}

static void near(double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance * fabs(want))) {
        fail_msg("%g, expected %g", is, want);
    }
}

static void open_models(toy *t)
{
    toy_open(t,
             "stele: 1\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
             "  a: {plugin: nb_counts, encoder: {hidden: [3]}, decoder: {hidden: [3]}}\n"
             "  b: {plugin: bernoulli_peaks, encoder: {hidden: [3]}, decoder: {hidden: [3]}}\n"
             "fusion: poe\n",
             &toy_source, toy_others, 1, STELE_F32, 1);
}

static void counts_have_their_moments(void **state)
{
    (void)state;
    toy t;
    open_models(&t);
    for (int k = 0; k < 4; k++) {
        static block b;
        b = (block){ .dtype = k % 2 ? STELE_F32 : STELE_F64,
                     .n_eta = k < 2 ? 1 : 2,
                     .eta = { { log(6.0), log(0.5) }, { -1.0, 0.4 } },
                     .feature = { log(3.0), log(0.8) },
                     .size = log(2.5) };
        for (int64_t i = 0; i < 4; i++) {
            int64_t j = i % 2, odd = i / 2;
            double zero = b.n_eta > 1 ? 1.0 / (1.0 + exp(-b.eta[1][j])) : 0.0, mean, var;
            double theta = exp(b.feature[j]), mu = exp(b.eta[0][j]) * (odd ? 2.5 : 1.0);
            draw(&t.model.modality[0], &b, STELE_DRAW_MEAN);
            moments(&b, j, odd, &mean, &var);
            near(mean, (1.0 - zero) * mu, 1e-5);
            draw(&t.model.modality[0], &b, STELE_DRAW_SAMPLE);
            moments(&b, j, odd, &mean, &var);
            near(mean, (1.0 - zero) * mu, 0.02);
            near(var, (1.0 - zero) * (mu + mu * mu / theta + zero * mu * mu), 0.08);
        }
    }
    toy_close(&t);
}

static void modes_are_the_likeliest_values(void **state)
{
    (void)state;
    toy t;
    static block b;
    open_models(&t);
    b = (block){ .dtype = STELE_F64,
                 .n_eta = 1,
                 .eta = { { log(6.0), log(6.0) } },
                 .feature = { log(3.0), log(0.8) } };
    draw(&t.model.modality[0], &b, STELE_DRAW_MODE);
    assert_true(b.out[0] == 4.0 && b.out[1] == 0.0); /* floor(6 (3 - 1) / 3) */
    b = (block){ .dtype = STELE_F64, .n_eta = 1, .eta = { { -0.3, 0.2 } }, .size = 0.4 };
    draw(&t.model.modality[1], &b, STELE_DRAW_MODE);
    assert_true(b.out[0] == 0.0 && b.out[1] == 1.0 && b.out[2] == 1.0 && b.out[3] == 1.0);
    toy_close(&t);
}

static void peaks_have_their_probabilities(void **state)
{
    (void)state;
    toy t;
    open_models(&t);
    for (int k = 0; k < 2; k++) {
        static block b;
        b = (block){ .dtype = k ? STELE_F32 : STELE_F64,
                     .n_eta = 1,
                     .eta = { { -2.0, 0.7 } },
                     .size = k ? 0.9 : 0.0 };
        for (int64_t i = 0; i < 4; i++) {
            int64_t j = i % 2, odd = i / 2;
            double p = 1.0 / (1.0 + exp(-b.eta[0][j] - (odd ? b.size : 0.0))), mean, var;
            draw(&t.model.modality[1], &b, STELE_DRAW_MEAN);
            moments(&b, j, odd, &mean, &var);
            near(mean, p, 1e-6);
            draw(&t.model.modality[1], &b, STELE_DRAW_SAMPLE);
            moments(&b, j, odd, &mean, &var);
            near(mean, p, 0.01);
            near(var, p * (1.0 - p), 0.01);
        }
    }
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_their_moments),
        cmocka_unit_test(modes_are_the_likeliest_values),
        cmocka_unit_test(peaks_have_their_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
