#include "kernels/csr.h"

#include "kernels/isa.h"

/* The workspace: counts (n_columns, kept at zero between calls), then the arrays of the result,
 * each at a multiple of 8 bytes. */
typedef struct layout {
    size_t touched, start, row, entry, size;
} layout;

static size_t round_up(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

static layout lay_out(size_t n_columns, size_t max_entries)
{
    size_t max_touched = n_columns < max_entries ? n_columns : max_entries;
    layout at;
    at.touched = round_up(n_columns * sizeof(int32_t));
    at.start = at.touched + round_up(max_touched * sizeof(int32_t));
    at.row = at.start + (max_touched + 1) * sizeof(int64_t);
    at.entry = at.row + round_up(max_entries * sizeof(int32_t));
    at.size = at.entry + max_entries * sizeof(int64_t);
    return at;
}

size_t stele__csr_transpose_size(size_t n_columns, size_t max_entries)
{
    return lay_out(n_columns, max_entries).size;
}

/* Count the entries of every column and list the columns in order of appearance. Returns how many
 * entries were in range from the front. */
static int64_t count_columns(const stele__csr *x, int32_t *count, int32_t *touched,
                             size_t *ret_touched)
{
    int64_t first = x->row_start[0], end = x->row_start[x->n_rows], e;
    size_t n = 0;
    for (e = first; e < end; e++) {
        int32_t c = x->column[e];
        if (c < 0 || (size_t)c >= x->n_columns) {
            break;
        }
        if (count[c]++ == 0) {
            touched[n++] = c;
        }
    }
    *ret_touched = n;
    return e - first;
}

stele_status stele__csr_transpose(const stele__csr *x, size_t max_entries, void *workspace,
                                  stele__csc *ret)
{
    int64_t first = x->row_start[0], n_entries = x->row_start[x->n_rows] - first;
    if (n_entries < 0 || (uint64_t)n_entries > max_entries || n_entries > INT32_MAX) {
        return STELE_E_SHAPE;
    }
    layout at = lay_out(x->n_columns, max_entries);
    char *base = workspace;
    int32_t *count = workspace;
    int32_t *touched = (int32_t *)(void *)(base + at.touched);
    int64_t *start = (int64_t *)(void *)(base + at.start);
    int32_t *row = (int32_t *)(void *)(base + at.row);
    int64_t *entry = (int64_t *)(void *)(base + at.entry);
    size_t n_touched;
    int64_t in_range = count_columns(x, count, touched, &n_touched);
    /* Counts become the place where the next entry of the column goes. */
    start[0] = 0;
    for (size_t t = 0; t < n_touched; t++) {
        start[t + 1] = start[t] + count[touched[t]];
        count[touched[t]] = (int32_t)start[t];
    }
    for (size_t i = 0; i < x->n_rows && in_range == n_entries; i++) {
        for (int64_t e = x->row_start[i]; e < x->row_start[i + 1]; e++) {
            int32_t place = count[x->column[e]]++;
            row[place] = (int32_t)i;
            entry[place] = e;
        }
    }
    for (size_t t = 0; t < n_touched; t++) {
        count[touched[t]] = 0;
    }
    if (in_range != n_entries) {
        return STELE_E_DATA;
    }
    *ret = (stele__csc){ .n_touched = n_touched,
                         .n_entries = (size_t)n_entries,
                         .column = touched,
                         .start = start,
                         .row = row,
                         .entry = entry };
    return STELE_OK;
}

/* Tasks of the forward product: at most this many groups of rows. */
enum { MAX_ROW_GROUPS = 64 };
/* Tasks of the backward product: a column belongs to the group in which its list starts, so groups
 * carry about the same number of entries. */
enum { GROUP_ENTRIES = 4096 };

/* The first column whose list starts at `position` or later. */
static size_t first_from(const stele__csc *xt, int64_t position)
{
    size_t low = 0, high = xt->n_touched;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (xt->start[middle] < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

#define STELE__TWICE "kernels/csr_api.inc"
#include "kernels/twice.h"
