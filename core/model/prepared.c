#include "model/prepared.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

stele_status stele__prepared_create(int64_t n_rows, int64_t width, stele__prepared **ret)
{
    stele__prepared *p = stele__calloc(1, sizeof *p);
    if (p == NULL) {
        return STELE_E_NOMEM;
    }
    p->n_rows = n_rows;
    p->width = width;
    p->begin = stele__calloc((size_t)n_rows, sizeof *p->begin);
    p->n = stele__calloc((size_t)n_rows, sizeof *p->n);
    if (p->begin == NULL || p->n == NULL) {
        stele__prepared_destroy(p);
        return STELE_E_NOMEM;
    }
    *ret = p;
    return STELE_OK;
}

void stele__prepared_destroy(stele__prepared *p)
{
    if (p != NULL) {
        stele__free(p->begin);
        stele__free(p->n);
        stele__free(p->value);
        stele__free(p->largest_sum);
        stele__free(p);
    }
}

stele_status stele__prepared_add(stele__prepared *p, int64_t row, int64_t n, const float *value)
{
    if (p->n_values + n > p->capacity) {
        const int64_t capacity = 2 * p->capacity + n;
        float *bigger = stele__realloc(p->value, (size_t)capacity * sizeof *bigger);
        if (bigger == NULL) {
            return STELE_E_NOMEM;
        }
        p->value = bigger;
        p->capacity = capacity;
    }
    memcpy(p->value + p->n_values, value, (size_t)n * sizeof *value);
    p->begin[row] = p->n_values;
    p->n[row] = n;
    p->n_values += n;
    return STELE_OK;
}

static int falling(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

stele_status stele__prepared_end(stele__prepared *p)
{
    int64_t *sum = stele__calloc((size_t)p->n_rows + 1, sizeof *sum);
    if (sum == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(sum + 1, p->n, (size_t)p->n_rows * sizeof *sum);
    qsort(sum + 1, (size_t)p->n_rows, sizeof *sum, falling);
    for (int64_t k = 0; k < p->n_rows; k++) {
        sum[k + 1] += sum[k];
    }
    p->largest_sum = sum;
    return STELE_OK;
}

int64_t stele__prepared_most(const stele__prepared *p, int64_t k)
{
    return p->largest_sum[k < p->n_rows ? k : p->n_rows];
}

void stele__prepared_gather(const stele__prepared *p, int64_t n, const int64_t *row,
                            int64_t *ret_row_start, int32_t *ret_column, float *ret_value)
{
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t len = p->n[row[i]];
        ret_row_start[i] = at;
        memcpy(ret_value + at, p->value + p->begin[row[i]], (size_t)len * sizeof *ret_value);
        for (int64_t k = 0; k < len; k++) {
            ret_column[at + k] = (int32_t)k;
        }
        at += len;
    }
    ret_row_start[n] = at;
}
