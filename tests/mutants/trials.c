/* Trials up to the first success, from 1 on: p(x) = q (1 - q)^(x - 1), the logit of q is eta +
 * theta. The sound plugin of counts that do not start at 0. */
#include "elementwise.h"

static int is_valid(double x)
{
    return x >= 1.0 && x == floor(x) && isfinite(x);
}

/* log(1 / (1 + exp(-t))) */
static double log_sigmoid(double t)
{
    return t < 0.0 ? t - log1p(exp(t)) : -log1p(exp(-t));
}

static double log_prob_of(double eta, double theta, double x, double *ret_d_eta,
                          double *ret_d_theta)
{
    double t = eta + theta, q = 1.0 / (1.0 + exp(-t));
    *ret_d_eta = *ret_d_theta = (1.0 - q) - (x - 1.0) * q;
    return log_sigmoid(t) + (x - 1.0) * log_sigmoid(-t);
}

static double draw_of(double eta, double theta, uint32_t what, double u)
{
    double t = eta + theta;
    if (what == STELE_DRAW_MEAN) {
        return 1.0 + exp(-t);
    }
    if (what == STELE_DRAW_MODE) {
        return 1.0;
    }
    double failures = floor(log(u) / log_sigmoid(-t));
#ifdef DEFECT_DRAW_FROM_ZERO
    return failures;
#else
    return 1.0 + failures;
#endif
}
