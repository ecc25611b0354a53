#include "data/window.h"

#include "base/mem.h"
#include "data/parts.h"

#include <math.h>
#include <string.h>

void stele__window_destroy(stele__window *window)
{
    if (window != NULL) {
        stele__free(window->edge);
        stele__free(window);
    }
}

static void find_edges(int64_t n_rows, const stele__window_request *q, stele__window *w)
{
    const int32_t *group = q->group != NULL ? q->group->code : NULL;
    w->edge[0] = w->edge[n_rows] = 1;
    for (int64_t row = 1; row < n_rows; row++) {
        int pair = group == NULL || (group[row] >= 0 && group[row] == group[row - 1]);
        int cut = q->part != NULL && q->part[row] != q->part[row - 1];
        w->edge[row] = (uint8_t)(!pair || cut);
        w->n_pairs += pair;
        w->n_cut += pair && cut;
    }
}

stele_status stele__dataset_window(stele__dataset *ds, size_t m,
                                   const stele__window_request *request, stele__diag *diag)
{
    stele__matrix *x = &ds->matrix[m];
    /* Columns of sparse rows are numbered by 32 bits; the rows of a batch are one extent more. */
    if (request->bins > INT32_MAX / x->n_features || x->field.sample.ndim + 2 > STELE_MAX_DIMS) {
        return stele__diag_error(diag, STELE_E_DATA, &x->place,
                                 "`%s` has too many features for windows of %lld bins", x->from,
                                 (long long)request->bins);
    }
    stele__window *w = stele__calloc(1, sizeof *w);
    uint8_t *edge = stele__malloc((size_t)ds->n_rows + 1);
    if (w == NULL || edge == NULL) {
        stele__free(w);
        stele__free(edge);
        return STELE_E_NOMEM;
    }
    *w = (stele__window){ .bins = request->bins, .before = request->before, .edge = edge };
    find_edges(ds->n_rows, request, w);
    stele__window_destroy(x->window);
    x->window = w;
    return STELE_OK;
}

/* --- batches --------------------------------------------------------------------------------- */

void stele__dataset_window_rows(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                                int64_t *ret)
{
    const stele__matrix *x = &ds->matrix[m];
    const stele__window *w = x->window;
    for (int64_t i = 0; i < n; i++) {
        int64_t *bin = ret + i * w->bins, first = row[i], last = row[i];
        while (first > row[i] - w->before && !w->edge[first]) {
            first--;
        }
        while (last < row[i] - w->before + w->bins - 1 && !w->edge[last + 1]) {
            last++;
        }
        for (int64_t k = 0; k < w->bins; k++) {
            int64_t at = row[i] - w->before + k;
            bin[k] = at >= first && at <= last && x->store_row[at] >= 0 ? at : -1;
        }
    }
}

void stele__dataset_gather_window_csr(const stele__dataset *ds, size_t m, int64_t n,
                                      const int64_t *bin, int64_t *ret_row_start,
                                      int32_t *ret_column, float *ret_value)
{
    const stele__matrix *x = &ds->matrix[m];
    int64_t bins = x->window->bins, at = 0;
    ret_row_start[0] = 0;
    for (int64_t i = 0; i < n * bins; i++) {
        if (bin[i] >= 0) {
            int64_t begin = x->row_start[x->store_row[bin[i]]];
            int64_t len = x->row_start[x->store_row[bin[i]] + 1] - begin;
            int32_t shift = (int32_t)(i % bins * x->n_features);
            for (int64_t k = 0; k < len; k++) {
                ret_column[at + k] = x->column[begin + k] + shift;
            }
            stele__matrix_values(x, begin, len, ret_value + at);
            at += len;
        }
        ret_row_start[i / bins + 1] = at;
    }
}

void stele__dataset_gather_window_dense(const stele__dataset *ds, size_t m, int64_t n,
                                        const int64_t *bin, float *ret)
{
    const stele__matrix *x = &ds->matrix[m];
    size_t width = (size_t)x->n_features;
    for (int64_t i = 0; i < n * x->window->bins; i++) {
        float *to = ret + (size_t)i * width;
        if (bin[i] >= 0) {
            memcpy(to, stele__matrix_row(x, x->store_row[bin[i]]), width * sizeof *to);
            continue;
        }
        for (size_t k = 0; k < width; k++) {
            to[k] = NAN;
        }
    }
}
