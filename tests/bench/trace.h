/* trace.h - looks into the forward pass of a training: where its time goes. */
#ifndef STELE_BENCH_TRACE_H
#define STELE_BENCH_TRACE_H

#include "training.h"

/* Seconds since the last clear. */
typedef struct bench_trace {
    double encode;     /* from the first encoder's begin to the last one's end */
    double fused;      /* in the fused output layers, likelihoods included */
    double likelihood; /* the same, in the plugins alone, per thread */
    uint64_t calls;    /* of encode, decode and likelihood */
} bench_trace;

/* Put clocks around the slots of the model's modalities. One training at a time. */
void bench_trace_attach(bench_training *t);
void bench_trace_clear(void);
/* After a step. */
bench_trace bench_trace_get(const bench_training *t);

#endif
