/* Copies of an allele, 0, 1 or 2: binomial, the logit of an allele's share is eta + theta. The
 * sound plugin of data with an upper bound. */
#include "elementwise.h"

static int is_valid(double x)
{
    return x == 0.0 || x == 1.0 || x == 2.0;
}

/* log(1 / (1 + exp(-t))) */
static double log_sigmoid(double t)
{
    return t < 0.0 ? t - log1p(exp(t)) : -log1p(exp(-t));
}

static double log_prob_of(double eta, double theta, double x, double *ret_d_eta,
                          double *ret_d_theta)
{
    double t = eta + theta, share = 1.0 / (1.0 + exp(-t));
    *ret_d_eta = *ret_d_theta = x - 2.0 * share;
#ifdef DEFECT_NAIVE_LOG
    return (x == 1.0 ? log(2.0) : 0.0) + x * log(share) + (2.0 - x) * log(1.0 - share);
#endif
    return (x == 1.0 ? log(2.0) : 0.0) + x * log_sigmoid(t) + (2.0 - x) * log_sigmoid(-t);
}

static double draw_of(double eta, double theta, uint32_t what, double u)
{
    double share = 1.0 / (1.0 + exp(-eta - theta)), rest = 1.0 - share;
    if (what == STELE_DRAW_MEAN) {
        return 2.0 * share;
    }
    if (what == STELE_DRAW_MODE) {
        return fmin(floor(3.0 * share), 2.0);
    }
#ifdef DEFECT_DRAW_HOMOZYGOUS
    return u < rest ? 0.0 : 2.0;
#endif
    return u < rest * rest ? 0.0 : u < 1.0 - share * share ? 1.0 : 2.0;
}
