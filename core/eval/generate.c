#include "eval/generate.h"

#include "base/mem.h"
#include "eval/predict.h"
#include "eval/private.h"
#include "graph/noise.h"

#include <string.h>

/* Rows of a pass: as many as keep its linear predictors in a few tens of megabytes. */
enum { MOST_ROWS = 256, MOST_VALUES = 4 << 20 };

typedef struct noise {
    const stele__generation *q;
    int64_t at;       /* first row of the pass */
    size_t n;         /* features */
    uint64_t purpose; /* of the modality */
} noise;

/* The private latent of every draw, (n, dim): NULL after an error or where there is none. */
static stele_status draw_private(const stele__judge *j, const stele__generation *q, float **ret,
                                 stele__diag *diag)
{
    const stele__sampling s = { .seed = q->seed, .temperature = q->temperature };
    size_t size = (size_t)q->n * j->model->modality[q->modality].own.dim;
    *ret = NULL;
    if (size == 0) {
        return STELE_OK;
    }
    float *mean = stele__calloc(size, sizeof *mean), *sd = stele__calloc(size, sizeof *sd);
    *ret = stele__calloc(size, sizeof **ret);
    stele_status status = mean != NULL && sd != NULL && *ret != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__private_moments(j, q->modality, q->own, q->source, q->n, mean, sd, diag);
    }
    if (status == STELE_OK) {
        stele__private_sample(j, q->modality, q->source, q->sample, q->n, &s, mean, sd, *ret);
    }
    stele__free(mean);
    stele__free(sd);
    return status;
}

static void uniform(void *ctx, int64_t row, uint32_t k, double *ret)
{
    const noise *u = ctx;
    stele__stream at = { .key = stele__noise_key(u->q->seed, u->purpose, k),
                         .row = u->q->row[u->at + row],
                         .sample = u->q->sample[u->at + row] };
    stele__stream_uniform(&at, STELE_F64, u->n, ret);
}

stele_status stele__generate(const stele__judge *j, const stele__generation *q, float *ret,
                             stele__diag *diag)
{
    const stele__modality *md = &j->model->modality[q->modality];
    const int64_t width = j->model->latent_dim;
    int64_t rows = MOST_VALUES / (md->n_features > 0 ? md->n_features : 1);
    rows = rows > MOST_ROWS ? MOST_ROWS : rows < 1 ? 1 : rows;
    noise u = { .q = q,
                .n = (size_t)md->n_features,
                .purpose =
                    stele__noise_mix(stele__noise_hash("generate"), stele__noise_hash(md->name)) };
    stele__judge own = *j;
    stele__predictor p;
    own.seed = q->seed;
    float *w = NULL;
    stele_status status = stele__predictor_init(&p, &own, q->modality, rows);
    status = status == STELE_OK ? draw_private(&own, q, &w, diag) : status;
    for (u.at = 0; u.at < q->n && status == STELE_OK; u.at += rows) {
        int64_t n = q->n - u.at < rows ? q->n - u.at : rows;
        stele_draw d = { .struct_size = sizeof d,
                         .what = q->what,
                         .uniform = uniform,
                         .ctx = &u,
                         .out = ret + u.at * md->n_features };
        stele__predictor_load(&p, n, q->row + u.at);
        memcpy(p.sample, q->sample + u.at, (size_t)n * sizeof *p.sample);
        status = stele__predictor_block(&p, q->z + u.at * width,
                                        w != NULL ? w + u.at * md->own.dim : NULL, 0,
                                        md->n_features, &d, 1, diag);
    }
    stele__predictor_finish(&p);
    stele__free(w);
    return status;
}
