/* missing.h - what a step costs when rows lack modalities: nothing is computed for what is absent.
 */
#ifndef STELE_BENCH_MISSING_H
#define STELE_BENCH_MISSING_H

#include "training.h"

enum { BENCH_ALL, BENCH_HALF_RNA, BENCH_HALF_ATAC, BENCH_HALF_BOTH, BENCH_N_MISSING };

/* Median seconds of a step with everything measured, and with RNA, ATAC or each of both, on its
 * own, absent in a random half of the rows; taken in turns, `rounds` times. 0, or -1 after a
 * message on stderr. */
int bench_missing_measure(const bench_shape *shape, int rounds, double ret[BENCH_N_MISSING]);

#endif
