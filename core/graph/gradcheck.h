/* gradcheck.h - are the derivatives of a function of tensors right? Compares backward with 4-point
 * central differences in a double graph. */
#ifndef STELE_GRAPH_GRADCHECK_H
#define STELE_GRAPH_GRADCHECK_H

#include "graph/graph.h"
#include "graph/params.h"

typedef struct stele__gradcheck {
    /* The function: a tensor of any shape from n inputs. A fixed sum of its elements with unequal
     * weights is what gets differentiated. Called many times, must be smooth around the inputs.
     * NULL: an error, see the graph. */
    stele_tensor *(*fn)(stele_graph *g, stele_tensor *const *in, void *user);
    void *user;
    uint32_t n;
    const stele_shape *shape; /* n shapes */
    double *const *value;     /* n arrays; changed on the way and restored */
    stele__params *params;    /* F64 object whose trained entries are checked too; NULL: none */
    stele__pass pass; /* seed, step and training as fn should see them; record is set here */
    double step;      /* of the differences, relative to max(1, |x|); 0 means 1e-3 */
} stele__gradcheck;

/* Worst disagreement found. */
typedef struct stele__gradcheck_result {
    double error;   /* |analytic - numeric| / largest |numeric| in the same tensor (or 1e-6, if
                       larger) */
    uint32_t input; /* n + e: entry e of params */
    int64_t element;
    double analytic, numeric;
    double largest;    /* largest |numeric| anywhere; 0: the check is hollow */
    char message[512]; /* the graph's error, if there was one */
} stele__gradcheck_result;

STELE_NODISCARD stele_status stele__gradcheck_run(const stele__gradcheck *c,
                                                  stele__gradcheck_result *ret);

#endif
