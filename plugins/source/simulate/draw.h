/* draw.h - random numbers by address, and the distributions that the simulator needs. */
#ifndef SIMULATE_DRAW_H
#define SIMULATE_DRAW_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea and Flood 2014) over a hashed key: number i of a stream is a function of
 * (key, i), and nothing is shared between streams. */
typedef struct stream {
    uint64_t key, i;
} stream;

/* The stream of (seed, purpose, row). */
stream simulate_stream(uint64_t seed, uint64_t purpose, uint64_t row);
uint64_t simulate_bits(stream *s);
double simulate_uniform(stream *s); /* inside (0, 1) */
double simulate_normal(stream *s);  /* Box and Muller, two uniforms each */
/* Poisson: by products below 10, else Hoermann's transformed rejection (PTRS, 1993). */
int64_t simulate_poisson(stream *s, double mean);
/* Logarithmic series with parameter p in (0, 1): 1, 2, ... with P(k) = -p^k / (k ln(1 - p)).
 * `first` is P(1), which a caller in a loop computes once. */
int64_t simulate_logarithmic(stream *s, double p, double first);

/* Walker's alias table: draws one of n numbers with given weights in constant time. */
typedef struct alias_place {
    uint32_t keep; /* of 2^32: stay, else take the other */
    int32_t other;
} alias_place;
typedef struct alias_table {
    int64_t n;
    alias_place *place; /* (n) */
} alias_table;

/* weight (n), all at least 0, some above. 0 on success, -1: no memory. */
int simulate_alias_init(alias_table *t, int64_t n, const double *weight);
void simulate_alias_finish(alias_table *t);
int32_t simulate_alias_draw(const alias_table *t, stream *s);

#endif
