/* Checks of heads. */
#include "rig.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Mean loss per row, the last output; and its derivatives if wanted. */
static double mean_loss(rig *r, int record)
{
    rig_result res;
    double sum = 0.0, one[512];
    const void *from = one;
    if (!rig_compute(r, r->plan.rows, NULL, record, &res)) {
        return NAN;
    }
    rig_output *o = &res.out[res.n - 1];
    for (int64_t i = 0; i < o->rows && i < 512; i++) {
        sum += o->value[i] / (double)o->rows;
        if (r->plan.dtype == STELE_F64) {
            one[i] = 1.0 / (double)o->rows;
        } else {
            ((float *)one)[i] = 1.0f / (float)o->rows;
        }
    }
    if (record) {
        stele__params_begin_gradient(r->params);
        if (stele__graph_backward_from(r->graph, 1, &o->t, &from) != STELE_OK) {
            check_fail(r->t, "derivatives failed: %s", stele__graph_error(r->graph));
        }
        stele__params_end_gradient(r->params);
    }
    rig_result_finish(&res);
    return sum;
}

/* Gradient steps whose length adapts: longer after a success, undone and shorter after a failure. */
static double descend(rig *r, int steps, double loss)
{
    size_t n = 0;
    void *values = stele__params_values(r->params, &n);
    size_t size = r->plan.dtype == STELE_F64 ? sizeof(double) : sizeof(float);
    char *kept = rig_take(r, n * size + 1), *slope = rig_take(r, n * size + 1);
    double rate = 0.1;
    mean_loss(r, 1);
    memcpy(slope, stele__params_gradient(r->params), n * size);
    for (int s = 0; s < steps && isfinite(loss); s++) {
        memcpy(kept, values, n * size);
        for (size_t k = 0; k < n; k++) {
            if (r->plan.dtype == STELE_F64) {
                ((double *)values)[k] -= rate * ((double *)(void *)slope)[k];
            } else {
                ((float *)values)[k] -= (float)rate * ((float *)(void *)slope)[k];
            }
        }
        double after = mean_loss(r, 1);
        if (after <= loss) {
            loss = after;
            rate *= 1.3;
            memcpy(slope, stele__params_gradient(r->params), n * size);
        } else {
            memcpy(values, kept, n * size);
            rate *= 0.4;
        }
    }
    return loss;
}

void check_head_target(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 120, .latent = 2, .raw = 1 };
    stele_head_traits traits = { .struct_size = sizeof traits };
    if (rig_start(t, &plan, &r)) {
        if (r.vt->head.traits(r.inst, &traits) != STELE_OK || !isfinite(traits.gradient_scale) || traits.own_step > 1) {
            check_fail(t, "traits failed, or its figures make no sense");
        }
        double before = mean_loss(&r, 0);
        double after = descend(&r, 150, before);
        if (!(after < before - 0.1 * fabs(before))) {
            check_fail(t, "the loss goes from %.5g to %.5g only, though the target follows from z", before, after);
        }
    }
    rig_finish(&r);
}
