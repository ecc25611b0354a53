/* report.h - figures on the screen and as objects of bench.json. */
#ifndef STELE_BENCH_REPORT_H
#define STELE_BENCH_REPORT_H

#include "border.h"
#include "measure.h"
#include "missing.h"

#include <jansson.h>

/* Milliseconds of the equivalent step in PyTorch (twin.py), NAN if that cannot be had. */
double twin_ms(const bench_shape *shape);

void report_step(json_t *figures, const bench_shape *shape, const bench_step *step,
                 const bench_footprint *footprint, double pytorch_ms);
void report_border(json_t *figures, const bench_shape *shape, const bench_border *b);
/* `seconds`: a step. */
void report_conv(json_t *figures, const bench_shape *shape, double seconds, double pytorch_ms);
/* Seconds of a step each, and the share of the time that everything measured takes. */
void report_missing(json_t *figures, const bench_shape *shape, const double *seconds);
void report_scale(json_t *figures, const bench_shape *shape, const bench_footprint *f);

#endif
