/* How well heads do at the means of a posterior, for a report. */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/fresh.h"
#include "eval/heads.h"
#include "model/head.h"

#include <string.h>

static void put(json_t *at, const char *key, double v)
{
    json_object_set_new(at, key, stele__report_number(v));
}

static stele_status fresh_intervals(const stele__report_request *q, json_t *at, const double *hit)
{
    static const char *const key[] = { "fresh_knn", "fresh_logistic" };
    stele_status status = STELE_OK;
    for (size_t i = 0; i < STELE__N_FRESH_ROWS && status == STELE_OK; i++) {
        status = stele__report_means(q, at, &key[i], hit + i * (size_t)q->n, 1);
    }
    return status;
}

/* What is still to be found in z (r->n, latent_dim) of a class that a head was to take out. */
static stele_status add_fresh(const stele__report_request *q, const stele__head_request *r,
                              const float *z, json_t *at)
{
    stele__head_request probed = *r;
    const stele__head *head = &q->judge->model->head[r->head];
    stele__fresh fresh;
    if (!stele__fresh_wanted(head)) {
        return STELE_OK;
    }
    const size_t n = (size_t)r->n;
    probed.mean = z;
    double *hit = stele__calloc(STELE__N_FRESH_ROWS * n + 1, sizeof *hit);
    stele_status status =
        hit != NULL ? stele__fresh_score(q->judge, &probed, &fresh, hit) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        put(at, "fresh_knn", fresh.knn.accuracy);
        put(at, "fresh_knn_error", fresh.knn.standard_error);
        put(at, "fresh_logistic", fresh.logistic.accuracy);
        put(at, "fresh_logistic_error", fresh.logistic.standard_error);
        put(at, "fresh_chance", fresh.chance);
        if (head->covariates.n > 0) {
            put(at, "fresh_covariates", fresh.covariates);
        }
        status = fresh_intervals(q, at, hit);
    }
    stele__free(hit);
    return status;
}

/* The figures of one head, under its name in `all`; with fresh classifiers of z unless that is
 * NULL.
 */
static stele_status add_head(const stele__report_request *q, const stele__head_request *r,
                             const float *z, json_t *all, stele__diag *diag)
{
    stele__head_score score;
    stele_status status = stele__head_score_of(q->judge, r, &score, diag);
    json_t *one = stele__report_metrics(score.metric, score.n_metrics);
    if (q->bootstrap != NULL) {
        json_object_set_new(
            one, "intervals",
            stele__report_metric_intervals(score.metric, score.interval, score.n_metrics));
    }
    status = status == STELE_OK && z != NULL ? add_fresh(q, r, z, one) : status;
    json_object_set_new(one, "rows", json_integer((json_int_t)score.n));
    if (score.n > 0 || z != NULL) {
        json_object_set(all, stele__head_short_name(&q->judge->model->head[r->head]), one);
    }
    json_decref(one);
    return status;
}

/* Rows with the target and any of the modalities that take part. */
static int has_rows(const stele__report_request *q, const stele__batch *b, uint32_t head)
{
    int64_t r = 0;
    while (r < q->n && ((stele__judge_present(q->judge, q->row[r]) & q->mask) == 0 ||
                        !stele__head_has_target(b, head, q->row[r]))) {
        r++;
    }
    return r < q->n;
}

stele_status stele__report_warn_heads(const stele__report_request *q, stele__diag *diag)
{
    const stele__model *m = q->judge->model;
    stele__batch *batch = NULL; /* for targets alone: no rows are loaded */
    stele_status status =
        m->n_heads > 0 ? stele__batch_create(m, q->judge->data, 1, &batch) : STELE_OK;
    for (uint32_t h = 0; h < m->n_heads && status == STELE_OK; h++) {
        if (!has_rows(q, batch, h)) {
            stele__diag_warning(
                diag, NULL, "%s: none of the %lld rows judged has its target: it has no figures",
                m->head[h].name, (long long)q->n);
        }
    }
    stele__batch_destroy(batch);
    return status;
}

/* Of heads at the means that they see; z as in add_head. */
static stele_status add_heads(const stele__report_request *q, uint64_t mask, const float *z,
                              json_t *all, stele__diag *diag)
{
    const size_t size = (size_t)q->n * q->judge->model->latent_dim;
    float *mean = stele__calloc(size + 1, sizeof *mean);
    stele_status status = mean != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK && z != NULL && !stele__params_keeps(q->judge->model->params)) {
        memcpy(mean, z, size * sizeof *mean); /* the same bits */
    } else if (status == STELE_OK) {
        status = stele__judge_means_for_heads(q->judge, q->row, q->n, mask, mean, diag);
    }
    for (uint32_t h = 0; h < q->judge->model->n_heads && status == STELE_OK; h++) {
        stele__head_request r = { .head = h,
                                  .row = q->row,
                                  .mean = mean,
                                  .n = q->n,
                                  .mask = mask,
                                  .bootstrap = q->bootstrap };
        status = add_head(q, &r, z, all, diag);
    }
    stele__free(mean);
    return status;
}

stele_status stele__report_heads(const stele__report_request *q, const stele__latent *l, json_t *at,
                                 stele__diag *diag)
{
    if (q->judge->model->n_heads == 0) {
        return STELE_OK;
    }
    json_t *all = json_object();
    json_object_set_new(at, "heads", all);
    return add_heads(q, l->mask, l->mean, all, diag);
}

stele_status stele__report_predictions(const stele__report_request *q, json_t **ret,
                                       stele__diag *diag)
{
    json_t *all = json_object();
    stele_status status = all != NULL ? add_heads(q, q->mask, NULL, all, diag) : STELE_E_NOMEM;
    if (status != STELE_OK) {
        json_decref(all);
        return status;
    }
    *ret = all;
    return STELE_OK;
}
