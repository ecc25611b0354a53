/* The contrastive term against its definition, from the posteriors and the Bayes factor that
 * evaluation uses; its derivatives against differences; rows that lack a modality take no part. */
#include "test.h"

#include "eval/consistency.h"
#include "toy_specs.h"

#include <math.h>

enum { DIM = 2 };

static const char *const rules[] = { POE, POE_NO, MOE, "fusion: {plugin: mopoe}\n" };
static const char modalities[] = A B C;

static double loss_of(toy *t, double contrast, int64_t n, const int64_t *row,
                      stele__loss_terms *ret)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    o.contrast = contrast;
    toy_begin(t, n, row, 0, 17);
    stele_tensor *loss = stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 17, ret);
    if (loss == NULL) {
        fail_msg("%s", stele__graph_error(t->graph));
    }
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return stele__tensor_real(loss, 0);
}

static void moments(toy *t, uint32_t i, float mean[TOY_ROWS * DIM], float sd[TOY_ROWS * DIM])
{
    toy_begin(t, 0, NULL, 0, 17);
    TOY_OK(t, stele__posterior_moments(&t->model, t->graph, t->batch, UINT64_C(1) << i, mean, sd));
}

/* Sum over the rows that have both of two modalities; how many there are. */
static double pair_by_hand(toy *t, uint32_t i, uint32_t k, int64_t *n)
{
    float mean[2][TOY_ROWS * DIM], sd[2][TOY_ROWS * DIM];
    const uint64_t both = (UINT64_C(1) << i) | (UINT64_C(1) << k);
    double sum = 0.0;
    moments(t, i, mean[0], sd[0]);
    moments(t, k, mean[1], sd[1]);
    for (int64_t r = 0; r < t->batch->n; r++) {
        double own = 0.0, from = 0.0, to = 0.0;
        if ((t->batch->present[r] & both) != both) {
            continue;
        }
        for (int64_t c = 0; c < t->batch->n; c++) {
            if ((t->batch->present[c] & both) == both) {
                double there = stele__log_bayes_factor(DIM, mean[0] + r * DIM, sd[0] + r * DIM,
                                                       mean[1] + c * DIM, sd[1] + c * DIM);
                double back = stele__log_bayes_factor(DIM, mean[0] + c * DIM, sd[0] + c * DIM,
                                                      mean[1] + r * DIM, sd[1] + r * DIM);
                from += exp(there);
                to += exp(back);
                own = c == r ? there : own;
            }
        }
        sum += 0.5 * (log(from) - own) + 0.5 * (log(to) - own);
        (*n)++;
    }
    return sum;
}

static void the_term_is_its_definition(void **state)
{
    (void)state;
    for (int f = 0; f < 4; f++) {
        toy t;
        stele__loss_terms with, without;
        double want = 0.0;
        int64_t n = 0;
        open_spec(&t, modalities, rules[f], CROSS, STELE_F64, 2);
        for (uint32_t i = 0; i < 3; i++) {
            for (uint32_t k = 0; k < i; k++) {
                want += pair_by_hand(&t, k, i, &n);
            }
        }
        double plain = loss_of(&t, 0.0, 0, NULL, &without);
        double all = loss_of(&t, 3.0, 0, NULL, &with);
        assert_true(without.n_contrast == 0 && with.n_contrast == n && n > 12);
        assert_true(fabs(with.contrast - want) < 1e-5 * want);
        assert_true(fabs(all - plain - 3.0 * with.contrast / (double)n) < 1e-9 * fabs(all));
        assert_true(fabs(with.loss - all) < 1e-12 && with.elbo == without.elbo);
        toy_close(&t);
    }
}

/* r8, r9 and r10 have one modality or none: nothing to be told apart by. One row has no other. */
static void rows_without_both_take_no_part(void **state)
{
    (void)state;
    static const int64_t some[] = { 0, 2, 8, 9, 10 }, none[] = { 0, 8, 9 };
    toy t;
    stele__loss_terms two, five, alone;
    open_spec(&t, modalities, POE, CROSS, STELE_F64, 1);
    loss_of(&t, 1.0, 2, some, &two);
    loss_of(&t, 1.0, 5, some, &five);
    loss_of(&t, 1.0, 3, none, &alone);
    assert_true(two.n_contrast == 6 && five.n_contrast == 6 && two.contrast == five.contrast);
    assert_true(alone.n_contrast == 0 && alone.contrast == 0.0);
    toy_close(&t);
}

static void derivatives_are_differences(void **state)
{
    (void)state;
    static const char *const names[] = { "a.mean.weight", "a.logvar.bias", "b.mean.bias",
                                         "b.logvar.weight", "c.encoder.layer0.weight" };
    for (int f = 0; f < 4; f++) {
        toy t;
        stele__loss_terms terms;
        open_spec(&t, modalities, rules[f], OWN, STELE_F64, 2);
        for (int k = 0; k < 5; k++) {
            stele__param *p = param(&t, names[k]);
            double *v = p->values, old = v[0], h = 1e-5;
            loss_of(&t, 40.0, 0, NULL, &terms);
            double slope = ((const double *)p->gradient)[0];
            v[0] = old + h;
            double above = loss_of(&t, 40.0, 0, NULL, &terms);
            v[0] = old - h;
            double below = loss_of(&t, 40.0, 0, NULL, &terms);
            v[0] = old;
            if (fabs(slope - (above - below) / (2.0 * h)) > 1e-5 * (1.0 + fabs(slope))) {
                fail_msg("%s of %s: %g, not %g", names[k], rules[f], slope,
                         (above - below) / (2.0 * h));
            }
        }
        toy_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_term_is_its_definition),
        cmocka_unit_test(rows_without_both_take_no_part),
        cmocka_unit_test(derivatives_are_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
