#include "eval/silhouette.h"

#include "base/mem.h"
#include "eval/distance.h"
#include "eval/knn.h"

#include <math.h>

enum { ROWS = 16 }; /* of a task */

typedef struct job {
    const float *x;
    const int32_t *label;
    size_t n_columns, n, n_classes;
    size_t *row;  /* (n) points that count */
    double *size; /* (n_classes) */
    double *sum;  /* (threads, n_classes) of distances to the points of each class */
    double *ret;
} job;

static double silhouette_of(const job *q, size_t i, double *sum)
{
    const int32_t own = q->label[q->row[i]];
    const float *x = q->x + q->row[i] * q->n_columns;
    double nearest = HUGE_VAL;
    for (size_t c = 0; c < q->n_classes; c++) {
        sum[c] = 0.0;
    }
    for (size_t k = 0; k < q->n; k++) {
        sum[q->label[q->row[k]]] +=
            sqrt(stele__squared_distance(x, q->x + q->row[k] * q->n_columns, q->n_columns));
    }
    for (size_t c = 0; c < q->n_classes; c++) {
        if (c != (size_t)own && q->size[c] > 0.0) {
            nearest = fmin(nearest, sum[c] / q->size[c]);
        }
    }
    if (q->size[own] < 2.0) {
        return 0.0;
    }
    const double within = sum[own] / (q->size[own] - 1.0), most = fmax(within, nearest);
    return most > 0.0 ? (nearest - within) / most : 0.0;
}

static void run(void *ctx, size_t task, unsigned thread)
{
    const job *q = ctx;
    for (size_t i = task * ROWS; i < (task + 1) * ROWS && i < q->n; i++) {
        q->ret[q->row[i]] = silhouette_of(q, i, q->sum + thread * q->n_classes);
    }
}

stele_status stele__silhouette(const float *x, const int32_t *label, size_t n, size_t n_columns,
                               stele__pool *pool, double *ret)
{
    job q = { .x = x, .label = label, .n_columns = n_columns, .ret = ret };
    size_t n_found = 0;
    q.row = stele__malloc((n + 1) * sizeof *q.row);
    if (q.row == NULL) {
        return STELE_E_NOMEM;
    }
    q.n = stele__usable_rows(x, label, n, n_columns, q.row);
    for (size_t i = 0; i < q.n; i++) {
        const size_t code = (size_t)label[q.row[i]];
        q.n_classes = code >= q.n_classes ? code + 1 : q.n_classes;
    }
    q.size = stele__calloc(q.n_classes + 1, sizeof *q.size);
    q.sum = stele__calloc(stele__pool_threads(pool), q.n_classes * sizeof *q.sum + 1);
    const int ok = q.size != NULL && q.sum != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ret[i] = NAN;
    }
    for (size_t i = 0; ok && i < q.n; i++) {
        n_found += q.size[label[q.row[i]]]++ == 0.0;
    }
    if (ok && n_found > 1) {
        stele__pool_run(pool, (q.n + ROWS - 1) / ROWS, run, &q);
    }
    stele__free(q.row);
    stele__free(q.size);
    stele__free(q.sum);
    return ok ? STELE_OK : STELE_E_NOMEM;
}

/* Are all n points, of several batches, each in one of its own? */
static int all_alone(const int32_t *batch, size_t n, size_t n_batches, uint8_t *seen)
{
    for (size_t b = 0; b < n_batches; b++) {
        seen[b] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (batch[i] >= 0 && seen[batch[i]]++ != 0) {
            return 0;
        }
    }
    return 1;
}

stele_status stele__silhouette_batch(const float *x, const int32_t *label, const int32_t *batch,
                                     size_t n, size_t n_columns, stele__pool *pool, double *ret)
{
    int32_t last = -1, last_batch = -1;
    int32_t *within = stele__malloc((n + 1) * sizeof *within);
    double *s = stele__malloc((n + 1) * sizeof *s);
    for (size_t i = 0; i < n; i++) {
        last = label[i] > last ? label[i] : last;
        last_batch = batch[i] > last_batch ? batch[i] : last_batch;
        ret[i] = NAN;
    }
    uint8_t *seen = stele__malloc((size_t)(last_batch + 2));
    stele_status status = within != NULL && s != NULL && seen != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int32_t c = 0; c <= last && status == STELE_OK; c++) {
        for (size_t i = 0; i < n; i++) {
            within[i] = label[i] == c ? batch[i] : -1;
        }
        if (all_alone(within, n, (size_t)(last_batch + 1), seen)) {
            continue;
        }
        status = stele__silhouette(x, within, n, n_columns, pool, s);
        for (size_t i = 0; i < n && status == STELE_OK; i++) {
            ret[i] = isnan(s[i]) ? ret[i] : 1.0 - fabs(s[i]);
        }
    }
    stele__free(within);
    stele__free(s);
    stele__free(seen);
    return status;
}
