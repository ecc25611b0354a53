/* A matrix alone, and if the bytes have two zeros, a matrix, its features and its cells. */
#include "fuzz_source.h"

#include "fuzz_file.h"

typedef struct config {
    const char *path, *features, *barcodes;
    int32_t feature_names;
} config;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[3][64];
    size_t part[4] = { 0 };
    int fd[3], n = 1;
    for (size_t i = 0; i < size && n < 3; i++) {
        if (data[i] == 0) {
            part[n++] = i + 1;
        }
    }
    int has_tables = n == 3 && !(data[0] == 0x1f && size > 1 && data[1] == 0x8b);
    part[3] = size;
    for (int k = 0; k < 3; k++) {
        size_t begin = has_tables ? part[k] : 0;
        size_t end = !has_tables ? (k == 0 ? size : 0) : k < 2 ? part[k + 1] - 1 : size;
        fd[k] = fuzz_file(data + begin, end - begin, path[k]);
    }
    config c = { .path = path[0],
                 .features = has_tables ? path[1] : NULL,
                 .barcodes = has_tables ? path[2] : NULL,
                 .feature_names = size % 2 };
    fuzz_source(&c);
    for (int k = 0; k < 3; k++) {
        close(fd[k]);
    }
    return 0;
}
