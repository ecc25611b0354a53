#include "eval/evaluation.h"

#include "base/mem.h"

#include <string.h>

enum { LIKELIHOOD = 0, CLUSTERING, KNN, CROSS, FUSION };

typedef struct likelihood_options {
    int64_t samples;
} likelihood_options;

typedef struct label_options {
    const char *labels;
    stele_str_list exclude;
    int64_t k, folds;
    int32_t reference;
} label_options;

typedef struct cross_options {
    const char *labels;
    int64_t by_feature;
} cross_options;

typedef struct fusion_options {
    const char *labels;
    int64_t samples;
} fusion_options;

#define SAMPLES 32
#define K       15
#define FOLDS   5

static const stele_option likelihood_rows[] = {
    STELE_OPTION_I64(likelihood_options, samples, "samples", SAMPLES, 1, 10000,
                     "Importance samples per row and mixture component."),
};

static const stele_option clustering_rows[] = {
    STELE_OPTION_STR(label_options, labels, "labels", NULL, STELE_OPT_REQUIRED,
                     "Label column that communities are compared with."),
    STELE_OPTION_STR_LIST(label_options, exclude, "exclude", "[]",
                          "Classes whose rows are left out."),
    STELE_OPTION_I64(label_options, k, "k", K, 2, 1000,
                     "Neighbours of the graph, the row itself included."),
};

static const char *const references[] = { "judged", "train", NULL };
static const stele_option knn_rows[] = {
    STELE_OPTION_STR(label_options, labels, "labels", NULL, STELE_OPT_REQUIRED,
                     "Label column to be told from the neighbours."),
    STELE_OPTION_STR_LIST(label_options, exclude, "exclude", "[]",
                          "Classes whose rows are left out."),
    STELE_OPTION_I64(label_options, k, "k", K, 1, 1000, "Neighbours that vote."),
    STELE_OPTION_I64(label_options, folds, "folds", FOLDS, 2, 100,
                     "Folds of the cross-validation, stratified."),
    STELE_OPTION_ENUM(label_options, reference, "reference", references, STELE__REFERENCE_JUDGED,
                      "Where neighbours are sought: among the rows judged, by cross-validation, or "
                      "among the training rows; rows that were trained on are then not judged."),
};

static const stele_option cross_rows[] = {
    STELE_OPTION_STR(cross_options, labels, "labels", NULL, 0,
                     "Label column of the class-mean baseline; default: that of `knn` or "
                     "`clustering`."),
    STELE_OPTION_I64(
        cross_options, by_feature, "by_feature", 0, 0, 1000,
        "Score every feature alone as well, in modalities that have no more than this."),
};

static const stele_option fusion_rows[] = {
    STELE_OPTION_STR(fusion_options, labels, "labels", NULL, 0,
                     "Label column whose classes are the groups; default: that of `knn` or "
                     "`clustering`."),
    STELE_OPTION_I64(fusion_options, samples, "samples", SAMPLES, 1, 10000,
                     "Importance samples per row and posterior that stand for the truth."),
};

static const stele__schema_plugin evaluations[STELE__N_EVALUATIONS] = {
    [LIKELIHOOD] = { STELE__EVALUATION, "likelihood",
                     "ELBO, importance-weighted log-likelihood and log-likelihood per modality.",
                     STELE__TABLE(likelihood_rows) },
    [CLUSTERING] = { STELE__EVALUATION, "clustering",
                     "Leiden communities of the latent against labels: ARI and NMI at the best "
                     "resolution.",
                     STELE__TABLE(clustering_rows) },
    [KNN] = { STELE__EVALUATION, "knn",
              "Cross-validated accuracy of nearest neighbours in the latent.",
              STELE__TABLE(knn_rows) },
    [CROSS] = { STELE__EVALUATION, "cross",
                "Prediction of each modality from each other one, beside baselines.",
                STELE__TABLE(cross_rows) },
    [FUSION] = { STELE__EVALUATION, "fusion",
                 "Which modality is trusted, how far experts disagree, what intervals cover.",
                 STELE__TABLE(fusion_rows) },
};

static const size_t block_size[STELE__N_EVALUATIONS] = {
    [LIKELIHOOD] = sizeof(likelihood_options),
    [CLUSTERING] = sizeof(label_options),
    [KNN] = sizeof(label_options),
    [CROSS] = sizeof(cross_options),
    [FUSION] = sizeof(fusion_options),
};

const stele__schema_plugin *stele__evaluations(void)
{
    return evaluations;
}

/* Index of an evaluation, STELE__N_EVALUATIONS if there is none of that name. */
static int find(const char *name)
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
        stele__diag_hint(diag, "there are likelihood, clustering, knn, cross and fusion");
    }
    stele__node_use_all(instance->node);
}

stele_status stele__evaluations_apply(stele__spec *spec, stele__diag *diag)
{
    for (size_t i = 0; i < spec->n_evaluate; i++) {
        stele__instance *instance = &spec->evaluate[i];
        int at = find(instance->name);
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

static void add_label(stele__plan *plan, const char *name, const stele__node *node)
{
    const stele__node *at = node != NULL ? stele__node_find(node, "labels") : NULL;
    for (size_t i = 0; i < plan->n_labels; i++) {
        if (strcmp(plan->labels[i], name) == 0) {
            return;
        }
    }
    if (at != NULL) {
        plan->place[plan->n_labels] = (stele__place){
            .file = at->file, .line = at->line, .column = at->column, .path = "evaluate"
        };
    } else if (node == NULL) {
        plan->place[plan->n_labels] = (stele__place){ .path = "--labels" };
    }
    plan->labels[plan->n_labels++] = name;
}

static void add_task(stele__plan *plan, stele__label_task task, const stele__node *node)
{
    plan->task[plan->n_tasks++] = task;
    add_label(plan, task.labels, node);
}

static void read_one(stele__plan *plan, const stele__instance *instance, int own_labels)
{
    int at = find(instance->name);
    const void *values = stele__config_values(instance->config);
    const label_options *l = values;
    if (at == LIKELIHOOD) {
        plan->likelihood = 1;
        plan->samples = ((const likelihood_options *)values)->samples;
    } else if (at == CROSS) {
        plan->cross = 1;
        plan->cross_labels = ((const cross_options *)values)->labels;
        plan->cross_features = ((const cross_options *)values)->by_feature;
        if (plan->cross_labels != NULL) {
            add_label(plan, plan->cross_labels, instance->node);
        }
    } else if (at == FUSION) {
        plan->fusion = 1;
        plan->fusion_samples = ((const fusion_options *)values)->samples;
        plan->fusion_labels = ((const fusion_options *)values)->labels;
        if (plan->fusion_labels != NULL) {
            add_label(plan, plan->fusion_labels, instance->node);
        }
    } else if (!own_labels) {
        add_task(plan,
                 (stele__label_task){ .kind = at == KNN ? STELE__TASK_KNN : STELE__TASK_CLUSTERING,
                                      .labels = l->labels,
                                      .exclude = l->exclude,
                                      .k = l->k,
                                      .folds = l->folds,
                                      .reference = l->reference },
                 instance->node);
    }
}

static void add_both(stele__plan *plan, const char *labels, stele_str_list exclude)
{
    add_task(
        plan,
        (stele__label_task){
            .kind = STELE__TASK_KNN, .labels = labels, .exclude = exclude, .k = K, .folds = FOLDS },
        NULL);
    add_task(plan,
             (stele__label_task){
                 .kind = STELE__TASK_CLUSTERING, .labels = labels, .exclude = exclude, .k = K },
             NULL);
}

/* Neighbours for every clustering, unless some are asked for. */
static void complete_tasks(stele__plan *plan)
{
    size_t n = plan->n_tasks;
    for (size_t i = 0; i < n; i++) {
        if (plan->task[i].kind == STELE__TASK_KNN) {
            return;
        }
    }
    memmove(plan->task + n, plan->task, n * sizeof *plan->task);
    for (size_t i = 0; i < n; i++) {
        plan->task[i].kind = STELE__TASK_KNN;
        plan->task[i].k = K;
        plan->task[i].folds = FOLDS;
    }
    plan->n_tasks = 2 * n;
}

static void only_fusion(stele__plan *plan, const stele__plan_request *request)
{
    plan->fusion = 1;
    plan->fusion_samples = request->samples > 0 ? request->samples : SAMPLES;
    plan->fusion_labels = request->labels;
    if (request->labels != NULL) {
        add_label(plan, request->labels, NULL);
    }
}

stele_status stele__plan_init(stele__plan *plan, const stele__spec *spec,
                              const stele__plan_request *request)
{
    size_t most = 2 * spec->n_evaluate + 2;
    *plan = (stele__plan){ .samples = SAMPLES };
    plan->task = stele__calloc(most, sizeof *plan->task);
    plan->labels = stele__calloc(most, sizeof *plan->labels);
    plan->place = stele__calloc(most, sizeof *plan->place);
    if (plan->task == NULL || plan->labels == NULL || plan->place == NULL) {
        stele__plan_finish(plan);
        return STELE_E_NOMEM;
    }
    if (request->fusion) {
        only_fusion(plan, request);
        return STELE_OK;
    }
    plan->likelihood = plan->cross = spec->n_evaluate == 0;
    for (size_t i = 0; i < spec->n_evaluate; i++) {
        read_one(plan, &spec->evaluate[i], request->labels != NULL);
    }
    if (request->labels != NULL) {
        add_both(plan, request->labels, request->exclude);
    }
    complete_tasks(plan);
    plan->samples = request->samples > 0 ? request->samples : plan->samples;
    if (plan->cross_labels == NULL && plan->n_tasks > 0) {
        plan->cross_labels = plan->task[0].labels;
    }
    if (plan->fusion_labels == NULL && plan->n_tasks > 0) {
        plan->fusion_labels = plan->task[0].labels;
    }
    return STELE_OK;
}

void stele__plan_finish(stele__plan *plan)
{
    stele__free(plan->task);
    stele__free(plan->labels);
    stele__free(plan->place);
    memset(plan, 0, sizeof *plan);
}
