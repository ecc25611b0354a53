/* stats.h - what several measurements of the bench program need. */
#ifndef STELE_BENCH_STATS_H
#define STELE_BENCH_STATS_H

#include "base/diag.h"

/* Sorts x (n). */
double bench_median(double *x, int n);
/* Show the messages on stderr and forget them: 0 if `status` is OK, else -1. */
int bench_complain(stele__diag *diag, stele_status status);

#endif
