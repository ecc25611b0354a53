/* Parameters that training rows would judge too kindly are fitted to the validation rows. */
#include "base/file.h"
#include "base/mem.h"
#include "train/loop.h"

#include <string.h>

enum { EPOCHS = 30, MIN_STEPS = 100 };
static const double calibration_lr = 0.05;

/* Values of all calibrated parameters, one behind the other, out of the params or back into them.
 */
static size_t copy_calibrated(stele__params *params, char *values, int into_params)
{
    size_t at = 0, real = stele__params_dtype(params) == STELE_F64 ? sizeof(double) : sizeof(float);
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        stele__param *p = stele__params_entry(params, i);
        size_t bytes = (size_t)p->n * real;
        if (p->kind != STELE__TRAINED || p->group != STELE__GROUP_CALIBRATED) {
            continue;
        }
        if (values != NULL && into_params) {
            memcpy(p->values, values + at, bytes);
        } else if (values != NULL) {
            memcpy(values + at, p->values, bytes);
        }
        at += bytes;
    }
    return at;
}

/* The best parameters of the training, with the calibrated ones at their start: those were never
 * stepped. */
static stele_status load_best(stele__loop *l, stele__diag *diag)
{
    stele__params *params = l->t->model->params;
    char *start = stele__malloc(copy_calibrated(params, NULL, 0));
    char *path = stele__path_join(l->t->dir, "best.safetensors");
    stele_status status = start != NULL && path != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        copy_calibrated(params, start, 0);
        status = stele__checkpoint_read(path, params, 0, l->t->fingerprint, NULL, diag);
    }
    if (status == STELE_OK) {
        copy_calibrated(params, start, 1);
    }
    stele__free(start);
    stele__free(path);
    return status;
}

static stele_status calibration_step(stele__loop *l, stele__group *group, const int64_t *row,
                                     int64_t n, int64_t step, stele__diag *diag)
{
    static const stele__objective joint = { .reconstruct = STELE__RECONSTRUCT_PRESENT,
                                            .calibrating = 1 };
    const stele__training *t = l->t;
    uint64_t seed = (uint64_t)t->spec->top->seed, address = (uint64_t)(l->at.step + step);
    stele__loss_terms terms;
    double norm = 0.0;
    stele__pass pass = { .record = 1, .seed = seed, .step = address };
    stele__batch_load(l->batch, n, row, 0);
    stele__graph_begin(l->graph, &pass);
    stele__params_begin_gradient(t->model->params);
    stele_tensor *loss =
        stele__objective_loss(t->model, l->graph, l->batch, &joint, 1.0, seed, address, &terms);
    stele_status status = stele__graph_status(l->graph);
    if (status == STELE_OK && loss != NULL) {
        status = stele__graph_backward(l->graph, loss);
    }
    if (status != STELE_OK || loss == NULL) {
        return stele__diag_error(diag, status, NULL, "calibration failed: %s",
                                 stele__graph_error(l->graph));
    }
    stele__params_end_gradient(t->model->params);
    return stele__loop_update(l, group, calibration_lr, step + 1, 0.0, &norm, diag);
}

stele_status stele__loop_calibrate(stele__loop *l, stele__diag *diag)
{
    const stele__training *t = l->t;
    int64_t n_valid = t->split->n[STELE__VALID], step = 0;
    stele__batches order = { 0 };
    stele__group group = { 0 };
    stele_status status = stele__group_init(l, STELE__GROUP_CALIBRATED, &group);
    if (status == STELE_OK && n_valid > 0 && group.n > 0) {
        int64_t size = n_valid < l->batch->capacity ? n_valid : l->batch->capacity;
        status = load_best(l, diag);
        if (status == STELE_OK) {
            status = stele__batches_init(&order, t->split->row[STELE__VALID], n_valid, size,
                                         (uint64_t)t->spec->top->seed, NULL, diag);
        }
        for (int64_t epoch = 0; status == STELE_OK && (epoch < EPOCHS || step < MIN_STEPS);
             epoch++) {
            for (int64_t i = 0; status == STELE_OK && i < order.n_batches; i++) {
                const int64_t *row = NULL;
                int64_t n = stele__batches_get(&order, epoch, i, &row);
                status = calibration_step(l, &group, row, n, step++, diag);
            }
        }
        if (status == STELE_OK) {
            status = stele__loop_write(l, "best.safetensors", 0, diag);
        }
        stele__batches_finish(&order);
    }
    stele__group_finish(&group);
    l->at.finished = STELE__ALL_DONE;
    return status;
}
