#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/bound.h"
#include "eval/cross.h"
#include "eval/fresh.h"
#include "eval/heads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

json_t *stele__report_number(double v)
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

json_t *stele__report_title(const stele__report_request *q, uint64_t mask)
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
    json_t *by_modality = json_object(), *perplexity = json_object();
    stele_status status =
        stele__bound_compute(q->judge, q->row, q->n, mask, (uint32_t)q->plan->samples, &b, diag);
    if (status != STELE_OK) {
        json_decref(by_modality);
        json_decref(perplexity);
        return status;
    }
    for (uint32_t i = 0; i < q->judge->model->n_modalities; i++) {
        json_object_set_new(by_modality, name_of(q, i), stele__report_number(b.log_px[i]));
        if (q->judge->model->modality[i].vt->factors != NULL) {
            json_object_set_new(perplexity, name_of(q, i), stele__report_number(b.perplexity[i]));
        }
    }
    json_object_set_new(at, "elbo", stele__report_number(b.elbo));
    json_object_set_new(at, "elbo_error", stele__report_number(b.elbo_error));
    json_object_set_new(at, "importance_weighted", stele__report_number(b.importance));
    json_object_set_new(at, "importance_weighted_error", stele__report_number(b.importance_error));
    json_object_set_new(at, "divergence", stele__report_number(b.divergence));
    json_object_set_new(at, "log_likelihood", by_modality);
    if (json_object_size(perplexity) > 0) {
        json_object_set(at, "perplexity", perplexity);
    }
    json_decref(perplexity);
    return STELE_OK;
}

/* --- spread of the posteriors --- */

static void add_variance(const stele__report_request *q, const stele__latent *l,
                         const stele__latent *joint, json_t *at)
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
    json_object_set_new(at, "variance", stele__report_number(sum / rows));
    json_object_set_new(
        at, "joint_sharper",
        stele__report_number(l->mask != joint->mask ? sharper / (compared * (double)width) : NAN));
}

/* --- heads --- */

static json_t *metrics_json(const stele_metric *metric, uint32_t n)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < n; i++) {
        json_object_set_new(all, metric[i].name, stele__report_number(metric[i].value));
    }
    return all;
}

static void put(json_t *at, const char *key, double v)
{
    json_object_set_new(at, key, stele__report_number(v));
}

/* What is still to be found in z of a class that a head was to take out. */
static stele_status add_fresh(const stele__report_request *q, const stele__head_request *r,
                              json_t *at)
{
    const stele__head *head = &q->judge->model->head[r->head];
    stele__fresh fresh;
    if (!stele__fresh_wanted(head)) {
        return STELE_OK;
    }
    stele_status status = stele__fresh_score(q->judge, r, &fresh);
    if (status == STELE_OK) {
        put(at, "fresh_knn", fresh.knn.accuracy);
        put(at, "fresh_knn_error", fresh.knn.standard_error);
        put(at, "fresh_logistic", fresh.logistic.accuracy);
        put(at, "fresh_logistic_error", fresh.logistic.standard_error);
        put(at, "fresh_chance", fresh.chance);
        if (head->covariates.n > 0) {
            put(at, "fresh_covariates", fresh.covariates);
        }
    }
    return status;
}

static stele_status add_heads(const stele__report_request *q, const stele__latent *l, json_t *at,
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
        status = status == STELE_OK ? add_fresh(q, &r, one) : status;
        json_object_set_new(one, "rows", json_integer((json_int_t)score.n));
        json_object_set_new(all, stele__head_short_name(&m->head[h]), one);
    }
    return status;
}

/* --- one posterior --- */

static stele_status latent_init(const stele__report_request *q, uint64_t mask, stele__latent *l,
                                stele__diag *diag)
{
    size_t size = (size_t)q->n * q->judge->model->latent_dim;
    *l = (stele__latent){ .mask = mask };
    l->mean = stele__calloc(size, sizeof *l->mean);
    l->sd = stele__calloc(size, sizeof *l->sd);
    if (l->mean == NULL || l->sd == NULL) {
        return STELE_E_NOMEM;
    }
    return stele__judge_moments(q->judge, q->row, q->n, mask, l->mean, l->sd, diag);
}

static void latent_finish(stele__latent *l)
{
    stele__free(l->mean);
    stele__free(l->sd);
    memset(l, 0, sizeof *l);
}

static stele_status add_posterior(const stele__report_request *q, const stele__latent *l,
                                  const stele__latent *joint, json_t *list, stele__diag *diag)
{
    json_t *at = json_object(), *labels = json_array();
    stele_status status = at != NULL && labels != NULL ? STELE_OK : STELE_E_NOMEM;
    json_array_append_new(list, at);
    json_object_set_new(at, "name", stele__report_title(q, l->mask));
    json_object_set_new(at, "modalities", names_of(q, l->mask));
    add_variance(q, l, joint, at);
    if (status == STELE_OK && q->plan->likelihood) {
        status = add_likelihood(q, l->mask, at, diag);
    }
    json_object_set_new(at, "labels", labels);
    for (size_t i = 0; i < q->plan->n_tasks && status == STELE_OK; i++) {
        status = stele__report_label(q, &q->plan->task[i], l, labels, diag);
    }
    return status == STELE_OK ? add_heads(q, l, at, diag) : status;
}

static stele_status add_posteriors(const stele__report_request *q, json_t *list, stele__diag *diag)
{
    stele__latent joint, one;
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

/* Metrics of the model and the baselines, in `at`. */
static stele_status add_scores(const stele__report_request *q, const stele__cross_request *c,
                               json_t *at, int64_t *ret_rows, stele__diag *diag)
{
    static const char *const key[STELE__N_CROSS] = { "model", "marginal", "class_mean" };
    stele__cross cross;
    stele_status status = stele__cross_compute(q->judge, c, &cross, diag);
    for (int i = 0; i < STELE__N_CROSS && status == STELE_OK; i++) {
        if (cross.n_metrics[i] > 0) {
            json_object_set_new(at, key[i], metrics_json(cross.metric[i], cross.n_metrics[i]));
        }
    }
    *ret_rows = status == STELE_OK ? cross.n : 0;
    return status;
}

/* Each feature alone, by its name or number. */
static stele_status add_features(const stele__report_request *q, const stele__cross_request *pair,
                                 json_t *at, stele__diag *diag)
{
    const stele__modality *md = &q->judge->model->modality[pair->to];
    const stele__dataset *data = q->judge->data;
    char *const *names = data->matrix[stele__dataset_matrix(data, md->name)].feature_name;
    json_t *all = json_object();
    stele_status status = STELE_OK;
    json_object_set_new(at, "features", all);
    for (int64_t f = 0; f < md->n_features && status == STELE_OK; f++) {
        stele__cross_request one = *pair;
        char number[24];
        int64_t rows;
        json_t *scores = json_object();
        one.first = f;
        one.n_features = 1;
        snprintf(number, sizeof number, "%lld", (long long)f);
        json_object_set_new(all, names != NULL ? names[f] : number, scores);
        status = add_scores(q, &one, scores, &rows, diag);
    }
    return status;
}

static stele_status add_pair(const stele__report_request *q, uint32_t from, uint32_t to,
                             json_t *list, stele__diag *diag)
{
    stele__cross_request c = {
        .from = from, .to = to, .row = q->row, .n = q->n, .train = q->train, .n_train = q->n_train
    };
    json_t *at = json_pack("{s:s, s:s, s:I}", "from", name_of(q, from), "to", name_of(q, to),
                           "rows", (json_int_t)0);
    int64_t rows = 0;
    if (at == NULL || json_array_append_new(list, at) != 0) {
        return STELE_E_NOMEM;
    }
    if (q->plan->cross_labels != NULL) {
        c.label = stele__dataset_label(q->judge->data, q->plan->cross_labels, STELE_FIELD_CATEGORY);
    }
    stele_status status = add_scores(q, &c, at, &rows, diag);
    json_object_set_new(at, "rows", json_integer((json_int_t)rows));
    if (status == STELE_OK && rows > 0 &&
        q->judge->model->modality[to].n_features <= q->plan->cross_features) {
        status = add_features(q, &c, at, diag);
    }
    return status;
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
    stele_status status = stele__report_warn_labels(q, diag);
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
