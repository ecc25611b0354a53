/* plugins/source/idx: files in the format of MNIST.
 *
 * Four bytes of magic (0, 0, element type, number of dimensions), an extent of four bytes for each
 * dimension, then the elements; everything big-endian. */
#include "array.h"

#include <string.h>

static const stele_option options[] = {
    STELE_OPTION_PATH(array_config, path, "path", STELE_OPT_REQUIRED,
                      "An IDX file, plain or .gz, or a folder with the `files`."),
    STELE_OPTION_STR_LIST(array_config, files, "files", "[]",
                          "Files in the folder `path`, each one a field of the same rows."),
    STELE_OPTION_STR_LIST(array_config, names, "names", "[]",
                          "Names of the fields; without them those of the files, cut before "
                          "`-idx` and the like."),
    STELE_OPTION_STR(array_config, key, "key", NULL, 0,
                     "A text file beside the data with a row id per line; without it ids are row "
                     "numbers from 0."),
};

/* "t10k-images-idx3-ubyte.gz" and "t10k-images.idx3-ubyte" are "t10k-images". */
static size_t stem(const char *name)
{
    size_t len = strlen(name);
    for (const char *at = strstr(name, "idx"); at != NULL; at = strstr(at + 1, "idx")) {
        if (at > name + 1 && (at[-1] == '-' || at[-1] == '.')) {
            return (size_t)(at - name) - 1;
        }
    }
    return len > 3 && strcmp(name + len - 3, ".gz") == 0 ? len - 3 : len;
}

static int element_of(unsigned char type)
{
    switch (type) {
    case 0x08: return ELEMENT_U8;
    case 0x09: return ELEMENT_I8;
    case 0x0b: return ELEMENT_I16;
    case 0x0c: return ELEMENT_I32;
    case 0x0d: return ELEMENT_F32;
    case 0x0e: return ELEMENT_F64;
    default: return 0;
    }
}

static stele_status parse(array *a)
{
    unsigned char head[4 + 4 * ARRAY_MAX_DIMS];
    size_t n = 0;
    stele_status st = input_read(a->in, 0, sizeof head, head, &n);
    if (st != STELE_OK) {
        return st;
    }
    if (n < 4 || head[0] != 0 || head[1] != 0) {
        return input_fail(
            a->in, STELE_E_DATA,
            "is no IDX file: bytes 0 and 1 have to be zero, the type and the number of "
            "dimensions follow");
    }
    if (element_of(head[2]) == 0) {
        return input_fail(
            a->in, STELE_E_DATA,
            "byte 2, the type of the elements, is 0x%02x; known are 08, 09, 0b, 0c, 0d "
            "and 0e",
            head[2]);
    }
    if (head[3] < 1 || head[3] > ARRAY_MAX_DIMS) {
        return input_fail(a->in, STELE_E_DATA,
                          "byte 3, the number of dimensions, is %d; possible are 1 to %d", head[3],
                          ARRAY_MAX_DIMS);
    }
    a->element = element_of(head[2]);
    a->big_endian = 1;
    a->n_dims = head[3];
    a->begin = 4 + 4 * (int64_t)a->n_dims;
    if ((int64_t)n < a->begin) {
        return input_fail(a->in, STELE_E_DATA,
                          "is cut short: it ends inside its header of %lld bytes",
                          (long long)a->begin);
    }
    for (uint32_t d = 0; d < a->n_dims; d++) {
        const unsigned char *e = head + 4 + 4 * d;
        a->dim[d] = (int64_t)e[0] << 24 | (int64_t)e[1] << 16 | (int64_t)e[2] << 8 | e[3];
    }
    return STELE_OK;
}

static stele_status build(stele_inst *s, stele_build *b)
{
    input *key = NULL;
    (void)b;
    stele_status st = array_source_open(s, parse, stem);
    st = st == STELE_OK && s->config->key != NULL ? array_source_open_key(s, &key) : st;
    st = st == STELE_OK ? array_source_finish(s, key) : st;
    input_close(key);
    return st;
}

static const stele_source_vt vt = { .struct_size = sizeof vt, ARRAY_SOURCE_SLOTS, .build = build };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .caps = STELE_CAP_BITWISE_REPEAT,
    .id = "source/idx",
    .version = "0.1.0",
    .summary = "IDX files, the format of MNIST, with any number of dimensions",
    .license = "BSD-3-Clause",
    .reference = "LeCun, Cortes and Burges 1998, The MNIST database of handwritten digits",
    STELE_PLUGIN_OPTIONS(options, array_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
