#include "sweep/table.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* The point of a setting and repetition; points->n: there is none. */
static size_t find(const stele__points *p, size_t setting, size_t replicate)
{
    size_t i = 0;
    while (i < p->n && (p->point[i].setting != setting || p->point[i].replicate != replicate)) {
        i++;
    }
    return i;
}

double stele__sweep_value(const stele__sweep_table *t, size_t metric, size_t setting,
                          size_t replicate)
{
    size_t i = find(t->points, setting, replicate);
    const json_t *value = i < t->points->n && t->result[i].figures != NULL
                              ? json_object_get(t->result[i].figures, t->metric[metric].name)
                              : NULL;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Rows judged over training rows, as the pairs have it. */
static double ratio_of(const stele__sweep_table *t, size_t setting)
{
    double sum = 0.0, n = 0.0;
    for (size_t i = 0; i < t->points->n; i++) {
        if (t->points->point[i].setting == setting && t->result[i].figures != NULL) {
            sum += t->result[i].ratio;
            n += 1.0;
        }
    }
    return n > 0.0 ? sum / n : 0.0;
}

static void summarise(stele__sweep_table *t, size_t metric, double *x)
{
    stele__metric *m = &t->metric[metric];
    m->best = t->points->n_settings;
    for (size_t s = 0; s < t->points->n_settings; s++) {
        stele__cell *cell = &m->cell[s];
        const stele__cell *best = &m->cell[m->best < s ? m->best : s];
        cell->n = 0;
        for (size_t r = 0; r < t->points->n_replicates; r++) {
            double value = stele__sweep_value(t, metric, s, r);
            if (!isnan(value)) {
                x[cell->n++] = value;
            }
        }
        stele__mean_sd(x, cell->n, &cell->mean, &cell->sd);
        int better = m->higher ? cell->mean > best->mean : cell->mean < best->mean;
        if (cell->n > 0 && (best == cell || cell->n > best->n || (cell->n == best->n && better))) {
            m->best = s;
        }
    }
}

/* Pairs are repetitions that both settings have. */
static void compare(stele__sweep_table *t, size_t metric, double *x)
{
    stele__metric *m = &t->metric[metric];
    int any = m->best < t->points->n_settings;
    for (size_t s = 0; s < t->points->n_settings; s++) {
        stele__cell *cell = &m->cell[s];
        for (size_t r = 0; r < t->points->n_replicates && any && s != m->best; r++) {
            double difference =
                stele__sweep_value(t, metric, s, r) - stele__sweep_value(t, metric, m->best, r);
            if (!isnan(difference)) {
                x[cell->pairs++] = difference;
            }
        }
        cell->test = stele__paired_test(x, cell->pairs, ratio_of(t, s));
    }
}

static stele_status add_metric(stele__sweep_table *t, const char *name, int higher, double *x)
{
    stele__metric *m = &t->metric[t->n_metrics];
    *m = (stele__metric){ .name = name, .higher = higher };
    m->cell = stele__calloc(t->points->n_settings, sizeof *m->cell);
    if (m->cell == NULL) {
        return STELE_E_NOMEM;
    }
    summarise(t, t->n_metrics, x);
    compare(t, t->n_metrics, x);
    t->n_metrics++;
    return STELE_OK;
}

stele_status stele__sweep_table_init(stele__sweep_table *t, const stele__points *points,
                                     const stele__result *result)
{
    const stele__sweep_spec *spec = points->spec->sweep;
    size_t n = spec->higher.n + spec->lower.n;
    double *x = stele__calloc(points->n_replicates, sizeof *x);
    *t = (stele__sweep_table){ .points = points, .result = result };
    t->metric = stele__calloc(n, sizeof *t->metric);
    t->first = stele__calloc(points->n_settings, sizeof *t->first);
    stele_status status =
        x != NULL && t->metric != NULL && t->first != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = points->n; status == STELE_OK && i-- > 0;) {
        t->first[points->point[i].setting] = i;
    }
    for (uint64_t i = 0; i < n && status == STELE_OK; i++) {
        int higher = i < spec->higher.n;
        status = add_metric(t, higher ? spec->higher.v[i] : spec->lower.v[i - spec->higher.n],
                            higher, x);
    }
    stele__free(x);
    return status;
}

void stele__sweep_table_finish(stele__sweep_table *t)
{
    for (size_t i = 0; i < t->n_metrics; i++) {
        stele__free(t->metric[i].cell);
    }
    stele__free(t->metric);
    stele__free(t->first);
    memset(t, 0, sizeof *t);
}

void stele__setting_name(const stele__sweep_table *t, size_t setting, stele__str *out)
{
    const stele__spec *spec = t->points->spec;
    const stele__point *p = &t->points->point[t->first[setting]];
    const char *join = "";
    for (size_t k = 0; k < spec->n_axes; k++) {
        if (!stele__axis_is_replicate(spec, k)) {
            stele__str_printf(out, "%s%s", join, p->value[k]);
            join = ", ";
        }
    }
    if (join[0] == '\0') {
        stele__str_append(out, "all");
    }
}
