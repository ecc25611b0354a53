/* Files of named tensors: what is written comes back, what is broken is refused with its reason. */
#include "test.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/stele-tensors-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if a test or a writer left something */
}

static char *content(size_t *ret_len)
{
    char *text = NULL;
    assert_int_equal(stele__file_read(path, 1 << 20, &text, ret_len, NULL), STELE_OK);
    return text;
}

static const float weights[6] = { 1.0f, -2.5f, 3e-40f, 0.0f, 5.0f, 1e30f };
static const double wide[2] = { 0.1, -7.0 };
static const int64_t step = -3;
static const uint8_t flags[3] = { 1, 2, 255 };
static const int32_t small[2] = { 7, INT32_MIN };
static const stele__safetensor tensors[] = {
    { "flags", STELE_U8, { 1, 0, { 3 } }, flags },
    { "enc/w", STELE_F32, { 2, 0, { 2, 3 } }, weights },
    { "none", STELE_F32, { 2, 0, { 0, 3 } }, NULL },
    { "step", STELE_I64, { 0, 0, { 0 } }, &step },
    { "wide", STELE_F64, { 1, 0, { 2 } }, wide },
    { "small", STELE_I32, { 1, 0, { 2 } }, small },
};
static const stele__metadata metadata[] = { { "spec", "a: \"1\"\n" }, { "format", "stele" } };

static void assert_tensor(const stele__safetensors *f, const stele__safetensor *want, size_t size)
{
    const stele__safetensor *t = stele__safetensors_find(f, want->name);
    size_t n = size;
    assert_non_null(t);
    assert_int_equal(t->dtype, want->dtype);
    assert_int_equal(t->shape.ndim, want->shape.ndim);
    for (uint32_t i = 0; i < t->shape.ndim; i++) {
        assert_int_equal(t->shape.dim[i], want->shape.dim[i]);
        n *= (size_t)t->shape.dim[i];
    }
    assert_int_equal((uintptr_t)t->data % size, 0);
    assert_true(n == 0 || memcmp(t->data, want->data, n) == 0);
}

static void tensors_come_back(void **state)
{
    (void)state;
    static const size_t size[] = { 1, 4, 4, 8, 8, 4 };
    stele__safetensors *f = NULL;
    assert_int_equal(stele__safetensors_write(path, tensors, 6, metadata, 2, NULL), STELE_OK);
    assert_int_equal(stele__safetensors_open(path, &f, NULL), STELE_OK);
    assert_int_equal(stele__safetensors_count(f), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_tensor(f, &tensors[i], size[i]);
    }
    assert_int_equal((uintptr_t)stele__safetensors_at(f, 0)->data % 64, 0);
    assert_null(stele__safetensors_find(f, "other"));
    assert_string_equal(stele__safetensors_metadata(f, "spec"), "a: \"1\"\n");
    assert_string_equal(stele__safetensors_metadata(f, "format"), "stele");
    assert_null(stele__safetensors_metadata(f, "other"));
    assert_int_equal(stele__safetensors_verify(f, NULL), STELE_OK);
    stele__safetensors_close(f);
    unlink(path);
}

/* The checksum covers names and metadata as well as values: no changed byte gets through. */
static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    size_t n = 0;
    assert_int_equal(stele__safetensors_write(path, tensors, 6, metadata, 2, NULL), STELE_OK);
    char *bytes = content(&n);
    char *copy = stele__calloc_aligned(n);
    for (size_t i = 0; i < n; i++) {
        stele__safetensors *f = NULL;
        memcpy(copy, bytes, n);
        copy[i] ^= 1;
        stele_status status = stele__safetensors_parse("copy", copy, n, &f, NULL);
        if (status == STELE_OK) {
            status = stele__safetensors_verify(f, NULL);
        }
        assert_int_equal(status, STELE_E_DATA);
        stele__safetensors_close(f);
    }
    for (size_t i = 0; i < n; i++) {
        stele__safetensors *f = NULL;
        memcpy(copy, bytes, n);
        assert_int_equal(stele__safetensors_parse("copy", copy, i, &f, NULL), STELE_E_DATA);
        assert_null(f);
    }
    stele__free_aligned(copy);
    stele__free(bytes);
    unlink(path);
}

static void assert_refused(const char *header, size_t n_data, const char *reason)
{
    _Alignas(8) char bytes[512] = { 0 };
    size_t len = strlen(header), padded = (8 + len + 7) / 8 * 8 - 8;
    uint64_t length = padded;
    stele__safetensors *f = NULL;
    stele__diag d;
    stele__diag_init(&d);
    memcpy(bytes, &length, 8);
    memset(bytes + 8, ' ', padded);
    memcpy(bytes + 8, header, len);
    assert_int_equal(stele__safetensors_parse("x.st", bytes, 8 + padded + n_data, &f, &d),
                     STELE_E_DATA);
    assert_int_equal(d.n, 1);
    assert_string_equal(d.message[0].text, reason);
    stele__diag_finish(&d);
}

static void broken_headers_are_refused_with_the_reason(void **state)
{
    (void)state;
#define ENTRY(dtype_, shape_, begin_, end_)                                                        \
    "{\"dtype\":\"" dtype_ "\",\"shape\":" shape_ ",\"data_offsets\":[" begin_ "," end_ "]}"
    assert_refused("[1]", 0, "x.st: is not a safetensors file: its header is not a JSON object");
    assert_refused("{\"a\":1,}", 0, "x.st: header, byte 8: string or '}' expected near '}'");
    assert_refused("{\"a\":1}", 0, "x.st: tensor 'a' has no dtype");
    assert_refused("{\"__metadata__\":{\"a\":1}}", 0,
                   "x.st: __metadata__ does not map strings to strings");
    assert_refused("{\"a\":" ENTRY("F16", "[2]", "0", "4") "}", 4,
                   "x.st: tensor 'a' has dtype F16, which is none of F32, F64, I32, I64, U8");
    assert_refused("{\"a\":" ENTRY("F32", "[2]", "0", "4") "}", 4,
                   "x.st: tensor 'a' has a shape and data_offsets that do not agree");
    assert_refused("{\"a\":" ENTRY("F32", "[9223372036854775807,8]", "0", "4") "}", 4,
                   "x.st: tensor 'a' has a shape and data_offsets that do not agree");
    assert_refused("{\"a\":" ENTRY("F32", "[-1,-1]", "0", "4") "}", 4,
                   "x.st: tensor 'a' has an extent that is no natural number");
    assert_refused("{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1]", "0", "4") "}", 4,
                   "x.st: tensor 'a' has no shape of at most 6 extents");
    assert_refused("{\"a\":" ENTRY("F32", "[1]", "4", "0") "}", 4,
                   "x.st: tensor 'a' has no valid data_offsets");
    assert_refused(
        "{\"a\":" ENTRY("F32", "[1]", "0", "4") ",\"b\":" ENTRY("F32", "[1]", "8", "12") "}", 12,
        "x.st: tensor 'b' follows a gap");
    assert_refused(
        "{\"a\":" ENTRY("F32", "[2]", "0", "8") ",\"b\":" ENTRY("F32", "[2]", "4", "12") "}", 12,
        "x.st: tensor 'b' overlaps another one");
    assert_refused(
        "{\"a\":" ENTRY("U8", "[1]", "0", "1") ",\"b\":" ENTRY("F32", "[1]", "1", "5") "}", 5,
        "x.st: tensor 'b' is not aligned to its element size");
    assert_refused("{\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 4,
                   "x.st: is cut short: tensor 'a' ends at byte 8 of 4");
    assert_refused("{\"a\":" ENTRY("F32", "[2]", "0", "8") "}", 9,
                   "x.st: has 1 bytes after its tensors");
    assert_refused("{\"a\":{},\"a\":{}}", 0,
                   "x.st: header, byte 11: duplicate object key near '\"a\"'");
#undef ENTRY
}

static void bad_tensors_are_not_written(void **state)
{
    (void)state;
    const stele__safetensor twice[] = { tensors[1], tensors[1] };
    const stele__safetensor odd = { "x", 99, { 0, 0, { 0 } }, NULL };
    const stele__safetensor negative = { "x", STELE_F32, { 1, 0, { -1 } }, NULL };
    const stele__safetensor reserved = { "__metadata__", STELE_U8, { 1, 0, { 3 } }, flags };
    const stele__safetensor bytes = { "a\xff", STELE_U8, { 1, 0, { 3 } }, flags };
    const stele__metadata crc = { "stele.crc32", "0" };
    assert_int_equal(stele__safetensors_write(path, twice, 2, NULL, 0, NULL), STELE_E_ARG);
    assert_int_equal(stele__safetensors_write(path, &odd, 1, NULL, 0, NULL), STELE_E_DTYPE);
    assert_int_equal(stele__safetensors_write(path, &negative, 1, NULL, 0, NULL), STELE_E_SHAPE);
    assert_int_equal(stele__safetensors_write(path, &reserved, 1, NULL, 0, NULL), STELE_E_ARG);
    assert_int_equal(stele__safetensors_write(path, &bytes, 1, NULL, 0, NULL), STELE_E_ARG);
    assert_int_equal(stele__safetensors_write(path, NULL, 0, &crc, 1, NULL), STELE_E_ARG);
    assert_int_not_equal(access(path, F_OK), 0);
    stele__safetensors *f = NULL;
    assert_int_equal(stele__safetensors_open(path, &f, NULL), STELE_E_IO);
    assert_int_equal(stele__safetensors_open(folder, &f, NULL), STELE_E_DATA);
}

/* Losing the allocation for syncing a folder does no harm, so success is no sign that none was
 * lost. */
static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    int n_failed = 0;
    for (int64_t i = 0; i < 40; i++) {
        stele__safetensors *f = NULL;
        stele__mem_fail_at(i);
        stele_status status = stele__safetensors_write(path, tensors, 6, metadata, 2, NULL);
        if (status == STELE_OK) {
            status = stele__safetensors_open(path, &f, NULL);
        }
        stele__mem_fail_at(-1);
        stele__safetensors_close(f);
        unlink(path);
        assert_true(status == STELE_E_NOMEM || status == STELE_OK);
        n_failed += status == STELE_E_NOMEM;
    }
    assert_in_range(n_failed, 6, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_back),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(broken_headers_are_refused_with_the_reason),
        cmocka_unit_test(bad_tensors_are_not_written),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("safetensors", tests, make_folder, remove_folder);
}
