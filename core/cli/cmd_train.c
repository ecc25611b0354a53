/* stele train SPEC [--set key=value]... [--run DIR] [--resume] [--threads N] [--quiet] */
#include "cli/command.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "train/folder.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t interrupted;

/* The first interruption ends the step; the handler is gone then, so that a second one ends the
 * program. */
static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void catch_interrupts(void)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_interrupt;
    a.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

typedef struct options {
    stele__spec_arguments spec;
    const char *dir;
    int resume, quiet;
    char threads[64]; /* the assignment made from --threads */
} options;

/* An exit code if the command line is wrong, else STELE__EXIT_OK. */
static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = {
        { "set", required_argument, NULL, 's' }, { "run", required_argument, NULL, 'r' },
        { "resume", no_argument, NULL, 'c' },    { "threads", required_argument, NULL, 't' },
        { "quiet", no_argument, NULL, 'q' },     { 0 }
    };
    for (int c; (c = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if ((c == 's' || c == 't') && o->spec.n_sets == STELE__MOST_SETS) {
            return stele__cli_usage_error(argv[0], "more than %d times --set", STELE__MOST_SETS);
        } else if (c == 's') {
            o->spec.set[o->spec.n_sets++] = optarg;
        } else if (c == 't') {
            snprintf(o->threads, sizeof o->threads, "train.threads=%s", optarg);
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
    if (argc - optind != 1) {
        return stele__cli_usage_error(argv[0],
                                      argc == optind ? "name a spec" : "one spec at a time");
    }
    o->spec.path = argv[optind];
    return STELE__EXIT_OK;
}

static void say_start(const options *o, const stele__run *run, const char *dir)
{
    if (o->quiet) {
        return;
    }
    fprintf(stderr,
            "%s: %lld rows (%lld train, %lld valid, %lld test), latent %u, fusion %s, into %s\n",
            run->spec->top->name, (long long)run->data->n_rows,
            (long long)run->split->n[STELE__TRAIN], (long long)run->split->n[STELE__VALID],
            (long long)run->split->n[STELE__TEST], run->model.latent_dim, run->spec->fusion.plugin,
            dir);
    for (uint32_t i = 0; i < run->model.n_modalities; i++) {
        fprintf(stderr, "  %s: %lld features, present in %lld rows\n", run->model.modality[i].name,
                (long long)run->model.modality[i].n_features,
                (long long)run->data->matrix[i].n_present);
    }
}

static void say_end(const options *o, const char *dir, stele_status status,
                    const stele__trained *trained)
{
    if (status == STELE_E_INTERRUPTED) {
        fprintf(stderr,
                "\ninterrupted after step %lld; go on with: stele train %s --run %s --resume\n",
                (long long)trained->at.step, o->spec.path, dir);
    } else if (status == STELE_OK && !o->quiet) {
        fprintf(stderr, "trained %lld epochs in %.1f s%s\n", (long long)trained->at.epoch,
                trained->seconds, trained->stopped_early ? " (stopped early)" : "");
        printf("%s\n", dir);
    }
}

static stele_status train_in(const options *o, const stele__loaded *loaded, const char *dir,
                             int kind, stele__run *run, stele__diag *diag)
{
    char fingerprint[17];
    stele__display display;
    stele__trained trained = { 0 };
    stele_status status = stele__spec_fingerprint(loaded->spec, fingerprint, diag);
    if (status == STELE_OK && kind == STELE__FOLDER_NEW) {
        status = stele__folder_begin(dir, o->spec.path, run, diag);
    }
    if (status != STELE_OK) {
        return status;
    }
    stele__cli_show(diag); /* warnings, before the progress */
    say_start(o, run, dir);
    stele__display_init(&display, o->quiet);
    catch_interrupts();
    stele__training t = { .model = &run->model,
                          .data = run->data,
                          .split = run->split,
                          .spec = loaded->spec,
                          .pool = run->pool,
                          .dir = dir,
                          .fingerprint = fingerprint,
                          .resume = kind == STELE__FOLDER_RESUMABLE,
                          .interrupted = &interrupted,
                          .report = stele__display_report,
                          .report_ctx = &display };
    status = stele__train(&t, &trained, diag);
    if (status == STELE_OK) {
        status = stele__folder_end(dir, run, &loaded->cast, &trained, diag);
    }
    say_end(o, dir, status, &trained);
    return status;
}

static stele_status train(const options *o, stele__diag *diag)
{
    stele__registry *registry = NULL;
    stele__loaded loaded = { 0 };
    stele__run run = { 0 };
    int kind = 0;
    stele__log log = stele__cli_log(o->quiet);
    stele_status status = stele__cli_registry(&registry, diag);
    if (status == STELE_OK) {
        status = stele__loaded_create(registry, &o->spec, &loaded, diag);
    }
    if (status == STELE_OK) {
        const char *dir = o->dir != NULL ? o->dir : loaded.spec->output->dir;
        stele__run_request q = {
            .spec = loaded.spec, .plugins = &loaded.cast, .log = &log, .training = 1
        };
        status = stele__folder_check(dir, o->resume, &kind, diag);
        if (status == STELE_OK) {
            status = stele__run_open(&q, &run, diag);
        }
        if (status == STELE_OK) {
            status = train_in(o, &loaded, dir, kind, &run, diag);
        }
    }
    stele__run_close(&run);
    stele__loaded_finish(&loaded);
    stele__registry_destroy(registry);
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
