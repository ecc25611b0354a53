/* blocks.h - measurements of chosen rows as dense blocks of features, first to last, so that no
 * matrix of rows x features is ever made. */
#ifndef STELE_EVAL_BLOCKS_H
#define STELE_EVAL_BLOCKS_H

#include "data/dataset.h"

typedef struct stele__blocks {
    const stele__matrix *matrix;
    int64_t n, at;      /* rows; next feature */
    const int64_t *row; /* (n) of the data set, all with the modality; borrowed */
    int64_t *entry;     /* CSR: (n) next stored entry */
} stele__blocks;

STELE_NODISCARD stele_status stele__blocks_init(stele__blocks *b, const stele__matrix *matrix,
                                                const int64_t *row, int64_t n);
void stele__blocks_finish(stele__blocks *b);
/* Leave out the next n_features features. */
void stele__blocks_skip(stele__blocks *b, int64_t n_features);
/* The next n_features features into ret (n, n_features); missing entries of dense data are NaN. */
void stele__blocks_next(stele__blocks *b, int64_t n_features, float *ret);

#endif
