#include "kernels/csr.h"

#include "kernels/adamw.h"
#include "kernels/isa.h"

#include <string.h>

/* Columns are cut into ranges, one task each. Forward, a range has sums of its own, so there are
 * few; each is worked through in tiles whose part of W stays in the cache while all rows of X pass
 * by. Backward, a tile's entries are sorted by column first, so that each row of dW is formed in
 * registers. It leaves in pieces that fit the first-level cache. */
enum { MAX_LANES = 16, LANE_WIDTH = 64, TILE = 512, MAX_PARTS = 32, WEIGHT_TILE = 256, PIECE = 16 };

static size_t ranges(size_t n_columns, size_t most)
{
    size_t n = (n_columns + LANE_WIDTH - 1) / LANE_WIDTH;
    return n < 1 ? 1 : n < most ? n : most;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Forward, per range: sums (n_rows, h), then cursors (n_rows). */
static size_t lane_bytes(const stele__csr *x, size_t h, size_t size)
{
    return rounded(x->n_rows * h * size) + rounded(x->n_rows * sizeof(int64_t));
}

size_t stele__csr_scratch(const stele__csr *x, size_t h, size_t size)
{
    return ranges(x->n_columns, MAX_LANES) * lane_bytes(x, h, size);
}

size_t stele__csr_parts(size_t n_columns)
{
    return ranges(n_columns, MAX_PARTS);
}

/* Backward, per thread: cursors, lists of a tile's entries (WEIGHT_TILE, n_rows) as values and as
 * rows, a piece of dW. */
static size_t thread_bytes(const stele__csr *x, size_t h, size_t size)
{
    return rounded(x->n_rows * sizeof(int64_t)) + rounded(WEIGHT_TILE * x->n_rows * size) +
           rounded(WEIGHT_TILE * x->n_rows * sizeof(int32_t)) + rounded(PIECE * h * size) +
           STELE__ALIAS_PAGE;
}

size_t stele__csr_weight_scratch(const stele__csr *x, size_t h, size_t size, unsigned n_threads)
{
    return n_threads * thread_bytes(x, h, size);
}

int stele__csr_valid(const stele__csr *x)
{
    for (size_t i = 0; i < x->n_rows; i++) {
        int64_t first = x->row_start[i], end = x->row_start[i + 1];
        if (first < end && (x->column[first] < 0 || (size_t)x->column[end - 1] >= x->n_columns)) {
            return 0;
        }
    }
    return 1;
}

int64_t stele__csr_seek(const int32_t *column, int64_t first, int64_t end, int64_t c)
{
    while (first < end) {
        int64_t middle = first + (end - first) / 2;
        if (column[middle] < c) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

/* Where the entries of each row begin that lie at or beyond column c. */
static void place_cursors(const stele__csr *x, size_t c, int64_t *cursor)
{
    for (size_t i = 0; i < x->n_rows; i++) {
        cursor[i] = stele__csr_seek(x->column, x->row_start[i], x->row_start[i + 1], (int64_t)c);
    }
}

/* The entries of row i from *cursor on that lie below column `end`: how many; the cursor moves past
 * them. */
static size_t advance(const stele__csr *x, size_t i, size_t end, int64_t *cursor)
{
    int64_t first = *cursor, e = first, last = x->row_start[i + 1];
    while (e < last && (size_t)x->column[e] < end) {
        e++;
    }
    *cursor = e;
    return (size_t)(e - first);
}

/* Bring rows of W into the cache ahead of use: the tile's rows are wanted in an order that the
 * hardware cannot guess. */
static void fetch(const char *from, size_t begin, size_t end)
{
    for (size_t i = (begin + 63) / 64 * 64; i < end; i += 64) {
        __builtin_prefetch(from + i, 0, 2);
    }
}

#define STELE__TWICE "kernels/csr_api.inc"
#include "kernels/twice.h"
