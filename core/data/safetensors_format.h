/* safetensors_format.h - what the reader and the writer of safetensors.h share. */
#ifndef STELE_DATA_SAFETENSORS_FORMAT_H
#define STELE_DATA_SAFETENSORS_FORMAT_H

#include "data/safetensors.h"

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Tensors are written and mapped as they lie in memory, which the format wants little-endian."
#endif

#define STELE__SAFETENSORS_CRC_KEY "stele.crc32"

enum {
    STELE__SAFETENSORS_LEAD = 8,                 /* bytes of the header's length */
    STELE__SAFETENSORS_ALIGN = 64,               /* of the data in written files */
    STELE__SAFETENSORS_CRC_DIGITS = 8,           /* hexadecimal */
    STELE__SAFETENSORS_HEADER_LIMIT = 100000000, /* the format's own bound */
};

typedef struct stele__safetensors_type {
    const char *name;
    int dtype;
    uint64_t size;
} stele__safetensors_type;

/* Widest first; the last one has no name. */
extern const stele__safetensors_type stele__safetensors_types[];

/* Bytes of a tensor. 0, or -1 for negative extents or more than 2^63 bytes. */
int stele__safetensors_bytes(const stele_shape *shape, uint64_t item, uint64_t *ret_bytes);

/* Where in the header the digits of the checksum stand, NULL if nowhere. They count as '0' in it.
 */
const char *stele__safetensors_crc_digits(const char *header, size_t n);

#endif
