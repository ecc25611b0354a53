/* Calibration: samples of the true posterior and the fit to them, of whole models. */
#include "test.h"

#include "toy_specs.h"
#include "train/chain_density.h"
#include "train/chains.h"

#include <math.h>

/* Derivatives are in the params object. */
static double targets_loss(toy *t, const stele__targets *targets)
{
    toy_begin(t, 0, NULL, 0, 0);
    stele_tensor *loss = stele__targets_loss(&t->model, t->graph, t->batch, targets);
    assert_non_null(loss);
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return *(const double *)loss->data;
}

/* The fit to samples of the true posterior moves what is calibrated and nothing else. */
static void check_calibration(const char *fusion, int64_t n_samples)
{
    toy t;
    stele__targets targets = { 0 };
    open_spec(&t, A B, fusion, CROSS, STELE_F64, 2);
    toy_begin(&t, 0, NULL, 0, 0);
    TOY_OK(&t, stele__targets_draw(&t.model, t.graph, t.batch, 3, 5, 0, &targets));
    assert_int_equal(targets.n, n_samples);
    (void)targets_loss(&t, &targets);
    stele__param *p = param(&t, "fusion.precision_scale");
    const double h = 1e-5, *d = p->gradient, got[2] = { d[0], d[1] };
    for (uint32_t e = 0; e < stele__params_count(t.model.params); e++) {
        const stele__param *other = stele__params_entry(t.model.params, e);
        for (int64_t i = 0; other != p && other->kind == STELE__TRAINED && i < other->n; i++) {
            assert_true(((const double *)other->gradient)[i] == 0.0);
        }
    }
    for (int64_t i = 0; i < p->n; i++) {
        double *x = (double *)p->values + i, at = *x;
        *x = at + h;
        double more = targets_loss(&t, &targets);
        *x = at - h;
        double want = (more - targets_loss(&t, &targets)) / (2.0 * h);
        *x = at;
        assert_true(fabs(want) > 1e-3 && fabs(got[i] - want) < 1e-6 * fabs(want));
    }
    stele__targets_finish(&targets);
    toy_close(&t);
}

/* Of 11 rows 6 have three posteriors, 5 two that are the same; each component gives a sample. */
static void calibration_reaches_calibrated_parameters_alone(void **state)
{
    (void)state;
    check_calibration(POE_CAL, 3 * (6 * 3 + 5 * 2));
    check_calibration(MOE_CAL, 3 * (6 * 4 + 5 * 2));
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
