/* evaluation_private.h - options of the evaluations, as they are read from a spec. */
#ifndef STELE_EVAL_EVALUATION_PRIVATE_H
#define STELE_EVAL_EVALUATION_PRIVATE_H

#include "eval/evaluation.h"

enum {
    STELE__EVALUATE_LIKELIHOOD = 0,
    STELE__EVALUATE_CLUSTERING,
    STELE__EVALUATE_KNN,
    STELE__EVALUATE_SILHOUETTE,
    STELE__EVALUATE_INTEGRATION,
    STELE__EVALUATE_ALIGNMENT,
    STELE__EVALUATE_CROSS,
    STELE__EVALUATE_CALIBRATION,
    STELE__EVALUATE_COHERENCE,
    STELE__EVALUATE_FUSION
};

typedef struct stele__likelihood_options {
    int64_t samples;
    int32_t subsets; /* STELE__SUBSETS_* */
} stele__likelihood_options;

/* Of all that look at labels; what an evaluation does not know is left 0. */
typedef struct stele__label_options {
    const char *labels, *batch;
    stele_str_list exclude;
    int64_t k, folds;
    int32_t reference;
} stele__label_options;

typedef struct stele__cross_options {
    const char *labels;
    int64_t by_feature;
} stele__cross_options;

typedef struct stele__coherence_options {
    const char *labels;
    int64_t samples;
} stele__coherence_options;

typedef struct stele__fusion_options {
    const char *labels;
    int64_t samples;
} stele__fusion_options;

typedef struct stele__calibration_options {
    double level;
    int64_t samples;
} stele__calibration_options;

/* Defaults that the command line uses, too. */
enum { STELE__SAMPLES = 32, STELE__VOTERS = 15, STELE__FOLDS = 5 };

/* Which of the evaluations an instance is: an index into stele__evaluations(), STELE__N_EVALUATIONS
 * for none. */
int stele__evaluation_find(const char *name);

#endif
