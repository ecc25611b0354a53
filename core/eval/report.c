#include "eval/report.h"

#include "base/mem.h"
#include "eval/bound.h"
#include "eval/cluster.h"
#include "eval/cross.h"
#include "eval/heads.h"
#include "eval/knn.h"
#include "graph/noise.h"

#include <math.h>
#include <string.h>

/* Latents of one posterior. */
typedef struct latent {
    uint64_t mask;
    float *mean, *sd; /* (n, D) */
} latent;

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static const char *name_of(const stele__report_request *q, uint32_t i)
{
    return q->judge->model->modality[i].name;
}

static json_t *names_of(const stele__report_request *q, uint64_t mask)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < q->judge->model->n_modalities; i++) {
        if ((mask >> i & 1) != 0) {
            json_array_append_new(list, json_string(name_of(q, i)));
        }
    }
    return list;
}

/* "joint", "a", "a+b". */
static json_t *title_of(const stele__report_request *q, uint64_t mask)
{
    stele__str s;
    stele__str_init(&s);
    for (uint32_t i = 0; i < q->judge->model->n_modalities; i++) {
        if ((mask >> i & 1) != 0) {
            stele__str_printf(&s, "%s%s", s.len > 0 ? "+" : "", name_of(q, i));
        }
    }
    int joint = mask == stele__judge_all(q->judge) && q->judge->model->n_modalities > 1;
    json_t *title = json_string(joint || s.data == NULL ? "joint" : s.data);
    stele__str_finish(&s);
    return title;
}

static stele_status add_likelihood(const stele__report_request *q, uint64_t mask, json_t *at,
                                   stele__diag *diag)
{
    stele__bound b;
    json_t *by_modality = json_object();
    stele_status status =
        stele__bound_compute(q->judge, q->row, q->n, mask, (uint32_t)q->plan->samples, &b, diag);
    if (status != STELE_OK) {
        json_decref(by_modality);
        return status;
    }
    for (uint32_t i = 0; i < q->judge->model->n_modalities; i++) {
        json_object_set_new(by_modality, name_of(q, i), number(b.log_px[i]));
    }
    json_object_set_new(at, "elbo", number(b.elbo));
    json_object_set_new(at, "elbo_error", number(b.elbo_error));
    json_object_set_new(at, "importance_weighted", number(b.importance));
    json_object_set_new(at, "importance_weighted_error", number(b.importance_error));
    json_object_set_new(at, "divergence", number(b.divergence));
    json_object_set_new(at, "log_likelihood", by_modality);
    return STELE_OK;
}

/* --- spread of the posteriors --- */

static void add_variance(const stele__report_request *q, const latent *l, const latent *joint,
                         json_t *at)
{
    size_t width = q->judge->model->latent_dim;
    double sum = 0.0, rows = 0.0, sharper = 0.0, compared = 0.0;
    for (int64_t r = 0; r < q->n; r++) {
        uint64_t present = stele__judge_present(q->judge, q->row[r]);
        if ((present & l->mask) == 0) {
            continue;
        }
        rows += 1.0;
        compared += (present & joint->mask & ~l->mask) != 0;
        for (size_t d = 0; d < width; d++) {
            double own = l->sd[(size_t)r * width + d], all = joint->sd[(size_t)r * width + d];
            sum += own * own / (double)width;
            sharper += (present & joint->mask & ~l->mask) != 0 && all < own;
        }
    }
    json_object_set_new(at, "rows", json_integer((json_int_t)rows));
    json_object_set_new(at, "variance", number(sum / rows));
    json_object_set_new(
        at, "joint_sharper",
        number(l->mask != joint->mask ? sharper / (compared * (double)width) : NAN));
}

/* --- labels --- */

static int is_excluded(const stele__label_task *t, const char *category)
{
    for (uint64_t i = 0; i < t->exclude.n; i++) {
        if (strcmp(t->exclude.v[i], category) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Codes of the rows judged; -1 where the row does not count. */
static void codes_of(const stele__report_request *q, const stele__label_task *t,
                     const stele__label *label, uint64_t mask, int32_t *ret)
{
    for (int64_t r = 0; r < q->n; r++) {
        int32_t c = label->code[q->row[r]];
        int counts = c >= 0 && !is_excluded(t, label->category[c]) &&
                     (stele__judge_present(q->judge, q->row[r]) & mask) != 0;
        ret[r] = counts ? c : -1;
    }
}

/* Folds follow the rows' ids, so that a row is in the same fold for every posterior and model. */
static stele_status folds_of(const stele__report_request *q, const int32_t *code, int64_t folds,
                             int32_t *ret)
{
    uint64_t seed = stele__noise_hash("folds");
    uint64_t *key = stele__calloc((size_t)q->n, sizeof *key);
    if (key == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < q->n; r++) {
        const char *id = stele__dataset_row_id(q->judge->data, q->row[r]);
        key[r] = stele__noise_mix(seed, stele__noise_hash(id));
    }
    stele_status status = stele__folds_stratified(code, key, (size_t)q->n, (int32_t)folds, ret);
    stele__free(key);
    return status;
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
    json_object_set_new(at, "knn", number(result->accuracy));
    json_object_set_new(at, "knn_error", number(result->standard_error));
}

static stele_status score_knn(const stele__report_request *q, const stele__label_task *t,
                              const latent *l, const int32_t *code, json_t *at)
{
    stele__knn_result result = { .accuracy = NAN, .standard_error = NAN, .n = n_of(q, code) };
    if (class_of_all(q, code) >= 0) {
        put_knn(&result, at);
        return STELE_OK;
    }
    int32_t *fold = stele__calloc((size_t)q->n, sizeof *fold);
    stele_status status = fold != NULL ? folds_of(q, code, t->folds, fold) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__knn_accuracy(l->mean, code, fold, (size_t)q->n, q->judge->model->latent_dim,
                                     (size_t)t->k, (int32_t)t->folds, &result, NULL);
    }
    put_knn(&result, at);
    stele__free(fold);
    return status;
}

static stele_status score_clusters(const stele__report_request *q, const stele__label_task *t,
                                   const latent *l, const int32_t *code, json_t *at)
{
    stele__clustering result = { .best = { .ari = NAN, .nmi = NAN, .n = n_of(q, code) },
                                 .resolution = NAN };
    stele_status status = STELE_OK;
    if (class_of_all(q, code) < 0) {
        status = stele__clustering_score(l->mean, code, (size_t)q->n, q->judge->model->latent_dim,
                                         (size_t)t->k, 1, &result, NULL);
    }
    json_object_set_new(at, "rows", json_integer((json_int_t)result.best.n));
    json_object_set_new(at, "ari", number(result.best.ari));
    json_object_set_new(at, "nmi", number(result.best.nmi));
    json_object_set_new(at, "resolution", number(result.resolution));
    json_object_set_new(at, "clusters", json_integer((json_int_t)result.n_clusters));
    return status;
}

static stele_status add_task(const stele__report_request *q, const stele__label_task *t,
                             const latent *l, json_t *list, stele__diag *diag)
{
    const stele__label *label =
        stele__dataset_label(q->judge->data, t->labels, STELE_FIELD_CATEGORY);
    int32_t *code = stele__calloc((size_t)q->n, sizeof *code);
    json_t *at = json_pack("{s:s}", "labels", t->labels);
    if (code == NULL || at == NULL) {
        stele__free(code);
        json_decref(at);
        return STELE_E_NOMEM;
    }
    codes_of(q, t, label, l->mask, code);
    stele_status status = t->kind == STELE__TASK_KNN ? score_knn(q, t, l, code, at)
                                                     : score_clusters(q, t, l, code, at);
    json_array_append_new(list, at);
    stele__free(code);
    if (status == STELE_E_DATA) {
        json_t *title = title_of(q, l->mask);
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
            if (c == label->n_categories && t->kind == STELE__TASK_KNN) {
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
    codes_of(q, t, label, mask, code);
    int32_t only = class_of_all(q, code);
    *ret = only >= 0;
    if (only >= 0) {
        json_t *title = title_of(q, mask);
        stele__diag_warning(diag, NULL,
                            "%s: all %zu rows judged have `%s` in `%s`: with one class neighbours "
                            "and clusters have no figures",
                            json_string_value(title), n_of(q, code), label->category[only],
                            t->labels);
        json_decref(title);
    }
    stele__free(code);
    return STELE_OK;
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

/* --- heads --- */

static json_t *metrics_json(const stele_metric *metric, uint32_t n)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < n; i++) {
        json_object_set_new(all, metric[i].name, number(metric[i].value));
    }
    return all;
}

static stele_status add_heads(const stele__report_request *q, const latent *l, json_t *at,
                              stele__diag *diag)
{
    const stele__model *m = q->judge->model;
    json_t *all = m->n_heads > 0 ? json_object() : NULL;
    stele_status status = STELE_OK;
    if (all != NULL) {
        json_object_set_new(at, "heads", all);
    }
    for (uint32_t h = 0; h < m->n_heads && status == STELE_OK; h++) {
        stele__head_score score;
        stele__head_request r = {
            .head = h, .row = q->row, .mean = l->mean, .n = q->n, .mask = l->mask
        };
        status = stele__head_score_of(q->judge, &r, &score, diag);
        json_t *one = metrics_json(score.metric, score.n_metrics);
        json_object_set_new(one, "rows", json_integer((json_int_t)score.n));
        json_object_set_new(all, stele__head_short_name(&m->head[h]), one);
    }
    return status;
}

/* --- one posterior --- */

static stele_status latent_init(const stele__report_request *q, uint64_t mask, latent *l,
                                stele__diag *diag)
{
    size_t size = (size_t)q->n * q->judge->model->latent_dim;
    *l = (latent){ .mask = mask };
    l->mean = stele__calloc(size, sizeof *l->mean);
    l->sd = stele__calloc(size, sizeof *l->sd);
    if (l->mean == NULL || l->sd == NULL) {
        return STELE_E_NOMEM;
    }
    return stele__judge_moments(q->judge, q->row, q->n, mask, l->mean, l->sd, diag);
}

static void latent_finish(latent *l)
{
    stele__free(l->mean);
    stele__free(l->sd);
    memset(l, 0, sizeof *l);
}

static stele_status add_posterior(const stele__report_request *q, const latent *l,
                                  const latent *joint, json_t *list, stele__diag *diag)
{
    json_t *at = json_object(), *labels = json_array();
    stele_status status = at != NULL && labels != NULL ? STELE_OK : STELE_E_NOMEM;
    json_array_append_new(list, at);
    json_object_set_new(at, "name", title_of(q, l->mask));
    json_object_set_new(at, "modalities", names_of(q, l->mask));
    add_variance(q, l, joint, at);
    if (status == STELE_OK && q->plan->likelihood) {
        status = add_likelihood(q, l->mask, at, diag);
    }
    json_object_set_new(at, "labels", labels);
    for (size_t i = 0; i < q->plan->n_tasks && status == STELE_OK; i++) {
        status = add_task(q, &q->plan->task[i], l, labels, diag);
    }
    return status == STELE_OK ? add_heads(q, l, at, diag) : status;
}

static stele_status add_posteriors(const stele__report_request *q, json_t *list, stele__diag *diag)
{
    latent joint, one;
    stele_status status = latent_init(q, q->mask, &joint, diag);
    if (status == STELE_OK) {
        status = add_posterior(q, &joint, &joint, list, diag);
    }
    for (uint32_t i = 0; i < q->judge->model->n_modalities && status == STELE_OK; i++) {
        uint64_t mask = UINT64_C(1) << i;
        if ((q->mask & mask) == 0 || q->mask == mask) {
            continue;
        }
        status = latent_init(q, mask, &one, diag);
        if (status == STELE_OK) {
            status = add_posterior(q, &one, &joint, list, diag);
        }
        latent_finish(&one);
    }
    latent_finish(&joint);
    return status;
}

/* --- prediction across modalities --- */

static stele_status add_pair(const stele__report_request *q, uint32_t from, uint32_t to,
                             json_t *list, stele__diag *diag)
{
    static const char *const key[STELE__N_CROSS] = { "model", "marginal", "class_mean" };
    stele__cross cross;
    stele__cross_request c = {
        .from = from, .to = to, .row = q->row, .n = q->n, .train = q->train, .n_train = q->n_train
    };
    if (q->plan->cross_labels != NULL) {
        c.label = stele__dataset_label(q->judge->data, q->plan->cross_labels, STELE_FIELD_CATEGORY);
    }
    stele_status status = stele__cross_compute(q->judge, &c, &cross, diag);
    json_t *at = json_pack("{s:s, s:s, s:I}", "from", name_of(q, from), "to", name_of(q, to),
                           "rows", (json_int_t)cross.n);
    if (status != STELE_OK || at == NULL) {
        json_decref(at);
        return status != STELE_OK ? status : STELE_E_NOMEM;
    }
    for (int i = 0; i < STELE__N_CROSS; i++) {
        if (cross.n_metrics[i] > 0) {
            json_object_set_new(at, key[i], metrics_json(cross.metric[i], cross.n_metrics[i]));
        }
    }
    json_array_append_new(list, at);
    return STELE_OK;
}

static stele_status add_cross(const stele__report_request *q, json_t *list, stele__diag *diag)
{
    stele_status status = STELE_OK;
    uint32_t n = q->judge->model->n_modalities;
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n && status == STELE_OK; to++) {
            if (from != to && (q->mask >> from & 1) != 0 && (q->mask >> to & 1) != 0 &&
                stele__cross_possible(&q->judge->model->modality[to])) {
                status = add_pair(q, from, to, list, diag);
            }
        }
    }
    return status;
}

stele_status stele__report_make(const stele__report_request *q, json_t **ret, stele__diag *diag)
{
    json_t *posteriors = json_array(), *cross = json_array();
    json_t *all = json_pack("{s:I, s:I, s:o, s:o}", "rows", (json_int_t)q->n, "samples",
                            (json_int_t)q->plan->samples, "posteriors", posteriors, "cross", cross);
    if (all == NULL) {
        return STELE_E_NOMEM;
    }
    warn_of_exclusions(q, diag);
    stele_status status = warn_of_one_classes(q, diag);
    if (status == STELE_OK) {
        status = add_posteriors(q, posteriors, diag);
    }
    if (status == STELE_OK && q->plan->cross) {
        status = add_cross(q, cross, diag);
    }
    if (status != STELE_OK) {
        json_decref(all);
        return status;
    }
    *ret = all;
    return STELE_OK;
}
