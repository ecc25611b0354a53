/* Spike times by unit, and counts of them. */
#include "nwb.h"

#include <math.h>
#include <stdlib.h>

#define TIMES "/units/spike_times"
#define INDEX "/units/spike_times_index"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* As many as there are units, none before the one before it. */
stele_status nwb_index_take(const stele_inst *s, const char *path, const char *of, const char *noun,
                            const int64_t *end, int64_t n_entries, int64_t **ret_first)
{
    const int64_t n = s->units.n;
    int64_t *first = calloc((size_t)n + 1, sizeof *first);
    if (first == NULL) {
        return h5_nomem(&s->h5, path);
    }
    stele_status st = STELE_OK;
    for (int64_t k = 0; k < n && st == STELE_OK; k++) {
        if (end[k] < first[k] || end[k] > n_entries) {
            st = h5_fail(&s->h5, STELE_E_DATA, path,
                         "entry %lld is %lld: the %s of a unit end between those of the unit "
                         "before it (%lld) and the last (%lld)",
                         (long long)k, (long long)end[k], noun, (long long)first[k],
                         (long long)n_entries);
        }
        first[k + 1] = end[k];
    }
    if (st == STELE_OK && first[n] != n_entries) {
        st = h5_fail(&s->h5, STELE_E_DATA, path, "ends at %lld, but `%s` has %lld entries",
                     (long long)first[n], of, (long long)n_entries);
    }
    if (st != STELE_OK) {
        free(first);
        return st;
    }
    *ret_first = first;
    return STELE_OK;
}

static stele_status order_times(stele_inst *s, int64_t n_times)
{
    nwb_units *u = &s->units;
    for (int64_t i = 0; i < n_times; i++) {
        if (!isfinite(u->time[i])) {
            return h5_fail(&s->h5, STELE_E_DATA, TIMES, "entry %lld is %g, which is no time",
                           (long long)i, u->time[i]);
        }
    }
    u->first_spike = INFINITY;
    u->last_spike = -INFINITY;
    for (int64_t i = 0; i < n_times; i++) {
        u->first_spike = fmin(u->first_spike, u->time[i]);
        u->last_spike = fmax(u->last_spike, u->time[i]);
    }
    for (int64_t k = 0; k < u->n; k++) {
        qsort(u->time + u->first[k], (size_t)(u->first[k + 1] - u->first[k]), sizeof *u->time,
              ascending);
    }
    return STELE_OK;
}

stele_status nwb_units_read(stele_inst *s)
{
    nwb_units *u = &s->units;
    void *time = NULL, *end = NULL;
    int64_t n_times = 0;
    if (!h5_exists(&s->h5, "/units") || !h5_exists(&s->h5, TIMES)) {
        return h5_fail(&s->h5, STELE_E_DATA, NULL,
                       "has no spike times: there is no `" TIMES "` in it");
    }
    stele_status st =
        h5_read_all(&s->h5, INDEX, -1, H5T_NATIVE_INT64, sizeof(int64_t), &end, &u->n);
    st = st == STELE_OK
             ? h5_read_all(&s->h5, TIMES, -1, H5T_NATIVE_DOUBLE, sizeof(double), &time, &n_times)
             : st;
    u->time = time;
    if (st == STELE_OK && (u->n == 0 || n_times == 0)) {
        st = h5_fail(&s->h5, STELE_E_DATA, u->n == 0 ? INDEX : TIMES,
                     u->n == 0 ? "is empty: there are no units"
                               : "is empty: none of %lld units has a spike",
                     (long long)u->n);
    }
    st = st == STELE_OK ? nwb_index_take(s, INDEX, TIMES, "times", end, n_times, &u->first) : st;
    st = st == STELE_OK ? order_times(s, n_times) : st;
    if (st == STELE_OK && h5_exists(&s->h5, "/units/id")) {
        st = h5_read_texts(&s->h5, "/units/id", &u->name);
        if (st == STELE_OK && u->name.n != u->n) {
            st = h5_fail(&s->h5, STELE_E_DATA, "/units/id",
                         "has %lld entries, but `" INDEX "` has %lld units", (long long)u->name.n,
                         (long long)u->n);
        }
    }
    free(end);
    return st;
}

/* The first time at or behind t. */
static int64_t first_from(const nwb_units *u, int64_t unit, double t)
{
    int64_t low = u->first[unit], high = u->first[unit + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (u->time[middle] < t) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Where bin b of a row begins. Of rows that are bins one ends where the next begins, to the last
 * bit: no spike is lost or counted twice. */
static double edge(const stele_inst *s, int64_t row, int64_t b)
{
    return s->config->trials != NULL ? s->begin[row] + (double)b * s->config->bin
                                     : s->config->start + (double)(row + b) * s->config->bin;
}

void nwb_count(const stele_inst *s, int64_t row, float *ret)
{
    const nwb_units *u = &s->units;
    for (int64_t k = 0; k < u->n; k++) {
        int64_t at = first_from(u, k, edge(s, row, 0));
        for (int64_t b = 0; b < s->n_bins; b++) {
            const double begin = edge(s, row, b), stop = edge(s, row, b + 1);
            int64_t end = first_from(u, k, stop);
            ret[b * u->n + k] = nwb_observed(s, k, begin, stop) ? (float)(end - at) : NAN;
            at = end;
        }
    }
}
