/* Any bytes are either refused with one message or give tensors that can be read to the last byte.
 */
#include "fuzz.h"

#include "base/diag.h"
#include "data/safetensors.h"

static volatile unsigned sink; /* keeps the reads */

static size_t tensor_bytes(const stele__safetensor *t)
{
    size_t n = t->dtype == STELE_U8 ? 1 : t->dtype == STELE_F32 || t->dtype == STELE_I32 ? 4 : 8;
    for (uint32_t i = 0; i < t->shape.ndim; i++) {
        n *= (size_t)t->shape.dim[i];
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stele__safetensors *file = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    stele_status status = stele__safetensors_parse("input", data, size, &file, &diag);
    if ((status == STELE_OK) != (file != NULL) || (status == STELE_OK) != (diag.n == 0)) {
        abort();
    }
    if (status == STELE_OK) {
        for (size_t i = 0; i < stele__safetensors_count(file); i++) {
            const stele__safetensor *t = stele__safetensors_at(file, i);
            const unsigned char *bytes = t->data;
            for (size_t j = 0, n = tensor_bytes(t); j < n; j++) {
                sink = bytes[j];
            }
            if (stele__safetensors_find(file, t->name) != t) {
                abort();
            }
        }
        if (stele__safetensors_verify(file, NULL) == STELE_OK &&
            stele__safetensors_metadata(file, "stele.crc32") == NULL) {
            abort();
        }
    }
    stele__safetensors_close(file);
    stele__diag_finish(&diag);
    return 0;
}
