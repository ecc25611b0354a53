/* window.h - windows of rows: what an encoder may see of a row's neighbours.
 *
 * A window takes `bins` rows that follow one another in the order of the source, one of which is
 * the row itself. It ends where the next row belongs to another group (a trial, a recording) or to
 * another part of the split, so that no row that judges a model is ever seen beside one that trains
 * it. A bin beyond that end is absent, and so is one whose row lacks the modality. Rows without a
 * group are alone.
 */
#ifndef STELE_DATA_WINDOW_H
#define STELE_DATA_WINDOW_H

#include "data/dataset.h"

typedef struct stele__window_request {
    int64_t bins;              /* at least 2 */
    int64_t before;            /* of them before the row itself, 0 to bins - 1 */
    const stele__label *group; /* CATEGORY label or NULL: all rows are one group */
    const uint8_t *part;       /* (rows of the data set) the part of each, or NULL: all are one */
} stele__window_request;

typedef struct stele__window {
    int64_t bins, before;
    uint8_t *edge; /* (rows of the data set + 1) 1: windows end between a row and the one before */
    int64_t n_pairs; /* rows of a group that follow one another */
    int64_t n_cut;   /* of these pairs those that lie in two parts of the split */
} stele__window;

/* Give modality m windows, before or after load; the data set owns them. `group` and `part` are not
 * needed afterwards. E_DATA where so many bins have too many elements or extents. [main] */
STELE_NODISCARD stele_status stele__dataset_window(stele__dataset *ds, size_t m,
                                                   const stele__window_request *request,
                                                   stele__diag *diag);
void stele__window_destroy(stele__window *window); /* NULL is legal */

/* --- batches: nothing below allocates ------------------------------------------------------- */

/* ret (n, bins): the row of each bin, -1 where it is absent. All rows have modality m, which has
 * windows. [any] */
void stele__dataset_window_rows(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                                int64_t *ret);
/* CSR windows of `n` rows, whose bins are `bin` (n, bins): ret_row_start (n + 1); columns count
 * through the bins. [any] */
void stele__dataset_gather_window_csr(const stele__dataset *ds, size_t m, int64_t n,
                                      const int64_t *bin, int64_t *ret_row_start,
                                      int32_t *ret_column, float *ret_value);
/* Dense windows: ret (n, bins, n_features), NaN where a bin is absent. [any] */
void stele__dataset_gather_window_dense(const stele__dataset *ds, size_t m, int64_t n,
                                        const int64_t *bin, float *ret);

#endif
