/* target.h - the label columns that heads predict. */
#ifndef STELE_TRAIN_TARGET_H
#define STELE_TRAIN_TARGET_H

#include "train/run.h"

/* STELE_FIELD_* that a target_type of the spec asks for; 0: as the data have it. */
uint32_t stele__target_content(int32_t target_type);

/* Describe the target of the spec's head `i` as its plugin gets it. Without a state: E_DATA, at the
 * target's place, if no training row has a value. [main] */
STELE_NODISCARD stele_status stele__target_describe(const stele__spec *spec, size_t i,
                                                    const stele__dataset *data,
                                                    const stele__split *split,
                                                    const stele__state *state, stele_field *ret,
                                                    stele__diag *diag);

/* fit() of head `i` over the training rows that have its target. [main] */
STELE_NODISCARD stele_status stele__head_fit(stele__model *m, uint32_t i,
                                             const stele__dataset *data, const stele__split *split,
                                             stele__diag *diag);

#endif
