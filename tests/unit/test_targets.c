/* Samples of the true posterior, and the fit of approximate ones to them, of a model whose
 * posteriors are known. */
#include "test.h"
/* CMocka has a macro of the name of a slot. */
#undef fail

#include "linear_model.h"
#include "train/chains.h"

#include <stdlib.h>

typedef struct fitted {
    scene s;
    stele__batch *batch;
    stele__targets targets;
} fitted;

static void open_fitted(fitted *f)
{
    memset(f, 0, sizeof *f);
    open_scene(&f->s);
    assert_int_equal(stele__batch_create(&f->s.model, f->s.data, N, &f->batch), STELE_OK);
    for (int64_t r = 0; r < N; r++) {
        f->s.row[r] = N - 1 - r;
    }
    stele__batch_load(f->batch, N, f->s.row, 0);
}

static void close_fitted(fitted *f)
{
    stele__targets_finish(&f->targets);
    stele__batch_destroy(f->batch);
    close_scene(&f->s);
}

static void draw(fitted *f, uint32_t n_samples, uint64_t step)
{
    assert_int_equal(
        stele__targets_draw(&f->s.model, f->s.graph, f->batch, n_samples, 3, step, &f->targets),
        STELE_OK);
}

static double loss(fitted *f)
{
    stele__pass pass = { .record = 1 };
    stele__graph_begin(f->s.graph, &pass);
    stele_tensor *t = stele__targets_loss(&f->s.model, f->s.graph, f->batch, &f->targets);
    assert_non_null(t);
    return ((const float *)stele__tensor_data(t))[0];
}

/* Weights of the samples, those of a row summing to 1, found anew. */
static void shares(const fitted *f, double *ret)
{
    double sum[N] = { 0.0 };
    for (int64_t k = 0; k < f->targets.n; k++) {
        sum[f->targets.position[k]] += exp(f->targets.log_w[k]);
    }
    for (int64_t k = 0; k < f->targets.n; k++) {
        ret[k] = exp(f->targets.log_w[k]) / sum[f->targets.position[k]];
    }
}

/* Mean over the rows of mean error and of the ratio of variances, samples against truth. */
static void compare_moments(fitted *f, double *ret_error, double *ret_ratio)
{
    const float *z = f->targets.z;
    double *w = calloc((size_t)f->targets.n, sizeof *w), mean[N] = { 0.0 }, var[N] = { 0.0 };
    assert_non_null(w);
    shares(f, w);
    for (int64_t k = 0; k < f->targets.n; k++) {
        mean[f->targets.position[k]] += w[k] * z[k];
    }
    for (int64_t k = 0; k < f->targets.n; k++) {
        double d = z[k] - mean[f->targets.position[k]];
        var[f->targets.position[k]] += w[k] * d * d;
    }
    *ret_error = *ret_ratio = 0.0;
    for (int64_t r = 0; r < N; r++) {
        double x[2], m, v;
        values_of(&f->s, f->batch->row[r], x);
        posterior(x, A | B, &m, &v);
        *ret_error += fabs(mean[r] - m) / sqrt(v) / N;
        *ret_ratio += var[r] / v / N;
    }
    free(w);
}

/* Whatever the posteriors are that the samples come from. */
static void samples_have_the_moments_of_the_true_posterior(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        fitted f;
        double error, ratio;
        memset(&mode, 0, sizeof mode);
        mode.widen = i == 1 ? 1.0 : i == 2 ? -0.5 : 0.0;
        mode.mixture = i == 3;
        open_fitted(&f);
        draw(&f, 300, 7);
        compare_moments(&f, &error, &ratio);
        print_message("case %d: means off by %g sd, ratio of variances %g\n", i, error, ratio);
        assert_true(error < 0.07);
        assert_float_equal(ratio, 1.0, 0.03);
        close_fitted(&f);
    }
}

/* So do chains, which private latents move along with. */
static void chains_have_the_moments_of_the_true_posterior(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        fitted f;
        double error, ratio;
        memset(&mode, 0, sizeof mode);
        mode.widen = i == 1 ? -2.0 : 0.0;
        mode.mixture = i == 2;
        mode.own = i == 3;
        open_fitted(&f);
        assert_int_equal(stele__chains_draw(&f.s.model, f.s.graph, f.batch, 300, 3, 7, &f.targets),
                         STELE_OK);
        assert_int_equal(f.targets.n, 300 * N);
        compare_moments(&f, &error, &ratio);
        print_message("chains, case %d: means off by %g sd, ratio of variances %g\n", i, error,
                      ratio);
        assert_true(error < 0.07);
        assert_float_equal(ratio, 1.0, 0.03);
        close_fitted(&f);
    }
}

/* The exact posterior of private latents adds their evidence to every weight of a row. */
static void private_latents_are_weighed_out(void **state)
{
    fitted with, without;
    (void)state;
    memset(&mode, 0, sizeof mode);
    mode.mixture = 1;
    open_fitted(&without);
    draw(&without, 3, 7);
    mode.own = 1;
    open_fitted(&with);
    draw(&with, 3, 7);
    assert_int_equal(with.targets.n, without.targets.n);
    assert_memory_equal(with.targets.z, without.targets.z, (size_t)with.targets.n * sizeof(float));
    for (int64_t k = 0; k < with.targets.n; k++) {
        double x[2], own = 0.0;
        values_of(&with.s, with.batch->row[with.targets.position[k]], x);
        for (int i = 0; i < 2; i++) {
            own += isnan(x[i]) ? 0.0 : half_log_p(x[i], 1.0 + S2);
        }
        assert_float_equal(with.targets.log_w[k] - without.targets.log_w[k], own, 1e-4);
    }
    close_fitted(&with);
    close_fitted(&without);
}

/* log q(z | x of the measurements in `mask`), by hand. */
static double log_q(const double x[2], int mask, double z)
{
    static const double shift[] = { -0.4, 0.3 }, weight[] = { 0.3, 0.7 };
    double m, v, sum = 0.0;
    posterior(x, mask, &m, &v);
    v *= exp(mode.widen);
    for (int c = 0; c < 2; c++) {
        double d = z - m - (mode.mixture ? shift[c] : 0.0);
        sum += (mode.mixture ? weight[c] : 0.5) * exp(-0.5 * d * d / v) / sqrt(2.0 * M_PI * v);
    }
    return log(sum);
}

static double loss_by_hand(const fitted *f)
{
    const float *z = f->targets.z;
    double *w = calloc((size_t)f->targets.n, sizeof *w), sum = 0.0;
    assert_non_null(w);
    shares(f, w);
    for (int64_t k = 0; k < f->targets.n; k++) {
        double x[2];
        values_of(&f->s, f->batch->row[f->targets.position[k]], x);
        if (isnan(x[0]) || isnan(x[1])) {
            sum += w[k] * log_q(x, A | B, z[k]) / N;
        } else {
            sum += w[k] / 3.0 / N * (log_q(x, A | B, z[k]) + log_q(x, A, z[k]) + log_q(x, B, z[k]));
        }
    }
    free(w);
    return -sum;
}

/* Each row counts once, each of its posteriors as much as the others, and a posterior that has
 * nothing of the row, or no less than the whole, not at all. */
static void the_loss_is_the_mean_over_rows_and_posteriors(void **state)
{
    (void)state;
    for (int mixture = 0; mixture < 2; mixture++) {
        fitted f;
        memset(&mode, 0, sizeof mode);
        mode.mixture = mixture;
        open_fitted(&f);
        draw(&f, 5, 7);
        int64_t n = f.targets.n;
        assert_float_equal(loss(&f), loss_by_hand(&f), 1e-4);
        draw(&f, 2, 8); /* more samples join those that are there */
        assert_int_equal(5 * f.targets.n, 7 * n);
        assert_float_equal(loss(&f), loss_by_hand(&f), 1e-4);
        close_fitted(&f);
    }
}

/* Posteriors that begin at a fifth of the true variance, or at five times it, come to the same
 * width: that at which the loss of the samples is least. */
static void the_width_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fitted f;
        double width = i == 0 ? -1.6 : 1.6;
        memset(&mode, 0, sizeof mode);
        open_fitted(&f);
        for (int round = 0; round < 5; round++) {
            double best = HUGE_VAL;
            mode.widen = width;
            f.targets.n = 0;
            draw(&f, 8, (uint64_t)round);
            for (double at = -2.0; at < 2.0; at += 0.1) {
                mode.widen = at;
                double now = loss(&f);
                width = now < best ? at : width;
                best = fmin(now, best);
            }
        }
        /* A little above 0: x is not drawn from the model, so single posteriors have to widen. */
        print_message("log variance ended %g from the truth\n", width);
        assert_true(width > -0.15 && width < 0.45);
        close_fitted(&f);
    }
}

static void noise_is_addressed(void **state)
{
    fitted a, b;
    (void)state;
    memset(&mode, 0, sizeof mode);
    open_fitted(&a);
    open_fitted(&b);
    draw(&a, 2, 7);
    draw(&b, 1, 5);
    b.targets.n = 0;
    draw(&b, 2, 7);
    assert_int_equal(a.targets.n, b.targets.n);
    assert_memory_equal(a.targets.z, b.targets.z, (size_t)a.targets.n * sizeof(float));
    assert_memory_equal(a.targets.log_w, b.targets.log_w, (size_t)a.targets.n * sizeof(double));
    b.targets.n = 0;
    draw(&b, 2, 8);
    assert_memory_not_equal(a.targets.z, b.targets.z, (size_t)a.targets.n * sizeof(float));
    close_fitted(&a);
    close_fitted(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_latents_are_weighed_out),
        cmocka_unit_test(samples_have_the_moments_of_the_true_posterior),
        cmocka_unit_test(chains_have_the_moments_of_the_true_posterior),
        cmocka_unit_test(the_loss_is_the_mean_over_rows_and_posteriors),
        cmocka_unit_test(the_width_comes_back),
        cmocka_unit_test(noise_is_addressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
