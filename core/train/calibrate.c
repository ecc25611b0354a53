/* Parameters that training rows would judge too kindly are fitted to the validation rows. */
#include "base/file.h"
#include "base/mem.h"
#include "model/infer.h"
#include "train/chains.h"
#include "train/loop.h"

#include <string.h>

/* What fusion rules are fitted to are importance samples (targets.h), of which few count where
 * there are many dimensions. Samples by chains (chains.h) are the better ones, but where encoders
 * are sure and wrong in a few dimensions, these alone would decide by their log-density how wide a
 * posterior has to be in all, and experts' factors would take its mean along. Chains therefore have
 * the last word on what moves widths alone, by a score that no dimension can rule.
 *
 * Rows per batch and batches in all: enough for a few parameters, whatever the data's size. */
enum { ROWS = 128, MAX_BATCHES = 16 };
/* Samples of the first rounds come from posteriors that are far off: later rounds forget them. */
enum { ROUNDS = 6, FORGET = 4, SAMPLES = 8, STEPS = 64 };
/* Chains cost more: they are drawn of fewer rows. */
enum { CHAIN_ROWS = 256, CHAIN_SAMPLES = 12 };
static const double calibration_lr = 0.1;

/* Parameters of fusion rules, and what heads have beside parameters. */
static int is_calibrated(const stele__param *p)
{
    return p->kind == STELE__TRAINED
               ? stele__group_is_calibrated(p->group)
               : p->kind == STELE__BUFFER && strncmp(p->name, "heads.", 6) == 0;
}

/* All that is calibrated, one behind the other, out of the params or back into them. */
static size_t copy_calibrated(stele__params *params, char *values, int into_params)
{
    size_t at = 0, real = stele__params_dtype(params) == STELE_F64 ? sizeof(double) : sizeof(float);
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        stele__param *p = stele__params_entry(params, i);
        size_t bytes = (size_t)p->n * real;
        if (!is_calibrated(p)) {
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

/* The best parameters of the training, with what is calibrated at its start: no step has changed
 * that. */
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

static stele_status failed(const stele__loop *l, stele_status status, stele__diag *diag)
{
    if (stele__graph_outcome(l->graph, status) == STELE_OK) {
        return status;
    }
    return stele__graph_report(l->t->model, l->graph, " in calibration", diag);
}

/* The batches of a calibration: some of the validation rows, each with samples of its own. */
typedef struct sampled {
    stele__batches order;
    int64_t n; /* batches in use */
    stele__targets target[MAX_BATCHES];
} sampled;

static void load_rows(stele__loop *l, sampled *s, int64_t i)
{
    const int64_t *row = NULL;
    int64_t n = stele__batches_get(&s->order, 0, i, &row);
    stele__batch_load(l->batch, n, row, 0);
}

/* One of those of targets.h and chains.h. */
typedef stele_status (*draw_of)(const stele__model *m, stele_graph *g, const stele__batch *b,
                                uint32_t n_samples, uint64_t seed, uint64_t step,
                                stele__targets *targets);

/* n_samples more for each batch, with the noise of a round. */
static stele_status draw(stele__loop *l, draw_of draw_fn, uint32_t n_samples, sampled *s,
                         int64_t round, stele__diag *diag)
{
    const stele__training *t = l->t;
    uint64_t seed = (uint64_t)t->spec->top->seed, address = (uint64_t)(l->at.step + round);
    stele_status status = STELE_OK;
    for (int64_t i = 0; i < s->n && status == STELE_OK; i++) {
        load_rows(l, s, i);
        s->target[i].n = round < FORGET ? 0 : s->target[i].n;
        status = draw_fn(t->model, l->graph, l->batch, n_samples, seed, address, &s->target[i]);
    }
    return status == STELE_OK ? STELE_OK : failed(l, status, diag);
}

/* One of those of targets.h. */
typedef stele_tensor *(*loss_of)(const stele__model *m, stele_graph *g, const stele__batch *b,
                                 const stele__targets *t);

static stele_status calibration_step(stele__loop *l, stele__group *group, loss_of loss_fn,
                                     sampled *s, int64_t i, double lr, int64_t step,
                                     stele__diag *diag)
{
    double norm = 0.0;
    const stele__training *t = l->t;
    stele__pass pass = { .record = 1, .seed = (uint64_t)t->spec->top->seed };
    load_rows(l, s, i);
    stele__graph_begin(l->graph, &pass);
    stele__params_begin_gradient(t->model->params);
    stele_tensor *loss = loss_fn(t->model, l->graph, l->batch, &s->target[i]);
    stele_status status = stele__graph_status(l->graph);
    if (status == STELE_OK && loss == NULL) {
        return STELE_OK;
    }
    if (status == STELE_OK) {
        status = stele__graph_backward(l->graph, loss);
    }
    if (status != STELE_OK) {
        return failed(l, status, diag);
    }
    stele__params_end_gradient(t->model->params);
    return stele__loop_update(l, group, lr, step, 0.0, &norm, diag);
}

/* Posteriors that start far too sharp widen from round to round, as in population Monte Carlo
 * (Cappe et al. 2004): the best of the samples lie at their edge. */
static stele_status fit(stele__loop *l, stele__group *group, sampled *s, stele__diag *diag)
{
    stele_status status = STELE_OK;
    int64_t step = 0;
    for (int64_t round = 0; status == STELE_OK && round < ROUNDS; round++) {
        status = draw(l, stele__targets_draw, SAMPLES, s, round, diag);
        for (int64_t k = 0; status == STELE_OK && k < STEPS; k++) {
            double lr = calibration_lr / (double)(round + 1);
            status = calibration_step(l, group, stele__targets_loss, s, k % s->n, lr, ++step, diag);
        }
    }
    return status;
}

/* The optimiser's moments of what is calibrated, as if no step had been taken. */
static void forget_steps(stele__params *params)
{
    size_t real = stele__params_dtype(params) == STELE_F64 ? sizeof(double) : sizeof(float);
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        const stele__param *p = stele__params_entry(params, i);
        for (int k = 0; k < 2 && p->kind == STELE__TRAINED && is_calibrated(p); k++) {
            memset(p->moment[k], 0, (size_t)p->n * real);
        }
    }
}

/* Derivatives where posteriors are far too sharp are larger by orders of magnitude than those near
 * the end. Moments of the first would make the last steps come to nothing: each round forgets. */
static stele_status fit_width(stele__loop *l, stele__group *width, sampled *s, stele__diag *diag)
{
    s->n =
        s->n * s->order.size > CHAIN_ROWS ? (CHAIN_ROWS + s->order.size - 1) / s->order.size : s->n;
    stele_status status = draw(l, stele__chains_draw, CHAIN_SAMPLES, s, ROUNDS, diag);
    for (int64_t round = 0; status == STELE_OK && round < ROUNDS; round++) {
        forget_steps(l->t->model->params);
        for (int64_t k = 0; status == STELE_OK && k < STEPS; k++) {
            double lr = calibration_lr / (double)(round + 1);
            status =
                calibration_step(l, width, stele__targets_width_loss, s, k % s->n, lr, k + 1, diag);
        }
    }
    return status;
}

static stele_status calibrate_fusion(stele__loop *l, stele__group *group, stele__diag *diag)
{
    const stele__training *t = l->t;
    const int64_t n = t->split->n[STELE__VALID];
    int64_t size = n < l->batch->capacity ? n : l->batch->capacity;
    sampled s = { 0 };
    stele__group width = { 0 };
    stele_status status =
        stele__batches_init(&s.order, t->split->row[STELE__VALID], n, size < ROWS ? size : ROWS,
                            (uint64_t)t->spec->top->seed, NULL, diag);
    if (status == STELE_OK) {
        s.n = s.order.n_batches < MAX_BATCHES ? s.order.n_batches : MAX_BATCHES;
        status = fit(l, group, &s, diag);
    }
    if (status == STELE_OK) {
        status = stele__group_init(l, STELE__GROUP_WIDTH, &width);
    }
    if (status == STELE_OK && width.n > 0) {
        status = fit_width(l, &width, &s, diag);
    }
    stele__group_finish(&width);
    for (int64_t i = 0; i < s.n; i++) {
        stele__targets_finish(&s.target[i]);
    }
    stele__batches_finish(&s.order);
    return status;
}

stele_status stele__loop_calibrate(stele__loop *l, stele__diag *diag)
{
    const int heads = stele__loop_has_heads(l);
    stele__group group = { 0 };
    stele_status status = stele__group_init(l, STELE__GROUP_CALIBRATED, &group);
    if (status == STELE_OK && l->t->split->n[STELE__VALID] > 0 && (group.n > 0 || heads)) {
        status = load_best(l, diag);
        if (status == STELE_OK && group.n > 0) {
            status = calibrate_fusion(l, &group, diag);
        }
        if (status == STELE_OK) {
            status = stele__loop_calibrate_heads(l, diag);
        }
        if (status == STELE_OK) {
            status = stele__loop_write_best(l, diag);
        }
        if (status == STELE_OK) {
            status = stele__loop_keep_best(l, diag);
        }
    } else if (status == STELE_OK) {
        status = stele__loop_calibrate_heads(l, diag);
    }
    stele__group_finish(&group);
    l->at.finished = STELE__ALL_DONE;
    return status;
}
