/* evaluation.h - the evaluations that a spec can list under `evaluate`, and what a command is to
 * compute. */
#ifndef STELE_EVAL_EVALUATION_H
#define STELE_EVAL_EVALUATION_H

#include "spec/help.h"
#include "spec/spec.h"

/* Read the options of all evaluations of a spec; unknown names and options are errors with their
 * places. Between stele__spec_create and stele__spec_finish. */
STELE_NODISCARD stele_status stele__evaluations_apply(stele__spec *spec, stele__diag *diag);

enum { STELE__N_EVALUATIONS = 10 };
/* The evaluations as schema and help want them. */
const stele__schema_plugin *stele__evaluations(void);

enum {
    STELE__TASK_KNN = 1,
    STELE__TASK_CLUSTERING,
    STELE__TASK_SILHOUETTE,
    STELE__TASK_INTEGRATION
};

/* Neighbours among which mixing is judged: the least, of which the perplexity is a third. */
enum { STELE__LEAST_MIXING_K = 6 };

/* Among which rows a row's neighbours are sought. */
enum { STELE__REFERENCE_JUDGED, STELE__REFERENCE_TRAIN };

/* Posteriors beside the joint: given one modality, or given every subset. */
enum { STELE__SUBSETS_SINGLE, STELE__SUBSETS_ALL };
/* All subsets are judged of so many modalities at most, which are so many posteriors. */
enum { STELE__MOST_SUBSETS_OF = 6, STELE__MOST_POSTERIORS = (1 << STELE__MOST_SUBSETS_OF) - 1 };

/* A label column against which latents are judged. */
typedef struct stele__label_task {
    int kind;
    const char *labels; /* INTEGRATION: the batch */
    const char
        *other; /* SILHOUETTE: the batch, INTEGRATION: labels that should stay; may be NULL */
    stele_str_list exclude; /* classes whose rows are left out */
    int64_t k, folds;       /* folds, reference: KNN only */
    int32_t reference;      /* STELE__REFERENCE_* */
} stele__label_task;

typedef struct stele__plan {
    int likelihood, cross, fusion, alignment;
    int64_t samples;              /* importance samples */
    int32_t subsets;              /* STELE__SUBSETS_* */
    double calibration_level;     /* 0: no calibration */
    int64_t calibration_samples;  /* draws of each value */
    const char *coherence_labels; /* what classifiers tell, NULL: no coherence */
    int64_t coherence_samples;    /* draws of z per row */
    const char *cross_labels;     /* of the class_mean baseline, NULL: none */
    int64_t cross_features;       /* up to so many features of a modality are scored alone, too */
    int64_t fusion_samples;       /* per row, of the fusion report */
    const char *fusion_labels;    /* whose classes are its groups, NULL: none */
    stele__label_task *task;      /* n_tasks, owned */
    size_t n_tasks;
    const char **labels; /* n_labels different columns that all this needs, owned */
    stele__place *place; /* (n_labels) where the spec names them, owned */
    size_t n_labels;
} stele__plan;

/* What the command line says instead of the spec. */
typedef struct stele__plan_request {
    const char *labels;     /* NULL: those of the spec */
    stele_str_list exclude; /* together with labels */
    int64_t samples;        /* 0: as in the spec */
    int fusion;             /* the fusion report and nothing else; labels are its groups then */
} stele__plan_request;

/* All that the spec lists, or likelihood and cross if it lists nothing. `clustering` comes with
 * `knn` on the same labels unless the spec lists that itself. Strings are borrowed from both. */
STELE_NODISCARD stele_status stele__plan_init(stele__plan *plan, const stele__spec *spec,
                                              const stele__plan_request *request);
void stele__plan_finish(stele__plan *plan);
/* Refuse evaluations that the spec's modalities are too many for, before anything is trained:
 * E_OPTION. A trained run may still be judged by some of them. */
STELE_NODISCARD stele_status stele__plan_check(const stele__spec *spec, stele__diag *diag);

#endif
