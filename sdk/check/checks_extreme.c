/* Heads whose predictions are large, as they become when a head trains for long or its latent is wide. */
#include "rig.h"

#include <math.h>

/* Largest prediction. 0 as well if there is none. */
static double largest_of(const rig_output *y)
{
    double largest = 0.0;
    for (int64_t i = 0; i < y->rows * y->width; i++) {
        largest = isfinite(y->value[i]) ? fmax(largest, fabs(y->value[i])) : largest;
    }
    return largest;
}

static void expect_finite(rig *r, const rig_result *res, const double *d_z, double times, double largest)
{
    const rig_output *loss = &res->out[res->n - 1];
    for (int64_t i = 0; i < loss->rows * loss->width; i++) {
        if (!isfinite(loss->value[i])) {
            check_fail(
                r->t,
                "with z %g times as large, predictions up to %.4g, the loss of row %lld is %g (log_softmax bears "
                "what log of softmax does not)",
                times, largest, (long long)i, loss->value[i]);
            return;
        }
    }
    for (int64_t i = 0; d_z != NULL && i < r->plan.rows * r->input[0].width; i++) {
        if (!isfinite(d_z[i])) {
            check_fail(r->t,
                       "with z %g times as large, predictions up to %.4g, the derivative towards row %lld of z is %g",
                       times, largest, (long long)(i / r->input[0].width), d_z[i]);
            return;
        }
    }
}

void check_head_extreme(check_trial *t)
{
    rig r;
    rig_plan plan = { .dtype = STELE_F32, .rows = 24, .latent = 2 };
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    if (rig_start(t, &plan, &r)) {
        /* Of logits that differ by more than 104, one's probability is 0 in float. A number's may be the log of a
         * scale, whose exp is not to overflow. */
        const double enough = r.field.content == STELE_FIELD_CATEGORY ? 200.0 : 16.0;
        double largest = 0.0;
        for (double times = 1.0; times < 1e7 && largest < enough && t->verdict < CHECK_FAIL; times *= 4.0) {
            for (int64_t i = 0; times > 1.0 && i < r.plan.rows * r.input[0].width; i++) {
                r.input[0].value[i] *= 4.0;
            }
            if (rig_compute(&r, r.plan.rows, NULL, 1, &res)) {
                largest = largest_of(&res.out[0]);
                if (rig_backward(&r, &res, d) != STELE_OK) {
                    check_fail(t, "derivatives failed: %s", rig_message(&r));
                }
                expect_finite(&r, &res, d[0], times, largest);
                rig_result_finish(&res);
            }
        }
    }
    rig_finish(&r);
}
