/* cross_resample.h - intervals of a modality plugin's metrics of one block of features. */
#ifndef STELE_EVAL_CROSS_RESAMPLE_H
#define STELE_EVAL_CROSS_RESAMPLE_H

#include "eval/bootstrap.h"
#include "model/model.h"

typedef struct stele__resampled_block {
    const stele__modality *md;
    const stele_scored *all;    /* the rows scored, all features at once */
    const int64_t *place;       /* (all->n_rows) where they stand among the rows of the bootstrap */
    uint64_t state_bytes;       /* what score_size says */
    const stele_metric *metric; /* (n_metrics) of all rows: those that intervals are wanted of */
    uint32_t n_metrics;
} stele__resampled_block;

/* ret (n_metrics); NaN where there is none. Memory: the rows once more. [main] */
STELE_NODISCARD stele_status stele__resample_block(const stele__resampled_block *q,
                                                   const stele__bootstrap *b, uint32_t most,
                                                   stele__interval *ret);

#endif
