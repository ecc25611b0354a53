/* Loading, and the reads that batches are made of. */
#include "data/dataset.h"

#include "data/parts.h"
#include "data/store.h"

#include <stdio.h>
#include <string.h>

stele_status stele__dataset_load(stele__dataset *ds, const uint8_t *train, stele__diag *diag)
{
    for (size_t i = 0; i < ds->n_matrices; i++) {
        stele__matrix *m = &ds->matrix[i];
        if (!m->available) {
            continue;
        }
        stele_status st = stele__matrix_read(ds, m, diag);
        st = st == STELE_OK ? stele__matrix_select(ds, m, train, diag) : st;
        if (st == STELE_E_NOMEM) {
            stele__diag_error(diag, st, &m->place, "`%s` does not fit into memory", m->from);
        }
        if (st != STELE_OK) {
            return st;
        }
    }
    return STELE_OK;
}

int64_t stele__dataset_matrix(const stele__dataset *ds, const char *name)
{
    for (size_t i = 0; i < ds->n_matrices; i++) {
        if (strcmp(ds->matrix[i].name, name) == 0) {
            return (int64_t)i;
        }
    }
    return -1;
}

int64_t stele__dataset_beside(const stele__dataset *ds, size_t m)
{
    for (size_t i = 0; i < ds->n_matrices; i++) {
        if (ds->matrix[i].beside == m + 1) {
            return (int64_t)i;
        }
    }
    return -1;
}

const stele__label *stele__dataset_label(const stele__dataset *ds, const char *name,
                                         uint32_t content)
{
    for (size_t i = 0; i < ds->n_labels; i++) {
        const stele__label *l = &ds->label[i];
        if (strcmp(l->name, name) == 0 && (content == 0 || l->content == content)) {
            return l;
        }
    }
    return NULL;
}

const char *stele__label_origin(const stele__dataset *ds, const stele__label *label,
                                char ret[STELE__ORIGIN])
{
    const stele__source *s = label->source >= 0 ? &ds->source[label->source] : NULL;
    const char *file = s != NULL ? s->file : NULL;
    ret[0] = '\0';
    if (s != NULL && ds->n_sources > 1) {
        snprintf(ret, STELE__ORIGIN, " of %s%ssource `%s`", file != NULL ? file : "",
                 file != NULL ? ", " : "", s->name);
    } else if (file != NULL) {
        snprintf(ret, STELE__ORIGIN, " of %s", file);
    }
    return ret;
}

const char *stele__dataset_row_id(const stele__dataset *ds, int64_t row)
{
    return stele__map_name(ds->id, row);
}

int64_t stele__dataset_select(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                              int64_t *ret_row, int64_t *ret_position)
{
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!ds->present[(size_t)row[i] * ds->n_matrices + m]) {
            continue;
        }
        if (ret_row != NULL) {
            ret_row[k] = row[i];
        }
        if (ret_position != NULL) {
            ret_position[k] = i;
        }
        k++;
    }
    return k;
}

int64_t stele__dataset_most_entries(const stele__dataset *ds, size_t m, int64_t n)
{
    const stele__matrix *x = &ds->matrix[m];
    return x->largest_sum == NULL ? 0 : x->largest_sum[n < x->n_present ? n : x->n_present];
}

int64_t stele__dataset_count_entries(const stele__dataset *ds, size_t m, int64_t n,
                                     const int64_t *row)
{
    const stele__matrix *x = &ds->matrix[m];
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t s = x->store_row[row[i]];
        total += x->row_start[s + 1] - x->row_start[s];
    }
    return total;
}

void stele__matrix_values(const stele__matrix *m, int64_t begin, int64_t n, float *ret)
{
    if (m->value_kind == STELE__VALUE_F32) {
        memcpy(ret, (const float *)m->value + begin, (size_t)n * sizeof *ret);
    } else if (m->value_kind == STELE__VALUE_U16) {
        const uint16_t *v = (const uint16_t *)m->value + begin;
        for (int64_t k = 0; k < n; k++) {
            ret[k] = v[k];
        }
    } else {
        const uint8_t *v = (const uint8_t *)m->value + begin;
        for (int64_t k = 0; k < n; k++) {
            ret[k] = v[k];
        }
    }
}

void stele__dataset_gather_csr(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                               int64_t *ret_row_start, int32_t *ret_column, float *ret_value)
{
    const stele__matrix *x = &ds->matrix[m];
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t begin = x->row_start[x->store_row[row[i]]];
        int64_t len = x->row_start[x->store_row[row[i]] + 1] - begin;
        ret_row_start[i] = at;
        memcpy(ret_column + at, x->column + begin, (size_t)len * sizeof *ret_column);
        stele__matrix_values(x, begin, len, ret_value + at);
        at += len;
    }
    ret_row_start[n] = at;
}

float *stele__matrix_row(const stele__matrix *m, int64_t store_row)
{
    const size_t width = (size_t)m->n_features, at = (size_t)store_row * width;
    stele__store_seen(m->store, at, width);
    return m->dense + at;
}

void stele__dataset_gather_dense(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                                 float *ret)
{
    const stele__matrix *x = &ds->matrix[m];
    size_t width = (size_t)x->n_features;
    for (int64_t i = 0; i < n; i++) {
        memcpy(ret + (size_t)i * width, stele__matrix_row(x, x->store_row[row[i]]),
               width * sizeof *ret);
    }
}
