/* state_columns.h - what a run folder keeps of features that differ in kind (stele_feature). */
#ifndef STELE_TRAIN_STATE_COLUMNS_H
#define STELE_TRAIN_STATE_COLUMNS_H

#include "train/state.h"

#include <jansson.h>

/* A list with an object for each feature; the first name that JSON cannot hold is kept in *bad. */
json_t *stele__columns_json(const stele__matrix *m, const char **bad);
/* The way back, `list` NULL: there are none. 0: it is damaged, or memory is short. */
int stele__columns_read(const json_t *list, stele__state_matrix *m);
void stele__columns_finish(stele__state_matrix *m);

#endif
