#include "train/folder.h"

#include "base/file.h"
#include "base/mem.h"
#include "train/schedule.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { LOG_BYTES = 1 << 30 };

char *stele__folder_path(const char *dir, const char *name)
{
    return stele__path_join(dir, name);
}

int stele__folder_has(const char *dir, const char *name)
{
    char *path = stele__folder_path(dir, name);
    int there = path != NULL && access(path, F_OK) == 0;
    stele__free(path);
    return there;
}

/* 1 if the folder holds anything but the first file of a training that was killed while writing it.
 */
static int occupied(DIR *d)
{
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, "spec.yaml.tmp") != 0) {
            return 1;
        }
    }
    return 0;
}

stele_status stele__folder_check(const char *dir, int resume, int *ret_kind, stele__diag *diag)
{
    DIR *d = opendir(dir);
    int any = d != NULL && occupied(d);
    if (d == NULL && errno != ENOENT) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot be used as run folder: %s",
                                 dir, strerror(errno));
    }
    if (d != NULL) {
        closedir(d);
    }
    int run = stele__folder_has(dir, "spec.yaml");
    if (any && !run) {
        stele__diag_error(diag, STELE_E_ARG, NULL, "%s: is not empty and holds no run", dir);
        stele__diag_hint(diag, "choose another folder with --run");
        return STELE_E_ARG;
    }
    if (run && !resume) {
        stele__diag_error(diag, STELE_E_ARG, NULL, "%s: holds a run already", dir);
        stele__diag_hint(diag, "go on with --resume, or choose another folder with --run");
        return STELE_E_ARG;
    }
    *ret_kind = run && stele__folder_has(dir, "last.safetensors") ? STELE__FOLDER_RESUMABLE
                                                                  : STELE__FOLDER_NEW;
    return STELE_OK;
}

static stele_status write_text(const char *dir, const char *name, const char *text, size_t len,
                               stele__diag *diag)
{
    char *path = stele__folder_path(dir, name);
    stele__writer w;
    stele_status status = path != NULL ? stele__writer_open(&w, path, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        (void)!fwrite(text, 1, len, w.stream); /* a failed write shows in commit */
        status = stele__writer_commit(&w, diag);
    }
    stele__free(path);
    return status;
}

stele_status stele__folder_lock(const char *dir, int *ret_lock, stele__diag *diag)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot be used as run folder: %s",
                                 dir, strerror(errno));
    }
    /* Some file systems cannot lock folders; then nothing can be said. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(fd);
        stele__diag_error(diag, STELE_E_IO, NULL, "%s: another training is at work there", dir);
        stele__diag_hint(diag, "wait for its end, or choose another folder with --run");
        return STELE_E_IO;
    }
    *ret_lock = fd;
    return STELE_OK;
}

static stele_status write_resolved(const char *dir, const stele__run *run, stele__diag *diag)
{
    stele__str text;
    stele__str_init(&text);
    stele_status status = stele__spec_resolve(run->spec, &text);
    if (status == STELE_OK) {
        status = text.failed ? STELE_E_NOMEM
                             : write_text(dir, "resolved.yaml", text.data, text.len, diag);
    }
    stele__str_finish(&text);
    return status;
}

static stele_status write_files(const char *dir, const stele__run *run, stele__diag *diag)
{
    size_t len = 0;
    const char *spec = stele__spec_doc_text(run->spec->doc, &len);
    char *state = stele__folder_path(dir, "data.json");
    stele_status status =
        state != NULL ? write_text(dir, "spec.yaml", spec, len, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = write_resolved(dir, run, diag);
    }
    if (status == STELE_OK) {
        status = stele__state_write(state, run->data, run->split, &run->model, diag);
    }
    stele__free(state);
    return status;
}

static void remove_files(const char *dir)
{
    static const char *const names[] = { "data.json", "resolved.yaml", "spec.yaml" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = stele__folder_path(dir, names[i]);
        if (path != NULL) {
            (void)unlink(path);
        }
        stele__free(path);
    }
}

stele_status stele__folder_begin(const char *dir, int resume, const stele__run *run, int *ret_lock,
                                 stele__diag *diag)
{
    int made = access(dir, F_OK) != 0, fresh = !stele__folder_has(dir, "spec.yaml"), lock = -1;
    int kind = STELE__FOLDER_NEW;
    stele_status status = stele__folder_create(dir, diag);
    if (status == STELE_OK) {
        status = stele__folder_lock(dir, &lock, diag);
    }
    if (status == STELE_OK) { /* reading the data took a while */
        status = stele__folder_check(dir, resume, &kind, diag);
    }
    if (status == STELE_OK && kind != STELE__FOLDER_NEW) {
        status = stele__diag_error(diag, STELE_E_IO, NULL,
                                   "%s: another training has used it meanwhile", dir);
    } else if (status == STELE_OK) {
        status = write_files(dir, run, diag);
        if (status != STELE_OK && fresh) {
            remove_files(dir);
        }
    }
    if (status != STELE_OK && made) {
        (void)rmdir(dir); /* only if it is empty */
    }
    if (status != STELE_OK && lock >= 0) {
        close(lock);
    } else {
        *ret_lock = lock;
    }
    return status;
}

stele_status stele__folder_resume(const char *dir, const stele__run *run, stele__diag *diag)
{
    return write_resolved(dir, run, diag);
}

/* The log of a training: its text, NULL if it cannot be read. */
static char *read_log(const char *dir, size_t *ret_len)
{
    char *path = stele__folder_path(dir, "metrics.jsonl"), *text = NULL;
    stele__diag ignored;
    stele__diag_init(&ignored);
    *ret_len = 0;
    if (path != NULL && stele__file_read(path, LOG_BYTES, &text, ret_len, &ignored) != STELE_OK) {
        text = NULL;
    }
    stele__diag_finish(&ignored);
    stele__free(path);
    return text;
}

/* The line that starts at *at, which moves behind it; NULL: it is no JSON. */
static json_t *next_line(const char **at, const char *end)
{
    const char *start = *at, *stop = memchr(start, '\n', (size_t)(end - start));
    stop = stop != NULL ? stop : end;
    *at = stop < end ? stop + 1 : end;
    return json_loadb(start, (size_t)(stop - start), 0, NULL);
}

/* Epochs in the log, -1 if it is damaged: whoever opens it says where. A line without an end was
 * being written when the training was killed. */
static int64_t logged_epochs(const char *text, size_t len)
{
    int64_t n = 0;
    for (const char *at = text, *end = text + len; memchr(at, '\n', (size_t)(end - at)) != NULL;) {
        json_t *line = next_line(&at, end);
        json_t *epoch = json_object_get(line, "epoch");
        if (line == NULL) {
            return -1;
        }
        n = json_integer_value(epoch) > n ? json_integer_value(epoch) : n;
        json_decref(line);
    }
    return n;
}

static stele_status refuse_incomplete(const char *dir, const char *name, stele__diag *diag,
                                      const char *what)
{
    stele__diag_error(diag, STELE_E_DATA, NULL, "%s/%s: %s", dir, name, what);
    stele__diag_hint(diag, "bring it back from a copy, or train anew in another folder with --run");
    return STELE_E_DATA;
}

stele_status stele__folder_complete(const char *dir, const stele__position *at, stele__diag *diag)
{
    char what[128];
    size_t len = 0;
    stele_status status = STELE_OK;
    if (at->plateau.best_epoch >= 0 && !stele__folder_has(dir, "best.safetensors")) {
        snprintf(what, sizeof what, "is missing: the parameters of epoch %lld, the best so far",
                 (long long)at->plateau.best_epoch + 1);
        status = refuse_incomplete(dir, "best.safetensors", diag, what);
    }
    if (!stele__folder_has(dir, "metrics.jsonl")) {
        return refuse_incomplete(dir, "metrics.jsonl", diag,
                                 "is missing: the log of the training so far");
    }
    char *text = read_log(dir, &len);
    int64_t n = text != NULL ? logged_epochs(text, len) : -1;
    stele__free(text);
    if (n >= 0 && n < at->epoch) {
        snprintf(what, sizeof what, "ends after epoch %lld, last.safetensors after epoch %lld",
                 (long long)n, (long long)at->epoch);
        status = refuse_incomplete(dir, "metrics.jsonl", diag, what);
    }
    return status;
}

static json_t *plugin_json(const stele__plugin *p)
{
    return json_pack("{s:s, s:s, s:s}", "id", p->desc.id, "version", p->desc.version, "origin",
                     p->origin);
}

static json_t *plugins_json(const stele__run *run, const stele__cast *plugins)
{
    json_t *list = json_array();
    for (size_t i = 0; i < run->spec->n_sources; i++) {
        json_array_append_new(list, plugin_json(plugins->source[i]));
    }
    for (size_t i = 0; i < run->spec->n_modalities; i++) {
        json_array_append_new(list, plugin_json(plugins->modality[i]));
    }
    json_array_append_new(list, plugin_json(plugins->fusion));
    for (size_t i = 0; i < run->spec->n_heads; i++) {
        json_array_append_new(list, plugin_json(plugins->head[i]));
    }
    return list;
}

/* Losses of the heads in the epoch of the best checkpoint, from the log: a resumed training knows
 * of earlier epochs by that alone. */
static json_t *heads_json(const char *dir, int64_t epoch)
{
    size_t len = 0;
    json_t *found = json_object();
    char *text = read_log(dir, &len);
    for (const char *at = text, *end = text != NULL ? text + len : NULL; at < end;) {
        json_t *line = next_line(&at, end);
        if (json_integer_value(json_object_get(line, "epoch")) == epoch) {
            json_t *train = json_object_get(json_object_get(line, "train"), "heads");
            json_t *valid = json_object_get(json_object_get(line, "valid"), "heads");
            json_object_set(found, "train", train);
            json_object_set(found, "valid", valid);
        }
        json_decref(line);
    }
    stele__free(text);
    return found;
}

static json_t *metrics_json(const stele_metric *metric, uint32_t n)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < n; i++) {
        json_object_set_new(all, metric[i].name,
                            isfinite(metric[i].value) ? json_real(metric[i].value) : json_null());
    }
    return all;
}

/* Of the heads that were to be calibrated. */
static json_t *calibration_json(const stele__model *m, const stele__head_calibration *head)
{
    json_t *all = json_object();
    for (uint32_t h = 0; h < m->n_heads; h++) {
        const stele__head_calibration *c = &head[h];
        if (c->asked) {
            json_object_set_new(all, stele__head_short_name(&m->head[h]),
                                json_pack("{s:I, s:o, s:o}", "rows", (json_int_t)c->n, "before",
                                          metrics_json(c->before, c->n_metrics), "after",
                                          metrics_json(c->after, c->n_metrics)));
        }
    }
    return all;
}

stele_status stele__folder_end(const char *dir, const stele__run *run, const stele__cast *plugins,
                               const stele__trained *trained, stele__diag *diag)
{
    size_t n_parameters = 0;
    const stele__plateau *p = &trained->at.plateau;
    const int by_elbo = run->spec->train->criterion == STELE__CRITERION_ELBO;
    for (uint32_t i = 0; i < stele__params_count(run->model.params); i++) {
        const stele__param *e = stele__params_entry(run->model.params, i);
        n_parameters += e->kind == STELE__TRAINED ? (size_t)e->n : 0;
    }
    json_t *rows = json_object();
    for (int i = 0; i < STELE__N_PARTS; i++) {
        json_object_set_new(rows, stele__part_name(i), json_integer(run->split->n[i]));
    }
    json_t *all =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:I, s:f, s:o, s:o}", "name",
                  run->spec->top->name, "seed", (json_int_t)run->spec->top->seed, "epochs",
                  (json_int_t)trained->at.epoch, "batch_size",
                  (json_int_t)stele__train_for(run->spec->train, run->split->n[STELE__TRAIN],
                                               run->split->n[STELE__VALID])
                      .batch_size,
                  "steps", (json_int_t)trained->at.step, "stopped_early", trained->stopped_early,
                  "best_epoch", p->best_epoch >= 0 ? json_integer(p->best_epoch + 1) : json_null(),
                  by_elbo ? "best_valid_elbo" : "best_valid_loss",
                  p->best_epoch >= 0 ? json_real(by_elbo ? p->best : -p->best) : json_null(),
                  "parameters", (json_int_t)n_parameters, "seconds", trained->seconds, "rows", rows,
                  "plugins", plugins_json(run, plugins));
    if (run->model.n_heads > 0 && all != NULL) {
        int64_t best = p->best_epoch >= 0 ? p->best_epoch + 1 : trained->at.epoch;
        json_object_set_new(all, "heads", heads_json(dir, best));
        if (trained->head != NULL) {
            json_object_set_new(json_object_get(all, "heads"), "calibration",
                                calibration_json(&run->model, trained->head));
        }
    }
    char *text = all != NULL ? json_dumps(all, JSON_INDENT(2)) : NULL;
    stele_status status =
        text != NULL ? write_text(dir, "summary.json", text, strlen(text), diag) : STELE_E_NOMEM;
    free(text);
    json_decref(all);
    return status;
}
