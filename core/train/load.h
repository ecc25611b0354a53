/* load.h - steps of stele__run_open that have to do with data. */
#ifndef STELE_TRAIN_LOAD_H
#define STELE_TRAIN_LOAD_H

#include "train/run.h"

/* Join, hide, split and load the rows of the run's sources. */
STELE_NODISCARD stele_status stele__run_load(const stele__run_request *q, stele__run *run,
                                             stele__diag *diag);

/* Width and statistics of a covariate: of the training rows, or those that `state` has kept. */
STELE_NODISCARD stele_status stele__covariate_describe(const stele__dataset *data,
                                                       const stele__split *split,
                                                       const stele__state *state, const char *name,
                                                       stele__covariate *ret);

/* Before a training: a covariate that no training row has is E_DATA, one that is the same in all of
 * them a warning. */
STELE_NODISCARD stele_status stele__covariates_check(const stele__spec *spec,
                                                     const stele__dataset *data,
                                                     const stele__split *split, stele__diag *diag);

/* Windows of the modalities that the spec gives them, once rows are split. group[i]: index of the
 * label whose groups those of modality i never leave, if it names one. E_DATA if no row has a
 * group, a warning if the split cuts many windows. [main] */
STELE_NODISCARD stele_status stele__windows_open(const stele__run_request *q, const size_t *group,
                                                 stele__run *run, stele__diag *diag);

/* Is every column of the heads' predictions told from the others by its name? E_OPTION at the place
 * of a head if not. Of a model that was fitted. */
STELE_NODISCARD stele_status stele__quantities_check(const stele__spec *spec, const stele__model *m,
                                                     const stele__dataset *data, stele__diag *diag);

/* Ask the plugin whether it can hold the values of all rows; the message names row and feature.
 * Entries that it would rather take for missing are so from here on, with a warning. */
STELE_NODISCARD stele_status stele__modality_validate(stele__model *m, uint32_t i,
                                                      stele__dataset *data, stele__diag *diag);
/* Rows of missing entries alone, and those whose measurement says nothing by the plugin's word,
 * lack the modality from here on. */
STELE_NODISCARD stele_status stele__modality_drop(stele__model *m, uint32_t i, stele__dataset *data,
                                                  stele__diag *diag);
/* Rows of all modalities in the form that their plugins ask for, by the parameters as they are. */
STELE_NODISCARD stele_status stele__modalities_prepare(stele__model *m, const stele__dataset *data,
                                                       stele__diag *diag);
/* fit() over the training rows that have the modality. */
STELE_NODISCARD stele_status stele__modality_fit(stele__model *m, uint32_t i,
                                                 const stele__dataset *data,
                                                 const stele__split *split, stele__diag *diag);

#endif
