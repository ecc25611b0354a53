/* forecast.h - what a head says about rows, in the target's own terms, at the mean of their
 * posterior, as heads see it (model/infer.h): there it is calibrated and judged (heads.h). */
#ifndef STELE_EVAL_FORECAST_H
#define STELE_EVAL_FORECAST_H

#include "eval/judge.h"

typedef struct stele__forecast_request {
    uint32_t head;
    const int64_t *row; /* n rows of the data set */
    int64_t n;
    uint64_t mask;      /* modalities that the posterior is given */
    uint32_t n_samples; /* draws of z per row, of a mixture from every component */
    double level;       /* of the intervals, in (0, 1) */
} stele__forecast_request;

/* Quantities as the plugin names them (stele_head_output), or the elements of its predictions,
 * "0", "1", ..., if it has no names. */
typedef struct stele__forecast {
    int64_t n; /* rows */
    uint32_t n_outputs;
    stele_head_output *output; /* (n_outputs) */
    /* (n, n_outputs): value at the posterior's mean, and an interval in which as much lies below as
     * above over draws of z, with the head's own noise where it has some. Of a head that has
     * learned from the mean and has noise it is the noise at that mean, which holds the spread of
     * z. NaN for rows without any of the modalities */
    double *value, *low, *high;
} stele__forecast;

/* stele__forecast_finish in any case. The same request gives the same bits. Memory: the draws of a
 * few rows at a time. [main] */
STELE_NODISCARD stele_status stele__forecast_make(const stele__judge *j,
                                                  const stele__forecast_request *q,
                                                  stele__forecast *ret, stele__diag *diag);
void stele__forecast_finish(stele__forecast *f);

/* The category that is largest of those which the quantities of row r are about; -1 if none is. */
int32_t stele__forecast_category(const stele__forecast *f, int64_t r);

#endif
