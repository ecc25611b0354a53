/* step.h - the optimiser's step on a parameter inside the pass that forms its derivative.
 *
 * A wide layer's derivative is as large as the layer and formed block by block. A block that is
 * used while it is in the cache is neither written to memory nor read back, and no room is needed
 * for the whole. That is possible where the step of one parameter depends on no other derivative
 * (no clipping by the global norm) and where one operation forms the parameter's whole derivative,
 * as nothing else in the pass uses the parameter. The bits are those of a step after the pass. */
#ifndef STELE_GRAPH_STEP_H
#define STELE_GRAPH_STEP_H

#include "graph/op.h"
#include "kernels/adamw.h"

/* What a pass may do on the way: stele__pass.step_within. */
struct stele__step_within {
    stele__adamw opt;
    double weight_decay; /* times each parameter's own factor */
    uint32_t group;      /* parameters of other groups are left alone */
};

/* A step on one parameter under way. */
typedef struct stele__stepping {
    stele__adamw_factors factors;
    uint32_t dtype;
    char *w, *m, *v;
} stele__stepping;

/* 1, and *ret, if the calling operation may step t in place of opening its derivative. `recorded`:
 * whether the operation is on the tape already. */
int stele__step_begin(const stele_graph *g, const stele_tensor *t, int recorded,
                      stele__stepping *ret);
/* Step elements first .. first + n - 1, whose derivative is given; each element once. Any thread.
 */
void stele__step_part(const stele__stepping *s, size_t first, size_t n, const void *derivative);
/* The address modulo STELE__ALIAS_PAGE that a derivative from element `first` on had best have,
 * away from those of values and moments (kernels/adamw.h tells why), and such a place in `room`,
 * which is STELE__ALIAS_PAGE bytes longer than the derivative. */
size_t stele__step_phase(const stele__stepping *s, size_t first);
void *stele__step_place(const stele__stepping *s, size_t first, void *room);
/* All elements are stepped; n parts of the derivative's sum of squares. No operation of the pass
 * may use t from now on: asking for the parameter fails. */
void stele__step_end(stele_tensor *t, size_t n, const double *squares);

#endif
