/* broadcast.h - walking several tensors in step under NumPy's broadcasting rule. */
#ifndef STELE_GRAPH_BROADCAST_H
#define STELE_GRAPH_BROADCAST_H

#include "graph/op.h"

#define STELE__WALK_MAX 3

/* The output's axes, merged where possible, and for each of up to three operands its stride (in
 * elements) along them; 0 where it is stretched. Along the last axis strides are 0 or 1. */
typedef struct stele__walk {
    uint32_t ndim, n;
    int64_t count; /* elements of the output */
    int64_t dim[STELE_MAX_DIMS];
    int64_t stride[STELE__WALK_MAX][STELE_MAX_DIMS];
} stele__walk;

/* A stretch of the output during which operand k moves by inner[k] = 0 or 1 per element from at[k].
 */
typedef struct stele__stretch {
    int64_t begin, n; /* output elements begin .. begin + n - 1 */
    int64_t at[STELE__WALK_MAX];
} stele__stretch;

/* All operands must broadcast to `out`. */
void stele__walk_init(stele__walk *w, const stele_shape *out, uint32_t n,
                      const stele_shape *const *in);
/* The stretch that holds output element `begin` and ends at `end` or earlier. */
stele__stretch stele__walk_stretch(const stele__walk *w, int64_t begin, int64_t end);

#endif
