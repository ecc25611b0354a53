/* importance.h - bounds of several samples: importance weights of the draws of one component, and
 * what they do to derivatives. */
#ifndef STELE_MODEL_IMPORTANCE_H
#define STELE_MODEL_IMPORTANCE_H

#include "graph/graph.h"

/* A factor on derivatives that is known only once all that depends on the values has been computed.
 */
typedef struct stele__gate {
    const stele_tensor *factor; /* (n, K), set before backward; NULL: 1 */
    int64_t column;             /* of it */
} stele__gate;

/* The values of a (n, D); the derivative of row r is multiplied by factor[r, column] on its way
 * back to a. The gate has to last until the next begin of the graph. NULL after an error. */
stele_tensor *stele__gated(stele_graph *g, stele_tensor *a, const stele__gate *gate);

/* log mean_k exp(log_w[k]) of each row, (n), from K tensors (n). *ret_share: (n, K) weights that
 * sum to one in each row, without derivative. NULL after an error. */
stele_tensor *stele__log_mean_weight(stele_graph *g, uint32_t n_samples, stele_tensor *const *log_w,
                                     stele_tensor **ret_share);

#endif
