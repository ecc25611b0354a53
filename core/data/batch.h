/* batch.h - the order in which training rows are visited.
 *
 * Every epoch is a permutation of its own, a function of (seed, epoch), cut into batches. Any batch
 * of any epoch is reachable directly, so that a resumed run goes on where it stopped. All batches
 * have `size` rows but the last, which has the rest; when the rest is less than half a batch, the
 * last two batches share their rows evenly. So no batch is larger than `size` or tiny.
 */
#ifndef STELE_DATA_BATCH_H
#define STELE_DATA_BATCH_H

#include "base/diag.h"

#include <stdint.h>

typedef struct stele__batches {
    int64_t n_rows, size;
    int64_t n_batches; /* per epoch */
    uint64_t seed;
    const int64_t *row; /* (n_rows), borrowed */
    int64_t epoch;      /* of `order`, -1: none yet */
    int64_t *order;     /* (n_rows) rows in the order of that epoch */
} stele__batches;

/* `row` (n_rows) lives as long as the batches. E_DATA when size is larger than n_rows. [main] */
STELE_NODISCARD stele_status stele__batches_init(stele__batches *b, const int64_t *row,
                                                 int64_t n_rows, int64_t size, uint64_t seed,
                                                 const stele__place *place, stele__diag *diag);
void stele__batches_finish(stele__batches *b);

/* Rows of batch `index` (0 .. n_batches - 1) of `epoch`: their number, *ret_row borrowed until a
 * batch of another epoch is asked for. Allocates nothing. One thread at a time. */
int64_t stele__batches_get(stele__batches *b, int64_t epoch, int64_t index,
                           const int64_t **ret_row);

#endif
