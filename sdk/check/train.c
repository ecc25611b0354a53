#include "train.h"

#include <math.h>
#include <string.h>

void train_backward(rig *r, const rig_output *loss)
{
    const double share = 1.0 / (double)loss->rows;
    double *one = rig_take(r, (size_t)loss->rows * sizeof *one + 1);
    for (int64_t i = 0; i < loss->rows; i++) {
        if (r->plan.dtype == STELE_F64) {
            one[i] = share;
        } else {
            ((float *)one)[i] = (float)share;
        }
    }
    const void *from = one;
    stele_tensor *t = loss->t;
    stele__params_begin_gradient(r->params);
    if (stele__graph_backward_from(r->graph, 1, &t, &from) != STELE_OK) {
        check_fail(r->t, "derivatives failed: %s", stele__graph_error(r->graph));
    }
    stele__params_end_gradient(r->params);
}

double train_loss(rig *r, int record)
{
    rig_result res;
    double sum = 0.0;
    if (!rig_compute(r, r->plan.rows, NULL, record, &res)) {
        return NAN;
    }
    const rig_output *loss = &res.out[res.n - 1];
    for (int64_t i = 0; i < loss->rows; i++) {
        sum += loss->value[i] / (double)loss->rows;
    }
    if (record) {
        train_backward(r, loss);
    }
    rig_result_finish(&res);
    return sum;
}

double train_descend(rig *r, int steps, double loss)
{
    size_t n = 0;
    void *values = stele__params_values(r->params, &n);
    size_t size = r->plan.dtype == STELE_F64 ? sizeof(double) : sizeof(float);
    char *kept = rig_take(r, n * size + 1), *slope = rig_take(r, n * size + 1);
    double rate = 0.1;
    train_loss(r, 1);
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
        double after = train_loss(r, 1);
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
