/* Times of which predictions tell the probability of survival. */
#include "survival.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void survival_horizon_name(int asked, double t, char ret[SURVIVAL_NAME])
{
    /* Ends of intervals have the digits of a float. */
    snprintf(ret, SURVIVAL_NAME, "survival_%.*g", asked ? 12 : 6, t);
    for (char *c = strchr(ret, '+'); c != NULL; c = strchr(c, '+')) {
        memmove(c, c + 1, strlen(c));
    }
    for (char *c = strchr(ret, '-'); c != NULL; c = strchr(c, '-')) {
        *c = '_';
    }
}

static int same_name(int asked, double a, double b)
{
    char x[SURVIVAL_NAME], y[SURVIVAL_NAME];
    survival_horizon_name(asked, a, x);
    survival_horizon_name(asked, b, y);
    return strcmp(x, y) == 0;
}

stele_status survival_horizons_check(const stele_host *h, const stele_f64_list *asked)
{
    for (uint64_t i = 0; i < asked->n; i++) {
        for (uint64_t k = 0; k < i; k++) {
            if (same_name(1, asked->v[i], asked->v[k])) {
                return STELE_FAIL(h, STELE_E_OPTION, "horizons: names %.12g twice", asked->v[i]);
            }
        }
    }
    return STELE_OK;
}

int64_t survival_horizons(const survival_grid *g, const stele_f64_list *asked, double *ret)
{
    int64_t n = 0;
    for (uint64_t k = 0; k < asked->n; k++) {
        ret[n++] = asked->v[k];
    }
    for (int64_t k = 0; k < SURVIVAL_QUARTERS && asked->n == 0; k++) {
        int64_t quarter = (k + 1) * g->n / (SURVIVAL_QUARTERS + 1);
        double t = g->end[quarter > 0 ? quarter - 1 : 0];
        if (n == 0 || !same_name(0, ret[n - 1], t)) { /* of few intervals two may be one */
            ret[n++] = t;
        }
    }
    return n;
}

void survival_horizons_warn(const stele_host *h, const survival_grid *g,
                            const stele_f64_list *asked)
{
    const double last = g->end[g->n - 1];
    const float end = (float)last; /* which it may have been rounded to */
    for (uint64_t k = 0; k < asked->n; k++) {
        if (asked->v[k] > last && asked->v[k] > (double)nextafterf(end, HUGE_VALF)) {
            h->log(h, STELE_LOG_WARNING,
                   "horizons: %.12g lies beyond the last event of the training rows, %.6g; "
                   "survival_%.12g is the probability at that event",
                   asked->v[k], last, asked->v[k]);
            return;
        }
    }
}
