/* Checks of fusion rules: what is absent has no influence. */
#include "mixture.h"

#include "base/mem.h"
#include "graph/tensor.h"

#include <math.h>
#include <string.h>

/* Write v where an expert is absent. Returns the number of places. */
static int poison(rig *r, double v)
{
    int n = 0;
    for (uint32_t m = 0; m < r->plan.experts; m++) {
        for (int64_t i = 0; i < r->plan.rows; i++) {
            for (int64_t d = 0; d < (int64_t)r->plan.latent && !mixture_present(r, i, m); d++) {
                r->input[2 * m].value[i * r->plan.latent + d] = v;
                r->input[2 * m + 1].value[i * r->plan.latent + d] = v;
                n++;
            }
        }
    }
    return n;
}

/* Outputs and derivatives one behind the other. */
typedef struct everything {
    double *value;
    int64_t n;
} everything;

static void append(rig *r, everything *e, int64_t n, const double *from)
{
    double *bigger = rig_take(r, (size_t)(e->n + n) * sizeof *bigger + 1);
    memcpy(bigger, e->n > 0 ? e->value : bigger, (size_t)e->n * sizeof *bigger);
    for (int64_t i = 0; i < n; i++) {
        bigger[e->n + i] = from != NULL ? from[i] : 0.0;
    }
    e->value = bigger;
    e->n += n;
}

static int collect(rig *r, everything *ret)
{
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    memset(ret, 0, sizeof *ret);
    if (!rig_compute(r, r->plan.rows, NULL, 1, &res)) {
        return 0;
    }
    for (uint32_t i = 0; i < res.n; i++) {
        append(r, ret, res.out[i].rows * res.out[i].width, res.out[i].value);
    }
    stele_status status = rig_backward(r, &res, d);
    rig_result_finish(&res);
    if (status != STELE_OK) {
        check_fail(r->t, "derivatives failed: %s", rig_message(r));
        return 0;
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        int64_t n = r->input[i].per_row ? r->plan.rows * r->input[i].width : r->input[i].width;
        append(r, ret, n, d[i]);
    }
    for (uint32_t k = 0; k < stele__params_count(r->params); k++) {
        const stele__param *p = stele__params_entry(r->params, k);
        for (int64_t i = 0; p->kind == STELE__TRAINED && i < p->n; i++) {
            double g =
                r->plan.dtype == STELE_F64 ? ((const double *)p->gradient)[i] : (double)((const float *)p->gradient)[i];
            append(r, ret, 1, &g);
        }
    }
    return 1;
}

void check_mask_poison(check_trial *t)
{
    static const double poisons[] = { NAN, HUGE_VAL, -HUGE_VAL, 1e30, -1e30, 700.0 };
    rig r;
    rig_plan plan = { .rows = 14 };
    everything clean, dirty;
    if (rig_start(t, &plan, &r)) {
        int n = poison(&r, 0.0);
        if (n == 0 && r.plan.experts > 1) {
            check_say(t, CHECK_HOLLOW, "no expert was absent");
        }
        int good = collect(&r, &clean);
        for (size_t k = 0; good && k < sizeof poisons / sizeof poisons[0] && t->verdict < CHECK_FAIL; k++) {
            poison(&r, poisons[k]);
            if (collect(&r, &dirty) &&
                (dirty.n != clean.n || memcmp(dirty.value, clean.value, (size_t)clean.n * sizeof(double)) != 0)) {
                check_fail(t,
                           "%g in absent experts changes outputs or derivatives: choose with `where`, before and "
                           "after what could overflow",
                           poisons[k]);
            }
        }
    }
    rig_finish(&r);
}

void check_mask_gradient_zero(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 14 };
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    int n_absent = 0, n_flow = 0;
    if (mixture_start(t, &plan, &r, &res)) {
        if (rig_backward(&r, &res, d) != STELE_OK) {
            check_fail(t, "derivatives failed: %s", rig_message(&r));
        }
        rig_result_finish(&res);
        int64_t latent = (int64_t)r.plan.latent;
        for (uint32_t k = 0; k < 2 * r.plan.experts && t->verdict < CHECK_FAIL; k++) {
            for (int64_t i = 0; d[k] != NULL && i < r.plan.rows * latent; i++) {
                int absent = !mixture_present(&r, i / latent, k / 2);
                n_absent += absent;
                n_flow += !absent && d[k][i] != 0.0;
                if (absent && d[k][i] != 0.0) {
                    check_fail(t, "row %lld: the derivative towards %s, which is absent, is %g",
                               (long long)(i / latent), r.input[k].name, d[k][i]);
                    break;
                }
            }
        }
        if ((n_absent == 0 && r.plan.experts > 1) || n_flow == 0) {
            check_say(t, CHECK_HOLLOW, "no derivative reached any expert");
        }
    }
    rig_finish(&r);
}

/* Does every component that the row has equal this Gaussian? */
static void expect_expert(rig *r, int64_t i, const char *what, const double *mean, const double *log_variance)
{
    double total = 0.0;
    for (uint32_t c = 0; c < r->joint.n; c++) {
        double w = mixture_weight(r, i, c);
        total += w;
        for (int64_t d = 0; w > 0.0 && d < (int64_t)r->plan.latent; d++) {
            double m = mixture_mean(r, i, c, d), v = mixture_log_variance(r, i, c, d);
            if (!(fabs(m - mean[d]) <= 1e-5 && fabs(v - log_variance[d]) <= 1e-5)) {
                check_fail(r->t, "row %lld: N(%.6g, exp(%.6g)) in dimension %lld, %s is N(%.6g, exp(%.6g))",
                           (long long)i, m, v, (long long)d, what, mean[d], log_variance[d]);
                return;
            }
        }
    }
    if (!(fabs(total - 1.0) <= 1e-5)) {
        check_fail(r->t, "row %lld: the weights sum to %g", (long long)i, total);
    }
}

void check_mask_empty(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 8 };
    rig_result res;
    if (rig_start(t, &plan, &r)) {
        const rig_input *prior = mixture_prior(&r);
        for (uint32_t m = 0; m < r.plan.experts; m++) {
            r.present[0 * r.plan.experts + m] = 0.0;
            r.present[5 * r.plan.experts + m] = 0.0;
        }
        poison(&r, NAN);
        if (rig_compute(&r, r.plan.rows, NULL, 0, &res)) {
            rig_result_finish(&res);
            expect_expert(&r, 0, "the prior", prior[0].value, prior[1].value);
            expect_expert(&r, 5, "the prior", prior[0].value, prior[1].value);
        }
    }
    rig_finish(&r);
}

void check_mask_single(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 14, .raw = 1 }; /* at their start parameters do not temper an expert yet */
    rig_result res;
    int n_single = 0;
    if (mixture_start(t, &plan, &r, &res)) {
        rig_result_finish(&res);
        for (int64_t i = 0; i < r.plan.rows && t->verdict < CHECK_FAIL; i++) {
            uint32_t count = 0, which = 0;
            for (uint32_t m = 0; m < r.plan.experts; m++) {
                count += (uint32_t)mixture_present(&r, i, m);
                which = mixture_present(&r, i, m) ? m : which;
            }
            if (count == 1) {
                int64_t at = i * (int64_t)r.plan.latent;
                n_single++;
                expect_expert(&r, i, "its only expert", r.input[2 * which].value + at,
                              r.input[2 * which + 1].value + at);
            }
        }
        if (n_single == 0) {
            check_say(t, CHECK_HOLLOW, "no row had one modality");
        }
    }
    rig_finish(&r);
}
