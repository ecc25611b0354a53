/* table.h - what the runs of a sweep say about its settings. */
#ifndef STELE_SWEEP_TABLE_H
#define STELE_SWEEP_TABLE_H

#include "base/str.h"
#include "sweep/points.h"
#include "sweep/stats.h"

#include <jansson.h>

/* How one point ended. Strings are borrowed. */
typedef struct stele__result {
    const char *run;    /* its run folder, as tables show it */
    json_t *figures;    /* { path: number } (figures.h), borrowed; NULL unless it has finished */
    const char *reason; /* why it has not; NULL if it has */
    double ratio;       /* rows judged over training rows */
    double seconds;     /* of training and evaluation, as far as known; else NaN */
    double peak_bytes;
    int64_t rows; /* judged */
    int64_t epochs, best_epoch;
} stele__result;

/* One setting by one figure. */
typedef struct stele__cell {
    size_t n;           /* repetitions that have the figure */
    double mean, sd;    /* over them; NaN where there are too few */
    size_t pairs;       /* repetitions that the best setting has, too; 0 for the best itself */
    stele__paired test; /* of this setting minus the best */
} stele__cell;

typedef struct stele__metric {
    const char *name;
    int higher;        /* better when higher */
    size_t best;       /* setting with the best mean, of those with most repetitions;
                          n_settings: none */
    stele__cell *cell; /* n_settings */
} stele__metric;

typedef struct stele__sweep_table {
    const stele__points *points;
    const stele__result *result; /* one per point */
    stele__metric *metric;       /* n_metrics: those of the spec, higher ones first */
    size_t n_metrics;
    size_t *first; /* (n_settings) the first point of each setting */
} stele__sweep_table;

/* Both are borrowed; result has one item per point. stele__sweep_table_finish in any case. */
STELE_NODISCARD stele_status stele__sweep_table_init(stele__sweep_table *t,
                                                     const stele__points *points,
                                                     const stele__result *result);
void stele__sweep_table_finish(stele__sweep_table *t);
/* The figure of one setting in one repetition; NaN: there is none. */
double stele__sweep_value(const stele__sweep_table *t, size_t metric, size_t setting,
                          size_t replicate);
/* "one", or "one, 16" where several keys are swept: the values that make a setting. */
void stele__setting_name(const stele__sweep_table *t, size_t setting, stele__str *out);

/* Append all comparisons as Markdown, with what the tests are worth. */
void stele__sweep_markdown(const stele__sweep_table *t, stele__str *out);
/* A line per setting and figure. */
STELE_NODISCARD stele_status stele__sweep_csv(const stele__sweep_table *t, const char *path,
                                              stele__diag *diag);
/* A line per point, with all figures that any of them has. */
STELE_NODISCARD stele_status stele__runs_csv(const stele__sweep_table *t, const char *path,
                                             stele__diag *diag);
/* Pictures of one figure: PATH-points.png of all settings; PATH-line.png against the swept number
 * if there is exactly one. */
STELE_NODISCARD stele_status stele__sweep_plot(const stele__sweep_table *t, size_t metric,
                                               const char *path, stele__diag *diag);

#endif
