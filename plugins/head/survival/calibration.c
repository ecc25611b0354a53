/* How far apart curves of survival are to be, and how high, by rows that training did not see. */
#include "survival.h"
#include "temperature.h"

#include <stele/levels.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 4096, SECTIONS = 40 };

#define MOST_LEVEL 3.0
#define WIDTH      0.693147180559945 /* standard deviation of the prior */

typedef struct fitted {
    const survival_grid *g;
    int proportional;
    survival_rows rows;
    int64_t n; /* of these are taken, see place */
    const float *predicted;
    int64_t width;
    double *mean;   /* (width) */
    double *hazard; /* (n) proportional: of the baseline, cumulative up to the row's time */
    double copies;  /* how often a row comes */
    double level;   /* the best one at the slope looked at last */
} fitted;

/* Where the r-th of the rows taken stands: evenly spread, as those of one posterior follow each
 * other. */
static int64_t place(const fitted *f, int64_t r)
{
    return r * f->rows.n / f->n;
}

static double baseline_until(const survival_grid *g, double t)
{
    double sum = 0.0;
    t = fmax(t, g->least);
    for (int64_t k = 0; k < g->n; k++) {
        double length = fmax(fmin(t, g->end[k]) - survival_begin(g, k), 0.0);
        sum += exp(g->log_rate[k]) * length / g->unit;
    }
    return sum;
}

/* Of interval k: 1 it was lived through, -1 the event lies in it, 0 neither. */
static int lived(const survival_grid *g, int64_t k, double t, int event)
{
    const double begin = survival_begin(g, k), after = k > 0 ? begin : -1.0;
    if (event && t > after && t <= g->end[k]) {
        return -1;
    }
    return begin < g->end[k] && g->end[k] <= t;
}

/* -log p of a row, less what does not depend on its prediction. */
static double row_loss(const fitted *f, int64_t r, double slope, double level)
{
    const int64_t at = place(f, r);
    const float *y = f->predicted + at * f->width;
    const double t = f->rows.target[2 * at];
    const int event = f->rows.target[2 * at + 1] > 0.5;
    double sum = 0.0;
    for (int64_t k = 0; k < f->width; k++) {
        double x = f->mean[k] + slope * ((double)y[k] - f->mean[k]) + level;
        if (f->proportional) {
            return exp(x) * f->hazard[r] - (event && t <= f->g->end[f->g->n - 1] ? x : 0.0);
        }
        int what = lived(f->g, k, t, event);
        sum += what > 0 ? stele_levels_softplus(x) : what < 0 ? stele_levels_softplus(-x) : 0.0;
    }
    return sum;
}

static double loss_at(const fitted *f, double slope, double level)
{
    double sum = 0.5 * f->copies * (level / WIDTH) * (level / WIDTH);
    for (int64_t r = 0; r < f->n; r++) {
        sum += row_loss(f, r, slope, level);
    }
    return sum;
}

/* At the best level, which is between the ends of a convex function. */
static double profile(const void *ctx, double factor)
{
    fitted *f = (fitted *)(uintptr_t)ctx;
    const double golden = 0.618033988749895, slope = 1.0 / factor;
    double low = -MOST_LEVEL, high = MOST_LEVEL;
    for (int i = 0; i < SECTIONS; i++) {
        double a = high - golden * (high - low), b = low + golden * (high - low);
        if (loss_at(f, slope, a) < loss_at(f, slope, b)) {
            high = b;
        } else {
            low = a;
        }
    }
    f->level = 0.5 * (low + high);
    return loss_at(f, slope, f->level);
}

static stele_status prepare(fitted *f)
{
    const size_t n = (size_t)f->n;
    f->mean = calloc((size_t)f->width, sizeof *f->mean);
    f->hazard = calloc(n + 1, sizeof *f->hazard);
    if (f->mean == NULL || f->hazard == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < f->n; r++) {
        const int64_t at = place(f, r);
        f->hazard[r] = f->proportional ? baseline_until(f->g, f->rows.target[2 * at]) : 0.0;
        for (int64_t k = 0; k < f->width; k++) {
            f->mean[k] += (double)f->predicted[at * f->width + k] / (double)f->n;
        }
    }
    return STELE_OK;
}

stele_status survival_calibrate(const survival_grid *g, int proportional, const survival_rows *rows,
                                const float *predicted, double copies, survival_calibration *ret)
{
    fitted f = { .g = g, .proportional = proportional, .rows = *rows, .predicted = predicted };
    f.width = proportional ? 1 : g->n;
    f.n = rows->n < MOST_ROWS ? rows->n : MOST_ROWS;
    f.copies = fmax(1.0, copies * (double)f.n / (double)rows->n);
    stele_status status = prepare(&f);
    if (status == STELE_OK) {
        double factor = head_factor_fit(profile, &f, f.copies);
        (void)profile(&f, factor);
        ret->slope = 1.0 / factor;
    }
    for (int64_t k = 0; status == STELE_OK && k < f.width; k++) {
        ret->offset[k] = (1.0 - ret->slope) * f.mean[k] + f.level;
    }
    free(f.mean);
    free(f.hazard);
    return status;
}
