/* law.h - over which x the likelihood of one element is a distribution, and its sums and integrals there. */
#ifndef STELE_CHECK_LAW_H
#define STELE_CHECK_LAW_H

#include "block.h"

/* Over which x a likelihood may be a distribution. */
typedef struct law {
    double low, high; /* infinite: no bound */
    int whole;        /* sums over numbers `step` apart instead of an integral */
    double step;
    int atom; /* 0 has a probability of its own beside the integral above it */
} law;

/* Of exp(log_prob) over a law. */
typedef struct moments {
    double mass, mean;
    int cut;       /* there was more to sum than there is time for */
    double spread; /* mean of min((x - centre)^2, clip^2): heavy tails would drown a plain second moment */
} moments;

/* Numbers of settings of the parameters that laws are looked at with. */
enum { LAW_SETTINGS = 8 };

/* Room for what follows, once for a block_rig. */
void law_start(block_rig *b);
/* "over counts", for messages; until the next call. */
const char *law_name(const law *l);
/* x of a row: only the first feature is looked at, which stands for all in rows that cannot have one alone. */
void law_set_x(block_rig *b, int64_t row, double v);
/* log_prob of the block's x, one value per row, until the next call. */
double *law_log_probabilities(block_rig *b);
/* Other parameters, by number, the same for all rows and features. */
void law_set_parameters(block_rig *b, uint64_t number);
/* The law whose mass is nearest to one, and how far off it is in the worst setting. */
law law_choose(block_rig *b, double *ret_worst);
/* Of whole numbers without an upper bound: the least one beyond which no more than `share` is left, and how much that
 * is (0: cannot be known). */
double law_tail(block_rig *b, const law *l, double share, double *ret_from);
moments law_moments(block_rig *b, const law *l, double centre, double clip);

#endif
