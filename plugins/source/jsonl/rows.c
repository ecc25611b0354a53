/* Values of a field: the asked objects are read and parsed again. */
#include "jsonl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Called for each asked row with its value of the key. */
typedef stele_status visit_fn(void *ctx, uint64_t i, int64_t row, const json_t *v);

static stele_status has_changed(const stele_inst *s, int64_t row)
{
    const jsonl_row *r = &s->row[row];
    return jsonl_fail(s, STELE_E_IO, &s->file[r->file], r->line,
                      "is not what it was: the file has changed");
}

/* A value must still be of the kind that it was found to be. */
static int is_kind(int kind, const json_t *v)
{
    switch (kind) {
    case JSONL_NUMBER: return v == NULL || json_is_number(v) || json_is_null(v);
    case JSONL_BOOLEAN: return v == NULL || json_is_boolean(v) || json_is_null(v);
    case JSONL_STRING: return v == NULL || json_is_string(v) || json_is_null(v);
    case JSONL_NUMBERS: return json_is_array(v);
    default: return json_is_string(v);
    }
}

/* row NULL: 0 .. n - 1. */
static stele_status visit_rows(const stele_inst *s, const jsonl_key *k, uint64_t n,
                               const int64_t *row, visit_fn *visit, void *ctx)
{
    char *text = NULL;
    int32_t capacity = 0;
    stele_status st = STELE_OK;
    for (uint64_t i = 0; i < n && st == STELE_OK; i++) {
        int64_t at = row != NULL ? row[i] : (int64_t)i;
        const jsonl_row *r = &s->row[at];
        size_t got = 0;
        json_t *object = NULL;
        if (r->len > capacity) {
            free(text);
            capacity = 2 * r->len;
            text = malloc((size_t)capacity);
        }
        st = text != NULL ? input_read(s->file[r->file].in, r->at, (size_t)r->len, text, &got)
                          : jsonl_nomem(s);
        if (st == STELE_OK && got != (size_t)r->len) {
            st = has_changed(s, at);
        }
        st = st == STELE_OK ? jsonl_parse(s, r->file, r->line, text, got, &object) : st;
        if (st == STELE_OK) {
            const json_t *v = json_object_get(object, k->name);
            st = is_kind(k->kind, v) ? visit(ctx, i, at, v) : has_changed(s, at);
        }
        json_decref(object);
    }
    free(text);
    return st;
}

typedef struct reading {
    const stele_inst *s;
    jsonl_key *key;
    const stele_read *r;
    int64_t *ret_n;
} reading;

/* Bytes of UTF-8 that go on with a letter are 10xxxxxx. */
int64_t jsonl_text_length(const stele_inst *s, const json_t *text)
{
    int64_t n = (int64_t)json_string_length(text), most = s->config->text_bytes;
    const char *bytes = json_string_value(text);
    if (n <= most) {
        return n;
    }
    while (most > 0 && ((unsigned char)bytes[most] & 0xc0) == 0x80) {
        most--;
    }
    return most;
}

static stele_status count_value(void *ctx, uint64_t i, int64_t row, const json_t *v)
{
    const reading *a = ctx;
    (void)row;
    a->ret_n[i] = jsonl_text_length(a->s, v);
    return STELE_OK;
}

stele_status jsonl_count(const stele_inst *s, const jsonl_key *k, uint64_t n, const int64_t *row,
                         int64_t *ret_n)
{
    reading a = { .s = s, .ret_n = ret_n };
    return visit_rows(s, k, n, row, count_value, &a);
}

static stele_status read_label(void *ctx, uint64_t i, int64_t row, const json_t *v)
{
    const reading *a = ctx;
    int missing = v == NULL || json_is_null(v);
    (void)row;
    if (a->key->kind == JSONL_BOOLEAN) {
        ((int32_t *)a->r->data)[i] = missing ? -1 : json_is_true(v);
    } else {
        ((double *)a->r->data)[i] = missing ? (double)NAN : json_number_value(v);
    }
    return STELE_OK;
}

static stele_status read_numbers(void *ctx, uint64_t i, int64_t row, const json_t *v)
{
    const reading *a = ctx;
    float *ret = (float *)a->r->data + (int64_t)i * a->key->n;
    if ((int64_t)json_array_size(v) != a->key->n) {
        return has_changed(a->s, row);
    }
    for (int64_t k = 0; k < a->key->n; k++) {
        const json_t *x = json_array_get(v, (size_t)k);
        ret[k] = json_is_number(x) ? (float)json_number_value(x) : (float)NAN;
    }
    return STELE_OK;
}

static stele_status read_text(void *ctx, uint64_t i, int64_t row, const json_t *v)
{
    const reading *a = ctx;
    int64_t begin = a->r->row_start[i], n = jsonl_text_length(a->s, v);
    if (a->r->row_start[i + 1] - begin != n) {
        return has_changed(a->s, row);
    }
    for (int64_t k = 0; k < n; k++) {
        ((unsigned char *)a->r->data)[begin + k] = (unsigned char)json_string_value(v)[k];
        a->r->column[begin + k] = (int32_t)k;
    }
    return STELE_OK;
}

static stele_status read_image(void *ctx, uint64_t i, int64_t row, const json_t *v)
{
    const reading *a = ctx;
    const stele_inst *s = a->s;
    const jsonl_row *r = &s->row[row];
    char why[IMAGE_MESSAGE], *path = jsonl_image_path(&s->file[r->file], json_string_value(v));
    size_t size = (size_t)a->key->h * a->key->w * (s->config->grey ? 1 : 3);
    if (path == NULL) {
        return jsonl_nomem(s);
    }
    stele_status st = jsonl_image_read(path, s->config->grey, a->key->h, a->key->w,
                                       (unsigned char *)a->r->data + i * size, why);
    if (st != STELE_OK) {
        st = jsonl_fail(s, st, &s->file[r->file], r->line, "the image %s %s", path, why);
    }
    free(path);
    return st;
}

static stele_status add_label(void *ctx, uint64_t i, int64_t row, const json_t *v)
{
    const reading *a = ctx;
    (void)i;
    (void)row;
    return texts_add(&a->key->label, json_string_value(v), json_string_length(v)) == 0
               ? STELE_OK
               : jsonl_nomem(a->s);
}

/* Strings are lent to the host, so they stay: a column of them is read whole when it is first asked
 * for. */
static stele_status read_strings(stele_inst *s, jsonl_key *k, const stele_read *r,
                                 const int64_t *row)
{
    reading a = { .s = s, .key = k };
    stele_status st = STELE_OK;
    pthread_mutex_lock(&s->lock);
    if (!k->loaded) {
        texts_finish(&k->label); /* what an earlier failure may have left */
        st = visit_rows(s, k, (uint64_t)s->n_rows, NULL, add_label, &a);
        k->loaded = st == STELE_OK;
    }
    pthread_mutex_unlock(&s->lock);
    for (uint64_t i = 0; i < r->n_rows && st == STELE_OK; i++) {
        r->text[i] = texts_at(&k->label, row[i]);
    }
    return st;
}

stele_status jsonl_read(stele_inst *s, jsonl_key *k, const stele_read *r, const int64_t *row)
{
    static visit_fn *const visit[] = { [JSONL_NUMBER] = read_label,
                                       [JSONL_BOOLEAN] = read_label,
                                       [JSONL_NUMBERS] = read_numbers,
                                       [JSONL_TEXT] = read_text,
                                       [JSONL_IMAGE] = read_image };
    reading a = { .s = s, .key = k, .r = r };
    return k->kind == JSONL_STRING ? read_strings(s, k, r, row)
                                   : visit_rows(s, k, r->n_rows, row, visit[k->kind], &a);
}
