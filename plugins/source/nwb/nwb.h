/* plugins/source/nwb: recordings in Neurodata Without Borders files: spikes counted in bins,
 * columns of a table of trials, time series brought to the same bins.
 * https://nwb-schema.readthedocs.io
 *
 * nwb.h - what the files of this plugin share. Spike times, the named series and the table stay in
 * memory, so that reading does not touch the file. */
#ifndef NWB_H
#define NWB_H

#include "h5.h"

typedef struct nwb_config {
    const char *path, *trials, *align;
    stele_str_list series;
    double bin, before, after, start, stop;
} nwb_config;

/* Times of all units one after the other, ascending within each. */
typedef struct nwb_units {
    int64_t n;
    texts name;
    double *time;
    int64_t *first;                 /* (n + 1) */
    double first_spike, last_spike; /* of all units */
    /* Intervals in which each unit was observed, (begin, end), ascending and apart from each other;
     * NULL: the file does not say. */
    double *seen;
    int64_t *first_seen; /* (n + 1) */
} nwb_units;

/* A column of the table of trials: numbers, or texts. */
typedef struct nwb_column {
    char *name, *path;
    double *number; /* (trials); NULL: texts */
    texts text;
} nwb_column;

typedef struct nwb_series {
    char *name;
    int64_t n, channels;
    double *time; /* (n), not descending */
    float *value; /* (n, channels) */
} nwb_series;

struct stele_inst {
    h5_file h5;
    const nwb_config *config;
    nwb_units units;
    /* Rows with spikes: a window of n_bins bins that begins at `begin`. */
    int64_t n_rows, n_bins;
    double *begin;
    /* Trials, of which `trial` (n_rows) are those with a window; none: rows are bins. */
    int64_t n_trials, *trial;
    texts id; /* of trials, or else of rows */
    nwb_column *column;
    uint32_t n_columns;
    nwb_series *series;
    uint32_t n_series;
};

/* --- units.c --------------------------------------------------------------------------------- */

stele_status nwb_units_read(stele_inst *s);
/* What `path` says of each unit: where its entries end among the n_entries of `of`, called `noun`
 * in messages. ret_first (units + 1), malloc'ed. */
stele_status nwb_index_take(const stele_inst *s, const char *path, const char *of, const char *noun,
                            const int64_t *end, int64_t n_entries, int64_t **ret_first);
/* Spikes of each unit in each bin of a row, NaN where it was not observed: (n_bins, units). */
void nwb_count(const stele_inst *s, int64_t row, float *ret);

/* --- observed.c ------------------------------------------------------------------------------ */

/* The intervals, if the file has any; after the units. */
stele_status nwb_observed_read(stele_inst *s);
/* Was the unit observed from `begin` to `end`, all the time? Where nothing is said about it: does
 * that time meet the one between the first and the last spike of all units? */
int nwb_observed(const stele_inst *s, int64_t unit, double begin, double end);

/* --- trials.c -------------------------------------------------------------------------------- */

/* Windows of the rows, from a table of intervals or all over the recording. */
stele_status nwb_rows_make(stele_inst *s);
stele_status nwb_trials_read(stele_inst *s);

/* --- series.c -------------------------------------------------------------------------------- */

stele_status nwb_series_read(const stele_inst *s, const char *path, nwb_series *ret);
/* Values at the middle of each bin of a row, (channels, n_bins): on the line between the two
 * samples around it, NaN before the first and behind the last. */
void nwb_interpolate(const stele_inst *s, const nwb_series *x, int64_t row, float *ret);

#endif
