#include "train/prior.h"

#include "base/mem.h"
#include "data/batch.h"
#include "data/safetensors.h"
#include "model/infer.h"
#include "train/checkpoint.h"
#include "train/folder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 256 };
/* Least variance that a posterior counts with. Those of N(0, I) are 1. */
#define FLOOR 1e-6
/* Another one with every change of how mixtures are fitted: part of their digest. */
#define VERSION "prior/1"

static const char *const names[] = { "log_weight", "mean", "factor" };

/* --- posteriors of the training rows --- */

static void points_finish(stele__points *p)
{
    stele__free(p->mean);
    stele__free(p->var);
    stele__free(p->weight);
}

static stele_status points_init(stele__points *p, int64_t most, uint32_t dim)
{
    *p = (stele__points){ .dim = dim };
    p->mean = stele__calloc((size_t)most * dim + 1, sizeof *p->mean);
    p->var = stele__calloc((size_t)most * dim + 1, sizeof *p->var);
    p->weight = stele__calloc((size_t)most + 1, sizeof *p->weight);
    return p->mean != NULL && p->var != NULL && p->weight != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* Every component of the posterior of every row of the batch that has anything, with its weight. */
static void add_points(const stele__posterior *q, const stele__batch *b, stele__points *p)
{
    const stele_joint *j = &q->joint;
    for (int64_t r = 0; r < b->n; r++) {
        for (uint32_t c = 0; c < j->n && q->used[r] != 0; c++) {
            const double weight =
                j->log_weight == NULL ? 1.0 : exp(stele__tensor_real(j->log_weight, r * j->n + c));
            const size_t to = (size_t)p->n * p->dim;
            if (!(weight > 0.0)) {
                continue;
            }
            for (uint32_t d = 0; d < p->dim; d++) {
                const int64_t at = r * p->dim + d;
                p->mean[to + d] = stele__tensor_real(j->component[c].p[0], at);
                p->var[to + d] = stele__dist_variance(&j->component[c], at);
            }
            p->weight[p->n++] = weight;
        }
    }
}

static stele_status read_points(const stele__run *run, stele_graph *g, stele__points *p,
                                stele__diag *diag)
{
    const stele__model *m = &run->model;
    const uint64_t seed = (uint64_t)run->spec->top->seed;
    const int64_t n = run->split->n[STELE__TRAIN];
    const int64_t size = n < BATCH ? n : BATCH;
    stele__batches order = { 0 };
    stele__batch *b = NULL;
    int64_t rows = 0;
    stele_status status =
        stele__batches_init(&order, run->split->row[STELE__TRAIN], n, size, seed, NULL, diag);
    if (status == STELE_OK) {
        status = stele__batch_create(m, run->data, size, &b);
    }
    for (int64_t i = 0; i < order.n_batches && rows < STELE__PRIOR_ROWS && status == STELE_OK;
         i++) {
        const int64_t *row = NULL;
        const stele__pass pass = { .seed = seed };
        stele__expert_set e;
        stele__posterior q;
        const int64_t some = stele__batches_get(&order, 0, i, &row);
        stele__batch_load(b, some, row, 0);
        stele__graph_begin(g, &pass);
        status = stele__encode(m, g, b, &e);
        status = status == STELE_OK ? stele__fuse(m, g, &e, UINT64_MAX, &q) : status;
        if (status != STELE_OK && stele__graph_outcome(g, status) != STELE_OK) {
            status = stele__graph_report(m, g, " while latent.prior is fitted", diag);
        }
        if (status == STELE_OK) {
            add_points(&q, b, p);
            rows += some;
        }
    }
    stele__batch_destroy(b);
    stele__batches_finish(&order);
    return status;
}

/* Nats per row. */
static void say(const stele__run *run, const stele__points *p, const stele__mixture *m,
                double bound)
{
    char text[192];
    double own = 0.0, sum = 0.0;
    for (int64_t i = 0; i < p->n; i++) {
        for (uint32_t d = 0; d < p->dim; d++) {
            const size_t at = (size_t)i * p->dim + d;
            own -= 0.5 * p->weight[i] * (log(2.0 * M_PI) + p->mean[at] * p->mean[at] + p->var[at]);
        }
        sum += p->weight[i];
    }
    snprintf(text, sizeof text,
             "a mixture of %u fits %" PRId64 " posteriors of training rows with %.2f nats a row, "
             "N(0, I) with %.2f",
             m->n, p->n, bound, own / sum);
    if (run->log != NULL) {
        run->log->write(run->log->user, STELE_LOG_INFO, "latent.prior", text);
    }
}

stele_status stele__prior_fit(const stele__run *run, stele_graph *g, stele__mixture *ret,
                              stele__diag *diag)
{
    const stele__latent_spec *l = run->spec->latent;
    const int64_t n = run->split->n[STELE__TRAIN];
    const int64_t rows = n < STELE__PRIOR_ROWS + BATCH ? n : STELE__PRIOR_ROWS + BATCH;
    stele__points p = { 0 };
    double bound = 0.0;
    *ret = (stele__mixture){ 0 };
    stele_status status = points_init(&p, rows * run->model.max_components, run->model.latent_dim);
    status = status == STELE_OK ? read_points(run, g, &p, diag) : status;
    if (status == STELE_OK && p.n < l->prior.components) {
        status = stele__prior_refuse(run->spec, p.n, diag);
    } else if (status == STELE_OK) {
        status = stele__mixture_init(ret, (uint32_t)l->prior.components, p.dim,
                                     l->prior.covariance == STELE__COVARIANCE_FULL);
        status = status == STELE_OK ? stele__mixture_fit(&p, FLOOR, (uint64_t)run->spec->top->seed,
                                                         run->pool, ret, &bound)
                                    : status;
        if (status == STELE_OK) {
            say(run, &p, ret, bound);
        }
    }
    points_finish(&p);
    return status;
}

stele_status stele__prior_refuse(const stele__spec *spec, int64_t n, stele__diag *diag)
{
    char text[128];
    snprintf(text, sizeof text, "is above the number of training rows, %" PRId64, n);
    return stele__spec_error(spec, "latent.prior.components", STELE_E_OPTION, text, diag);
}

/* --- the file --- */

/* Of the parameters as they are, and what the mixture is to be. */
static void digest_of(const stele__run *run, char ret[17])
{
    const stele__latent_spec *l = run->spec->latent;
    uint64_t h = stele__digest_mix(stele__noise_hash(VERSION), (uint64_t)run->spec->top->seed);
    h = stele__digest_mix(h, (uint64_t)l->prior.components);
    h = stele__digest_mix(h, (uint64_t)l->prior.covariance);
    stele__parameters_digest(run->model.params, h, ret);
}

static void tensors_of(const stele__mixture *m, stele__safetensor t[3])
{
    const int64_t k = m->n, d = m->dim;
    const stele_shape full = STELE__SHAPE(k, d, d), flat = STELE__SHAPE(k, d);
    t[0] = (stele__safetensor){ names[0], STELE_F64, STELE__SHAPE(k), m->log_weight };
    t[1] = (stele__safetensor){ names[1], STELE_F64, flat, m->mean };
    t[2] = (stele__safetensor){ names[2], STELE_F64, m->full ? full : flat, m->factor };
}

static stele_status write_mixture(const char *path, const stele__mixture *m, const char *digest,
                                  stele__diag *diag)
{
    stele__safetensor t[3];
    const stele__metadata metadata = { "digest", digest };
    tensors_of(m, t);
    return stele__safetensors_write(path, t, 3, &metadata, 1, diag);
}

static int same_shape(const stele_shape *a, const stele_shape *b)
{
    int same = a->ndim == b->ndim;
    for (uint32_t i = 0; i < a->ndim && same; i++) {
        same = a->dim[i] == b->dim[i];
    }
    return same;
}

/* A file that is absent, damaged or of something else leaves ret->n at 0. */
static stele_status read_mixture(const stele__run *run, const char *path, const char *digest,
                                 stele__mixture *ret)
{
    const stele__latent_spec *l = run->spec->latent;
    stele__safetensors *file = NULL;
    stele__safetensor want[3];
    *ret = (stele__mixture){ 0 };
    stele_status status = stele__safetensors_open(path, &file, NULL);
    if (status != STELE_OK) {
        return status == STELE_E_NOMEM ? status : STELE_OK;
    }
    const char *kept = stele__safetensors_metadata(file, "digest");
    int same = kept != NULL && strcmp(kept, digest) == 0 &&
               stele__safetensors_verify(file, NULL) == STELE_OK;
    if (same) {
        status = stele__mixture_init(ret, (uint32_t)l->prior.components, run->model.latent_dim,
                                     l->prior.covariance == STELE__COVARIANCE_FULL);
        same = status == STELE_OK;
        tensors_of(ret, want);
    }
    double *to[] = { ret->log_weight, ret->mean, ret->factor };
    for (int i = 0; i < 3 && same; i++) {
        const stele__safetensor *t = stele__safetensors_find(file, names[i]);
        int64_t n = 1;
        same = t != NULL && t->dtype == STELE_F64 && same_shape(&t->shape, &want[i].shape);
        for (uint32_t d = 0; d < want[i].shape.ndim; d++) {
            n *= want[i].shape.dim[d];
        }
        if (same) {
            memcpy(to[i], t->data, (size_t)n * sizeof(double));
        }
    }
    if (!same) {
        stele__mixture_finish(ret);
    }
    stele__safetensors_close(file);
    return status;
}

stele_status stele__prior_open(const stele__run *run, const char *dir, int own, stele_graph *g,
                               stele__mixture *ret, stele__diag *diag)
{
    char digest[17];
    char *path = stele__folder_path(dir, "prior.safetensors");
    digest_of(run, digest);
    stele_status status = path != NULL ? read_mixture(run, path, digest, ret) : STELE_E_NOMEM;
    if (status == STELE_OK && ret->n == 0 && own) {
        status = stele__prior_fit(run, g, ret, diag);
    } else if (status == STELE_OK && ret->n == 0) {
        status = stele__diag_error(diag, STELE_E_DATA, NULL,
                                   "%s: there is no mixture for latent.prior that was fitted to "
                                   "this checkpoint",
                                   path);
        stele__diag_hint(diag, "stele train SPEC --resume fits it to the best one; without other "
                               "data it is fitted on the spot");
    }
    stele__free(path);
    return status;
}

stele_status stele__prior_keep(const stele__run *run, const char *dir, const char *fingerprint,
                               stele__diag *diag)
{
    stele_graph *g = NULL;
    stele__mixture m = { 0 };
    char digest[17];
    if (run->spec->latent->prior.kind != STELE__PRIOR_MIXTURE) {
        return STELE_OK;
    }
    char *best = stele__folder_path(dir, "best.safetensors");
    char *path = stele__folder_path(dir, "prior.safetensors");
    stele_status status = best != NULL && path != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__checkpoint_read(best, run->model.params, 0, fingerprint, NULL, diag);
    }
    if (status == STELE_OK) {
        digest_of(run, digest);
        status = read_mixture(run, path, digest, &m);
    }
    if (status == STELE_OK && m.n == 0) {
        status = stele__graph_create(run->pool, STELE_F32, &g);
        status = status == STELE_OK ? stele__prior_fit(run, g, &m, diag) : status;
        status = status == STELE_OK ? write_mixture(path, &m, digest, diag) : status;
    }
    stele__graph_destroy(g);
    stele__mixture_finish(&m);
    stele__free(best);
    stele__free(path);
    return status;
}
