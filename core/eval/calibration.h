/* calibration.h - do measured values lie in the intervals of drawn ones as often as those promise?
 *
 * Each value of a modality is drawn S times from the model, z from the posterior and x given z. If
 * the model is right, the rank of the measured value among its draws is uniform in 0 .. S, where
 * equal ones are ordered at random (the randomised probability integral transform, Czado, Gneiting
 * & Held 2009; here the mean over all such orders). A central interval of level p then holds the
 * share p of the values, of counts and classes as of real numbers. */
#ifndef STELE_EVAL_CALIBRATION_H
#define STELE_EVAL_CALIBRATION_H

#include "eval/judge.h"

typedef struct stele__calibration_request {
    uint32_t to;        /* modality whose values are judged */
    uint64_t given;     /* modalities that z comes from */
    const int64_t *row; /* n rows; those that lack `to` or all of `given` are left out */
    int64_t n;
    double level;       /* inside (0, 1) */
    uint32_t n_samples; /* S, at least 1 */
} stele__calibration_request;

/* Row by row, sums over the values that are there: the columns of ret_rows. */
enum {
    STELE__ROW_INSIDE, /* the interval */
    STELE__ROW_BELOW,
    STELE__ROW_ABOVE,
    STELE__ROW_VALUES, /* their number */
    STELE__N_CALIBRATION_ROWS
};

/* Can values of the modality be drawn? */
int stele__calibration_possible(const stele__modality *to);

/* How much of a value lies inside, below and above the central interval: `less` of n_samples draws
 * are smaller and `equal` as large. ret (3) adds up to 1. [any] */
void stele__calibration_place(uint32_t less, uint32_t equal, uint32_t n_samples, double level,
                              double *ret);

/* ret_rows (n, STELE__N_CALIBRATION_ROWS), 0 for rows left out. Memory: a few tens of megabytes.
 * [main] */
STELE_NODISCARD stele_status stele__calibration_compute(const stele__judge *j,
                                                        const stele__calibration_request *q,
                                                        double *ret_rows, stele__diag *diag);

#endif
