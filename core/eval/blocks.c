#include "eval/blocks.h"

#include "base/mem.h"

#include <string.h>

stele_status stele__blocks_init(stele__blocks *b, const stele__matrix *matrix, const int64_t *row,
                                int64_t n)
{
    *b = (stele__blocks){ .matrix = matrix, .row = row, .n = n };
    if (matrix->field.layout != STELE_CSR) {
        return STELE_OK;
    }
    b->entry = stele__calloc((size_t)n, sizeof *b->entry);
    for (int64_t r = 0; b->entry != NULL && r < n; r++) {
        b->entry[r] = matrix->row_start[matrix->store_row[row[r]]];
    }
    return b->entry != NULL ? STELE_OK : STELE_E_NOMEM;
}

void stele__blocks_finish(stele__blocks *b)
{
    stele__free(b->entry);
    memset(b, 0, sizeof *b);
}

void stele__blocks_skip(stele__blocks *b, int64_t n_features)
{
    const stele__matrix *m = b->matrix;
    b->at += n_features;
    for (int64_t r = 0; b->entry != NULL && r < b->n; r++) {
        int64_t end = m->row_start[m->store_row[b->row[r]] + 1];
        while (b->entry[r] < end && m->column[b->entry[r]] < b->at) {
            b->entry[r]++;
        }
    }
}

static float value_at(const stele__matrix *m, int64_t entry)
{
    switch (m->value_kind) {
    case STELE__VALUE_U8: return (float)((const uint8_t *)m->value)[entry];
    case STELE__VALUE_U16: return (float)((const uint16_t *)m->value)[entry];
    default: return ((const float *)m->value)[entry];
    }
}

void stele__blocks_next(stele__blocks *b, int64_t n_features, float *ret)
{
    const stele__matrix *m = b->matrix;
    if (m->field.layout != STELE_CSR) {
        for (int64_t r = 0; r < b->n; r++) {
            memcpy(ret + r * n_features, stele__matrix_row(m, m->store_row[b->row[r]]) + b->at,
                   (size_t)n_features * sizeof *ret);
        }
        b->at += n_features;
        return;
    }
    memset(ret, 0, (size_t)(b->n * n_features) * sizeof *ret);
    for (int64_t r = 0; r < b->n; r++) {
        int64_t end = m->row_start[m->store_row[b->row[r]] + 1];
        for (; b->entry[r] < end && m->column[b->entry[r]] < b->at + n_features; b->entry[r]++) {
            ret[r * n_features + m->column[b->entry[r]] - b->at] = value_at(m, b->entry[r]);
        }
    }
    b->at += n_features;
}
