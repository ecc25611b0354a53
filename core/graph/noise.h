/* noise.h - random numbers by address: the same address gives the same numbers, whatever was drawn
 * before. The key hashes what names a stream (seed, purpose, step), the counter holds row, sample
 * and position. Thread class: any. */
#ifndef STELE_GRAPH_NOISE_H
#define STELE_GRAPH_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* The numbers of one row. */
typedef struct stele__stream {
    uint64_t key;    /* of stele__noise_key */
    int64_t row;     /* below 2^40 */
    uint32_t sample; /* below 2^24 */
} stele__stream;

/* Key of (seed, purpose, step). */
uint64_t stele__noise_key(uint64_t seed, uint64_t purpose, uint64_t step);
/* A number that depends on every bit of both: the purpose of stream b of an instance with purpose
 * a. */
uint64_t stele__noise_mix(uint64_t a, uint64_t b);
/* 64-bit hash of a name, the same on every machine (FNV-1a): the purpose of a scope. */
uint64_t stele__noise_hash(const char *name);

/* The first n numbers of a stream: uniform inside (0, 1) with 23 bits, or standard normal. */
void stele__noise_uniform(const stele__stream *s, size_t n, float *ret);
void stele__noise_normal(const stele__stream *s, size_t n, float *ret);
/* The same as `dtype` (STELE_F32 or STELE_F64). */
void stele__stream_uniform(const stele__stream *s, uint32_t dtype, size_t n, void *ret);
void stele__stream_normal(const stele__stream *s, uint32_t dtype, size_t n, void *ret);

#endif
