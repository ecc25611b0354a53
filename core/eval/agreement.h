/* agreement.h - how far two labelings of the same rows agree, whatever the labels are called. */
#ifndef STELE_EVAL_AGREEMENT_H
#define STELE_EVAL_AGREEMENT_H

#include "base/diag.h"

#include <stdint.h>

typedef struct stele__agreement {
    double ari; /* adjusted Rand index, Hubert & Arabie 1985 */
    double nmi; /* mutual information over the arithmetic mean of the entropies */
    size_t n;   /* rows compared */
} stele__agreement;

/* a[n], b[n]; rows where either is negative are left out. Both figures are 1 for the same partition
 * and NaN without rows. Errors: E_NOMEM. */
STELE_NODISCARD stele_status stele__agreement_compute(const int32_t *a, const int32_t *b, size_t n,
                                                      stele__agreement *ret);

#endif
