/* modality/protein: the mixture by its formula, what is drawn from it, starts by hand, missing
 * proteins and absent rows. Derivatives of the likelihood and large counts: test_nb_mixture. */
#include "test.h"

#include "count_case.h"
#include "eval/predict.h"

#define PROTEIN(more_) "  a: {plugin: protein, from: a/dense, " more_ SMALL "}\n" B

/* SciPy's nbinom.logpmf(x, theta, theta / (theta + mean)), as its documentation has it. */
static double nb(double x, double mean, double theta)
{
    return lgamma(x + theta) - lgamma(theta) - lgamma(x + 1.0) +
           theta * log(theta / (theta + mean)) + x * log(mean / (theta + mean));
}

static void probabilities_are_those_of_the_mixture(void **state)
{
    static const double xs[] = { 0.0, 1.0, 7.0, 120.0 };
    (void)state;
    for (int latent = 0; latent < 2; latent++) {
        toy t;
        open_spec(&t, latent ? PROTEIN("background: latent, ") : PROTEIN(""), POE, OWN, STELE_F64,
                  1);
        const double f = 1.2, logit = 0.4, log_mu = log(3.0), log_theta = log(2.0), size = 1.5;
        const double pi = 1.0 / (1.0 + exp(-logit)), mu = 3.0 * size;
        for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
            element e = {
                dtype, latent ? 3 : 2, { f, logit, log_mu }, { log_theta, log_mu }, log(size)
            };
            e.feature[1] = latent ? NAN : log_mu; /* is not there */
            e.eta[2] = latent ? log_mu : NAN;
            for (int i = 0; i < 4; i++) {
                double want = log(pi * exp(nb(xs[i], mu, 2.0)) +
                                  (1.0 - pi) * exp(nb(xs[i], mu * (1.0 + exp(f)), 2.0)));
                near(log_prob_of(&t.model.modality[0], &e, xs[i]), want,
                     dtype == STELE_F64 ? 1e-12 : 1e-6);
            }
            assert_true(log_prob_of(&t.model.modality[0], &e, NAN) == 0.0);
        }
        toy_close(&t);
    }
}

/* The detail is the probability of background, which the mean and the samples follow. */
static void draws_follow_the_probability_of_background(void **state)
{
    (void)state;
    toy t;
    open_spec(&t, PROTEIN(""), POE, OWN, STELE_F64, 1);
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        static block b;
        b = (block){ .dtype = dtype,
                     .n_eta = 2,
                     .eta = { { log(9.0), log(4.0) }, { -1.0, 2.0 } },
                     .feature = { { log(6.0), log(3.0) }, { log(4.0), log(2.0) } },
                     .size = log(2.5) };
        for (int64_t i = 0; i < 4; i++) {
            const int64_t j = i % 2, odd = i / 2;
            const double pi = 1.0 / (1.0 + exp(-b.eta[1][j])), theta = exp(b.feature[0][j]);
            const double mu = exp(b.feature[1][j]) * (odd ? 2.5 : 1.0);
            const double up = mu * (1.0 + exp(b.eta[0][j])), all = pi * mu + (1.0 - pi) * up;
            const double square = pi * (mu + mu * mu * (1.0 + 1.0 / theta)) +
                                  (1.0 - pi) * (up + up * up * (1.0 + 1.0 / theta));
            double mean, var;
            draw(&t.model.modality[0], &b, STELE_DRAW_DETAIL);
            moments(&b, j, odd, &mean, &var);
            near(mean, pi, 1e-6);
            draw(&t.model.modality[0], &b, STELE_DRAW_MEAN);
            moments(&b, j, odd, &mean, &var);
            near(mean, all, 1e-5);
            draw(&t.model.modality[0], &b, STELE_DRAW_SAMPLE);
            moments(&b, j, odd, &mean, &var);
            near(mean, all, 0.03);
            near(var, square - all * all, 0.05);
        }
    }
    toy_close(&t);
}

/* Of a mixture, whose most probable count is not that of either part. */
static void modes_are_the_likeliest_counts(void **state)
{
    static const double theta[] = { 1.5, 6.0, 40.0 }, f[] = { -1.0, 0.5, 2.0, 4.0 };
    (void)state;
    toy t;
    open_spec(&t, PROTEIN(""), POE, OWN, STELE_F64, 1);
    for (int i = 0; i < 3 * 4 * 5; i++) {
        static block b;
        const double logit = (double)(i % 5 - 2), th = theta[i / 20], up = f[i / 5 % 4];
        const double pi = 1.0 / (1.0 + exp(-logit)), mu = 12.5, fore = mu * (1.0 + exp(up));
        double best = -INFINITY, here = 0.0;
        b = (block){ .dtype = STELE_F64,
                     .n_eta = 2,
                     .eta = { { up, up }, { logit, logit } },
                     .feature = { { log(th), log(th) }, { log(mu), log(mu) } } };
        draw(&t.model.modality[0], &b, STELE_DRAW_MODE);
        for (double x = 0.0; x < 2000.0; x += 1.0) {
            double p = log(pi * exp(nb(x, mu, th)) + (1.0 - pi) * exp(nb(x, fore, th)));
            best = fmax(best, p);
            here = x == b.out[0] ? p : here;
        }
        near(here, best, 1e-9);
    }
    toy_close(&t);
}

/* The detail of all rows, at any z, as the decoder has it: with a hidden layer of three. */
static void details_are_those_of_the_decoder(void **state)
{
    toy t;
    int64_t row[TOY_ROWS];
    float z[2 * TOY_ROWS], is[TOY_A * TOY_ROWS];
    (void)state;
    open_spec(&t, PROTEIN(""), POE, OWN, STELE_F32, 1);
    const float *w = param(&t, "a.decoder.layer0.weight")->values;
    const float *b = param(&t, "a.decoder.layer0.bias")->values;
    const float *mixing = param(&t, "a.mixing.weight")->values;
    const float *bias = param(&t, "a.mixing.bias")->values;
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        row[r] = TOY_ROWS - 1 - r;
        z[2 * r] = (float)r / 4.0f - 1.0f;
        z[2 * r + 1] = r % 3 == 0 ? 1.5f : -0.5f;
    }
    const stele__judge judge = { .model = &t.model, .data = t.data, .graph = t.graph };
    TOY_OK(&t, stele__detail_compute(&judge, 0, 2, row, TOY_ROWS, z, is, &t.diag));
    for (int64_t i = 0; i < TOY_A * TOY_ROWS; i++) {
        const int64_t r = i / TOY_A, j = i % TOY_A;
        double logit = (double)bias[j];
        for (int64_t k = 0; k < 3; k++) {
            const double h = (double)(b[k] + z[2 * r] * w[k] + z[2 * r + 1] * w[3 + k]);
            logit += (double)mixing[3 * j + k] * h / (1.0 + exp(-h));
        }
        near((double)is[i], 1.0 / (1.0 + exp(-logit)), 1e-5);
    }
    assert_string_equal(stele__detail_name(&t.model.modality[0]), "background_probability");
    assert_null(stele__detail_name(&t.model.modality[1]));
    toy_close(&t);
}

/* Two proteins in eight cells. Counts of 1 fall into the bin of log(1 + count) with middle 5.5 / 8,
 * those of 100 into that of 36.5 / 8. */
static void starts_are_the_means_of_two_classes(void **state)
{
    static const char *const id[] = { "1", "2", "3", "4", "5", "6", "7", "8" };
    static const double x[] = { 1, 100, 100, 1, 1, NAN, 100, NAN, 100, NAN, 1, NAN, 100, 1, 1, 1 };
    static const fake_axis axis = { id, 8 };
    static const fake_field field = {
        .name = "a", .content = STELE_FIELD_MATRIX, .n_features = 2, .layout = STELE_DENSE, .x = x
    };
    static const fake_source source = { &axis, 1, &field, 1 };
    static const double share[] = { 4.0 / 8.0, 3.0 / 4.0 };
    toy t;
    (void)state;
    toy_open(&t, HEAD "  a: {plugin: protein, " SMALL "}\n" POE TRAIN, &source, NULL, 0, STELE_F64,
             1);
    for (int j = 0; j < 2; j++) {
        near(toy_real(STELE_F64, param(&t, "a.background.bias")->values, j), log(expm1(5.5 / 8.0)),
             1e-12);
        near(toy_real(STELE_F64, param(&t, "a.foreground.bias")->values, j), log(expm1(31.0 / 8.0)),
             1e-12);
        double mixing = toy_real(STELE_F64, param(&t, "a.mixing.bias")->values, j);
        assert_float_equal(mixing, log(share[j] / (1.0 - share[j])), 1e-12);
    }
    toy_close(&t);
}

static void missing_proteins_have_no_influence(void **state)
{
    static const char *const by_protein[] = { "a.foreground.weight",
                                              "a.foreground.bias",
                                              "a.mixing.weight",
                                              "a.mixing.bias",
                                              "a.background.bias",
                                              "a.dispersion.log_theta",
                                              NULL };
    static const char *const latent[] = { "a.mixing.weight", "a.background.weight",
                                          "a.background.bias", NULL };
    (void)state;
    check_missing(PROTEIN(""), by_protein);
    check_missing(PROTEIN("background: latent, size_factor: learned, "), latent);
    check_missing(PROTEIN("size_factor: observed, "), by_protein);
}

static void absent_rows_have_no_influence(void **state)
{
    (void)state;
    check_absent(PROTEIN(""));
    check_absent(PROTEIN("size_factor: observed, "));
}

/* The mean probability of background is reported where there is one. */
static void scores_have_the_probability_of_background(void **state)
{
    static const float truth[] = { 1, 4, 7, NAN, 2, 0 }, predicted[] = { 1, 4, 9, 0, 3, 2 };
    static const float detail[] = { 0.5f, 0.25f, 1.0f, 0.125f, 0.0f, 0.125f };
    double store[16];
    stele_metric m[2];
    uint32_t n = 0;
    toy t;
    (void)state;
    open_spec(&t, PROTEIN(""), POE, OWN, STELE_F32, 1);
    const stele_modality_vt *vt = t.model.modality[0].vt;
    const stele_inst *inst = stele__guest_inst(t.model.modality[0].part.guest);
    for (int given = 0; given < 2; given++) {
        stele_scored s = { .struct_size = sizeof s,
                           .n_rows = 3,
                           .n_features = 2,
                           .truth = truth,
                           .predicted = predicted,
                           .detail = given ? detail : NULL };
        memset(store, 0, sizeof store);
        assert_true(vt->score_size(inst) <= sizeof store);
        assert_int_equal(vt->score_add(inst, store, &s), STELE_OK);
        assert_int_equal(vt->score_end(inst, store, 2, m, &n), STELE_OK);
        assert_int_equal(n, given ? 2 : 1);
        assert_string_equal(m[0].name, "feature_correlation");
    }
    assert_string_equal(m[1].name, "background_probability");
    assert_int_equal(m[1].higher_is_better, STELE_METRIC_NEITHER);
    assert_float_equal(m[1].value, 2.0 / 6.0, 1e-12);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_the_mixture),
        cmocka_unit_test(draws_follow_the_probability_of_background),
        cmocka_unit_test(modes_are_the_likeliest_counts),
        cmocka_unit_test(details_are_those_of_the_decoder),
        cmocka_unit_test(starts_are_the_means_of_two_classes),
        cmocka_unit_test(missing_proteins_have_no_influence),
        cmocka_unit_test(absent_rows_have_no_influence),
        cmocka_unit_test(scores_have_the_probability_of_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
