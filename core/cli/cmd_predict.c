/* stele predict RUN [DATA] -o FILE [--modalities a,b] [--split PART] [--samples K] [--level P]
 *     [--resamples N] [--json] [--checkpoint NAME] */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/eval_table.h"
#include "cli/eval_units.h"
#include "cli/row_table.h"
#include "data/csv.h"
#include "data/h5ad.h"
#include "data/jsonl_write.h"
#include "eval/forecast.h"
#include "eval/report.h"
#include "model/quantity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H5AD = 1, JSONL, CSV, SAMPLES = 100 };

typedef struct options {
    stele__open_request open;
    const char *out, *samples, *level;
    int format;
    long n_samples;
    double width; /* of the intervals */
    stele__interval_options figures;
} options;

static int format_of(const char *path)
{
    const char *end = stele__extension(path);
    return strcmp(end, ".h5ad") == 0    ? H5AD
           : strcmp(end, ".jsonl") == 0 ? JSONL
           : strcmp(end, ".csv") == 0   ? CSV
                                        : 0;
}

/* The interval of a single draw is a point. */
enum { LEAST_SAMPLES = 2, MOST_SAMPLES = 10000 };

static int check_numbers(char **argv, options *o)
{
    char *end = NULL;
    o->n_samples = o->samples != NULL ? strtol(o->samples, &end, 10) : SAMPLES;
    if ((end != NULL && *end != '\0') || o->n_samples < LEAST_SAMPLES ||
        o->n_samples > MOST_SAMPLES) {
        return stele__cli_usage_error(argv[0],
                                      "--samples is a number from %d to %d: intervals are of that "
                                      "many draws",
                                      LEAST_SAMPLES, MOST_SAMPLES);
    }
    end = NULL;
    o->open.spec_labels = o->open.data.n == 0; /* other data need not have its groups */
    o->width = o->level != NULL ? strtod(o->level, &end) : 0.9;
    if ((end != NULL && *end != '\0') || !(o->width > 0.0) || !(o->width < 1.0)) {
        return stele__cli_usage_error(argv[0], "--level is a number between 0 and 1");
    }
    int code = stele__interval_check(argv[0], &o->figures);
    o->figures.style.intervals = 1;
    return code;
}

static int check(int argc, char **argv, options *o)
{
    int code = stele__open_check(&o->open, argc, argv);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    if (o->out == NULL) {
        return stele__cli_usage_error(argv[0], "name the file to write with -o");
    }
    o->format = format_of(o->out);
    if (o->format == 0) {
        return stele__cli_usage_error(argv[0], "`%s` ends in none of .csv, .jsonl, .h5ad", o->out);
    }
    return check_numbers(argv, o);
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "output", required_argument, NULL, 'o' },
                                           { "samples", required_argument, NULL, 'k' },
                                           { "level", required_argument, NULL, 'l' },
                                           { "resamples", required_argument, NULL, 'b' },
                                           { "json", no_argument, NULL, 'j' },
                                           STELE__OPEN_OPTIONS,
                                           { 0 } };
    o->open =
        (stele__open_request){ .part = STELE__N_PARTS, .checkpoint = "best", .takes_data = 1 };
    for (int c; (c = stele__cli_option(argc, argv, ":o:", longs)) != -1;) {
        switch (c) {
        case 'o': o->out = optarg; break;
        case 'k': o->samples = optarg; break;
        case 'l': o->level = optarg; break;
        default:
            if (!stele__interval_option(&o->figures, c, optarg) &&
                !stele__open_option(&o->open, c, optarg)) {
                return stele__cli_option_error(c, argv);
            }
        }
    }
    return check(argc, argv, o);
}

/* --- columns --- */

/* Takes over `name`. The values are the last of the table's. */
static stele_status add_column(stele__row_table *t, char *name, int kind, size_t size,
                               stele__column **ret, stele__diag *diag)
{
    stele_status status = STELE_OK;
    if (name != NULL && stele__row_table_has(t, name)) {
        status = stele__diag_error(diag, STELE_E_DATA, NULL,
                                   "two columns would be called `%s`: nothing is written", name);
        stele__diag_hint(diag, "heads and classes give columns their names: rename one of them in "
                               "the spec, or in the data, and train again");
    } else {
        *ret = name != NULL ? stele__row_table_add(t, name, kind, size) : NULL;
        status = *ret != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    stele__free(name);
    return status;
}

/* Column `output` of three, each (n, n_outputs). */
static stele_status add_quantity(stele__row_table *t, const stele__forecast *f,
                                 const stele__head *head, const stele__label *label,
                                 uint32_t output, stele__diag *diag)
{
    static const char *const end[] = { "", "_low", "_high" };
    const double *from[] = { f->value, f->low, f->high };
    for (int i = 0; i < 3; i++) {
        stele__column *c = NULL;
        stele_status status =
            add_column(t, stele__quantity_name(head, label, &f->output[output], end[i]),
                       STELE__DOUBLE, (size_t)t->n * sizeof(double), &c, diag);
        if (status != STELE_OK) {
            return status;
        }
        double *to = t->values[t->n_columns - 1];
        for (int64_t r = 0; r < t->n; r++) {
            to[r] = from[i][r * f->n_outputs + output];
        }
        c->f64 = to;
    }
    return STELE_OK;
}

/* The likeliest category, under the head's own name. */
static stele_status add_category(stele__row_table *t, const stele__forecast *f,
                                 const stele__head *head, const stele__label *label,
                                 stele__diag *diag)
{
    stele__column *c = NULL;
    stele_status status = add_column(t, stele__quantity_name(head, label, NULL, ""),
                                     STELE__CATEGORY, (size_t)t->n * sizeof(int32_t), &c, diag);
    if (status != STELE_OK) {
        return status;
    }
    int32_t *code = t->values[t->n_columns - 1];
    for (int64_t r = 0; r < t->n; r++) {
        code[r] = stele__forecast_category(f, r);
    }
    c->code = code;
    c->text = (const char *const *)label->category;
    c->n_categories = (size_t)label->n_categories;
    return STELE_OK;
}

static stele_status add_head(stele__row_table *t, const options *o, uint64_t mask, uint32_t h,
                             stele__diag *diag)
{
    const stele__head *head = &t->o->run.model.head[h];
    const stele__label *label =
        stele__dataset_label(t->o->run.data, head->target.name, head->target.content);
    stele__forecast_request q = { .head = h,
                                  .row = t->row,
                                  .n = t->n,
                                  .mask = mask,
                                  .n_samples = (uint32_t)o->n_samples,
                                  .level = o->width };
    stele__forecast f;
    stele_status status = stele__forecast_make(&t->o->judge, &q, &f, diag);
    if (status == STELE_OK && stele__forecast_category(&f, 0) >= 0) {
        status = add_category(t, &f, head, label, diag);
    }
    for (uint32_t k = 0; k < f.n_outputs && status == STELE_OK; k++) {
        status = add_quantity(t, &f, head, label, k, diag);
    }
    stele__forecast_finish(&f);
    return status;
}

/* --- rows and files --- */

/* Rows that have any of the modalities: of the others nothing is known. */
static stele_status keep_known(stele__row_table *t, uint64_t mask, stele__diag *diag)
{
    int64_t n = 0, all = t->n;
    for (int64_t r = 0; r < all; r++) {
        if ((stele__judge_present(&t->o->judge, t->row[r]) & mask) != 0) {
            t->row[n++] = t->row[r];
        }
    }
    t->n = n;
    if (n == 0) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "none of %lld rows has any of the modalities: there is nothing to "
                                 "predict from",
                                 (long long)all);
    }
    if (n < all) {
        stele__diag_warning(diag, NULL,
                            "%lld of %lld rows have none of the modalities: they are left out",
                            (long long)(all - n), (long long)all);
    }
    return STELE_OK;
}

static stele_status write_table(const stele__row_table *t, const options *o, stele__diag *diag)
{
    size_t n = (size_t)t->n;
    if (o->format == CSV) {
        return stele__csv_write(o->out, t->column, t->n_columns, n, diag);
    }
    if (o->format == JSONL) {
        return stele__jsonl_write(o->out, t->column, t->n_columns, n, diag);
    }
    stele__h5ad file = {
        .n_obs = n, .obs_names = t->id, .obs = t->column, .n_obs_columns = t->n_columns
    };
    return stele__h5ad_write(o->out, &file, diag);
}

/* --- figures --- */

static stele_status show_figures(json_t *heads, const options *o)
{
    char *text = o->figures.json ? json_dumps(heads, JSON_INDENT(2)) : NULL;
    if (text != NULL) {
        printf("%s\n", text);
    } else if (!o->figures.json && json_object_size(heads) > 0) {
        stele__heads_print(heads, &o->figures.style);
    }
    free(text);
    return o->figures.json && text == NULL ? STELE_E_NOMEM : STELE_OK;
}

/* Figures of rows that were trained on flatter. */
static void warn_of_training(const stele__row_table *t, stele__diag *diag)
{
    const stele__split *s = t->o->run.split;
    int64_t n = 0;
    for (int64_t r = 0; s != NULL && r < t->n; r++) {
        n += s->part[t->row[r]] == STELE__TRAIN;
    }
    if (n > 0) {
        stele__diag_warning(diag, NULL,
                            "%lld of the %lld rows judged were trained on: --split test judges "
                            "those that were not",
                            (long long)n, (long long)t->n);
    }
}

/* How well heads do on those rows that have their targets. */
static stele_status judge(const stele__row_table *t, const options *o, uint64_t mask,
                          stele__diag *diag)
{
    stele__bootstrap b = o->figures.bootstrap;
    stele__report_request q = { .judge = &t->o->judge, .row = t->row, .n = t->n, .mask = mask };
    json_t *heads = NULL;
    stele_status status = STELE_OK;
    if (o->open.quiet && !o->figures.json) {
        return STELE_OK;
    }
    if (b.n_resamples > 0) {
        status = stele__eval_units(t->o, t->row, t->n, &b);
        q.bootstrap = &b;
    }
    status = status == STELE_OK ? stele__report_predictions(&q, &heads, diag) : status;
    status = status == STELE_OK ? show_figures(heads, o) : status;
    if (status == STELE_OK && json_object_size(heads) > 0) {
        warn_of_training(t, diag);
    }
    stele__eval_units_finish(&b);
    json_decref(heads);
    return status;
}

static stele_status fill(stele__row_table *t, const options *o, uint64_t mask, stele__diag *diag)
{
    const stele__model *m = &t->o->run.model;
    stele_status status = keep_known(t, mask, diag);
    if (status == STELE_OK) {
        status = stele__row_table_ids(t);
    }
    if (status == STELE_OK) {
        status = stele__row_table_describe(t, o->format != H5AD);
    }
    for (uint32_t h = 0; h < m->n_heads && status == STELE_OK; h++) {
        status = add_head(t, o, mask, h, diag);
    }
    return status;
}

static stele_status predict(const options *o, stele__diag *diag)
{
    stele__opened opened;
    stele__row_table t = { .o = &opened };
    uint64_t mask = 0;
    stele_status status = stele__opened_init(&opened, &o->open, diag);
    if (status == STELE_OK && opened.run.model.n_heads == 0) {
        status =
            stele__diag_error(diag, STELE_E_ARG, NULL, "%s: the run has no heads", o->open.dir);
        stele__diag_hint(diag, "stele embed writes the latent; heads are named in the spec");
    }
    if (status == STELE_OK) {
        status = stele__opened_mask(&opened, &o->open, &mask, diag);
    }
    if (status == STELE_OK) {
        status = stele__opened_rows(&opened, &o->open, &t.row, &t.n);
    }
    if (status == STELE_OK) {
        status = stele__opened_keep(&opened, o->out, diag);
    }
    if (status == STELE_OK) {
        status = fill(&t, o, mask, diag);
    }
    if (status == STELE_OK) {
        status = write_table(&t, o, diag);
    }
    if (status == STELE_OK && !o->open.quiet) {
        fprintf(stderr, "%s: %lld row%s, %u head%s\n", o->out, (long long)t.n, stele__cli_s(t.n),
                opened.run.model.n_heads, stele__cli_s(opened.run.model.n_heads));
    }
    if (status == STELE_OK) {
        status = judge(&t, o, mask, diag);
    }
    stele__row_table_finish(&t);
    stele__opened_finish(&opened);
    return status;
}

int stele__cmd_predict(int argc, char **argv)
{
    options o = { 0 };
    stele__diag diag;
    int code = parse(argc, argv, &o);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__diag_init(&diag);
    stele__cli_end_on_interrupts();
    stele_status status = predict(&o, &diag);
    return stele__cli_finish(&diag, status);
}
