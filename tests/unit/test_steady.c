/* Steps that have come into their stride allocate nothing, the norm of the gradient that is put
 * together from parts is the norm of the gradient, and a step within the pass is a step after it.
 */
#include "test.h"

#include "allocations.h"
#include "training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WARM_UP = 12, STEPS = 25 };

static void open_training(bench_training *t, int threads, double clip_norm, stele__diag *diag)
{
    /* More rows than a few batches, a last batch of another size, more features than a block. */
    const bench_shape shape = { .rows = 300,
                                .genes = 150,
                                .peaks = 2500,
                                .rna_depth = 100,
                                .atac_depth = 200,
                                .hidden = 24,
                                .batch = 40,
                                .threads = threads,
                                .clip_norm = clip_norm };
    stele__diag_init(diag);
    assert_int_equal(bench_training_init(t, &shape, diag), STELE_OK);
}

/* Of the heap of the process, whoever would call: the core, a plugin, BLAS. */
static void check_steps(const char *fusion, const char *objective, const char *heads,
                        const char *ages, int threads)
{
    /* Widths of the shipped configurations, whose products are small; an odd last batch. */
    const bench_shape shape = { .rows = 301,
                                .genes = 150,
                                .peaks = 2500,
                                .rna_depth = 100,
                                .atac_depth = 200,
                                .hidden = 128,
                                .batch = 128,
                                .threads = threads,
                                .fusion = fusion,
                                .objective = objective,
                                .table = heads != NULL ? ages : NULL,
                                .heads = heads };
    bench_training t;
    stele__diag diag;
    stele__loss_terms terms;
    uint64_t before = 0;
    stele__diag_init(&diag);
    assert_int_equal(bench_training_init(&t, &shape, &diag), STELE_OK);
    for (int i = 0; i < WARM_UP + STEPS; i++) {
        before = i == WARM_UP ? bench_allocations() : before;
        assert_int_equal(bench_training_step(&t, &terms, &diag), STELE_OK);
    }
    assert_true(t.loop.at.epoch > 1);
    assert_true(before > 0 || !bench_allocations_counted());
    assert_int_equal(bench_allocations() - before, 0);
    bench_training_finish(&t);
    stele__diag_finish(&diag);
}

/* A number for each of the simulated cells. */
static void write_ages(char *template)
{
    int fd = mkstemp(template);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fprintf(f, "id,age\n");
    for (int i = 0; i < 301; i++) {
        fprintf(f, "cell%d,%d.5\n", i, i * 37 % 101);
    }
    assert_int_equal(fclose(f), 0);
}

static void steps_allocate_nothing(void **state)
{
    static const char *const fusions[] = { "{plugin: poe, prior_expert: true}", "{plugin: moe}" };
    static const char *const others[] = { "{plugin: mopoe}",  "{plugin: mopoe, subsets: sampled}",
                                          "{plugin: gpoe}",   "{plugin: code, estimate: learned}",
                                          "{plugin: mvtcae}", "{plugin: jsd}" };
    static const char *const bounds[] = { "{bound: iwae, samples: 3, subsets: all+single}",
                                          "{bound: dreg, samples: 3}", "{samples: 3}" };
    static const char *const heads[] = {
        NULL,
        "{k: {plugin: classifier, target: class, class_weights: balanced}}",
        "{k: {plugin: classifier, target: class}, v: {plugin: regressor, target: age}}",
        "{k: {plugin: adversary, target: class}, o: {plugin: ordinal, target: class}}",
    };
    (void)state;
    if (!bench_allocations_counted()) {
        skip();
    }
    char ages[] = "/tmp/stele-steady-XXXXXX";
    write_ages(ages);
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 4; k++) {
            check_steps(fusions[i], NULL, heads[k], ages, 1 + (int)(k % 2));
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        check_steps(others[i], NULL, NULL, ages, 1 + (int)(i % 2));
    }
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        check_steps(fusions[i % 2], bounds[i], NULL, ages, 1 + (int)(i % 2));
    }
    assert_int_equal(unlink(ages), 0);
}

/* Clipping at a bound that is never reached keeps the whole gradient until after the pass. */
static void norm_is_that_of_the_gradient(void **state)
{
    (void)state;
    bench_training t;
    stele__diag diag;
    stele__loss_terms terms;
    open_training(&t, 2, 1e9, &diag);
    for (int i = 0; i < 3; i++) {
        size_t n = 0;
        double squares = 0.0;
        assert_int_equal(bench_training_step(&t, &terms, &diag), STELE_OK);
        (void)stele__params_values(t.run.model.params, &n);
        const float *g = stele__params_gradient(t.run.model.params);
        for (size_t k = 0; k < n; k++) {
            squares += (double)g[k] * (double)g[k];
        }
        assert_true(squares > 0.0);
        assert_true(fabs(t.loop.grad_norm - sqrt(squares)) <= 1e-9 * sqrt(squares));
    }
    bench_training_finish(&t);
    stele__diag_finish(&diag);
}

static int count_stepped(stele__params *params)
{
    int n = 0;
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        n += stele__params_entry(params, i)->has_gradient == STELE__STEPPED;
    }
    return n;
}

static void a_step_within_the_pass_is_a_step_after_it(void **state)
{
    (void)state;
    bench_training within, after;
    stele__diag diag, diag_after;
    stele__loss_terms terms, terms_after;
    open_training(&within, 2, 0.0, &diag);
    open_training(&after, 1, 1e9, &diag_after);
    for (int i = 0; i < WARM_UP; i++) {
        size_t n = 0;
        assert_int_equal(bench_training_step(&within, &terms, &diag), STELE_OK);
        assert_int_equal(bench_training_step(&after, &terms_after, &diag_after), STELE_OK);
        /* The first layers of the encoders and the last ones of the decoders. */
        assert_int_equal(count_stepped(within.run.model.params), 4);
        assert_int_equal(count_stepped(after.run.model.params), 0);
        assert_true(within.loop.grad_norm == after.loop.grad_norm);
        assert_true(terms.loss == terms_after.loss);
        const void *w = stele__params_values(within.run.model.params, &n);
        assert_memory_equal(w, stele__params_values(after.run.model.params, &n), n * sizeof(float));
    }
    bench_training_finish(&within);
    bench_training_finish(&after);
    stele__diag_finish(&diag);
    stele__diag_finish(&diag_after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(norm_is_that_of_the_gradient),
        cmocka_unit_test(a_step_within_the_pass_is_a_step_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
