/* modality/nb_counts: probabilities by the formula, and draws that have their moments. */
#include "test.h"

#include "element_case.h"

/* Values of SciPy's nbinom.logpmf(x, theta, theta / (theta + mean)). */
static void log_probabilities_are_those_of_scipy(void **state)
{
    (void)state;
    toy t;
    open_models(&t);
    const stele__modality *md = &t.model.modality[0];
    element e = { STELE_F64, 1, { log(2.0), 0.4 }, { log(1.5) }, log(2.5) };
    assert_float_equal(log_prob_of(md, &e, 3.0), -2.20383905734298, 1e-12);
    assert_float_equal(log_prob_of(md, &e, 0.0), -2.19950560319014, 1e-12);
    /* Zero inflation by 1 / (1 + exp(-0.4)). */
    double zero = 1.0 / (1.0 + exp(-0.4)), p0 = exp(-2.19950560319014), p3 = exp(-2.20383905734298);
    e.n_eta = 2;
    assert_float_equal(log_prob_of(md, &e, 0.0), log(zero + (1.0 - zero) * p0), 1e-12);
    assert_float_equal(log_prob_of(md, &e, 3.0), log((1.0 - zero) * p3), 1e-12);
    toy_close(&t);
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
                     .feature = { { log(3.0), log(0.8) } },
                     .size = log(2.5) };
        for (int64_t i = 0; i < 4; i++) {
            int64_t j = i % 2, odd = i / 2;
            double zero = b.n_eta > 1 ? 1.0 / (1.0 + exp(-b.eta[1][j])) : 0.0, mean, var;
            double theta = exp(b.feature[0][j]), mu = exp(b.eta[0][j]) * (odd ? 2.5 : 1.0);
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

static void modes_are_the_likeliest_counts(void **state)
{
    (void)state;
    toy t;
    static block b;
    open_models(&t);
    b = (block){ .dtype = STELE_F64,
                 .n_eta = 1,
                 .eta = { { log(6.0), log(6.0) } },
                 .feature = { { log(3.0), log(0.8) } } };
    draw(&t.model.modality[0], &b, STELE_DRAW_MODE);
    assert_true(b.out[0] == 4.0 && b.out[1] == 0.0); /* floor(6 (3 - 1) / 3) */
    /* With extra zeros 0 is the likeliest count long before most counts are extra zeros: of
     * NB(6, 3) 0 has 1/27, 3 and 4 have 0.11 each. */
    b.n_eta = 2;
    b.eta[1][0] = log(0.05 / 0.95);
    b.eta[1][1] = log(0.2 / 0.8);
    b.eta[0][1] = log(6.0);
    b.feature[0][1] = log(3.0);
    draw(&t.model.modality[0], &b, STELE_DRAW_MODE);
    assert_true((b.out[0] == 4.0 || b.out[0] == 3.0) && b.out[1] == 0.0);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probabilities_are_those_of_scipy),
        cmocka_unit_test(counts_have_their_moments),
        cmocka_unit_test(modes_are_the_likeliest_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
