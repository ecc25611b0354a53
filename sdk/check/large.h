/* large.h - counts with large means: the parameters of most checks give means of a few, those of data are hundreds. */
#ifndef STELE_CHECK_LARGE_H
#define STELE_CHECK_LARGE_H

#include "law.h"

enum { LARGE_SETTINGS = 3 };

typedef enum large_found {
    LARGE_NONE, /* no predictor raises the mean that far, or sums take too long there */
    LARGE_REACHED,
    LARGE_NO_LAW, /* on the way exp(log_prob) no longer summed to one: block_place says where */
} large_found;

/* May be asked for: sums over whole numbers above a bound, of a likelihood with predictors. */
int large_applies(const block_rig *b, const law *l);
/* Parameters of setting `number`, with one predictor raised until the mean of the likelihood is 30, 150 or 800. */
large_found large_set(block_rig *b, const law *l, uint64_t number, double *ret_mass);

/* How many samples lie far above the means, and how many should; chance is known only if none is drawn from the random
 * numbers of another. */
typedef struct large_tail {
    double expected, found;
    uint64_t drawn; /* number of the next sample */
} large_tail;
void large_count(block_rig *b, const law *l, size_t n, const double *sample, large_tail *tail);
/* Says FAIL where chance can hardly be the reason. */
void large_judge(check_trial *t, const large_tail *tail);

#endif
