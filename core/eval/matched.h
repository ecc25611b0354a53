/* matched.h - how well the scores of matched pairs stand out among those of shuffled ones: the area
 * under the ROC curve, and what each row contributes to it.
 *
 * With own_i the score of row i with itself, s_kl of row k with another row l, and [a > b] 1, or
 * one half where they are equal,
 *
 *     A = mean over i of a_i,   a_i = mean over (k, l) of [own_i > s_kl].
 *
 * Row r is in A as i, as k and as l: its contribution is A + (a_r - A) + (b_r - A) + (c_r - A),
 * where b_r and c_r are the means over i and the pairs that have k = r, l = r. The mean of the
 * contributions is A, and resampled rows move that mean as they move A, to first order (DeLong et
 * al. 1988). */
#ifndef STELE_EVAL_MATCHED_H
#define STELE_EVAL_MATCHED_H

#include "base/diag.h"

#include <stdint.h>

typedef struct stele__matched {
    int64_t n;
    double *sorted; /* (n) own scores, ascending */
    int64_t *row;   /* (n) whose they are */
    double *more;   /* (n + 1) shuffled scores from whose place in `sorted` on they are exceeded */
    double *first, *second;     /* (n) sums of [own > s] over the pairs with k, with l */
    double *n_first, *n_second; /* (n) pairs, times n */
    double n_shuffled;
} stele__matched;

/* own: (n) scores; none is NaN. stele__matched_finish in any case. */
STELE_NODISCARD stele_status stele__matched_init(stele__matched *m, const double *own, int64_t n);
void stele__matched_finish(stele__matched *m);
/* The score s of row k with row l. */
void stele__matched_add(stele__matched *m, int64_t k, int64_t l, double s);
/* A and the contributions (n); NaN without shuffled pairs. Once, after all of them. */
double stele__matched_area(stele__matched *m, double *ret_contribution);

#endif
