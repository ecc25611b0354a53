/* exercise.h - use every slot of a plugin once, as the host would. */
#ifndef STELE_CHECK_EXERCISE_H
#define STELE_CHECK_EXERCISE_H

#include "rig.h"

/* Create, build, fit, compute with derivatives, draw, score, read, destroy. Failures are said. */
void exercise(check_trial *t, const rig_plan *plan);
/* The part between build and destroy, for an instance that is there. 0: something failed, which was said. */
int exercise_instance(rig *r);
/* Without derivatives and without a word; the status of the first failure. */
stele_status exercise_quietly(rig *r);

#endif
