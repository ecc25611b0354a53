/* Keeping the features that vary most over the training rows. */
#include "base/mem.h"
#include "data/parts.h"
#include "data/transform.h"

#include <math.h>
#include <stdlib.h>

/* What features are compared by. */
typedef struct moments {
    const stele__dataset *ds;
    const stele__matrix *m;
    const uint8_t *train;
    double *scale; /* (n_present) factor that brings a row to the median sum */
    int negative; /* some training row has a value below 0, or logarithms were taken: values stay */
    double *shift, *sum, *square; /* (n_features) */
    int64_t *n, n_rows;           /* entries that were measured; training rows with this matrix */
} moments;

static int64_t stored(const moments *a, int64_t row)
{
    return a->train == NULL || a->train[row] ? a->m->store_row[row] : -1;
}

/* The sum of a stored row, and whether it has a value below 0. */
static double row_sum(const stele__matrix *m, int64_t s, int *negative)
{
    double sum = 0.0;
    if (m->dense != NULL) {
        const float *x = stele__matrix_row(m, s);
        for (int64_t j = 0; j < m->n_features; j++) {
            sum += isnan(x[j]) ? 0.0 : (double)x[j];
            *negative = *negative || x[j] < 0;
        }
        return sum;
    }
    for (int64_t k = m->row_start[s]; k < m->row_start[s + 1]; k++) {
        sum += (double)stele__matrix_value(m, k);
        *negative = *negative || stele__matrix_value(m, k) < 0;
    }
    return sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static stele_status find_scales(moments *a)
{
    double *sum = stele__malloc((size_t)(a->ds->n_rows + 1) * sizeof *sum);
    if (sum == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t row = 0; row < a->ds->n_rows; row++) {
        int64_t s = stored(a, row);
        if (s >= 0) {
            a->scale[s] = sum[a->n_rows++] = row_sum(a->m, s, &a->negative);
        }
    }
    qsort(sum, (size_t)a->n_rows, sizeof *sum, by_value);
    double median = a->n_rows > 0 ? sum[a->n_rows / 2] : 1.0;
    for (int64_t s = 0; s < a->m->n_present; s++) {
        a->scale[s] = a->scale[s] > 0.0 ? median / a->scale[s] : 1.0;
    }
    stele__free(sum);
    return STELE_OK;
}

static void add(moments *a, int64_t j, double x, double scale)
{
    x = a->negative ? x : log1p(x * scale);
    a->shift[j] = a->n[j] == 0 && a->m->dense != NULL ? x : a->shift[j];
    a->sum[j] += x - a->shift[j];
    a->square[j] += (x - a->shift[j]) * (x - a->shift[j]);
    a->n[j]++;
}

static void add_rows(moments *a)
{
    const stele__matrix *m = a->m;
    for (int64_t row = 0; row < a->ds->n_rows; row++) {
        int64_t s = stored(a, row);
        if (s < 0) {
            continue;
        }
        if (m->dense == NULL) {
            for (int64_t k = m->row_start[s]; k < m->row_start[s + 1]; k++) {
                add(a, m->column[k], (double)stele__matrix_value(m, k), a->scale[s]);
            }
            continue;
        }
        const float *x = stele__matrix_row(m, s);
        for (int64_t j = 0; j < m->n_features; j++) {
            if (!isnan(x[j])) {
                add(a, j, (double)x[j], a->scale[s]);
            }
        }
    }
}

/* sum becomes the variance; what a sparse row does not store is a 0. */
static void finish(moments *a)
{
    for (int64_t j = 0; j < a->m->n_features; j++) {
        double n = (double)(a->m->dense != NULL ? a->n[j] : a->n_rows);
        double mean = n > 0.0 ? a->sum[j] / n : 0.0;
        a->sum[j] = n > 0.0 ? a->square[j] / n - mean * mean : 0.0;
    }
}

typedef struct ranked {
    double spread;
    int64_t feature;
} ranked;

/* The wider first; of equals the first. */
static int by_spread_down(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->spread != y->spread ? (x->spread < y->spread ? 1 : -1)
                                  : (x->feature > y->feature) - (x->feature < y->feature);
}

static stele_status keep(const moments *a, int64_t most, int32_t *to, int64_t *n)
{
    ranked *order = stele__malloc((size_t)(*n + 1) * sizeof *order);
    if (order == NULL) {
        return STELE_E_NOMEM;
    }
    int64_t k = 0;
    for (int64_t j = 0; j < a->m->n_features; j++) {
        if (to[j] >= 0) {
            order[k++] = (ranked){ a->sum[j], j };
        }
    }
    qsort(order, (size_t)k, sizeof *order, by_spread_down);
    for (int64_t i = most; i < k; i++) {
        to[order[i].feature] = -1;
    }
    *n = 0;
    for (int64_t j = 0; j < a->m->n_features; j++) {
        to[j] = to[j] >= 0 ? (int32_t)(*n)++ : -1;
    }
    stele__free(order);
    return STELE_OK;
}

stele_status stele__matrix_keep_variable(const stele__dataset *ds, const stele__matrix *m,
                                         const uint8_t *train, int32_t *to, int64_t *n)
{
    const size_t width = (size_t)m->n_features + 1;
    moments a = {
        .ds = ds, .m = m, .train = train, .negative = m->transform != STELE__TRANSFORM_NONE
    };
    stele_status st = STELE_E_NOMEM;
    if (m->most_variable == 0 || *n <= m->most_variable) {
        return STELE_OK;
    }
    a.scale = stele__calloc((size_t)m->n_present + 1, sizeof *a.scale);
    a.shift = stele__calloc(3 * width, sizeof *a.shift);
    a.n = stele__calloc(width, sizeof *a.n);
    if (a.scale != NULL && a.shift != NULL && a.n != NULL) {
        a.sum = a.shift + width;
        a.square = a.sum + width;
        st = find_scales(&a);
    }
    if (st == STELE_OK) {
        add_rows(&a);
        finish(&a);
        st = keep(&a, m->most_variable, to, n);
    }
    stele__free(a.n);
    stele__free(a.shift);
    stele__free(a.scale);
    return st;
}
