/* batch.h - the rows of one step as the model wants them. */
#ifndef STELE_MODEL_BATCH_H
#define STELE_MODEL_BATCH_H

#include "data/dataset.h"
#include "model/model.h"

/* Measurements of n rows. */
typedef struct stele__batch_values {
    int64_t width;      /* elements of a row */
    int64_t *row_start; /* CSR: (n + 1) */
    int32_t *column;
    float *value;    /* CSR: stored entries; DENSE: (n, width) */
    double *value64; /* the same in double, for F64 models only */
} stele__batch_values;

/* Measurements of one modality for those rows of the batch that have it. */
typedef struct stele__batch_part {
    int64_t n;                /* rows that have it */
    int64_t *row;             /* (n) rows of the data set */
    int64_t *position;        /* (n) their positions in the batch, ascending */
    int64_t *local;           /* (rows of the batch) index into the above, -1 where absent */
    stele__batch_values x;    /* the rows themselves */
    stele__batch_values seen; /* what encode gets in their place: windows, or what it sees */
    int64_t *bin;             /* (n, bins) rows of the windows, -1 where absent; NULL: none */
} stele__batch_part;

/* What a head predicts: one column of the data, or several. */
typedef struct stele__target {
    const stele__label **column; /* (n), NULL where the data lack it */
    uint32_t n;
} stele__target;

typedef struct stele__batch {
    const stele__dataset *data;
    const stele__model *model;
    int64_t capacity, n; /* rows */
    int64_t *row;        /* (n) rows of the data set */
    size_t *matrix;      /* (modalities) index into data->matrix, SIZE_MAX if the data lack it */
    size_t *beside;      /* (modalities) the same of what encode sees besides; SIZE_MAX: nothing */
    uint64_t *present;   /* (n) bit m: modality m is there */
    stele__batch_part *part; /* (modalities) */
    const stele__label *
        *label;            /* (model->n_covariates) columns of the data, NULL where they lack it */
    stele__target *target; /* (model->n_heads) */
} stele__batch;

/* Room for batches of at most `capacity` rows; nothing is allocated afterwards. */
STELE_NODISCARD stele_status stele__batch_create(const stele__model *model,
                                                 const stele__dataset *data, int64_t capacity,
                                                 stele__batch **ret);
void stele__batch_destroy(stele__batch *b);
/* Bring in n <= capacity distinct rows. `hide`: bits of modalities to leave out although they are
 * there. */
void stele__batch_load(stele__batch *b, int64_t n, const int64_t *row, uint64_t hide);

#endif
