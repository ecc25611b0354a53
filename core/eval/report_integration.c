/* Whether classes lie apart in a latent and batches do not, for a report. */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/knn.h"
#include "eval/lisi.h"
#include "eval/logistic.h"
#include "eval/silhouette.h"

#include <math.h>
#include <string.h>

static void put(json_t *at, const char *key, double v)
{
    json_object_set_new(at, key, stele__report_number(v));
}

static size_t n_of(const int32_t *code, int64_t n)
{
    size_t known = 0;
    for (int64_t r = 0; r < n; r++) {
        known += code[r] >= 0;
    }
    return known;
}

/* Codes of another column of the rows that `code` counts. */
static void other_codes(const stele__report_request *q, const char *name, const int32_t *code,
                        int32_t *ret)
{
    const stele__label *label = stele__dataset_label(q->judge->data, name, STELE_FIELD_CATEGORY);
    for (int64_t r = 0; r < q->n; r++) {
        ret[r] = code[r] >= 0 ? label->code[q->row[r]] : -1;
    }
}

/* Different codes among the rows, and the share of the most frequent one. */
static size_t count_classes(const int32_t *code, int64_t n, double *ret_most, stele_status *status)
{
    int32_t last = -1;
    size_t found = 0;
    double most = 0.0;
    for (int64_t r = 0; r < n; r++) {
        last = code[r] > last ? code[r] : last;
    }
    double *rows = stele__calloc((size_t)(last + 1) + 1, sizeof *rows);
    *status = rows != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t r = 0; rows != NULL && r < n; r++) {
        if (code[r] >= 0) {
            found += rows[code[r]]++ == 0.0;
            most = fmax(most, rows[code[r]]);
        }
    }
    stele__free(rows);
    *ret_most = most / (double)n_of(code, n);
    return found;
}

/* --- silhouettes --- */

/* The mean over classes of the mean over their rows; room: two numbers a class and thread. */
typedef struct by_class {
    const double *value;
    const int32_t *code;
    int64_t n;
    size_t n_classes;
    double *room;
} by_class;

static void class_means(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    const by_class *c = ctx;
    double *sum = c->room + 2 * thread * c->n_classes, *n = sum + c->n_classes;
    double total = 0.0, classes = 0.0;
    memset(sum, 0, 2 * c->n_classes * sizeof *sum);
    for (int64_t r = 0; r < c->n; r++) {
        const double times = count != NULL ? (double)count[r] : 1.0;
        if (!isnan(c->value[r])) {
            sum[c->code[r]] += times * c->value[r];
            n[c->code[r]] += times;
        }
    }
    for (size_t k = 0; k < c->n_classes; k++) {
        total += n[k] > 0.0 ? sum[k] / n[k] : 0.0;
        classes += n[k] > 0.0;
    }
    ret[0] = classes > 0.0 ? total / classes : (double)NAN;
}

static stele_status add_batches(const stele__report_request *q, const stele__label_task *t,
                                const stele__latent *l, const int32_t *code, double *value,
                                json_t *at)
{
    stele__pool *pool = stele__graph_pool(q->judge->graph);
    const stele__label *label =
        stele__dataset_label(q->judge->data, t->labels, STELE_FIELD_CATEGORY);
    by_class c = { value, code, q->n, (size_t)label->n_categories, NULL };
    stele__interval interval;
    double mean = NAN;
    int32_t *batch = stele__calloc((size_t)q->n, sizeof *batch);
    c.room = stele__calloc(stele__pool_threads(pool), 2 * c.n_classes * sizeof *c.room + 1);
    stele_status status = batch != NULL && c.room != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        other_codes(q, t->other, code, batch);
        status = stele__silhouette_batch(l->mean, code, batch, (size_t)q->n,
                                         q->judge->model->latent_dim, pool, value);
    }
    if (status == STELE_OK) {
        class_means(&c, NULL, 0, &mean);
        put(at, "silhouette_batch", mean);
    }
    if (status == STELE_OK && q->bootstrap != NULL) {
        status = stele__bootstrap_run(q->bootstrap, 0, 0, 1, class_means, &c, &interval);
        json_object_set_new(stele__report_intervals(q, at), "silhouette_batch",
                            stele__report_interval(&interval));
    }
    stele__free(batch);
    stele__free(c.room);
    return status;
}

stele_status stele__report_silhouette(const stele__report_request *q, const stele__label_task *t,
                                      const stele__latent *l, const int32_t *code, json_t *at)
{
    static const char *const key[] = { "silhouette", "silhouette_scaled" };
    double *value = stele__calloc((size_t)q->n, 2 * sizeof *value), *s = NULL;
    double sum[2] = { 0.0, 0.0 }, n = 0.0;
    s = stele__calloc((size_t)q->n, sizeof *s);
    stele_status status =
        value != NULL && s != NULL
            ? stele__silhouette(l->mean, code, (size_t)q->n, q->judge->model->latent_dim,
                                stele__graph_pool(q->judge->graph), s)
            : STELE_E_NOMEM;
    for (int64_t r = 0; r < q->n && status == STELE_OK; r++) {
        value[2 * r] = s[r];
        value[2 * r + 1] = 0.5 * (s[r] + 1.0);
        for (int k = 0; k < 2 && !isnan(s[r]); k++) {
            sum[k] += value[2 * r + k];
        }
        n += !isnan(s[r]);
    }
    json_object_set_new(at, "rows", json_integer((json_int_t)n_of(code, q->n)));
    put(at, key[0], sum[0] / n);
    put(at, key[1], sum[1] / n);
    status = status == STELE_OK ? stele__report_means(q, at, key, value, 2) : status;
    if (status == STELE_OK && t->other != NULL) {
        status = add_batches(q, t, l, code, s, at);
    }
    stele__free(value);
    stele__free(s);
    return status;
}

/* --- integration --- */

/* Of each row with a code, NaN for the others. Too few rows for k neighbours: E_DATA. */
static stele_status lisi_of(const stele__report_request *q, const stele__latent *l,
                            const int32_t *code, size_t k, double *ret)
{
    const size_t width = q->judge->model->latent_dim, n = n_of(code, q->n), near = k - 1;
    float *x = stele__calloc(n * width + 1, sizeof *x);
    int32_t *known = stele__calloc(n + 1, sizeof *known);
    int32_t *index = stele__calloc(n + 1, near * sizeof *index);
    double *distance = stele__calloc(n + 1, near * sizeof *distance);
    double *lisi = stele__calloc(n + 1, sizeof *lisi);
    int64_t *place = stele__calloc(n + 1, sizeof *place);
    size_t at = 0, n_codes = 0;
    stele_status status = x != NULL && known != NULL && index != NULL && distance != NULL &&
                                  lisi != NULL && place != NULL
                              ? STELE_OK
                              : STELE_E_NOMEM;
    for (int64_t r = 0; r < q->n && status == STELE_OK; r++) {
        ret[r] = NAN;
        if (code[r] >= 0) {
            memcpy(x + at * width, l->mean + (size_t)r * width, width * sizeof *x);
            n_codes = (size_t)code[r] >= n_codes ? (size_t)code[r] + 1 : n_codes;
            known[at] = code[r];
            place[at++] = r;
        }
    }
    if (status == STELE_OK && n < k) {
        status = STELE_E_DATA;
    }
    if (status == STELE_OK) {
        status = stele__knn_search(x, n, x, n, width, near, 1, index, distance, NULL);
    }
    if (status == STELE_OK) {
        status = stele__lisi(index, distance, n, near, floor((double)k / 3.0), known, n_codes,
                             stele__graph_pool(q->judge->graph), lisi);
    }
    for (size_t i = 0; i < n && status == STELE_OK; i++) {
        ret[place[i]] = lisi[i];
    }
    stele__free(x);
    stele__free(known);
    stele__free(index);
    stele__free(distance);
    stele__free(lisi);
    stele__free(place);
    return status;
}

/* Median m of `value` scaled to 0 .. 1 by a + b m, under `scaled`, and as it is under `plain`. */
static stele_status put_median(const stele__report_request *q, const double *value, double a,
                               double b, const char *scaled, const char *plain, json_t *at)
{
    stele__interval i;
    double m;
    stele_status status = stele__report_median(value, q->n, &m);
    put(at, scaled, a + b * m);
    put(at, plain, m);
    if (status == STELE_OK && q->bootstrap != NULL) {
        json_t *all = stele__report_intervals(q, at);
        status = stele__bootstrap_median(q->bootstrap, value, &i);
        stele__interval s = { a + b * (b > 0.0 ? i.low : i.high),
                              a + b * (b > 0.0 ? i.high : i.low) };
        json_object_set_new(all, scaled, stele__report_interval(&s));
        json_object_set_new(all, plain, stele__report_interval(&i));
    }
    return status;
}

/* iLISI is 1 where all classes are mixed, cLISI where each is by itself. */
static stele_status add_lisi(const stele__report_request *q, const stele__label_task *t,
                             const stele__latent *l, const int32_t *code, int mixed, json_t *at)
{
    double most;
    double *value = stele__calloc((size_t)q->n, sizeof *value);
    stele_status status = STELE_OK;
    const double classes = (double)count_classes(code, q->n, &most, &status);
    const double scale = mixed ? 1.0 / (classes - 1.0) : -1.0 / (classes - 1.0);
    const double start = mixed ? -scale : -classes * scale;
    if (value == NULL || status != STELE_OK) {
        stele__free(value);
        return STELE_E_NOMEM;
    }
    status = classes > 1.0 ? lisi_of(q, l, code, (size_t)t->k, value) : STELE_OK;
    if (status == STELE_OK && classes > 1.0) {
        status = put_median(q, value, start, scale, mixed ? "ilisi" : "clisi",
                            mixed ? "ilisi_median" : "clisi_median", at);
    } else {
        put(at, mixed ? "ilisi" : "clisi", NAN);
        put(at, mixed ? "ilisi_median" : "clisi_median", NAN);
    }
    stele__free(value);
    return status;
}

/* What classifiers trained anew find of the batch. */
static stele_status add_classifiers(const stele__report_request *q, const stele__latent *l,
                                    const int32_t *code, json_t *at)
{
    static const char *const key[] = { "knn", "logistic" }, *const error[] = { "knn_error",
                                                                               "logistic_error" };
    const size_t n = (size_t)q->n, width = q->judge->model->latent_dim;
    double *hit = stele__calloc(n, sizeof *hit), most = NAN;
    int32_t *fold = stele__calloc(n, sizeof *fold);
    stele_status status = STELE_OK;
    const size_t classes = count_classes(code, q->n, &most, &status);
    status = hit != NULL && fold != NULL ? status : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__judge_folds(q->judge, q->row, q->n, code, STELE__REPORT_FOLDS, fold);
    }
    for (int k = 0; k < 2 && status == STELE_OK; k++) {
        stele__knn_result r = { .accuracy = NAN, .standard_error = NAN };
        if (classes > 1) {
            status = k == 0 ? stele__knn_accuracy(l->mean, code, fold, n, width,
                                                  STELE__REPORT_NEIGHBOURS, STELE__REPORT_FOLDS, &r,
                                                  hit, NULL)
                            : stele__logistic_accuracy(l->mean, code, fold, n, width,
                                                       STELE__REPORT_FOLDS, &r, hit, NULL);
        }
        put(at, key[k], r.accuracy);
        put(at, error[k], r.standard_error);
        if (status == STELE_OK && classes > 1) {
            status = stele__report_means(q, at, &key[k], hit, 1);
        }
    }
    put(at, "chance", most);
    stele__free(hit);
    stele__free(fold);
    return status;
}

stele_status stele__report_integration(const stele__report_request *q, const stele__label_task *t,
                                       const stele__latent *l, const int32_t *code, json_t *at)
{
    json_object_set_new(at, "rows", json_integer((json_int_t)n_of(code, q->n)));
    stele_status status = add_lisi(q, t, l, code, 1, at), classified = status;
    if ((status == STELE_OK || status == STELE_E_DATA) && t->other != NULL) {
        int32_t *other = stele__calloc((size_t)q->n, sizeof *other);
        stele_status again = STELE_E_NOMEM;
        if (other != NULL) {
            other_codes(q, t->other, code, other);
            again = add_lisi(q, t, l, other, 0, at);
        }
        status = again != STELE_OK ? again : status;
        stele__free(other);
    }
    if (status == STELE_OK || status == STELE_E_DATA) {
        /* Fewer rows than k may be enough for the classifiers. */
        classified = add_classifiers(q, l, code, at);
    }
    return classified != STELE_OK ? classified : status;
}
