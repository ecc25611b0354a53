/* random.h - addressed random numbers as this room needs them. */
#ifndef STELE_DATA_RANDOM_H
#define STELE_DATA_RANDOM_H

#include "graph/noise.h"

/* Uniform in [0, 1) with 48 bits; a function of the stream's key and the position alone. */
static inline double stele__data_uniform(uint64_t key, int64_t position)
{
    stele__stream s = { .key = key, .row = position };
    float u[2];
    stele__noise_uniform(&s, 2, u);
    /* u[0] is the middle of one of 2^24 cells, which u[1] divides further. */
    double v = (double)u[0] + ((double)u[1] - 0.5) / 16777216.0;
    return v < 0 ? 0 : v >= 1 ? 1 - 1e-16 : v;
}

/* Shuffle n numbers in place (Fisher and Yates). */
static inline void stele__data_shuffle(uint64_t key, int64_t n, int64_t *x)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(stele__data_uniform(key, i) * (double)(i + 1));
        int64_t t = x[i];
        x[i] = x[j];
        x[j] = t;
    }
}

#endif
