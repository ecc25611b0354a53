/* Calibration: the fit to samples of the true posterior, of whole models. */
#include "test.h"

#include "toy_specs.h"
#include "train/targets.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calibration_reaches_calibrated_parameters_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
