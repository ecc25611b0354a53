/* scores.h - the metrics of a head or modality on the data of a rig. */
#ifndef STELE_CHECK_SCORES_H
#define STELE_CHECK_SCORES_H

#include "rig.h"

enum { SCORES_MOST = 16, SCORES_MOST_OUTPUTS = 1024 };

/* Of its predictions for all rows (head), of values near the measurement (modality), or of what whole rows add to the
 * sums (modality with `tally`). Returns how many there are; 0: none, or they could not be had. */
uint32_t scores_of(rig *r, stele_metric ret[SCORES_MOST]);

/* Of a head that has outputs() and show(): the quantities, and what its predictions for all rows are as those,
 * (rows, n), without noise and with. 0: failed, or more quantities than there is room for. */
typedef struct scores_shown {
    uint32_t n;
    stele_head_output output[SCORES_MOST_OUTPUTS];
    double *expected, *noisy; /* released with the rig */
} scores_shown;
int scores_show(rig *r, scores_shown *ret);

/* Predictions (rows, width) and targets of a head as its score() gets them: codes (rows) or numbers (rows, columns),
 * whichever the target has. */
stele_head_scored scores_of_head(const rig *r, int64_t rows, int64_t width, const float *predicted, const int32_t *code,
                                 const double *number);

#endif
