/* measure.h - the measurements of the bench program. All give 0, or -1 after a message on stderr.
 */
#ifndef STELE_BENCH_MEASURE_H
#define STELE_BENCH_MEASURE_H

#include "training.h"

/* Medians, in seconds. */
typedef struct bench_step {
    double step;
    double floor, floor_products, floor_update; /* the last two add up to the first */
    double gflops, copy_rate;                   /* of the machine, as the floor uses them */
    double batch, encode, fused, likelihood, forward_rest, backward, norm, update;
    size_t parameters;
} bench_step;

/* Steps and floor measured in turns, `rounds` times. */
int bench_step_measure(const bench_shape *shape, int rounds, bench_step *ret);

/* A training in a process of its own. */
typedef struct bench_footprint {
    double first_step;  /* seconds from the start of the process to the end of the first step, with
                           the simulation of the cells */
    double step;        /* median, seconds */
    double peak_mb;     /* resident, of the whole life of the process */
    double allowed_mb;  /* 16 bytes per parameter + the sparse data + 150 MB */
    double allocations; /* per step, once the first steps are done */
} bench_footprint;

int bench_footprint_measure(const bench_shape *shape, bench_footprint *ret);

#endif
