/* A tokenizer's vocabulary as a run folder keeps it, and a text: the first byte is the number of
 * merges, four bytes each; the rest is the text. Merges are refused, or the text comes back. */
#include "fuzz.h"

#include "../../plugins/modality/text/bpe.h"

#include <string.h>

enum { MOST = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bpe_merge merge[MOST];
    bpe b;
    int64_t n = size > 0 ? data[0] : 0, at = 1;
    if (size < 1 + 4 * (size_t)n) {
        return 0;
    }
    for (int64_t k = 0; k < n; k++, at += 4) {
        int16_t pair[2];
        memcpy(pair, data + at, sizeof pair);
        merge[k] = (bpe_merge){ pair[0], pair[1] };
    }
    const int64_t len = (int64_t)size - at;
    int32_t *token = malloc(((size_t)len + 1) * sizeof *token);
    unsigned char *back = malloc((size_t)len + 1);
    FUZZ_CHECK(token != NULL && back != NULL);
    const int code = bpe_init(&b, n, merge);
    FUZZ_CHECK(code == 0 || code == BPE_DAMAGED);
    if (code == 0) {
        const int64_t n_tokens = bpe_encode(&b, data + at, len, token);
        FUZZ_CHECK(n_tokens <= len && bpe_decode(&b, token, n_tokens, back, len) == len);
        FUZZ_CHECK(memcmp(back, data + at, (size_t)len) == 0);
        for (int64_t k = 0; k < n; k++) { /* the tokens that a decoder may choose */
            token[0] = BPE_FIRST + (int32_t)k;
            FUZZ_CHECK(len == 0 || bpe_decode(&b, token, 1, back, len) <= len);
        }
    }
    bpe_finish(&b);
    free(token);
    free(back);
    return 0;
}
