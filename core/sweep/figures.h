/* figures.h - the numbers of a report as one flat list. */
#ifndef STELE_SWEEP_FIGURES_H
#define STELE_SWEEP_FIGURES_H

#include <jansson.h>

/* All numbers of a report of `stele eval` as one object { path: number }, in its order. Keys of
 * objects are joined by dots; an item of a list goes by its texts, joined by "-":
 * "posteriors.joint.elbo", "cross.a-b.model.correlation". The posterior of a model of one modality
 * is "posteriors.joint" as well, so that it compares with models of several. Intervals are left
 * out: what settings are compared by is how a figure varies from run to run. The caller releases it
 * with json_decref; NULL: out of memory. */
json_t *stele__figures_flatten(const json_t *report);

#endif
