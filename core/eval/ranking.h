/* ranking.h - how well scores put positives before negatives: area under the ROC curve and average
 * precision, exact for arrays, and from counts of binned scores for any number of pairs. */
#ifndef STELE_EVAL_RANKING_H
#define STELE_EVAL_RANKING_H

#include "base/diag.h"

#include <stdint.h>

typedef struct stele__ranking {
    double auroc;             /* P(positive scores above negative), ties half; NaN without both */
    double average_precision; /* sum of recall steps x precision, over distinct scores, as
                                 scikit-learn has it; NaN without both */
    uint64_t n, n_positive;
} stele__ranking;

/* score[n], label[n] (0 or not). Errors: E_NONFINITE for a NaN score, E_NOMEM. */
STELE_NODISCARD stele_status stele__ranking_exact(const float *score, const uint8_t *label,
                                                  size_t n, stele__ranking *ret);

/* Counts of pairs by score in 2^bits bins, bits 12 to 24. A bin is a value of the first `bits` bits
 * of the float, so it spans a factor of 1 + 2^(9 - bits); what falls in one bin counts as tied.
 * Memory: 16 bytes a bin. One thread at a time; counts of several are merged. */
typedef struct stele__ranking_counts stele__ranking_counts;

STELE_NODISCARD stele_status stele__ranking_counts_create(unsigned bits,
                                                          stele__ranking_counts **ret);
void stele__ranking_counts_destroy(stele__ranking_counts *counts); /* NULL is legal */
/* Add score[n] with label[n] (0 or not). E_NONFINITE for a NaN score: the counts are then no good.
 */
STELE_NODISCARD stele_status stele__ranking_counts_add(stele__ranking_counts *counts,
                                                       const float *score, const uint8_t *label,
                                                       size_t n);
/* The same for labels that are zero but at positive[n_positive], indices into score, each once. */
STELE_NODISCARD stele_status stele__ranking_counts_add_sparse(stele__ranking_counts *counts,
                                                              const float *score, size_t n,
                                                              const int32_t *positive,
                                                              size_t n_positive);
/* Both must have the same bits: E_SHAPE otherwise. */
STELE_NODISCARD stele_status stele__ranking_counts_merge(stele__ranking_counts *counts,
                                                         const stele__ranking_counts *other);
void stele__ranking_counts_result(const stele__ranking_counts *counts, stele__ranking *ret);

#endif
