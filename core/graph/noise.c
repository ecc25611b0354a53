#include "graph/noise.h"

#include "kernels/philox.h"

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

/* The key takes the place of the generator's seed; row and sample share its row number. */
static uint64_t address(const stele__stream *s, stele__noise *ret_at)
{
    *ret_at = stele__noise_at(s->key, 0, 0);
    return (uint64_t)s->row ^ (uint64_t)s->sample << 40;
}

void stele__stream_uniform(const stele__stream *s, uint32_t dtype, size_t n, void *ret)
{
    stele__noise at;
    const uint64_t row = address(s, &at);
    if (dtype == STELE_F32) {
        stele__noise_uniform_f32(at, row, 0, n, ret);
    } else {
        stele__noise_uniform_f64(at, row, 0, n, ret);
    }
}

void stele__stream_normal(const stele__stream *s, uint32_t dtype, size_t n, void *ret)
{
    stele__noise at;
    const uint64_t row = address(s, &at);
    if (dtype == STELE_F32) {
        stele__noise_normal_f32(at, row, 0, n, ret);
    } else {
        stele__noise_normal_f64(at, row, 0, n, ret);
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
