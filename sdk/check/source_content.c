/* What a source reads, against what kinds.h says of it. */
#include "source.h"

#include <math.h>

/* Stored entries of a sparse row: each feature at most once, in ascending order. */
static int expect_columns(rig *r, const source_piece *p, const int64_t *row)
{
    const int64_t n_features = p->field.sample.dim[0];
    for (uint64_t i = 0; i < p->n; i++) {
        for (int64_t k = p->row_start[i]; k < p->row_start[i + 1]; k++) {
            const int32_t column = p->column[k];
            if (column < 0 || column >= n_features) {
                check_fail(r->t, "`%s`, row %lld: entry %lld of %lld is of feature %d, there are %lld counted from 0",
                           p->field.name, (long long)row[i], (long long)(k - p->row_start[i]),
                           (long long)(p->row_start[i + 1] - p->row_start[i]), column, (long long)n_features);
                return 0;
            }
            if (k > p->row_start[i] && column <= p->column[k - 1]) {
                check_fail(r->t, "`%s`, row %lld: feature %d comes after feature %d, they have to ascend",
                           p->field.name, (long long)row[i], column, p->column[k - 1]);
                return 0;
            }
        }
    }
    return 1;
}

static int expect_categories(rig *r, const source_piece *p, const int64_t *row)
{
    const int32_t *code = (const void *)p->data;
    for (uint64_t i = 0; i < p->n; i++) {
        if (code[i] < -1 || code[i] >= p->field.n_categories) {
            check_fail(r->t, "`%s`, row %lld: code %d, there are %lld categories counted from 0, and -1 is missing",
                       p->field.name, (long long)row[i], code[i], (long long)p->field.n_categories);
            return 0;
        }
    }
    return 1;
}

static int expect_numbers(rig *r, const source_piece *p, const int64_t *row)
{
    const double *value = (const void *)p->data;
    for (uint64_t i = 0; i < p->n; i++) {
        if (isinf(value[i])) {
            check_fail(r->t, "`%s`, row %lld: is %g; a number is finite, or NaN where it is missing", p->field.name,
                       (long long)row[i], value[i]);
            return 0;
        }
    }
    return 1;
}

/* Values of a feature of texts are NaN or codes of its levels. */
static int expect_levels(rig *r, uint32_t field, const source_piece *p, const int64_t *row)
{
    const stele_source_vt *vt = &r->vt->source;
    const stele_field *f = &p->field;
    if (vt->n_levels == NULL || f->sample.ndim != 1 || f->dtype != STELE_F32) {
        return 1;
    }
    const float *value = (const void *)p->data;
    for (int64_t j = 0; j < f->sample.dim[0]; j++) {
        const int64_t n = vt->n_levels(r->inst, field, j);
        for (uint64_t i = 0; n > 0 && i < p->n; i++) {
            const float v = value[(int64_t)i * f->sample.dim[0] + j];
            if (!isnan(v) && !(v >= 0.0f && v < (float)n && v == floorf(v))) {
                check_fail(r->t, "`%s`, row %lld: feature %lld has %lld levels, and code %g", f->name,
                           (long long)row[i], (long long)j, (long long)n, (double)v);
                return 0;
            }
        }
    }
    return 1;
}

int source_expect_content(rig *r, uint32_t field, const source_piece *p, const int64_t *row)
{
    switch (p->field.content) {
    case STELE_FIELD_CATEGORY: return expect_categories(r, p, row);
    case STELE_FIELD_NUMBER: return expect_numbers(r, p, row);
    case STELE_FIELD_MATRIX: return p->column != NULL ? expect_columns(r, p, row) : expect_levels(r, field, p, row);
    default: return 1;
    }
}
