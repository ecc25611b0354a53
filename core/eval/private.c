#include "eval/private.h"

#include "base/mem.h"
#include "graph/noise.h"
#include "graph/tensor.h"
#include "model/private.h"

#include <math.h>
#include <string.h>

enum { BATCH = 256 };

/* How many of the n rows can be one batch: those before the first that repeats. */
static int64_t distinct(const int64_t *row, int64_t n)
{
    int64_t end = 1;
    for (; end < n && end < BATCH; end++) {
        for (int64_t k = 0; k < end; k++) {
            if (row[k] == row[end]) {
                return end;
            }
        }
    }
    return end;
}

/* Of the rows of a batch that have the modality. */
static void take(const stele__expert_set *e, uint32_t i, int64_t dim, float *ret_mean,
                 float *ret_sd)
{
    const stele_dist *q = &e->own[i];
    for (int64_t r = 0; r < e->batch->n; r++) {
        for (int64_t d = 0; d < dim && (e->batch->present[r] >> i & 1) != 0; d++) {
            int64_t at = r * dim + d;
            ret_mean[at] = (float)stele__tensor_real(q->p[0], at);
            ret_sd[at] = (float)exp(0.5 * stele__tensor_real(q->p[1], at));
        }
    }
}

static stele_status from_measurements(const stele__judge *j, uint32_t modality, const int64_t *row,
                                      int64_t n, float *ret_mean, float *ret_sd, stele__diag *diag)
{
    const uint64_t others = ~(UINT64_C(1) << modality);
    const int64_t dim = j->model->modality[modality].own.dim;
    stele__batch *b = NULL;
    int64_t many = 0;
    stele_status status = stele__batch_create(j->model, j->data, n < BATCH ? n : BATCH, &b);
    for (int64_t at = 0; at < n && status == STELE_OK; at += many) {
        stele__expert_set e;
        many = distinct(row + at, n - at);
        stele__batch_load(b, many, row + at, others);
        stele__judge_begin(j);
        status = stele__encode(j->model, j->graph, b, &e);
        if (status == STELE_OK && b->part[modality].n > 0) {
            take(&e, modality, dim, ret_mean + at * dim, ret_sd + at * dim);
        }
        status = stele__judge_report(j, status, " while encoding", diag);
    }
    stele__batch_destroy(b);
    return status;
}

stele_status stele__private_moments(const stele__judge *j, uint32_t modality, uint64_t mask,
                                    const int64_t *row, int64_t n, float *ret_mean, float *ret_sd,
                                    stele__diag *diag)
{
    const int64_t dim = j->model->modality[modality].own.dim;
    double *log_variance = stele__calloc((size_t)dim, sizeof *log_variance);
    if (log_variance == NULL) {
        return STELE_E_NOMEM;
    }
    stele__private_cross(j->model, modality, log_variance);
    for (int64_t i = 0; i < n * dim; i++) {
        ret_mean[i] = 0.0F;
        ret_sd[i] = (float)exp(0.5 * log_variance[i % dim]);
    }
    stele__free(log_variance);
    return (mask >> modality & 1) != 0
               ? from_measurements(j, modality, row, n, ret_mean, ret_sd, diag)
               : STELE_OK;
}

void stele__private_sample(const stele__judge *j, uint32_t modality, const int64_t *row,
                           const uint32_t *sample, int64_t n, const stele__sampling *s,
                           const float *mean, const float *sd, float *ret)
{
    const stele__private *own = &j->model->modality[modality].own;
    const uint64_t purpose =
        stele__noise_mix(stele__noise_hash("generate/private"), own->at.scope.purpose);
    for (int64_t r = 0; r < n; r++) {
        stele__stream at = { .key = stele__noise_key(s->seed, purpose, 0),
                             .row = row[r],
                             .sample = sample[r] };
        stele__noise_normal(&at, own->dim, ret + r * (int64_t)own->dim);
    }
    for (int64_t i = 0; i < n * (int64_t)own->dim; i++) {
        ret[i] = (float)((double)mean[i] + s->temperature * (double)sd[i] * (double)ret[i]);
    }
}
