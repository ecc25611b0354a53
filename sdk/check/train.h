/* train.h - a head trained on the rig's toy problem. */
#ifndef STELE_CHECK_TRAIN_H
#define STELE_CHECK_TRAIN_H

#include "rig.h"

/* Derivatives of the mean of `loss`, an output (rows) of the run before, which recorded. A failure was said. */
void train_backward(rig *r, const rig_output *loss);
/* Mean loss over all rows, the last output of a head; with `record` its derivatives by the parameters, too. NaN:
 * failed, which was said. */
double train_loss(rig *r, int record);
/* Gradient steps from there, whose length adapts: longer after a success, undone and shorter after a failure. The loss
 * after them. */
double train_descend(rig *r, int steps, double loss);

#endif
