/* scores.h - the metrics of a head or modality on the data of a rig. */
#ifndef STELE_CHECK_SCORES_H
#define STELE_CHECK_SCORES_H

#include "rig.h"

enum { SCORES_MOST = 16 };

/* Of its predictions for all rows (head), or of values near the measurement (modality). Returns how many there are;
 * 0: none, or they could not be had. */
uint32_t scores_of(rig *r, stele_metric ret[SCORES_MOST]);

#endif
