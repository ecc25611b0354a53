/* How well latents tell the labels: neighbours and clusters, for a report. */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/cluster.h"
#include "eval/knn.h"

#include <math.h>
#include <string.h>

static int is_excluded(const stele__label_task *t, const char *category)
{
    for (uint64_t i = 0; i < t->exclude.n; i++) {
        if (strcmp(t->exclude.v[i], category) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Codes of n rows; -1 where the row does not count. */
static void codes_of_rows(const stele__report_request *q, const stele__label_task *t, uint64_t mask,
                          const int64_t *row, int64_t n, int32_t *ret)
{
    const stele__label *label =
        stele__dataset_label(q->judge->data, t->labels, STELE_FIELD_CATEGORY);
    for (int64_t r = 0; r < n; r++) {
        int32_t c = label->code[row[r]];
        int counts = c >= 0 && !is_excluded(t, label->category[c]) &&
                     (stele__judge_present(q->judge, row[r]) & mask) != 0;
        ret[r] = counts ? c : -1;
    }
}

/* Codes of the rows judged. Where neighbours are training rows, those that were trained on do not
 * count: they would find themselves. */
static stele_status codes_of(const stele__report_request *q, const stele__label_task *t,
                             uint64_t mask, int32_t *ret)
{
    codes_of_rows(q, t, mask, q->row, q->n, ret);
    if (t->kind != STELE__TASK_KNN || t->reference != STELE__REFERENCE_TRAIN) {
        return STELE_OK;
    }
    uint8_t *trained = stele__calloc((size_t)q->judge->data->n_rows + 1, 1);
    if (trained == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < q->n_train; i++) {
        trained[q->train[i]] = 1;
    }
    for (int64_t r = 0; r < q->n; r++) {
        ret[r] = trained[q->row[r]] ? -1 : ret[r];
    }
    stele__free(trained);
    return STELE_OK;
}

static size_t n_of(const stele__report_request *q, const int32_t *code)
{
    size_t n = 0;
    for (int64_t r = 0; r < q->n; r++) {
        n += code[r] >= 0;
    }
    return n;
}

/* The class that all rows judged have, -1 if there are several or none: one class is found by every
 * rule and agrees with no clusters, so that figures would say nothing of the latent. */
static int32_t class_of_all(const stele__report_request *q, const int32_t *code)
{
    int32_t only = -1;
    for (int64_t r = 0; r < q->n; r++) {
        if (code[r] >= 0 && only >= 0 && code[r] != only) {
            return -1;
        }
        only = code[r] >= 0 ? code[r] : only;
    }
    return only;
}

static void put_knn(const stele__knn_result *result, json_t *at)
{
    json_object_set_new(at, "rows", json_integer((json_int_t)result->n));
    json_object_set_new(at, "knn", stele__report_number(result->accuracy));
    json_object_set_new(at, "knn_error", stele__report_number(result->standard_error));
}

/* Neighbours among the training rows, in the same posterior's latent. */
static stele_status ask_train(const stele__report_request *q, const stele__label_task *t,
                              const stele__latent *l, const int32_t *code, stele__knn_result *ret,
                              double *hit)
{
    size_t width = q->judge->model->latent_dim, size = (size_t)q->n_train * width;
    float *mean = stele__calloc(size + 1, sizeof *mean), *sd = stele__calloc(size + 1, sizeof *sd);
    int32_t *known = stele__calloc((size_t)q->n_train + 1, sizeof *known);
    stele_status status = STELE_E_NOMEM;
    if (mean != NULL && sd != NULL && known != NULL) {
        codes_of_rows(q, t, l->mask, q->train, q->n_train, known);
        status = stele__judge_moments(q->judge, q->train, q->n_train, l->mask, mean, sd, NULL);
    }
    if (status == STELE_OK) {
        status = stele__knn_classify(l->mean, code, (size_t)q->n, mean, known, (size_t)q->n_train,
                                     width, (size_t)t->k, ret, hit, NULL);
    }
    stele__free(mean);
    stele__free(sd);
    stele__free(known);
    return status;
}

static stele_status cross_validate(const stele__report_request *q, const stele__label_task *t,
                                   const stele__latent *l, const int32_t *code,
                                   stele__knn_result *ret, double *hit)
{
    int32_t *fold = stele__calloc((size_t)q->n, sizeof *fold);
    stele_status status = fold != NULL
                              ? stele__judge_folds(q->judge, q->row, q->n, code, t->folds, fold)
                              : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__knn_accuracy(l->mean, code, fold, (size_t)q->n, q->judge->model->latent_dim,
                                     (size_t)t->k, (int32_t)t->folds, ret, hit, NULL);
    }
    stele__free(fold);
    return status;
}

static stele_status score_knn(const stele__report_request *q, const stele__label_task *t,
                              const stele__latent *l, const int32_t *code, json_t *at)
{
    static const char *const key[] = { "knn" };
    stele__knn_result result = { .accuracy = NAN, .standard_error = NAN, .n = n_of(q, code) };
    double *hit = stele__calloc((size_t)q->n, sizeof *hit);
    stele_status status = hit != NULL ? STELE_OK : STELE_E_NOMEM;
    int judged = status == STELE_OK && class_of_all(q, code) < 0;
    if (judged) {
        status = t->reference == STELE__REFERENCE_TRAIN
                     ? ask_train(q, t, l, code, &result, hit)
                     : cross_validate(q, t, l, code, &result, hit);
    }
    put_knn(&result, at);
    if (judged && status == STELE_OK) {
        status = stele__report_means(q, at, key, hit, 1);
    }
    stele__free(hit);
    return status;
}

/* --- clusters --- */

typedef struct regrouped {
    const int32_t *code, *membership;
    const stele__bootstrap *b;
} regrouped;

/* ARI and NMI of the rows of a resample; out of memory they are undefined. */
static void agree(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    const regrouped *g = ctx;
    const int64_t n = stele__bootstrap_rows(g->b, count, NULL);
    int64_t *row = stele__calloc((size_t)n + 1, sizeof *row);
    int32_t *code = stele__calloc((size_t)n + 1, sizeof *code);
    int32_t *membership = stele__calloc((size_t)n + 1, sizeof *membership);
    stele__agreement found = { NAN, NAN, 0 };
    (void)thread;
    if (row != NULL && code != NULL && membership != NULL) {
        (void)stele__bootstrap_rows(g->b, count, row);
        for (int64_t i = 0; i < n; i++) {
            code[i] = g->code[row[i]];
            membership[i] = g->membership[row[i]];
        }
        if (stele__agreement_compute(membership, code, (size_t)n, &found) != STELE_OK) {
            found = (stele__agreement){ NAN, NAN, 0 };
        }
    }
    ret[0] = found.ari;
    ret[1] = found.nmi;
    stele__free(row);
    stele__free(code);
    stele__free(membership);
}

static stele_status add_agreement(const stele__report_request *q, const int32_t *code,
                                  const int32_t *membership, json_t *at)
{
    regrouped g = { code, membership, q->bootstrap };
    stele__interval interval[2];
    if (q->bootstrap == NULL) {
        return STELE_OK;
    }
    stele_status status = stele__bootstrap_run(q->bootstrap, 0, 0, 2, agree, &g, interval);
    if (status == STELE_OK) {
        json_t *all = stele__report_intervals(q, at);
        json_object_set_new(all, "ari", stele__report_interval(&interval[0]));
        json_object_set_new(all, "nmi", stele__report_interval(&interval[1]));
    }
    return status;
}

static stele_status score_clusters(const stele__report_request *q, const stele__label_task *t,
                                   const stele__latent *l, const int32_t *code, json_t *at)
{
    stele__clustering result = { .best = { .ari = NAN, .nmi = NAN, .n = n_of(q, code) },
                                 .resolution = NAN };
    int32_t *membership = stele__calloc((size_t)q->n, sizeof *membership);
    stele_status status = membership != NULL ? STELE_OK : STELE_E_NOMEM;
    int judged = status == STELE_OK && class_of_all(q, code) < 0;
    if (judged) {
        status = stele__clustering_score(l->mean, code, (size_t)q->n, q->judge->model->latent_dim,
                                         (size_t)t->k, 1, &result, membership, NULL);
    }
    json_object_set_new(at, "rows", json_integer((json_int_t)result.best.n));
    json_object_set_new(at, "ari", stele__report_number(result.best.ari));
    json_object_set_new(at, "nmi", stele__report_number(result.best.nmi));
    json_object_set_new(at, "resolution", stele__report_number(result.resolution));
    json_object_set_new(at, "clusters", json_integer((json_int_t)result.n_clusters));
    if (judged && status == STELE_OK) {
        status = add_agreement(q, code, membership, at);
    }
    stele__free(membership);
    return status;
}

/* Rows among which the mixing of a posterior given all of `mask` is looked at: of batches, or of
 * the labels that should stay, whichever fewer rows have. */
static stele_status count_mixed(const stele__report_request *q, const stele__label_task *t,
                                uint64_t mask, size_t *ret)
{
    const stele__label *other =
        t->other != NULL ? stele__dataset_label(q->judge->data, t->other, STELE_FIELD_CATEGORY)
                         : NULL;
    int32_t *code = stele__calloc((size_t)q->n, sizeof *code);
    stele_status status = code != NULL ? codes_of(q, t, mask, code) : STELE_E_NOMEM;
    *ret = 0;
    for (int64_t r = 0; r < q->n && status == STELE_OK; r++) {
        *ret += code[r] >= 0 && (other == NULL || other->code[q->row[r]] >= 0);
    }
    stele__free(code);
    return status;
}

/* One for all posteriors where the joint has too few rows already: the others have no more. */
static stele_status warn_of_few_mixed(const stele__report_request *q, const stele__label_task *t,
                                      uint64_t mask, stele__diag *diag)
{
    const size_t least = STELE__LEAST_MIXING_K;
    size_t n = 0, n_all = 0;
    stele_status status = count_mixed(q, t, mask, &n);
    status = status == STELE_OK ? count_mixed(q, t, q->mask, &n_all) : status;
    if (status != STELE_OK || (mask != q->mask && n_all < (size_t)t->k)) {
        return status;
    }
    json_t *title = stele__report_title(q, mask);
    stele__diag_warning(diag, NULL,
                        "%s: %zu rows have labels for mixing among %lld neighbours: there is no "
                        "iLISI or cLISI%s",
                        json_string_value(title), n, (long long)t->k,
                        mask == q->mask ? ", of no posterior" : "");
    stele__diag_hint(diag,
                     "write a smaller k, here with --set 'evaluate=[{integration: {batch: %s%s%s, "
                     "k: %zu}}]', or judge more rows with --split",
                     t->labels, t->other != NULL ? ", labels: " : "",
                     t->other != NULL ? t->other : "", n_all / 4 > least ? n_all / 4 : least);
    json_decref(title);
    return STELE_OK;
}

stele_status stele__report_label(const stele__report_request *q, const stele__label_task *t,
                                 const stele__latent *l, json_t *list, stele__diag *diag)
{
    int32_t *code = stele__calloc((size_t)q->n, sizeof *code);
    const int by_batch = t->kind == STELE__TASK_INTEGRATION;
    json_t *at = json_pack("{s:s, s:s*}", by_batch ? "batch" : "labels", t->labels,
                           by_batch ? "labels" : "batch", t->other);
    if (code == NULL || at == NULL) {
        stele__free(code);
        json_decref(at);
        return STELE_E_NOMEM;
    }
    stele_status status = codes_of(q, t, l->mask, code);
    if (status == STELE_OK) {
        status = t->kind == STELE__TASK_KNN          ? score_knn(q, t, l, code, at)
                 : t->kind == STELE__TASK_CLUSTERING ? score_clusters(q, t, l, code, at)
                 : t->kind == STELE__TASK_SILHOUETTE ? stele__report_silhouette(q, t, l, code, at)
                                                     : stele__report_integration(q, t, l, code, at);
    }
    json_array_append_new(list, at);
    stele__free(code);
    if (status == STELE_E_DATA && by_batch) {
        status = warn_of_few_mixed(q, t, l->mask, diag);
    } else if (status == STELE_E_DATA) {
        json_t *title = stele__report_title(q, l->mask);
        stele__diag_warning(diag, NULL, "%s: too few rows have a label in `%s` for %s",
                            json_string_value(title), t->labels,
                            t->kind == STELE__TASK_KNN ? "neighbours" : "clusters");
        json_decref(title);
        status = STELE_OK;
    }
    return status;
}

static void warn_of_exclusions(const stele__report_request *q, stele__diag *diag)
{
    for (size_t i = 0; i < q->plan->n_tasks; i++) {
        const stele__label_task *t = &q->plan->task[i];
        const stele__label *label =
            stele__dataset_label(q->judge->data, t->labels, STELE_FIELD_CATEGORY);
        for (uint64_t x = 0; x < t->exclude.n; x++) {
            int64_t c = 0;
            while (c < label->n_categories && strcmp(label->category[c], t->exclude.v[x]) != 0) {
                c++;
            }
            if (c == label->n_categories && t->kind != STELE__TASK_CLUSTERING) {
                stele__diag_warning(diag, NULL,
                                    "no row has `%s` in `%s`: there is nothing to "
                                    "exclude",
                                    t->exclude.v[x], t->labels);
            }
        }
    }
}

/* Warn if the rows that `mask` has anything of are of one class; *ret tells so. */
static stele_status warn_of_one_class(const stele__report_request *q, const stele__label_task *t,
                                      uint64_t mask, int *ret, stele__diag *diag)
{
    const stele__label *label =
        stele__dataset_label(q->judge->data, t->labels, STELE_FIELD_CATEGORY);
    int32_t *code = stele__calloc((size_t)q->n, sizeof *code);
    if (code == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = codes_of(q, t, mask, code);
    int32_t only = status == STELE_OK ? class_of_all(q, code) : -1;
    *ret = only >= 0;
    if (only >= 0) {
        json_t *title = stele__report_title(q, mask);
        stele__diag_warning(diag, NULL,
                            "%s: all %zu rows judged have `%s` in `%s`: with one class %s have no "
                            "figures",
                            json_string_value(title), n_of(q, code), label->category[only],
                            t->labels,
                            t->kind == STELE__TASK_SILHOUETTE    ? "silhouettes"
                            : t->kind == STELE__TASK_INTEGRATION ? "mixing and classifiers"
                                                                 : "neighbours and clusters");
        json_decref(title);
    }
    stele__free(code);
    return status;
}

static int same_rows(const stele__label_task *a, const stele__label_task *b)
{
    int same = strcmp(a->labels, b->labels) == 0 && a->exclude.n == b->exclude.n;
    for (uint64_t i = 0; same && i < a->exclude.n; i++) {
        same = strcmp(a->exclude.v[i], b->exclude.v[i]) == 0;
    }
    return same;
}

/* Each label once, and a single modality only if all of them together have more classes. */
static stele_status warn_of_one_classes(const stele__report_request *q, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < q->plan->n_tasks && status == STELE_OK; i++) {
        const stele__label_task *t = &q->plan->task[i];
        size_t first = 0;
        while (!same_rows(&q->plan->task[first], t)) {
            first++;
        }
        int one = first < i;
        status = one ? STELE_OK : warn_of_one_class(q, t, q->mask, &one, diag);
        for (uint32_t m = 0; m < q->judge->model->n_modalities && !one && status == STELE_OK; m++) {
            int alone = 0;
            if ((q->mask >> m & 1) != 0 && q->mask != UINT64_C(1) << m) {
                status = warn_of_one_class(q, t, UINT64_C(1) << m, &alone, diag);
            }
        }
    }
    return status;
}

stele_status stele__report_warn_labels(const stele__report_request *q, stele__diag *diag)
{
    warn_of_exclusions(q, diag);
    return warn_of_one_classes(q, diag);
}
