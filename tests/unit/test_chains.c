/* Samples of p(z | x) by Markov chains, of a model of 16 dimensions whose p(z | x) is known, and
 * what importance samples alone make of it. */
#include "test.h"
/* CMocka has a macro of the name of a slot. */
#undef fail

#include "eval/trust.h"
#include "train/chains.h"
#include "wide_model.h"

#include <stdlib.h>

typedef struct drawn {
    scene s;
    stele__batch *batch;
    stele__targets targets;
} drawn;

static void open_drawn(drawn *f, int64_t n, uint32_t dtype, stele__pool *pool)
{
    memset(f, 0, sizeof *f);
    open_scene(&f->s, dtype, pool);
    assert_int_equal(stele__batch_create(&f->s.model, f->s.data, N, &f->batch), STELE_OK);
    for (int64_t r = 0; r < n; r++) {
        f->s.row[r] = n - 1 - r;
    }
    stele__batch_load(f->batch, n, f->s.row, 0);
}

static void close_drawn(drawn *f)
{
    stele__targets_finish(&f->targets);
    stele__batch_destroy(f->batch);
    close_scene(&f->s);
}

static void by_chains(drawn *f, uint32_t n, uint64_t step)
{
    assert_int_equal(stele__chains_draw(&f->s.model, f->s.graph, f->batch, n, 3, step, &f->targets),
                     STELE_OK);
}

static void by_weights(drawn *f, uint32_t n)
{
    f->targets.n = 0;
    assert_int_equal(stele__targets_draw(&f->s.model, f->s.graph, f->batch, n, 3, 7, &f->targets),
                     STELE_OK);
}

static void narrow_posteriors(void)
{
    mode.widen = -2.0;
    mode.aside = 0.3;
}

/* What the samples say, means over rows: of distances from the true mean in all directions, 1 if
 * the covariance is right; of squared distances of their own mean along single dimensions, in
 * standard deviations; of how much of them the 90 % interval of the joint posterior holds. */
typedef struct said {
    double spread, off, held;
} said;

static said look(const drawn *f)
{
    const stele__targets *t = &f->targets;
    double sum[N] = { 0.0 }, most[N];
    static double mean[N][D];
    said s = { 0.0, 0.0, 0.0 };
    memset(mean, 0, sizeof mean);
    for (int r = 0; r < N; r++) {
        most[r] = -HUGE_VAL;
    }
    for (int64_t k = 0; k < t->n; k++) {
        most[t->position[k]] = fmax(most[t->position[k]], t->log_w[k]);
    }
    for (int64_t k = 0; k < t->n; k++) {
        sum[t->position[k]] += exp(t->log_w[k] - most[t->position[k]]);
    }
    for (int64_t k = 0; k < t->n; k++) {
        const int64_t r = t->position[k];
        const double w = exp(t->log_w[k] - most[r]) / sum[r] / N;
        const int i = number_of(&f->s, f->batch->row[r]), mask = mask_of(i);
        double m[D], far[D];
        truth(&f->s, i, mask, m);
        for (int d = 0; d < D; d++) {
            far[d] = ((const double *)t->z)[k * D + d] - m[d];
            mean[r][d] += w * N * far[d] / sqrt(covariance[mask][d][d]);
            s.held += w / D * (fabs(far[d] - said_shift(mask, d)) < 1.6448536 * said_sd(mask, d));
        }
        for (int d = 0; d < D * D; d++) {
            s.spread += w / D * far[d / D] * precision[mask][d / D][d % D] * far[d % D];
        }
    }
    for (int r = 0; r < N; r++) {
        for (int d = 0; d < D; d++) {
            s.off += mean[r][d] * mean[r][d] / N / D;
        }
    }
    return s;
}

/* What the interval should hold. */
static double held_in_truth(void)
{
    double held = 0.0;
    for (int i = 0; i < N; i++) {
        const int mask = mask_of(i);
        for (int d = 0; d < D; d++) {
            const double sd = sqrt(covariance[mask][d][d]), half = 1.6448536 * said_sd(mask, d);
            const double high = said_shift(mask, d) + half, low = said_shift(mask, d) - half;
            held += 0.5 * (erf(high / sd * M_SQRT1_2) - erf(low / sd * M_SQRT1_2)) / D / N;
        }
    }
    return held;
}

static void samples_are_those_of_the_true_posterior(void **state)
{
    drawn f;
    (void)state;
    narrow_posteriors();
    open_drawn(&f, N, STELE_F64, NULL);
    by_chains(&f, 40, 7);
    assert_int_equal(f.targets.n, 40 * N);
    const said chains = look(&f);
    by_weights(&f, 32);
    const said weights = look(&f);
    print_message("chains: spread %g, off %g, held %g; weights: %g, %g, %g; in truth 1, %g, %g\n",
                  chains.spread, chains.off, chains.held, weights.spread, weights.off, weights.held,
                  1.0 / 40.0, held_in_truth());
    assert_float_equal(chains.spread, 1.0, 0.03);
    assert_true(chains.off < 2.0 / 40.0);
    assert_float_equal(chains.held, held_in_truth(), 0.02);
    assert_true(weights.spread < 0.7 && weights.held > held_in_truth() + 0.1);
    close_drawn(&f);
}

/* Single elements of the covariance, and no dimension's mean for another's. */
static void covariances_come_out(void **state)
{
    static double sum[D][D];
    double n = 0.0, worst = 0.0;
    drawn f;
    (void)state;
    narrow_posteriors();
    open_drawn(&f, N, STELE_F64, NULL);
    by_chains(&f, 100, 7);
    memset(sum, 0, sizeof sum);
    for (int64_t k = 0; k < f.targets.n; k++) {
        const int i = number_of(&f.s, f.batch->row[f.targets.position[k]]);
        const double *z = (const double *)f.targets.z + k * D;
        double m[D];
        truth(&f.s, i, mask_of(i), m);
        n += mask_of(i) == (A | B);
        for (int d = 0; d < D * D && mask_of(i) == (A | B); d++) {
            sum[d / D][d % D] += (z[d / D] - m[d / D]) * (z[d % D] - m[d % D]);
        }
    }
    for (int d = 0; d < D * D; d++) {
        double(*c)[D] = covariance[A | B];
        const int i = d / D, j = d % D;
        worst = fmax(worst, fabs(sum[i][j] / n - c[i][j]) / sqrt(c[i][i] * c[j][j]));
    }
    print_message("worst element is off by %g\n", worst);
    assert_true(worst < 0.12);
    close_drawn(&f);
}

/* The log of the factor on variances for which the samples have the highest density. */
static double width_by_loss(drawn *f)
{
    double best = HUGE_VAL, width = 0.0;
    for (double at = -3.0; at < 3.0; at += 0.05) {
        stele__pass pass = { .record = 1 };
        mode.widen = at;
        stele__graph_begin(f->s.graph, &pass);
        stele_tensor *t = stele__targets_loss(&f->s.model, f->s.graph, f->batch, &f->targets);
        assert_non_null(t);
        const double now = ((const double *)stele__tensor_data(t))[0];
        width = now < best ? at : width;
        best = fmin(now, best);
    }
    return width;
}

/* The same in truth: the mean over rows, their posteriors and dimensions of squared distances in
 * units of the widths that the posteriors have without the factor. */
static double width_in_truth(const scene *s)
{
    double sum = 0.0;
    mode.widen = 0.0;
    for (int i = 0; i < N; i++) {
        const int all = mask_of(i), n = all == (A | B) ? 3 : 1;
        double m[D], given[D];
        truth(s, i, all, m);
        for (int k = 0; k < n; k++) {
            const int mask = n == 1 ? all : k + 1;
            truth(s, i, mask, given);
            for (int d = 0; d < D; d++) {
                const double far = given[d] + said_shift(mask, d) - m[d];
                sum += (covariance[all][d][d] + far * far) * precision[mask][d][d] / D / n / N;
            }
        }
    }
    return log(sum);
}

static void one_fit_finds_the_width(void **state)
{
    drawn f;
    (void)state;
    narrow_posteriors();
    open_drawn(&f, N, STELE_F64, NULL);
    by_chains(&f, 12, 7);
    const double chains = width_by_loss(&f), in_truth = width_in_truth(&f.s);
    narrow_posteriors();
    by_weights(&f, 8);
    const double weights = width_by_loss(&f);
    print_message("log variance: chains %g, weights %g, in truth %g\n", chains, weights, in_truth);
    assert_float_equal(chains, in_truth, 0.08);
    assert_true(weights < in_truth - 0.4);
    close_drawn(&f);
}

/* The fusion report counts by such samples. */
static void the_report_is_right(void **state)
{
    drawn f;
    stele__trust r;
    double held = 0.0;
    (void)state;
    narrow_posteriors();
    open_drawn(&f, N, STELE_F32, NULL);
    stele__judge j = { .model = &f.s.model, .data = f.s.data, .graph = f.s.graph, .seed = 3 };
    stele__trust_request q = { .judge = &j, .row = f.s.row, .n = N, .mask = 3, .n_samples = 32 };
    assert_int_equal(stele__trust_compute(&q, &r, NULL), STELE_OK);
    for (int i = 0; i < N; i++) {
        held += r.coverage[i * 3] / N;
    }
    print_message("report: %g, in truth %g\n", held, held_in_truth());
    assert_float_equal(held, held_in_truth(), 0.02);
    stele__trust_finish(&r);
    close_drawn(&f);
}

/* The same bits for any number of threads; the same samples, to rounding, whatever other rows the
 * batch has, and other ones at another address. */
static void noise_is_addressed(void **state)
{
    drawn a, b;
    stele__pool *pool = NULL;
    (void)state;
    narrow_posteriors();
    assert_int_equal(stele__pool_create(3, &pool), STELE_OK);
    open_drawn(&a, N, STELE_F64, NULL);
    open_drawn(&b, N, STELE_F64, pool);
    by_chains(&a, 5, 7);
    by_chains(&b, 5, 7);
    assert_int_equal(a.targets.n, 5 * N);
    assert_int_equal(b.targets.n, 5 * N);
    assert_memory_equal(a.targets.z, b.targets.z, (size_t)a.targets.n * D * sizeof(double));
    by_chains(&b, 5, 8);
    assert_memory_not_equal(a.targets.z, b.targets.z, (size_t)a.targets.n * D * sizeof(double));
    close_drawn(&b);
    open_drawn(&b, 7, STELE_F64, pool);
    by_chains(&b, 5, 7);
    assert_int_equal(b.targets.n, 5 * 7);
    for (int64_t k = 0, at = 0; k < a.targets.n; k++) {
        if (a.targets.position[k] >= N - 7) {
            assert_int_equal(a.targets.position[k] - (N - 7), b.targets.position[at]);
            for (int d = 0; d < D; d++) {
                assert_float_equal(((const double *)a.targets.z)[k * D + d],
                                   ((const double *)b.targets.z)[at * D + d], 1e-6);
            }
            at++;
        }
    }
    close_drawn(&b);
    close_drawn(&a);
    stele__pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_those_of_the_true_posterior),
        cmocka_unit_test(covariances_come_out),
        cmocka_unit_test(one_fit_finds_the_width),
        cmocka_unit_test(the_report_is_right),
        cmocka_unit_test(noise_is_addressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
