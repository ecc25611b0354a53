/* survival.h - parts of head/survival: what its targets say, its curves, its metrics. */
#ifndef HEAD_SURVIVAL_H
#define HEAD_SURVIVAL_H

#include <stele/plugin.h>

/* Intervals of time, up to the last event of the training rows: interval k ends at end[k], the
 * first begins at 0. Those of no length hold nothing. */
typedef struct survival_grid {
    int64_t n;
    double *end;      /* (n) ascending */
    double *log_rate; /* (n) of the baseline: events per `unit` of time */
    double unit;
    double least; /* time at risk of an event at 0, without which its hazard had no bound: half of
                     the first event's that has one */
} survival_grid;

/* Where interval k begins. */
static inline double survival_begin(const survival_grid *g, int64_t k)
{
    return k > 0 ? g->end[k - 1] : 0.0;
}

/* Cumulative hazards (n) at the ends of the intervals. */
typedef void survival_curve(const survival_grid *g, const float *predicted, double *ret);
/* Of a proportional hazard: predicted is its logarithm, (1). */
void survival_proportional(const survival_grid *g, const float *predicted, double *ret);
/* Of hazards of the intervals: predicted is their logits, (n). */
void survival_discrete(const survival_grid *g, const float *predicted, double *ret);
/* Probability to be alive at t; the cumulative hazard grows linearly within an interval, and not
 * beyond the last. */
double survival_at(const survival_grid *g, const double *cumulative, double t);
/* Expected time until the end of the last interval. */
double survival_mean(const survival_grid *g, const double *cumulative);
/* Mean of the cumulative hazards: the more, the sooner (mortality, Ishwaran et al. 2008). */
double survival_mortality(const survival_grid *g, const double *cumulative);

/* Observed times and events of n rows, (n, 2). */
typedef struct survival_rows {
    int64_t n;
    const double *target;
} survival_rows;

/* The first that is no time from 0 on, or no event of 0 or 1: E_DATA. */
stele_status survival_validate(const survival_rows *rows, stele_bad_value *ret);
/* Is there something to learn from training rows? The plugin's words to the host; `column`: names
 * of time and event. */
stele_status survival_check(const stele_host *h, const survival_rows *rows,
                            const char *const *column);
/* Ends of intervals with equally many events; rates of the baseline, of which an interval without
 * events gets half of one. */
stele_status survival_grid_fit(const survival_rows *rows, survival_grid *g);

/* --- times of which predictions tell the probability of survival --- */

enum { SURVIVAL_QUARTERS = 3, SURVIVAL_NAME = 48 };

/* survival_TIME. `asked`: an option has it. */
void survival_horizon_name(int asked, double t, char ret[SURVIVAL_NAME]);
/* Those asked for, each once? The plugin's words to the host. */
stele_status survival_horizons_check(const stele_host *h, const stele_f64_list *asked);
/* Those asked for, or the ends of intervals, at most SURVIVAL_QUARTERS, that divide the events into
 * quarters. Returns their number. */
int64_t survival_horizons(const survival_grid *g, const stele_f64_list *asked, double *ret);
/* A warning of the first beyond the training rows' last event. */
void survival_horizons_warn(const stele_host *h, const survival_grid *g,
                            const stele_f64_list *asked);

/* What losses read of an instance. */
typedef struct survival_parts {
    const stele_host *host;
    int64_t intervals;
    uint32_t end, unit, least; /* buffers (intervals), (1), (1) */
    uint32_t log_rate;         /* cox: parameter (intervals) */
} survival_parts;

/* Losses (R) of predictions y, (R, 1) or (R, intervals), and targets (R, 2). */
stele_status survival_cox_loss(const survival_parts *p, stele_graph *g, stele_tensor *y,
                               stele_tensor *target, double baseline_weight,
                               stele_tensor **ret_rows);
stele_status survival_hazard_loss(const survival_parts *p, stele_graph *g, stele_tensor *y,
                                  stele_tensor *target, stele_tensor **ret_rows);

/* log w (rows, rows): row i of the partial likelihood is -risk_i + log sum_j w_ij exp(risk_j), with
 * w_ij 0 where j is no longer at risk when i has its event, else 1, less the share of i's rank
 * among the events of that time for all of those (Efron 1977). Rows without an event have their own
 * risk alone. `target`: (rows, 2) of that dtype. */
void survival_efron(uint32_t dtype, int64_t rows, const void *target, void *ret);

/* Harrell's C: share of comparable pairs in which the higher risk has the earlier event, equal
 * risks half. NaN without pairs. */
double survival_concordance(const survival_rows *rows, const double *risk);
/* The time by which four in five of the training events had happened, from the ends of intervals.
 */
double survival_judged_until(const survival_grid *g);
/* Mean over time of the Brier score with the inverse probability of censoring, by the trapezoidal
 * rule (Graf et al. 1999): from 0 to survival_judged_until, which is the same whatever rows are
 * judged, or as far as the longest of them goes if none goes so far. cumulative: (rows, n). The
 * censoring is that of the rows themselves. NaN without time. */
stele_status survival_brier(const survival_grid *g, const survival_rows *rows,
                            const double *cumulative, double *ret);

/* Predictions y become slope y + offset, so that curves are neither too far apart nor too high:
 * with m the mean prediction of the rows, offset = (1 - slope) m + level. log slope and level
 * maximise the likelihood of the rows (of more than 4096 as many, evenly spread), of proportional
 * hazards that with the baseline, times normal priors around 0 with standard deviation log 2. */
typedef struct survival_calibration {
    double slope;
    double *offset; /* (width) */
} survival_calibration;

/* predicted: (rows, width), width 1 with proportional hazards, else g->n; copies: how often a row
 * comes. */
stele_status survival_calibrate(const survival_grid *g, int proportional, const survival_rows *rows,
                                const float *predicted, double copies, survival_calibration *ret);

#endif
