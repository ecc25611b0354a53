#include "sweep/stats.h"

#include "kernels/philox.h"

#include <math.h>
#include <stdint.h>

void stele__mean_sd(const double *x, size_t n, double *ret_mean, double *ret_sd)
{
    double mean = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += x[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        squares += (x[i] - mean) * (x[i] - mean);
    }
    *ret_mean = n > 0 ? mean : NAN;
    *ret_sd = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
}

/* Abramowitz and Stegun, 26.7.3 and 26.7.4: finite sums for whole degrees of freedom. */
double stele__student_two_sided(double t, size_t freedom)
{
    static const double pi = 3.14159265358979323846;
    double angle = atan(fabs(t) / sqrt((double)freedom)), c = cos(angle), s = sin(angle);
    double term = freedom % 2 == 1 ? c : 1.0, sum = 0.0;
    for (size_t k = freedom % 2 == 1 ? 1 : 0; k + 2 <= freedom; k += 2) {
        sum += term;
        term *= c * c * (double)(k + 1) / (double)(k + 2);
    }
    double inside = freedom % 2 == 1 ? 2.0 / pi * (angle + s * sum) : s * sum;
    return inside < 1.0 ? 1.0 - inside : 0.0;
}

enum { MOST_EXACT = 20, N_SAMPLED = 200000 };

/* Signs are the bits of a number: all of them, or N_SAMPLED that were drawn. */
static double flip(const double *x, size_t n)
{
    int exact = n <= MOST_EXACT;
    uint64_t n_signs = exact ? UINT64_C(1) << n : N_SAMPLED, as_far = 0;
    double observed = 0.0, size = 0.0;
    stele__noise noise = stele__noise_at(0, stele__noise_purpose("sweep/flip", 0), 0);
    for (size_t i = 0; i < n; i++) {
        observed += x[i];
        size += fabs(x[i]);
    }
    /* Sums of the same numbers in another order are the same sum. */
    double least = fabs(observed) - 1e-12 * size;
    for (uint64_t signs = 0; signs < n_signs; signs++) {
        double sum = 0.0;
        uint32_t word = (uint32_t)signs;
        for (size_t i = 0; i < n; i++) {
            if (!exact && i % 32 == 0) {
                stele__noise_words(noise, signs, i / 32, 1, &word);
            }
            sum += (word >> i % 32 & 1) != 0 ? -x[i] : x[i];
        }
        as_far += fabs(sum) >= least;
    }
    return exact ? (double)as_far / (double)n_signs
                 : ((double)as_far + 1.0) / ((double)n_signs + 1.0);
}

stele__paired stele__paired_test(const double *difference, size_t n, double ratio)
{
    stele__paired p = { .t = NAN, .corrected = NAN, .flip = NAN };
    double sd;
    stele__mean_sd(difference, n, &p.mean, &sd);
    if (n < 2) {
        return p;
    }
    p.flip = flip(difference, n);
    if (sd > 0.0) {
        p.t = stele__student_two_sided(p.mean / (sd * sqrt(1.0 / (double)n)), n - 1);
        p.corrected =
            stele__student_two_sided(p.mean / (sd * sqrt(1.0 / (double)n + ratio)), n - 1);
    }
    return p;
}
