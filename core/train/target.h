/* target.h - the label columns that heads predict. */
#ifndef STELE_TRAIN_TARGET_H
#define STELE_TRAIN_TARGET_H

#include "train/run.h"

/* STELE_FIELD_* that the spec of a head asks for its target; 0: as the data have it. */
uint32_t stele__target_content(const stele__head_spec *host);

/* Describe the target of the spec's head `i` as its plugin gets it: target, column and n_columns of
 * *ret, whose vt is known. E_OPTION if the plugin predicts another number of columns. Without a
 * state: E_DATA, at the target's place, if no training row has a value. [main] */
STELE_NODISCARD stele_status stele__target_describe(const stele__spec *spec, size_t i,
                                                    const stele__dataset *data,
                                                    const stele__split *split,
                                                    const stele__state *state, stele__head *ret,
                                                    stele__diag *diag);

/* Ask the plugin whether it can hold the targets of all rows that have one; the message names row
 * and column. Without the columns, as in new data: OK. [main] */
STELE_NODISCARD stele_status stele__head_validate(stele__model *m, uint32_t i,
                                                  const stele__dataset *data, stele__diag *diag);

/* fit() of head `i` over the training rows that have its target. [main] */
STELE_NODISCARD stele_status stele__head_fit(stele__model *m, uint32_t i,
                                             const stele__dataset *data, const stele__split *split,
                                             stele__diag *diag);

#endif
