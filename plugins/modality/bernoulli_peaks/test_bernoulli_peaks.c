/* modality/bernoulli_peaks: probabilities by the formula, and draws that have them. */
#include "test.h"

#include "element_case.h"

/* A region is open with probability 1 / (1 + exp(-eta - depth)), however many fragments say so. */
static void log_probabilities_are_those_of_the_logit(void **state)
{
    (void)state;
    toy t;
    open_models(&t);
    const stele__modality *md = &t.model.modality[1];
    const element e = { STELE_F64, 1, { -2.0 }, { 0.0 }, 0.9 };
    double p = 1.0 / (1.0 + exp(2.0 - 0.9));
    assert_float_equal(log_prob_of(md, &e, 0.0), log(1.0 - p), 1e-12);
    assert_float_equal(log_prob_of(md, &e, 1.0), log(p), 1e-12);
    assert_float_equal(log_prob_of(md, &e, 3.0), log(p), 1e-12);
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

static void modes_are_the_likelier_states(void **state)
{
    (void)state;
    toy t;
    static block b;
    open_models(&t);
    b = (block){ .dtype = STELE_F64, .n_eta = 1, .eta = { { -0.3, 0.2 } }, .size = 0.4 };
    draw(&t.model.modality[1], &b, STELE_DRAW_MODE);
    assert_true(b.out[0] == 0.0 && b.out[1] == 1.0 && b.out[2] == 1.0 && b.out[3] == 1.0);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probabilities_are_those_of_the_logit),
        cmocka_unit_test(peaks_have_their_probabilities),
        cmocka_unit_test(modes_are_the_likelier_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
