#include "train/state_columns.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* JSON has no NaN: null. */
static json_t *number(double v)
{
    return isnan(v) ? json_null() : json_real(v);
}

static void set_lists(json_t *one, const stele_feature *f, const char **bad)
{
    json_t *value = json_array(), *count = json_array(), *level = json_array();
    for (int64_t k = 0; k < f->n_values; k++) {
        json_array_append_new(value, json_real(f->value[k]));
        json_array_append_new(count, json_integer(f->count[k]));
        if (f->level != NULL && json_array_append_new(level, json_string(f->level[k])) != 0 &&
            *bad == NULL) {
            *bad = f->level[k];
        }
    }
    if (f->level != NULL) {
        json_object_set(one, "levels", level);
    } else {
        json_object_set(one, "values", value);
    }
    json_object_set(one, "counts", count);
    json_decref(value);
    json_decref(count);
    json_decref(level);
}

json_t *stele__columns_json(const stele__matrix *m, const char **bad)
{
    json_t *list = json_array();
    for (int64_t j = 0; j < m->n_features; j++) {
        const stele_feature *f = m->field.feature[j];
        json_t *one =
            json_pack("{s:I, s:b, s:o, s:o}", "rows", (json_int_t)f->n_rows, "whole", (int)f->whole,
                      "least", number(f->least), "largest", number(f->largest));
        if (f->n_values >= 0) {
            set_lists(one, f, bad);
        }
        json_array_append_new(list, one);
    }
    return list;
}

static double read_number(const json_t *v)
{
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static int read_lists(const json_t *one, stele_feature *f)
{
    const json_t *counts = json_object_get(one, "counts"), *levels = json_object_get(one, "levels");
    const json_t *values = json_object_get(one, "values");
    size_t n = json_array_size(counts);
    if (counts == NULL) {
        f->n_values = -1;
        return levels == NULL;
    }
    double *value = stele__calloc(n + 1, sizeof *value);
    int64_t *count = stele__calloc(n + 1, sizeof *count);
    const char **level = levels != NULL ? stele__calloc(n + 1, sizeof *level) : NULL;
    f->value = value;
    f->count = count;
    f->level = level;
    f->n_values = (int64_t)n;
    if (value == NULL || count == NULL || (level == NULL) != (levels == NULL) ||
        json_array_size(levels != NULL ? levels : values) != n) {
        return 0;
    }
    for (size_t k = 0; k < n; k++) {
        count[k] = json_integer_value(json_array_get(counts, k));
        value[k] = levels != NULL ? (double)k : json_number_value(json_array_get(values, k));
        if (levels != NULL) {
            level[k] = stele__strdup(json_string_value(json_array_get(levels, k)));
            if (level[k] == NULL) {
                return 0;
            }
        }
    }
    return 1;
}

int stele__columns_read(const json_t *list, stele__state_matrix *m)
{
    size_t n = json_array_size(list);
    if (list == NULL) {
        return 1;
    }
    m->described = stele__calloc(n + 1, sizeof(stele_feature *));
    if (m->described == NULL || (int64_t)n != m->n_features) {
        return 0;
    }
    for (size_t j = 0; j < n; j++) {
        const json_t *one = json_array_get(list, j);
        stele_feature *f = stele__calloc(1, sizeof *f);
        m->described[j] = f;
        if (f == NULL) {
            return 0;
        }
        f->struct_size = sizeof *f;
        f->name = m->feature != NULL ? m->feature[j] : NULL;
        f->n_rows = json_integer_value(json_object_get(one, "rows"));
        f->whole = json_is_true(json_object_get(one, "whole"));
        f->least = read_number(json_object_get(one, "least"));
        f->largest = read_number(json_object_get(one, "largest"));
        if (!read_lists(one, f)) {
            return 0;
        }
    }
    return 1;
}

void stele__columns_finish(stele__state_matrix *m)
{
    for (int64_t j = 0; m->described != NULL && j < m->n_features && m->described[j] != NULL; j++) {
        const stele_feature *f = m->described[j];
        for (int64_t k = 0; f->level != NULL && k < f->n_values; k++) {
            stele__free((void *)(uintptr_t)f->level[k]);
        }
        stele__free((void *)(uintptr_t)f->level);
        stele__free((void *)(uintptr_t)f->value);
        stele__free((void *)(uintptr_t)f->count);
        stele__free((void *)(uintptr_t)f);
    }
    stele__free(m->described);
}
