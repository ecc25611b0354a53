#include "eval/predict.h"

#include "base/mem.h"
#include "eval/private.h"
#include "graph/op.h"
#include "model/decode.h"

#include <string.h>

enum { BATCH = 256 };

stele_status stele__predictor_init(stele__predictor *p, const stele__judge *j, uint32_t modality,
                                   int64_t capacity)
{
    memset(p, 0, sizeof *p);
    p->j = j;
    p->modality = modality;
    p->position = stele__calloc((size_t)capacity, sizeof *p->position);
    p->zeros = stele__calloc((size_t)capacity, sizeof *p->zeros);
    p->sample = stele__calloc((size_t)capacity, sizeof *p->sample);
    if (p->position == NULL || p->zeros == NULL || p->sample == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < capacity; r++) {
        p->position[r] = r;
    }
    return stele__batch_create(j->model, j->data, capacity, &p->batch);
}

void stele__predictor_finish(stele__predictor *p)
{
    stele__free(p->position);
    stele__free(p->zeros);
    stele__free(p->sample);
    stele__batch_destroy(p->batch);
    memset(p, 0, sizeof *p);
}

void stele__predictor_load(stele__predictor *p, int64_t n, const int64_t *row)
{
    stele__batch_load(p->batch, n, row, UINT64_MAX);
}

/* The block's features of what a likelihood that is not elementwise says, for `what` of each draw.
 */
static stele_status copy_block(const stele__predictor *p, const stele__draws *draws,
                               const stele__decode_rows *rows, int64_t first, int64_t width,
                               stele_draw *d, uint32_t n_draws)
{
    const stele__judge *j = p->j;
    const int64_t features = j->model->modality[p->modality].n_features;
    const stele__expert_set e = { .batch = p->batch };
    stele_status status = STELE_OK;
    for (uint32_t i = 0; i < n_draws && status == STELE_OK; i++) {
        stele_tensor *x = NULL;
        status = stele__decode_generate(j->model, j->graph, &e, p->modality, draws, 1, rows,
                                        d[i].what, &x);
        for (int64_t r = 0; status == STELE_OK && r < rows->n; r++) {
            memcpy((float *)d[i].out + r * width, (const float *)x->data + r * features + first,
                   (size_t)width * sizeof(float));
        }
    }
    return status;
}

/* The hidden layers are computed anew for every block: they cost little beside the output layer,
 * and what a pass has used is free again. */
stele_status stele__predictor_block(const stele__predictor *p, const float *z, const float *w,
                                    int64_t first, int64_t width, stele_draw *d, uint32_t n_draws,
                                    stele__diag *diag)
{
    const stele__judge *j = p->j;
    const int64_t n = p->batch->n;
    stele__prediction prediction;
    const int64_t own = j->model->modality[p->modality].own.dim;
    stele_shape shape = STELE__SHAPE(n, (int64_t)j->model->latent_dim),
                private = STELE__SHAPE(n, own);
    stele__judge_begin(j);
    stele__expert_set e = { .batch = p->batch };
    stele__draws draws = { .n = n,
                           .position = p->position,
                           .row = p->batch->row,
                           .sample = p->sample,
                           .z = stele__graph_dense(j->graph, STELE_F32, &shape, z) };
    stele_tensor *latent[STELE__MAX_MODALITIES] = { NULL };
    if (own > 0) {
        latent[p->modality] = stele__graph_dense(j->graph, STELE_F32, &private, w);
        draws.w = latent;
    }
    stele__decode_rows rows = { .n = n, .draw = p->zeros, .index = p->position };
    if (j->model->modality[p->modality].vt->decode == NULL) {
        return stele__judge_report(j, copy_block(p, &draws, &rows, first, width, d, n_draws),
                                   " in prediction", diag);
    }
    stele_status status =
        stele__decode_predict(j->model, j->graph, &e, p->modality, &draws, 1, &rows, &prediction);
    for (uint32_t i = 0; i < n_draws && status == STELE_OK; i++) {
        status = stele__prediction_block(&prediction, first, width, &d[i]);
    }
    return stele__judge_report(j, status, " in prediction", diag);
}

const char *stele__detail_name(const stele__modality *md)
{
    return stele__guest_plugin(md->part.guest)->desc.detail;
}

stele_status stele__detail_compute(const stele__judge *j, uint32_t modality, uint64_t mask,
                                   const int64_t *row, int64_t n, const float *z, float *ret,
                                   stele__diag *diag)
{
    const int64_t features = j->model->modality[modality].n_features;
    const int64_t own = j->model->modality[modality].own.dim;
    float *w = stele__calloc((size_t)(n * own), sizeof *w);
    float *sd = stele__calloc((size_t)(n * own), sizeof *sd);
    stele__predictor p;
    stele_status status = stele__predictor_init(&p, j, modality, n < BATCH ? n : BATCH);
    status = status == STELE_OK && (w == NULL || sd == NULL) ? STELE_E_NOMEM : status;
    if (status == STELE_OK && own > 0) {
        status = stele__private_moments(j, modality, mask, row, n, w, sd, diag);
    }
    for (int64_t at = 0; at < n && status == STELE_OK; at += BATCH) {
        stele_draw d = { .struct_size = sizeof d,
                         .what = STELE_DRAW_DETAIL,
                         .out = ret + at * features };
        stele__predictor_load(&p, n - at < BATCH ? n - at : BATCH, row + at);
        status = stele__predictor_block(&p, z + at * (int64_t)j->model->latent_dim, w + at * own, 0,
                                        features, &d, 1, diag);
    }
    stele__predictor_finish(&p);
    stele__free(w);
    stele__free(sd);
    return status;
}
