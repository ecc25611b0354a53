/* Bounds of several samples in whole models with the real plugins: derivatives, what they become
 * with one sample, closed forms, what is absent, threads. Parity with PyTorch: tests/parity. */
#include "test.h"

#include "graph/params.h"
#include "toy_specs.h"

#include <math.h>
#include <stdlib.h>

#define MOPOE "fusion: {plugin: mopoe}\n"
enum { MOST = 4096 };

static void open_bound(toy *t, const char *fusion, const char *bound, int samples, const char *more,
                       uint32_t dtype, unsigned threads)
{
    char objective[256];
    snprintf(objective, sizeof objective, "objective: {bound: %s, samples: %d, %s}\n", bound,
             samples, more);
    open_spec(t, A B, fusion, objective, dtype, threads);
}

/* Loss of all rows, or of those named, at a step; derivatives are in the params object afterwards.
 */
static double loss_at(toy *t, int64_t n, const int64_t *row, uint64_t step)
{
    stele__loss_terms terms;
    stele__objective o = stele__objective_of(t->spec->objective);
    toy_begin(t, n, row, 0, step);
    stele_tensor *loss =
        stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, step, &terms);
    if (loss == NULL) {
        fail_msg("%s", toy_message(t));
    }
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return terms.loss;
}

static size_t gradient(toy *t, double *ret)
{
    size_t n = 0;
    (void)stele__params_values(t->model.params, &n);
    assert_true(n <= MOST);
    memcpy(ret, stele__params_gradient(t->model.params), n * sizeof *ret);
    return n;
}

/* Parameters that a posterior is made of: encoders and what the fusion rule has. */
static int makes_posterior(const char *name)
{
    return strstr(name, ".decoder.") == NULL && strstr(name, ".output.") == NULL &&
           strstr(name, ".dispersion.") == NULL;
}

/* --- derivatives ------------------------------------------------------------------------------ */

static double numeric(toy *t, double *x)
{
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    const double kept = *x, h = 1e-3;
    double sum = 0.0;
    for (int k = 0; k < 4; k++) {
        *x = kept + offset[k] * h;
        sum += factor[k] * loss_at(t, 0, NULL, 17);
    }
    *x = kept;
    return sum / (12.0 * h);
}

/* all 0: only of what dreg differentiates like everyone. */
static void check_derivatives(toy *t, int all)
{
    static double kept[MOST];
    loss_at(t, 0, NULL, 17);
    gradient(t, kept);
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        stele__param *p = stele__params_entry(t->model.params, e);
        double largest = 1e-4, worst = 0.0;
        if (p->kind != STELE__TRAINED || (!all && makes_posterior(p->name))) {
            continue;
        }
        for (int64_t i = 0; i < p->n; i++) {
            double want = numeric(t, (double *)p->values + i);
            double distance = fabs(kept[p->offset + (size_t)i] - want);
            largest = fmax(largest, fabs(want));
            worst = distance <= worst ? worst : distance;
        }
        if (!(worst < 1e-7 * largest) || largest <= 1e-4) {
            fail_msg("%s: derivative of the loss is off by %g of %g", p->name, worst, largest);
        }
    }
}

static void derivatives_of_the_whole_loss(void **state)
{
    static const struct {
        const char *fusion, *bound, *more;
    } c[] = {
        { POE, "elbo", "subsets: all+single, reconstruct: present" },
        { MOE, "elbo", "subsets: all" },
        { POE_NO, "iwae", "subsets: all+single, subset_weight: 0.7, reconstruct: own" },
        { LEARNED, "iwae", "subsets: all" },
        { MOE, "iwae", "subsets: all+single, reconstruct: present" },
        { MOPOE, "iwae", "subsets: all" },
        { POE, "dreg", "subsets: all+single, reconstruct: present" },
        { MOE, "dreg", "subsets: all" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        toy t;
        open_bound(&t, c[i].fusion, c[i].bound, 3, c[i].more, STELE_F64, 2);
        check_derivatives(&t, strcmp(c[i].bound, "dreg") != 0);
        toy_close(&t);
    }
}

/* --- one bound and another -------------------------------------------------------------------- */

static void compare(const char *fusion, const char *a, int samples_a, const char *b, int samples_b,
                    int posterior, double tolerance)
{
    static double p[MOST], q[MOST];
    toy x, y;
    open_bound(&x, fusion, a, samples_a, "subsets: all+single", STELE_F64, 1);
    open_bound(&y, fusion, b, samples_b, "subsets: all+single", STELE_F64, 1);
    double want = loss_at(&x, 0, NULL, 17);
    assert_true(fabs(loss_at(&y, 0, NULL, 17) - want) <= tolerance * fabs(want));
    gradient(&x, p);
    gradient(&y, q);
    double apart = 0.0;
    for (uint32_t e = 0; e < stele__params_count(x.model.params); e++) {
        const stele__param *k = stele__params_entry(x.model.params, e);
        for (size_t i = k->offset; k->kind == STELE__TRAINED && i < k->offset + (size_t)k->n; i++) {
            if (posterior || !makes_posterior(k->name)) {
                assert_true(fabs(p[i] - q[i]) <= 1e-10);
            } else {
                apart = fmax(apart, fabs(p[i] - q[i]));
            }
        }
    }
    assert_true(posterior || apart > 1e-3);
    toy_close(&x);
    toy_close(&y);
}

/* Mixtures have no closed form: with one sample the bounds are the same. Whatever the rule, dreg
 * changes nothing but the way to the posteriors. */
static void bounds_agree_where_they_must(void **state)
{
    (void)state;
    compare(MOE, "elbo", 1, "iwae", 1, 1, 1e-12);
    compare(MOPOE, "elbo", 1, "iwae", 1, 1, 1e-12);
    compare(POE, "iwae", 3, "dreg", 3, 0, 0.0);
    compare(MOE, "iwae", 3, "dreg", 3, 0, 0.0);
    compare(MOE, "iwae", 1, "dreg", 1, 0, 0.0);
}

/* --- closed forms ----------------------------------------------------------------------------- */

static void fill(toy *t, const char *name, double value)
{
    stele__param *p = param(t, name);
    for (int64_t i = 0; i < p->n; i++) {
        ((double *)p->values)[i] = value;
    }
}

/* An expert N(mean, 1) whatever the data are, and a decoder that does not look at z: the posterior
 * is the prior. */
static void constant_expert(toy *t, double mean)
{
    fill(t, "a.mean.weight", 0.0);
    fill(t, "a.logvar.weight", 0.0);
    fill(t, "a.mean.bias", mean);
    fill(t, "a.logvar.bias", 0.0);
    fill(t, "a.decoder.layer0.weight", 0.0);
}

/* What the bounds lack of the likelihood of the data, as the posterior is N(1, 1) in two
 * dimensions.
 */
static double gap(const char *bound, int samples, uint64_t step)
{
    static const int64_t row[1] = { 9 }; /* has only a */
    toy t;
    stele__loss_terms terms;
    open_bound(&t, POE_NO, bound, samples, "subsets: all", STELE_F64, 1);
    constant_expert(&t, 1.0);
    stele__objective o = stele__objective_of(t.spec->objective);
    toy_begin(&t, 1, row, 0, step);
    assert_non_null(stele__objective_loss(&t.model, t.graph, t.batch, &o, 1.0, 5, step, &terms));
    double ret = 2.0 * terms.log_px[0] + terms.loss; /* weight 2 */
    toy_close(&t);
    return ret;
}

static void samples_close_the_gap(void **state)
{
    (void)state;
    double mean = 0.0;
    assert_true(fabs(gap("elbo", 1, 1) - 1.0) < 1e-12);
    assert_true(fabs(gap("elbo", 5, 1) - 1.0) < 1e-12);
    for (uint64_t step = 0; step < 20; step++) {
        mean += gap("iwae", 1000, step) / 20.0;
        assert_true(fabs(gap("dreg", 1000, step) - gap("iwae", 1000, step)) < 1e-12);
    }
    /* The standard error of log mean w is sqrt((e^2 - 1) / 20000) = .018, its bias .003. */
    assert_true(fabs(mean - 0.0032) < 0.08);
}

/* --- the doubly reparametrised derivative ------------------------------------------------------
 */

typedef struct moments {
    double mean[MOST], square[MOST];
} moments;

static void gather(const char *fusion, const char *bound, int n, moments *ret)
{
    static double d[MOST];
    static const int64_t row[3] = { 0, 3, 9 };
    toy t;
    open_bound(&t, fusion, bound, 3, "subsets: all", STELE_F64, 1);
    memset(ret, 0, sizeof *ret);
    for (int k = 0; k < n; k++) {
        loss_at(&t, 3, row, (uint64_t)k);
        size_t n_values = gradient(&t, d);
        for (size_t i = 0; i < n_values; i++) {
            ret->mean[i] += d[i] / n;
            ret->square[i] += d[i] * d[i] / n;
        }
    }
    toy_close(&t);
}

/* In expectation it is the derivative of the bound. */
static void dreg_is_unbiased(void **state)
{
    enum { STEPS = 1500 };
    static moments iwae, dreg;
    toy t;
    double worst = 0.0;
    (void)state;
    gather(LEARNED, "iwae", STEPS, &iwae);
    gather(LEARNED, "dreg", STEPS, &dreg);
    open_bound(&t, LEARNED, "dreg", 3, "subsets: all", STELE_F64, 1);
    for (uint32_t e = 0; e < stele__params_count(t.model.params); e++) {
        const stele__param *p = stele__params_entry(t.model.params, e);
        for (size_t i = p->offset; p->kind == STELE__TRAINED && i < p->offset + (size_t)p->n; i++) {
            double a = iwae.square[i] - iwae.mean[i] * iwae.mean[i];
            double b = dreg.square[i] - dreg.mean[i] * dreg.mean[i];
            double error = sqrt((a + b) / STEPS) + 1e-9;
            if (makes_posterior(p->name)) {
                worst = fmax(worst, fabs(iwae.mean[i] - dreg.mean[i]) / error);
            }
        }
    }
    print_message("largest distance %.2f standard errors\n", worst);
    assert_true(worst < 4.5);
    toy_close(&t);
}

/* A posterior that is right has no derivative in any single draw; that of iwae is noise. */
static void dreg_is_still_at_the_posterior(void **state)
{
    static const int64_t row[1] = { 9 };
    static const char *const bound[] = { "iwae", "dreg" };
    (void)state;
    for (int i = 0; i < 2; i++) {
        toy t;
        open_bound(&t, POE_NO, bound[i], 3, "subsets: all", STELE_F64, 1);
        constant_expert(&t, 0.0);
        loss_at(&t, 1, row, 17);
        const stele__param *mean = param(&t, "a.mean.bias");
        const stele__param *logvar = param(&t, "a.logvar.bias");
        double size = 0.0;
        for (int64_t k = 0; k < 2; k++) {
            size = fmax(size, fabs(((const double *)mean->gradient)[k]));
            size = fmax(size, fabs(((const double *)logvar->gradient)[k]));
        }
        assert_true(i == 0 ? size > 1e-2 : size < 1e-14);
        toy_close(&t);
    }
}

/* --- what is absent, threads ------------------------------------------------------------------ */

static void a_row_without_anything_adds_nothing(void **state)
{
    static const int64_t with[5] = { 0, 10, 9, 8, 3 }, without[4] = { 0, 9, 8, 3 };
    static const char *const fusion[] = { POE, MOE, MOPOE };
    static const char *const bound[] = { "elbo", "iwae", "dreg" };
    static double p[MOST], q[MOST];
    (void)state;
    for (int i = 0; i < 9; i++) {
        toy t;
        open_bound(&t, fusion[i / 3], bound[i % 3], 3, "subsets: all+single", STELE_F64, 1);
        const double loss = loss_at(&t, 4, without, 17);
        size_t n = gradient(&t, p);
        assert_true(fabs(loss_at(&t, 5, with, 17) - loss) < 1e-12 * fabs(loss));
        gradient(&t, q);
        for (size_t k = 0; k < n; k++) {
            assert_true(fabs(p[k] - q[k]) < 1e-12);
        }
        toy_close(&t);
    }
}

static void threads_change_no_bit(void **state)
{
    static float kept[MOST];
    static const char *const bound[] = { "elbo", "iwae", "dreg" };
    (void)state;
    for (int i = 0; i < 3; i++) {
        double loss = 0.0;
        for (unsigned threads = 1; threads <= 3; threads++) {
            toy t;
            size_t n = 0;
            open_bound(&t, MOE, bound[i], 4, "subsets: all+single", STELE_F32, threads);
            (void)stele__params_values(t.model.params, &n);
            double is = loss_at(&t, 0, NULL, 17);
            if (threads == 1) {
                loss = is;
                memcpy(kept, stele__params_gradient(t.model.params), n * sizeof *kept);
            }
            assert_true(is == loss);
            assert_memory_equal(kept, stele__params_gradient(t.model.params), n * sizeof *kept);
            toy_close(&t);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_the_whole_loss),
        cmocka_unit_test(bounds_agree_where_they_must),
        cmocka_unit_test(samples_close_the_gap),
        cmocka_unit_test(dreg_is_unbiased),
        cmocka_unit_test(dreg_is_still_at_the_posterior),
        cmocka_unit_test(a_row_without_anything_adds_nothing),
        cmocka_unit_test(threads_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
