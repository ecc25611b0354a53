/* split_private.h - dividing one set of rows into parts, which a split does once or twice. */
#ifndef STELE_DATA_SPLIT_PRIVATE_H
#define STELE_DATA_SPLIT_PRIVATE_H

#include "data/split.h"

enum { STELE__MOST_FOLDS = 1000, STELE__MOST_SHARES = STELE__MOST_FOLDS };

typedef struct stele__division {
    const int64_t *row; /* (n_rows) ascending */
    int64_t n_rows;
    const double *share; /* (n_shares) of the rows, sum 1, at most STELE__MOST_SHARES */
    int n_shares;
    int n_named;       /* the first so many get a group each, if their share is above 0 */
    int first_has_all; /* each class with two rows or more has one in the first part */
    const stele__label *stratify, *group; /* as in stele__split_spec */
    int contiguous;
    uint64_t seed;
    uint32_t stage; /* a second division of a split draws other numbers */
    stele__place place;
} stele__division;

/* ret[i]: the part of row[i]. */
STELE_NODISCARD stele_status stele__split_divide(const stele__division *d, int32_t *ret,
                                                 stele__diag *diag);

#endif
