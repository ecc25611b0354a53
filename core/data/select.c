/* Keeping the wanted features of a matrix: those seen often enough, or a fixed list. */
#include "base/mem.h"
#include "base/str.h"
#include "data/parts.h"
#include "data/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Names as the source has them, made unique the way AnnData does it: "A", "A-1", "A-2". */
static stele_status read_names(const stele__dataset *ds, stele__matrix *m, stele__diag *diag)
{
    const stele__source *src = &ds->source[m->source];
    int64_t n_twice = 0;
    stele__guest_begin(src->guest, "feature_name");
    if (m->n_features == 0 || src->vt->feature_name(src->inst, m->source_field, 0) == NULL) {
        stele__guest_restore(src->guest, "feature_name");
        return STELE_OK;
    }
    stele__map *seen = NULL;
    stele_status st = stele__map_create(&seen);
    m->feature_name = stele__calloc((size_t)m->n_features, sizeof *m->feature_name);
    st = m->feature_name != NULL ? st : STELE_E_NOMEM;
    for (int64_t j = 0; j < m->n_features && st == STELE_OK; j++) {
        const char *name = src->vt->feature_name(src->inst, m->source_field, j);
        int is_new = 0;
        stele__str text;
        stele__str_init(&text);
        stele__str_append(&text, name != NULL ? name : "");
        for (int k = 1; st == STELE_OK && !is_new; k++) {
            m->feature_name[j] = stele__str_take(&text);
            st = m->feature_name[j] == NULL
                     ? STELE_E_NOMEM
                     : stele__map_add(seen, m->feature_name[j], NULL, &is_new);
            if (st == STELE_OK && !is_new) {
                stele__free(m->feature_name[j]);
                m->feature_name[j] = NULL;
                stele__str_printf(&text, "%s-%d", name != NULL ? name : "", k);
                n_twice += k == 1;
            }
        }
        stele__str_finish(&text);
    }
    stele__guest_restore(src->guest, "feature_name");
    if (st == STELE_OK && n_twice > 0) {
        stele__diag_warning(diag, &m->place,
                            "`%s`: %lld feature names occur before; they get a number (-1, -2)",
                            m->from, (long long)n_twice);
    }
    stele__map_destroy(seen);
    return st;
}

/* In how many training rows each feature is there and not zero. */
static void count_rows(const stele__dataset *ds, const stele__matrix *m, const uint8_t *train,
                       int64_t *ret)
{
    for (int64_t row = 0; row < ds->n_rows; row++) {
        int64_t s = m->store_row[row];
        if (s < 0 || (train != NULL && !train[row])) {
            continue;
        }
        if (m->dense != NULL) {
            const float *x = stele__matrix_row(m, s);
            for (int64_t j = 0; j < m->n_features; j++) {
                ret[j] += !isnan(x[j]) && x[j] != 0;
            }
        } else {
            for (int64_t k = m->row_start[s]; k < m->row_start[s + 1]; k++) {
                ret[m->column[k]] += stele__matrix_value(m, k) != 0;
            }
        }
    }
}

/* ret_to (n_features): new number of each feature, -1: dropped. */
static stele_status choose_frequent(const stele__dataset *ds, stele__matrix *m,
                                    const uint8_t *train, int32_t *ret_to, int64_t *ret_n,
                                    stele__diag *diag)
{
    int64_t *rows = stele__calloc((size_t)m->n_features + 1, sizeof *rows), n = 0;
    if (rows == NULL) {
        return STELE_E_NOMEM;
    }
    if (m->min_rows > 0) {
        count_rows(ds, m, train, rows);
    }
    for (int64_t j = 0; j < m->n_features; j++) {
        ret_to[j] = rows[j] >= m->min_rows ? (int32_t)n++ : -1;
    }
    stele__free(rows);
    *ret_n = n;
    return n > 0 ? stele__matrix_keep_variable(ds, m, train, ret_to, ret_n)
                 : stele__diag_error(diag, STELE_E_DATA, &m->place,
                                     "`%s`: no feature is non-zero in %lld training rows", m->from,
                                     (long long)m->min_rows);
}

static stele_status map_names(const stele__matrix *m, stele__map **ret)
{
    stele__map *map = NULL;
    stele_status st = stele__map_create(&map);
    for (int64_t j = 0; j < m->n_features && st == STELE_OK; j++) {
        st = stele__map_add(map, m->feature_name[j], NULL, NULL);
    }
    *ret = map;
    return st;
}

static stele_status choose_fixed(stele__matrix *m, int32_t *ret_to, stele__diag *diag)
{
    if (m->feature_name == NULL) {
        return stele__diag_error(diag, STELE_E_DATA, &m->place,
                                 "`%s` has no feature names; the model needs them", m->from);
    }
    stele__map *map = NULL;
    stele__str missing;
    int64_t n_missing = 0;
    stele__str_init(&missing);
    stele_status st = map_names(m, &map);
    for (int64_t j = 0; j < m->n_features && st == STELE_OK; j++) {
        ret_to[j] = -1;
    }
    for (int64_t k = 0; k < m->n_wanted && st == STELE_OK; k++) {
        int64_t j = stele__map_find(map, m->wanted[k]);
        if (j >= 0) {
            ret_to[j] = (int32_t)k;
        } else if (++n_missing <= 5) {
            stele__str_printf(&missing, "%s%s", n_missing > 1 ? ", " : "", m->wanted[k]);
        }
    }
    if (st == STELE_OK && n_missing > 0) {
        st = stele__diag_error(
            diag, STELE_E_DATA, &m->place, "`%s` lacks %lld of the model's %lld features: %s%s",
            m->from, (long long)n_missing, (long long)m->n_wanted,
            missing.data != NULL ? missing.data : "", n_missing > 5 ? ", ..." : "");
    }
    stele__str_finish(&missing);
    stele__map_destroy(map);
    return st;
}

/* --- applying the choice --------------------------------------------------------------------- */

typedef struct entry {
    int32_t column;
    float value;
} entry;

static int by_column(const void *a, const void *b)
{
    int32_t x = ((const entry *)a)->column, y = ((const entry *)b)->column;
    return (x > y) - (x < y);
}

/* Renumber, and leave out dropped features and stored zeros. The write position never overtakes
 * the read position, so this happens in place; a row goes through `buffer` to be sorted. */
static stele_status apply_csr(stele__matrix *m, const int32_t *to)
{
    entry *buffer = stele__malloc((size_t)(m->n_features + 1) * sizeof *buffer);
    if (buffer == NULL) {
        return STELE_E_NOMEM;
    }
    int64_t at = 0, begin = 0;
    for (int64_t i = 0; i < m->n_present; i++) {
        int64_t end = m->row_start[i + 1], n = 0;
        int sorted = 1;
        for (int64_t k = begin; k < end; k++) {
            entry e = { to[m->column[k]], stele__matrix_value(m, k) };
            if (e.column >= 0 && e.value != 0) {
                sorted = sorted && (n == 0 || buffer[n - 1].column < e.column);
                buffer[n++] = e;
            }
        }
        if (!sorted) {
            qsort(buffer, (size_t)n, sizeof *buffer, by_column);
        }
        for (int64_t k = 0; k < n; k++, at++) {
            m->column[at] = buffer[k].column;
            stele__matrix_put(m, at, buffer[k].value);
        }
        begin = end;
        m->row_start[i + 1] = at;
    }
    stele__free(buffer);
    size_t width = stele__value_size(m->value_kind);
    int32_t *column = stele__realloc(m->column, (size_t)(at + 1) * sizeof *column);
    void *value = stele__realloc(m->value, (size_t)(at + 1) * width);
    m->column = column != NULL ? column : m->column;
    m->value = value != NULL ? value : m->value;
    return column != NULL && value != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status apply_dense(const stele__dataset *ds, stele__matrix *m, const int32_t *to,
                                int64_t n_new, stele__diag *diag)
{
    stele__store *out = NULL;
    float *row = stele__malloc((size_t)(n_new + 1) * sizeof *row);
    stele_status st = row != NULL ? stele__matrix_store(ds, m, n_new, &out, diag) : STELE_E_NOMEM;
    for (int64_t i = 0; i < m->n_present && st == STELE_OK; i++) {
        const float *x = stele__matrix_row(m, i);
        for (int64_t j = 0; j < m->n_features; j++) {
            if (to[j] >= 0) {
                row[to[j]] = x[j];
            }
        }
        st = stele__store_add(out, row, (size_t)n_new, diag);
    }
    stele__free(row);
    if (st != STELE_OK) {
        stele__store_destroy(out);
        return st;
    }
    stele__store_destroy(m->store);
    m->store = out;
    m->dense = stele__store_values(out);
    return m->dense != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status apply_names(stele__matrix *m, const int32_t *to, int64_t n_new)
{
    char **name = stele__calloc((size_t)n_new + 1, sizeof *name);
    if (name == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t j = 0; j < m->n_features; j++) {
        if (to[j] >= 0) {
            name[to[j]] = m->feature_name[j];
        } else {
            stele__free(m->feature_name[j]);
        }
    }
    stele__free(m->feature_name);
    m->feature_name = name;
    return STELE_OK;
}

static int by_size_down(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Sums of the longest rows, so that buffers for any batch can be sized once. */
static stele_status sum_longest(stele__matrix *m)
{
    int64_t *sum = stele__calloc((size_t)m->n_present + 1, sizeof *sum);
    if (sum == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < m->n_present; i++) {
        sum[i + 1] = m->row_start[i + 1] - m->row_start[i];
    }
    qsort(sum + 1, (size_t)m->n_present, sizeof *sum, by_size_down);
    for (int64_t i = 0; i < m->n_present; i++) {
        sum[i + 1] += sum[i];
    }
    m->largest_sum = sum;
    return STELE_OK;
}

static stele_status choose(const stele__dataset *ds, stele__matrix *m, const uint8_t *train,
                           int32_t *ret_to, int64_t *ret_n, stele__diag *diag)
{
    if (m->wanted != NULL) {
        *ret_n = m->n_wanted;
        return choose_fixed(m, ret_to, diag);
    }
    if (m->n_wanted > 0 && m->n_wanted != m->n_features) {
        return stele__diag_error(diag, STELE_E_DATA, &m->place,
                                 "`%s` has %lld features, the model %lld", m->from,
                                 (long long)m->n_features, (long long)m->n_wanted);
    }
    if ((m->min_rows > 0 || m->most_variable > 0) && m->field.sample.ndim != 1) {
        return stele__diag_error(diag, STELE_E_DATA, &m->place,
                                 "`%s`: a filter of features needs rows of one dimension", m->from);
    }
    if (m->n_wanted > 0) {
        m->min_rows = m->most_variable = 0;
    }
    return choose_frequent(ds, m, train, ret_to, ret_n, diag);
}

stele_status stele__matrix_select(const stele__dataset *ds, stele__matrix *m, const uint8_t *train,
                                  stele__diag *diag)
{
    int64_t n_new = 0, n_source = m->n_features;
    int32_t *to = stele__malloc((size_t)(m->n_features + 1) * sizeof *to);
    stele_status st = to != NULL ? read_names(ds, m, diag) : STELE_E_NOMEM;
    st = st == STELE_OK ? choose(ds, m, train, to, &n_new, diag) : st;
    if (st == STELE_OK && m->field.layout == STELE_CSR) {
        st = apply_csr(m, to);
    } else if (st == STELE_OK && (m->wanted != NULL || n_new < m->n_features)) {
        st = apply_dense(ds, m, to, n_new, diag);
    }
    if (st == STELE_OK && m->feature_name != NULL) {
        st = apply_names(m, to, n_new);
    }
    if (st == STELE_OK) {
        m->n_features = n_new;
        if (m->field.sample.ndim == 1) {
            m->field.sample.dim[0] = n_new;
        }
        m->wanted = NULL;
    }
    if (st == STELE_OK && m->field.layout == STELE_CSR) {
        st = sum_longest(m);
    }
    if (st == STELE_OK) {
        st = stele__matrix_describe(ds, m, n_source, to, train, diag);
    }
    stele__free(to);
    return st;
}
