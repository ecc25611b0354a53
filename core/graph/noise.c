#include "graph/noise.h"

#include <Random123/philox.h>
#include <math.h>
#include <stele/types.h>

uint64_t stele__noise_mix(uint64_t a, uint64_t b)
{
    /* Finaliser of SplitMix64 over both words: every input bit reaches every output bit. */
    uint64_t h = a + 0x9e3779b97f4a7c15u * (b + 1);
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

uint64_t stele__noise_key(uint64_t seed, uint64_t purpose, uint64_t step)
{
    return stele__noise_mix(stele__noise_mix(stele__noise_mix(0, seed), purpose), step);
}

uint64_t stele__noise_hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name != '\0'; name++) {
        h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    }
    return h;
}

/* Four words at position `block` of the stream. */
static philox4x32_ctr_t words(const stele__stream *s, uint32_t block)
{
    uint64_t row = (uint64_t)s->row, key = s->key;
    philox4x32_ctr_t c = { { block, s->sample, (uint32_t)row, (uint32_t)(row >> 32) } };
    philox4x32_key_t k = { { (uint32_t)key, (uint32_t)(key >> 32) } };
    return philox4x32(c, k);
}

/* 23 bits, centred in their cell: never 0 or 1, exact in float. */
static double unit(uint32_t w)
{
    return ((double)(w >> 9) + 0.5) * 0x1p-23;
}

static void put(uint32_t dtype, void *ret, size_t i, double v)
{
    if (dtype == STELE_F32) {
        ((float *)ret)[i] = (float)v;
    } else {
        ((double *)ret)[i] = v;
    }
}

void stele__stream_uniform(const stele__stream *s, uint32_t dtype, size_t n, void *ret)
{
    for (size_t i = 0; i < n; i += 4) {
        philox4x32_ctr_t w = words(s, (uint32_t)(i / 4));
        for (size_t j = 0; j < 4 && i + j < n; j++) {
            put(dtype, ret, i + j, unit(w.v[j]));
        }
    }
}

void stele__stream_normal(const stele__stream *s, uint32_t dtype, size_t n, void *ret)
{
    for (size_t i = 0; i < n; i += 4) {
        philox4x32_ctr_t w = words(s, (uint32_t)(i / 4));
        for (size_t j = 0; j < 4 && i + j < n; j += 2) { /* Box and Muller 1958 */
            double radius = sqrt(-2.0 * log(unit(w.v[j])));
            double angle = 6.283185307179586 * unit(w.v[j + 1]);
            put(dtype, ret, i + j, radius * cos(angle));
            if (i + j + 1 < n) {
                put(dtype, ret, i + j + 1, radius * sin(angle));
            }
        }
    }
}

void stele__noise_uniform(const stele__stream *s, size_t n, float *ret)
{
    stele__stream_uniform(s, STELE_F32, n, ret);
}

void stele__noise_normal(const stele__stream *s, size_t n, float *ret)
{
    stele__stream_normal(s, STELE_F32, n, ret);
}
