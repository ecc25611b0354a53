/* Likelihoods of real values (stele/gaussian.h) against scipy.stats 1.17, by feature and by row,
 * what is drawn from them, and what the encoder sees. Derivatives and integrals are stele-check's.
 */
#include "modality_rig.h"

#include "toy_specs.h"

#include <stele/gaussian.h>

#include <math.h>

typedef struct golden {
    double x, centre, log_scale, eta, log_variance, log_dof;
    double normal, student; /* norm.logpdf and t.logpdf, variance 0.01 + exp(log_variance) */
} golden;

static const golden cases[] = {
    { 1.3, 0, 0, 0.2, 0.5, 2.0, -1.53670082303473, -1.58721443418316 },
    { -250.0, 12.0, 3.0, -1.0, -1.5, -1.0, -314.311137611777, -12.6819530343004 },
    { 0.0, 5.0, -2.0, 0.7, 3.0, 6.0, -35.6799308477424, -33.0089187406808 },
    { 10000.0, 0.0, 0.0, 0.0, 0.0, 0.0, -49504951.4189632, -35.6301003245123 },
};
enum { N_CASES = sizeof cases / sizeof cases[0], DRAWS = 20000 };

/* Arrays of one element in either type. */
typedef struct element {
    double wide[8];
    float narrow[8];
    uint32_t dtype;
} element;

static const void *put(element *e, int i, double v)
{
    e->wide[i] = v;
    e->narrow[i] = (float)v;
    return e->dtype == STELE_F64 ? (const void *)&e->wide[i] : (const void *)&e->narrow[i];
}

/* log p of one measurement; `by_row`: the variance is the row's. */
static double log_p(uint32_t dtype, const golden *c, double x, int student, int by_row)
{
    static const int64_t begin = 0;
    element e = { .dtype = dtype };
    double ret = 0.0;
    stele_values values = { .struct_size = sizeof values, .dtype = dtype, .begin = &begin };
    values.layout = STELE_DENSE;
    values.data = put(&e, 0, x);
    const void *eta[] = { put(&e, 1, c->eta) }, *row[] = { put(&e, 2, c->log_variance) };
    const void *feature[] = { put(&e, 3, c->centre), put(&e, 4, c->log_scale),
                              put(&e, 5, c->log_dof), put(&e, 6, c->log_variance) };
    stele_block b = { .struct_size = sizeof b, .dtype = dtype, .n_eta = 1, .n_rows = 1 };
    b.n_features = 1;
    b.eta = eta;
    b.feature = feature;
    b.row = row;
    b.x = &values;
    b.log_prob = &ret;
    stele_gaussian_terms t = { .centre = 0, .log_scale = 1, .floor = 0.01 };
    t.log_variance = by_row ? -1 : 3;
    t.row_log_variance = by_row ? 0 : -1;
    t.log_dof = student ? 2 : -1;
    assert_int_equal(stele_gaussian(stele__model_tables.vec, &b, &t), STELE_OK);
    return ret;
}

static void near(double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance * fmax(1.0, fabs(want)))) {
        fail_msg("%.15g, expected %.15g", is, want);
    }
}

static void test_values(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        const golden *c = &cases[i];
        for (int by_row = 0; by_row < 2; by_row++) {
            near(log_p(STELE_F64, c, c->x, 0, by_row), c->normal, 1e-13);
            near(log_p(STELE_F64, c, c->x, 1, by_row), c->student, 1e-13);
            near(log_p(STELE_F32, c, c->x, 0, by_row), c->normal, 2e-6);
            near(log_p(STELE_F32, c, c->x, 1, by_row), c->student, 2e-6);
        }
        assert_true(log_p(STELE_F64, c, NAN, 0, 0) == 0.0 && log_p(STELE_F64, c, NAN, 1, 0) == 0.0);
    }
}

/* With many degrees of freedom nothing is left of the tails, in float as well. */
static void test_student_becomes_normal(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        golden c = cases[i];
        c.log_dof = 39.0;
        near(log_p(STELE_F64, &c, c.x, 1, 0), c.normal, 1e-12);
        near(log_p(STELE_F32, &c, c.x, 1, 0), c.normal, 2e-6);
    }
}

/* Evenly spread pairs of numbers in place of random ones. */
static void even_numbers(void *ctx, int64_t row, uint32_t k, double *ret)
{
    (void)ctx;
    double u = k == 0 ? ((double)row + 0.5) / DRAWS : 0.6180339887498949 * ((double)row + 1.0);
    ret[0] = u - floor(u);
}

/* Mean and variance of what is drawn: those of N, or variance v nu / (nu - 2) of t. */
static void test_draws(void **state)
{
    static double eta[DRAWS], out[DRAWS];
    (void)state;
    for (int student = 0; student < 2; student++) {
        double centre = 5.0, log_scale = 1.0, log_dof = 2.0, log_variance = -0.5, mean = 0.0,
               var = 0.0;
        const void *feature[] = { &centre, &log_scale, &log_dof, &log_variance }, *etas[] = { eta };
        stele_block b = {
            .struct_size = sizeof b, .dtype = STELE_F64, .n_eta = 1, .n_rows = DRAWS
        };
        stele_draw d = { .struct_size = sizeof d, .what = STELE_DRAW_SAMPLE };
        stele_gaussian_terms t = { 3, -1, 0, 1, student ? 2 : -1, 0, 0.01 };
        for (int i = 0; i < DRAWS; i++) {
            eta[i] = 0.3;
        }
        b.n_features = 1;
        b.eta = etas;
        b.feature = feature;
        d.uniform = even_numbers;
        d.out = out;
        assert_int_equal(stele_gaussian_draw(&b, &d, &t), STELE_OK);
        for (int i = 0; i < DRAWS; i++) {
            mean += out[i] / DRAWS;
            var += out[i] * out[i] / DRAWS;
        }
        double nu = 2.0 + exp(2.0), v = (0.01 + exp(-0.5)) * exp(2.0);
        near(mean, 5.0 + exp(1.0) * 0.3, 0.01);
        near(var - mean * mean, student ? v * nu / (nu - 2.0) : v, 0.02);
        d.what = STELE_DRAW_MEAN;
        assert_int_equal(stele_gaussian_draw(&b, &d, &t), STELE_OK);
        near(out[7], 5.0 + exp(1.0) * 0.3, 1e-12);
    }
}

/* Measurement of a row of the batch, NULL if it is absent. */
static const double *row_of(const toy *t, int64_t row)
{
    for (int64_t i = 0; i < 9; i++) {
        if (strcmp(toy_a_ids[i], stele__dataset_row_id(t->data, row)) == 0) {
            return &toy_a[i * TOY_A];
        }
    }
    return NULL;
}

/* hidden: []: the expert's mean is W'x + b of the measurement (9 features), and of the covariate
 * after it, which two dimensions of z have to agree on. */
static void test_linear(void **state)
{
    static const char *const spec[] = {
        HEAD "  a: {plugin: gaussian, from: a/dense, standardise: false, encoder: {hidden: [], "
             "indicator: false}, decoder: {hidden: []}}\n" POE OWN TRAIN,
        HEAD "  a: {plugin: gaussian, from: a/dense, standardise: false, encoder: {hidden: [], "
             "indicator: false, covariates: [age]}, decoder: {hidden: []}}\n" POE OWN TRAIN,
    };
    (void)state;
    for (int with_age = 0; with_age < 2; with_age++) {
        stele__expert_set e;
        toy t;
        double most = 0.0;
        toy_open(&t, spec[with_age], &toy_source, toy_others, 1, STELE_F64, 1);
        const double *w = param(&t, "a.mean.weight")->values;
        assert_int_equal(param(&t, "a.mean.weight")->n, 2 * (TOY_A + with_age));
        toy_begin(&t, 0, NULL, 0, 3);
        TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
        const double *mean = e.q[0].p[0]->data;
        for (int64_t r = 0; r < t.batch->n; r++) {
            const double *x = row_of(&t, r);
            double rest[2] = { mean[2 * r], mean[2 * r + 1] };
            for (int j = 0; x != NULL && j < TOY_A; j++) {
                rest[0] -= x[j] * w[2 * j];
                rest[1] -= x[j] * w[2 * j + 1];
            }
            if (x != NULL && with_age) {
                near(rest[0] / w[18], rest[1] / w[19], 1e-9);
                most = fmax(most, fabs(rest[0]));
            } else if (x != NULL) {
                assert_true(fabs(rest[0]) < 1e-12 && fabs(rest[1]) < 1e-12);
            }
        }
        assert_true(with_age ? most > 1e-3 : 1);
        toy_close(&t);
    }
}

/* Measurements that lie a million below the centre are seen as ten standard deviations below. */
static void test_far_away(void **state)
{
    stele__expert_set e;
    toy t;
    (void)state;
    open_spec(&t,
              "  a: {plugin: gaussian, from: a/dense, encoder: {hidden: [], indicator: false}}\n",
              POE, OWN, STELE_F64, 1);
    const double *w = param(&t, "a.mean.weight")->values;
    double *centre = param(&t, "a.centre")->values, all = 0.0;
    for (int j = 0; j < TOY_A; j++) {
        centre[j] = 1e6;
        all -= 10.0 * w[2 * j];
    }
    toy_begin(&t, 0, NULL, 0, 3);
    TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
    const double *mean = e.q[0].p[0]->data;
    const double bias = ((const double *)param(&t, "a.mean.bias")->values)[0];
    for (int64_t r = 0; r < t.batch->n; r++) {
        if (row_of(&t, r) != NULL) {
            near(mean[2 * r], all + bias, 1e-12);
        }
    }
    toy_close(&t);
}

enum { SEEN = 3, TIMES = 16 };

/* Means of the experts of TIMES rows that are all x. */
static void experts_of(rig *r, int training, const double *x, double *ret)
{
    const stele__pass pass = { .seed = 1, .training = training };
    const stele_shape s = STELE__SHAPE(TIMES, SEEN);
    double rows[TIMES * SEEN];
    stele_encode_args e = { .struct_size = sizeof e };
    stele_dist q = { 0 };
    for (int i = 0; i < TIMES * SEEN; i++) {
        rows[i] = x[i % SEEN];
    }
    stele__graph_begin(r->graph, &pass);
    e.x = stele__graph_dense(r->graph, STELE_F64, &s, rows);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->encode(r->inst, r->graph, &e, &q), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    memcpy(ret, q.p[0]->data, TIMES * LATENT * sizeof *ret);
}

/* Is the mean that of n inputs? hidden: []: W'seen + b. */
static int shows(rig *r, const double *mean, int n, const double *seen)
{
    const double *w = parameter(r, "mean.weight"), *b = parameter(r, "mean.bias");
    double most = 0.0;
    for (int k = 0; k < LATENT; k++) {
        double want = b[k];
        for (int i = 0; i < n; i++) {
            want += seen[i] * w[i * LATENT + k];
        }
        most = fmax(most, fabs(mean[k] - want));
    }
    return most < 1e-12;
}

static void open_seen(rig *r, const char *options)
{
    static const double centre[SEEN] = { 1, 2, 3 }, scale[SEEN] = { 2, 4, 8 };
    const stele_shape sample = STELE__SHAPE(SEEN);
    OK(r, start_plugin(r, "gaussian", &sample, options));
    for (int j = 0; j < SEEN; j++) {
        int64_t at = stele__params_find(r->params, "centre");
        ((double *)stele__params_entry(r->params, (uint32_t)at)->values)[j] = centre[j];
        at = stele__params_find(r->params, "log_scale");
        ((double *)stele__params_entry(r->params, (uint32_t)at)->values)[j] = log(scale[j]);
    }
}

/* 5 is two scales above its centre and -1 half a scale below. What is missing is seen as a 0 whose
 * indicator is 1, and so is, while training, what is hidden. */
static void test_missing_entries_are_shown(void **state)
{
    static const double x[SEEN] = { 5, NAN, -1 }, y[] = { 2, 0, -0.5, 0, 1, 0 };
    double mean[TIMES * LATENT];
    int hidden = 0;
    rig r;
    (void)state;
    open_seen(&r, "{encoder: {hidden: [], input_dropout: 0.4}}");
    experts_of(&r, 0, x, mean);
    for (int i = 0; i < TIMES; i++) {
        assert_true(shows(&r, mean + i * LATENT, 2 * SEEN, y));
    }
    experts_of(&r, 1, x, mean);
    for (int i = 0; i < TIMES; i++) {
        int found = 0;
        for (int which = 0; which < 4; which++) { /* of the first and the last */
            const int a = which & 1, b = which >> 1;
            const double seen[] = { a ? 0 : 2, 0, b ? 0 : -0.5, a, 1, b };
            const int same = shows(&r, mean + i * LATENT, 2 * SEEN, seen);
            found += same;
            hidden |= same ? which : 0;
        }
        assert_int_equal(found, 1);
    }
    assert_int_equal(hidden, 3);
    finish(&r);
    open_seen(&r, "{encoder: {hidden: [], indicator: false}}");
    experts_of(&r, 0, x, mean);
    assert_true(shows(&r, mean, SEEN, y));
    finish(&r);
}

/* The mean of seven times 0.1 is not 0.1, and what is left of its square is no variance. */
static void test_equal_values_are_not_scored(void **state)
{
    enum { N = 7 };
    float truth[2 * N], predicted[2 * N];
    double known[2] = { 0.0, 0.0 };
    unsigned char store[64] = { 0 };
    stele_metric m[3];
    uint32_t n = 0;
    toy t;
    (void)state;
    for (int r = 0; r < N; r++) {
        truth[2 * r] = (float)r;
        predicted[2 * r] = r % 2 ? (float)r : (float)r + 1.0F;
        truth[2 * r + 1] = 0.1F;
        predicted[2 * r + 1] = 0.1001F;
    }
    open_spec(&t, "  a: {plugin: gaussian, from: a/dense}\n", POE, OWN, STELE_F32, 1);
    const stele_modality_vt *vt = t.model.modality[0].vt;
    const stele_inst *inst = stele__guest_inst(t.model.modality[0].part.guest);
    stele_scored s = { .struct_size = sizeof s,
                       .n_rows = N,
                       .n_features = 2,
                       .truth = truth,
                       .predicted = predicted,
                       .known = known };
    assert_true(vt->score_size(inst) <= sizeof store);
    assert_int_equal(vt->score_add(inst, store, &s), STELE_OK);
    assert_int_equal(vt->score_end(inst, store, 3, m, &n), STELE_OK);
    assert_string_equal(m[0].name, "r2");
    near(m[0].value, 1.0 - 4.0 / 28.0, 1e-6);
    assert_string_equal(m[1].name, "feature_correlation");
    assert_true(m[1].value > 0.9 && m[1].value < 1.0);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_student_becomes_normal),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_far_away),
        cmocka_unit_test(test_missing_entries_are_shown),
        cmocka_unit_test(test_equal_values_are_not_scored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
