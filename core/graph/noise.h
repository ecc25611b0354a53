/* noise.h - random numbers by address: the same address gives the same numbers, whatever was drawn
 * before.
 *
 * Philox 4x32-10 (Salmon et al. 2011). The key hashes what names a stream (seed, purpose, step),
 * the counter holds row, sample and position. Thread class: any. */
#ifndef STELE_GRAPH_NOISE_H
#define STELE_GRAPH_NOISE_H

#include <stddef.h>
#include <stdint.h>

typedef struct stele__stream {
    uint64_t key;
    int64_t row;
    uint32_t sample;
} stele__stream;

/* Key of (seed, purpose, step); purposes of different streams of an instance come from
 * stele__noise_mix. */
uint64_t stele__noise_key(uint64_t seed, uint64_t purpose, uint64_t step);
uint64_t stele__noise_mix(uint64_t a, uint64_t b);
/* 64-bit hash of a name, the same on every machine (FNV-1a). */
uint64_t stele__noise_hash(const char *name);
/* The first n uniform numbers of a stream, inside (0, 1), or standard normal ones. */
void stele__noise_uniform(const stele__stream *s, size_t n, float *ret);
void stele__noise_normal(const stele__stream *s, size_t n, float *ret);

#endif
