#include "train/train.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/uncertainty.h"
#include "train/load.h"
#include "train/loop.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double stele__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

stele__objective stele__objective_of(const stele__objective_spec *spec)
{
    return (stele__objective){ .single = spec->single,
                               .n_random = (uint32_t)spec->n_random,
                               .reconstruct = spec->reconstruct,
                               .bound = spec->bound,
                               .n_samples = (uint32_t)spec->samples,
                               .subset_weight = spec->subset_weight,
                               .contrast = spec->contrast,
                               .distil = spec->distil };
}

/* Take the means of one batch into running sums weighted by rows, and back. */
static void add_terms(const stele__model *m, stele__loss_terms *sums, const stele__loss_terms *one)
{
    double n = (double)one->n;
    sums->loss += n * one->loss;
    sums->elbo += n * one->elbo;
    sums->divergence += n * one->divergence;
    sums->n += one->n;
    sums->contrast += one->contrast;
    sums->n_contrast += one->n_contrast;
    sums->distil += one->distil;
    sums->n_distil += one->n_distil;
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        sums->log_px[i] += one->log_px[i];
        sums->n_px[i] += one->n_px[i];
    }
    for (uint32_t i = 0; i < m->n_heads; i++) {
        sums->head[i] += one->head[i];
        sums->n_head[i] += one->n_head[i];
    }
}

static stele__loss_terms mean_terms(const stele__loss_terms *sums)
{
    stele__loss_terms mean = *sums;
    double n = sums->n > 0 ? (double)sums->n : 1.0;
    mean.loss /= n;
    mean.elbo /= n;
    mean.divergence /= n;
    return mean;
}

stele_status stele__loss_over(const stele__model *m, stele_graph *g, stele__batch *b,
                              const stele__objective *o, double beta, const int64_t *row, int64_t n,
                              uint64_t seed, stele__loss_terms *ret)
{
    stele__loss_terms sums = { 0 };
    for (int64_t at = 0; at < n; at += b->capacity) {
        stele__loss_terms one;
        stele__pass pass = { .seed = seed, .step = UINT64_MAX };
        stele__batch_load(b, n - at < b->capacity ? n - at : b->capacity, row + at, 0);
        stele__graph_begin(g, &pass);
        (void)stele__objective_loss(m, g, b, o, beta, seed, UINT64_MAX, &one);
        if (stele__graph_status(g) != STELE_OK) {
            return stele__graph_status(g);
        }
        add_terms(m, &sums, &one);
    }
    *ret = mean_terms(&sums);
    return STELE_OK;
}

static char *in_dir(const stele__loop *l, const char *name)
{
    return stele__path_join(l->t->dir, name);
}

static stele_status say_kept(const stele__loop *l, stele_status status, stele__diag *diag)
{
    if (status == STELE_E_IO && l->saved_step >= 0) {
        stele__diag_hint(diag,
                         "the last good checkpoint, of step %lld, is kept; once there is room, go "
                         "on with --resume",
                         (long long)l->saved_step);
    }
    return status;
}

static stele_status write_checkpoint(stele__loop *l, const char *name, int moments,
                                     stele__diag *diag)
{
    char *path = in_dir(l, name);
    stele_status status = path != NULL ? stele__loop_check_values(l, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__checkpoint_write(path, l->t->model->params, moments, &l->at,
                                         l->t->fingerprint, diag);
    }
    stele__free(path);
    return say_kept(l, status, diag);
}

stele_status stele__loop_write_best(stele__loop *l, stele__diag *diag)
{
    stele_status status = write_checkpoint(l, "best.safetensors", 0, diag);
    l->best_is_hasty |= status == STELE_OK;
    return status;
}

stele_status stele__loop_keep_best(stele__loop *l, stele__diag *diag)
{
    char *path = l->best_is_hasty ? in_dir(l, "best.safetensors") : NULL;
    if (path == NULL) {
        return l->best_is_hasty ? STELE_E_NOMEM : STELE_OK;
    }
    stele_status status = stele__file_sync(path, diag);
    stele__free(path);
    l->best_is_hasty = status != STELE_OK;
    return say_kept(l, status, diag);
}

stele_status stele__loop_write_last(stele__loop *l, stele__diag *diag)
{
    stele_status status = stele__loop_keep_best(l, diag);
    if (status == STELE_OK) {
        status = say_kept(l, stele__metrics_sync(l->metrics, diag), diag);
    }
    if (status == STELE_OK) {
        status = write_checkpoint(l, "last.safetensors", 1, diag);
    }
    if (status == STELE_OK) {
        l->saved_step = l->at.step;
        l->saved_at = stele__now();
    }
    return status;
}

/* Of the learning rate. */
static double rate_of(const stele__loop *l, uint32_t group)
{
    double rate = group >= STELE__GROUP_HEADS
                      ? l->t->model->head[group - STELE__GROUP_HEADS].traits.step_rate
                      : 1.0;
    return rate > 0.0 ? rate : 1.0;
}

stele_status stele__group_init(const stele__loop *l, uint32_t group, stele__group *ret)
{
    size_t n = 0;
    stele__params *params = l->t->model->params;
    const stele__segment *s = stele__params_segments(params, &n);
    memset(ret, 0, sizeof *ret);
    ret->segment = stele__calloc(n, sizeof *ret->segment);
    ret->remaining = stele__calloc(n + stele__params_count(params), sizeof *ret->remaining);
    if (ret->segment == NULL || ret->remaining == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i].group == group || (group == STELE__GROUP_HEADS && s[i].group > group) ||
            (group == STELE__GROUP_CALIBRATED && stele__group_is_calibrated(s[i].group))) {
            ret->segment[ret->n++] =
                (stele__adamw_segment){ .begin = s[i].begin,
                                        .end = s[i].begin + s[i].n,
                                        .weight_decay = s[i].decay * l->spec.optimiser.weight_decay,
                                        .lr_scale = rate_of(l, s[i].group) };
        }
    }
    return STELE_OK;
}

void stele__group_finish(stele__group *group)
{
    stele__free(group->segment);
    stele__free(group->remaining);
    memset(group, 0, sizeof *group);
}

stele_status stele__loop_init(const stele__training *t, stele__loop *l, stele__diag *diag)
{
    memset(l, 0, sizeof *l);
    l->t = t;
    l->spec =
        stele__train_for(t->spec->train, t->split->n[STELE__TRAIN], t->split->n[STELE__VALID]);
    l->objective = stele__objective_of(t->spec->objective);
    l->saved_step = -1;
    l->divergence = (double)NAN;
    stele__plateau_init(&l->at.plateau);
    stele__place place = { .path = "train.batch_size" };
    const int64_t n = t->split->n[STELE__TRAIN];
    const int64_t size = l->spec.batch_size;
    stele_status status = stele__batches_init(&l->batches, t->split->row[STELE__TRAIN], n, size,
                                              (uint64_t)t->spec->top->seed, &place, diag);
    if (status == STELE_OK) {
        status = stele__batch_create(t->model, t->data, size, &l->batch);
    }
    if (status == STELE_OK) {
        status = stele__graph_create(t->pool, stele__params_dtype(t->model->params), &l->graph);
    }
    if (status == STELE_OK) {
        status = stele__group_init(l, STELE__GROUP_MODEL, &l->model);
    }
    return status == STELE_OK ? stele__group_init(l, STELE__GROUP_HEADS, &l->heads) : status;
}

static stele_status open_log(stele__loop *l, stele__diag *diag)
{
    char *path = in_dir(l, "metrics.jsonl");
    if (path == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status =
        stele__metrics_open(path, l->t->resume ? l->at.step : -1, &l->metrics, diag);
    stele__free(path);
    return status;
}

/* Asked anew of a checkpoint: more epochs or more patience may be wanted now. */
static int32_t stage_of(const stele__loop *l)
{
    int over = l->at.batch == 0 &&
               (l->at.epoch >= l->spec.epochs || stele__plateau_stop(&l->at.plateau, &l->spec));
    return over ? STELE__EPOCHS_DONE : STELE__TRAINING;
}

/* summary.json says that the training has come to its end. */
static stele_status read_stage(stele__loop *l)
{
    char *summary = in_dir(l, "summary.json");
    if (summary == NULL) {
        return STELE_E_NOMEM;
    }
    l->saved_step = l->at.step;
    l->at.finished = stage_of(l);
    if (l->at.finished == STELE__TRAINING) {
        (void)unlink(summary);
    } else if (access(summary, F_OK) == 0) {
        l->at.finished = STELE__ALL_DONE;
    }
    stele__free(summary);
    return STELE_OK;
}

/* What is made of rows goes by the parameters that were read, and batches by what is made. */
static stele_status prepare_again(stele__loop *l, stele__diag *diag)
{
    const int64_t capacity = l->batch->capacity;
    stele__batch_destroy(l->batch);
    l->batch = NULL;
    stele_status status = stele__modalities_prepare(l->t->model, l->t->data, diag);
    return status == STELE_OK ? stele__batch_create(l->t->model, l->t->data, capacity, &l->batch)
                              : status;
}

static stele_status start(stele__loop *l, stele__diag *diag)
{
    if (!l->t->resume) {
        stele_status status = open_log(l, diag);
        return status == STELE_OK ? stele__loop_write_last(l, diag) : status;
    }
    char *path = in_dir(l, "last.safetensors");
    if (path == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status =
        stele__checkpoint_read(path, l->t->model->params, 1, l->t->fingerprint, &l->at, diag);
    stele__free(path);
    if (status == STELE_OK) {
        status = prepare_again(l, diag);
    }
    if (status == STELE_OK) {
        status = read_stage(l);
    }
    return status == STELE_OK ? open_log(l, diag) : status;
}

void stele__loop_finish(stele__loop *l)
{
    stele__batches_finish(&l->batches);
    stele__batch_destroy(l->batch);
    stele__graph_destroy(l->graph);
    stele__metrics_close(l->metrics);
    stele__group_finish(&l->model);
    stele__group_finish(&l->heads);
}

static json_t *terms_json(const stele__model *m, const stele__loss_terms *terms)
{
    json_t *log_px = json_object(), *heads = m->n_heads > 0 ? json_object() : NULL;
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        double n = (double)terms->n_px[i];
        json_object_set_new(log_px, m->modality[i].name,
                            n > 0.0 ? json_real(terms->log_px[i] / n) : json_null());
    }
    for (uint32_t i = 0; i < m->n_heads; i++) {
        double n = (double)terms->n_head[i];
        json_object_set_new(heads, stele__head_short_name(&m->head[i]),
                            n > 0.0 ? json_real(terms->head[i] / n) : json_null());
    }
    json_t *contrast =
        terms->n_contrast > 0 ? json_real(terms->contrast / (double)terms->n_contrast) : NULL;
    json_t *distil =
        terms->n_distil > 0 ? json_real(terms->distil / (double)terms->n_distil) : NULL;
    return json_pack("{s:f, s:f, s:f, s:o, s:o*, s:o*, s:o*}", "loss", terms->loss, "elbo",
                     terms->elbo, "kl", terms->divergence, "log_likelihood", log_px, "heads", heads,
                     "contrast", contrast, "distil", distil);
}

static stele_status log_epoch(stele__loop *l, const stele__loss_terms *train,
                              const stele__loss_terms *valid, stele__diag *diag)
{
    int64_t step = l->at.step;
    double lr = stele__lr_at(&l->spec, step - 1, l->batches.n_batches, l->at.plateau.reduction);
    double beta = stele__beta_at(&l->t->spec->objective->beta, step - 1, l->batches.n_batches);
    json_t *line = json_pack("{s:I, s:I, s:f, s:f, s:f, s:o}", "step", (json_int_t)step, "epoch",
                             (json_int_t)l->at.epoch + 1, "lr", lr, "beta", beta, "grad_norm",
                             l->grad_norm, "train", terms_json(l->t->model, train));
    if (line != NULL && valid != NULL) {
        json_object_set_new(line, "valid", terms_json(l->t->model, valid));
    }
    if (line == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = stele__metrics_write(l->metrics, line, diag);
    json_decref(line);
    return status;
}

static void report(stele__loop *l, const stele__loss_terms *terms, const stele__loss_terms *valid,
                   int epoch_end, int improved)
{
    double seconds = stele__now() - l->epoch_started;
    double per_epoch = (double)l->batches.n_batches;
    double done = (double)l->at.batch;
    double left = ((double)(l->spec.epochs - l->at.epoch) * per_epoch - done) *
                  (stele__now() - l->started) / (double)(l->steps_run > 0 ? l->steps_run : 1);
    stele__progress p = { .epoch = l->at.epoch,
                          .n_epochs = l->spec.epochs,
                          .batch = l->at.batch,
                          .n_batches = l->batches.n_batches,
                          .step = l->at.step,
                          .model = l->t->model,
                          .terms = terms,
                          .valid = valid,
                          .epoch_end = epoch_end,
                          .improved = improved,
                          .rows_per_second =
                              seconds > 0.0 ? (double)l->rows_this_epoch / seconds : 0.0,
                          .seconds_left = left };
    if (l->t->report != NULL) {
        l->t->report(l->t->report_ctx, &p);
    }
}

/* Small models make hundreds of epochs in the time that a disk takes to confirm a file. */
static int last_is_due(const stele__loop *l)
{
    static const double most_seconds = 2.0;
    const int64_t every = l->spec.checkpoint.every_epochs;
    if (l->at.finished) {
        return 1;
    }
    return every > 0 ? l->at.epoch % every == 0 : stele__now() - l->saved_at >= most_seconds;
}

/* Validate, log, keep the best, move to the next epoch. Without validation rows the last epoch is
 * the best. */
static stele_status end_epoch(stele__loop *l, stele__diag *diag)
{
    const stele__training *t = l->t;
    stele__loss_terms train = mean_terms(&l->at.sums), valid = { 0 };
    int64_t n_valid = t->split->n[STELE__VALID];
    stele_status status = STELE_OK;
    if (n_valid > 0) {
        status = stele__loss_over(t->model, l->graph, l->batch, &l->objective,
                                  t->spec->objective->beta.to, t->split->row[STELE__VALID], n_valid,
                                  (uint64_t)t->spec->top->seed, &valid);
        if (status != STELE_OK) {
            return stele__graph_report(t->model, l->graph, " in validation", diag);
        }
        status = stele__loop_check_valid(l, &valid, diag);
        if (status != STELE_OK) {
            return status;
        }
    }
    /* Before the plateau lowers the rate: the log has that of the steps that were made. */
    status = log_epoch(l, &train, n_valid > 0 ? &valid : NULL, diag);
    double figure = l->spec.criterion == STELE__CRITERION_ELBO ? valid.elbo : -valid.loss;
    int improved =
        n_valid > 0 ? stele__plateau_add(&l->at.plateau, &l->spec, l->at.epoch, figure) : 1;
    if (improved) {
        l->divergence = n_valid > 0 ? valid.divergence : train.divergence;
    }
    report(l, &train, n_valid > 0 ? &valid : NULL, 1, improved);
    l->at.epoch++;
    l->at.batch = 0;
    memset(&l->at.sums, 0, sizeof l->at.sums);
    l->at.finished = stage_of(l);
    if (status == STELE_OK && improved) {
        status = stele__loop_write_best(l, diag);
    }
    if (status == STELE_OK && last_is_due(l)) {
        status = stele__loop_write_last(l, diag);
    }
    return status;
}

static stele_status run_epoch(stele__loop *l, stele__diag *diag)
{
    stele_status status = STELE_OK;
    l->epoch_started = stele__now();
    l->rows_this_epoch = 0;
    while (status == STELE_OK && l->at.batch < l->batches.n_batches) {
        stele__loss_terms terms;
        status = stele__loop_step(l, &terms, diag);
        if (status != STELE_OK) {
            return status;
        }
        add_terms(l->t->model, &l->at.sums, &terms);
        l->rows_this_epoch += l->batch->n;
        l->steps_run++;
        report(l, &terms, NULL, 0, 0);
        if (l->t->interrupted != NULL && *l->t->interrupted && l->at.batch < l->batches.n_batches) {
            status = stele__loop_write_last(l, diag);
            return status == STELE_OK ? STELE_E_INTERRUPTED : status;
        }
    }
    status = end_epoch(l, diag);
    if (status == STELE_OK && l->t->interrupted != NULL && *l->t->interrupted && !l->at.finished) {
        status = stele__loop_write_last(l, diag);
        return status == STELE_OK ? STELE_E_INTERRUPTED : status;
    }
    return status;
}

stele_status stele__train(const stele__training *t, stele__trained *ret, stele__diag *diag)
{
    stele__loop l;
    stele_status status = stele__loop_init(t, &l, diag);
    if (status == STELE_OK) {
        status = start(&l, diag);
    }
    l.started = stele__now();
    ret->was_done = status == STELE_OK && l.at.finished == STELE__ALL_DONE;
    while (status == STELE_OK && !l.at.finished) {
        status = run_epoch(&l, diag);
    }
    if (status == STELE_OK && l.at.finished == STELE__EPOCHS_DONE) {
        stele__uncertainty_warn(t->model, diag);
        status = stele__loop_warn_silent(&l, diag);
        status = status == STELE_OK ? stele__loop_calibrate(&l, diag) : status;
    }
    ret->head = l.calibrated;
    ret->at = l.at;
    ret->divergence = l.divergence;
    ret->stopped_early = l.at.finished && l.at.epoch < l.spec.epochs;
    ret->seconds = stele__now() - l.started;
    stele__loop_finish(&l);
    return status;
}
