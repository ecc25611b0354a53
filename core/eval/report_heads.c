/* How well heads do at the means of a posterior, for a report. */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/fresh.h"
#include "eval/heads.h"

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

/* What is still to be found in z of a class that a head was to take out. */
static stele_status add_fresh(const stele__report_request *q, const stele__head_request *r,
                              json_t *at)
{
    const stele__head *head = &q->judge->model->head[r->head];
    stele__fresh fresh;
    if (!stele__fresh_wanted(head)) {
        return STELE_OK;
    }
    const size_t n = (size_t)r->n;
    double *hit = stele__calloc(STELE__N_FRESH_ROWS * n + 1, sizeof *hit);
    stele_status status =
        hit != NULL ? stele__fresh_score(q->judge, r, &fresh, hit) : STELE_E_NOMEM;
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

stele_status stele__report_heads(const stele__report_request *q, const stele__latent *l, json_t *at,
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
        stele__head_request r = { .head = h,
                                  .row = q->row,
                                  .mean = l->mean,
                                  .n = q->n,
                                  .mask = l->mask,
                                  .bootstrap = q->bootstrap };
        status = stele__head_score_of(q->judge, &r, &score, diag);
        json_t *one = stele__report_metrics(score.metric, score.n_metrics);
        if (q->bootstrap != NULL) {
            json_object_set_new(
                one, "intervals",
                stele__report_metric_intervals(score.metric, score.interval, score.n_metrics));
        }
        status = status == STELE_OK ? add_fresh(q, &r, one) : status;
        json_object_set_new(one, "rows", json_integer((json_int_t)score.n));
        json_object_set_new(all, stele__head_short_name(&m->head[h]), one);
    }
    return status;
}
