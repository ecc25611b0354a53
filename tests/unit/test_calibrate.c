/* Calibration: samples of the true posterior and the fit to them, of whole models. */
#include "test.h"

#include "toy_specs.h"
#include "train/chain_density.h"
#include "train/chains.h"

#include <math.h>

#define JOINT_CAL "fusion: {plugin: poe, precision_scale: calibrated, joint_scale: calibrated}\n"

typedef stele_tensor *(*loss_of)(const stele__model *m, stele_graph *g, const stele__batch *b,
                                 const stele__targets *t);

/* Derivatives are in the params object. */
static double targets_loss(toy *t, loss_of loss_fn, const stele__targets *targets)
{
    toy_begin(t, 0, NULL, 0, 0);
    stele_tensor *loss = loss_fn(&t->model, t->graph, t->batch, targets);
    assert_non_null(loss);
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return *(const double *)loss->data;
}

/* Derivatives of a parameter, which are in place, against differences of the loss. */
static void check_slope(toy *t, loss_of loss_fn, const stele__targets *targets, const char *name)
{
    stele__param *p = param(t, name);
    const double h = 1e-5;
    double got[2];
    assert_true(p->n <= 2);
    memcpy(got, p->gradient, (size_t)p->n * sizeof *got);
    for (int64_t i = 0; i < p->n; i++) {
        double *x = (double *)p->values + i, at = *x;
        *x = at + h;
        double more = targets_loss(t, loss_fn, targets);
        *x = at - h;
        double want = (more - targets_loss(t, loss_fn, targets)) / (2.0 * h);
        *x = at;
        assert_true(fabs(want) > 1e-3 && fabs(got[i] - want) < 1e-6 * fabs(want));
    }
    (void)targets_loss(t, loss_fn, targets);
}

/* The fit to samples of the true posterior moves what is calibrated and nothing else. */
static void check_calibration(const char *fusion, loss_of loss_fn, int64_t n_samples)
{
    toy t;
    stele__targets targets = { 0 };
    open_spec(&t, A B, fusion, CROSS, STELE_F64, 2);
    toy_begin(&t, 0, NULL, 0, 0);
    TOY_OK(&t, stele__targets_draw(&t.model, t.graph, t.batch, 3, 5, 0, &targets));
    assert_int_equal(targets.n, n_samples);
    (void)targets_loss(&t, loss_fn, &targets);
    for (uint32_t e = 0; e < stele__params_count(t.model.params); e++) {
        const stele__param *p = stele__params_entry(t.model.params, e);
        const int calibrated = strncmp(p->name, "fusion.", 7) == 0;
        for (int64_t i = 0; !calibrated && p->kind == STELE__TRAINED && i < p->n; i++) {
            assert_true(((const double *)p->gradient)[i] == 0.0);
        }
    }
    if (loss_fn == stele__targets_loss) {
        check_slope(&t, loss_fn, &targets, "fusion.precision_scale");
    }
    if (stele__params_find(t.model.params, "fusion.joint_scale") >= 0) {
        check_slope(&t, loss_fn, &targets, "fusion.joint_scale");
    }
    stele__targets_finish(&targets);
    toy_close(&t);
}

/* Of 11 rows 6 have three posteriors, 5 two that are the same; each component gives a sample. */
static void calibration_reaches_calibrated_parameters_alone(void **state)
{
    (void)state;
    check_calibration(POE_CAL, stele__targets_loss, 3 * (6 * 3 + 5 * 2));
    check_calibration(MOE_CAL, stele__targets_loss, 3 * (6 * 4 + 5 * 2));
    check_calibration(JOINT_CAL, stele__targets_loss, 3 * (6 * 3 + 5 * 2));
    check_calibration(JOINT_CAL, stele__targets_width_loss, 3 * (6 * 3 + 5 * 2));
}

/* Each expert says N(1, 1) in both dimensions. Row 9 has a alone: of its samples one lies in the
 * interval, one has a coordinate beyond either end. Row 0 has both, whose product has half the
 * variance and is all of it that is judged. 11 rows have anything. */
static void width_loss_by_hand(void **state)
{
    static const char *const zero[] = { "a.mean.weight", "a.logvar.weight", "a.logvar.bias",
                                        "b.mean.weight", "b.logvar.weight", "b.logvar.bias" };
    int64_t position[3] = { 9, 9, 0 };
    double z[6] = { 1.0, 2.5, -2.0, 5.0, 0.5, 1.0 }, log_w[3] = { log(0.75), log(0.25), 0.0 };
    const stele__targets targets = {
        .n = 3, .capacity = 3, .position = position, .z = z, .log_w = log_w
    };
    const double half = 1.6448536269514722, missed = log(3.0 / half) + log(4.0 / half);
    toy t;
    (void)state;
    open_spec(&t, A B, POE_NO, CROSS, STELE_F64, 2);
    for (size_t k = 0; k < sizeof zero / sizeof *zero; k++) {
        stele__param *p = param(&t, zero[k]);
        memset(p->values, 0, (size_t)p->n * sizeof(double));
    }
    for (int e = 0; e < 2; e++) {
        double *mean = param(&t, e == 0 ? "a.mean.bias" : "b.mean.bias")->values;
        mean[0] = mean[1] = 1.0;
    }
    assert_float_equal(
        targets_loss(&t, stele__targets_width_loss, &targets),
        (2.0 * log(half) + 0.25 * 10.0 * missed + 2.0 * log(half * sqrt(0.5))) / 11.0, 1e-9);
    assert_int_equal(t.batch->present[9], 1);
    assert_int_equal(t.batch->present[0], 3);
    toy_close(&t);
}

#define OWN_A "  a: {plugin: nb_counts, weight: 2, private: {dim: 3}, " SMALL "}\n"

enum { WIDTH = 5, OF_ROW = 2, POINTS = OF_ROW * TOY_ROWS };

/* Two points of each row. */
static void make_points(const toy *t, stele__chain_points *c, double *place)
{
    assert_int_equal(stele__chain_width(&t->model), WIDTH);
    assert_int_equal(t->batch->n, TOY_ROWS);
    for (int64_t k = 0; k < POINTS; k++) {
        c->position[k] = k / OF_ROW;
        c->row[k] = t->batch->row[k / OF_ROW];
        c->sample[k] = (uint32_t)(k % OF_ROW);
    }
    for (int64_t i = 0; i < POINTS * WIDTH; i++) {
        place[i] = sin(0.7 * (double)i);
    }
}

static stele__param *any_with_gradient(const toy *t)
{
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        stele__param *p = stele__params_entry(t->model.params, e);
        if (p->kind == STELE__TRAINED && p->has_gradient) {
            return p;
        }
    }
    return NULL;
}

/* The derivative of log p(x, z) towards z and private latents is that of the value, which is the
 * prior alone where a row has nothing; parameters get none. */
static void the_density_has_its_derivative(void **state)
{
    const double h = 1e-5;
    int64_t position[POINTS], row[POINTS];
    uint32_t sample[POINTS];
    double place[POINTS * WIDTH], slope[POINTS * WIDTH], other[POINTS * WIDTH];
    double at[POINTS], more[POINTS], less[POINTS];
    stele__chain_points c = { .n = POINTS, .of_row = OF_ROW, .width = WIDTH };
    toy t;
    (void)state;
    c.position = position;
    c.row = row;
    c.sample = sample;
    open_spec(&t, OWN_A B, POE_CAL, CROSS, STELE_F64, 2);
    toy_begin(&t, 0, NULL, 0, 0);
    make_points(&t, &c, place);
    TOY_OK(&t, stele__chain_density(&t.model, t.graph, t.batch, &c, place, at, slope));
    for (int64_t i = 0; i < WIDTH; i++) {
        for (int64_t k = 0; k < POINTS; k++) {
            place[k * WIDTH + i] += h;
        }
        TOY_OK(&t, stele__chain_density(&t.model, t.graph, t.batch, &c, place, more, other));
        for (int64_t k = 0; k < POINTS; k++) {
            place[k * WIDTH + i] -= 2.0 * h;
        }
        TOY_OK(&t, stele__chain_density(&t.model, t.graph, t.batch, &c, place, less, other));
        for (int64_t k = 0; k < POINTS; k++) {
            place[k * WIDTH + i] += h;
            const double want = (more[k] - less[k]) / (2.0 * h), got = slope[k * WIDTH + i];
            assert_true(fabs(got - want) < 1e-6 * (1.0 + fabs(want)));
            const uint64_t present = t.batch->present[position[k]];
            const int prior = present == 0 || (i >= 2 && (present & 1) == 0);
            assert_true(prior == (fabs(got + place[k * WIDTH + i]) < 1e-12));
        }
    }
    assert_null(any_with_gradient(&t));
    toy_close(&t);
}

/* Rows that have nothing have no samples; the others as many as were asked for, and private latents
 * along the way. Derivatives of parameters are left alone. */
static void chains_give_what_is_asked_for(void **state)
{
    stele__targets targets = { 0 };
    int64_t count[TOY_ROWS] = { 0 };
    toy t;
    (void)state;
    open_spec(&t, OWN_A B, MOE_CAL, CROSS, STELE_F64, 2);
    toy_begin(&t, 0, NULL, 0, 0);
    TOY_OK(&t, stele__chains_draw(&t.model, t.graph, t.batch, 3, 5, 0, &targets));
    assert_int_equal(targets.n, 11 * 3);
    for (int64_t k = 0; k < targets.n; k++) {
        count[targets.position[k]]++;
        assert_true(targets.log_w[k] == 0.0);
    }
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        assert_int_equal(count[r], t.batch->present[r] != 0 ? 3 : 0);
    }
    assert_null(any_with_gradient(&t));
    stele__targets_finish(&targets);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_density_has_its_derivative),
        cmocka_unit_test(chains_give_what_is_asked_for),
        cmocka_unit_test(calibration_reaches_calibrated_parameters_alone),
        cmocka_unit_test(width_loss_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
