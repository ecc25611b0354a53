/* Arrays and archives: first the bytes as data with row numbers, then as the ids of themselves.
 * Numbers beyond float are refused when they are read. */
#define FUZZ_LATE 1
#include "fuzz_source.h"

#include "array.h"
#include "fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = fuzz_file(data, size, path);
    array_config plain = { .path = path }, own = { .path = path, .key = path };
    fuzz_source(&plain);
    fuzz_source(&own);
    close(fd);
    return 0;
}
