#include "data/batch.h"

#include "base/mem.h"
#include "kernels/philox.h"

#include <string.h>

stele_status stele__batches_init(stele__batches *b, const int64_t *row, int64_t n_rows,
                                 int64_t size, uint64_t seed, const stele__place *place,
                                 stele__diag *diag)
{
    *b = (stele__batches){ .n_rows = n_rows, .size = size, .seed = seed, .row = row, .epoch = -1 };
    if (size < 1 || size > n_rows) {
        return stele__diag_error(diag, STELE_E_DATA, place,
                                 "a batch of %lld rows is more than the %lld training rows",
                                 (long long)size, (long long)n_rows);
    }
    b->n_batches = (n_rows + size - 1) / size;
    b->order = stele__malloc((size_t)n_rows * sizeof *b->order);
    return b->order != NULL ? STELE_OK : STELE_E_NOMEM;
}

void stele__batches_finish(stele__batches *b)
{
    stele__free(b->order);
    memset(b, 0, sizeof *b);
}

/* Where batch `index` begins. */
static int64_t begin_of(const stele__batches *b, int64_t index)
{
    int64_t last = b->n_batches - 1, rest = b->n_rows - last * b->size;
    if (index > last) {
        return b->n_rows;
    }
    if (index == last && index > 0 && 2 * rest < b->size) {
        return (last - 1) * b->size + (b->size + rest + 1) / 2;
    }
    return index * b->size;
}

int64_t stele__batches_get(stele__batches *b, int64_t epoch, int64_t index, const int64_t **ret_row)
{
    if (b->epoch != epoch) {
        stele__noise at =
            stele__noise_at(b->seed, stele__noise_purpose("epoch", 0), (uint64_t)epoch);
        stele__noise_permutation(at, (size_t)b->n_rows, b->order);
        for (int64_t i = 0; i < b->n_rows; i++) {
            b->order[i] = b->row[b->order[i]];
        }
        b->epoch = epoch;
    }
    int64_t begin = begin_of(b, index);
    *ret_row = b->order + begin;
    return begin_of(b, index + 1) - begin;
}
