/* Checks of derivatives. */
#include "rig.h"
#include "small.h"

#include "graph/tensor.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_ELEMENTS = 24 };

/* A place whose derivative is compared. */
typedef struct place {
    rig *r;
    const char *name;
    double *value;
} place;

static double objective(rig *r)
{
    rig_result res;
    double sum = NAN;
    if (rig_compute(r, r->plan.rows, NULL, 0, &res)) {
        sum = rig_objective(&res);
        rig_result_finish(&res);
    }
    return sum;
}

static double numeric_at(rig *r, double *x, double step)
{
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    const double kept = *x, h = step * fmax(1.0, fabs(kept));
    double sum = 0.0;
    for (int k = 0; k < 4; k++) {
        *x = kept + offset[k] * h;
        sum += factor[k] * objective(r);
    }
    *x = kept;
    return sum / (12.0 * h);
}

/* Near a kink (relu) a wide step gives the slope of neither side: a narrow one decides then. The wide one is allowed
 * the rounding of its differences, which counts where the objective is large: a log-likelihood of many pixels. */
static int agrees(rig *r, double *x, double analytic, double *numeric, double scale)
{
    static const double step[] = { 1e-3, 1e-5, 1e-6 };
    static const double tolerance[] = { 1e-6, 1e-5, 1e-4 };
    for (int k = 0; k < 3; k++) {
        double n = k == 0 ? *numeric : numeric_at(r, x, step[k]), rounding = 0.0;
        if (k == 0 && fabs(analytic - n) > tolerance[k] * scale) {
            rounding = 4.0 * DBL_EPSILON * fabs(objective(r)) / step[k];
        }
        if (fabs(analytic - n) <= tolerance[k] * scale + rounding) {
            return 1;
        }
    }
    return 0;
}

/* n elements at `value`, with derivatives `analytic` (NULL: none arrived, that is 0). The largest numeric one. */
static double compare(rig *r, const char *what, const char *name, int64_t n, double *value, const double *analytic)
{
    int64_t at[MOST_ELEMENTS], m = n < MOST_ELEMENTS ? n : MOST_ELEMENTS;
    double numeric[MOST_ELEMENTS], scale = 1e-3;
    for (int64_t k = 0; k < m; k++) {
        at[k] = n <= MOST_ELEMENTS ? k : (int64_t)(rig_uniform(r->t, 77, k) * (double)n);
        numeric[k] = numeric_at(r, &value[at[k]], 1e-3);
        scale = fmax(scale, fabs(numeric[k]));
        if (analytic != NULL && isfinite(analytic[at[k]])) {
            scale = fmax(scale, fabs(analytic[at[k]]));
        }
    }
    for (int64_t k = 0; k < m && r->t->verdict < CHECK_FAIL; k++) {
        double a = analytic != NULL ? analytic[at[k]] : 0.0;
        if (!agrees(r, &value[at[k]], a, &numeric[k], scale)) {
            check_fail(r->t, "%s `%s`, element %lld (%lld rows, %lld features): analytic %.9g, numeric %.9g%s", what,
                       name, (long long)at[k], (long long)r->plan.rows, (long long)r->plan.features, a, numeric[k],
                       small_settings());
        }
    }
    return scale > 1e-3 ? scale : 0.0;
}

static double compare_all(rig *r)
{
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    double largest = 0.0;
    if (!rig_compute(r, r->plan.rows, NULL, 1, &res)) {
        return 1.0;
    }
    if (rig_backward(r, &res, d) != STELE_OK) {
        check_fail(r->t, "derivatives failed: %s", rig_message(r));
        rig_result_finish(&res);
        return 1.0;
    }
    rig_result_finish(&res);
    for (uint32_t i = 0; i < r->n_inputs && r->t->verdict < CHECK_FAIL; i++) {
        rig_input *in = &r->input[i];
        int64_t n = in->per_row ? r->plan.rows * in->width : in->width;
        if (in->differentiable) {
            largest = fmax(largest, compare(r, "input", in->name, n, in->value, d[i]));
        }
    }
    for (uint32_t e = 0; e < stele__params_count(r->params) && r->t->verdict < CHECK_FAIL; e++) {
        const stele__param *p = stele__params_entry(r->params, e);
        if (p->kind == STELE__TRAINED) {
            largest = fmax(largest, compare(r, "parameter", p->name, p->n, p->values, p->gradient));
        }
    }
    return largest;
}

/* At large measurements too, as likelihood-gradient does for elementwise ones. */
static void compare_far_out(check_trial *t)
{
    rig r;
    rig_plan plan = { .dtype = STELE_F64, .rows = 4, .features = 4, .seed = 3 };
    if (rig_start(t, &plan, &r)) {
        rig_input *x = &r.input[0];
        for (int64_t i = 0; i < r.plan.rows * x->width; i++) {
            double v = r.support.whole ? floor(100.0 * x->value[i]) : 100.0 * x->value[i];
            x->value[i] = fmin(fmax(v, r.support.low), r.support.high);
        }
        compare_all(&r);
    }
    rig_finish(&r);
}

void check_grad_fd(check_trial *t)
{
    static const rig_plan plans[] = {
        { .dtype = STELE_F64, .rows = 5, .features = 6, .latent = 3, .own = 1, .covariates = 2 },
        { .dtype = STELE_F64, .rows = 1, .features = 4, .latent = 2, .seed = 1 },
        { .dtype = STELE_F64, .rows = 3, .features = 1, .latent = 1, .seed = 2 },
        { .dtype = STELE_F64, .rows = 5, .features = 4, .latent = 2, .covariates = 2, .window = 3 },
    };
    const size_t n_plans = (t->plugin->desc.caps & STELE_CAP_WINDOW) != 0 ? 4 : 3;
    double largest = 0.0;
    if (!check_promises_double(t)) {
        return;
    }
    small_model(t); /* four passes for every element, and more near kinks */
    for (size_t i = 0; i < n_plans && t->verdict < CHECK_FAIL; i++) {
        rig r;
        if (plans[i].window > 0) {
            rig_choose_again(); /* not all rows may stand in windows */
        }
        if (rig_start(t, &plans[i], &r)) {
            largest = fmax(largest, compare_all(&r));
        }
        rig_finish(&r);
    }
    if (t->plugin->desc.kind == STELE_MODALITY && t->plugin->vt.modality.decode == NULL && t->verdict < CHECK_FAIL) {
        compare_far_out(t);
    }
    if (largest == 0.0) {
        check_say(t, CHECK_HOLLOW, "all derivatives were 0");
    }
}

static int any_nonzero(const rig *r, const stele__param *p)
{
    for (int64_t i = 0; i < p->n; i++) {
        double d =
            r->plan.dtype == STELE_F64 ? ((const double *)p->gradient)[i] : (double)((const float *)p->gradient)[i];
        if (d != 0.0) {
            return 1;
        }
    }
    return 0;
}

static void expect_covariates(rig *r, const double *const *d)
{
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        const rig_input *in = &r->input[i];
        int used = strstr(in->name, "covariates") == NULL;
        for (int64_t k = 0; d[i] != NULL && !used && k < r->plan.rows * in->width; k++) {
            used = d[i][k] != 0.0;
        }
        if (!used) {
            check_say(r->t, CHECK_WARN, "%s are given and never used", in->name);
        }
    }
}

void check_grad_flow(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 14, .covariates = 2 };
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    uint32_t n_trained = 0;
    if (rig_start(t, &plan, &r) && rig_compute(&r, r.plan.rows, NULL, 1, &res)) {
        if (rig_backward(&r, &res, d) != STELE_OK) {
            check_fail(t, "derivatives failed: %s", rig_message(&r));
        }
        rig_result_finish(&res);
        expect_covariates(&r, d);
        for (uint32_t e = 0; e < stele__params_count(r.params); e++) {
            const stele__param *p = stele__params_entry(r.params, e);
            n_trained += p->kind == STELE__TRAINED;
            if (p->kind == STELE__TRAINED && !any_nonzero(&r, p)) {
                check_say(t, CHECK_WARN, "parameter `%s` is never used", p->name);
            }
        }
        if (n_trained == 0) {
            check_skip(t, "the plugin declares no parameters with these options");
        }
    }
    rig_finish(&r);
}
