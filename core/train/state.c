#include "train/state.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/digest.h"
#include "graph/noise.h"
#include "train/state_columns.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT = 1 << 30 };

/* Append a text; the first that JSON cannot hold is kept in *bad. */
static void append(json_t *list, const char *text, const char **bad)
{
    if (json_array_append_new(list, json_string(text)) != 0 && *bad == NULL) {
        *bad = text;
    }
}

static json_t *strings(char *const *text, int64_t n, const char **bad)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++) {
        append(list, text[i], bad);
    }
    return list;
}

static void print_digest(uint64_t digest, char ret[STELE__DIGEST_DIGITS + 1])
{
    snprintf(ret, STELE__DIGEST_DIGITS + 1, "%016" PRIx64, digest);
}

static void add_digest(json_t *object, uint64_t digest)
{
    char text[STELE__DIGEST_DIGITS + 1];
    print_digest(digest, text);
    json_object_set_new(object, "values", json_string(text));
}

/* Extents and layout of a row: a model is built from them where data lack the modality. */
static void add_form(json_t *one, const stele__matrix *x)
{
    const stele_field *field = &x->field;
    json_t *shape = json_array();
    for (uint32_t i = 0; i < field->sample.ndim; i++) {
        json_array_append_new(shape, json_integer((json_int_t)field->sample.dim[i]));
    }
    json_object_set_new(one, "shape", shape);
    json_object_set_new(one, "sparse", json_boolean(field->layout == STELE_CSR));
    json_object_set_new(one, "bytes", json_boolean(x->stored_dtype == STELE_U8));
}

static json_t *matrices_json(const stele__dataset *data, const char **bad)
{
    json_t *all = json_object();
    for (size_t m = 0; m < data->n_matrices; m++) {
        const stele__matrix *x = &data->matrix[m];
        json_t *one = json_pack("{s:I}", "n_features", (json_int_t)x->n_features);
        add_form(one, x);
        if (x->feature_name != NULL) {
            json_object_set_new(one, "features", strings(x->feature_name, x->n_features, bad));
        }
        if (x->field.feature != NULL) {
            json_object_set_new(one, "columns", stele__columns_json(x, bad));
        }
        add_digest(one, stele__matrix_digest(data, m));
        json_object_set_new(all, x->name, one);
    }
    return all;
}

static json_t *covariates_json(const stele__dataset *data, const stele__model *model,
                               const char **bad)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < model->n_covariates; i++) {
        const stele__covariate *c = &model->covariate[i];
        const stele__label *label = stele__dataset_label(data, c->name, c->content);
        json_t *one = c->content == STELE_FIELD_CATEGORY
                          ? json_pack("{s:o}", "categories",
                                      strings(label->category, label->n_categories, bad))
                          : json_pack("{s:f, s:f}", "mean", c->mean, "sd", c->sd);
        add_digest(one, stele__label_digest(data, label));
        json_object_set_new(all, c->name, one);
    }
    return all;
}

/* Of n columns together. */
static uint64_t labels_digest(const stele__dataset *data, const char *const *column, int64_t n,
                              uint32_t content)
{
    uint64_t digest = 0;
    for (int64_t k = 0; k < n; k++) {
        const stele__label *label = stele__dataset_label(data, column[k], content);
        uint64_t one = label != NULL ? stele__label_digest(data, label) : 0;
        digest = k == 0 ? one : stele__noise_mix(digest, one);
    }
    return digest;
}

/* One column is a text, several are a list of them. */
static json_t *target_json(const stele__head *h, const char **bad)
{
    json_t *list = json_array();
    for (uint32_t k = 0; k < h->n_columns; k++) {
        append(list, h->column[k], bad);
    }
    if (h->n_columns > 1) {
        return list;
    }
    json_t *only = json_incref(json_array_get(list, 0));
    json_decref(list);
    return only;
}

static json_t *heads_json(const stele__dataset *data, const stele__model *model, const char **bad)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < model->n_heads; i++) {
        const stele__head *h = &model->head[i];
        const stele_field *t = &h->target;
        const stele__label *label = stele__dataset_label(data, t->name, t->content);
        json_t *one = json_pack("{s:o}", "target", target_json(h, bad));
        if (t->content == STELE_FIELD_CATEGORY) {
            json_object_set_new(one, "categories",
                                strings(label->category, label->n_categories, bad));
        }
        add_digest(one, labels_digest(data, h->column, h->n_columns, t->content));
        json_object_set_new(all, stele__head_short_name(h), one);
    }
    return all;
}

static json_t *split_json(const stele__dataset *data, const stele__split *split, const char **bad)
{
    json_t *all = json_object();
    for (int p = 0; p < STELE__N_PARTS; p++) {
        json_t *ids = json_array();
        for (int64_t i = 0; i < split->n[p]; i++) {
            append(ids, stele__dataset_row_id(data, split->row[p][i]), bad);
        }
        json_object_set_new(all, stele__part_name(p), ids);
    }
    return all;
}

static stele_status state_json(const stele__dataset *data, const stele__split *split,
                               const stele__model *model, json_t **ret, stele__diag *diag)
{
    const char *bad = NULL;
    json_t *all = json_pack("{s:o, s:o, s:o, s:o}", "modalities", matrices_json(data, &bad),
                            "covariates", covariates_json(data, model, &bad), "heads",
                            heads_json(data, model, &bad), "split", split_json(data, split, &bad));
    if (all == NULL) {
        return STELE_E_NOMEM;
    }
    if (bad != NULL) {
        json_decref(all);
        stele__diag_error(diag, STELE_E_DATA, NULL,
                          "the name `%s` of a row, feature or category is not UTF-8", bad);
        stele__diag_hint(diag, "a run keeps these names to find them again: rename it in the data");
        return STELE_E_DATA;
    }
    *ret = all;
    return STELE_OK;
}

stele_status stele__state_check(const stele__dataset *data, const stele__split *split,
                                const stele__model *model, stele__diag *diag)
{
    json_t *all = NULL;
    stele_status status = state_json(data, split, model, &all, diag);
    json_decref(all);
    return status;
}

stele_status stele__state_write(const char *path, const stele__dataset *data,
                                const stele__split *split, const stele__model *model,
                                stele__diag *diag)
{
    json_t *all = NULL;
    stele__writer w;
    stele_status status = state_json(data, split, model, &all, diag);
    if (status == STELE_OK) {
        status = stele__writer_open(&w, path, diag);
    }
    if (status == STELE_OK) {
        (void)json_dumpf(all, w.stream, JSON_COMPACT); /* a failed write shows in commit */
        fputc('\n', w.stream);
        status = stele__writer_commit(&w, diag);
    }
    json_decref(all);
    return status;
}

static char **read_strings(const json_t *list, int64_t *ret_n)
{
    size_t n = json_array_size(list);
    char **text = stele__calloc(n, sizeof *text);
    for (size_t i = 0; text != NULL && i < n; i++) {
        text[i] = stele__strdup(json_string_value(json_array_get(list, i)));
        if (text[i] == NULL) { /* not a string, or short memory: the caller sees fewer */
            n = i;
        }
    }
    *ret_n = (int64_t)n;
    return text;
}

static int read_digest(const json_t *object, char ret[STELE__DIGEST_DIGITS + 1])
{
    const json_t *values = json_object_get(object, "values");
    if (json_string_length(values) != STELE__DIGEST_DIGITS) {
        return 0;
    }
    memcpy(ret, json_string_value(values), STELE__DIGEST_DIGITS + 1);
    return 1;
}

/* Both may be missing; 0: the extents do not make up n_features. */
static int read_form(const json_t *one, stele__state_matrix *m)
{
    const json_t *shape = json_object_get(one, "shape"), *sparse = json_object_get(one, "sparse");
    int64_t product = 1;
    if (shape == NULL) {
        return 1;
    }
    for (size_t i = 0; i < json_array_size(shape) && i < STELE_MAX_DIMS; i++) {
        int64_t extent = json_integer_value(json_array_get(shape, i));
        if (extent < 1 || extent > m->n_features / product) {
            return 0;
        }
        m->sample.dim[m->sample.ndim++] = extent;
        product *= extent;
    }
    m->stored_dtype = json_is_true(json_object_get(one, "bytes")) ? STELE_U8 : STELE_F32;
    m->layout = json_is_true(sparse) ? STELE_CSR : STELE_DENSE;
    return product == m->n_features && m->sample.ndim > 0;
}

static int read_matrices(json_t *all, stele__state *s)
{
    const char *name;
    json_t *one;
    s->matrix = stele__calloc(json_object_size(all), sizeof *s->matrix);
    if (s->matrix == NULL) {
        return 0;
    }
    json_object_foreach(all, name, one)
    {
        stele__state_matrix *m = &s->matrix[s->n_matrices++];
        json_t *features = json_object_get(one, "features");
        int64_t n = json_integer_value(json_object_get(one, "n_features"));
        m->name = stele__strdup(name);
        m->n_features = n;
        if (features != NULL) {
            m->feature = read_strings(features, &m->n_features);
        }
        if (m->name == NULL || n < 1 || m->n_features != n || !read_digest(one, m->values) ||
            !read_form(one, m) || !stele__columns_read(json_object_get(one, "columns"), m)) {
            return 0;
        }
    }
    return 1;
}

static int read_covariates(json_t *all, stele__state *s)
{
    const char *name;
    json_t *one;
    s->covariate = stele__calloc(json_object_size(all), sizeof *s->covariate);
    if (s->covariate == NULL) {
        return 0;
    }
    json_object_foreach(all, name, one)
    {
        stele__state_covariate *c = &s->covariate[s->n_covariates++];
        json_t *categories = json_object_get(one, "categories");
        c->name = stele__strdup(name);
        c->content = categories != NULL ? STELE_FIELD_CATEGORY : STELE_FIELD_NUMBER;
        if (categories != NULL) {
            c->category = read_strings(categories, &c->n_categories);
        }
        c->mean = json_number_value(json_object_get(one, "mean"));
        c->sd = json_number_value(json_object_get(one, "sd"));
        if (c->name == NULL || (categories == NULL && !(c->sd > 0.0)) ||
            !read_digest(one, c->values)) {
            return 0;
        }
    }
    return 1;
}

static char **read_target(const json_t *target, int64_t *ret_n)
{
    json_t *one = json_pack("[O*]", json_is_string(target) ? target : NULL);
    char **text = read_strings(json_is_array(target) ? target : one, ret_n);
    json_decref(one);
    return text;
}

static int read_heads(json_t *all, stele__state *s)
{
    const char *name;
    json_t *one;
    s->head = stele__calloc(json_object_size(all), sizeof *s->head);
    if (s->head == NULL) {
        return 0;
    }
    json_object_foreach(all, name, one)
    {
        stele__state_head *h = &s->head[s->n_heads++];
        json_t *categories = json_object_get(one, "categories");
        h->name = stele__strdup(name);
        h->target = read_target(json_object_get(one, "target"), &h->n_targets);
        h->content = categories != NULL ? STELE_FIELD_CATEGORY : STELE_FIELD_NUMBER;
        if (categories != NULL) {
            h->category = read_strings(categories, &h->n_categories);
        }
        if (h->name == NULL || h->n_targets < 1 || (categories != NULL && h->n_categories < 1) ||
            !read_digest(one, h->values)) {
            return 0;
        }
    }
    return 1;
}

static int read_state(json_t *all, stele__state *s)
{
    json_t *split = json_object_get(all, "split");
    if (!json_is_object(split) || !read_matrices(json_object_get(all, "modalities"), s) ||
        !read_covariates(json_object_get(all, "covariates"), s) ||
        !read_heads(json_object_get(all, "heads"), s)) {
        return 0;
    }
    for (int p = 0; p < STELE__N_PARTS; p++) {
        json_t *ids = json_object_get(split, stele__part_name(p));
        s->id[p] = read_strings(ids, &s->n_ids[p]);
        if (s->id[p] == NULL || s->n_ids[p] != (int64_t)json_array_size(ids)) {
            return 0;
        }
    }
    return 1;
}

stele_status stele__state_read(const char *path, stele__state **ret, stele__diag *diag)
{
    char *text = NULL;
    size_t len = 0;
    json_error_t error;
    stele_status status = stele__file_read(path, LIMIT, &text, &len, diag);
    if (status != STELE_OK) {
        return status;
    }
    json_t *all = json_loadb(text, len, 0, &error);
    stele__free(text);
    stele__state *s = stele__calloc(1, sizeof *s);
    if (s == NULL) {
        status = STELE_E_NOMEM;
    } else if (all == NULL) {
        status = stele__diag_error(diag, STELE_E_DATA, NULL, "%s: is damaged: %s (line %d)", path,
                                   error.text, error.line);
    } else if (!read_state(all, s)) {
        status =
            stele__diag_error(diag, STELE_E_DATA, NULL, "%s: is damaged: parts are missing", path);
    }
    json_decref(all);
    if (status != STELE_OK) {
        stele__state_destroy(s);
        return status;
    }
    *ret = s;
    return STELE_OK;
}

/* `name`: "NAME: `FROM`" of a modality, or "`COLUMN`". */
static stele_status refuse_values(const char *file, const stele__place *place, const char *name,
                                  stele__diag *diag)
{
    stele__diag_error(diag, STELE_E_DATA, place,
                      "%s%s%s holds other values, or the same in another order, than when the "
                      "training began",
                      name, file != NULL ? " of " : "", file != NULL ? file : "");
    stele__diag_hint(diag, "bring back the data of the training, or train anew in another folder; "
                           "stele embed --data takes other data");
    return STELE_E_DATA;
}

/* Of n columns that are kept together. */
static stele_status compare_labels(const stele__dataset *data, const char *const *name, int64_t n,
                                   uint32_t content, const char *values, stele__diag *diag)
{
    const stele__label *label = stele__dataset_label(data, name[0], content);
    char now[STELE__DIGEST_DIGITS + 1], said[256];
    if (label == NULL) { /* nobody asked for it */
        return STELE_OK;
    }
    print_digest(labels_digest(data, name, n, content), now);
    snprintf(said, sizeof said, "`%s`%s%s%s", name[0], n > 1 ? " or `" : "", n > 1 ? name[1] : "",
             n > 1 ? "`" : "");
    const char *file = data->n_sources == 1 ? data->source->file : NULL;
    return strcmp(now, values) == 0 ? STELE_OK : refuse_values(file, &label->place, said, diag);
}

stele_status stele__state_compare(const stele__state *s, const stele__dataset *data,
                                  stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < s->n_matrices; i++) {
        int64_t m = stele__dataset_matrix(data, s->matrix[i].name);
        char now[STELE__DIGEST_DIGITS + 1], said[256];
        if (m < 0 || !data->matrix[m].available) {
            continue;
        }
        print_digest(stele__matrix_digest(data, (size_t)m), now);
        if (strcmp(now, s->matrix[i].values) != 0) {
            const stele__matrix *x = &data->matrix[m];
            snprintf(said, sizeof said, "%s: `%s`%s", x->name, x->from,
                     x->window != NULL ? " with its windows" : "");
            status = refuse_values(data->source[x->source].file, &x->place, said, diag);
        }
    }
    for (size_t i = 0; i < s->n_covariates; i++) {
        const stele__state_covariate *c = &s->covariate[i];
        const char *name = c->name;
        stele_status one = compare_labels(data, &name, 1, c->content, c->values, diag);
        status = one != STELE_OK ? one : status;
    }
    for (size_t i = 0; i < s->n_heads; i++) {
        const stele__state_head *h = &s->head[i];
        stele_status one = compare_labels(data, (const char *const *)h->target, h->n_targets,
                                          h->content, h->values, diag);
        status = one != STELE_OK ? one : status;
    }
    return status;
}

const stele__state_covariate *stele__state_covariate_of(const stele__state *s, const char *name)
{
    for (size_t i = 0; s != NULL && i < s->n_covariates; i++) {
        if (strcmp(s->covariate[i].name, name) == 0) {
            return &s->covariate[i];
        }
    }
    return NULL;
}

const stele__state_head *stele__state_head_of(const stele__state *s, const char *name)
{
    for (size_t i = 0; s != NULL && i < s->n_heads; i++) {
        if (strcmp(s->head[i].name, name) == 0) {
            return &s->head[i];
        }
    }
    return NULL;
}

static void free_strings(char **text, int64_t n)
{
    for (int64_t i = 0; text != NULL && i < n; i++) {
        stele__free(text[i]);
    }
    stele__free(text);
}

void stele__state_destroy(stele__state *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_matrices; i++) {
        stele__columns_finish(&s->matrix[i]);
        free_strings(s->matrix[i].feature, s->matrix[i].n_features);
        stele__free(s->matrix[i].name);
    }
    for (size_t i = 0; i < s->n_covariates; i++) {
        free_strings(s->covariate[i].category, s->covariate[i].n_categories);
        stele__free(s->covariate[i].name);
    }
    for (size_t i = 0; i < s->n_heads; i++) {
        free_strings(s->head[i].category, s->head[i].n_categories);
        stele__free(s->head[i].name);
        free_strings(s->head[i].target, s->head[i].n_targets);
    }
    for (int p = 0; p < STELE__N_PARTS; p++) {
        free_strings(s->id[p], s->n_ids[p]);
    }
    stele__free(s->head);
    stele__free(s->matrix);
    stele__free(s->covariate);
    stele__free(s);
}
