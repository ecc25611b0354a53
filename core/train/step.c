/* One optimiser step: batch, loss, derivatives, clipping, update. */
#include "graph/step.h"
#include "train/loop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whose figure is no number: what, and of whom; the loss as a whole if nobody stands out. */
static const char *culprit(const stele__model *m, const stele__loss_terms *terms,
                           const char **ret_what)
{
    *ret_what = "the log-likelihood";
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if (!isfinite(terms->log_px[i])) {
            return m->modality[i].name;
        }
    }
    *ret_what = "the loss";
    for (uint32_t i = 0; i < m->n_heads; i++) {
        if (!isfinite(terms->head[i])) {
            return m->head[i].name;
        }
    }
    return NULL;
}

/* Heads that the loss leaves out are looked at as well. */
static int all_finite(const stele__model *m, const stele__loss_terms *terms)
{
    int finite = isfinite(terms->loss) != 0;
    for (uint32_t i = 0; i < m->n_heads; i++) {
        finite = finite && isfinite(terms->head[i]);
    }
    return finite;
}

static int finite_n(const void *p, int64_t n, int f64)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(f64 ? ((const double *)p)[i] : (double)((const float *)p)[i])) {
            return 0;
        }
    }
    return 1;
}

/* First parameter whose derivative, or value, is no number. Of a derivative that was used on the
 * spot only the sum of squares is left. */
static const char *bad_parameter(stele__params *params, int derivative)
{
    int f64 = stele__params_dtype(params) == STELE_F64;
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        const stele__param *p = stele__params_entry(params, i);
        const void *v = derivative ? p->gradient : p->values;
        int stepped = derivative && p->has_gradient == STELE__STEPPED;
        if (stepped ? !isfinite(p->squares) : v != NULL && !finite_n(v, p->n, f64)) {
            return p->name;
        }
    }
    return NULL;
}

/* `when`: with the number of the step in it. */
static stele_status nonfinite(const stele__loop *l, const char *what, const char *where,
                              const char *when, stele__diag *diag)
{
    stele__diag_error(diag, STELE_E_NONFINITE, NULL, "%s%s%s is not a finite number %s", what,
                      where != NULL ? " of " : "", where != NULL ? where : "", when);
    char far[1024] = "";
    if (where != NULL) {
        stele__loop_say_far(l, where, sizeof far, far);
    }
    if (far[0] != '\0') {
        stele__diag_hint(diag, "%s", far);
    } else if (l->saved_step >= 0) {
        stele__diag_hint(diag,
                         "the last good checkpoint is %s/last.safetensors, of step %lld; try a "
                         "smaller train.optimiser.lr or a train.optimiser.clip_norm",
                         l->t->dir, (long long)l->saved_step);
    }
    return STELE_E_NONFINITE;
}

/* Of the derivatives that this update uses: those of other groups must not decide its clipping. The
 * segments of a group lie side by side. Most derivatives were measured where they were made. */
static double sum_squares(const stele__loop *l, const stele__group *group)
{
    stele__params *params = l->t->model->params;
    int f64 = stele__params_dtype(params) == STELE_F64;
    size_t begin = group->n > 0 ? group->segment[0].begin : 0;
    size_t end = group->n > 0 ? group->segment[group->n - 1].end : 0;
    double sum = 0.0;
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        const stele__param *p = stele__params_entry(params, i);
        if (p->gradient == NULL || p->offset < begin || p->offset >= end) {
            continue;
        } else if (p->has_gradient == STELE__MEASURED || p->has_gradient == STELE__STEPPED) {
            sum += p->squares;
        } else {
            sum += f64 ? stele__sum_squares_f64(l->t->pool, (size_t)p->n, p->gradient)
                       : stele__sum_squares_f32(l->t->pool, (size_t)p->n, p->gradient);
        }
    }
    return sum;
}

void stele__loop_when(const stele__loop *l, char *ret, size_t capacity)
{
    snprintf(ret, capacity, "at step %lld (epoch %lld, batch %lld)", (long long)l->at.step + 1,
             (long long)l->at.epoch + 1, (long long)l->at.batch + 1);
}

stele_status stele__loop_check_terms(const stele__loop *l, const stele__loss_terms *terms,
                                     const char *when, stele__diag *diag)
{
    const char *what = NULL;
    if (all_finite(l->t->model, terms)) {
        return STELE_OK;
    }
    const char *who = culprit(l->t->model, terms, &what);
    return nonfinite(l, what, who, when, diag);
}

stele_status stele__loop_check_valid(const stele__loop *l, const stele__loss_terms *valid,
                                     stele__diag *diag)
{
    char when[96];
    snprintf(when, sizeof when, "on the validation rows after step %lld (epoch %lld)",
             (long long)l->at.step, (long long)l->at.epoch + 1);
    return stele__loop_check_terms(l, valid, when, diag);
}

stele_status stele__loop_check_values(const stele__loop *l, stele__diag *diag)
{
    stele__params *params = l->t->model->params;
    size_t n = 0;
    char when[64];
    const void *w = stele__params_values(params, &n);
    double squares = stele__params_dtype(params) == STELE_F64
                         ? stele__sum_squares_f64(l->t->pool, n, w)
                         : stele__sum_squares_f32(l->t->pool, n, w);
    snprintf(when, sizeof when, "after step %lld", (long long)l->at.step);
    return isfinite(squares) ? STELE_OK
                             : nonfinite(l, "the value", bad_parameter(params, 0), when, diag);
}

static stele__adamw optimiser_at(const stele__loop *l, double lr, int64_t step)
{
    return (stele__adamw){ .lr = lr,
                           .beta1 = l->spec.optimiser.betas.v[0],
                           .beta2 = l->spec.optimiser.betas.v[1],
                           .eps = l->spec.optimiser.eps,
                           .grad_scale = 1.0,
                           .step = step };
}

/* Cut begin .. end - 1 out of the n segments; how many there are then. */
static size_t cut(stele__adamw_segment *s, size_t n, size_t begin, size_t end)
{
    size_t i = 0;
    while (i < n && s[i].end <= begin) {
        i++;
    }
    if (i == n || s[i].begin > begin) {
        return n;
    }
    memmove(s + i + 1, s + i, (n - i) * sizeof *s);
    s[i].end = begin;
    s[i + 1].begin = end;
    return n + 1;
}

/* What the update still has to step: all but the parameters that were stepped within the pass. */
static size_t remaining_segments(const stele__loop *l, stele__group *group)
{
    stele__params *params = l->t->model->params;
    size_t n = group->n;
    memcpy(group->remaining, group->segment, n * sizeof *group->segment);
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        const stele__param *p = stele__params_entry(params, i);
        if (p->has_gradient == STELE__STEPPED) {
            n = cut(group->remaining, n, p->offset, p->offset + stele__param_extent(p));
        }
    }
    return n;
}

stele_status stele__loop_update(stele__loop *l, stele__group *group, double lr, int64_t step,
                                double clip_norm, double *ret_norm, stele__diag *diag)
{
    stele__params *params = l->t->model->params;
    size_t n_values = 0;
    void *w = stele__params_values(params, &n_values);
    void *g = stele__params_gradient(params), *m = stele__params_moment(params, 1),
         *v = stele__params_moment(params, 2);
    int f64 = stele__params_dtype(params) == STELE_F64;
    stele__adamw opt = optimiser_at(l, lr, step);
    double squares = sum_squares(l, group);
    if (!isfinite(squares)) {
        char when[96];
        stele__loop_when(l, when, sizeof when);
        return nonfinite(l, "the derivative", bad_parameter(params, 1), when, diag);
    }
    *ret_norm = sqrt(squares);
    l->ended[STELE__PHASE_NORM] = stele__now();
    if (clip_norm > 0.0 && *ret_norm > clip_norm) {
        opt.grad_scale = clip_norm / *ret_norm;
    }
    size_t n = remaining_segments(l, group);
    if (f64) {
        stele__adamw_step_f64(l->t->pool, &opt, group->remaining, n, w, g, m, v);
    } else {
        stele__adamw_step_f32(l->t->pool, &opt, group->remaining, n, w, g, m, v);
    }
    return STELE_OK;
}

stele_status stele__loop_backward(stele__loop *l, stele_tensor *loss, stele__diag *diag)
{
    stele_status status = stele__graph_status(l->graph);
    if (status == STELE_OK && loss != NULL) {
        status = stele__graph_backward(l->graph, loss);
    }
    if (status != STELE_OK) {
        char when[48];
        snprintf(when, sizeof when, " at step %lld", (long long)l->at.step + 1);
        return stele__graph_report(l->t->model, l->graph, when, diag);
    }
    stele__params_end_gradient(l->t->model->params);
    return STELE_OK;
}

/* How far the warm-up of each head's weight has come. */
static void set_ramp(stele__loop *l)
{
    const stele__spec *spec = l->t->spec;
    for (uint32_t h = 0; h < l->t->model->n_heads; h++) {
        const stele__head_spec *host = stele__head_host(&spec->head[h]);
        stele__beta_spec ramp = { .to = 1.0,
                                  .epochs = host->warmup_epochs,
                                  .steps = host->warmup_steps };
        l->ramp[h] = stele__beta_at(&ramp, l->at.step, l->batches.n_batches);
    }
}

/* Loss and derivatives of the batch that is loaded, and what needs no more than those. */
static stele_status model_pass(stele__loop *l, double lr, stele_tensor **ret_loss,
                               stele__loss_terms *ret, stele__diag *diag)
{
    const stele__training *t = l->t;
    uint64_t seed = (uint64_t)t->spec->top->seed, step = (uint64_t)l->at.step;
    stele__step_within within = { .opt = optimiser_at(l, lr, l->at.step + 1),
                                  .weight_decay = l->spec.optimiser.weight_decay,
                                  .group = STELE__GROUP_MODEL };
    /* Clipping needs all derivatives before the first step. */
    int clips = l->spec.optimiser.clip_norm > 0.0;
    stele__pass pass = { .training = 1,
                         .record = 1,
                         .seed = seed,
                         .step = step,
                         .step_within = clips ? NULL : &within };
    set_ramp(l);
    stele__graph_begin(l->graph, &pass);
    stele__params_begin_gradient(t->model->params);
    double beta = stele__beta_at(&t->spec->objective->beta, l->at.step, l->batches.n_batches);
    stele__objective objective = l->objective;
    objective.head_factor = l->ramp;
    *ret_loss =
        stele__objective_loss(t->model, l->graph, l->batch, &objective, beta, seed, step, ret);
    l->ended[STELE__PHASE_FORWARD] = stele__now();
    if (stele__graph_status(l->graph) == STELE_OK && *ret_loss != NULL) {
        char when[96];
        stele__loop_when(l, when, sizeof when);
        stele_status status = stele__loop_check_terms(l, ret, when, diag);
        if (status != STELE_OK) {
            return status;
        }
    }
    return stele__loop_backward(l, *ret_loss, diag);
}

stele_status stele__loop_step(stele__loop *l, stele__loss_terms *ret, stele__diag *diag)
{
    const int64_t *row = NULL;
    stele_tensor *loss = NULL;
    int64_t n = stele__batches_get(&l->batches, l->at.epoch, l->at.batch, &row);
    double lr = stele__lr_at(&l->spec, l->at.step, l->batches.n_batches, l->at.plateau.reduction);
    stele_status status = STELE_OK;
    stele__batch_load(l->batch, n, row, 0);
    l->ended[STELE__PHASE_BATCH] = stele__now();
    if (l->heads.n > 0) {
        status = stele__loop_step_heads(l, lr, diag);
    }
    if (status == STELE_OK) {
        status = model_pass(l, lr, &loss, ret, diag);
        l->ended[STELE__PHASE_BACKWARD] = stele__now();
    }
    if (status == STELE_OK && loss != NULL) {
        status = stele__loop_update(l, &l->model, lr, l->at.step + 1, l->spec.optimiser.clip_norm,
                                    &l->grad_norm, diag);
    }
    l->ended[STELE__PHASE_UPDATE] = stele__now();
    if (status == STELE_OK) {
        l->at.step++;
        l->at.batch++;
    }
    return status;
}
