/* JSON Lines, plain and packed: all strings as labels, then some as texts and some as paths of
 * images (of which there are none but the file itself). */
#include "fuzz_source.h"

#include "../../plugins/source/jsonl/jsonl.h"
#include "fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts_named[] = { "t" }, *const images_named[] = { "p" };
    char path[64];
    int fd = fuzz_file(data, size, path);
    jsonl_config plain = { .path = path, .text_bytes = 64 };
    jsonl_config measured = {
        .path = path, .texts = { texts_named, 1 }, .images = { images_named, 1 }, .text_bytes = 4
    };
    fuzz_source(&plain);
    fuzz_source(&measured);
    close(fd);
    return 0;
}
