/* The model as a whole on twelve small rows with the real plugins: derivatives, closed forms, what
 * is absent, noise, threads. Parity with PyTorch: tests/parity. */
#include "test.h"

#include "graph/params.h"
#include "toy_specs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static stele_tensor *loss_of(toy *t, int64_t n, const int64_t *row, uint64_t hide,
                             stele__loss_terms *ret)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    toy_begin(t, n, row, hide, 17);
    return stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 17, ret);
}

/* Loss of a batch; derivatives are in the params object afterwards. */
static double loss_and_derivatives(toy *t, int64_t n, const int64_t *row, uint64_t hide)
{
    stele__loss_terms terms;
    stele_tensor *loss = loss_of(t, n, row, hide, &terms);
    assert_non_null(loss);
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return terms.loss;
}

static void fill(toy *t, const char *name, double value)
{
    stele__param *p = param(t, name);
    for (int64_t i = 0; i < p->n; i++) {
        toy_put(stele__params_dtype(t->model.params), p->values, i, value);
    }
}

/* --- derivatives ------------------------------------------------------------------------------ */

static double loss_at(toy *t)
{
    stele__loss_terms terms;
    assert_non_null(loss_of(t, 0, NULL, 0, &terms));
    return terms.loss;
}

static double numeric(toy *t, double *x)
{
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    const double kept = *x, h = 1e-3;
    double sum = 0.0;
    for (int k = 0; k < 4; k++) {
        *x = kept + offset[k] * h;
        sum += factor[k] * loss_at(t);
    }
    *x = kept;
    return sum / (12.0 * h);
}

static void check_derivatives(toy *t)
{
    size_t n = 0;
    (void)stele__params_values(t->model.params, &n);
    double *kept = calloc(n, sizeof *kept);
    assert_non_null(kept);
    loss_and_derivatives(t, 0, NULL, 0);
    memcpy(kept, stele__params_gradient(t->model.params), n * sizeof *kept);
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        stele__param *p = stele__params_entry(t->model.params, e);
        double largest = 1e-4, worst = 0.0;
        for (int64_t i = 0; p->kind == STELE__TRAINED && i < p->n; i++) {
            double want = numeric(t, (double *)p->values + i);
            double distance = fabs(kept[p->offset + (size_t)i] - want);
            largest = fmax(largest, fabs(want));
            worst = distance <= worst ? worst : distance;
        }
        if (!(worst < 1e-7 * largest) || (p->kind == STELE__TRAINED && largest <= 1e-4)) {
            fail_msg("%s: derivative of the loss is off by %g of %g", p->name, worst, largest);
        }
    }
    free(kept);
}

static void derivatives_of_the_whole_loss(void **state)
{
    (void)state;
    for (int f = 0; f < N_FUSIONS; f++) {
        toy t;
        open_spec(&t, A_ALL B, fusions[f], f % 2 ? OWN : CROSS, STELE_F64, 2);
        check_derivatives(&t);
        toy_close(&t);
    }
    toy t;
    open_spec(&t, A B C, MOE, CROSS, STELE_F64, 2);
    check_derivatives(&t);
    toy_close(&t);
    open_spec(&t, A_SHARES B, POE, CROSS, STELE_F64, 2);
    check_derivatives(&t);
    toy_close(&t);
}

/* --- closed forms ----------------------------------------------------------------------------- */

/* Experts that do not look at the data: a says N(1, 1), b says N(3, 1/2). */
static void constant_experts(toy *t)
{
    fill(t, "a.mean.weight", 0.0);
    fill(t, "a.logvar.weight", 0.0);
    fill(t, "a.mean.bias", 1.0);
    fill(t, "a.logvar.bias", 0.0);
    fill(t, "b.mean.weight", 0.0);
    fill(t, "b.logvar.weight", 0.0);
    fill(t, "b.mean.bias", 3.0);
    fill(t, "b.logvar.bias", log(0.5));
}

typedef struct moments {
    double mean, variance;
} moments;

/* Rows r0 has both, r9 only a, r8 only b, r10 nothing. */
static void check_moments(const char *fusion, const moments want[4])
{
    static const int64_t row[4] = { 0, 9, 8, 10 };
    toy t;
    float mean[4][2], sd[4][2];
    open_spec(&t, A B, fusion, CROSS, STELE_F64, 1);
    constant_experts(&t);
    toy_begin(&t, 4, row, 0, 0);
    TOY_OK(&t, stele__posterior_moments(&t.model, t.graph, t.batch, 3, mean[0], sd[0]));
    for (int r = 0; r < 4; r++) {
        for (int d = 0; d < 2; d++) {
            assert_true(fabs((double)mean[r][d] - want[r].mean) < 1e-6);
            assert_true(fabs((double)sd[r][d] - sqrt(want[r].variance)) < 1e-6);
        }
    }
    /* Asked for one modality, a row with both is like a row with that one. */
    TOY_OK(&t, stele__posterior_moments(&t.model, t.graph, t.batch, 2, mean[0], sd[0]));
    assert_true(fabs((double)mean[0][0] - want[2].mean) < 1e-6);
    assert_true(fabs((double)sd[0][1] - sqrt(want[2].variance)) < 1e-6);
    assert_true(mean[1][0] == 0.0f && sd[1][0] == 1.0f);
    toy_close(&t);
}

static void moments_have_their_closed_forms(void **state)
{
    (void)state;
    const moments with_prior[4] = {
        { 7.0 / 4.0, 1.0 / 4.0 }, { 0.5, 0.5 }, { 2.0, 1.0 / 3.0 }, { 0.0, 1.0 }
    };
    const moments without[4] = {
        { 7.0 / 3.0, 1.0 / 3.0 }, { 1.0, 1.0 }, { 3.0, 0.5 }, { 0.0, 1.0 }
    };
    const moments mixture[4] = { { 2.0, 1.75 }, { 1.0, 1.0 }, { 3.0, 0.5 }, { 0.0, 1.0 } };
    check_moments(POE, with_prior);
    check_moments(POE_NO, without);
    check_moments(MOE, mixture);
}

/* Divergences of those posteriors from the prior; of the row with both and the row with only a. */
static void divergences_have_their_closed_forms(void **state)
{
    (void)state;
    static const int64_t row[2] = { 0, 9 };
    toy t;
    stele__loss_terms terms;
    open_spec(&t, A B, POE, CROSS, STELE_F64, 1);
    constant_experts(&t);
    assert_non_null(loss_of(&t, 2, row, 0, &terms));
    double both = 0.5 * (0.25 + 1.75 * 1.75 - 1.0 - log(0.25)); /* per dimension */
    double only_a = 0.5 * (0.5 + 0.25 - 1.0 - log(0.5));
    assert_true(fabs(terms.divergence - (both + only_a)) <
                1e-12); /* mean of 2 rows, 2 dimensions */
    toy_close(&t);
}

/* --- what is absent --------------------------------------------------------------------------- */

/* Divergence and samples of the joint, with the experts of absent rows set to `poison`; derivatives
 * are in the params object. */
static double fused_loss(toy *t, double poison)
{
    stele__expert_set e;
    stele__draws draws[8];
    uint32_t n = 0;
    stele_tensor *loss = NULL;
    toy_begin(t, 0, NULL, 0, 3);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    for (uint32_t i = 0; i < t->model.n_modalities; i++) {
        for (int64_t r = 0; r < t->batch->n; r++) {
            for (int64_t d = 0; (t->batch->present[r] >> i & 1) == 0 && d < 2; d++) {
                ((double *)e.q[i].p[0]->data)[2 * r + d] = poison;
                ((double *)e.q[i].p[1]->data)[2 * r + d] = poison;
            }
        }
    }
    TOY_OK(t, stele__draw(&t->model, t->graph, &e, 3, 0, 1, draws, &n));
    for (uint32_t i = 0; i < n; i++) {
        stele_tensor *z = stele__ops.sum(t->graph, draws[i].z, -1, 0);
        stele_tensor *row = stele__ops.add(t->graph, z, draws[i].log_ratio);
        row = stele__ops.sum(t->graph, row, STELE_ALL_AXES, 0);
        loss = loss != NULL ? stele__ops.add(t->graph, loss, row) : row;
    }
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return *(const double *)loss->data;
}

static void absent_experts_have_no_influence(void **state)
{
    (void)state;
    for (int f = 0; f < N_FUSIONS; f++) {
        toy t;
        size_t n = 0;
        open_spec(&t, A B, fusions[f], CROSS, STELE_F64, 1);
        (void)stele__params_values(t.model.params, &n);
        double *clean = calloc(n, sizeof *clean);
        assert_non_null(clean);
        const double loss = fused_loss(&t, 0.0);
        memcpy(clean, stele__params_gradient(t.model.params), n * sizeof *clean);
        const double poison[] = { NAN, INFINITY, -INFINITY, 1e300 };
        assert_true(isfinite(loss));
        for (int i = 0; i < 4; i++) {
            assert_true(fused_loss(&t, poison[i]) == loss);
            assert_memory_equal(clean, stele__params_gradient(t.model.params), n * sizeof *clean);
        }
        free(clean);
        toy_close(&t);
    }
}

static void a_hidden_modality_gets_no_derivative(void **state)
{
    (void)state;
    for (int f = 0; f < N_RULES; f++) {
        toy t;
        open_spec(&t, A B, fusions[f], CROSS, STELE_F64, 1);
        const double loss = loss_and_derivatives(&t, 0, NULL, 2);
        int touched = 0;
        for (uint32_t e = 0; e < stele__params_count(t.model.params); e++) {
            const stele__param *p = stele__params_entry(t.model.params, e);
            for (int64_t i = 0; p->kind == STELE__TRAINED && i < p->n; i++) {
                double d = ((const double *)p->gradient)[i];
                assert_true(p->name[0] == 'a' || d == 0.0);
                touched |= d != 0.0;
            }
        }
        assert_true(touched);
        fill(&t, "b.output.bias", NAN);
        fill(&t, "b.encoder.layer0.weight", NAN);
        assert_true(loss_and_derivatives(&t, 0, NULL, 2) == loss);
        toy_close(&t);
    }
}

static void a_row_without_anything_adds_nothing(void **state)
{
    (void)state;
    static const int64_t with[5] = { 0, 10, 9, 8, 3 }, without[4] = { 0, 9, 8, 3 },
                         alone[1] = { 10 };
    for (int f = 0; f < N_RULES; f++) {
        toy t;
        size_t n = 0;
        stele__loss_terms terms;
        open_spec(&t, A B, fusions[f], CROSS, STELE_F64, 1);
        (void)stele__params_values(t.model.params, &n);
        double *clean = calloc(n, sizeof *clean);
        assert_non_null(clean);
        const double loss = loss_and_derivatives(&t, 4, without, 0);
        memcpy(clean, stele__params_gradient(t.model.params), n * sizeof *clean);
        assert_true(fabs(loss_and_derivatives(&t, 5, with, 0) - loss) < 1e-13 * fabs(loss));
        const double *gradient = stele__params_gradient(t.model.params);
        for (size_t i = 0; i < n; i++) {
            assert_true(fabs(gradient[i] - clean[i]) < 1e-12);
        }
        assert_null(loss_of(&t, 1, alone, 0, &terms));
        assert_true(terms.n == 0 && stele__graph_status(t.graph) == STELE_OK);
        free(clean);
        toy_close(&t);
    }
}

/* --- noise, layouts, threads ------------------------------------------------------------------ */

/* z of the draws of one posterior, (draws, rows, 2), after each other; their number. */
static int64_t samples(toy *t, uint64_t mask, uint64_t hide, uint32_t sample, double *ret)
{
    stele__expert_set e;
    stele__draws draws[8];
    uint32_t n = 0;
    int64_t at = 0;
    toy_begin(t, 0, NULL, hide, 9);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    TOY_OK(t, stele__draw(&t->model, t->graph, &e, mask, sample, 1, draws, &n));
    for (uint32_t i = 0; i < n; i++) {
        memcpy(ret + at, draws[i].z->data, (size_t)draws[i].n * 2 * sizeof *ret);
        at += draws[i].n * 2;
    }
    return at;
}

static void another_modality_leaves_the_noise_alone(void **state)
{
    (void)state;
    for (int f = 0; f < N_RULES; f++) {
        toy two, three;
        double a[128], b[128];
        open_spec(&two, A B, fusions[f], CROSS, STELE_F64, 1);
        open_spec(&three, A B C, fusions[f], CROSS, STELE_F64, 1);
        for (uint64_t mask = 1; mask <= 3; mask++) {
            int64_t n = samples(&two, mask, 0, (uint32_t)mask % 3, a);
            assert_true(n > 0);
            assert_int_equal(samples(&three, mask, 0, (uint32_t)mask % 3, b), n);
            assert_memory_equal(a, b, (size_t)n * sizeof *a);
        }
        toy_close(&two);
        toy_close(&three);
    }
}

static void order_and_company_of_rows_leave_the_noise_alone(void **state)
{
    (void)state;
    static const int64_t row[3] = { 7, 0, 3 };
    toy t;
    stele__expert_set e;
    stele__draws all[2], some[2];
    uint32_t n = 0;
    double z[TOY_ROWS][2];
    open_spec(&t, A B, POE_NO, CROSS, STELE_F64, 1);
    toy_begin(&t, 0, NULL, 0, 9);
    TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
    TOY_OK(&t, stele__draw(&t.model, t.graph, &e, 3, 0, 1, all, &n));
    for (int64_t i = 0; i < all[0].n; i++) {
        memcpy(z[all[0].row[i]], (const double *)all[0].z->data + 2 * i, sizeof z[0]);
    }
    toy_begin(&t, 3, row, 0, 9);
    TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
    TOY_OK(&t, stele__draw(&t.model, t.graph, &e, 3, 0, 1, some, &n));
    assert_int_equal(some[0].n, 3);
    for (int64_t i = 0; i < 3; i++) {
        const double *is = (const double *)some[0].z->data + 2 * i;
        assert_true(fabs(is[0] - z[row[i]][0]) < 1e-12 && fabs(is[1] - z[row[i]][1]) < 1e-12);
    }
    toy_close(&t);
}

static void dense_measurements_give_the_same_loss(void **state)
{
    (void)state;
    toy sparse, dense;
    open_spec(&sparse, A B, POE, CROSS, STELE_F64, 1);
    open_spec(&dense,
              "  a: {plugin: nb_counts, from: a/dense, weight: 2, " SMALL "}\n"
              "  b: {plugin: bernoulli_peaks, from: b/dense, " SMALL "}\n",
              POE, CROSS, STELE_F64, 1);
    double loss = loss_and_derivatives(&sparse, 0, NULL, 0);
    assert_true(fabs(loss_and_derivatives(&dense, 0, NULL, 0) - loss) < 1e-13 * fabs(loss));
    size_t n = 0;
    (void)stele__params_values(sparse.model.params, &n);
    const double *a = stele__params_gradient(sparse.model.params);
    const double *b = stele__params_gradient(dense.model.params);
    for (size_t i = 0; i < n; i++) {
        assert_true(fabs(a[i] - b[i]) < 1e-12);
    }
    toy_close(&sparse);
    toy_close(&dense);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    static float kept[4096];
    double loss = 0.0;
    for (unsigned threads = 1; threads <= 3; threads++) {
        toy t;
        size_t n = 0;
        open_spec(&t, A_ALL B, MOE, CROSS, STELE_F32, threads);
        (void)stele__params_values(t.model.params, &n);
        assert_true(n <= 4096);
        double is = loss_and_derivatives(&t, 0, NULL, 0);
        if (threads == 1) {
            loss = is;
            memcpy(kept, stele__params_gradient(t.model.params), n * sizeof *kept);
        }
        assert_true(is == loss);
        assert_memory_equal(kept, stele__params_gradient(t.model.params), n * sizeof *kept);
        toy_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_the_whole_loss),
        cmocka_unit_test(moments_have_their_closed_forms),
        cmocka_unit_test(divergences_have_their_closed_forms),
        cmocka_unit_test(absent_experts_have_no_influence),
        cmocka_unit_test(a_hidden_modality_gets_no_derivative),
        cmocka_unit_test(a_row_without_anything_adds_nothing),
        cmocka_unit_test(another_modality_leaves_the_noise_alone),
        cmocka_unit_test(order_and_company_of_rows_leave_the_noise_alone),
        cmocka_unit_test(dense_measurements_give_the_same_loss),
        cmocka_unit_test(threads_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
