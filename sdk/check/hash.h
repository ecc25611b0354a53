/* hash.h - many bytes as one number, to compare what is too large to be kept. */
#ifndef STELE_CHECK_HASH_H
#define STELE_CHECK_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(14695981039346656037)

/* FNV-1a, h so far. */
static inline uint64_t hash_mix(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *c = bytes;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ c[i]) * UINT64_C(1099511628211);
    }
    return h;
}

#endif
