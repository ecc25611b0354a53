/* stele train SPEC [--set key=value]... [--run DIR] [--resume] [--threads N] [--quiet] */
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "eval/evaluation.h"
#include "eval/reference.h"
#include "plugin/crash.h"
#include "train/folder.h"
#include "train/prior.h"
#include "train/schedule.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

/* The first interruption ends the step, the second the program: a step may have no end. */
static void on_interrupt(int sig)
{
    if (interrupted) {
        stele__crash_interrupted(sig);
    }
    interrupted = 1;
}

typedef struct options {
    stele__spec_arguments spec;
    const char *dir;
    int resume, quiet;
    char threads[64], said[64]; /* the assignment made from --threads, and how it was given */
} options;

/* An exit code if the command line is wrong, else STELE__EXIT_OK. */
static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "set", required_argument, NULL, STELE__OPTION_SET },
                                           { "run", required_argument, NULL, 'r' },
                                           { "resume", no_argument, NULL, 'c' },
                                           { "threads", required_argument, NULL, 't' },
                                           { "quiet", no_argument, NULL, 'q' },
                                           { 0 } };
    for (int c; (c = stele__cli_option(argc, argv, ":", longs)) != -1;) {
        if ((c == STELE__OPTION_SET || c == 't') && o->spec.n_sets == STELE__MOST_SETS) {
            return stele__cli_usage_error(argv[0], "more than %d times --set", STELE__MOST_SETS);
        } else if (c == STELE__OPTION_SET) {
            o->spec.set[o->spec.n_sets++] = optarg;
        } else if (c == 't') {
            snprintf(o->threads, sizeof o->threads, "train.threads=%s", optarg);
            snprintf(o->said, sizeof o->said, "--threads %s", optarg);
            o->spec.said[o->spec.n_sets] = o->said;
            o->spec.set[o->spec.n_sets++] = o->threads;
        } else if (c == 'r') {
            o->dir = optarg;
        } else if (c == 'c') {
            o->resume = 1;
        } else if (c == 'q') {
            o->quiet = 1;
        } else {
            return stele__cli_option_error(c, argv);
        }
    }
    if (o->dir != NULL && o->dir[0] == '\0') {
        return stele__cli_usage_error(argv[0], "--run needs the name of a folder");
    }
    if (argc - optind != 1) {
        return stele__cli_usage_error(argv[0],
                                      argc == optind ? "name a spec" : "one spec at a time");
    }
    o->spec.path = argv[optind];
    return STELE__EXIT_OK;
}

/* One training, from the command line to its end. */
typedef struct job {
    const options *o;
    stele__loaded loaded;
    stele__run run;
    stele__state *state; /* of a training to be resumed, which goes on with its rows and features */
    const char *dir;
    int kind, lock;
    char fingerprint[17];
    char *last, *resume; /* the checkpoint to go on from, and the command that does */
    char *kept;          /* what is said about both if the program ends by a signal */
} job;

/* In which order the classes of head i are taken, and what sets another. */
static void say_classes(const stele__run *run, uint32_t i)
{
    enum { FEW = 10 };
    const stele__head *h = &run->model.head[i];
    const stele__label *l = stele__dataset_label(run->data, h->target.name, h->target.content);
    if (l == NULL || l->content != STELE_FIELD_CATEGORY) {
        return;
    }
    fprintf(stderr, "  %s: classes in the order ", h->name);
    for (int64_t k = 0; k < l->n_categories && k < FEW; k++) {
        fprintf(stderr, "%s%s", k > 0 ? ", " : "", l->category[k]);
    }
    if (l->n_categories > FEW) {
        fprintf(stderr, ", ... (%lld)", (long long)l->n_categories);
    }
    if (stele__head_host(&run->spec->head[i])->classes.n == 0) {
        fprintf(stderr, "; its key classes sets another");
    }
    fprintf(stderr, "\n");
}

/* What the number of rows decided, where nobody else did. */
static void say_schedule(const stele__run *run)
{
    const stele__train_spec *said = run->spec->train;
    const stele__train_spec t =
        stele__train_for(said, run->split->n[STELE__TRAIN], run->split->n[STELE__VALID]);
    if (said->batch_size == 0) {
        fprintf(stderr, "  train.batch_size: %lld", (long long)t.batch_size);
    }
    if (said->epochs == 0) {
        fprintf(stderr, "%strain.epochs: %lld", said->batch_size == 0 ? ", " : "  ",
                (long long)t.epochs);
        if (run->split->n[STELE__VALID] > 0) {
            fprintf(stderr, ", fewer if %lld in a row bring nothing better",
                    (long long)t.early_stopping.patience);
        }
    }
    if (said->batch_size == 0 || said->epochs == 0) {
        fprintf(stderr, "\n");
    }
}

static void say_start(const job *j)
{
    const stele__run *run = &j->run;
    if (j->o->quiet) {
        return;
    }
    fprintf(stderr,
            "%s: %lld row%s (%lld train, %lld valid, %lld test), latent %u, fusion %s, into %s\n",
            run->spec->top->name, (long long)run->data->n_rows, stele__cli_s(run->data->n_rows),
            (long long)run->split->n[STELE__TRAIN], (long long)run->split->n[STELE__VALID],
            (long long)run->split->n[STELE__TEST], run->model.latent_dim, run->spec->fusion.plugin,
            j->dir);
    say_schedule(run);
    for (uint32_t i = 0; i < run->model.n_modalities; i++) {
        const stele__matrix *x = &run->data->matrix[i];
        const int64_t features = run->model.modality[i].n_features;
        const int64_t rows = x->n_present - x->n_dropped;
        fprintf(stderr, "  %s: %lld feature%s, present in %lld row%s", run->model.modality[i].name,
                (long long)features, stele__cli_s(features), (long long)rows, stele__cli_s(rows));
        if (x->n_dropped > 0) {
            fprintf(stderr, ", of %lld nothing was measured", (long long)x->n_dropped);
        }
        fprintf(stderr, "\n");
    }
    for (uint32_t i = 0; i < run->model.n_heads; i++) {
        say_classes(run, i);
    }
}

/* What came through a pipe is gone; the run folder has all of it, assignments included. */
static void put_spec(stele__str *out, const job *j)
{
    if (!stele__arguments_put(&j->o->spec, out)) {
        char *kept = stele__folder_path(j->dir, "resolved.yaml");
        stele__cli_put_word(out, kept != NULL ? kept : "resolved.yaml");
        stele__free(kept);
    }
}

static char *resume_command(const job *j)
{
    stele__str command;
    stele__str_init(&command);
    stele__str_append(&command, "stele train ");
    put_spec(&command, j);
    stele__str_append(&command, " --run ");
    stele__cli_put_word(&command, j->dir);
    stele__str_append(&command, " --resume");
    return stele__str_take(&command);
}

static stele_status prepare_advice(job *j)
{
    stele__str text;
    stele__str_init(&text);
    j->last = stele__folder_path(j->dir, "last.safetensors");
    j->resume = resume_command(j);
    if (j->last == NULL || j->resume == NULL) {
        return STELE_E_NOMEM;
    }
    stele__str_printf(&text, "    %s is kept; go on from there with: %s\n", j->last, j->resume);
    j->kept = stele__str_take(&text);
    if (j->kept == NULL) {
        return STELE_E_NOMEM;
    }
    stele__crash_advise(j->last, j->kept);
    return STELE_OK;
}

/* What has changed of a head's metrics. */
static void say_calibration(const stele__head *head, const stele__head_calibration *c)
{
    int n = 0;
    if (c->n == 0) {
        fprintf(stderr, "%s: not calibrated: no validation row has its target\n", head->name);
        return;
    }
    fprintf(stderr, "%s: calibrated on %lld validation row%s", head->name, (long long)c->n,
            stele__cli_s(c->n));
    for (uint32_t i = 0; i < c->n_metrics; i++) {
        const double before = c->before[i].value, after = c->after[i].value;
        if (before < after || before > after) {
            fprintf(stderr, "%s %s %.3g, before %.3g", n++ > 0 ? "," : ":", c->after[i].name, after,
                    before);
        }
    }
    fprintf(stderr, "%s\n", n == 0 ? ": nothing has changed" : "");
}

/* Where the rate falls to its least, the last epoch is the best as a rule; within a few epochs,
 * too. */
static int could_go_on(const job *j, const stele__trained *trained)
{
    enum { FEW_EPOCHS = 20 };
    return !trained->stopped_early && trained->at.epoch >= FEW_EPOCHS &&
           trained->at.plateau.best_epoch == trained->at.epoch - 1 &&
           j->run.split->n[STELE__VALID] > 0 &&
           j->run.spec->train->schedule.kind != STELE__SCHEDULE_COSINE;
}

/* Nats: what tells one row in a hundred from the others says .056. */
static const double empty = 0.05;

static void say_end(const job *j, stele_status status, const stele__trained *trained)
{
    const char *early = trained->stopped_early ? " (stopped early)" : "";
    if (status == STELE_E_INTERRUPTED) {
        fprintf(stderr, "\ninterrupted after step %lld; go on with: %s\n",
                (long long)trained->at.step, j->resume);
    } else if (status == STELE_OK && !j->o->quiet) {
        if (trained->was_done) {
            fprintf(stderr,
                    "nothing to do: trained %lld epoch%s before%s; for more raise train.epochs%s\n",
                    (long long)trained->at.epoch, stele__cli_s(trained->at.epoch), early,
                    trained->stopped_early ? " or train.early_stopping.patience" : "");
        } else {
            fprintf(stderr, "trained %lld epoch%s in %.1f s%s\n", (long long)trained->at.epoch,
                    stele__cli_s(trained->at.epoch), trained->seconds, early);
            if (trained->divergence < empty) {
                fprintf(stderr,
                        "z says next to nothing about a row: its posterior is %.3f nats from the "
                        "prior\n    a longer warm-up may help, objective.beta: {from: 0, to: 1, "
                        "epochs: 20}, or a larger weight of what is small\n",
                        trained->divergence);
            }
            if (could_go_on(j, trained)) {
                fprintf(stderr,
                        "the last epoch was the best for the validation rows: more may be "
                        "better\n    go on with: %s --set train.epochs=%lld\n",
                        j->resume, (long long)(2 * trained->at.epoch));
            }
        }
        for (uint32_t h = 0; trained->head != NULL && h < j->run.model.n_heads; h++) {
            if (trained->head[h].asked && !trained->head[h].left) {
                say_calibration(&j->run.model.head[h], &trained->head[h]);
            }
        }
        printf("%s\n", j->dir);
    }
}

static stele_status train_in_folder(job *j, stele__diag *diag)
{
    stele__display display;
    stele__trained trained = { 0 };
    int resume = j->kind == STELE__FOLDER_RESUMABLE;
    stele_status status = resume
                              ? stele__folder_resume(j->dir, &j->run, diag)
                              : stele__folder_begin(j->dir, j->o->resume, &j->run, &j->lock, diag);
    if (status == STELE_OK) {
        status = prepare_advice(j);
    }
    if (status != STELE_OK) {
        return status;
    }
    stele__cli_show(diag); /* warnings, before the progress */
    say_start(j);
    stele__display_init(&display, j->o->quiet);
    stele__cli_catch_interrupts(on_interrupt);
    stele__training t = { .model = &j->run.model,
                          .data = j->run.data,
                          .split = j->run.split,
                          .spec = j->loaded.spec,
                          .pool = j->run.pool,
                          .dir = j->dir,
                          .fingerprint = j->fingerprint,
                          .resume = resume,
                          .interrupted = &interrupted,
                          .report = stele__display_report,
                          .report_ctx = &display };
    status = stele__train(&t, &trained, diag);
    if (status == STELE_OK) {
        status = stele__prior_keep(&j->run, j->dir, j->fingerprint, diag);
    }
    /* A training that was killed between its last checkpoint and its summary has all but that. */
    if (status == STELE_OK && (!trained.was_done || !stele__folder_has(j->dir, "summary.json"))) {
        status = stele__folder_end(j->dir, &j->run, &j->loaded.cast, &trained, diag);
    }
    if (status == STELE_OK) {
        status = stele__reference_keep(&j->run, j->dir, j->fingerprint, diag);
    }
    say_end(j, status, &trained);
    stele__free(trained.head);
    return status;
}

/* What was trained on so far, after making sure that it was this spec and that nobody else is at
 * it. */
static stele_status reopen(job *j, stele__diag *diag)
{
    char *last = stele__folder_path(j->dir, "last.safetensors");
    char *data = stele__folder_path(j->dir, "data.json");
    int same = 0;
    stele__position at = { 0 };
    stele_status status = last != NULL && data != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__folder_lock(j->dir, &j->lock, diag);
    }
    if (status == STELE_OK) {
        status = stele__checkpoint_match(last, j->fingerprint, &same, &at, diag);
    }
    if (status == STELE_OK && !same) {
        status = stele__folder_refuse(j->dir, j->loaded.spec, diag);
    }
    if (status == STELE_OK) {
        status = stele__folder_complete(j->dir, &at, diag);
    }
    if (status == STELE_OK) {
        status = stele__state_read(data, &j->state, diag);
    }
    stele__free(last);
    stele__free(data);
    return status;
}

static stele_status train_spec(job *j, stele__diag *diag)
{
    const options *o = j->o;
    stele__log log = stele__cli_log(o->quiet);
    stele__plan plan = { 0 };
    stele__plan_request as_in_spec = { 0 };
    j->dir = o->dir != NULL ? o->dir : j->loaded.spec->output->dir;
    stele_status status = stele__spec_fingerprint(j->loaded.spec, j->fingerprint, diag);
    if (status == STELE_OK) {
        status = stele__folder_check(j->dir, o->resume, &j->kind, diag);
    }
    if (status == STELE_OK && j->kind == STELE__FOLDER_RESUMABLE) {
        status = reopen(j, diag);
    }
    if (status == STELE_OK) {
        status = stele__plan_check(j->loaded.spec, diag);
    }
    if (status == STELE_OK) {
        status = stele__plan_init(&plan, j->loaded.spec, &as_in_spec);
    }
    if (status == STELE_OK) {
        /* The columns that `evaluate` names are missed before the training, not after it. */
        stele__run_request q = { .spec = j->loaded.spec,
                                 .plugins = &j->loaded.cast,
                                 .log = &log,
                                 .state = j->state,
                                 .training = 1,
                                 .label = plan.labels,
                                 .label_place = plan.place,
                                 .n_labels = plan.n_labels };
        status = stele__run_open(&q, &j->run, diag);
    }
    stele__plan_finish(&plan);
    return status == STELE_OK ? train_in_folder(j, diag) : status;
}

static stele_status train(const options *o, stele__diag *diag)
{
    stele__registry *registry = NULL;
    job j = { .o = o, .lock = -1 };
    stele_status status = stele__cli_registry(&registry, diag);
    if (status == STELE_OK) {
        status = stele__loaded_create(registry, &o->spec, &j.loaded, diag);
    }
    if (status == STELE_OK) {
        status = train_spec(&j, diag);
    }
    stele__run_close(&j.run);
    stele__state_destroy(j.state);
    stele__loaded_finish(&j.loaded);
    stele__registry_destroy(registry);
    stele__crash_advise(NULL, NULL);
    stele__free(j.last);
    stele__free(j.resume);
    stele__free(j.kept);
    if (j.lock >= 0) {
        close(j.lock);
    }
    return status;
}

int stele__cmd_train(int argc, char **argv)
{
    options o = { 0 };
    stele__diag diag;
    int code = parse(argc, argv, &o);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__diag_init(&diag);
    stele_status status = train(&o, &diag);
    return stele__cli_finish(&diag, status);
}
