/* stele generate RUN -o FILE --to a,b [--from a,b] [--split PART] [--rows ID,...] [--first N]
 *     [--prior N | --between ID,ID | --traverse ID [--dims A,B]] [--given HEAD=VALUE]
 *     [--samples N] ... */
#include "base/file.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/draws.h"
#include "cli/row_table.h"
#include "eval/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DRAWS = 1000000 };
static const double MOST_TEMPERATURE = 1e6;

typedef stele__draw_work work;
typedef stele__draw_request options;

/* --- the command line --- */

static int whole_number(const char *text, int64_t least, int64_t most, int64_t *ret)
{
    char *end = NULL;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || v < least || v > most) {
        return 0;
    }
    *ret = v;
    return 1;
}

static int what_of(const char *name)
{
    return strcmp(name, "mean") == 0     ? STELE_DRAW_MEAN
           : strcmp(name, "mode") == 0   ? STELE_DRAW_MODE
           : strcmp(name, "sample") == 0 ? STELE_DRAW_SAMPLE
                                         : 0;
}

/* Values of options that are numbers; 0: take_option knows no such option, -1: told off. */
static int take_number(options *o, int c, const char *value)
{
    struct {
        int option;
        const char *name;
        int64_t *ret, least, most;
        const char *range;
    } all[] = {
        { 'n', "--first", &o->first, 1, MOST_DRAWS, "1 to 1000000" },
        { 'p', "--prior", &o->prior, 1, MOST_DRAWS, "1 to 1000000" },
        { 'k', "--samples", &o->samples, 1, 100000, "1 to 100000" },
        { 'e', "--steps", &o->steps, 2, 1000, "2 to 1000" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].option == c) {
            if (whole_number(value, all[i].least, all[i].most, all[i].ret)) {
                return 1;
            }
            (void)stele__cli_usage_error("generate", "%s is a number from %s", all[i].name,
                                         all[i].range);
            return -1;
        }
    }
    return 0;
}

static int take_sampling(options *o, int c, const char *value)
{
    char *end = NULL;
    int64_t seed = 0;
    if (c == 'T') {
        o->sampling.temperature = strtod(value, &end);
        if (end == value || *end != '\0' || !(o->sampling.temperature >= 0.0) ||
            o->sampling.temperature > MOST_TEMPERATURE) {
            (void)stele__cli_usage_error("generate", "--temperature is a number from 0 to %.0f",
                                         MOST_TEMPERATURE);
            return -1;
        }
    } else if (c == 'S') {
        if (!whole_number(value, 0, INT64_MAX, &seed)) {
            (void)stele__cli_usage_error("generate", "--seed is a whole number from 0 on");
            return -1;
        }
        o->sampling.seed = (uint64_t)seed;
        o->seed_given = 1;
    } else if (c == 'w') {
        o->what = (uint32_t)what_of(value);
        if (o->what == 0) {
            (void)stele__cli_usage_error("generate", "--draw is mean, mode or sample");
            return -1;
        }
    } else {
        return 0;
    }
    return 1;
}

static int take_option(options *o, int c, const char *value)
{
    switch (c) {
    case 'o': o->out = value; return 1;
    case 'O': o->to = value; return 1;
    case 'r': o->rows = value; return 1;
    case 'b': o->between = value; return 1;
    case 'v': o->traverse = value; return 1;
    case 'D': o->dims = value; return 1;
    case 'g': o->given = value; return 1;
    case 'l': o->like = value; return 1;
    case 'h': o->shape = value; return 1;
    default: break;
    }
    int taken = take_number(o, c, value);
    return taken != 0 ? taken : take_sampling(o, c, value);
}

static int check_traverse(const char *command, const options *o, int from_rows)
{
    if (o->traverse != NULL && (from_rows || o->samples > 1 || o->between != NULL)) {
        return stele__cli_usage_error(command, "--traverse names its row: leave out --rows, "
                                               "--first, --split, --samples, --between");
    }
    if (o->dims != NULL && o->traverse == NULL) {
        return stele__cli_usage_error(command, "--dims needs --traverse ID");
    }
    if (o->steps > 0 && o->between == NULL && o->traverse == NULL) {
        return stele__cli_usage_error(command, "--steps needs --between or --traverse");
    }
    return STELE__EXIT_OK;
}

static int check(int argc, char **argv, options *o)
{
    int from_rows = o->rows != NULL || o->first > 0 || o->open.split_given;
    int code = stele__open_check(&o->open, argc, argv);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    if (o->out == NULL || o->to == NULL) {
        return stele__cli_usage_error(argv[0], o->out == NULL
                                                   ? "name the file to write with -o"
                                                   : "name the modalities to generate with --to");
    }
    o->format = stele__generated_format(o->out);
    if (o->format == 0) {
        return stele__cli_usage_error(
            argv[0], "`%s` ends in none of .h5ad, .csv, .npy, .jsonl, .png", o->out);
    }
    if (o->prior > 0 &&
        (o->between != NULL || o->traverse != NULL || from_rows || o->open.modalities != NULL)) {
        return stele__cli_usage_error(
            argv[0],
            "--prior takes no rows: leave out --from, --rows, --first, --split, --between, "
            "--traverse");
    }
    if (o->given != NULL && o->prior == 0) {
        return stele__cli_usage_error(argv[0], "--given needs --prior N");
    }
    if (o->between != NULL && (from_rows || o->samples > 1)) {
        return stele__cli_usage_error(
            argv[0], "--between names its rows: leave out --rows, --first, --split, --samples");
    }
    if (o->shape != NULL && strchr(o->to, ',') != NULL) {
        return stele__cli_usage_error(argv[0], "--shape is about one modality");
    }
    return check_traverse(argv[0], o, from_rows);
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "output", required_argument, NULL, 'o' },
                                           { "to", required_argument, NULL, 'O' },
                                           { "from", required_argument, NULL, 'm' },
                                           { "rows", required_argument, NULL, 'r' },
                                           { "first", required_argument, NULL, 'n' },
                                           { "prior", required_argument, NULL, 'p' },
                                           { "given", required_argument, NULL, 'g' },
                                           { "between", required_argument, NULL, 'b' },
                                           { "traverse", required_argument, NULL, 'v' },
                                           { "dims", required_argument, NULL, 'D' },
                                           { "steps", required_argument, NULL, 'e' },
                                           { "samples", required_argument, NULL, 'k' },
                                           { "temperature", required_argument, NULL, 'T' },
                                           { "draw", required_argument, NULL, 'w' },
                                           { "seed", required_argument, NULL, 'S' },
                                           { "like", required_argument, NULL, 'l' },
                                           { "shape", required_argument, NULL, 'h' },
                                           { "data", required_argument, NULL, STELE__OPTION_DATA },
                                           STELE__RUN_OPTIONS,
                                           { 0 } };
    *o = (options){ .samples = 1, .what = STELE_DRAW_MEAN };
    o->sampling.temperature = 1.0;
    o->open = (stele__open_request){
        .part = STELE__TEST, .checkpoint = "best", .takes_data = 1, .from = "--from"
    };
    for (int c; (c = stele__cli_option(argc, argv, ":o:", longs)) != -1;) {
        int taken = take_option(o, c, optarg);
        if (taken < 0) {
            return STELE__EXIT_USAGE;
        }
        if (taken == 0 && !stele__open_option(&o->open, c, optarg)) {
            return stele__cli_option_error(c, argv);
        }
    }
    o->open.prior = o->between == NULL && o->traverse == NULL;
    return check(argc, argv, o);
}

/* --- the rest --- */

static stele_status read_shape(work *w)
{
    const char *text = w->q->shape;
    int64_t product = 1;
    w->t.shape = text != NULL ? (stele_shape){ 0 } : w->t.shape;
    while (text != NULL && *text != '\0' && w->t.shape.ndim < 3) {
        char *end = NULL;
        long long extent = strtoll(text, &end, 10);
        if (end == text || extent < 1 || extent > 65535 || (*end != ',' && *end != '\0')) {
            break;
        }
        w->t.shape.dim[w->t.shape.ndim++] = extent;
        product *= extent;
        text = *end == ',' ? end + 1 : end;
    }
    int64_t features = w->o.run.model.modality[w->to].n_features;
    if (text != NULL && (*text != '\0' || product != features)) {
        return stele__diag_error(w->diag, STELE_E_ARG, NULL,
                                 "--shape %s: a row of `%s` has %lld value%s", w->q->shape,
                                 w->q->to, (long long)features, stele__cli_s(features));
    }
    return STELE_OK;
}

/* Rows that have none of what they are to be generated from are drawn from the prior; say so. */
static void warn_of_empty(const work *w)
{
    int64_t n = 0;
    for (int64_t r = 0; r < w->n_rows; r++) {
        n += (stele__judge_present(&w->o.judge, w->row[r]) & w->mask) == 0;
    }
    if (n > 0) {
        stele__diag_warning(w->diag, NULL,
                            "%lld of %lld rows have none of the modalities: they are drawn from "
                            "the prior",
                            (long long)n, (long long)w->n_rows);
    }
}

/* Between two rows and along a traversal z alone moves: a private latent stays at its mean, that of
 * the prior where it would have to jump. */
static stele_status make_values(work *w)
{
    const int between = w->q->between != NULL, still = between || w->q->traverse != NULL;
    int64_t *row = stele__calloc((size_t)w->t.n, sizeof *row);
    if (row == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < w->t.n; i++) {
        row[i] = w->like >= 0 ? w->like : w->t.row[i];
    }
    stele__generation g = { .modality = w->t.modality,
                            .what = w->q->what,
                            .seed = w->q->sampling.seed,
                            .n = w->t.n,
                            .row = row,
                            .sample = w->t.sample,
                            .z = w->t.z,
                            .source = w->t.row,
                            .own = between ? 0 : w->mask,
                            .temperature = still ? 0.0 : w->q->sampling.temperature };
    stele_status status = stele__generate(&w->o.judge, &g, w->t.value, w->diag);
    stele__free(row);
    return status;
}

/* `said` gets a line about the file. */
static stele_status write_values(work *w, const char *path, stele__str *said)
{
    const stele__model *m = &w->o.run.model;
    stele__str from;
    stele__str_init(&from);
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if ((w->mask >> i & 1) != 0) {
            stele__str_printf(&from, "%s%s", from.len > 0 ? "," : "", m->modality[i].name);
        }
    }
    w->t.modalities = from.len > 0 ? from.data : "prior";
    stele_status status =
        from.failed ? STELE_E_NOMEM : stele__generated_write(&w->t, path, w->q->format, w->diag);
    if (status == STELE_OK) {
        stele__str_printf(said, "%s: %lld draw%s of %s from %s\n", path, (long long)w->t.n,
                          stele__cli_s(w->t.n), m->modality[w->t.modality].name, w->t.modalities);
    }
    stele__str_finish(&from);
    return status;
}

/* FILE, or of several modalities FILE with "-NAME" before its ending. NULL: out of memory. */
static char *path_of(const work *w, uint32_t modality)
{
    const char *out = w->q->out, *name = w->o.run.model.modality[modality].name;
    const int len = (int)(stele__extension(out) - out);
    stele__str path;
    stele__str_init(&path);
    if ((w->targets & (w->targets - 1)) == 0) {
        stele__str_append(&path, out);
    } else {
        stele__str_printf(&path, "%.*s-%s%s", len, out, name, out + len);
    }
    return stele__str_take(&path);
}

/* What each file needs: first whether it may be written, then its values. */
static stele_status each_file(work *w, int write, stele__str *said)
{
    stele_status status = STELE_OK;
    for (uint32_t i = 0; i < w->o.run.model.n_modalities && status == STELE_OK; i++) {
        if ((w->targets >> i & 1) == 0) {
            continue;
        }
        char *path = path_of(w, i);
        if (path == NULL) {
            status = STELE_E_NOMEM;
        } else if (!write) {
            status = stele__opened_keep(&w->o, path, w->diag);
        } else {
            status = i != w->to ? stele__generated_turn(&w->t, i) : STELE_OK;
            status = status == STELE_OK ? make_values(w) : status;
            status = status == STELE_OK ? write_values(w, path, said) : status;
        }
        stele__free(path);
    }
    return status;
}

/* All modalities from the same z, all of their files or none. */
static stele_status make_files(work *w)
{
    stele__str said;
    stele__str_init(&said);
    stele_status status = each_file(w, 0, &said);
    stele__files_hold();
    status = status == STELE_OK ? each_file(w, 1, &said) : status;
    status = status == STELE_OK ? stele__files_release(w->diag) : status;
    stele__files_drop();
    if (status == STELE_OK && !w->q->open.quiet && said.data != NULL) {
        fputs(said.data, stderr);
    }
    stele__str_finish(&said);
    return status;
}

int stele__cmd_generate(int argc, char **argv)
{
    options q;
    stele__diag diag;
    int code = parse(argc, argv, &q);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__diag_init(&diag);
    stele__cli_end_on_interrupts();
    work w = { .q = &q, .diag = &diag };
    stele_status status = stele__opened_init(&w.o, &q.open, &diag);
    if (!q.seed_given) {
        q.sampling.seed = w.o.judge.seed;
    }
    status = status == STELE_OK ? stele__draw_z(&w) : status;
    status = status == STELE_OK ? read_shape(&w) : status;
    if (status == STELE_OK) {
        warn_of_empty(&w);
        status = make_files(&w);
    }
    stele__generated_finish(&w.t);
    stele__free(w.row);
    stele__opened_finish(&w.o);
    return stele__cli_finish(&diag, status);
}
