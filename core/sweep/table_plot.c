/* The table as pictures. */
#include "base/mem.h"
#include "plot/plot.h"
#include "spec/scalar.h"
#include "sweep/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 8 };

/* Values of all settings, repetition by repetition. */
static double *values_of(const stele__sweep_table *t, size_t metric)
{
    size_t n = t->points->n_replicates;
    double *value = stele__calloc(t->points->n_settings * n, sizeof *value);
    for (size_t i = 0; value != NULL && i < t->points->n_settings * n; i++) {
        value[i] = stele__sweep_value(t, metric, i / n, i % n);
    }
    return value;
}

static char *join(const char *a, const char *b)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s%s", a, b);
    return stele__str_take(&s);
}

static char *title_of(const stele__sweep_table *t, const stele__metric *m)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s: %s, %s is better", t->points->spec->top->name, m->name,
                      m->higher ? "higher" : "lower");
    return stele__str_take(&s);
}

static stele_status plot_groups(const stele__sweep_table *t, size_t metric, const double *value,
                                const char *path, const char *title, stele__diag *diag)
{
    size_t n = t->points->n_settings, n_values = t->points->n_replicates;
    stele__plot_set *set = stele__calloc(n, sizeof *set);
    char **name = stele__calloc(n, sizeof *name);
    stele_status status = set != NULL && name != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t s = 0; s < n && status == STELE_OK; s++) {
        stele__str text;
        stele__str_init(&text);
        stele__setting_name(t, s, &text);
        name[s] = stele__str_take(&text);
        set[s] = (stele__plot_set){ .name = name[s],
                                    .value = value + s * n_values,
                                    .n = n_values,
                                    .marked = s == t->metric[metric].best };
        status = name[s] != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    char *file = join(path, "-points.png");
    if (status == STELE_OK) {
        status = file != NULL
                     ? stele__plot_groups(file, title, t->metric[metric].name, set, n, diag)
                     : STELE_E_NOMEM;
    }
    for (size_t s = 0; name != NULL && s < n; s++) {
        stele__free(name[s]);
    }
    stele__free(file);
    stele__free(name);
    stele__free(set);
    return status;
}

static int number_at(const stele__sweep_table *t, size_t setting, size_t axis, double *ret)
{
    return stele__scalar_f64(t->points->point[t->first[setting]].value[axis], ret) ==
               STELE__SCALAR_OK &&
           isfinite(*ret);
}

/* The only swept key that is a number with more than one value; n_axes: there is none, or more. */
static size_t number_axis(const stele__sweep_table *t)
{
    const stele__spec *spec = t->points->spec;
    size_t found = spec->n_axes, n = 0;
    for (size_t k = 0; k < spec->n_axes; k++) {
        int numbers = !stele__axis_is_replicate(spec, k), differ = 0;
        double first = 0.0, x = 0.0;
        for (size_t s = 0; s < t->points->n_settings && numbers; s++) {
            numbers = number_at(t, s, k, &x);
            first = s == 0 ? x : first;
            differ |= x != first;
        }
        if (numbers && differ) {
            found = k;
            n++;
        }
    }
    return n == 1 ? found : spec->n_axes;
}

/* 1 if two settings differ in `axis` alone, or not even there. */
static int same_line(const stele__sweep_table *t, size_t a, size_t b, size_t axis)
{
    const stele__spec *spec = t->points->spec;
    const stele__point *p = &t->points->point[t->first[a]], *q = &t->points->point[t->first[b]];
    for (size_t k = 0; k < spec->n_axes; k++) {
        if (k != axis && !stele__axis_is_replicate(spec, k) &&
            strcmp(p->value[k], q->value[k]) != 0) {
            return 0;
        }
    }
    return 1;
}

static int by_x(const void *a, const void *b)
{
    double x = ((const stele__plot_set *)a)->x, y = ((const stele__plot_set *)b)->x;
    return (x > y) - (x < y);
}

typedef struct lines {
    stele__plot_line line[MOST_LINES];
    char *name[MOST_LINES];
    stele__plot_set *set; /* all of them, line after line */
    size_t n;
    double low, high; /* x */
} lines;

static char *line_name(const stele__sweep_table *t, size_t setting, size_t axis)
{
    const stele__spec *spec = t->points->spec;
    stele__str s;
    stele__str_init(&s);
    for (size_t k = 0; k < spec->n_axes; k++) {
        if (k != axis && !stele__axis_is_replicate(spec, k)) {
            stele__str_printf(&s, "%s%s", s.len > 0 ? ", " : "",
                              t->points->point[t->first[setting]].value[k]);
        }
    }
    return stele__str_take(&s);
}

/* Group the settings into lines. 0: there are too many to tell apart. */
static int find_lines(const stele__sweep_table *t, size_t axis, const double *value, lines *l)
{
    size_t n = t->points->n_settings, used = 0, n_values = t->points->n_replicates;
    for (size_t s = 0; s < n; s++) {
        size_t first = 0;
        while (!same_line(t, first, s, axis)) {
            first++;
        }
        if (first < s) {
            continue; /* it is in that one's line */
        }
        if (l->n == MOST_LINES) {
            return 0;
        }
        stele__plot_line *line = &l->line[l->n];
        l->name[l->n] = line_name(t, s, axis);
        line->name = l->name[l->n] != NULL && l->name[l->n][0] != '\0' ? l->name[l->n] : NULL;
        line->set = l->set + used;
        size_t start = used;
        for (size_t other = s; other < n; other++) {
            double x = 0.0;
            if (same_line(t, s, other, axis) && number_at(t, other, axis, &x)) {
                l->set[used++] =
                    (stele__plot_set){ .x = x, .value = value + other * n_values, .n = n_values };
                l->low = fmin(l->low, x);
                l->high = fmax(l->high, x);
            }
        }
        line->n = used - start;
        qsort(l->set + start, line->n, sizeof *l->set, by_x);
        l->n++;
    }
    return 1;
}

static stele_status plot_lines(const stele__sweep_table *t, size_t metric, const double *value,
                               const char *path, const char *title, stele__diag *diag)
{
    enum { WIDE = 16 }; /* a range that a linear axis would press into a corner */
    size_t axis = number_axis(t);
    if (axis == t->points->spec->n_axes) {
        return STELE_OK;
    }
    lines l = { .low = INFINITY, .high = -INFINITY };
    l.set = stele__calloc(t->points->n_settings, sizeof *l.set);
    char *file = join(path, "-line.png");
    stele_status status = l.set != NULL && file != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK && find_lines(t, axis, value, &l)) {
        const stele__axis *a = &t->points->spec->axis[axis];
        int log = a->log || (l.low > 0.0 && l.high / l.low >= WIDE);
        status =
            stele__plot_lines(file, title, a->key, t->metric[metric].name, log, l.line, l.n, diag);
    }
    for (size_t i = 0; i < l.n; i++) {
        stele__free(l.name[i]);
    }
    stele__free(l.set);
    stele__free(file);
    return status;
}

stele_status stele__sweep_plot(const stele__sweep_table *t, size_t metric, const char *path,
                               stele__diag *diag)
{
    double *value = values_of(t, metric);
    char *title = title_of(t, &t->metric[metric]);
    stele_status status = value != NULL && title != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = plot_groups(t, metric, value, path, title, diag);
    }
    if (status == STELE_OK) {
        status = plot_lines(t, metric, value, path, title, diag);
    }
    stele__free(title);
    stele__free(value);
    return status;
}
