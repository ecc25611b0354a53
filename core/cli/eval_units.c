#include "cli/eval_units.h"

#include "base/mem.h"

#include <stdlib.h>

/* The group of each row by number, in the order in which they first appear. */
static stele_status number_groups(const stele__label *label, const int64_t *row, int64_t n,
                                  int32_t *unit, int64_t *ret_n)
{
    int32_t *known = stele__malloc((size_t)(label->n_categories + 1) * sizeof *known);
    if (known == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t c = 0; c < label->n_categories; c++) {
        known[c] = -1;
    }
    *ret_n = 0;
    for (int64_t r = 0; r < n; r++) {
        const int32_t code = label->code[row[r]];
        if (code >= 0 && known[code] >= 0) {
            unit[r] = known[code];
            continue;
        }
        unit[r] = (int32_t)(*ret_n)++;
        if (code >= 0) {
            known[code] = unit[r];
        }
    }
    stele__free(known);
    return STELE_OK;
}

stele_status stele__eval_units(const stele__opened *o, const int64_t *row, int64_t n,
                               stele__bootstrap *b)
{
    const char *group = o->loaded.spec->data->group;
    const stele__label *label =
        group != NULL ? stele__dataset_label(o->run.data, group, STELE_FIELD_CATEGORY) : NULL;
    b->n = b->n_units = n;
    b->seed = o->judge.seed;
    b->pool = o->run.pool;
    if (label == NULL) {
        return STELE_OK;
    }
    int32_t *unit = stele__calloc((size_t)n + 1, sizeof *unit);
    b->unit = unit;
    return unit != NULL ? number_groups(label, row, n, unit, &b->n_units) : STELE_E_NOMEM;
}

void stele__eval_units_finish(stele__bootstrap *b)
{
    stele__free((void *)(uintptr_t)b->unit);
    b->unit = NULL;
}

int stele__interval_option(stele__interval_options *o, int option, const char *value)
{
    switch (option) {
    case 'i': o->style.intervals = 1; return 1;
    case 'M': o->style.markdown = 1; return 1;
    case 'j': o->json = 1; return 1;
    case 'b': o->resamples = value; return 1;
    case 'L': o->level = value; return 1;
    default: return 0;
    }
}

/* Resamples unless asked for otherwise; the most that may be asked for. */
enum { RESAMPLES = 1000, MOST_RESAMPLES = 1000000 };

int stele__interval_check(const char *command, stele__interval_options *o)
{
    char *end = NULL;
    o->bootstrap = (stele__bootstrap){ .n_resamples = RESAMPLES, .level = 0.95 };
    if (o->resamples != NULL) {
        long n = strtol(o->resamples, &end, 10);
        if (end == o->resamples || *end != '\0' || n > MOST_RESAMPLES ||
            (n != 0 && n < STELE__LEAST_RESAMPLES)) {
            return stele__cli_usage_error(
                command, "--resamples is a number from 100 to 1000000, or 0 for no intervals");
        }
        o->bootstrap.n_resamples = (uint32_t)n;
    }
    if (o->level != NULL) {
        o->bootstrap.level = strtod(o->level, &end);
        if (end == o->level || *end != '\0' ||
            !(o->bootstrap.level > 0.0 && o->bootstrap.level < 1.0)) {
            return stele__cli_usage_error(command, "--level is a number between 0 and 1");
        }
    }
    if (o->bootstrap.n_resamples == 0 && (o->style.intervals || o->level != NULL)) {
        return stele__cli_usage_error(command, "without resamples there are no intervals");
    }
    if (o->json && (o->style.markdown || o->style.intervals)) {
        return stele__cli_usage_error(
            command, "--json has all intervals: leave out --intervals and --markdown");
    }
    return STELE__EXIT_OK;
}
