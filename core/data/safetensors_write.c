#include "data/safetensors_format.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <zlib.h>

static const stele__safetensors_type *type_of(int dtype)
{
    const stele__safetensors_type *t = stele__safetensors_types;
    while (t->name != NULL && t->dtype != dtype) {
        t++;
    }
    return t->name != NULL ? t : NULL;
}

static stele_status add_metadata(json_t *root, const char *path, const stele__metadata *metadata,
                                 size_t n, stele__diag *diag)
{
    /* First of all, so that the checksum's digits are where crc_digits looks for them. */
    json_t *map = json_object();
    if (json_object_set_new(root, "__metadata__", map) != 0 ||
        json_object_set_new(map, STELE__SAFETENSORS_CRC_KEY, json_string("00000000")) != 0) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (json_object_get(map, metadata[i].key) != NULL) {
            return stele__diag_error(diag, STELE_E_ARG, NULL,
                                     "%s: metadata key '%s' is reserved or given twice", path,
                                     metadata[i].key);
        }
        if (json_object_set_new(map, metadata[i].key, json_string(metadata[i].value)) != 0) {
            return stele__diag_error(diag, STELE_E_ARG, NULL,
                                     "%s: metadata '%s' must be UTF-8 text", path, metadata[i].key);
        }
    }
    return STELE_OK;
}

static json_t *describe(const stele__safetensor *t, const char *type, uint64_t begin, uint64_t end)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < t->shape.ndim; i++) {
        if (json_array_append_new(shape, json_integer(t->shape.dim[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", type, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

static stele_status add_tensor(json_t *root, const char *path, const stele__safetensor *t,
                               uint64_t *offset, stele__diag *diag)
{
    const stele__safetensors_type *type = type_of(t->dtype);
    uint64_t bytes = 0;
    if (stele__safetensors_bytes(&t->shape, type->size, &bytes) != 0 ||
        bytes > (uint64_t)INT64_MAX - *offset) {
        return stele__diag_error(diag, STELE_E_SHAPE, NULL, "%s: tensor '%s' has no valid shape",
                                 path, t->name);
    }
    if (json_object_get(root, t->name) != NULL) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "%s: tensor name '%s' is reserved or given twice", path, t->name);
    }
    if (json_object_set_new(root, t->name, describe(t, type->name, *offset, *offset + bytes)) !=
        0) {
        return stele__diag_error(diag, STELE_E_ARG, NULL, "%s: tensor name '%s' must be UTF-8",
                                 path, t->name);
    }
    *offset += bytes;
    return STELE_OK;
}

static int append_text(const char *text, size_t n, void *str)
{
    stele__str_append_n(str, text, n);
    return ((stele__str *)str)->failed ? -1 : 0;
}

/* Spaces after the JSON bring the data to its alignment. */
static stele_status print_header(const json_t *root, stele__str *header)
{
    if (json_dump_callback(root, append_text, header, JSON_COMPACT) != 0) {
        return STELE_E_NOMEM;
    }
    while ((STELE__SAFETENSORS_LEAD + header->len) % STELE__SAFETENSORS_ALIGN != 0) {
        stele__str_append(header, " ");
        if (header->failed) {
            return STELE_E_NOMEM;
        }
    }
    return STELE_OK;
}

static stele_status build_header(const char *path, const stele__safetensor *tensor, size_t n,
                                 const stele__metadata *metadata, size_t n_metadata,
                                 stele__str *header, stele__diag *diag)
{
    json_t *root = json_object();
    stele_status status = root != NULL ? STELE_OK : STELE_E_NOMEM;
    uint64_t offset = 0;
    for (size_t i = 0; status == STELE_OK && i < n; i++) {
        if (type_of(tensor[i].dtype) == NULL) {
            status = stele__diag_error(diag, STELE_E_DTYPE, NULL,
                                       "%s: tensor '%s' has an element type that is not written",
                                       path, tensor[i].name);
        }
    }
    if (status == STELE_OK) {
        status = add_metadata(root, path, metadata, n_metadata, diag);
    }
    for (const stele__safetensors_type *t = stele__safetensors_types; t->name != NULL; t++) {
        for (size_t i = 0; status == STELE_OK && i < n; i++) {
            if (tensor[i].dtype == t->dtype) {
                status = add_tensor(root, path, &tensor[i], &offset, diag);
            }
        }
    }
    if (status == STELE_OK) {
        status = print_header(root, header);
    }
    json_decref(root);
    return status;
}

/* Length, header, data; then the digits of the checksum, known only now, are put in their place. */
static void put_all(stele__writer *w, const stele__safetensor *tensor, size_t n,
                    const stele__str *header)
{
    uint64_t length = header->len;
    uLong crc = crc32_z(0, (const unsigned char *)header->data, header->len);
    (void)stele__writer_write(w, &length, sizeof length);
    (void)stele__writer_write(w, header->data, header->len);
    for (const stele__safetensors_type *t = stele__safetensors_types; t->name != NULL; t++) {
        for (size_t i = 0; i < n; i++) {
            uint64_t bytes = 0;
            if (tensor[i].dtype != t->dtype ||
                stele__safetensors_bytes(&tensor[i].shape, t->size, &bytes) != 0 || bytes == 0) {
                continue;
            }
            if (stele__writer_write(w, tensor[i].data, bytes) != 0) {
                return;
            }
            crc = crc32_z(crc, tensor[i].data, bytes);
        }
    }
    const char *digits = stele__safetensors_crc_digits(header->data, header->len);
    char text[STELE__SAFETENSORS_CRC_DIGITS + 1];
    snprintf(text, sizeof text, "%08lx", crc & 0xffffffffUL);
    if (fseek(w->stream, STELE__SAFETENSORS_LEAD + (long)(digits - header->data), SEEK_SET) != 0) {
        w->reason = errno;
        return;
    }
    (void)stele__writer_write(w, text, STELE__SAFETENSORS_CRC_DIGITS);
}

static stele_status write_all(const char *path, const stele__safetensor *tensor, size_t n,
                              const stele__metadata *metadata, size_t n_metadata, int hasty,
                              stele__diag *diag)
{
    stele__str header;
    stele__writer w;
    stele__str_init(&header);
    stele_status status = build_header(path, tensor, n, metadata, n_metadata, &header, diag);
    if (status == STELE_OK) {
        status = stele__writer_open(&w, path, diag);
    }
    if (status == STELE_OK) {
        w.hasty = hasty;
        put_all(&w, tensor, n, &header);
        status = stele__writer_commit(&w, diag);
    }
    stele__str_finish(&header);
    return status;
}

stele_status stele__safetensors_write(const char *path, const stele__safetensor *tensor, size_t n,
                                      const stele__metadata *metadata, size_t n_metadata,
                                      stele__diag *diag)
{
    return write_all(path, tensor, n, metadata, n_metadata, 0, diag);
}

stele_status stele__safetensors_write_hasty(const char *path, const stele__safetensor *tensor,
                                            size_t n, const stele__metadata *metadata,
                                            size_t n_metadata, stele__diag *diag)
{
    return write_all(path, tensor, n, metadata, n_metadata, 1, diag);
}
