/* state.h - what a run folder keeps of its data: features, categories, statistics of covariates,
 * targets of heads, the split, digests of all values (data.json). New data are brought to it, so
 * that a trained model means the same by every column. */
#ifndef STELE_TRAIN_STATE_H
#define STELE_TRAIN_STATE_H

#include "data/split.h"
#include "model/model.h"

/* Hexadecimal digits of a digest (data/digest.h). */
enum { STELE__DIGEST_DIGITS = 16 };

typedef struct stele__state_matrix {
    char *name;
    char values[STELE__DIGEST_DIGITS + 1];
    int64_t n_features;
    char **feature;                /* NULL: unnamed */
    stele_shape sample;            /* one row, as the plugin got it; ndim 0: not known */
    uint32_t layout, stored_dtype; /* the same; 0: not known */
    /* (n_features) what training rows had in each; NULL: the plugin did not want to know */
    const stele_feature **described;
} stele__state_matrix;

typedef struct stele__state_covariate {
    char *name;
    char values[STELE__DIGEST_DIGITS + 1];
    uint32_t content;
    int64_t n_categories;
    char **category;
    double mean, sd;
} stele__state_covariate;

/* The target of a head. */
typedef struct stele__state_head {
    char *name;    /* of the head */
    char **target; /* n_targets columns that it predicts */
    int64_t n_targets;
    char values[STELE__DIGEST_DIGITS + 1];
    uint32_t content;
    int64_t n_categories;
    char **category;
} stele__state_head;

typedef struct stele__state {
    stele__state_matrix *matrix;
    stele__state_covariate *covariate;
    stele__state_head *head;
    size_t n_matrices, n_covariates, n_heads;
    char **id[STELE__N_PARTS]; /* row ids of the parts */
    int64_t n_ids[STELE__N_PARTS];
} stele__state;

/* Can all of it be kept? What stele__state_write would refuse, without a file. */
STELE_NODISCARD stele_status stele__state_check(const stele__dataset *data,
                                                const stele__split *split,
                                                const stele__model *model, stele__diag *diag);
STELE_NODISCARD stele_status stele__state_write(const char *path, const stele__dataset *data,
                                                const stele__split *split,
                                                const stele__model *model, stele__diag *diag);
STELE_NODISCARD stele_status stele__state_read(const char *path, stele__state **ret,
                                               stele__diag *diag);
/* Are the values of the training's own data still those it was begun with? Else E_DATA, with a
 * message that names the modality or column. `data` after load. */
STELE_NODISCARD stele_status stele__state_compare(const stele__state *s, const stele__dataset *data,
                                                  stele__diag *diag);
/* What it has about a covariate, about a head; NULL if there is no state or it has none of that
 * name. */
const stele__state_covariate *stele__state_covariate_of(const stele__state *s, const char *name);
const stele__state_head *stele__state_head_of(const stele__state *s, const char *name);
void stele__state_destroy(stele__state *s); /* NULL is legal */

#endif
