#include "plot/axis.h"

#include <math.h>

/* 1, 2 or 5 times a power of ten. */
static double round_step(double rough)
{
    double power = pow(10.0, floor(log10(rough))), rest = rough / power;
    return power * (rest < 1.5 ? 1.0 : rest < 3.5 ? 2.0 : rest < 7.5 ? 5.0 : 10.0);
}

stele__plot_axis stele__plot_axis_make(double low, double high, double from, double to, int ticks,
                                       int log)
{
    stele__plot_axis axis = { .from = from, .to = to, .log = log };
    axis.low = log ? log10(low) : low;
    axis.high = log ? log10(high) : high;
    double span = axis.high - axis.low;
    if (!(span > 0.0)) { /* one value: some room around it */
        span = axis.low != 0.0 ? 0.1 * fabs(axis.low) : 1.0;
        axis.low -= 0.5 * span;
        axis.high += 0.5 * span;
    }
    axis.low -= 0.06 * span;
    axis.high += 0.06 * span;
    axis.step = round_step((axis.high - axis.low) / ticks);
    return axis;
}

void stele__plot_axis_whole(stele__plot_axis *axis)
{
    axis->step = axis->log || axis->step > 1.0 ? axis->step : 1.0;
}

double stele__plot_place(const stele__plot_axis *axis, double value)
{
    double v = axis->log ? log10(value) : value;
    return axis->from + (v - axis->low) / (axis->high - axis->low) * (axis->to - axis->from);
}

/* 1, 2, 5, 10, 20, ...; where that is too narrow for 2 and 5, powers of ten alone. */
static int log_tick(const stele__plot_axis *axis, int i, double *ret_value)
{
    static const double within[] = { 0.0, 0.30102999566398120, 0.69897000433601880 };
    enum { WIDE = 3 }; /* decades */
    int per_decade = axis->high - axis->low < WIDE ? 3 : 1;
    double decade = floor(axis->low), v = decade;
    for (int k = 0, passed = -1; passed < i; k++) {
        v = decade + k / per_decade + within[k % per_decade];
        passed += v >= axis->low;
    }
    *ret_value = pow(10.0, v);
    return v <= axis->high;
}

int stele__plot_tick(const stele__plot_axis *axis, int i, double *ret_value)
{
    if (axis->log) {
        return log_tick(axis, i, ret_value);
    }
    double v = (ceil(axis->low / axis->step) + i) * axis->step;
    v = fabs(v) < 1e-9 * axis->step ? 0.0 : v;
    *ret_value = v;
    return v <= axis->high;
}
