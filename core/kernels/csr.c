#include "kernels/csr.h"

#include "kernels/isa.h"

#include <string.h>

/* Columns are cut into groups. Forward, a group has its own sums, so there are few groups; each is
 * worked through in tiles whose part of W stays in the cache while all rows of X pass by. Backward,
 * a group is a tile. */
enum { MAX_LANES = 16, LANE_WIDTH = 64, TILE = 512, GROUP = 256 };

static size_t n_lanes(size_t n_columns)
{
    size_t n = (n_columns + LANE_WIDTH - 1) / LANE_WIDTH;
    return n < 1 ? 1 : n < MAX_LANES ? n : MAX_LANES;
}

size_t stele__csr_scratch(const stele__csr *x, size_t h)
{
    return n_lanes(x->n_columns) * x->n_rows * h;
}

size_t stele__csr_groups(size_t n_columns)
{
    return (n_columns + GROUP - 1) / GROUP;
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

/* The first of the entries first .. end - 1 whose column is not below c. */
static int64_t seek(const int32_t *column, int64_t first, int64_t end, size_t c)
{
    while (first < end) {
        int64_t middle = first + (end - first) / 2;
        if ((size_t)column[middle] < c) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

/* The same where the answer is near `first`. */
static int64_t seek_near(const int32_t *column, int64_t first, int64_t end, size_t c)
{
    int64_t step = 16;
    while (first + step < end && (size_t)column[first + step] < c) {
        first += step;
        step *= 2;
    }
    return seek(column, first, first + step < end ? first + step : end, c);
}

/* Bring rows of W into the cache ahead of use: the tile's rows are wanted in an order that the
 * hardware cannot guess. */
static void fetch(const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch(from + i, 0, 2);
    }
}

#define STELE__TWICE "kernels/csr_api.inc"
#include "kernels/twice.h"
