/* The table as text: Markdown and CSV. */
#include "base/map.h"
#include "base/mem.h"
#include "data/csv.h"
#include "sweep/table.h"

#include <math.h>
#include <string.h>

static void put_number(stele__str *out, const char *format, double value)
{
    if (isnan(value)) {
        stele__str_append(out, "-");
    } else {
        char text[40];
        snprintf(text, sizeof text, format, value);
        stele__str_append(out, text);
    }
    stele__str_append(out, " | ");
}

static void put_axes(const stele__sweep_table *t, const char *const *value, int bold,
                     stele__str *out)
{
    const stele__spec *spec = t->points->spec;
    stele__str_append(out, "| ");
    for (size_t k = 0; k < spec->n_axes; k++) {
        if (!stele__axis_is_replicate(spec, k)) {
            stele__str_append(out, bold ? "**" : "");
            stele__str_append_cell(out, value[k]);
            stele__str_append(out, bold ? "** | " : " | ");
        }
    }
}

static void put_heading(const stele__sweep_table *t, const stele__metric *m, stele__str *out)
{
    const stele__spec *spec = t->points->spec;
    stele__str_append(out, "## ");
    stele__str_append_cell(out, m->name);
    stele__str_printf(out, "\n\n%s is better.\n\n| ", m->higher ? "Higher" : "Lower");
    size_t n = 8;
    for (size_t k = 0; k < spec->n_axes; k++) {
        if (!stele__axis_is_replicate(spec, k)) {
            stele__str_append_cell(out, spec->axis[k].key);
            stele__str_append(out, " | ");
            n++;
        }
    }
    stele__str_append(out, "n | mean | sd | against the best | pairs | p (t) | p (corrected t) | "
                           "p (sign flips) |\n|");
    for (size_t i = 0; i < n; i++) {
        stele__str_append(out, "---|");
    }
    stele__str_append(out, "\n");
}

static void put_metric(const stele__sweep_table *t, const stele__metric *m, stele__str *out)
{
    put_heading(t, m, out);
    for (size_t s = 0; s < t->points->n_settings; s++) {
        const stele__cell *cell = &m->cell[s];
        const stele__point *p = &t->points->point[t->first[s]];
        put_axes(t, (const char *const *)p->value, s == m->best, out);
        stele__str_printf(out, "%zu | ", cell->n);
        put_number(out, "%.5g", cell->mean);
        put_number(out, "%.2g", cell->sd);
        if (s == m->best) {
            stele__str_append(out, "best | | | | |\n");
            continue;
        }
        put_number(out, "%+.3g", cell->pairs > 0 ? cell->test.mean : NAN);
        stele__str_printf(out, "%zu | ", cell->pairs);
        put_number(out, "%.3g", cell->test.t);
        put_number(out, "%.3g", cell->test.corrected);
        put_number(out, "%.3g", cell->test.flip);
        out->data[--out->len] = '\0'; /* the blank behind the last bar */
        stele__str_append(out, "\n");
    }
    stele__str_append(out, "\n");
}

/* All axes of a point: "fusion = a, seed = 1". */
static void put_point(const stele__sweep_table *t, size_t i, stele__str *out)
{
    const stele__spec *spec = t->points->spec;
    for (size_t k = 0; k < spec->n_axes; k++) {
        stele__str_append(out, k > 0 ? ", " : "");
        stele__str_append_cell(out, spec->axis[k].key);
        stele__str_append(out, " = ");
        stele__str_append_cell(out, t->points->point[i].value[k]);
    }
}

static void put_failures(const stele__sweep_table *t, stele__str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t->points->n; i++) {
        if (t->result[i].reason == NULL) {
            continue;
        }
        stele__str_append(out, n++ == 0 ? "## Without figures\n\n" : "");
        stele__str_append(out, "- ");
        put_point(t, i, out);
        stele__str_append(out, ": ");
        stele__str_append_cell(out, t->result[i].reason);
        stele__str_append(out, "\n");
    }
    stele__str_append(out, n > 0 ? "\n" : "");
}

/* Pairs are of the same split, but a setting may lack rows that have nothing but what it drops. */
static int rows_differ(const stele__sweep_table *t)
{
    int differ = 0;
    for (size_t i = 0; i < t->points->n; i++) {
        for (size_t j = 0; j < i; j++) {
            differ |= t->result[i].figures != NULL && t->result[j].figures != NULL &&
                      t->points->point[i].replicate == t->points->point[j].replicate &&
                      t->result[i].rows != t->result[j].rows;
        }
    }
    return differ;
}

void stele__sweep_markdown(const stele__sweep_table *t, stele__str *out)
{
    const stele__spec *spec = t->points->spec;
    size_t finished = 0;
    for (size_t i = 0; i < t->points->n; i++) {
        finished += t->result[i].figures != NULL;
    }
    stele__str_printf(out, "# Sweep %s\n\n%zu of %zu runs, judged on %s rows.\n\n", spec->top->name,
                      finished, t->points->n,
                      spec->sweep->split == STELE__SWEEP_TEST ? "test" : "validation");
    for (size_t i = 0; i < t->n_metrics; i++) {
        put_metric(t, &t->metric[i], out);
    }
    put_failures(t, out);
    const char *metric = NULL;
    if (stele__sweep_bounds(spec, &metric)) {
        stele__str_printf(out,
                          "%s is about all measurements of a row, fewer where modalities are "
                          "dropped: settings that drop\nothers are not comparable by it.\n\n",
                          metric);
    }
    if (rows_differ(t)) {
        stele__str_append(out, "Not all settings were judged on the same number of rows: where "
                               "modalities are left out, rows may be, too.\n\n");
    }
    stele__str_append(
        out,
        "Mean and sd (over n - 1) are over repetitions, differences are paired by repetition. p is "
        "two-sided, not\nadjusted for the number of comparisons, nor for the best having been "
        "picked by the same figures. The t-test\ntakes repetitions for independent; those that "
        "divide the same rows anew are not, which the corrected one\n(Nadeau and Bengio, 2003) "
        "makes up for. Sign flips assume no distribution, but p is never below 2^(1 - pairs).\n");
}

static stele_status add_axes(const stele__sweep_table *t, int of_settings, const size_t *point,
                             size_t n_rows, stele__column *column, size_t *n)
{
    const stele__spec *spec = t->points->spec;
    for (size_t k = 0; k < spec->n_axes; k++) {
        if (of_settings && stele__axis_is_replicate(spec, k)) {
            continue;
        }
        const char **text = stele__calloc(n_rows, sizeof *text);
        if (text == NULL) {
            return STELE_E_NOMEM;
        }
        for (size_t i = 0; i < n_rows; i++) {
            text[i] = t->points->point[point != NULL ? point[i] : i].value[k];
        }
        column[(*n)++] =
            (stele__column){ .name = spec->axis[k].key, .kind = STELE__TEXT, .text = text };
    }
    return STELE_OK;
}

static void free_columns(stele__column *column, size_t n)
{
    for (size_t i = 0; column != NULL && i < n; i++) {
        union { /* columns borrow; here they own */
            const void *in;
            void *out;
        } u = { .in = column[i].kind == STELE__TEXT      ? (const void *)column[i].text
                      : column[i].kind == STELE__INTEGER ? (const void *)column[i].i64
                                                         : (const void *)column[i].f64 };
        stele__free(u.out);
    }
    stele__free(column);
}

enum { TEXT, INTEGER, NUMBER };
/* A new column of one of these kinds, to be filled. NULL: out of memory. */
static void *add(stele__column *column, size_t *n, const char *name, int kind, size_t n_rows)
{
    void *values = stele__calloc(n_rows, sizeof(double));
    stele__column *c = &column[*n];
    *c = (stele__column){ .name = name };
    c->kind = kind == TEXT ? STELE__TEXT : kind == INTEGER ? STELE__INTEGER : STELE__DOUBLE;
    if (kind == TEXT) {
        c->text = values;
    } else if (kind == INTEGER) {
        c->i64 = values;
    } else {
        c->f64 = values;
    }
    *n += 1;
    return values;
}

typedef struct settings_columns {
    const char **metric, **better;
    int64_t *n, *pairs, *is_best;
    double *mean, *sd, *difference, *t, *corrected, *flip;
} settings_columns;

static void fill_settings(const stele__sweep_table *t, const settings_columns *c)
{
    size_t row = 0;
    for (size_t i = 0; i < t->n_metrics; i++) {
        const stele__metric *m = &t->metric[i];
        for (size_t s = 0; s < t->points->n_settings; s++, row++) {
            const stele__cell *cell = &m->cell[s];
            c->metric[row] = m->name;
            c->better[row] = m->higher ? "higher" : "lower";
            c->n[row] = (int64_t)cell->n;
            c->mean[row] = cell->mean;
            c->sd[row] = cell->sd;
            c->is_best[row] = s == m->best;
            c->pairs[row] = (int64_t)cell->pairs;
            c->difference[row] = cell->pairs > 0 ? cell->test.mean : NAN;
            c->t[row] = cell->pairs > 0 ? cell->test.t : NAN;
            c->corrected[row] = cell->pairs > 0 ? cell->test.corrected : NAN;
            c->flip[row] = cell->pairs > 0 ? cell->test.flip : NAN;
        }
    }
}

stele_status stele__sweep_csv(const stele__sweep_table *t, const char *path, stele__diag *diag)
{
    size_t n_settings = t->points->n_settings, rows = n_settings * t->n_metrics, n = 0;
    stele__column *column = stele__calloc(t->points->spec->n_axes + 11, sizeof *column);
    size_t *point = stele__calloc(rows, sizeof *point);
    stele_status status = column != NULL && point != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < rows && status == STELE_OK; i++) {
        point[i] = t->first[i % n_settings];
    }
    status = status == STELE_OK ? add_axes(t, 1, point, rows, column, &n) : status;
    if (status == STELE_OK) {
        settings_columns c = { .metric = add(column, &n, "metric", TEXT, rows),
                               .better = add(column, &n, "better", TEXT, rows),
                               .n = add(column, &n, "n", INTEGER, rows),
                               .mean = add(column, &n, "mean", NUMBER, rows),
                               .sd = add(column, &n, "sd", NUMBER, rows),
                               .is_best = add(column, &n, "best", INTEGER, rows),
                               .pairs = add(column, &n, "pairs", INTEGER, rows),
                               .difference = add(column, &n, "difference", NUMBER, rows),
                               .t = add(column, &n, "p_t", NUMBER, rows),
                               .corrected = add(column, &n, "p_corrected_t", NUMBER, rows),
                               .flip = add(column, &n, "p_sign_flips", NUMBER, rows) };
        int whole = c.metric != NULL && c.better != NULL && c.n != NULL && c.mean != NULL &&
                    c.sd != NULL && c.is_best != NULL && c.pairs != NULL && c.difference != NULL &&
                    c.t != NULL && c.corrected != NULL && c.flip != NULL;
        if (whole) {
            fill_settings(t, &c);
        }
        status = whole ? stele__csv_write(path, column, n, rows, diag) : STELE_E_NOMEM;
    }
    free_columns(column, n);
    stele__free(point);
    return status;
}

/* Every figure that any run has, in the order in which they turn up. */
static stele_status collect(const stele__sweep_table *t, stele__map *names)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < t->points->n; i++) {
        const char *key;
        json_t *value;
        json_object_foreach(t->result[i].figures, key, value)
        {
            int64_t index;
            status = status == STELE_OK ? stele__map_add(names, key, &index, NULL) : status;
        }
    }
    return status;
}

static stele_status add_figures(const stele__sweep_table *t, const stele__map *names,
                                stele__column *column, size_t *n)
{
    for (int64_t k = 0; k < stele__map_count(names); k++) {
        double *values = add(column, n, stele__map_name(names, k), NUMBER, t->points->n);
        for (size_t i = 0; values != NULL && i < t->points->n; i++) {
            const json_t *v = json_object_get(t->result[i].figures, stele__map_name(names, k));
            values[i] = json_is_number(v) ? json_number_value(v) : NAN;
        }
        if (values == NULL) {
            return STELE_E_NOMEM;
        }
    }
    return STELE_OK;
}

static stele_status add_ends(const stele__sweep_table *t, stele__column *column, size_t *n)
{
    size_t rows = t->points->n;
    const char **run = add(column, n, "run", TEXT, rows);
    const char **reason = add(column, n, "failed", TEXT, rows);
    int64_t *epochs = add(column, n, "epochs", INTEGER, rows);
    int64_t *best = add(column, n, "best_epoch", INTEGER, rows);
    double *seconds = add(column, n, "seconds", NUMBER, rows);
    double *peak = add(column, n, "peak_gb", NUMBER, rows);
    if (run == NULL || reason == NULL || epochs == NULL || best == NULL || seconds == NULL ||
        peak == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < rows; i++) {
        run[i] = t->result[i].run;
        reason[i] = t->result[i].reason;
        epochs[i] = t->result[i].epochs;
        best[i] = t->result[i].best_epoch;
        seconds[i] = t->result[i].seconds;
        peak[i] = t->result[i].peak_bytes / 1e9;
    }
    return STELE_OK;
}

stele_status stele__runs_csv(const stele__sweep_table *t, const char *path, stele__diag *diag)
{
    stele__map *names = NULL;
    stele__column *column = NULL;
    size_t n = 0;
    stele_status status = stele__map_create(&names);
    status = status == STELE_OK ? collect(t, names) : status;
    if (status == STELE_OK) {
        size_t most = t->points->spec->n_axes + 6 + (size_t)stele__map_count(names);
        column = stele__calloc(most, sizeof *column);
        status = column != NULL ? add_axes(t, 0, NULL, t->points->n, column, &n) : STELE_E_NOMEM;
    }
    status = status == STELE_OK ? add_ends(t, column, &n) : status;
    status = status == STELE_OK ? add_figures(t, names, column, &n) : status;
    status = status == STELE_OK ? stele__csv_write(path, column, n, t->points->n, diag) : status;
    free_columns(column, n);
    stele__map_destroy(names);
    return status;
}
