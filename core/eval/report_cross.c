/* Prediction of modalities from each other, or from themselves, for a report. */
#include "eval/report_private.h"

#include "eval/cross.h"

#include <stdio.h>

/* Metrics of the model and the baselines, in `at`. */
static stele_status add_scores(const stele__report_request *q, const stele__cross_request *c,
                               json_t *at, int64_t *ret_rows, stele__diag *diag)
{
    static const char *const key[STELE__N_CROSS] = { "model", "marginal", "class_mean" };
    stele__cross cross;
    stele_status status = stele__cross_compute(q->judge, c, &cross, diag);
    for (int i = 0; i < STELE__N_CROSS && status == STELE_OK; i++) {
        const uint32_t n = cross.n_metrics[i];
        if (n > 0) {
            json_object_set_new(at, key[i], stele__report_metrics(cross.metric[i], n));
        }
        if (n > 0 && q->bootstrap != NULL) {
            json_object_set_new(
                stele__report_intervals(q, at), key[i],
                stele__report_metric_intervals(cross.metric[i], cross.interval[i], n));
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
    stele__cross_request c = { .from = from,
                               .to = to,
                               .row = q->row,
                               .n = q->n,
                               .train = q->train,
                               .n_train = q->n_train,
                               .bootstrap = q->bootstrap };
    json_t *at = json_pack("{s:s, s:s, s:I}", "from", stele__report_name(q, from), "to",
                           stele__report_name(q, to), "rows", (json_int_t)0);
    int64_t rows = 0;
    if (at == NULL || json_array_append_new(list, at) != 0) {
        return STELE_E_NOMEM;
    }
    if (q->plan->cross_labels != NULL) {
        c.label = stele__dataset_label(q->judge->data, q->plan->cross_labels, STELE_FIELD_CATEGORY);
    }
    stele_status status = add_scores(q, &c, at, &rows, diag);
    json_object_set_new(at, "rows", json_integer((json_int_t)rows));
    if (status == STELE_OK && rows > 0 && q->judge->model->modality[to].vt->tally == NULL &&
        q->judge->model->modality[to].n_features <= q->plan->cross_features) {
        status = add_features(q, &c, at, diag);
    }
    return status;
}

stele_status stele__report_cross(const stele__report_request *q, json_t *list, stele__diag *diag)
{
    stele_status status = STELE_OK;
    uint32_t n = q->judge->model->n_modalities;
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n && status == STELE_OK; to++) {
            const stele__modality *md = &q->judge->model->modality[to];
            const uint64_t both = UINT64_C(1) << from | UINT64_C(1) << to;
            if ((from != to || md->vt->tally != NULL) && (q->mask & both) == both &&
                stele__cross_possible(md)) {
                status = add_pair(q, from, to, list, diag);
            }
        }
    }
    return status;
}
