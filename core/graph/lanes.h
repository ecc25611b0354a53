/* lanes.h - blocks of work that need scratch memory: as much as there are threads, not as there are
 * blocks. */
#ifndef STELE_GRAPH_LANES_H
#define STELE_GRAPH_LANES_H

#include "graph/op.h"

/* Run fn(user, i, scratch) for every block i < n_blocks; `scratch` holds n elements of the graph's
 * dtype, content undefined, for that call alone. The rules of stele__op_blocks hold: a block writes
 * its own places only and nothing may depend on which scratch it got. E_NOMEM when the arena gives
 * no scratch. */
stele_status stele__op_lanes(stele_graph *g, int64_t n_blocks, int64_t n,
                             void (*fn)(void *user, int64_t block, void *scratch), void *user);

#endif
