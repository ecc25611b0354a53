/* A source in memory, for tests of what reads sources: axes with ids, and fields on them, given as
 * plain arrays. Matrices are dense arrays; CSR fields leave their zeros out when they are read. */
#ifndef STELE_FAKE_SOURCE_H
#define STELE_FAKE_SOURCE_H

#include <math.h>
#include <stele/kinds.h>
#include <string.h>

typedef struct fake_axis {
    const char *const *id;
    int64_t n;
} fake_axis;

typedef struct fake_field {
    const char *name;
    uint32_t content, layout, axis;
    int64_t n_features;
    const double *x;          /* MATRIX: (n, n_features); NUMBER, CATEGORY: (n) */
    const char *const *text;  /* TEXT: (n) */
    const char *const *names; /* features or categories */
    int64_t n_categories;
    int64_t inner; /* MATRIX: features of a second extent; 0: there is one extent */
} fake_field;

typedef struct fake_source {
    const fake_axis *axis;
    uint32_t n_axes;
    const fake_field *field;
    uint32_t n_fields;
} fake_source;

static inline const fake_source *fake(const stele_inst *self)
{
    return (const fake_source *)(const void *)self;
}

static inline uint32_t fake_n_axes(const stele_inst *self)
{
    return fake(self)->n_axes;
}

static inline int64_t fake_n_rows(const stele_inst *self, uint32_t axis)
{
    return fake(self)->axis[axis].n;
}

static inline const char *fake_row_id(const stele_inst *self, uint32_t axis, int64_t row)
{
    return fake(self)->axis[axis].id[row];
}

static inline uint32_t fake_n_fields(const stele_inst *self)
{
    return fake(self)->n_fields;
}

static inline stele_status fake_describe(const stele_inst *self, uint32_t f, stele_field *ret)
{
    const fake_field *x = &fake(self)->field[f];
    *ret = (stele_field){ .struct_size = sizeof *ret,
                          .name = x->name,
                          .content = x->content,
                          .dtype = x->content == STELE_FIELD_CATEGORY ? STELE_I32 : STELE_F64,
                          .layout = x->layout,
                          .axis = x->axis,
                          .n_categories = x->n_categories };
    if (x->content == STELE_FIELD_MATRIX) {
        ret->sample.ndim = 1;
        ret->sample.dim[0] = x->n_features;
    }
    if (x->inner > 0) {
        ret->sample = (stele_shape){ .ndim = 2, .dim = { x->n_features / x->inner, x->inner } };
    }
    return STELE_OK;
}

static inline const char *fake_name(const stele_inst *self, uint32_t f, int64_t j)
{
    const fake_field *x = &fake(self)->field[f];
    return x->names != NULL ? x->names[j] : NULL;
}

static inline stele_status fake_count(const stele_inst *self, uint32_t f, uint64_t n,
                                      const int64_t *row, int64_t *ret_n)
{
    const fake_field *x = &fake(self)->field[f];
    for (uint64_t i = 0; i < n; i++) {
        ret_n[i] = 0;
        for (int64_t j = 0; j < x->n_features; j++) {
            ret_n[i] += x->x[row[i] * x->n_features + j] != 0;
        }
    }
    return STELE_OK;
}

static inline void fake_read_matrix(const fake_field *x, const stele_read *r)
{
    double *out = r->data;
    int64_t at = 0;
    for (uint64_t i = 0; i < r->n_rows; i++) {
        for (int64_t j = 0; j < x->n_features; j++) {
            double v = x->x[r->row[i] * x->n_features + j];
            if (x->layout == STELE_DENSE) {
                out[at++] = v;
            } else if (v != 0) {
                r->column[at] = (int32_t)j;
                out[at++] = v;
            }
        }
    }
}

static inline stele_status fake_read(const stele_inst *self, const stele_read *r)
{
    const fake_field *x = &fake(self)->field[r->field];
    if (x->content == STELE_FIELD_MATRIX) {
        fake_read_matrix(x, r);
        return STELE_OK;
    }
    for (uint64_t i = 0; i < r->n_rows; i++) {
        if (x->content == STELE_FIELD_TEXT) {
            r->text[i] = x->text[r->row[i]];
        } else if (x->content == STELE_FIELD_CATEGORY) {
            ((int32_t *)r->data)[i] = (int32_t)x->x[r->row[i]];
        } else {
            ((double *)r->data)[i] = x->x[r->row[i]];
        }
    }
    return STELE_OK;
}

static const stele_source_vt fake_vt = { .struct_size = sizeof fake_vt,
                                         .n_axes = fake_n_axes,
                                         .n_rows = fake_n_rows,
                                         .row_id = fake_row_id,
                                         .n_fields = fake_n_fields,
                                         .field = fake_describe,
                                         .feature_name = fake_name,
                                         .category = fake_name,
                                         .count = fake_count,
                                         .read = fake_read };

#endif
