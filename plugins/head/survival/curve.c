/* Curves of survival, and how well they fit what was observed. */
#include "survival.h"

#include <stele/levels.h>

#include <math.h>
#include <stdlib.h>

enum { STEPS = 100 }; /* of an integral over time */
/* Of the training events: of few more the last rows at risk would decide. */
#define SHARE_JUDGED 0.8

void survival_proportional(const survival_grid *g, const float *predicted, double *ret)
{
    double ratio = exp((double)predicted[0]), sum = 0.0;
    for (int64_t k = 0; k < g->n; k++) {
        sum += exp(g->log_rate[k]) * (g->end[k] - survival_begin(g, k)) / g->unit;
        ret[k] = sum * ratio;
    }
}

/* -log(1 - sigmoid(x)) = softplus(x). */
void survival_discrete(const survival_grid *g, const float *predicted, double *ret)
{
    double sum = 0.0;
    for (int64_t k = 0; k < g->n; k++) {
        sum += g->end[k] > survival_begin(g, k) ? stele_levels_softplus((double)predicted[k]) : 0.0;
        ret[k] = sum;
    }
}

double survival_at(const survival_grid *g, const double *cumulative, double t)
{
    double begin = 0.0, before = 0.0;
    for (int64_t k = 0; k < g->n; k++) {
        if (t < g->end[k]) {
            double share = (t - begin) / (g->end[k] - begin);
            return exp(-before - share * (cumulative[k] - before));
        }
        begin = g->end[k];
        before = cumulative[k];
    }
    return exp(-before);
}

/* The integral of exp(-a - (b - a) u) over u from 0 to 1, times the length. */
double survival_mean(const survival_grid *g, const double *cumulative)
{
    double sum = 0.0, before = 0.0;
    for (int64_t k = 0; k < g->n; k++) {
        double rise = cumulative[k] - before, length = g->end[k] - survival_begin(g, k);
        sum += length * exp(-before) * (rise > 1e-12 ? -expm1(-rise) / rise : 1.0);
        before = cumulative[k];
    }
    return sum;
}

double survival_mortality(const survival_grid *g, const double *cumulative)
{
    double sum = 0.0;
    for (int64_t k = 0; k < g->n; k++) {
        sum += cumulative[k] / (double)g->n;
    }
    return sum;
}

static double time_of(const survival_rows *rows, int64_t r)
{
    return rows->target[2 * r];
}

static int has_event(const survival_rows *rows, int64_t r)
{
    return rows->target[2 * r + 1] > 0.5;
}

double survival_concordance(const survival_rows *rows, const double *risk)
{
    double pairs = 0.0, right = 0.0;
    for (int64_t i = 0; i < rows->n; i++) {
        for (int64_t j = 0; has_event(rows, i) && j < rows->n; j++) {
            int later = time_of(rows, j) > time_of(rows, i) ||
                        (time_of(rows, j) == time_of(rows, i) && !has_event(rows, j));
            pairs += later;
            right += later * (risk[i] > risk[j] ? 1.0 : risk[i] >= risk[j] ? 0.5 : 0.0);
        }
    }
    return pairs > 0.0 ? right / pairs : NAN;
}

/* The Kaplan-Meier estimate of not being censored yet. */
typedef struct censoring {
    int64_t n;
    double *time;   /* (n) ascending */
    double *after;  /* (n) up to that time, itself included */
    double *before; /* (n) of each of the rows before its own time */
} censoring;

typedef struct timed {
    double time;
    int64_t row;
} timed;

static int by_time(const void *a, const void *b)
{
    double x = ((const timed *)a)->time, y = ((const timed *)b)->time;
    return (x > y) - (x < y);
}

static void censoring_finish(censoring *c)
{
    free(c->time);
    free(c->after);
    free(c->before);
}

static stele_status censoring_init(const survival_rows *rows, censoring *c)
{
    size_t n = (size_t)rows->n;
    timed *list = malloc((n + 1) * sizeof *list);
    double free_so_far = 1.0;
    *c = (censoring){ .n = rows->n };
    c->time = malloc((n + 1) * sizeof *c->time);
    c->after = malloc((n + 1) * sizeof *c->after);
    c->before = malloc((n + 1) * sizeof *c->before);
    if (list == NULL || c->time == NULL || c->after == NULL || c->before == NULL) {
        free(list);
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < rows->n; r++) {
        list[r] = (timed){ time_of(rows, r), r };
    }
    qsort(list, n, sizeof *list, by_time);
    /* Events of a time come before the censoring of that time. */
    for (int64_t i = 0, end; i < rows->n; i = end) {
        double lost = 0.0, events = 0.0;
        for (end = i; end < rows->n && list[end].time <= list[i].time; end++) {
            lost += !has_event(rows, list[end].row);
            events += has_event(rows, list[end].row);
            c->before[list[end].row] = free_so_far;
        }
        double at_risk = (double)(rows->n - i) - events;
        free_so_far *= at_risk > 0.0 ? 1.0 - lost / at_risk : 1.0;
        for (int64_t k = i; k < end; k++) {
            c->time[k] = list[k].time;
            c->after[k] = free_so_far;
        }
    }
    free(list);
    return STELE_OK;
}

/* Probability not to be censored up to t. */
static double uncensored(const censoring *c, double t)
{
    double p = 1.0;
    for (int64_t k = 0; k < c->n && c->time[k] <= t; k++) {
        p = c->after[k];
    }
    return p;
}

static double brier_at(const survival_grid *g, const survival_rows *rows, const double *cumulative,
                       const censoring *c, double t)
{
    double sum = 0.0, still = uncensored(c, t);
    for (int64_t r = 0; r < rows->n; r++) {
        double alive = survival_at(g, cumulative + r * g->n, t);
        if (time_of(rows, r) > t) {
            sum += (1.0 - alive) * (1.0 - alive) / still;
        } else if (has_event(rows, r)) {
            sum += alive * alive / c->before[r];
        }
    }
    return sum / (double)rows->n;
}

double survival_judged_until(const survival_grid *g)
{
    const double intervals = SHARE_JUDGED * (double)g->n;
    const int64_t k = (int64_t)intervals;
    const double begin = survival_begin(g, k);
    return begin + (intervals - (double)k) * (g->end[k] - begin);
}

stele_status survival_brier(const survival_grid *g, const survival_rows *rows,
                            const double *cumulative, double *ret)
{
    censoring c;
    double area = 0.0, before = 0.0;
    int64_t n = 0;
    stele_status status = censoring_init(rows, &c);
    for (int64_t k = 0; status == STELE_OK && k <= STEPS; k++) {
        double t = survival_judged_until(g) * (double)k / STEPS;
        if (rows->n == 0 || t >= c.time[rows->n - 1]) {
            break; /* of later times nobody tells */
        }
        double now = brier_at(g, rows, cumulative, &c, t);
        area += k > 0 ? 0.5 * (before + now) : 0.0;
        before = now;
        n = k;
    }
    *ret = n > 0 ? area / (double)n : NAN;
    censoring_finish(&c);
    return status;
}
