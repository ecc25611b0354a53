#include "data/safetensors_format.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct stele__safetensors {
    char *path;
    void *map; /* NULL if the bytes are borrowed */
    const unsigned char *bytes;
    size_t n_bytes, header_len;
    json_t *root; /* owns all names and metadata */
    stele__safetensor *tensor;
    size_t n;
};

const stele__safetensors_type stele__safetensors_types[] = {
    { "F64", STELE_F64, 8 }, { "I64", STELE_I64, 8 }, { "F32", STELE_F32, 4 },
    { "I32", STELE_I32, 4 }, { "U8", STELE_U8, 1 },   { NULL, 0, 0 },
};

int stele__safetensors_bytes(const stele_shape *shape, uint64_t item, uint64_t *ret_bytes)
{
    uint64_t bytes = item;
    for (uint32_t i = 0; i < shape->ndim; i++) {
        if (shape->dim[i] < 0 || __builtin_mul_overflow(bytes, (uint64_t)shape->dim[i], &bytes) ||
            bytes > (uint64_t)INT64_MAX) {
            return -1;
        }
    }
    *ret_bytes = bytes;
    return shape->ndim <= STELE_MAX_DIMS ? 0 : -1;
}

const char *stele__safetensors_crc_digits(const char *header, size_t n)
{
    static const char before[] = "\"" STELE__SAFETENSORS_CRC_KEY "\":\"";
    const char *at = memmem(header, n, before, sizeof before - 1);
    if (at == NULL ||
        (size_t)(header + n - at) < sizeof before - 1 + STELE__SAFETENSORS_CRC_DIGITS) {
        return NULL;
    }
    return at + sizeof before - 1;
}

/* A tensor's place while the header is being checked. */
typedef struct placed {
    stele__safetensor tensor;
    uint64_t begin, end;
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return x->end != y->end ? (x->end < y->end ? -1 : 1) : 0;
}

static stele_status complain(const stele__safetensors *file, const char *tensor, const char *what,
                             stele__diag *diag)
{
    return stele__diag_error(diag, STELE_E_DATA, NULL, "%s: tensor '%s' %s", file->path, tensor,
                             what);
}

static stele_status read_shape(const stele__safetensors *file, const char *name, const json_t *list,
                               stele_shape *shape, stele__diag *diag)
{
    if (!json_is_array(list) || json_array_size(list) > STELE_MAX_DIMS) {
        return complain(file, name, "has no shape of at most 6 extents", diag);
    }
    shape->ndim = (uint32_t)json_array_size(list);
    for (uint32_t i = 0; i < shape->ndim; i++) {
        const json_t *extent = json_array_get(list, i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 0) {
            return complain(file, name, "has an extent that is no natural number", diag);
        }
        shape->dim[i] = json_integer_value(extent);
    }
    return STELE_OK;
}

static stele_status read_entry(const stele__safetensors *file, const char *name,
                               const json_t *entry, placed *ret, stele__diag *diag)
{
    const char *type_name = json_string_value(json_object_get(entry, "dtype"));
    const json_t *range = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(range, 0), *end = json_array_get(range, 1);
    const stele__safetensors_type *type = stele__safetensors_types;
    if (type_name == NULL) {
        return complain(file, name, "has no dtype", diag);
    }
    while (type->name != NULL && strcmp(type->name, type_name) != 0) {
        type++;
    }
    if (type->name == NULL) {
        return stele__diag_error(
            diag, STELE_E_DATA, NULL,
            "%s: tensor '%s' has dtype %s, which is none of F32, F64, I32, I64, U8", file->path,
            name, type_name);
    }
    if (json_array_size(range) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin)) {
        return complain(file, name, "has no valid data_offsets", diag);
    }
    memset(ret, 0, sizeof *ret);
    ret->tensor.name = name;
    ret->tensor.dtype = type->dtype;
    ret->begin = (uint64_t)json_integer_value(begin);
    ret->end = (uint64_t)json_integer_value(end);
    stele_status status =
        read_shape(file, name, json_object_get(entry, "shape"), &ret->tensor.shape, diag);
    uint64_t bytes = 0;
    if (status != STELE_OK) {
        return status;
    }
    if (stele__safetensors_bytes(&ret->tensor.shape, type->size, &bytes) != 0 ||
        bytes != ret->end - ret->begin) {
        return complain(file, name, "has a shape and data_offsets that do not agree", diag);
    }
    if ((STELE__SAFETENSORS_LEAD + file->header_len + ret->begin) % type->size != 0) {
        return complain(file, name, "is not aligned to its element size", diag);
    }
    return STELE_OK;
}

/* In the order of the data every tensor has to start where the one before ended. */
static stele_status check_places(stele__safetensors *file, placed *list, stele__diag *diag)
{
    const unsigned char *data = file->bytes + STELE__SAFETENSORS_LEAD + file->header_len;
    uint64_t n_data = file->n_bytes - STELE__SAFETENSORS_LEAD - file->header_len;
    uint64_t expected = 0;
    qsort(list, file->n, sizeof *list, by_place);
    for (size_t i = 0; i < file->n; i++) {
        const placed *p = &list[i];
        if (p->begin != expected) {
            return complain(file, p->tensor.name,
                            p->begin < expected ? "overlaps another one" : "follows a gap", diag);
        }
        if (p->end > n_data) {
            return stele__diag_error(
                diag, STELE_E_DATA, NULL, "%s: is cut short: tensor '%s' ends at byte %llu of %llu",
                file->path, p->tensor.name, (unsigned long long)p->end, (unsigned long long)n_data);
        }
        file->tensor[i] = p->tensor;
        file->tensor[i].data = data + p->begin;
        expected = p->end;
    }
    if (expected != n_data) {
        return stele__diag_error(diag, STELE_E_DATA, NULL, "%s: has %llu bytes after its tensors",
                                 file->path, (unsigned long long)(n_data - expected));
    }
    return STELE_OK;
}

static stele_status check_metadata(const stele__safetensors *file, const json_t *metadata,
                                   stele__diag *diag)
{
    const char *key = NULL;
    json_t *value = NULL;
    int bad = !json_is_object(metadata);
    json_object_foreach((json_t *)metadata, key, value)
    {
        bad |= !json_is_string(value);
    }
    return !bad ? STELE_OK
                : stele__diag_error(diag, STELE_E_DATA, NULL,
                                    "%s: __metadata__ does not map strings to strings", file->path);
}

static stele_status read_header(stele__safetensors *file, stele__diag *diag)
{
    const char *name = NULL;
    json_t *entry = NULL;
    stele_status status = STELE_OK;
    size_t capacity = json_object_size(file->root);
    placed *list = stele__calloc(capacity, sizeof *list);
    file->tensor = stele__calloc(capacity, sizeof *file->tensor);
    if (list == NULL || file->tensor == NULL) {
        status = STELE_E_NOMEM;
        goto out;
    }
    json_object_foreach(file->root, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            status = check_metadata(file, entry, diag);
        } else {
            status = read_entry(file, name, entry, &list[file->n], diag);
            file->n++;
        }
        if (status != STELE_OK) {
            goto out;
        }
    }
    status = check_places(file, list, diag);
out:
    stele__free(list);
    return status;
}

static stele_status parse(stele__safetensors *file, stele__diag *diag)
{
    uint64_t length = 0;
    json_error_t error;
    if (file->n_bytes < STELE__SAFETENSORS_LEAD) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: is not a safetensors file: it has %zu bytes", file->path,
                                 file->n_bytes);
    }
    memcpy(&length, file->bytes, sizeof length);
    const char *header = (const char *)file->bytes + STELE__SAFETENSORS_LEAD;
    if (length > STELE__SAFETENSORS_HEADER_LIMIT ||
        length > file->n_bytes - STELE__SAFETENSORS_LEAD) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: is cut short or not a safetensors file: a header of %llu "
                                 "bytes in %zu",
                                 file->path, (unsigned long long)length, file->n_bytes);
    }
    if (length < 2 || header[0] != '{') {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: is not a safetensors file: its header is not a JSON object",
                                 file->path);
    }
    file->header_len = (size_t)length;
    file->root = json_loadb(header, file->header_len, JSON_REJECT_DUPLICATES, &error);
    if (file->root == NULL) {
        return stele__diag_error(diag, STELE_E_DATA, NULL, "%s: header, byte %d: %s", file->path,
                                 error.position, error.text);
    }
    return read_header(file, diag);
}

static stele_status finish_open(stele__safetensors *file, const char *name,
                                stele__safetensors **ret, stele__diag *diag)
{
    file->path = stele__strdup(name);
    stele_status status = file->path != NULL ? parse(file, diag) : STELE_E_NOMEM;
    if (status != STELE_OK) {
        stele__safetensors_close(file);
        return status;
    }
    *ret = file;
    return STELE_OK;
}

stele_status stele__safetensors_parse(const char *name, const void *bytes, size_t n,
                                      stele__safetensors **ret, stele__diag *diag)
{
    stele__safetensors *file = stele__calloc(1, sizeof *file);
    if (file == NULL) {
        return STELE_E_NOMEM;
    }
    file->bytes = bytes;
    file->n_bytes = n;
    return finish_open(file, name, ret, diag);
}

stele_status stele__safetensors_open(const char *path, stele__safetensors **ret, stele__diag *diag)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int reason = errno;
        if (fd >= 0) {
            close(fd);
        }
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot open: %s", path,
                                 strerror(reason));
    }
    if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        close(fd);
        return stele__diag_error(diag, STELE_E_DATA, NULL, "%s: %s", path,
                                 S_ISREG(st.st_mode) ? "is empty" : "is not a regular file");
    }
    stele__safetensors *file = stele__calloc(1, sizeof *file);
    if (file == NULL) {
        close(fd);
        return STELE_E_NOMEM;
    }
    file->n_bytes = (size_t)st.st_size;
    void *map = mmap(NULL, file->n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    int reason = errno;
    close(fd); /* the mapping stays */
    if (map == MAP_FAILED) {
        stele__safetensors_close(file);
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot map: %s", path,
                                 strerror(reason));
    }
    file->map = map;
    file->bytes = map;
    return finish_open(file, path, ret, diag);
}

void stele__safetensors_close(stele__safetensors *file)
{
    if (file == NULL) {
        return;
    }
    if (file->map != NULL) {
        munmap(file->map, file->n_bytes);
    }
    json_decref(file->root);
    stele__free(file->tensor);
    stele__free(file->path);
    stele__free(file);
}

size_t stele__safetensors_count(const stele__safetensors *file)
{
    return file->n;
}

const stele__safetensor *stele__safetensors_at(const stele__safetensors *file, size_t i)
{
    return &file->tensor[i];
}

const stele__safetensor *stele__safetensors_find(const stele__safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n; i++) {
        if (strcmp(file->tensor[i].name, name) == 0) {
            return &file->tensor[i];
        }
    }
    return NULL;
}

const char *stele__safetensors_metadata(const stele__safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->root, "__metadata__"), key));
}

stele_status stele__safetensors_verify(const stele__safetensors *file, stele__diag *diag)
{
    const char *stored = stele__safetensors_metadata(file, STELE__SAFETENSORS_CRC_KEY);
    const char *header = (const char *)file->bytes + STELE__SAFETENSORS_LEAD;
    const char *digits = stele__safetensors_crc_digits(header, file->header_len);
    if (stored == NULL || digits == NULL) {
        return stele__diag_error(diag, STELE_E_DATA, NULL, "%s: has no checksum", file->path);
    }
    size_t before = (size_t)(digits - header);
    size_t after = before + STELE__SAFETENSORS_CRC_DIGITS;
    size_t rest = file->n_bytes - STELE__SAFETENSORS_LEAD - after;
    uLong crc = crc32_z(0, (const unsigned char *)header, before);
    crc = crc32_z(crc, (const unsigned char *)"00000000", STELE__SAFETENSORS_CRC_DIGITS);
    crc = crc32_z(crc, (const unsigned char *)header + after, rest);
    char text[STELE__SAFETENSORS_CRC_DIGITS + 1];
    snprintf(text, sizeof text, "%08lx", crc & 0xffffffffUL);
    if (strcmp(text, stored) != 0) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: is damaged: its checksum is %s, not %s", file->path, text,
                                 stored);
    }
    return STELE_OK;
}
