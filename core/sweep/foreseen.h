/* foreseen.h - the figures that the evaluations of a spec can have, before anything was trained. */
#ifndef STELE_SWEEP_FORESEEN_H
#define STELE_SWEEP_FORESEEN_H

#include "base/str.h"
#include "spec/spec.h"

typedef struct stele__foreseen {
    char **name;        /* n paths as of figures.h; one that ends in '*' stands for all that start
                           so: the metrics of plugins are known only when they are computed */
    const char **needs; /* the evaluation that a figure takes and the spec has not; NULL: none */
    size_t n, capacity;
} stele__foreseen;

/* Add what the evaluations of a finished spec can have to what is there already, as for the points
 * of a sweep. *foreseen starts as { 0 }. stele__foreseen_finish in any case. */
STELE_NODISCARD stele_status stele__foreseen_add(stele__foreseen *foreseen,
                                                 const stele__spec *spec);
void stele__foreseen_finish(stele__foreseen *foreseen);
/* 1 if there may be such a figure. Else `why` gets what is wrong with it, and `hint` what to write
 * instead. */
int stele__foreseen_has(const stele__foreseen *foreseen, const char *figure, stele__str *why,
                        stele__str *hint);
/* Report every item of sweep.metrics that there cannot be. */
STELE_NODISCARD stele_status stele__foreseen_check(const stele__foreseen *foreseen,
                                                   const stele__spec *spec, stele__diag *diag);

#endif
