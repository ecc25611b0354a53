/* PNG and JPEG files: refused with a message, or of the size that they said. */
#include "fuzz.h"

#include "../../plugins/source/jsonl/jsonl.h"
#include "fuzz_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char pixels[3 * 4 * 5];
    char path[64], why[IMAGE_MESSAGE] = "";
    uint32_t h = 0, w = 0;
    int fd = fuzz_file(data, size, path);
    stele_status st = jsonl_image_size(path, &h, &w, why);
    FUZZ_CHECK((st == STELE_OK) == (why[0] == '\0'));
    /* A claim of many pixels is allowed, but would take this target's time. */
    if (st == STELE_OK && (int64_t)h * w <= 1 << 16) {
        for (int grey = 0; grey < 2; grey++) {
            why[0] = '\0';
            st = jsonl_image_read(path, grey, 4, 5, pixels, why);
            FUZZ_CHECK((st == STELE_OK) == (why[0] == '\0'));
        }
    }
    close(fd);
    return 0;
}
