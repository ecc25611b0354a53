/* Rows: the intervals of a table, or bins one after the other. */
#include "nwb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bins of a recording; more are a mistake in `bin` or in the times. */
#define MOST_BINS 100000000

/* --- the table ------------------------------------------------------------------------------- */

/* Does a column have one value of a known type for each trial? `is_text`: it is to be read so. */
static int is_column(const stele_inst *s, const char *path, int64_t n, int *ret_is_text)
{
    hid_t data = H5Dopen2(s->h5.id, path, H5P_DEFAULT), space = -1, type = -1;
    int good = 0;
    hsize_t extent = 0;
    if (data >= 0 && (space = H5Dget_space(data)) >= 0 && (type = H5Dget_type(data)) >= 0 &&
        H5Sget_simple_extent_ndims(space) == 1) {
        H5T_class_t class = H5Tget_class(type);
        H5Sget_simple_extent_dims(space, &extent, NULL);
        *ret_is_text = class == H5T_STRING || class == H5T_ENUM;
        good = (int64_t)extent == n && (*ret_is_text || class == H5T_INTEGER || class == H5T_FLOAT);
    }
    if (type >= 0) {
        H5Tclose(type);
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (data >= 0) {
        H5Dclose(data);
    }
    return good;
}

/* Of a ragged column `x` the table has an `x_index` too: its values are no labels. */
static int is_ragged(const texts *names, const char *name)
{
    const size_t len = strlen(name);
    int found = len > 6 && strcmp(name + len - 6, "_index") == 0;
    for (int64_t i = 0; i < names->n && !found; i++) {
        const char *other = texts_at(names, i);
        found = strncmp(other, name, len) == 0 && strcmp(other + len, "_index") == 0;
    }
    return found;
}

static stele_status add_column(stele_inst *s, const char *table, const char *name)
{
    nwb_column c = { .name = text_copy(name), .path = text_join(table, name) };
    int is_text = 0;
    void *number = NULL;
    stele_status st = c.name != NULL && c.path != NULL ? STELE_OK : h5_nomem(&s->h5, table);
    int good = st == STELE_OK && is_column(s, c.path, s->n_trials, &is_text);
    if (good && is_text) {
        st = h5_read_texts(&s->h5, c.path, &c.text);
    } else if (good) {
        st = h5_read_all(&s->h5, c.path, s->n_trials, H5T_NATIVE_DOUBLE, sizeof(double), &number,
                         NULL);
        c.number = number;
    }
    if (st == STELE_OK && !good) {
        s->h5.host->log(
            s->h5.host, STELE_LOG_WARNING,
            "%s: `%s` is left out: it has no number or text for each of the %lld trials",
            s->h5.path, c.path, (long long)s->n_trials);
    }
    if (st != STELE_OK || !good) {
        free(c.name);
        free(c.path);
        texts_finish(&c.text);
        return st;
    }
    s->column[s->n_columns++] = c;
    return STELE_OK;
}

static stele_status no_table(const stele_inst *s, const char *path)
{
    texts names = { 0 };
    char list[256] = "";
    size_t len = 0;
    if (h5_is_group(&s->h5, "/intervals") && h5_list(&s->h5, "/intervals", &names) == STELE_OK) {
        for (int64_t i = 0; i < names.n && len < sizeof list; i++) {
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "",
                                    texts_at(&names, i));
        }
    }
    stele_status st = STELE_FAIL(s->h5.host, STELE_E_OPTION,
                                 "trials: %s: there is no `%s`; tables of intervals are: %s",
                                 s->h5.path, path, names.n > 0 ? list : "none");
    texts_finish(&names);
    return st;
}

/* Row ids, which no two trials may share. */
static stele_status read_ids(stele_inst *s, const char *table)
{
    int64_t first = 0, second = 0;
    char *path = text_join(table, "id");
    stele_status st = path != NULL ? h5_read_texts(&s->h5, path, &s->id) : h5_nomem(&s->h5, table);
    int twice = st == STELE_OK ? texts_find_twice(&s->id, &first, &second) : 0;
    if (twice > 0) {
        st = h5_fail(&s->h5, STELE_E_DATA, path, "entries %lld and %lld are both `%s`",
                     (long long)first, (long long)second, texts_at(&s->id, first));
    } else if (twice < 0) {
        st = h5_nomem(&s->h5, path);
    }
    if (st == STELE_OK && s->id.n == 0) {
        st = h5_fail(&s->h5, STELE_E_DATA, path, "is empty: the table has no interval");
    }
    s->n_trials = s->id.n;
    free(path);
    return st;
}

stele_status nwb_trials_read(stele_inst *s)
{
    texts names = { 0 };
    char *table = text_join("/intervals", s->config->trials);
    stele_status st = table != NULL ? STELE_OK : h5_nomem(&s->h5, NULL);
    if (st == STELE_OK && !h5_is_group(&s->h5, table)) {
        st = no_table(s, table);
    }
    st = st == STELE_OK ? read_ids(s, table) : st;
    st = st == STELE_OK ? h5_list(&s->h5, table, &names) : st;
    if (st == STELE_OK) {
        s->column = calloc((size_t)names.n + 1, sizeof *s->column);
        st = s->column != NULL ? STELE_OK : h5_nomem(&s->h5, table);
    }
    for (int64_t i = 0; i < names.n && st == STELE_OK; i++) {
        const char *name = texts_at(&names, i);
        if (strcmp(name, "id") != 0 && !is_ragged(&names, name)) {
            st = add_column(s, table, name);
        }
    }
    texts_finish(&names);
    free(table);
    return st;
}

/* --- windows --------------------------------------------------------------------------------- */

static stele_status no_align(const stele_inst *s)
{
    char list[256] = "";
    size_t len = 0;
    for (uint32_t k = 0; k < s->n_columns && len < sizeof list; k++) {
        if (s->column[k].number != NULL) {
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len > 0 ? ", " : "",
                                    s->column[k].name);
        }
    }
    return STELE_FAIL(s->h5.host, STELE_E_OPTION,
                      "align: %s: the table `%s` has no column of times `%s`; numbers are in: %s",
                      s->h5.path, s->config->trials, s->config->align, len > 0 ? list : "none");
}

/* Trials without the time that windows are aligned to have none. */
static stele_status place_trials(stele_inst *s)
{
    const nwb_config *c = s->config;
    const double *time = NULL;
    for (uint32_t k = 0; k < s->n_columns; k++) {
        time = strcmp(s->column[k].name, c->align) == 0 ? s->column[k].number : time;
    }
    if (time == NULL) {
        return no_align(s);
    }
    for (int64_t i = 0; i < s->n_trials; i++) {
        if (isfinite(time[i])) {
            s->trial[s->n_rows] = i;
            s->begin[s->n_rows++] = time[i] - c->before;
        }
    }
    if (s->n_rows == 0) {
        return STELE_FAIL(s->h5.host, STELE_E_DATA,
                          "align: %s: no interval of `%s` has a time `%s`", s->h5.path, c->trials,
                          c->align);
    }
    return STELE_OK;
}

static stele_status make_room(stele_inst *s, int64_t n)
{
    s->begin = malloc(((size_t)n + 1) * sizeof *s->begin);
    s->trial = malloc(((size_t)n + 1) * sizeof *s->trial);
    return s->begin != NULL && s->trial != NULL ? STELE_OK : h5_nomem(&s->h5, NULL);
}

static stele_status place_bins(stele_inst *s)
{
    const nwb_config *c = s->config;
    const double last = s->units.last_spike;
    if (c->stop <= 0.0 && last < c->start) {
        return STELE_FAIL(s->h5.host, STELE_E_OPTION,
                          "start: %s: the last spike is at %g s, before the first bin at %g s",
                          s->h5.path, last, c->start);
    }
    const double stop =
        c->stop > 0.0 ? c->stop : c->start + (floor((last - c->start) / c->bin) + 1.0) * c->bin;
    /* A width such as 0.1 is not exact: what is a whole number but for that is one. */
    const double n = fmax(floor((stop - c->start) / c->bin * (1.0 + 1e-12)), 0.0);
    if (!(n >= 1.0 && n <= MOST_BINS)) {
        return STELE_FAIL(
            s->h5.host, STELE_E_OPTION,
            "bin: %s: from %g to %g s there are %g bins of %g s; there can be 1 to %d", s->h5.path,
            c->start, stop, n, c->bin, MOST_BINS);
    }
    stele_status st = make_room(s, (int64_t)n);
    for (int64_t i = 0; i < (int64_t)n && st == STELE_OK; i++) {
        s->begin[i] = c->start + (double)i * c->bin;
    }
    s->n_bins = 1;
    s->n_rows = (int64_t)n;
    return st == STELE_OK && texts_add_numbers(&s->id, s->n_rows) != 0 ? h5_nomem(&s->h5, NULL)
                                                                       : st;
}

stele_status nwb_rows_make(stele_inst *s)
{
    const nwb_config *c = s->config;
    if (c->trials == NULL) {
        return place_bins(s);
    }
    s->n_bins = (int64_t)floor((c->before + c->after) / c->bin * (1.0 + 1e-12));
    if (s->n_bins < 1) {
        return STELE_FAIL(
            s->h5.host, STELE_E_OPTION,
            "bin: %g s do not fit into the window of %g s, `before` and `after` together", c->bin,
            c->before + c->after);
    }
    stele_status st = make_room(s, s->n_trials);
    return st == STELE_OK ? place_trials(s) : st;
}
