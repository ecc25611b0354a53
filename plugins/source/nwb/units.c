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

/* Where each unit's times end: as many as there are units, none before the one before it. */
static stele_status take_index(stele_inst *s, const int64_t *end, int64_t n_times)
{
    nwb_units *u = &s->units;
    u->first = calloc((size_t)u->n + 1, sizeof *u->first);
    if (u->first == NULL) {
        return h5_nomem(&s->h5, INDEX);
    }
    for (int64_t k = 0; k < u->n; k++) {
        if (end[k] < u->first[k] || end[k] > n_times) {
            return h5_fail(&s->h5, STELE_E_DATA, INDEX,
                           "entry %lld is %lld: the times of a unit end between those of the unit "
                           "before it (%lld) and the last (%lld)",
                           (long long)k, (long long)end[k], (long long)u->first[k],
                           (long long)n_times);
        }
        u->first[k + 1] = end[k];
    }
    if (u->first[u->n] != n_times) {
        return h5_fail(&s->h5, STELE_E_DATA, INDEX,
                       "ends at %lld, but `" TIMES "` has %lld entries", (long long)u->first[u->n],
                       (long long)n_times);
    }
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
    st = st == STELE_OK ? take_index(s, end, n_times) : st;
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
            int64_t end = first_from(u, k, edge(s, row, b + 1));
            ret[b * u->n + k] = (float)(end - at);
            at = end;
        }
    }
}
