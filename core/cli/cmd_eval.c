/* stele eval RUN [--split PART] [--modalities a,b] [--labels COLUMN [--exclude A,B]] [--samples K]
 *                [--checkpoint NAME] [--json] [--report fusion] [--rows FILE.csv] [--intervals]
 *                [--resamples N] [--level P] [--markdown] [--set evaluate=LIST] */
#include "base/file.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/eval_fusion.h"
#include "cli/eval_table.h"
#include "cli/eval_units.h"
#include "cli/opened.h"
#include "eval/report.h"
#include "train/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    stele__open_request open;
    const char *exclude, *samples, *report, *rows;
    stele__interval_options figures;
} options;

/* What is evaluated may differ from what the run's spec says; all else decided the training. */
static int check_set(const char *command, const options *o)
{
    static const char key[] = "evaluate";
    const char *set = o->open.evaluate;
    if (set == NULL || strncmp(set, "evaluate=", sizeof key) == 0) {
        return 1;
    }
    const int below = strncmp(set, "evaluate.", sizeof key) == 0;
    (void)stele__cli_usage_error(command,
                                 below ? "--set %.*s: evaluations are a list, which is replaced as "
                                         "a whole: --set 'evaluate=[{knn: {labels: COLUMN}}]'"
                                       : "--set %.*s: a trained run takes evaluate=LIST alone; "
                                         "what else its spec says is for stele train --set",
                                 (int)strcspn(set, "="), set);
    return 0;
}

static int check(int argc, char **argv, options *o)
{
    int code = stele__open_check(&o->open, argc, argv);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    if (o->report != NULL && strcmp(o->report, "fusion") != 0) {
        return stele__cli_usage_error(argv[0], "there is no report `%s`, only fusion", o->report);
    }
    const size_t n = o->rows != NULL ? strlen(o->rows) : 0;
    if (o->rows != NULL && (n < 5 || strcmp(o->rows + n - 4, ".csv") != 0)) {
        return stele__cli_usage_error(argv[0], "--rows %s: writes a table, NAME.csv", o->rows);
    }
    o->open.plan.fusion = o->report != NULL;
    if (o->report != NULL && o->exclude != NULL) {
        return stele__cli_usage_error(argv[0], "the fusion report leaves no class out: --exclude "
                                               "does not go with --report");
    }
    if (o->exclude != NULL && o->open.plan.labels == NULL) {
        return stele__cli_usage_error(argv[0], "--exclude needs --labels");
    }
    if (o->samples != NULL) {
        char *end = NULL;
        long k = strtol(o->samples, &end, 10);
        if (*end != '\0' || k < 1 || k > 10000) {
            return stele__cli_usage_error(argv[0], "--samples is a number from 1 to 10000");
        }
        o->open.plan.samples = k;
    }
    return check_set(argv[0], o) ? stele__interval_check(argv[0], &o->figures) : STELE__EXIT_USAGE;
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "labels", required_argument, NULL, 'l' },
                                           { "exclude", required_argument, NULL, 'x' },
                                           { "samples", required_argument, NULL, 'k' },
                                           { "report", required_argument, NULL, 'r' },
                                           { "rows", required_argument, NULL, 'w' },
                                           { "set", required_argument, NULL, 'e' },
                                           STELE__INTERVAL_OPTIONS,
                                           STELE__OPEN_OPTIONS,
                                           { 0 } };
    o->open = (stele__open_request){
        .part = STELE__TEST, .checkpoint = "best", .spec_labels = 1, .prior = 1
    };
    for (int c; (c = stele__cli_option(argc, argv, ":", longs)) != -1;) {
        switch (c) {
        case 'l': o->open.plan.labels = optarg; break;
        case 'x': o->exclude = optarg; break;
        case 'k': o->samples = optarg; break;
        case 'r': o->report = optarg; break;
        case 'w': o->rows = optarg; break;
        case 'e': o->open.evaluate = optarg; break;
        default:
            if (!stele__interval_option(&o->figures, c, optarg) &&
                !stele__open_option(&o->open, c, optarg)) {
                return stele__cli_option_error(c, argv);
            }
        }
    }
    return check(argc, argv, o);
}

static const char *part_title(int part)
{
    return part == STELE__N_PARTS ? "all" : stele__part_name(part);
}

static stele_status write_report(const options *o, const char *text, stele__diag *diag)
{
    char name[32];
    stele__writer w;
    snprintf(name, sizeof name, "%s-%s.json", o->report != NULL ? o->report : "eval",
             part_title(o->open.part));
    char *path = stele__folder_path(o->open.dir, name);
    stele_status status = path != NULL ? stele__writer_open(&w, path, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        (void)stele__writer_write(&w, text, strlen(text)); /* a failed write shows in commit */
        (void)stele__writer_write(&w, "\n", 1);
        status = stele__writer_commit(&w, diag);
    }
    stele__free(path);
    return status;
}

static stele_status show(const options *o, const json_t *report, stele__diag *diag)
{
    char *text = json_dumps(report, JSON_INDENT(2));
    stele_status status = text != NULL ? write_report(o, text, diag) : STELE_E_NOMEM;
    if (status == STELE_OK && o->figures.json) {
        printf("%s\n", text);
    } else if (status == STELE_OK) {
        stele__eval_print(report, &o->figures.style);
    }
    free(text);
    return status;
}

static stele_status judge(const options *o, const stele__opened *opened, stele__diag *diag)
{
    stele__report_request q = { .judge = &opened->judge,
                                .plan = &opened->plan,
                                .folder = o->open.dir };
    int64_t *row = NULL;
    json_t *report = NULL;
    stele_status status = stele__opened_mask(opened, &o->open, &q.mask, diag);
    if (status == STELE_OK) {
        status = stele__opened_rows(opened, &o->open, &row, &q.n);
    }
    if (status == STELE_OK && q.n == 0) {
        status = stele__diag_error(diag, STELE_E_DATA, NULL, "%s: there are no %s rows to judge",
                                   o->open.dir, part_title(o->open.part));
        stele__diag_hint(diag, "choose another part with --split");
    }
    if (status == STELE_OK && o->rows != NULL) {
        status = stele__opened_keep(opened, o->rows, diag);
    }
    q.row = row;
    q.train = opened->run.split->row[STELE__TRAIN];
    q.n_train = opened->run.split->n[STELE__TRAIN];
    if (status == STELE_OK && o->rows != NULL && !opened->plan.fusion) {
        status = stele__diag_error(diag, STELE_E_OPTION, NULL,
                                   "--rows: nothing here is told row by row");
        stele__diag_hint(diag, "add --report fusion, or `fusion` to what the spec evaluates");
    }
    stele__bootstrap b = o->figures.bootstrap;
    if (status == STELE_OK && b.n_resamples > 0) {
        status = stele__eval_units(opened, row, q.n, &b);
        q.bootstrap = &b;
    }
    if (status == STELE_OK) {
        status = stele__report_make(&q, &report, diag);
    }
    if (status == STELE_OK && opened->plan.fusion) {
        status = stele__eval_fusion(opened, row, q.n, q.mask, o->rows, q.bootstrap, report, diag);
    }
    stele__eval_units_finish(&b);
    if (status == STELE_OK) {
        json_object_set_new(report, "run", json_string(o->open.dir));
        json_object_set_new(report, "split", json_string(part_title(o->open.part)));
        json_object_set_new(report, "checkpoint", json_string(o->open.checkpoint));
        status = show(o, report, diag);
    }
    json_decref(report);
    stele__free(row);
    return status;
}

static stele_status eval(options *o, stele__diag *diag)
{
    stele__opened opened;
    stele_status status =
        o->exclude != NULL ? stele__split_list(o->exclude, &o->open.plan.exclude) : STELE_OK;
    if (status == STELE_OK) {
        status = stele__opened_init(&opened, &o->open, diag);
        if (status == STELE_OK) {
            status = judge(o, &opened, diag);
        }
        stele__opened_finish(&opened);
    }
    stele__split_list_finish(&o->open.plan.exclude);
    return status;
}

int stele__cmd_eval(int argc, char **argv)
{
    options o = { 0 };
    stele__diag diag;
    int code = parse(argc, argv, &o);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__diag_init(&diag);
    stele__cli_end_on_interrupts();
    stele_status status = eval(&o, &diag);
    return stele__cli_finish(&diag, status);
}
