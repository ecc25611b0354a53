#include "eval/evaluation_private.h"

#include <string.h>

static const char *const subsets[] = { "single", "all", NULL };
static const stele_option likelihood_rows[] = {
    STELE_OPTION_I64(stele__likelihood_options, samples, "samples", STELE__SAMPLES, 1, 10000,
                     "Importance samples per row and mixture component."),
    STELE_OPTION_ENUM(stele__likelihood_options, subsets, "subsets", subsets, STELE__SUBSETS_SINGLE,
                      "Posteriors that are judged beside the joint: given each modality alone, or "
                      "given every subset of the modalities, of which there may be at most six."),
};

static const stele_option clustering_rows[] = {
    STELE_OPTION_STR(stele__label_options, labels, "labels", NULL, STELE_OPT_REQUIRED,
                     "Label column that communities are compared with."),
    STELE_OPTION_STR_LIST(stele__label_options, exclude, "exclude", "[]",
                          "Classes whose rows are left out."),
    STELE_OPTION_I64(stele__label_options, k, "k", STELE__VOTERS, 2, 1000,
                     "Neighbours of the graph, the row itself included."),
};

static const char *const references[] = { "judged", "train", NULL };
static const stele_option knn_rows[] = {
    STELE_OPTION_STR(stele__label_options, labels, "labels", NULL, STELE_OPT_REQUIRED,
                     "Label column to be told from the neighbours."),
    STELE_OPTION_STR_LIST(stele__label_options, exclude, "exclude", "[]",
                          "Classes whose rows are left out."),
    STELE_OPTION_I64(stele__label_options, k, "k", STELE__VOTERS, 1, 1000, "Neighbours that vote."),
    STELE_OPTION_I64(stele__label_options, folds, "folds", STELE__FOLDS, 2, 100,
                     "Folds of the cross-validation, stratified."),
    STELE_OPTION_ENUM(stele__label_options, reference, "reference", references,
                      STELE__REFERENCE_JUDGED,
                      "Where neighbours are sought: among the rows judged, by cross-validation, or "
                      "among the training rows; rows that were trained on are then not judged."),
};

static const stele_option silhouette_rows[] = {
    STELE_OPTION_STR(stele__label_options, labels, "labels", NULL, STELE_OPT_REQUIRED,
                     "Label column whose classes should lie apart."),
    STELE_OPTION_STR_LIST(stele__label_options, exclude, "exclude", "[]",
                          "Classes whose rows are left out."),
    STELE_OPTION_STR(
        stele__label_options, batch, "batch", NULL, 0,
        "Label column whose classes should lie together within each class of `labels`; "
        "default: none."),
};

static const stele_option integration_rows[] = {
    STELE_OPTION_STR(stele__label_options, batch, "batch", NULL, STELE_OPT_REQUIRED,
                     "Label column whose classes should be mixed."),
    STELE_OPTION_STR(stele__label_options, labels, "labels", NULL, 0,
                     "Label column whose classes should not; default: none."),
    STELE_OPTION_STR_LIST(stele__label_options, exclude, "exclude", "[]",
                          "Classes of `batch` whose rows are left out."),
    STELE_OPTION_I64(stele__label_options, k, "k", 90, STELE__LEAST_MIXING_K, 1000,
                     "Neighbours, the row itself included; the perplexity is a third of it."),
};

static const stele_option calibration_rows[] = {
    STELE_OPTION_F64(stele__calibration_options, level, "level", 0.9, 0.01, 0.999,
                     "Probability of the central interval."),
    STELE_OPTION_I64(stele__calibration_options, samples, "samples", 99, 9, 10000,
                     "Draws of each value."),
};

static const stele_option coherence_rows[] = {
    STELE_OPTION_STR(stele__coherence_options, labels, "labels", NULL, STELE_OPT_REQUIRED,
                     "Label column that classifiers tell from measurements, real and generated."),
    STELE_OPTION_I64(stele__coherence_options, samples, "samples", 1, 1, 1000,
                     "Draws of z per row, and as many from the prior."),
};

static const stele_option cross_rows[] = {
    STELE_OPTION_STR(stele__cross_options, labels, "labels", NULL, 0,
                     "Label column of the class-mean baseline; default: that of `knn` or "
                     "`clustering`."),
    STELE_OPTION_I64(
        stele__cross_options, by_feature, "by_feature", 0, 0, 1000,
        "Score every feature alone as well, in modalities that have no more than this."),
};

static const stele_option fusion_rows[] = {
    STELE_OPTION_STR(stele__fusion_options, labels, "labels", NULL, 0,
                     "Label column whose classes are the groups; default: that of `knn` or "
                     "`clustering`."),
    STELE_OPTION_I64(stele__fusion_options, samples, "samples", STELE__SAMPLES, 1, 10000,
                     "Samples of p(z | x) per row that stand for the truth."),
};

static const stele__schema_plugin evaluations[STELE__N_EVALUATIONS] = {
    [STELE__EVALUATE_LIKELIHOOD] = { STELE__EVALUATION, "likelihood",
                                     "ELBO, importance-weighted log-likelihood and log-likelihood "
                                     "per modality.",
                                     STELE__TABLE(likelihood_rows) },
    [STELE__EVALUATE_CLUSTERING] = { STELE__EVALUATION, "clustering",
                                     "Leiden communities of the latent against labels: ARI and NMI "
                                     "at the best "
                                     "resolution.",
                                     STELE__TABLE(clustering_rows) },
    [STELE__EVALUATE_KNN] = { STELE__EVALUATION, "knn",
                              "Cross-validated accuracy of nearest neighbours in the latent.",
                              STELE__TABLE(knn_rows) },
    [STELE__EVALUATE_SILHOUETTE] = { STELE__EVALUATION, "silhouette",
                                     "How far classes lie apart in the latent, and batches within "
                                     "them.",
                                     STELE__TABLE(silhouette_rows) },
    [STELE__EVALUATE_INTEGRATION] = { STELE__EVALUATION, "integration",
                                      "How well batches are mixed in the latent while classes are "
                                      "not: iLISI, cLISI, "
                                      "classifiers of the batch.",
                                      STELE__TABLE(integration_rows) },
    [STELE__EVALUATE_ALIGNMENT] = { STELE__EVALUATION,
                                    "alignment",
                                    "How near modalities put the same row: FOSCTTM of each pair.",
                                    { 0 } },
    [STELE__EVALUATE_CALIBRATION] = { STELE__EVALUATION, "calibration",
                                      "How often measured values lie in the intervals of values "
                                      "drawn from the model.",
                                      STELE__TABLE(calibration_rows) },
    [STELE__EVALUATE_COHERENCE] = { STELE__EVALUATION, "coherence",
                                    "Whether generated modalities show the class of the row they "
                                    "are generated for, and the same class as each other.",
                                    STELE__TABLE(coherence_rows) },
    [STELE__EVALUATE_CROSS] = { STELE__EVALUATION, "cross",
                                "Prediction of each modality from each other one, beside "
                                "baselines.",
                                STELE__TABLE(cross_rows) },
    [STELE__EVALUATE_FUSION] = { STELE__EVALUATION, "fusion",
                                 "Which modality is trusted, how far experts disagree, what "
                                 "intervals cover.",
                                 STELE__TABLE(fusion_rows) },
};

static const size_t block_size[STELE__N_EVALUATIONS] = {
    [STELE__EVALUATE_LIKELIHOOD] = sizeof(stele__likelihood_options),
    [STELE__EVALUATE_CLUSTERING] = sizeof(stele__label_options),
    [STELE__EVALUATE_KNN] = sizeof(stele__label_options),
    [STELE__EVALUATE_SILHOUETTE] = sizeof(stele__label_options),
    [STELE__EVALUATE_INTEGRATION] = sizeof(stele__label_options),
    [STELE__EVALUATE_ALIGNMENT] = 0,
    [STELE__EVALUATE_CALIBRATION] = sizeof(stele__calibration_options),
    [STELE__EVALUATE_COHERENCE] = sizeof(stele__coherence_options),
    [STELE__EVALUATE_CROSS] = sizeof(stele__cross_options),
    [STELE__EVALUATE_FUSION] = sizeof(stele__fusion_options),
};

const stele__schema_plugin *stele__evaluations(void)
{
    return evaluations;
}

int stele__evaluation_find(const char *name)
{
    int i = 0;
    while (i < STELE__N_EVALUATIONS && strcmp(evaluations[i].name, name) != 0) {
        i++;
    }
    return i;
}

static void refuse(const stele__instance *instance, stele__diag *diag)
{
    const char *name[STELE__N_EVALUATIONS];
    for (int i = 0; i < STELE__N_EVALUATIONS; i++) {
        name[i] = evaluations[i].name;
    }
    const char *near = stele__nearest(instance->name, name, STELE__N_EVALUATIONS);
    stele__node_error(instance->at, STELE_E_OPTION, diag, "there is no evaluation `%s`",
                      instance->name);
    if (near != NULL) {
        stele__diag_hint(diag, "did you mean `%s`?", near);
    } else {
        stele__diag_hint(diag, "there are likelihood, clustering, knn, silhouette, integration, "
                               "alignment, cross, calibration, coherence and fusion");
    }
    stele__node_use_all(instance->node);
}

stele_status stele__evaluations_apply(stele__spec *spec, stele__diag *diag)
{
    for (size_t i = 0; i < spec->n_evaluate; i++) {
        stele__instance *instance = &spec->evaluate[i];
        int at = stele__evaluation_find(instance->name);
        if (at == STELE__N_EVALUATIONS) {
            refuse(instance, diag);
            continue;
        }
        stele_status status = stele__instance_apply(instance, &evaluations[at].table,
                                                    block_size[at], instance->name, diag);
        if (status == STELE_E_NOMEM) {
            return status;
        }
    }
    return STELE_OK;
}
