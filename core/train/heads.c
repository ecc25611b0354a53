/* Heads with a step of their own: they answer to the z of this moment before the model moves on. */
#include "train/loop.h"

/* A pass of its own at the same noise address: the z that the head learns from is the one that the
 * model's pass will show it. Nothing is stepped within it, as only the heads' derivatives exist. */
stele_status stele__loop_step_heads(stele__loop *l, double lr, stele__diag *diag)
{
    const stele__training *t = l->t;
    stele__loss_terms terms;
    stele__pass pass = { .training = 1,
                         .record = 1,
                         .seed = (uint64_t)t->spec->top->seed,
                         .step = (uint64_t)l->at.step };
    stele__graph_begin(l->graph, &pass);
    stele__params_begin_gradient(t->model->params);
    stele_tensor *loss = stele__objective_own_steps(t->model, l->graph, l->batch, &l->objective,
                                                    pass.seed, pass.step, &terms);
    stele_status status = STELE_OK;
    double norm = 0.0;
    if (loss != NULL) {
        char when[96];
        stele__loop_when(l, when, sizeof when);
        status = stele__loop_check_terms(l, &terms, when, diag);
    }
    if (status == STELE_OK) {
        status = stele__loop_backward(l, loss, diag);
    }
    if (status == STELE_OK && loss != NULL) {
        status = stele__loop_update(l, &l->heads, lr, l->at.step + 1, l->spec.optimiser.clip_norm,
                                    &norm, diag);
    }
    return status;
}
