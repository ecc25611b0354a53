/* Targets: whether they make sense, what the training rows say about time. */
#include "survival.h"

#include <math.h>
#include <stdlib.h>

static double time_of(const survival_rows *rows, int64_t r)
{
    return rows->target[2 * r];
}

static int has_event(const survival_rows *rows, int64_t r)
{
    return rows->target[2 * r + 1] > 0.5;
}

stele_status survival_validate(const survival_rows *rows, stele_bad_value *ret)
{
    for (int64_t r = 0; r < rows->n; r++) {
        const double t = time_of(rows, r), e = rows->target[2 * r + 1];
        if (t < 0.0) {
            *ret = (stele_bad_value){ r, 0, t, "is negative: times start at 0" };
            return STELE_E_DATA;
        }
        if (e != 0.0 && e != 1.0) {
            *ret = (stele_bad_value){
                r, 1, e, "is neither 1, an event, nor 0, which says that there was none until then"
            };
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

stele_status survival_check(const stele_host *h, const survival_rows *rows,
                            const char *const *column)
{
    int64_t events = 0;
    int varies = 0;
    for (int64_t r = 0; r < rows->n; r++) {
        double t = time_of(rows, r);
        events += has_event(rows, r) && t > 0.0;
        varies |= t != time_of(rows, 0);
    }
    if (events == 0) {
        return STELE_FAIL(h, STELE_E_DATA,
                          "target: none of the %lld training rows with a time has an event in `%s` "
                          "after the time 0",
                          (long long)rows->n, column[1]);
    }
    if (!varies) {
        return STELE_FAIL(h, STELE_E_DATA,
                          "target: all training rows have the same time in `%s`, %g", column[0],
                          time_of(rows, 0));
    }
    return STELE_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Part of interval k that lies before t. */
static double within(const survival_grid *g, int64_t k, double t)
{
    double begin = k > 0 ? g->end[k - 1] : 0.0;
    return fmax(0.0, fmin(t, g->end[k]) - begin);
}

static int is_in(const survival_grid *g, int64_t k, double t)
{
    return t <= g->end[k] && (k == 0 || t > g->end[k - 1]);
}

stele_status survival_grid_fit(const survival_rows *rows, survival_grid *g)
{
    double *event = malloc(((size_t)rows->n + 1) * sizeof *event), sum = 0.0;
    int64_t n = 0;
    if (event == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < rows->n; r++) {
        sum += time_of(rows, r);
        if (has_event(rows, r) && time_of(rows, r) > 0.0) { /* an interval has a length */
            event[n++] = time_of(rows, r);
        }
    }
    qsort(event, (size_t)n, sizeof *event, ascending);
    g->unit = sum / (double)rows->n;
    g->least = 0.5 * event[0];
    for (int64_t k = 0; k < g->n; k++) {
        int64_t rank = (k + 1) * n / g->n;
        g->end[k] = event[rank > 0 ? rank - 1 : 0];
    }
    for (int64_t k = 0; k < g->n; k++) {
        double events = 0.0, exposure = 0.0;
        for (int64_t r = 0; r < rows->n; r++) {
            double t = fmax(time_of(rows, r), g->least);
            exposure += within(g, k, t) / g->unit;
            events += has_event(rows, r) && is_in(g, k, t);
        }
        g->log_rate[k] = exposure > 0.0 ? log(fmax(events, 0.5) / exposure) : 0.0;
    }
    free(event);
    return STELE_OK;
}

static double real(uint32_t dtype, const void *p, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void put(uint32_t dtype, void *p, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)p)[i] = v;
    } else {
        ((float *)p)[i] = (float)v;
    }
}

void survival_efron(uint32_t dtype, int64_t rows, const void *target, void *ret)
{
    for (int64_t i = 0; i < rows; i++) {
        double at = real(dtype, target, 2 * i), before = 0.0, tied = 0.0;
        int event = real(dtype, target, 2 * i + 1) > 0.5;
        for (int64_t j = 0; j < rows; j++) {
            int same = real(dtype, target, 2 * j) == at && real(dtype, target, 2 * j + 1) > 0.5;
            before += same && j < i;
            tied += same;
        }
        double share = event ? log1p(-before / tied) : 0.0;
        for (int64_t j = 0; j < rows; j++) {
            double t = real(dtype, target, 2 * j);
            int same = t == at && real(dtype, target, 2 * j + 1) > 0.5;
            int counts = event ? t >= at : i == j;
            put(dtype, ret, i * rows + j, !counts ? -HUGE_VAL : event && same ? share : 0.0);
        }
    }
}
