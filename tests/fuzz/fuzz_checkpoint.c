/* A checkpoint of a small model: any bytes are either refused with one message or give values for
 * all parameters and a position in the training that makes sense. */
#include "fuzz_file.h"

#include "base/diag.h"
#include "data/safetensors_format.h"
#include "train/checkpoint.h"

#include <string.h>
#include <zlib.h>

/* Make the checksum that of the bytes as they are: what lies behind it is to be tested too. */
static void mend_checksum(uint8_t *data, size_t size)
{
    uint64_t n = 0;
    char text[STELE__SAFETENSORS_CRC_DIGITS + 1];
    if (size < 8) {
        return;
    }
    memcpy(&n, data, 8);
    char *header = (char *)data + 8;
    const char *digits = n <= size - 8 ? stele__safetensors_crc_digits(header, (size_t)n) : NULL;
    if (digits != NULL) {
        char *at = header + (digits - header);
        memset(at, '0', STELE__SAFETENSORS_CRC_DIGITS);
        snprintf(text, sizeof text, "%08lx", crc32_z(0, data + 8, size - 8) & 0xffffffffUL);
        memcpy(at, text, STELE__SAFETENSORS_CRC_DIGITS);
    }
}

static stele__params *make_params(void)
{
    const stele__declaration d[] = {
        { .name = "a.weight", .shape = { 2, 0, { 2, 3 } }, .kind = STELE__TRAINED },
        { .name = "a.bias", .shape = { 1, 0, { 3 } }, .kind = STELE__TRAINED },
        { .name = "a.size", .shape = { 0 }, .kind = STELE__BUFFER },
    };
    stele__params *p = NULL;
    uint32_t entry;
    FUZZ_CHECK(stele__params_create(STELE_F32, &p) == STELE_OK);
    for (size_t i = 0; i < sizeof d / sizeof d[0]; i++) {
        stele__declaration one = d[i];
        one.init = STELE_INIT_ZERO;
        FUZZ_CHECK(stele__params_declare(p, &one, &entry, NULL) == STELE_OK);
    }
    FUZZ_CHECK(stele__params_finalize(p, 1, 1, NULL) == STELE_OK);
    return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    uint8_t *copy = malloc(size + 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    mend_checksum(copy, size);
    int fd = fuzz_file(copy, size, path);
    free(copy);
    for (int moments = 0; moments < 2; moments++) {
        stele__params *p = make_params();
        stele__position at = { 0 };
        stele__diag diag;
        stele__diag_init(&diag);
        stele_status status =
            stele__checkpoint_read(path, p, moments, "0123456789abcdef", &at, &diag);
        FUZZ_CHECK((status == STELE_OK) == (diag.n == 0));
        if (status == STELE_OK) {
            FUZZ_CHECK(at.epoch >= 0 && at.batch >= 0 && at.step >= 0 && at.finished >= 0);
        }
        stele__diag_finish(&diag);
        stele__params_destroy(p);
    }
    close(fd);
    return 0;
}
