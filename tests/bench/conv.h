/* conv.h - a training step of a model of images, or of any spec. */
#ifndef STELE_BENCH_CONV_H
#define STELE_BENCH_CONV_H

#include "training.h"

/* Median seconds of a step with shape->side or shape->spec set. 0, or -1 after a message on stderr.
 */
int bench_conv_measure(const bench_shape *shape, int rounds, double *ret);

#endif
