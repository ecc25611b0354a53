/* When units were observed. A bin without spikes is a count of 0 only if the unit was watched. */
#include "nwb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INTERVALS "/units/obs_intervals"
#define INDEX     "/units/obs_intervals_index"

/* Edges of bins are sums and those of intervals decimal fractions: this much of a bin apart they
 * are the same. */
#define SAME_EDGE 1e-6

static int by_begin(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static stele_status read_pairs(const stele_inst *s, double **ret, int64_t *ret_n)
{
    hsize_t extent[2] = { 0, 0 };
    hid_t dataset = -1;
    stele_status st = h5_open(&s->h5, INTERVALS, 2, &dataset, extent);
    if (st != STELE_OK) {
        return st;
    }
    /* A damaged header may claim any number; compression gains a factor of a thousand at most. */
    double *pair = NULL;
    if (extent[1] != 2 || extent[0] > (hsize_t)s->h5.size * 1100) {
        st = h5_fail(&s->h5, STELE_E_DATA, INTERVALS,
                     "has %llu rows of %llu instead of a begin and an end in each",
                     (unsigned long long)extent[0], (unsigned long long)extent[1]);
    } else if ((pair = malloc(((size_t)extent[0] + 1) * 2 * sizeof *pair)) == NULL) {
        st = h5_nomem(&s->h5, INTERVALS);
    } else if (extent[0] > 0 &&
               H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, pair) < 0) {
        st = h5_fail_library(&s->h5, INTERVALS, "cannot be read as numbers");
    }
    for (hsize_t i = 0; i < extent[0] && st == STELE_OK; i++) {
        if (!(pair[2 * i] <= pair[2 * i + 1])) {
            st = h5_fail(&s->h5, STELE_E_DATA, INTERVALS,
                         "row %llu is from %g to %g s, which is no interval", (unsigned long long)i,
                         pair[2 * i], pair[2 * i + 1]);
        }
    }
    H5Dclose(dataset);
    if (st != STELE_OK) {
        free(pair);
        return st;
    }
    *ret = pair;
    *ret_n = (int64_t)extent[0];
    return STELE_OK;
}

/* Intervals that touch become one, so that a bin may reach over where they meet. */
static void unite(nwb_units *u, double tolerance)
{
    int64_t n = 0, begin = 0;
    for (int64_t k = 0; k < u->n; k++) {
        const int64_t end = u->first_seen[k + 1], first = n;
        qsort(u->seen + 2 * begin, (size_t)(end - begin), 2 * sizeof *u->seen, by_begin);
        for (int64_t i = begin; i < end; i++) {
            const double *x = &u->seen[2 * i];
            if (n > first && x[0] <= u->seen[2 * n - 1] + tolerance) {
                u->seen[2 * n - 1] = fmax(u->seen[2 * n - 1], x[1]);
            } else {
                memmove(&u->seen[2 * n++], x, 2 * sizeof *x);
            }
        }
        u->first_seen[k] = first;
        begin = end;
    }
    u->first_seen[u->n] = n;
}

/* The last interval that begins at t or before, -1: none. */
static int64_t interval_of(const nwb_units *u, int64_t unit, double t)
{
    int64_t low = u->first_seen[unit], high = u->first_seen[unit + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (u->seen[2 * middle] <= t) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > u->first_seen[unit] ? low - 1 : -1;
}

int nwb_observed(const stele_inst *s, int64_t unit, double begin, double end)
{
    const nwb_units *u = &s->units;
    if (u->seen == NULL || u->first_seen[unit] == u->first_seen[unit + 1]) {
        const int silent = u->first[unit] == u->first[unit + 1];
        return (u->seen == NULL || !silent) && end > u->first_spike && begin <= u->last_spike;
    }
    const double tolerance = SAME_EDGE * s->config->bin;
    const int64_t i = interval_of(u, unit, begin + tolerance);
    return i >= 0 && u->seen[2 * i + 1] >= end - tolerance;
}

/* The file contradicts itself; its intervals are believed. */
static void warn_outside(const stele_inst *s)
{
    const nwb_units *u = &s->units;
    int64_t n = 0, n_units = 0;
    for (int64_t k = 0; k < u->n; k++) {
        const int64_t before = n, said = u->first_seen[k + 1] - u->first_seen[k];
        for (int64_t i = u->first[k]; i < u->first[k + 1] && said > 0; i++) {
            n += !nwb_observed(s, k, u->time[i], u->time[i]);
        }
        n_units += n > before;
    }
    if (n > 0) {
        s->h5.host->log(s->h5.host, STELE_LOG_WARNING,
                        "%s: `" INTERVALS
                        "`: %lld spikes, of %lld of %lld units, lie outside of their "
                        "units' intervals and are left out as not observed",
                        s->h5.path, (long long)n, (long long)n_units, (long long)u->n);
    }
}

stele_status nwb_observed_read(stele_inst *s)
{
    nwb_units *u = &s->units;
    void *end = NULL;
    int64_t n = 0;
    if (!h5_exists(&s->h5, INTERVALS)) {
        return STELE_OK;
    }
    stele_status st = read_pairs(s, &u->seen, &n);
    st = st == STELE_OK
             ? h5_read_all(&s->h5, INDEX, u->n, H5T_NATIVE_INT64, sizeof(int64_t), &end, NULL)
             : st;
    st = st == STELE_OK ? nwb_index_take(s, INDEX, INTERVALS, "intervals", end, n, &u->first_seen)
                        : st;
    if (st == STELE_OK) {
        unite(u, SAME_EDGE * s->config->bin);
        warn_outside(s);
    }
    free(end);
    return st;
}
