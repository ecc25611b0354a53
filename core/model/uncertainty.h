/* uncertainty.h - weights of heads that are learned (Kendall, Gal and Cipolla, CVPR 2018).
 *
 * With s the logarithm of a variance, one parameter of each such head, its loss L enters the
 * objective as exp(-s) L + s / 2: a task that stays hard weighs less. s lies within -5 and 5, since
 * losses that are densities may be negative. */
#ifndef STELE_MODEL_UNCERTAINTY_H
#define STELE_MODEL_UNCERTAINTY_H

#include "model/model.h"

/* Declare the parameter of head h, if its weight is learned; after the build() of its plugin. */
STELE_NODISCARD stele_status stele__uncertainty_build(stele__model *m, uint32_t h,
                                                      stele__diag *diag);
/* What a head's mean loss, a scalar, comes to: itself where its weight is not learned. */
stele_tensor *stele__uncertain(const stele__model *m, stele_graph *g, uint32_t h,
                               stele_tensor *mean);
/* Warn of weights that ended at the bound of s, where they have no meaning. */
void stele__uncertainty_warn(const stele__model *m, stele__diag *diag);

#endif
