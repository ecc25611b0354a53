#include "noise.h"

#include "temperature.h"

#include <math.h>
#include <stdlib.h>

#define BEND   REGRESSOR_BEND
#define MIDDLE 1.4826022185056018 /* standard deviation over median size, of a normal one */

typedef struct errors {
    const double *size; /* in units of the scale that the factor is for */
    int64_t n;
} errors;

/* Bisection, as nothing here is in a hurry. */
double regressor_normal_quantile(double p)
{
    double low = -40.0, high = 40.0;
    for (int i = 0; i < 64; i++) {
        double middle = 0.5 * (low + high);
        *(0.5 * erfc(-middle * 0.707106781186547524) < p ? &low : &high) = middle;
    }
    return 0.5 * (low + high);
}

#define NORMAL 2.50662827463100050 /* sqrt(2 pi) */

/* The integral of exp(-rho) beyond BEND, on one side. */
static double tail_weight(void)
{
    return exp(-0.5 * BEND * BEND) / BEND;
}

/* What the middle weighs, and the tails. */
static double total_weight(void)
{
    return NORMAL * erf(BEND * 0.707106781186547524) + 2.0 * tail_weight();
}

double regressor_robust_log_z(void)
{
    return log(total_weight());
}

double regressor_robust_quantile(double p)
{
    const double tail = tail_weight(), z = total_weight(), half = 0.5 * BEND * BEND;
    /* Probability beyond, on the near side: no draw is infinite. */
    const double out = fmax(p < 0.5 ? p : 1.0 - p, 1e-300);
    if (out * z < tail) {
        double u = (half - log(out * z * BEND)) / BEND;
        return p < 0.5 ? -u : u;
    }
    return regressor_normal_quantile(0.5 + (p - 0.5) * z / NORMAL);
}

static double loss(const void *ctx, double factor)
{
    const errors *e = ctx;
    double sum = 0.0;
    for (int64_t i = 0; i < e->n; i++) {
        double u = e->size[i] / factor, inner = fmin(u, BEND);
        sum += inner * (u - 0.5 * inner) + log(factor);
    }
    return sum;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double regressor_robust_scale(double *error, int64_t n, double copies)
{
    for (int64_t i = 0; i < n; i++) {
        error[i] = fabs(error[i]);
    }
    qsort(error, (size_t)n, sizeof *error, ascending);
    const double unit = n > 0 ? MIDDLE * 0.5 * (error[(n - 1) / 2] + error[n / 2]) : 0.0;
    for (int64_t i = 0; unit > 0.0 && i < n; i++) {
        error[i] /= unit;
    }
    const errors e = { error, n };
    return unit > 0.0 ? unit * head_factor_fit(loss, &e, copies) : 0.0;
}
