/* stele sweep SPEC [--run DIR] [--jobs N] [--threads N] [--set key=value]... [--list] [--quiet] */
#include "base/mem.h"
#include "cli/sweep.h"
#include "sweep/table.h"
#include "train/folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    stele__spec_arguments spec;
    const char *dir;
    int list, quiet;
    char text[2][96], said[2][96]; /* the assignments made from --jobs and --threads */
} options;

/* --jobs N and --threads N are short for assignments. */
static void assign(options *o, int which, const char *key, const char *option)
{
    snprintf(o->text[which], sizeof o->text[which], "%s=%s", key, optarg);
    snprintf(o->said[which], sizeof o->said[which], "%s %s", option, optarg);
    o->spec.said[o->spec.n_sets] = o->said[which];
    o->spec.set[o->spec.n_sets++] = o->text[which];
}

/* An exit code if the command line is wrong, else STELE__EXIT_OK. */
static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "set", required_argument, NULL, STELE__OPTION_SET },
                                           { "run", required_argument, NULL, 'r' },
                                           { "jobs", required_argument, NULL, 'j' },
                                           { "threads", required_argument, NULL, 't' },
                                           { "list", no_argument, NULL, 'l' },
                                           { "quiet", no_argument, NULL, 'q' },
                                           { 0 } };
    for (int c; (c = stele__cli_option(argc, argv, ":", longs)) != -1;) {
        if (o->spec.n_sets == STELE__MOST_SETS) {
            return stele__cli_usage_error(argv[0], "more than %d times --set", STELE__MOST_SETS);
        }
        switch (c) {
        case STELE__OPTION_SET: o->spec.set[o->spec.n_sets++] = optarg; break;
        case 'j': assign(o, 0, "sweep.jobs", "--jobs"); break;
        case 't': assign(o, 1, "sweep.threads", "--threads"); break;
        case 'r': o->dir = optarg; break;
        case 'l': o->list = 1; break;
        case 'q': o->quiet = 1; break;
        default: return stele__cli_option_error(c, argv);
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

/* Cores over threads, and four fifths of what memory is left, unless the spec knows better. */
static void settle(stele__sweep *s)
{
    const stele__sweep_spec *spec = s->base.spec->sweep;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t most = (cores > 0 ? cores : 1) / spec->threads;
    s->jobs = (size_t)(spec->jobs > 0 ? spec->jobs : most > 0 ? most : 1);
    s->memory = spec->memory > 0.0 ? spec->memory * 1e9 : 0.8 * (double)stele__mem_available("");
    s->part = spec->split == STELE__SWEEP_TEST ? "test" : "valid";
    s->factor = 1.25;
}

static void list(const stele__sweep *s)
{
    for (size_t i = 0; i < s->points.n; i++) {
        stele__str title;
        stele__str_init(&title);
        stele__point_title(&s->points, i, &title);
        printf("%s  %-8s  %s\n", s->entry[i].name, s->entry[i].finished ? "finished" : "open",
               title.data != NULL ? title.data : "");
        stele__str_finish(&title);
    }
}

/* A figure that no finished run has is a word misspelt. */
static stele_status check_metrics(const stele__sweep *s, const stele__sweep_table *t,
                                  stele__diag *diag)
{
    const char **names = NULL;
    stele_status status = STELE_OK;
    size_t first = 0, n = 0;
    while (first < s->points.n && !s->entry[first].finished) {
        first++;
    }
    if (first == s->points.n) {
        return STELE_OK;
    }
    json_t *figures = s->entry[first].record.figures, *value;
    const char *key;
    names = stele__calloc(json_object_size(figures) + 1, sizeof *names);
    json_object_foreach(figures, key, value)
    {
        if (names != NULL) {
            names[n++] = key;
        }
    }
    for (size_t i = 0; i < t->n_metrics; i++) {
        const stele__metric *m = &t->metric[i];
        if (m->best < s->points.n_settings) {
            continue;
        }
        const char *near = stele__nearest(m->name, names, n);
        stele__str text;
        stele__str_init(&text);
        stele__str_printf(&text, "no run has the figure `%s`", m->name);
        status = stele__spec_error(s->base.spec,
                                   m->higher ? "sweep.metrics.higher" : "sweep.metrics.lower",
                                   STELE_E_OPTION, text.data != NULL ? text.data : "", diag);
        if (near != NULL) {
            stele__diag_hint(diag, "did you mean `%s`?", near);
        } else {
            stele__diag_hint(diag, "runs.csv has all figures in its columns");
        }
        stele__str_finish(&text);
    }
    stele__free(names);
    return status;
}

/* What a figure is called may not be a file's name. */
static char *plot_path(const char *dir, const char *metric)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s/", dir);
    for (const char *c = metric; *c != '\0'; c++) {
        int plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("._-", *c) != NULL;
        stele__str_append_n(&s, plain ? c : "_", 1);
    }
    return stele__str_take(&s);
}

static stele_status write_markdown(const char *dir, const stele__str *text, stele__diag *diag)
{
    char *path = stele__folder_path(dir, "table.md");
    stele__writer w;
    stele_status status = path != NULL ? stele__writer_open(&w, path, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        (void)stele__writer_write(&w, text->data, text->len);
        status = stele__writer_commit(&w, diag);
    }
    stele__free(path);
    return status;
}

static stele_status write_csv(const stele__sweep_table *t, const char *dir, stele__diag *diag)
{
    char *runs = stele__folder_path(dir, "runs.csv"), *table = stele__folder_path(dir, "table.csv");
    stele_status status = runs != NULL && table != NULL ? STELE_OK : STELE_E_NOMEM;
    status = status == STELE_OK ? stele__runs_csv(t, runs, diag) : status;
    status = status == STELE_OK ? stele__sweep_csv(t, table, diag) : status;
    stele__free(runs);
    stele__free(table);
    return status;
}

/* Tables and pictures of what is finished. */
static stele_status report(const stele__sweep *s, const stele__result *result, stele__diag *diag)
{
    stele__sweep_table t;
    stele__str text;
    stele__str_init(&text);
    stele_status status = stele__sweep_table_init(&t, &s->points, result);
    if (status == STELE_OK) {
        stele__sweep_markdown(&t, &text);
        status = text.failed ? STELE_E_NOMEM : write_markdown(s->dir, &text, diag);
    }
    status = status == STELE_OK ? write_csv(&t, s->dir, diag) : status;
    for (size_t i = 0; i < t.n_metrics && status == STELE_OK; i++) {
        char *path = plot_path(s->dir, t.metric[i].name);
        status = path != NULL ? stele__sweep_plot(&t, i, path, diag) : STELE_E_NOMEM;
        stele__free(path);
    }
    if (status == STELE_OK) {
        fputs(text.data, stdout);
        status = check_metrics(s, &t, diag);
    }
    stele__str_finish(&text);
    stele__sweep_table_finish(&t);
    return status;
}

static stele_status report_all(const stele__sweep *s, stele__diag *diag)
{
    stele__result *result = stele__calloc(s->points.n, sizeof *result);
    char **run = stele__calloc(s->points.n, sizeof *run);
    stele_status status = result != NULL && run != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < s->points.n && status == STELE_OK; i++) {
        const stele__entry *e = &s->entry[i];
        run[i] = stele__sweep_path("runs", e->name, "", "");
        status = run[i] != NULL ? STELE_OK : STELE_E_NOMEM;
        const char *unknown = e->reason != NULL ? e->reason : "not run";
        result[i] = (stele__result){ .run = run[i],
                                     .figures = e->finished ? e->record.figures : NULL,
                                     .reason = e->finished ? NULL : unknown,
                                     .ratio = e->record.ratio,
                                     .seconds = e->finished ? e->record.seconds : NAN,
                                     .peak_bytes = e->finished ? e->record.peak_bytes : NAN,
                                     .rows = e->record.rows,
                                     .epochs = e->record.epochs,
                                     .best_epoch = e->record.best_epoch };
    }
    status = status == STELE_OK ? report(s, result, diag) : status;
    for (size_t i = 0; run != NULL && i < s->points.n; i++) {
        stele__free(run[i]);
    }
    stele__free(run);
    stele__free(result);
    return status;
}

static void say_start(const stele__sweep *s)
{
    if (!s->quiet) {
        fprintf(stderr, "%s: %zu point%s, %zu of them finished, %zu at once, into %s\n",
                s->base.spec->top->name, s->points.n, stele__cli_s((int64_t)s->points.n),
                s->n_finished, s->jobs, s->dir);
    }
}

static void say_interrupted(const stele__sweep *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->points.n; i++) {
        n += (size_t)s->entry[i].finished;
    }
    stele__str command;
    stele__str_init(&command);
    stele__str_append(&command, "stele sweep ");
    int known = stele__arguments_put(s->arguments, &command);
    stele__str_append(&command, " --run ");
    stele__cli_put_word(&command, s->dir);
    fprintf(stderr, "interrupted: %zu of %zu runs are finished; go on with%s%s\n", n, s->points.n,
            known ? ": " : " the same spec and --run ",
            known && command.data != NULL ? command.data : s->dir);
    stele__str_finish(&command);
}

/* In the folder, with the lock. */
static stele_status sweep_in_folder(stele__sweep *s, int *ret_code, stele__diag *diag)
{
    stele__sweep_look(s);
    say_start(s);
    stele_status status = stele__sweep_check(s, ret_code);
    if (status == STELE_OK && *ret_code == STELE__EXIT_OK) {
        status = stele__sweep_run(s, diag);
    }
    if (status == STELE_E_INTERRUPTED) {
        say_interrupted(s);
    }
    if (status != STELE_OK || *ret_code != STELE__EXIT_OK) {
        return status;
    }
    for (size_t i = 0; i < s->points.n; i++) {
        *ret_code = s->entry[i].finished ? *ret_code : STELE__EXIT_FAILURE;
    }
    return report_all(s, diag);
}

static stele_status sweep(const options *o, stele__sweep *s, int *ret_code, stele__diag *diag)
{
    stele_status status = stele__cli_registry(&s->registry, diag);
    if (status == STELE_OK) {
        status = stele__loaded_create(s->registry, s->arguments, &s->base, diag);
    }
    if (status == STELE_OK) {
        status = stele__points_create(s->base.spec, &s->points, diag);
    }
    status = status == STELE_OK ? stele__sweep_load(s, diag) : status;
    if (status != STELE_OK) {
        return status;
    }
    settle(s);
    s->dir = o->dir != NULL ? o->dir : s->base.spec->output->dir;
    if (o->list) {
        stele__sweep_look(s);
        list(s);
        return STELE_OK;
    }
    stele__cli_show(diag); /* warnings, before the progress */
    size_t len = 0;
    const char *text = stele__spec_doc_text(s->base.spec->doc, &len);
    status = stele__sweep_open(s->dir, text, len, &s->lock, diag);
    return status == STELE_OK ? sweep_in_folder(s, ret_code, diag) : status;
}

int stele__cmd_sweep(int argc, char **argv)
{
    options o = { 0 };
    stele__diag diag;
    int code = parse(argc, argv, &o);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__sweep s = { .arguments = &o.spec, .quiet = o.quiet, .lock = -1 };
    stele__diag_init(&diag);
    stele_status status = sweep(&o, &s, &code, &diag);
    stele__sweep_finish(&s);
    int finished = stele__cli_finish(&diag, status);
    return finished != STELE__EXIT_OK ? finished : code;
}
