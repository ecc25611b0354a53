#include "eval/judge.h"

#include "base/mem.h"
#include "eval/knn.h"
#include "graph/noise.h"

#include <stdio.h>
#include <string.h>

/* Training counts steps from 0 and validation has the last address: evaluation takes the one before
 * it. */
#define STEP (UINT64_MAX - 1)

enum { BATCH = 256 };

void stele__judge_begin(const stele__judge *j)
{
    stele__pass pass = { .seed = j->seed, .step = STEP };
    stele__graph_begin(j->graph, &pass);
}

stele_status stele__judge_report(const stele__judge *j, stele_status status, const char *when,
                                 stele__diag *diag)
{
    status = stele__graph_outcome(j->graph, status);
    return status == STELE_OK ? STELE_OK : stele__graph_report(j->model, j->graph, when, diag);
}

uint64_t stele__judge_all(const stele__judge *j)
{
    return stele__model_all(j->model);
}

uint64_t stele__judge_present(const stele__judge *j, int64_t row)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < j->model->n_modalities; i++) {
        int64_t m = stele__dataset_matrix(j->data, j->model->modality[i].name);
        if (m >= 0 && j->data->present[(size_t)row * j->data->n_matrices + (size_t)m]) {
            bits |= UINT64_C(1) << i;
        }
    }
    return bits;
}

/* ret_sd NULL: the means for heads. */
static stele_status moments(const stele__judge *j, const int64_t *row, int64_t n, uint64_t mask,
                            float *ret_mean, float *ret_sd, stele__diag *diag)
{
    stele__batch *b = NULL;
    int64_t width = j->model->latent_dim;
    stele_status status = stele__batch_create(j->model, j->data, n < BATCH ? n : BATCH, &b);
    for (int64_t at = 0; at < n && status == STELE_OK; at += BATCH) {
        /* What is not in the mask need not be encoded. */
        stele__batch_load(b, n - at < BATCH ? n - at : BATCH, row + at, ~mask);
        stele__judge_begin(j);
        status = ret_sd == NULL
                     ? stele__means_for_heads(j->model, j->graph, b, mask, ret_mean + at * width)
                     : stele__posterior_moments(j->model, j->graph, b, mask, ret_mean + at * width,
                                                ret_sd + at * width);
        status = stele__judge_report(j, status, " while encoding", diag);
    }
    stele__batch_destroy(b);
    return status;
}

stele_status stele__judge_moments(const stele__judge *j, const int64_t *row, int64_t n,
                                  uint64_t mask, float *ret_mean, float *ret_sd, stele__diag *diag)
{
    return moments(j, row, n, mask, ret_mean, ret_sd, diag);
}

stele_status stele__judge_means_for_heads(const stele__judge *j, const int64_t *row, int64_t n,
                                          uint64_t mask, float *ret_mean, stele__diag *diag)
{
    return moments(j, row, n, mask, ret_mean, NULL, diag);
}

stele_status stele__judge_folds(const stele__judge *j, const int64_t *row, int64_t n,
                                const int32_t *code, int64_t n_folds, int32_t *ret)
{
    uint64_t seed = stele__noise_hash("folds");
    uint64_t *key = stele__calloc((size_t)n, sizeof *key);
    if (key == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < n; r++) {
        key[r] = stele__noise_mix(seed, stele__noise_hash(stele__dataset_row_id(j->data, row[r])));
    }
    stele_status status = stele__folds_stratified(code, key, (size_t)n, (int32_t)n_folds, ret);
    stele__free(key);
    return status;
}
