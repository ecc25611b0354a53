#include "eval/fresh.h"

#include "base/mem.h"
#include "eval/logistic.h"
#include "model/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEIGHBOURS = 15, FOLDS = 5 };

int stele__fresh_wanted(const stele__head *head)
{
    return head->traits.gradient_scale < 0.0 && head->target.content == STELE_FIELD_CATEGORY;
}

/* Codes of the rows judged, -1 where the row does not count; how many classes there are. */
static int64_t codes_of(const stele__judge *j, const stele__head_request *q,
                        const stele__batch *batch, int32_t *ret, int64_t *ret_n)
{
    const stele__label *l = batch->target[q->head].column[0];
    int32_t first = -1;
    int64_t several = 0;
    *ret_n = 0;
    for (int64_t r = 0; r < q->n; r++) {
        int counts = (stele__judge_present(j, q->row[r]) & q->mask) != 0 &&
                     stele__head_has_target(batch, q->head, q->row[r]);
        ret[r] = counts ? l->code[q->row[r]] : -1;
        first = first < 0 ? ret[r] : first;
        several = several || (counts && ret[r] != first);
        *ret_n += counts;
    }
    return *ret_n > 0 ? 1 + several : 0;
}

/* --- what is known without z --- */

typedef struct counted {
    uint64_t stratum;
    int32_t code;
} counted;

static int in_order(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    if (x->stratum != y->stratum) {
        return x->stratum < y->stratum ? -1 : 1;
    }
    return (x->code > y->code) - (x->code < y->code);
}

/* The row's category covariates as one number. */
static uint64_t stratum_of(const stele__batch *b, const stele__covariate_set *set, int64_t row)
{
    uint64_t stratum = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        const stele__label *l = b->label[set->index[i]];
        if (l != NULL && l->code != NULL) {
            stratum = stratum * ((uint64_t)l->n_categories + 1) + (uint64_t)(l->code[row] + 1);
        }
    }
    return stratum;
}

/* Share of rows that the most frequent class of their stratum names. */
static double share_named(counted *list, int64_t n)
{
    int64_t named = 0;
    qsort(list, (size_t)n, sizeof *list, in_order);
    for (int64_t i = 0; i < n;) {
        uint64_t stratum = list[i].stratum;
        int64_t most = 0;
        while (i < n && list[i].stratum == stratum) {
            int64_t begin = i;
            while (i < n && in_order(&list[i], &list[begin]) == 0) {
                i++;
            }
            most = i - begin > most ? i - begin : most;
        }
        named += most;
    }
    return (double)named / (double)n;
}

static stele_status without_z(const stele__head_request *q, const stele__batch *b,
                              const stele__covariate_set *set, const int32_t *code,
                              stele__fresh *ret)
{
    counted *list = stele__calloc((size_t)q->n, sizeof *list);
    int64_t n = 0;
    uint32_t n_categories = 0;
    if (list == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t i = 0; i < set->n; i++) {
        const stele__label *l = b->label[set->index[i]];
        n_categories += l != NULL && l->code != NULL;
    }
    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (int64_t r = 0; r < q->n; r++) {
            if (code[r] >= 0) {
                list[n++] = (counted){ pass == 0 ? 0 : stratum_of(b, set, q->row[r]), code[r] };
            }
        }
        double share = share_named(list, n);
        *(pass == 0 ? &ret->chance : &ret->covariates) = share;
    }
    ret->covariates = n_categories > 0 ? ret->covariates : (double)NAN;
    stele__free(list);
    return STELE_OK;
}

/* Too few rows leave no figure. */
static stele_status forgive(stele_status status, stele__knn_result *result)
{
    if (status == STELE_E_DATA) {
        result->accuracy = result->standard_error = NAN;
        return STELE_OK;
    }
    return status;
}

static stele_status classify(const stele__judge *j, const stele__head_request *q,
                             const int32_t *code, stele__fresh *ret, double *hit)
{
    size_t width = j->model->latent_dim, n = (size_t)q->n;
    double *logistic_hit = hit != NULL ? hit + (size_t)STELE__ROW_FRESH_LOGISTIC * n : NULL;
    int32_t *fold = stele__calloc(n, sizeof *fold);
    stele_status status =
        fold != NULL ? stele__judge_folds(j, q->row, q->n, code, FOLDS, fold) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__knn_accuracy(q->mean, code, fold, n, width, NEIGHBOURS, FOLDS, &ret->knn,
                                     hit, NULL);
        status = forgive(status, &ret->knn);
    }
    if (status == STELE_OK) {
        status = stele__logistic_accuracy(q->mean, code, fold, n, width, FOLDS, &ret->logistic,
                                          logistic_hit, NULL);
        status = forgive(status, &ret->logistic);
    }
    stele__free(fold);
    return status;
}

stele_status stele__fresh_score(const stele__judge *j, const stele__head_request *q,
                                stele__fresh *ret, double *ret_hit)
{
    const stele__knn_result none = { .accuracy = NAN, .standard_error = NAN };
    stele__batch *batch = NULL;
    int32_t *code = stele__calloc((size_t)q->n, sizeof *code);
    stele_status status = stele__batch_create(j->model, j->data, 1, &batch);
    *ret = (stele__fresh){ .knn = none, .logistic = none, .chance = NAN, .covariates = NAN };
    for (int64_t i = 0; ret_hit != NULL && i < STELE__N_FRESH_ROWS * q->n; i++) {
        ret_hit[i] = NAN;
    }
    if (code == NULL) {
        status = STELE_E_NOMEM;
    }
    int64_t classes = status == STELE_OK ? codes_of(j, q, batch, code, &ret->n) : 0;
    if (status == STELE_OK && classes > 0) {
        status = without_z(q, batch, &j->model->head[q->head].covariates, code, ret);
    }
    if (status == STELE_OK && classes > 1) {
        status = classify(j, q, code, ret, ret_hit);
    }
    stele__batch_destroy(batch);
    stele__free(code);
    return status;
}
