/* room.h - whether a model fits into memory, before any of it is taken. */
#ifndef STELE_TRAIN_ROOM_H
#define STELE_TRAIN_ROOM_H

#include "model/model.h"
#include "spec/spec.h"

/* Bytes that the parameters of a built model take, in a training with derivatives and moments. */
double stele__room_needed(const stele__model *m, int training);
/* Compare what the parameters of a built model are going to take with the `available` bytes. Too
 * much is an error of the spec, at the part that takes most. */
STELE_NODISCARD stele_status stele__room_check(const stele__spec *spec, const stele__model *m,
                                               int training, double available, stele__diag *diag);

#endif
