/* Walking through the files once: where objects lie, what they are called, what their keys hold. */
#include "jsonl.h"
#include "paths.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- files ------------------------------------------------------------------------------------ */

static stele_status add_file(void *user, const char *path)
{
    stele_inst *s = user;
    jsonl_file *all = realloc(s->file, (s->n_files + 1) * sizeof *all);
    if (all == NULL) {
        return jsonl_nomem(s);
    }
    s->file = all;
    jsonl_file *f = &all[s->n_files++];
    *f = (jsonl_file){ .path = text_copy(path) };
    return f->path != NULL ? input_open(s->host, "path", path, &f->in) : jsonl_nomem(s);
}

stele_status jsonl_open(stele_inst *s)
{
    return paths_each(s->host, s->config->path, add_file, s);
}

/* --- objects ---------------------------------------------------------------------------------- */

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_NULL: return "null";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "a number";
    }
}

stele_status jsonl_parse(const stele_inst *s, uint32_t file, int64_t line, const char *text,
                         size_t len, json_t **ret)
{
    json_error_t error;
    json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (v == NULL && json_error_code(&error) == json_error_out_of_memory) {
        return jsonl_nomem(s);
    }
    if (v == NULL) {
        int nul = json_error_code(&error) == json_error_null_character;
        int cut = json_error_code(&error) == json_error_premature_end_of_input;
        return jsonl_fail(s, STELE_E_DATA, &s->file[file], line, "column %d: %s%s", error.column,
                          nul ? "a string holds \\u0000, which is in no text" : error.text,
                          cut ? "; every line has to be an object of its own" : "");
    }
    if (!json_is_object(v)) {
        stele_status st = jsonl_fail(s, STELE_E_DATA, &s->file[file], line,
                                     "is %s; every line has to be an object, {\"KEY\": VALUE, ...}",
                                     type_name(v));
        json_decref(v);
        return st;
    }
    *ret = v;
    return STELE_OK;
}

static int is_listed(const stele_str_list *list, const char *name)
{
    for (uint64_t i = 0; i < list->n; i++) {
        if (strcmp(list->v[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

/* What the object that is being read is, for messages. */
typedef struct place {
    stele_inst *s;
    const jsonl_file *file;
    int64_t row, line;
} place;

/* Objects of one file have their keys in the same order as a rule: the one after the last is tried
 * first. */
static stele_status find_key(stele_inst *s, const char *name, uint32_t hint, uint32_t *ret)
{
    if (hint < s->n_keys && strcmp(s->key[hint].name, name) == 0) {
        *ret = hint;
        return STELE_OK;
    }
    for (uint32_t k = 0; k < s->n_keys; k++) {
        if (strcmp(s->key[k].name, name) == 0) {
            *ret = k;
            return STELE_OK;
        }
    }
    jsonl_key *all = realloc(s->key, (s->n_keys + 1) * sizeof *all);
    if (all == NULL) {
        return jsonl_nomem(s);
    }
    s->key = all;
    all[s->n_keys] = (jsonl_key){ .name = text_copy(name), .kind = JSONL_UNKNOWN };
    if (all[s->n_keys].name == NULL) {
        return jsonl_nomem(s);
    }
    *ret = s->n_keys++;
    return STELE_OK;
}

static int is_numbers(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_number(v) && !json_is_null(v)) {
            return 0;
        }
    }
    return json_array_size(list) > 0;
}

static int kind_of(const stele_inst *s, const char *name, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_STRING:
        return is_listed(&s->config->texts, name)    ? JSONL_TEXT
               : is_listed(&s->config->images, name) ? JSONL_IMAGE
                                                     : JSONL_STRING;
    case JSON_TRUE:
    case JSON_FALSE: return JSONL_BOOLEAN;
    case JSON_INTEGER:
    case JSON_REAL: return JSONL_NUMBER;
    case JSON_ARRAY: return is_numbers(v) ? JSONL_NUMBERS : JSONL_OTHER;
    default: return JSONL_OTHER;
    }
}

static const char *kind_name(int kind)
{
    static const char *const name[] = {
        "nothing",           "a number", "true or false", "a string",
        "a list of numbers", "a string", "a string",      "an object or a list of something else"
    };
    return name[kind];
}

static stele_status check_kind(const place *p, jsonl_key *k, const json_t *v)
{
    int kind = kind_of(p->s, k->name, v);
    int asked =
        is_listed(&p->s->config->texts, k->name) || is_listed(&p->s->config->images, k->name);
    if (asked && kind != JSONL_TEXT && kind != JSONL_IMAGE) {
        return jsonl_fail(p->s, STELE_E_DATA, p->file, p->line,
                          "`%s` is %s, not a string as %s have to be", k->name, type_name(v),
                          is_listed(&p->s->config->texts, k->name) ? "texts" : "paths of images");
    }
    if (k->kind == JSONL_UNKNOWN) {
        k->kind = kind;
        k->first = p->row;
    } else if (k->kind != kind && k->kind != JSONL_OTHER) {
        const jsonl_row *first = &p->s->row[k->first];
        return jsonl_fail(
            p->s, STELE_E_DATA, p->file, p->line,
            "`%s` is %s here and %s in line %lld of %s; `exclude: [%s]` leaves it out", k->name,
            kind_name(kind), kind_name(k->kind), (long long)first->line,
            p->s->file[first->file].path, k->name);
    }
    return STELE_OK;
}

static stele_status check_numbers(const place *p, jsonl_key *k, const json_t *list)
{
    int64_t n = (int64_t)json_array_size(list);
    k->n = p->row == k->first ? n : k->n;
    if (n != k->n) {
        return jsonl_fail(p->s, STELE_E_DATA, p->file, p->line,
                          "`%s` is a list of %lld numbers, in line %lld of %s it is one of %lld",
                          k->name, (long long)n, (long long)p->s->row[k->first].line,
                          p->s->file[p->s->row[k->first].file].path, (long long)k->n);
    }
    for (int64_t i = 0; i < n; i++) {
        if (fabs(json_number_value(json_array_get(list, (size_t)i))) > (double)FLT_MAX) {
            return jsonl_fail(p->s, STELE_E_DATA, p->file, p->line,
                              "element %lld of `%s` is too large: a measurement is at most %g",
                              (long long)i + 1, k->name, (double)FLT_MAX);
        }
    }
    return STELE_OK;
}

char *jsonl_image_path(const jsonl_file *f, const char *name)
{
    char *folder = text_copy(f->path), *full = NULL;
    if (folder != NULL) {
        char *slash = strrchr(folder, '/');
        folder[slash != NULL ? slash - folder : 0] = '\0';
        full = folder[0] != '\0' ? text_join(folder, name) : text_copy(name);
    }
    free(folder);
    return full;
}

/* Its header alone: what it says is checked before anybody asks for the pixels. */
static stele_status check_image(const place *p, jsonl_key *k, const char *name)
{
    char why[IMAGE_MESSAGE], *path = jsonl_image_path(p->file, name);
    uint32_t h = 0, w = 0;
    if (path == NULL) {
        return jsonl_nomem(p->s);
    }
    stele_status st = jsonl_image_size(path, &h, &w, why);
    if (st != STELE_OK) {
        st = jsonl_fail(p->s, st, p->file, p->line, "the image %s %s", path, why);
    } else if (p->s->config->size.n != 0) {
        k->h = (uint32_t)p->s->config->size.v[0];
        k->w = (uint32_t)p->s->config->size.v[1];
    } else if (p->row == k->first) {
        k->h = h;
        k->w = w;
    } else if (h != k->h || w != k->w) {
        st = jsonl_fail(p->s, STELE_E_DATA, p->file, p->line,
                        "the image %s has %u x %u pixels (height x width), that of line %lld of %s "
                        "%u x %u; `size: [HEIGHT, WIDTH]` brings all to one size",
                        path, h, w, (long long)p->s->row[k->first].line,
                        p->s->file[p->s->row[k->first].file].path, k->h, k->w);
    }
    free(path);
    return st;
}

static stele_status add_present(stele_inst *s, jsonl_key *k, int64_t row)
{
    if (k->n_present == k->capacity) {
        int64_t capacity = k->capacity == 0 ? 256 : 2 * k->capacity;
        int64_t *bigger = realloc(k->row, (size_t)capacity * sizeof *bigger);
        if (bigger == NULL) {
            return jsonl_nomem(s);
        }
        k->row = bigger;
        k->capacity = capacity;
    }
    k->row[k->n_present++] = row;
    return STELE_OK;
}

static stele_status visit_value(const place *p, jsonl_key *k, const json_t *v)
{
    if (json_is_null(v)) {
        return STELE_OK;
    }
    stele_status st = check_kind(p, k, v);
    if (st == STELE_OK && k->kind == JSONL_NUMBERS) {
        st = check_numbers(p, k, v);
    }
    if (st == STELE_OK && k->kind == JSONL_IMAGE) {
        st = check_image(p, k, json_string_value(v));
    }
    if (st == STELE_OK && k->kind == JSONL_TEXT) {
        k->n_cut += (int64_t)json_string_length(v) > p->s->config->text_bytes;
    }
    return st == STELE_OK ? add_present(p->s, k, p->row) : st;
}

/* --- ids -------------------------------------------------------------------------------------- */

static stele_status add_id(const place *p, const json_t *object)
{
    stele_inst *s = p->s;
    char number[32];
    const json_t *v = s->id_key != NULL ? json_object_get(object, s->id_key) : NULL;
    const char *text = json_string_value(v);
    if (s->id_key == NULL) {
        return STELE_OK;
    }
    if (v == NULL || json_is_null(v)) {
        return jsonl_fail(s, STELE_E_DATA, p->file, p->line, "has no `%s`, the id of its row",
                          s->id_key);
    }
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        text = number;
    }
    if (text == NULL || text[0] == '\0') {
        return jsonl_fail(s, STELE_E_DATA, p->file, p->line,
                          "`%s`, the id of its row, is %s; it has to be a string or an integer",
                          s->id_key, text != NULL ? "empty" : type_name(v));
    }
    return texts_add(&s->id, text, strlen(text)) == 0 ? STELE_OK : jsonl_nomem(s);
}

static stele_status finish_ids(stele_inst *s)
{
    int64_t first = 0, second = 0;
    if (s->id_key == NULL) {
        return texts_add_numbers(&s->id, s->n_rows) == 0 ? STELE_OK : jsonl_nomem(s);
    }
    int twice = texts_find_twice(&s->id, &first, &second);
    if (twice > 0) {
        const jsonl_row *a = &s->row[first], *b = &s->row[second];
        return jsonl_fail(s, STELE_E_DATA, &s->file[b->file], b->line,
                          "`%s` is `%s` as in line %lld of %s already; each row has its own",
                          s->id_key, texts_at(&s->id, second), (long long)a->line,
                          s->file[a->file].path);
    }
    return twice == 0 ? STELE_OK : jsonl_nomem(s);
}

/* --- the walk --------------------------------------------------------------------------------- */

static stele_status add_row(stele_inst *s, const jsonl_row *row)
{
    if (s->n_rows == s->row_capacity) {
        int64_t capacity = s->row_capacity == 0 ? 256 : 2 * s->row_capacity;
        jsonl_row *bigger = realloc(s->row, (size_t)capacity * sizeof *bigger);
        if (bigger == NULL) {
            return jsonl_nomem(s);
        }
        s->row = bigger;
        s->row_capacity = capacity;
    }
    s->row[s->n_rows++] = *row;
    return STELE_OK;
}

static stele_status visit_object(const place *p, json_t *object)
{
    stele_inst *s = p->s;
    const char *name;
    json_t *v;
    uint32_t k = UINT32_MAX;
    const char *key = s->config->key;
    if (p->row == 0 && key == NULL && !s->config->numbered &&
        json_object_get(object, "id") != NULL) {
        key = "id";
    }
    s->id_key = p->row == 0 ? key : s->id_key;
    stele_status st = add_id(p, object);
    json_object_foreach(object, name, v)
    {
        if (st != STELE_OK || (s->id_key != NULL && strcmp(name, s->id_key) == 0)) {
            continue;
        }
        if (name[0] == '\0') {
            st = jsonl_fail(s, STELE_E_DATA, p->file, p->line, "has a key without a name");
            continue;
        }
        st = find_key(s, name, k + 1, &k);
        if (st == STELE_OK && !is_listed(&s->config->exclude, name)) {
            st = visit_value(p, &s->key[k], v);
        }
    }
    return st;
}

static stele_status scan_file(stele_inst *s, uint32_t file)
{
    lines l;
    char *line = NULL;
    stele_status st = STELE_OK;
    lines_start(&l, s->file[file].in);
    while (st == STELE_OK) {
        json_t *object = NULL;
        jsonl_row row = { .file = file };
        st = lines_next(&l, &line);
        if (st != STELE_OK || line == NULL) {
            break;
        }
        row.at = l.offset;
        row.len = (int32_t)strlen(line);
        row.line = l.number;
        if (line[strspn(line, " \t")] == '\0') {
            continue;
        }
        st = jsonl_parse(s, file, row.line, line, (size_t)row.len, &object);
        place p = { s, &s->file[file], s->n_rows, row.line };
        st = st == STELE_OK ? add_row(s, &row) : st;
        st = st == STELE_OK ? visit_object(&p, object) : st;
        json_decref(object);
    }
    lines_finish(&l);
    return st;
}

stele_status jsonl_scan(stele_inst *s)
{
    stele_status st = STELE_OK;
    for (uint32_t i = 0; i < s->n_files && st == STELE_OK; i++) {
        st = scan_file(s, i);
    }
    if (st == STELE_OK && s->n_rows == 0) {
        st = STELE_FAIL(s->host, STELE_E_DATA, "path: %s: has no objects", s->config->path);
    }
    return st == STELE_OK ? finish_ids(s) : st;
}
