/* Angles from -pi to pi: p(x) = (1 + a cos(x - eta)) / 2 pi, a = 0.95 tanh(theta), the cardioid
 * law. The sound plugin of reals between two bounds, and of rows that are absent: those without two
 * different angles. */
#define HAS_ABSENT
#include "elementwise.h"

static const double pi = 3.14159265358979323846;

static int is_valid(double x)
{
    return x >= -pi && x <= pi;
}

static double log_prob_of(double eta, double theta, double x, double *ret_d_eta,
                          double *ret_d_theta)
{
    double a = 0.95 * tanh(theta), c = cos(x - eta), p = 1.0 + a * c;
    *ret_d_eta = a * sin(x - eta) / p;
    *ret_d_theta = 0.95 * (1.0 - tanh(theta) * tanh(theta)) * c / p;
#ifdef DEFECT_IN_DEGREES
    return log(p / 360.0);
#endif
    return log(p / (2.0 * pi));
}

static double wrapped(double x)
{
    return x - 2.0 * pi * floor((x + pi) / (2.0 * pi));
}

static double draw_of(double eta, double theta, uint32_t what, double u)
{
    double a = 0.95 * tanh(theta), low = -pi, high = pi;
    if (what == STELE_DRAW_MEAN) {
        return a * sin(eta);
    }
    if (what == STELE_DRAW_MODE) {
        return wrapped(a >= 0.0 ? eta : eta + pi);
    }
#ifdef DEFECT_DRAW_UNWRAPPED
    return eta + pi * (2.0 * u - 1.0);
#endif
    for (int k = 0; k < 60; k++) { /* where the share of what lies below is u */
        double x = 0.5 * (low + high);
        if (x + pi + a * (sin(x - eta) - sin(eta)) < 2.0 * pi * u) {
            low = x;
        } else {
            high = x;
        }
    }
    return low;
}

static stele_status absent(const stele_inst *self, const stele_view *x, uint8_t *ret_absent)
{
    const float *v = x->data;
#ifdef DEFECT_ABSENT_BY_FIRST
    float least = v[0], most = v[0];
#endif
    for (int64_t r = 0; r < x->shape.dim[0]; r++) {
#ifndef DEFECT_ABSENT_BY_FIRST
        float least = INFINITY, most = -INFINITY;
#endif
        for (int64_t j = 0; j < self->features; j++) {
            least = fminf(least, v[r * self->features + j]);
            most = fmaxf(most, v[r * self->features + j]);
        }
        ret_absent[r] = !(least < most);
#ifdef DEFECT_ABSENT_NOT_EMPTY
        ret_absent[r] = least == most;
#endif
    }
#ifdef DEFECT_ABSENT_PAST
    ret_absent[x->shape.dim[0]] = 1;
#endif
    return STELE_OK;
}
