/* The source: options, which keys become which fields, slots. */
#include "jsonl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const stele_option options[] = {
    STELE_OPTION_PATH(
        jsonl_config, path, "path", STELE_OPT_REQUIRED,
        "A file with a JSON object in each line, as UTF-8, plain or packed with gzip; "
        "`part-*.jsonl` or `{a,b}.jsonl` are several."),
    STELE_OPTION_STR(jsonl_config, key, "key", NULL, 0,
                     "Key of the row ids, strings or integers; default: `id` if the first object "
                     "has it, else the rows are numbered from 0."),
    STELE_OPTION_BOOL(jsonl_config, numbered, "numbered", 0,
                      "Number the rows from 0 although the objects have an `id`, which is a label "
                      "then: to be joined with a source whose rows are numbered."),
    STELE_OPTION_STR_LIST(jsonl_config, texts, "texts", "[]",
                          "Keys whose strings are measurements: sparse rows with the UTF-8 byte at "
                          "each place; other strings are labels."),
    STELE_OPTION_I64(jsonl_config, text_bytes, "text_bytes", 1024, 4, 1 << 20,
                     "Longest text; what is longer is cut there, between two letters."),
    STELE_OPTION_STR_LIST(
        jsonl_config, images, "images", "[]",
        "Keys whose strings are paths of PNG or JPEG files, from the folder of the "
        "file that names them; measured are bytes, (channels, height, width)."),
    STELE_OPTION_I64_LIST(jsonl_config, size, "size", "[]", 1, 4096,
                          "[HEIGHT, WIDTH] that images are brought to, by averaging or linear "
                          "interpolation; []: they have to have the same size."),
    STELE_OPTION_BOOL(jsonl_config, grey, "grey", 0,
                      "One channel for images, their brightness, instead of red, green and blue."),
    STELE_OPTION_STR_LIST(jsonl_config, exclude, "exclude", "[]", "Keys to leave out."),
};

stele_status jsonl_fail(const stele_inst *s, stele_status code, const jsonl_file *f, int64_t line,
                        const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return STELE_FAIL(s->host, code, "path: %s: line %lld: %s", f->path, (long long)line, text);
}

stele_status jsonl_nomem(const stele_inst *s)
{
    return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
}

/* --- life ------------------------------------------------------------------------------------- */

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const jsonl_config *c = a->config;
    if (c->numbered && c->key != NULL) {
        return STELE_FAIL(a->host, STELE_E_OPTION,
                          "numbered: rows have the ids of `%s` (key) or are numbered, not both",
                          c->key);
    }
    if (c->size.n != 0 && c->size.n != 2) {
        return STELE_FAIL(a->host, STELE_E_OPTION, "size: has to be [HEIGHT, WIDTH]");
    }
    if (c->size.n != 0 && c->images.n == 0) {
        return STELE_FAIL(a->host, STELE_E_OPTION,
                          "size: is for `images`, of which there are none");
    }
    for (uint64_t i = 0; i < c->texts.n; i++) {
        for (uint64_t k = 0; k < c->images.n; k++) {
            if (strcmp(c->texts.v[i], c->images.v[k]) == 0) {
                return STELE_FAIL(a->host, STELE_E_OPTION,
                                  "images: `%s` is one of the `texts` already", c->images.v[k]);
            }
        }
    }
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->host = a->host;
    s->config = c;
    s->new_rows = a->new_rows != 0;
    s->has_lock = pthread_mutex_init(&s->lock, NULL) == 0;
    *ret = s;
    return s->has_lock ? STELE_OK : jsonl_nomem(s);
}

static void destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->n_files; i++) {
        input_close(s->file[i].in);
        free(s->file[i].path);
    }
    for (uint32_t k = 0; k < s->n_keys; k++) {
        free(s->key[k].name);
        free(s->key[k].row);
        texts_finish(&s->key[k].label);
    }
    if (s->has_lock) {
        pthread_mutex_destroy(&s->lock);
    }
    free(s->file);
    free(s->row);
    free(s->key);
    free(s->field);
    free(s->axis_key);
    texts_finish(&s->id);
    free(s);
}

static int is_measured(int kind)
{
    return kind == JSONL_NUMBERS || kind == JSONL_TEXT || kind == JSONL_IMAGE;
}

/* Every key that an option names has to occur, unless rows are new; texts and images with a value.
 */
static stele_status check_named(const stele_inst *s, const char *option, const stele_str_list *list,
                                int with_value)
{
    for (uint64_t i = 0; i < list->n && !s->new_rows; i++) {
        uint32_t k = 0;
        while (k < s->n_keys && strcmp(s->key[k].name, list->v[i]) != 0) {
            k++;
        }
        int there = k < s->n_keys && (!with_value || s->key[k].kind != JSONL_UNKNOWN);
        if (!there) {
            return STELE_FAIL(s->host, STELE_E_OPTION, "%s: no object in %s has %s `%s`", option,
                              s->config->path, with_value ? "a string" : "a key", list->v[i]);
        }
    }
    return STELE_OK;
}

/* A measurement that some rows lack gets a row axis of its own. */
static stele_status arrange(stele_inst *s)
{
    s->field = calloc(s->n_keys + 1, sizeof *s->field);
    s->axis_key = calloc(s->n_keys + 1, sizeof *s->axis_key);
    if (s->field == NULL || s->axis_key == NULL) {
        return jsonl_nomem(s);
    }
    s->n_axes = 1;
    for (uint32_t i = 0; i < s->n_keys; i++) {
        jsonl_key *k = &s->key[i];
        if (!is_measured(k->kind) || k->n_present == s->n_rows) {
            free(k->row);
            k->row = NULL;
        } else {
            k->axis = s->n_axes;
            s->axis_key[s->n_axes++] = i;
        }
        if (k->n_cut > 0) {
            s->host->log(s->host, STELE_LOG_WARNING,
                         "%s: `%s`: %lld of %lld texts are longer than text_bytes, %lld, and cut",
                         s->config->path, k->name, (long long)k->n_cut, (long long)k->n_present,
                         (long long)s->config->text_bytes);
        }
        if (k->kind == JSONL_OTHER) {
            s->host->log(s->host, STELE_LOG_INFO,
                         "%s: `%s` is left out: line %lld has an object or a list of something "
                         "else than numbers",
                         s->file[s->row[k->first].file].path, k->name,
                         (long long)s->row[k->first].line);
        } else if (k->kind != JSONL_UNKNOWN) {
            s->field[s->n_fields++] = i;
        }
    }
    return STELE_OK;
}

static stele_status build(stele_inst *s, stele_build *b)
{
    (void)b;
    stele_status st = jsonl_open(s);
    st = st == STELE_OK ? jsonl_scan(s) : st;
    st = st == STELE_OK ? check_named(s, "texts", &s->config->texts, 1) : st;
    st = st == STELE_OK ? check_named(s, "images", &s->config->images, 1) : st;
    st = st == STELE_OK ? check_named(s, "exclude", &s->config->exclude, 0) : st;
    return st == STELE_OK ? arrange(s) : st;
}

/* --- slots ------------------------------------------------------------------------------------ */

static uint32_t n_axes(const stele_inst *s)
{
    return s->n_axes;
}

static int64_t n_rows(const stele_inst *s, uint32_t axis)
{
    return axis == 0 ? s->n_rows : axis < s->n_axes ? s->key[s->axis_key[axis]].n_present : 0;
}

/* Number of the object that a row of an axis is. */
static int64_t object_of(const stele_inst *s, uint32_t axis, int64_t row)
{
    return axis == 0 ? row : s->key[s->axis_key[axis]].row[row];
}

static const char *row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    return row >= 0 && row < n_rows(s, axis) ? texts_at(&s->id, object_of(s, axis, row)) : NULL;
}

static uint32_t n_fields(const stele_inst *s)
{
    return s->n_fields;
}

static stele_status field(const stele_inst *s, uint32_t index, stele_field *ret)
{
    if (index >= s->n_fields) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", index);
    }
    const jsonl_key *k = &s->key[s->field[index]];
    stele_field d = {
        .struct_size = sizeof d, .name = k->name, .layout = STELE_DENSE, .axis = k->axis
    };
    switch (k->kind) {
    case JSONL_NUMBERS:
        d.content = STELE_FIELD_MATRIX;
        d.dtype = STELE_F32;
        d.sample = (stele_shape){ .ndim = 1, .dim = { k->n } };
        break;
    case JSONL_TEXT:
        d.content = STELE_FIELD_MATRIX;
        d.dtype = STELE_U8;
        d.layout = STELE_CSR;
        d.sample = (stele_shape){ .ndim = 1, .dim = { s->config->text_bytes } };
        break;
    case JSONL_IMAGE:
        d.content = STELE_FIELD_MATRIX;
        d.dtype = STELE_U8;
        d.sample = (stele_shape){ .ndim = 3, .dim = { s->config->grey ? 1 : 3, k->h, k->w } };
        break;
    case JSONL_BOOLEAN:
        d.content = STELE_FIELD_CATEGORY;
        d.dtype = STELE_I32;
        d.n_categories = 2;
        break;
    case JSONL_STRING: d.content = STELE_FIELD_TEXT; break;
    default:
        d.content = STELE_FIELD_NUMBER;
        d.dtype = STELE_F64;
        break;
    }
    *ret = d;
    return STELE_OK;
}

static const char *feature_name(const stele_inst *s, uint32_t index, int64_t feature)
{
    (void)s;
    (void)index;
    (void)feature;
    return NULL;
}

static const char *category(const stele_inst *s, uint32_t index, int64_t code)
{
    static const char *const name[] = { "false", "true" };
    int is_boolean = index < s->n_fields && s->key[s->field[index]].kind == JSONL_BOOLEAN;
    return is_boolean && (code == 0 || code == 1) ? name[code] : NULL;
}

/* Numbers of the objects that these rows of a field are; the caller's. */
static stele_status take_rows(const stele_inst *s, const jsonl_key *k, uint64_t n,
                              const int64_t *row, int64_t **ret)
{
    int64_t *objects = malloc((n + 1) * sizeof *objects);
    if (objects == NULL) {
        return jsonl_nomem(s);
    }
    for (uint64_t i = 0; i < n; i++) {
        if (row[i] < 0 || row[i] >= n_rows(s, k->axis)) {
            free(objects);
            return STELE_FAIL(s->host, STELE_E_ARG, "`%s` has %lld rows, none with number %lld",
                              k->name, (long long)n_rows(s, k->axis), (long long)row[i]);
        }
        objects[i] = object_of(s, k->axis, row[i]);
    }
    *ret = objects;
    return STELE_OK;
}

static stele_status count(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    if (index >= s->n_fields || s->key[s->field[index]].kind != JSONL_TEXT) {
        return STELE_FAIL(s->host, STELE_E_ARG, "field %u is not sparse", index);
    }
    int64_t *objects = NULL;
    const jsonl_key *k = &s->key[s->field[index]];
    stele_status st = take_rows(s, k, n, row, &objects);
    st = st == STELE_OK ? jsonl_count(s, k, n, objects, ret_n) : st;
    free(objects);
    return st;
}

static stele_status read(const stele_inst *self, const stele_read *r)
{
    stele_inst *s = (stele_inst *)(uintptr_t)self; /* columns of strings load late, under a lock */
    if (r->field >= s->n_fields) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", r->field);
    }
    int64_t *objects = NULL;
    jsonl_key *k = &s->key[s->field[r->field]];
    stele_status st = take_rows(s, k, r->n_rows, r->row, &objects);
    st = st == STELE_OK ? jsonl_read(s, k, r, objects) : st;
    free(objects);
    return st;
}

static const stele_source_vt vt = { .struct_size = sizeof vt,
                                    .create = create,
                                    .destroy = destroy,
                                    .build = build,
                                    .n_axes = n_axes,
                                    .n_rows = n_rows,
                                    .row_id = row_id,
                                    .n_fields = n_fields,
                                    .field = field,
                                    .feature_name = feature_name,
                                    .category = category,
                                    .count = count,
                                    .read = read };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .caps = STELE_CAP_BITWISE_REPEAT,
    .id = "source/jsonl",
    .version = "0.1.0",
    .summary = "JSON Lines with texts, paths of PNG and JPEG images, lists of numbers and labels",
    .license = "BSD-3-Clause",
    .reference = "RFC 8259, jsonlines.org",
    STELE_PLUGIN_OPTIONS(options, jsonl_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
