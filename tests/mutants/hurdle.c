/* Amounts that are often nothing: 0 with a probability of its own, else exponential. The logit of
 * being there is eta, the log of the rate theta. The sound plugin of laws with a point mass. */
#include "elementwise.h"

static int is_valid(double x)
{
    return x >= 0.0 && x < 1e30;
}

/* log(1 / (1 + exp(-t))) */
static double log_sigmoid(double t)
{
    return t < 0.0 ? t - log1p(exp(t)) : -log1p(exp(-t));
}

static double log_prob_of(double eta, double theta, double x, double *ret_d_eta,
                          double *ret_d_theta)
{
    const double there = 1.0 / (1.0 + exp(-eta)), rate = exp(fmin(fmax(theta, -40.0), 40.0));
    *ret_d_eta = (x > 0.0) - there;
    *ret_d_theta = x > 0.0 && fabs(theta) < 40.0 ? 1.0 - rate * x : 0.0;
    if (x > 0.0) {
        return log_sigmoid(eta) + log(rate) - rate * x;
    }
#ifdef DEFECT_ATOM_FORGOTTEN
    *ret_d_eta = 0.0;
    return 0.0;
#endif
    return log_sigmoid(-eta);
}

static double draw_of(double eta, double theta, uint32_t what, double u)
{
    const double there = 1.0 / (1.0 + exp(-eta)), rate = exp(fmin(fmax(theta, -40.0), 40.0));
    double d;
    if (what == STELE_DRAW_MEAN) {
        return there / rate;
    }
    if (what == STELE_DRAW_MODE) {
        const double beside = 1e-9 / rate;
        return log_prob_of(eta, theta, 0.0, &d, &d) > log_prob_of(eta, theta, beside, &d, &d)
                   ? 0.0
                   : beside;
    }
    return u <= 1.0 - there ? 0.0 : -log((1.0 - u) / there) / rate;
}
