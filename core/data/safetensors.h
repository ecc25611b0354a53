/* safetensors.h - named tensors in one file that many programs read: checkpoints, pretrained
 * weights.
 *
 * The format (huggingface/safetensors): 8 bytes little-endian length N, N bytes of JSON that give
 * dtype, shape and byte range of every tensor and a map `__metadata__` from string to string, then
 * the data without holes. Here dtypes are F32, F64, I32, I64 and U8. Files written here start their
 * data at a multiple of 64 bytes, hold wide types first so that every tensor is aligned to its
 * element, and carry a checksum of header and data in `__metadata__`. Values are little-endian. */
#ifndef STELE_DATA_SAFETENSORS_H
#define STELE_DATA_SAFETENSORS_H

#include "base/diag.h"

typedef struct stele__safetensor {
    const char *name; /* UTF-8, not "__metadata__" */
    int dtype;        /* STELE_F32, _F64, _I32, _I64 or _U8 */
    stele_shape shape;
    const void *data; /* row-major; borrowed */
} stele__safetensor;

typedef struct stele__metadata {
    const char *key, *value; /* UTF-8; the key "stele.crc32" is reserved */
} stele__metadata;

/* Write the tensors straight from their memory: the whole file or none (base/file.h). Errors: E_ARG
 * (a name or key twice, reserved, or not UTF-8), E_DTYPE, E_SHAPE, E_IO, E_NOMEM. */
STELE_NODISCARD stele_status stele__safetensors_write(const char *path,
                                                      const stele__safetensor *tensor, size_t n,
                                                      const stele__metadata *metadata,
                                                      size_t n_metadata, stele__diag *diag);
/* The same, hastily (base/file.h). */
STELE_NODISCARD stele_status stele__safetensors_write_hasty(const char *path,
                                                            const stele__safetensor *tensor,
                                                            size_t n,
                                                            const stele__metadata *metadata,
                                                            size_t n_metadata, stele__diag *diag);

/* An open file, mapped read-only. Only its pages that are looked at are read. A file must not be
 * shortened while it is open; stele__safetensors_write replaces files and never does that. Safe to
 * read from any number of threads. */
typedef struct stele__safetensors stele__safetensors;

/* Map `path` and check everything but the values: lengths, JSON, names, dtypes, shapes, byte ranges
 * without gap, overlap or end beyond the file. Errors: E_IO, E_DATA with the reason, E_NOMEM. */
STELE_NODISCARD stele_status stele__safetensors_open(const char *path, stele__safetensors **ret,
                                                     stele__diag *diag);
/* The same for n bytes in memory, which are borrowed and aligned to 8; `name` is for messages. */
STELE_NODISCARD stele_status stele__safetensors_parse(const char *name, const void *bytes, size_t n,
                                                      stele__safetensors **ret, stele__diag *diag);
void stele__safetensors_close(stele__safetensors *file); /* NULL is legal */

/* Tensors in the order of the file. What is returned is borrowed until close. */
size_t stele__safetensors_count(const stele__safetensors *file);
const stele__safetensor *stele__safetensors_at(const stele__safetensors *file, size_t i);
/* NULL when absent. */
const stele__safetensor *stele__safetensors_find(const stele__safetensors *file, const char *name);
const char *stele__safetensors_metadata(const stele__safetensors *file, const char *key);

/* Read the whole file and compare it with its checksum. E_DATA when they differ or it has none. */
STELE_NODISCARD stele_status stele__safetensors_verify(const stele__safetensors *file,
                                                       stele__diag *diag);

#endif
