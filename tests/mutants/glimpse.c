/* Real numbers x = eta + theta + noise, whose encoder sees another measurement. */
#define HAS_SEES
#include "elementwise.h"

static int is_valid(double x)
{
    return isfinite(x);
}

static double log_prob_of(double eta, double theta, double x, double *ret_d_eta,
                          double *ret_d_theta)
{
    const double d = x - eta - theta;
    *ret_d_eta = *ret_d_theta = d;
    return -0.5 * d * d - 0.918938533204672742;
}

/* Of the normal distribution, by halving. */
static double quantile(double u)
{
    double low = -9.0, high = 9.0;
    for (int i = 0; i < 60; i++) {
        const double middle = 0.5 * (low + high);
        if (0.5 * erfc(-middle / sqrt(2.0)) < u) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static double draw_of(double eta, double theta, uint32_t what, double u)
{
    return eta + theta + (what == STELE_DRAW_SAMPLE ? quantile(u) : 0.0);
}
