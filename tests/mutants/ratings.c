/* Ratings from half a star to five: their number of halves beyond the first is binomial, the logit
 * of the share is eta + theta. The sound plugin of numbers that are neither whole nor all real. */
#include "elementwise.h"

enum { STEPS = 9 };

static int is_valid(double x)
{
    return x >= 0.5 && x <= 5.0 && floor(2.0 * x) == 2.0 * x;
}

/* log(1 / (1 + exp(-t))) */
static double log_sigmoid(double t)
{
    return t < 0.0 ? t - log1p(exp(t)) : -log1p(exp(-t));
}

static double log_prob_of(double eta, double theta, double x, double *ret_d_eta,
                          double *ret_d_theta)
{
    const double t = eta + theta, k = 2.0 * x - 1.0;
    double ways = 1.0;
    for (int i = 0; i < (int)k; i++) {
        ways *= (double)(STEPS - i) / (double)(i + 1);
    }
#ifdef DEFECT_NO_WAYS
    ways = 1.0;
#endif
    *ret_d_eta = *ret_d_theta = k - STEPS / (1.0 + exp(-t));
    return log(ways) + k * log_sigmoid(t) + (STEPS - k) * log_sigmoid(-t);
}

static double draw_of(double eta, double theta, uint32_t what, double u)
{
    const double t = eta + theta, share = 1.0 / (1.0 + exp(-t));
    double d, sum = 0.0, best = 0.5, most = -HUGE_VAL;
    if (what == STELE_DRAW_MEAN) {
        return 0.5 + 0.5 * STEPS * share;
    }
    for (double x = 0.5; x <= 5.0; x += 0.5) {
        const double p = log_prob_of(eta, theta, x, &d, &d);
        sum += exp(p);
        if (what == STELE_DRAW_SAMPLE && sum >= u) {
            return x;
        }
        best = p > most ? x : best;
        most = p > most ? p : most;
    }
    return what == STELE_DRAW_SAMPLE ? 5.0 : best;
}
