#include "eval/coherence.h"
#include "eval/evaluation_private.h"

#include "base/mem.h"

#include <string.h>

/* `key` of a section of the spec names a column; without a section the command line does. */
static void add_label(stele__plan *plan, const char *name, const stele__node *node, const char *key)
{
    const stele__node *at = node != NULL ? stele__node_find(node, key) : NULL;
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
    add_label(plan, task.labels, node, task.kind == STELE__TASK_INTEGRATION ? "batch" : "labels");
    if (task.other != NULL) {
        add_label(plan, task.other, node,
                  task.kind == STELE__TASK_INTEGRATION ? "labels" : "batch");
    }
}

/* --labels takes the place of what the spec has under `labels`. */
static void read_labels(stele__plan *plan, int at, const stele__instance *instance,
                        const stele__plan_request *request)
{
    stele__label_options l = *(const stele__label_options *)stele__config_values(instance->config);
    const stele__node *node = request->labels != NULL ? NULL : instance->node;
    const int by_batch = at == STELE__EVALUATE_INTEGRATION;
    if (request->labels != NULL &&
        (at == STELE__EVALUATE_KNN || at == STELE__EVALUATE_CLUSTERING)) {
        return; /* both come with the option */
    }
    l.labels = request->labels != NULL ? request->labels : l.labels;
    if (request->labels != NULL && !by_batch) {
        l.exclude = request->exclude;
    }
    if (request->labels != NULL && l.batch != NULL) {
        add_label(plan, l.batch, instance->node, "batch");
    }
    add_task(plan,
             (stele__label_task){ .kind = at == STELE__EVALUATE_KNN ? STELE__TASK_KNN
                                          : at == STELE__EVALUATE_CLUSTERING
                                              ? STELE__TASK_CLUSTERING
                                          : by_batch ? STELE__TASK_INTEGRATION
                                                     : STELE__TASK_SILHOUETTE,
                                  .labels = by_batch ? l.batch : l.labels,
                                  .other = by_batch ? l.labels : l.batch,
                                  .exclude = l.exclude,
                                  .k = l.k,
                                  .folds = l.folds,
                                  .reference = l.reference },
             node);
}

static void read_one(stele__plan *plan, const stele__instance *instance,
                     const stele__plan_request *request)
{
    const int at = stele__evaluation_find(instance->name);
    const void *values = stele__config_values(instance->config);
    if (at == STELE__EVALUATE_LIKELIHOOD) {
        plan->likelihood = 1;
        plan->samples = ((const stele__likelihood_options *)values)->samples;
        plan->subsets = ((const stele__likelihood_options *)values)->subsets;
    } else if (at == STELE__EVALUATE_CROSS) {
        plan->cross = 1;
        plan->cross_labels = ((const stele__cross_options *)values)->labels;
        plan->cross_features = ((const stele__cross_options *)values)->by_feature;
        if (plan->cross_labels != NULL) {
            add_label(plan, plan->cross_labels, instance->node, "labels");
        }
    } else if (at == STELE__EVALUATE_FUSION) {
        plan->fusion = 1;
        plan->fusion_samples = ((const stele__fusion_options *)values)->samples;
        plan->fusion_labels = ((const stele__fusion_options *)values)->labels;
        if (plan->fusion_labels != NULL) {
            add_label(plan, plan->fusion_labels, instance->node, "labels");
        }
    } else if (at == STELE__EVALUATE_ALIGNMENT) {
        plan->alignment = 1;
    } else if (at == STELE__EVALUATE_CALIBRATION) {
        plan->calibration_level = ((const stele__calibration_options *)values)->level;
        plan->calibration_samples = ((const stele__calibration_options *)values)->samples;
    } else if (at == STELE__EVALUATE_COHERENCE) {
        plan->coherence_samples = ((const stele__coherence_options *)values)->samples;
        plan->coherence_labels = ((const stele__coherence_options *)values)->labels;
        add_label(plan, plan->coherence_labels, instance->node, "labels");
    } else {
        read_labels(plan, at, instance, request);
    }
}

static stele__label_task neighbours_of(const char *labels, stele_str_list exclude)
{
    return (stele__label_task){ .kind = STELE__TASK_KNN,
                                .labels = labels,
                                .exclude = exclude,
                                .k = STELE__VOTERS,
                                .folds = STELE__FOLDS };
}

static void add_both(stele__plan *plan, const char *labels, stele_str_list exclude)
{
    stele__label_task clusters = {
        .kind = STELE__TASK_CLUSTERING, .labels = labels, .exclude = exclude, .k = STELE__VOTERS
    };
    add_task(plan, neighbours_of(labels, exclude), NULL);
    add_task(plan, clusters, NULL);
}

/* Neighbours for every clustering, before all else, unless some are asked for. */
static void complete_tasks(stele__plan *plan)
{
    size_t n = 0, missing = 0;
    for (size_t i = 0; i < plan->n_tasks; i++) {
        if (plan->task[i].kind == STELE__TASK_KNN) {
            return;
        }
        missing += plan->task[i].kind == STELE__TASK_CLUSTERING;
    }
    memmove(plan->task + missing, plan->task, plan->n_tasks * sizeof *plan->task);
    plan->n_tasks += missing;
    for (size_t i = missing; i < plan->n_tasks; i++) {
        if (plan->task[i].kind == STELE__TASK_CLUSTERING) {
            plan->task[n++] = neighbours_of(plan->task[i].labels, plan->task[i].exclude);
        }
    }
}

/* The classes that the first evaluation of labels is about. */
static const char *first_labels(const stele__plan *plan)
{
    for (size_t i = 0; i < plan->n_tasks; i++) {
        if (plan->task[i].kind != STELE__TASK_INTEGRATION) {
            return plan->task[i].labels;
        }
    }
    return NULL;
}

static void only_fusion(stele__plan *plan, const stele__plan_request *request)
{
    plan->fusion = 1;
    plan->fusion_samples = request->samples > 0 ? request->samples : STELE__SAMPLES;
    plan->fusion_labels = request->labels;
    if (request->labels != NULL) {
        add_label(plan, request->labels, NULL, "labels");
    }
}

stele_status stele__plan_init(stele__plan *plan, const stele__spec *spec,
                              const stele__plan_request *request)
{
    size_t most = 3 * spec->n_evaluate + 4;
    *plan = (stele__plan){ .samples = STELE__SAMPLES };
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
        read_one(plan, &spec->evaluate[i], request);
    }
    if (request->labels != NULL) {
        add_both(plan, request->labels, request->exclude);
    }
    complete_tasks(plan);
    plan->samples = request->samples > 0 ? request->samples : plan->samples;
    plan->cross_labels = plan->cross_labels != NULL ? plan->cross_labels : first_labels(plan);
    plan->fusion_labels = plan->fusion_labels != NULL ? plan->fusion_labels : first_labels(plan);
    return STELE_OK;
}

/* "KEY: what is wrong", at the evaluation that asks for it. */
static stele_status too_many(const stele__spec *spec, const stele__instance *at, const char *key,
                             const char *hint, stele__diag *diag)
{
    stele__str text;
    stele__str_init(&text);
    stele__str_printf(&text,
                      "%s: %zu modalities have 2^%zu - 1 subsets, of which at most %d are judged",
                      key, spec->n_modalities, spec->n_modalities, STELE__MOST_POSTERIORS);
    stele_status status = text.failed
                              ? STELE_E_NOMEM
                              : stele__config_error(at->config, STELE_E_OPTION, text.data, diag);
    stele__diag_hint(diag, "%s", hint);
    stele__str_finish(&text);
    return status;
}

stele_status stele__plan_check(const stele__spec *spec, stele__diag *diag)
{
    stele_status status = STELE_OK;
    if (spec->n_modalities <= STELE__COHERENCE_MODALITIES) { /* as many for both */
        return STELE_OK;
    }
    for (size_t i = 0; i < spec->n_evaluate && status == STELE_OK; i++) {
        const stele__instance *at = &spec->evaluate[i];
        const int kind = stele__evaluation_find(at->name);
        const void *values = stele__config_values(at->config);
        if (kind == STELE__EVALUATE_COHERENCE) {
            status = too_many(spec, at, "labels", "leave coherence out", diag);
        } else if (kind == STELE__EVALUATE_LIKELIHOOD &&
                   ((const stele__likelihood_options *)values)->subsets == STELE__SUBSETS_ALL) {
            status = too_many(spec, at, "subsets", "write `subsets: single`", diag);
        }
    }
    return status;
}

void stele__plan_finish(stele__plan *plan)
{
    stele__free(plan->task);
    stele__free(plan->labels);
    stele__free(plan->place);
    memset(plan, 0, sizeof *plan);
}
