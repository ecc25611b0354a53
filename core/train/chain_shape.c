#include "train/chain_shape.h"

#include <math.h>

/* Least precision of a direction, that of the prior being 1. */
static const double least = 0.25;

/* Reads a above the diagonal, `keep` times, and scale; writes below and on it. 0: not fit. */
static int factor(int64_t n, double keep, const double *scale, double *a)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = i == j ? 1.0 / (scale[i] * scale[i]) : keep * a[j * n + i];
            for (int64_t k = 0; k < j; k++) {
                sum -= a[i * n + k] * a[j * n + k];
            }
            if (i == j && !(sum >= 0.999 * least)) {
                return 0;
            }
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
        }
    }
    return 1;
}

void stele__chain_shape(int64_t n, double *scale, double *a)
{
    static const double keep[] = { 1.0, 0.95, 0.8, 0.5, 0.0 };
    for (int64_t i = 0; i < n; i++) {
        double d = a[i * n + i];
        scale[i] = isfinite(d) ? 1.0 / sqrt(fmax(d, least)) : fmin(scale[i], 1.0 / sqrt(least));
        for (int64_t j = i + 1; j < n; j++) {
            double both = 0.5 * (a[i * n + j] + a[j * n + i]);
            a[i * n + j] = isfinite(both) ? both : 0.0;
        }
    }
    for (int k = 0; !factor(n, keep[k], scale, a); k++) {
        /* With 0 what is left is the diagonal, which is fit. */
    }
}

void stele__chain_solve(int64_t n, const double *root, double *x)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < i; k++) {
            x[i] -= root[i * n + k] * x[k];
        }
        x[i] /= root[i * n + i];
    }
}

void stele__chain_solve_back(int64_t n, const double *root, double *x)
{
    for (int64_t i = n - 1; i >= 0; i--) {
        x[i] /= root[i * n + i];
        for (int64_t k = 0; k < i; k++) {
            x[k] -= root[i * n + k] * x[i];
        }
    }
}
