/* What changes from step to step and from epoch to epoch: weight of the KL term, learning rate,
 * the best epoch, early stopping. Values by hand. */
#include "test.h"

#include "train/schedule.h"

#include <math.h>

static void beta_rises_in_a_straight_line(void **state)
{
    (void)state;
    const stele__beta_spec steps = { .from = 0.2, .to = 1.0, .steps = 4 };
    const double want[] = { 0.2, 0.4, 0.6, 0.8, 1.0, 1.0 };
    for (int64_t i = 0; i < 6; i++) {
        assert_float_equal(stele__beta_at(&steps, i, 10), want[i], 1e-12);
    }
    const stele__beta_spec epochs = { .from = 0.0, .to = 2.0, .epochs = 2 };
    assert_float_equal(stele__beta_at(&epochs, 5, 10), 0.5, 1e-12);
    assert_float_equal(stele__beta_at(&epochs, 20, 10), 2.0, 1e-12);
    const stele__beta_spec constant = { .from = 0.0, .to = 0.7 };
    assert_float_equal(stele__beta_at(&constant, 0, 10), 0.7, 1e-12);
}

static stele__train_spec spec_of(int32_t kind)
{
    stele__train_spec t = { .epochs = 5 };
    t.optimiser.lr = 0.8;
    t.schedule.kind = kind;
    t.schedule.min_lr = 0.1;
    return t;
}

static void warm_up_rises_to_the_rate(void **state)
{
    (void)state;
    stele__train_spec t = spec_of(STELE__SCHEDULE_CONSTANT);
    t.schedule.warmup_steps = 4;
    const double want[] = { 0.2, 0.4, 0.6, 0.8, 0.8 };
    for (int64_t i = 0; i < 5; i++) {
        assert_float_equal(stele__lr_at(&t, i, 10, 0.5), want[i], 1e-12);
    }
    t.schedule.warmup_steps = 0;
    t.schedule.warmup_epochs = 2;
    assert_float_equal(stele__lr_at(&t, 9, 10, 1.0), 0.4, 1e-12);
    assert_float_equal(stele__lr_at(&t, 19, 10, 1.0), 0.8, 1e-12);
}

static void cosine_falls_to_the_least_rate(void **state)
{
    (void)state;
    stele__train_spec t = spec_of(STELE__SCHEDULE_COSINE);
    t.schedule.warmup_steps = 10; /* of 50 steps: 40 are left to fall */
    assert_float_equal(stele__lr_at(&t, 10, 10, 1.0), 0.8, 1e-12);
    assert_float_equal(stele__lr_at(&t, 20, 10, 1.0), 0.1 + 0.35 * (1.0 + sqrt(0.5)), 1e-12);
    assert_float_equal(stele__lr_at(&t, 30, 10, 1.0), 0.45, 1e-12);
    assert_float_equal(stele__lr_at(&t, 50, 10, 1.0), 0.1, 1e-12);
    assert_float_equal(stele__lr_at(&t, 90, 10, 1.0), 0.1, 1e-12);
}

static void plateau_reduces_the_rate_after_its_patience(void **state)
{
    (void)state;
    stele__train_spec t = spec_of(STELE__SCHEDULE_PLATEAU);
    stele__plateau p;
    t.schedule.patience = 2;
    t.schedule.factor = 0.25;
    stele__plateau_init(&p);
    const double value[] = { -9, -8, -8.5, -8.5, -8.5, -8.5, -7 };
    const double rate[] = { 0.8, 0.8, 0.8, 0.2, 0.2, 0.1, 0.1 }; /* 0.05 is below the least rate */
    const int best[] = { 1, 1, 0, 0, 0, 0, 1 };
    for (int i = 0; i < 7; i++) {
        assert_int_equal(stele__plateau_add(&p, &t, i, value[i]), best[i]);
        assert_float_equal(stele__lr_at(&t, i, 1, p.reduction), rate[i], 1e-12);
    }
    assert_int_equal(p.best_epoch, 6);
    assert_true(p.best == -7.0);
}

static void early_stopping_counts_epochs_that_gain_too_little(void **state)
{
    (void)state;
    stele__train_spec t = spec_of(STELE__SCHEDULE_CONSTANT);
    stele__plateau p;
    t.early_stopping.patience = 2;
    t.early_stopping.min_delta = 0.5;
    stele__plateau_init(&p);
    assert_int_equal(stele__plateau_add(&p, &t, 0, -10.0), 1);
    assert_int_equal(stele__plateau_add(&p, &t, 1, -9.6), 0);
    assert_int_equal(stele__plateau_stop(&p, &t), 0);
    assert_int_equal(stele__plateau_add(&p, &t, 2, -9.4), 1);
    assert_int_equal(p.best_epoch, 2);
    assert_int_equal(stele__plateau_add(&p, &t, 3, -9.5), 0);
    assert_int_equal(stele__plateau_stop(&p, &t), 0);
    assert_int_equal(stele__plateau_add(&p, &t, 4, -9.5), 0);
    assert_int_equal(stele__plateau_stop(&p, &t), 1);
    t.early_stopping.patience = 0; /* never */
    assert_int_equal(stele__plateau_stop(&p, &t), 0);
}

static void batches_fit_the_rows(void **state)
{
    (void)state;
    static const int64_t rows[] = { 1, 2, 3, 4, 7, 8, 31, 32, 767, 768, 1535, 1536, 3071, 3072 };
    static const int64_t usual[] = { 1, 1, 1, 2, 2, 4, 8, 16, 16, 32, 32, 64, 64, 128 };
    static const int64_t hundred[] = { 1, 2, 3, 4, 7, 8, 31, 32, 100, 100, 100, 100, 100, 100 };
    stele__train_spec t = { .batch_size = 0, .epochs = 3 }, said = { .batch_size = 100 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(stele__train_for(&t, rows[i], 1).batch_size, usual[i]);
        assert_int_equal(stele__train_for(&said, rows[i], 1).batch_size, hundred[i]);
        assert_int_equal(stele__train_for(&t, rows[i], 1).epochs, 3);
        assert_int_equal(stele__train_for(&t, rows[i], 1).early_stopping.patience, 0);
    }
}

static void few_rows_get_more_epochs(void **state)
{
    (void)state;
    stele__train_spec t = { .batch_size = 0 };
    stele__train_spec few = stele__train_for(&t, 100, 1), many = stele__train_for(&t, 1000000, 1);
    assert_int_equal(few.epochs, 858); /* of 7 batches */
    assert_int_equal(few.early_stopping.patience, 214);
    assert_int_equal(many.epochs, 100);
    assert_int_equal(many.early_stopping.patience, 25);
    few = stele__train_for(&t, 100, 0); /* nothing tells when it is enough */
    assert_int_equal(few.epochs, 100);
    t.early_stopping.patience = 7;
    assert_int_equal(stele__train_for(&t, 100, 1).early_stopping.patience, 7);
    t.batch_size = 100;
    assert_int_equal(stele__train_for(&t, 100, 1).epochs, 6000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beta_rises_in_a_straight_line),
        cmocka_unit_test(batches_fit_the_rows),
        cmocka_unit_test(few_rows_get_more_epochs),
        cmocka_unit_test(warm_up_rises_to_the_rate),
        cmocka_unit_test(cosine_falls_to_the_least_rate),
        cmocka_unit_test(plateau_reduces_the_rate_after_its_patience),
        cmocka_unit_test(early_stopping_counts_epochs_that_gain_too_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
