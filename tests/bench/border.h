/* border.h - what it costs that a plugin is a file of its own. */
#ifndef STELE_BENCH_BORDER_H
#define STELE_BENCH_BORDER_H

#include "training.h"

/* The same training with a fusion rule that does next to nothing, once loaded from its file, once
 * linked into the program. Seconds. */
typedef struct bench_border {
    double loaded, built_in;      /* a step, medians */
    double difference, low, high; /* loaded - built_in by rounds: median and quartiles */
    double call, call_built_in;   /* one call of an empty slot, there and back */
    double calls;                 /* over the border in a step, counted generously */
} bench_border;

/* Steps of both in turns, `rounds` times. 0, or -1 after a message on stderr. */
int bench_border_measure(const bench_shape *shape, int rounds, bench_border *ret);

#endif
