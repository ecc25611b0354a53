#include "cli/generated.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/row_table.h"
#include "data/csv.h"
#include "data/h5ad.h"
#include "data/npy.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int stele__generated_format(const char *path)
{
    const char *end = stele__extension(path);
    return strcmp(end, ".h5ad") == 0    ? STELE__AS_H5AD
           : strcmp(end, ".csv") == 0   ? STELE__AS_CSV
           : strcmp(end, ".npy") == 0   ? STELE__AS_NPY
           : strcmp(end, ".jsonl") == 0 ? STELE__AS_JSONL
           : strcmp(end, ".png") == 0   ? STELE__AS_PNG
                                        : 0;
}

static const stele__modality *modality_of(const stele__generated *t)
{
    return &t->o->run.model.modality[t->modality];
}

static const stele__matrix *matrix_of(const stele__generated *t)
{
    const stele__dataset *data = t->o->run.data;
    int64_t m = stele__dataset_matrix(data, modality_of(t)->name);
    return m >= 0 ? &data->matrix[m] : NULL;
}

stele_status stele__generated_init(stele__generated *t, const stele__opened *o, uint32_t modality,
                                   int64_t n)
{
    *t = (stele__generated){ .o = o, .modality = modality, .n = n, .per_group = 1 };
    size_t rows = (size_t)n;
    t->id = stele__calloc(rows, sizeof *t->id);
    t->row = stele__calloc(rows, sizeof *t->row);
    t->source = stele__calloc(rows, sizeof *t->source);
    t->sample = stele__calloc(rows, sizeof *t->sample);
    t->z = stele__calloc(rows * o->run.model.latent_dim, sizeof *t->z);
    return t->id != NULL && t->row != NULL && t->source != NULL && t->sample != NULL && t->z != NULL
               ? stele__generated_turn(t, modality)
               : STELE_E_NOMEM;
}

stele_status stele__generated_turn(stele__generated *t, uint32_t modality)
{
    t->modality = modality;
    t->shape = modality_of(t)->input.sample;
    stele__free(t->value);
    t->value = stele__calloc((size_t)t->n * (size_t)modality_of(t)->n_features, sizeof *t->value);
    return t->value != NULL ? STELE_OK : STELE_E_NOMEM;
}

void stele__generated_finish(stele__generated *t)
{
    for (int64_t i = 0; t->id != NULL && i < t->n; i++) {
        stele__free(t->id[i]);
    }
    stele__free(t->id);
    stele__free(t->row);
    stele__free(t->source);
    stele__free(t->sample);
    stele__free(t->z);
    stele__free(t->value);
    memset(t, 0, sizeof *t);
}

/* --- tables --- */

/* Names of the features, those of the data or their numbers: free ret[0] and ret. */
static char **feature_names(const stele__generated *t)
{
    const stele__matrix *m = matrix_of(t);
    size_t n = (size_t)modality_of(t)->n_features, size = 0;
    for (size_t i = 0; i < n; i++) {
        size += m != NULL && m->feature_name != NULL ? strlen(m->feature_name[i]) + 1 : 24;
    }
    char **name = stele__calloc(n + 1, sizeof *name), *at = stele__malloc(size + 1);
    if (name == NULL || at == NULL) {
        stele__free(name);
        stele__free(at);
        return NULL;
    }
    name[0] = at;
    for (size_t i = 0; i < n; i++) {
        name[i] = at;
        at += 1 + (m != NULL && m->feature_name != NULL
                       ? sprintf(at, "%s", m->feature_name[i])
                       : sprintf(at, "%s_%zu", modality_of(t)->name, i));
    }
    return name;
}

static void free_names(char **name)
{
    if (name != NULL) {
        stele__free(name[0]);
    }
    stele__free(name);
}

/* A mean of codes is none, but modalities that know levels without an order give the likeliest of
 * them in place of a mean; of two codes a mean may be whole, too. */
static int means_are_codes(const stele__generated *t, const stele_feature *f, size_t feature)
{
    const size_t n = (size_t)modality_of(t)->n_features;
    int whole = f->n_values > 2;
    for (size_t r = 0; r < (size_t)t->n && whole; r++) {
        const float v = t->value[r * n + feature];
        whole = v == floorf(v);
    }
    return whole;
}

/* (n_features) what values stand for if they are codes of texts, else NULL; the caller frees it. */
static const stele_feature **texts_of(const stele__generated *t)
{
    const size_t n = (size_t)modality_of(t)->n_features;
    const stele__matrix *m = matrix_of(t);
    const stele_feature **all = stele__calloc(n + 1, sizeof *all);
    for (size_t i = 0; all != NULL && m != NULL && m->field.feature != NULL && i < n; i++) {
        const stele_feature *f = m->field.feature[i];
        const int has = f != NULL && f->level != NULL &&
                        (t->what != STELE_DRAW_MEAN || means_are_codes(t, f, i));
        all[i] = has ? f : NULL;
    }
    return all;
}

static const char *text_at(const stele_feature *f, float v)
{
    return v >= 0.0F && v < (float)f->n_values ? f->level[(int64_t)v] : NULL;
}

/* Columns of codes are written as their texts, which `room` (n_features, n) has. */
static void add_texts(const stele__generated *t, const stele_feature *const *texts,
                      stele__column *column, const char **room)
{
    const size_t n = (size_t)modality_of(t)->n_features;
    for (size_t i = 0; i < n; i++) {
        const stele_feature *f = texts[i];
        const char **text = room + i * (size_t)t->n;
        for (size_t r = 0; f != NULL && r < (size_t)t->n; r++) {
            text[r] = text_at(f, t->value[r * n + i]);
        }
        if (f != NULL) {
            column[i] =
                (stele__column){ .name = column[i].name, .kind = STELE__TEXT, .text = text };
        }
    }
}

static stele_status write_csv(const stele__generated *t, const stele_feature *const *texts,
                              const char *path, char **name, stele__diag *diag)
{
    size_t n = (size_t)modality_of(t)->n_features;
    int any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= texts[i] != NULL;
    }
    stele__column *column = stele__calloc(n + 1, sizeof *column);
    const char **room = stele__calloc(any ? n * (size_t)t->n : 1, sizeof *room);
    if (column == NULL || room == NULL) {
        stele__free(column);
        stele__free((void *)(uintptr_t)room);
        return STELE_E_NOMEM;
    }
    column[0] =
        (stele__column){ .name = "id", .kind = STELE__TEXT, .text = (const char *const *)t->id };
    for (size_t i = 0; i < n; i++) {
        column[i + 1] = (stele__column){
            .name = name[i], .kind = STELE__FLOAT, .f32 = t->value + i, .stride = n
        };
    }
    if (any) {
        add_texts(t, texts, column + 1, room);
    }
    stele_status status = stele__csv_write(path, column, n + 1, (size_t)t->n, diag);
    stele__free(column);
    stele__free((void *)(uintptr_t)room);
    return status;
}

static stele_status write_h5ad(const stele__generated *t, const char *path, char **name,
                               stele__diag *diag)
{
    const stele__dataset *data = t->o->run.data;
    const char **source = stele__calloc((size_t)t->n, sizeof *source);
    int64_t *sample = stele__calloc((size_t)t->n, sizeof *sample);
    if (source == NULL || sample == NULL) {
        stele__free((void *)(uintptr_t)source);
        stele__free(sample);
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < t->n; i++) {
        source[i] = t->source[i] >= 0 ? stele__dataset_row_id(data, t->source[i]) : NULL;
        sample[i] = t->sample[i];
    }
    stele__column obs[] = { { .name = "row", .kind = STELE__TEXT, .text = source },
                            { .name = "sample", .kind = STELE__INTEGER, .i64 = sample } };
    stele__obsm obsm = { "X_stele", t->z, t->o->run.model.latent_dim };
    stele__uns uns[] = { { "stele_modality", modality_of(t)->name },
                         { "stele_from", t->modalities } };
    stele__h5ad file = { .n_obs = (size_t)t->n,
                         .n_var = (size_t)modality_of(t)->n_features,
                         .obs_names = (const char *const *)t->id,
                         .var_names = (const char *const *)name,
                         .obs = obs,
                         .n_obs_columns = 2,
                         .x = t->value,
                         .obsm = &obsm,
                         .n_obsm = 1,
                         .uns = uns,
                         .n_uns = 2 };
    stele_status status = stele__h5ad_write(path, &file, diag);
    stele__free((void *)(uintptr_t)source);
    stele__free(sample);
    return status;
}

/* --- JSON Lines --- */

/* Values of one row, which begin at `row`, nested as the row is. NULL: out of memory. */
static json_t *nested(const stele__generated *t, const stele_feature *const *texts, uint32_t axis,
                      const float *row, const float **at)
{
    if (axis == t->shape.ndim) {
        const stele_feature *f = texts[*at - row];
        double v = (double)*(*at)++;
        const char *text = f != NULL ? text_at(f, (float)v) : NULL;
        return text != NULL ? json_string(text) : isfinite(v) ? json_real(v) : json_null();
    }
    json_t *list = json_array();
    for (int64_t i = 0; i < t->shape.dim[axis]; i++) {
        if (json_array_append_new(list, nested(t, texts, axis + 1, row, at)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Length of the UTF-8 sequence at s, of which n bytes are there; 0: it is none. */
static size_t sequence(const unsigned char *s, size_t n)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (len == 0 || len > n || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Overlong forms, surrogates and what lies beyond U+10FFFF. */
    int bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
              (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : len;
}

/* Bytes that a model may have put together in any way, as text: what is not UTF-8 becomes U+FFFD,
 * zeros are where nothing is. */
static json_t *text_of(const float *value, int64_t n)
{
    stele__str s;
    unsigned char *byte = stele__malloc((size_t)n + 1);
    size_t len = 0;
    stele__str_init(&s);
    for (int64_t i = 0; byte != NULL && i < n; i++) {
        if (value[i] >= 1.0F && value[i] < 256.0F) {
            byte[len++] = (unsigned char)value[i];
        }
    }
    for (size_t i = 0; byte != NULL && i < len;) {
        size_t k = sequence(byte + i, len - i);
        stele__str_append_n(&s, k > 0 ? (const char *)byte + i : "\xef\xbf\xbd", k > 0 ? k : 3);
        i += k > 0 ? k : 1;
    }
    json_t *text =
        byte == NULL || s.failed ? NULL : json_stringn(s.data != NULL ? s.data : "", s.len);
    stele__str_finish(&s);
    stele__free(byte);
    return text;
}

/* Texts come as one byte per letter, with stored entries for those that are there. */
static int is_text(const stele__generated *t)
{
    const stele__matrix *m = matrix_of(t);
    return m != NULL && m->stored_dtype == STELE_U8 && m->field.layout == STELE_CSR &&
           m->field.sample.ndim == 1;
}

static int put_line(const char *bytes, size_t n, void *writer)
{
    return stele__writer_write(writer, bytes, n);
}

/* 1: written, or the writer knows why not; 0: out of memory. */
static int write_line(const stele__generated *t, const stele_feature *const *texts, int64_t i,
                      stele__writer *w)
{
    const stele__modality *md = modality_of(t);
    const float *begin = t->value + i * md->n_features, *at = begin;
    json_t *value = is_text(t) ? text_of(begin, md->n_features) : nested(t, texts, 0, begin, &at);
    json_t *line = json_object();
    int ok = json_object_set_new(line, "id", json_string(t->id[i])) == 0;
    if (t->source[i] >= 0) {
        const char *row = stele__dataset_row_id(t->o->run.data, t->source[i]);
        ok = ok && json_object_set_new(line, "row", json_string(row)) == 0;
    }
    ok = json_object_set_new(line, md->name, value) == 0 && ok;
    if (ok) {
        (void)json_dump_callback(line, put_line, w, JSON_COMPACT | JSON_REAL_PRECISION(9));
        (void)stele__writer_write(w, "\n", 1);
    }
    json_decref(line);
    return ok;
}

static stele_status write_jsonl(const stele__generated *t, const stele_feature *const *texts,
                                const char *path, stele__diag *diag)
{
    stele__writer w;
    stele_status status = stele__writer_open(&w, path, diag);
    for (int64_t i = 0; i < t->n && status == STELE_OK; i++) {
        if (!write_line(t, texts, i, &w)) {
            stele__writer_abandon(&w);
            status = STELE_E_NOMEM;
        }
    }
    return status == STELE_OK ? stele__writer_commit(&w, diag) : status;
}

stele_status stele__generated_write(const stele__generated *t, const char *path, int format,
                                    stele__diag *diag)
{
    if (format == STELE__AS_NPY) {
        return stele__npy_write(path, STELE_F32, t->value, (size_t)t->n,
                                (size_t)modality_of(t)->n_features, diag);
    }
    if (format == STELE__AS_PNG) {
        return stele__generated_picture(t, path, diag);
    }
    const stele_feature **texts = texts_of(t);
    char **name = feature_names(t);
    stele_status status = name == NULL || texts == NULL ? STELE_E_NOMEM
                          : format == STELE__AS_JSONL   ? write_jsonl(t, texts, path, diag)
                          : format == STELE__AS_CSV     ? write_csv(t, texts, path, name, diag)
                                                        : write_h5ad(t, path, name, diag);
    free_names(name);
    stele__free((void *)(uintptr_t)texts);
    return status;
}
