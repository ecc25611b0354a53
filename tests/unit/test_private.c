/* Private latents in whole models with the real plugins: derivatives, noise, what is absent. Parity
 * with PyTorch: tests/parity. Closed forms: test_bound.c. */
#include "test.h"

#include "graph/params.h"
#include "model/private.h"
#include "toy_specs.h"

#include <math.h>

#define A_OWN  "  a: {plugin: nb_counts, weight: 2, private: {dim: 3}, " SMALL "}\n"
#define B_OWN  "  b: {plugin: bernoulli_peaks, private: {dim: 2, cross: learned}, " SMALL "}\n"
#define MOPOE  "fusion: {plugin: mopoe}\n"
#define MVTCAE "fusion: {plugin: mvtcae}\n"
#define JSD    "fusion: {plugin: jsd}\n"
enum { MOST = 4096 };

static double loss_hiding(toy *t, uint64_t hide, stele__loss_terms *terms)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    toy_begin(t, 0, NULL, hide, 17);
    stele_tensor *loss =
        stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 17, terms);
    if (loss == NULL) {
        fail_msg("%s", toy_message(t));
    }
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return terms->loss;
}

static double loss_of(toy *t)
{
    stele__loss_terms terms;
    return loss_hiding(t, 0, &terms);
}

static size_t gradient(toy *t, double *ret)
{
    size_t n = 0;
    (void)stele__params_values(t->model.params, &n);
    assert_true(n <= MOST);
    memcpy(ret, stele__params_gradient(t->model.params), n * sizeof *ret);
    return n;
}

/* --- derivatives ------------------------------------------------------------------------------ */

static double numeric(toy *t, double *x)
{
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    const double kept = *x, h = 1e-3;
    double sum = 0.0;
    for (int k = 0; k < 4; k++) {
        *x = kept + offset[k] * h;
        sum += factor[k] * loss_of(t);
    }
    *x = kept;
    return sum / (12.0 * h);
}

/* The doubly reparametrised derivative of what makes posteriors is none of the loss. */
static int left_out(const char *name, int dreg)
{
    return dreg && strstr(name, ".decoder.") == NULL && strstr(name, ".output.") == NULL &&
           strstr(name, ".private.") == NULL;
}

static void check_derivatives(toy *t, int dreg, const char *what)
{
    static double kept[MOST];
    loss_of(t);
    gradient(t, kept);
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        stele__param *p = stele__params_entry(t->model.params, e);
        double largest = 1e-4, worst = 0.0;
        if (p->kind != STELE__TRAINED || left_out(p->name, dreg)) {
            continue;
        }
        for (int64_t i = 0; i < p->n; i++) {
            double want = numeric(t, (double *)p->values + i);
            double distance = fabs(kept[p->offset + (size_t)i] - want);
            largest = fmax(largest, fabs(want));
            worst = distance <= worst ? worst : distance;
        }
        if (!(worst < 1e-7 * largest) || largest <= 1e-4) {
            fail_msg("%s: %s: derivative of the loss is off by %g of %g", what, p->name, worst,
                     largest);
        }
    }
}

static void derivatives_of_the_whole_loss(void **state)
{
    static const struct {
        const char *fusion, *objective;
        int dreg;
    } c[] = {
        { POE, CROSS, 0 },
        { MOE, "objective: {subsets: all, samples: 2}\n", 0 },
        { MOPOE, "objective: {subsets: all+single, bound: iwae, samples: 2}\n", 0 },
        { MVTCAE, CROSS, 0 },
        { JSD, "objective: {subsets: all}\n", 0 },
        { MOE, "objective: {subsets: all, bound: dreg, samples: 2}\n", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        toy t;
        open_spec(&t, A_OWN B_OWN, c[i].fusion, c[i].objective, STELE_F64, 2);
        check_derivatives(&t, c[i].dreg, c[i].fusion);
        toy_close(&t);
    }
}

/* --- noise ------------------------------------------------------------------------------------ */

typedef struct drawn {
    double z[128], w[2][128];
    int64_t n, n_w[2];
} drawn;

/* z and private latents of all components of the joint posterior. */
static void draw_all(toy *t, uint64_t own, drawn *ret)
{
    stele__expert_set e;
    stele__draws draws[4];
    uint32_t n = 0;
    const stele__private_how how = { .own = own };
    memset(ret, 0, sizeof *ret);
    toy_begin(t, 0, NULL, 0, 9);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    TOY_OK(t, stele__draw(&t->model, t->graph, &e, 3, 0, 1, draws, &n));
    for (uint32_t k = 0; k < n; k++) {
        TOY_OK(t, stele__private_draw(&t->model, t->graph, &e, &how, &draws[k]));
        memcpy(ret->z + ret->n, draws[k].z->data, (size_t)draws[k].z->n * sizeof *ret->z);
        ret->n += draws[k].z->n;
        for (int i = 0; i < 2; i++) {
            const stele_tensor *w = draws[k].w[i];
            if (w != NULL) {
                memcpy(ret->w[i] + ret->n_w[i], w->data, (size_t)w->n * sizeof *ret->w[i]);
                ret->n_w[i] += w->n;
            }
        }
    }
}

/* Without measurements private latents are their noise, times a standard deviation that starts at
 * 1: it is neither that of z nor that of another modality. */
static void noise_is_each_latents_own(void **state)
{
    toy both, one;
    drawn d, alone;
    (void)state;
    open_spec(&both, A_OWN "  b: {plugin: bernoulli_peaks, private: {dim: 3}, " SMALL "}\n", MOE,
              OWN, STELE_F64, 1);
    open_spec(&one, A "  b: {plugin: bernoulli_peaks, private: {dim: 3}, " SMALL "}\n", MOE, OWN,
              STELE_F64, 1);
    draw_all(&both, 0, &d);
    draw_all(&one, 0, &alone);
    assert_true(d.n_w[0] > 0 && alone.n_w[0] == 0);
    assert_int_equal(d.n_w[1], alone.n_w[1]);
    assert_memory_equal(d.w[1], alone.w[1], (size_t)d.n_w[1] * sizeof d.w[1][0]);
    for (int64_t i = 0; i < d.n_w[0]; i++) {
        assert_true(d.w[0][i] != d.w[1][i] && fabs(d.w[0][i]) < 6.0);
        for (int64_t k = 0; k < d.n; k++) {
            assert_true(d.w[0][i] != d.z[k]);
        }
    }
    toy_close(&both);
    toy_close(&one);
}

/* Shared experts of the same values draw the same z, whoever has private latents beside them. */
static void private_latents_leave_z_alone(void **state)
{
    toy with, without;
    drawn a, b;
    (void)state;
    open_spec(&with, A_OWN B_OWN, MOE, CROSS, STELE_F64, 1);
    open_spec(&without, A B, MOE, CROSS, STELE_F64, 1);
    toy *all[] = { &with, &without };
    for (int k = 0; k < 2; k++) { /* experts of N(0, 1) */
        for (uint32_t e = 0; e < stele__params_count(all[k]->model.params); e++) {
            stele__param *p = stele__params_entry(all[k]->model.params, e);
            if (strstr(p->name, ".mean.") != NULL || strstr(p->name, ".logvar.") != NULL) {
                memset(p->values, 0, (size_t)p->n * sizeof(double));
            }
        }
    }
    draw_all(&with, 3, &a);
    draw_all(&without, 3, &b);
    assert_true(a.n > 0 && a.n == b.n);
    assert_memory_equal(a.z, b.z, (size_t)a.n * sizeof a.z[0]);
    toy_close(&with);
    toy_close(&without);
}

static void threads_change_no_bit(void **state)
{
    static float kept[MOST];
    double loss = 0.0;
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        toy t;
        size_t n = 0;
        open_spec(&t, A_OWN B_OWN, MOE, CROSS, STELE_F32, threads);
        (void)stele__params_values(t.model.params, &n);
        assert_true(n <= MOST);
        double is = loss_of(&t);
        if (threads == 1) {
            loss = is;
            memcpy(kept, stele__params_gradient(t.model.params), n * sizeof *kept);
        }
        assert_true(is == loss);
        assert_memory_equal(kept, stele__params_gradient(t.model.params), n * sizeof *kept);
        toy_close(&t);
    }
}

/* --- who takes part --------------------------------------------------------------------------- */

/* Columns of the mean's layer that belong to the private latent: how much derivative they get. */
static double private_derivative(toy *t, const char *name)
{
    stele__param *p = param(t, name);
    const double *d = (const double *)p->gradient;
    int64_t width = p->shape.dim[p->shape.ndim - 1];
    double sum = 0.0;
    for (int64_t i = 0; i < p->n; i++) {
        sum += i % width >= t->model.latent_dim ? fabs(d[i]) : 0.0;
    }
    return sum;
}

static void a_hidden_modality_gets_no_derivative(void **state)
{
    toy t;
    stele__loss_terms terms;
    (void)state;
    open_spec(&t, A_OWN B_OWN, MOE, CROSS, STELE_F64, 1);
    loss_hiding(&t, 1, &terms);
    assert_true(private_derivative(&t, "a.mean.weight") == 0.0);
    assert_true(private_derivative(&t, "b.mean.weight") > 0.0);
    /* Nothing is decoded from another modality either. */
    assert_true(private_derivative(&t, "a.logvar.bias") == 0.0);
    const double *learned = (const double *)param(&t, "b.private.log_variance")->gradient;
    assert_true(learned[0] == 0.0 && learned[1] == 0.0);
    loss_hiding(&t, 0, &terms);
    assert_true(private_derivative(&t, "a.mean.weight") > 0.0);
    assert_true(learned[0] != 0.0 && learned[1] != 0.0);
    toy_close(&t);
}

/* The divergence of the joint posterior holds that of the private latents of all that is there. */
static void the_divergence_has_its_closed_form(void **state)
{
    toy t;
    stele__loss_terms terms;
    double want = 0.0;
    (void)state;
    open_spec(&t, A_OWN B_OWN, POE, "objective: {subsets: all}\n", STELE_F64, 1);
    loss_hiding(&t, 0, &terms);
    toy_begin(&t, 0, NULL, 0, 17);
    stele__expert_set e;
    stele__draws d;
    uint32_t n = 0;
    TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
    TOY_OK(&t, stele__draw(&t.model, t.graph, &e, 3, 0, STELE__RATIO_CLOSED, &d, &n));
    for (int64_t r = 0; r < d.n; r++) {
        want += ((const double *)d.log_ratio->data)[r] / (double)terms.n;
    }
    for (int64_t r = 0; r < t.batch->n; r++) {
        for (uint32_t i = 0; i < 2; i++) {
            int64_t dim = t.model.modality[i].own.dim;
            for (int64_t k = 0; k < dim && (t.batch->present[r] >> i & 1) != 0; k++) {
                double m = ((const double *)e.own[i].p[0]->data)[r * dim + k];
                double v = ((const double *)e.own[i].p[1]->data)[r * dim + k];
                want += 0.5 * (exp(v) + m * m - 1.0 - v) / (double)terms.n;
            }
        }
    }
    assert_true(fabs(terms.divergence - want) < 1e-12 * fabs(want));
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_the_whole_loss),
        cmocka_unit_test(noise_is_each_latents_own),
        cmocka_unit_test(private_latents_leave_z_alone),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(a_hidden_modality_gets_no_derivative),
        cmocka_unit_test(the_divergence_has_its_closed_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
