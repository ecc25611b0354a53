/* floor.h - the least a step can cost on this machine: its dense products at the rate of BLAS, and
 * the optimiser's memory traffic at the rate of a copy. */
#ifndef STELE_BENCH_FLOOR_H
#define STELE_BENCH_FLOOR_H

#include "kernels/pool.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes that AdamW moves per float parameter: reads w, g, m, v, writes w, m, v. */
enum { BENCH_ADAMW_BYTES = 28 };

typedef struct bench_floor bench_floor;

/* Room to measure products of `batch` rows, `hidden` units and up to `features` features, and
 * copies. NULL: no memory. */
bench_floor *bench_floor_create(stele__pool *pool, int64_t batch, int64_t hidden, int64_t features);
void bench_floor_destroy(bench_floor *f);

/* Seconds for the three products of one decoder's output layer, forward and both backward, over
 * all its features with blocks of `block` of them per call of BLAS; 0: one call per thread. */
double bench_floor_products(bench_floor *f, int64_t features, int64_t block);

/* Bytes per second, read and written together: the faster of a block copy and of a = b + s a. */
double bench_floor_copy_rate(bench_floor *f);

#endif
