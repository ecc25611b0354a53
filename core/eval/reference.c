#include "eval/reference.h"

#include "base/mem.h"
#include "base/str.h"
#include "data/safetensors.h"
#include "eval/consistency.h"
#include "graph/noise.h"
#include "train/checkpoint.h"
#include "train/folder.h"

#include <stdio.h>
#include <string.h>

/* Another one with every change of what scores are: part of the digests. */
#define VERSION "score/2"

enum { N_CHECKPOINTS = 2 };
static const char *const checkpoints[N_CHECKPOINTS] = { "last", "best" };

/* Pairs (a, b) with a < b, ordered by b. */
static size_t index_of(uint32_t a, uint32_t b)
{
    return (size_t)b * (b - 1) / 2 + a;
}

const stele__reference_pair *stele__reference_of(const stele__reference *r, uint32_t a, uint32_t b)
{
    return &r->pair[index_of(a, b)];
}

void stele__reference_finish(stele__reference *r)
{
    for (size_t i = 0; i < r->n; i++) {
        stele__free(r->pair[i].score);
    }
    for (uint32_t m = 0; m < r->n_cohorts; m++) {
        stele__cohort_finish(&r->cohort[m]);
    }
    stele__free(r->pair);
    stele__free(r->cohort);
    *r = (stele__reference){ 0 };
}

static stele_status reference_init(stele__reference *r, const stele__model *m)
{
    const size_t n = m->n_modalities < 2 ? 0 : index_of(0, m->n_modalities);
    *r = (stele__reference){ .pair = stele__calloc(n + 1, sizeof *r->pair),
                             .cohort = stele__calloc(m->n_modalities, sizeof *r->cohort) };
    if (r->pair == NULL || r->cohort == NULL) {
        stele__free(r->pair);
        stele__free(r->cohort);
        *r = (stele__reference){ 0 };
        return STELE_E_NOMEM;
    }
    r->n = n;
    r->n_cohorts = m->n_modalities;
    return STELE_OK;
}

static stele_status score_pair(const stele__judge *j, const stele__split *split, uint32_t a,
                               uint32_t b, stele__reference *r, stele__diag *diag)
{
    const int64_t n = split->n[STELE__VALID];
    const int64_t most = n < STELE__MOST_REFERENCE ? n : STELE__MOST_REFERENCE;
    const stele__sides sides = { .a = UINT64_C(1) << a,
                                 .b = UINT64_C(1) << b,
                                 .cohort_a = &r->cohort[a],
                                 .cohort_b = &r->cohort[b] };
    stele__reference_pair *p = &r->pair[index_of(a, b)];
    p->score = stele__calloc((size_t)most + 1, sizeof *p->score);
    return p->score == NULL ? STELE_E_NOMEM
                            : stele__consistency_scores(j, &sides, split->row[STELE__VALID], n,
                                                        most, p->score, &p->n, diag);
}

stele_status stele__reference_compute(const stele__judge *j, const stele__split *split,
                                      uint64_t mask, stele__reference *ret, stele__diag *diag)
{
    stele_status status = reference_init(ret, j->model);
    for (uint32_t m = 0; m < j->model->n_modalities && status == STELE_OK; m++) {
        if ((mask >> m & 1) != 0) {
            status = stele__cohort_draw(j, split->row[STELE__TRAIN], split->n[STELE__TRAIN], m,
                                        &ret->cohort[m], diag);
        }
    }
    for (uint32_t b = 1; b < j->model->n_modalities; b++) {
        for (uint32_t a = 0; a < b && status == STELE_OK; a++) {
            if ((mask >> a & 1) != 0 && (mask >> b & 1) != 0) {
                status = score_pair(j, split, a, b, ret, diag);
            }
        }
    }
    return status;
}

/* --- the file --- */

static void digest_of(const stele__model *m, char ret[17])
{
    stele__parameters_digest(m->params, stele__noise_hash(VERSION), ret);
}

static char *name_of(const stele__model *m, const char *checkpoint, uint32_t a, uint32_t b)
{
    stele__str name;
    stele__str_init(&name);
    stele__str_printf(&name, "%s.%s.%s", checkpoint, m->modality[a].name, m->modality[b].name);
    return stele__str_take(&name);
}

static char *cohort_name(const stele__model *m, const char *checkpoint, uint32_t of,
                         const char *what)
{
    stele__str name;
    stele__str_init(&name);
    stele__str_printf(&name, "%s.cohort.%s.%s", checkpoint, m->modality[of].name, what);
    return stele__str_take(&name);
}

/* A pair that the file lacks never met. */
static stele_status read_pair(const stele__safetensors *file, const char *name,
                              stele__reference_pair *ret)
{
    const stele__safetensor *t = stele__safetensors_find(file, name);
    if (t == NULL || t->dtype != STELE_F32 || t->shape.ndim != 1 || t->shape.dim[0] < 1) {
        return STELE_OK;
    }
    const size_t n = (size_t)t->shape.dim[0];
    ret->score = stele__calloc(n, sizeof *ret->score);
    if (ret->score == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(ret->score, t->data, n * sizeof *ret->score);
    ret->n = (int64_t)n;
    return STELE_OK;
}

/* (n, dim) floats of at most STELE__MOST_COHORT rows, NULL where the file has none. */
static stele_status read_moments(const stele__safetensors *file, char *name, uint32_t dim,
                                 float **ret, int64_t *ret_n)
{
    const stele__safetensor *t = name != NULL ? stele__safetensors_find(file, name) : NULL;
    const int there = name != NULL;
    stele__free(name);
    if (t == NULL || t->dtype != STELE_F32 || t->shape.ndim != 2 || t->shape.dim[1] != dim ||
        t->shape.dim[0] < STELE__LEAST_COHORT || t->shape.dim[0] > STELE__MOST_COHORT) {
        return there ? STELE_OK : STELE_E_NOMEM;
    }
    const size_t size = (size_t)t->shape.dim[0] * dim;
    *ret = stele__calloc(size, sizeof **ret);
    if (*ret == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(*ret, t->data, size * sizeof **ret);
    *ret_n = t->shape.dim[0];
    return STELE_OK;
}

static stele_status read_cohort(const stele__model *m, const stele__safetensors *file,
                                const char *checkpoint, uint32_t of, stele__cohort_side *ret)
{
    const uint32_t dim = m->latent_dim;
    int64_t n = 0;
    stele_status status =
        read_moments(file, cohort_name(m, checkpoint, of, "mean"), dim, &ret->mean, &ret->n);
    if (status == STELE_OK) {
        status = read_moments(file, cohort_name(m, checkpoint, of, "sd"), dim, &ret->sd, &n);
    }
    if (n != ret->n) {
        stele__cohort_finish(ret);
    }
    return status;
}

static stele_status read_pairs(const stele__model *m, const stele__safetensors *file,
                               const char *checkpoint, stele__reference *ret)
{
    stele_status status = reference_init(ret, m);
    for (uint32_t a = 0; a < m->n_modalities && status == STELE_OK; a++) {
        status = read_cohort(m, file, checkpoint, a, &ret->cohort[a]);
    }
    for (uint32_t b = 1; b < m->n_modalities; b++) {
        for (uint32_t a = 0; a < b && status == STELE_OK; a++) {
            char *name = name_of(m, checkpoint, a, b);
            status =
                name != NULL ? read_pair(file, name, &ret->pair[index_of(a, b)]) : STELE_E_NOMEM;
            stele__free(name);
        }
    }
    return status;
}

static stele_status read_file(const stele__model *m, const char *path, const char *digest,
                              stele__reference *ret)
{
    stele__safetensors *file = NULL;
    *ret = (stele__reference){ 0 };
    stele_status status = stele__safetensors_open(path, &file, NULL);
    if (status != STELE_OK) {
        return status == STELE_E_NOMEM ? status : STELE_OK;
    }
    int sound = stele__safetensors_verify(file, NULL) == STELE_OK;
    for (int c = 0; c < N_CHECKPOINTS && sound; c++) {
        const char *kept = stele__safetensors_metadata(file, checkpoints[c]);
        if (kept != NULL && strcmp(kept, digest) == 0) {
            status = read_pairs(m, file, checkpoints[c], ret);
            break;
        }
    }
    stele__safetensors_close(file);
    return status;
}

stele_status stele__reference_read(const stele__model *m, const char *dir, stele__reference *ret)
{
    char digest[17];
    char *path = stele__folder_path(dir, "score.safetensors");
    *ret = (stele__reference){ 0 };
    digest_of(m, digest);
    stele_status status = path != NULL ? read_file(m, path, digest, ret) : STELE_E_NOMEM;
    stele__free(path);
    return status;
}

/* --- after a training --- */

typedef struct keeping {
    const stele__run *run;
    const char *dir, *fingerprint, *path;
    stele_graph *graph;
    char digest[N_CHECKPOINTS][17];
    stele__reference of[N_CHECKPOINTS];
    int fresh; /* the file has not all of it */
} keeping;

/* What the file has for checkpoint c, or scores of its own. */
static stele_status keep_one(keeping *k, int c, stele__diag *diag)
{
    char name[32];
    const stele__run *run = k->run;
    snprintf(name, sizeof name, "%s.safetensors", checkpoints[c]);
    char *path = stele__folder_path(k->dir, name);
    stele_status status = path != NULL ? stele__checkpoint_read(path, run->model.params, 0,
                                                                k->fingerprint, NULL, diag)
                                       : STELE_E_NOMEM;
    stele__free(path);
    if (status == STELE_OK) {
        digest_of(&run->model, k->digest[c]);
        status = read_file(&run->model, k->path, k->digest[c], &k->of[c]);
    }
    if (status == STELE_OK && k->of[c].pair == NULL) {
        const stele__judge j = { .model = &run->model,
                                 .data = run->data,
                                 .graph = k->graph,
                                 .seed = (uint64_t)run->spec->top->seed };
        k->fresh = 1;
        status = stele__reference_compute(&j, run->split, UINT64_MAX, &k->of[c], diag);
    }
    return status;
}

/* Those of checkpoint c's cohort behind n others, with names that are owned: how many there are
 * then. */
static size_t list_cohort(const keeping *k, int c, size_t n, stele__safetensor *t, char **name)
{
    const stele__model *m = &k->run->model;
    for (uint32_t a = 0; a < m->n_modalities; a++) {
        const stele__cohort_side *s = &k->of[c].cohort[a];
        const stele_shape shape = STELE__SHAPE(s->n, (int64_t)m->latent_dim);
        for (int what = 0; what < 2 && s->n > 0; what++, n++) {
            name[n] = cohort_name(m, checkpoints[c], a, what == 0 ? "mean" : "sd");
            t[n] = (stele__safetensor){ name[n], STELE_F32, shape, what == 0 ? s->mean : s->sd };
        }
    }
    return n;
}

/* Tensors of cohorts and of pairs that meet, with names that are owned: their number. */
static size_t list_tensors(const keeping *k, stele__safetensor *t, char **name)
{
    const stele__model *m = &k->run->model;
    size_t n = 0;
    for (int c = 0; c < N_CHECKPOINTS; c++) {
        n = list_cohort(k, c, n, t, name);
        for (uint32_t b = 1; b < m->n_modalities; b++) {
            for (uint32_t a = 0; a < b; a++) {
                const stele__reference_pair *p = stele__reference_of(&k->of[c], a, b);
                if (p->n > 0) {
                    name[n] = name_of(m, checkpoints[c], a, b);
                    t[n] = (stele__safetensor){ name[n], STELE_F32, STELE__SHAPE(p->n), p->score };
                    n++;
                }
            }
        }
    }
    return n;
}

static stele_status write_file(const keeping *k, stele__diag *diag)
{
    const size_t most = N_CHECKPOINTS * (k->of[0].n + 2 * k->of[0].n_cohorts) + 1;
    stele__safetensor *t = stele__calloc(most, sizeof *t);
    char **name = stele__calloc(most, sizeof *name);
    stele__metadata metadata[N_CHECKPOINTS];
    stele_status status = t != NULL && name != NULL ? STELE_OK : STELE_E_NOMEM;
    const size_t n = status == STELE_OK ? list_tensors(k, t, name) : 0;
    for (int c = 0; c < N_CHECKPOINTS; c++) {
        metadata[c] = (stele__metadata){ checkpoints[c], k->digest[c] };
    }
    for (size_t i = 0; i < n; i++) {
        status = name[i] == NULL ? STELE_E_NOMEM : status;
    }
    if (status == STELE_OK && n > 0) {
        status = stele__safetensors_write(k->path, t, n, metadata, N_CHECKPOINTS, diag);
    }
    for (size_t i = 0; i < n; i++) {
        stele__free(name[i]);
    }
    stele__free(t);
    stele__free(name);
    return status;
}

stele_status stele__reference_keep(const stele__run *run, const char *dir, const char *fingerprint,
                                   stele__diag *diag)
{
    keeping k = { .run = run, .dir = dir, .fingerprint = fingerprint };
    if (run->model.n_modalities < 2) {
        return STELE_OK;
    }
    char *path = stele__folder_path(dir, "score.safetensors");
    k.path = path;
    stele_status status =
        path != NULL ? stele__graph_create(run->pool, STELE_F32, &k.graph) : STELE_E_NOMEM;
    for (int c = 0; c < N_CHECKPOINTS && status == STELE_OK; c++) {
        status = keep_one(&k, c, diag);
    }
    if (status == STELE_OK && k.fresh) {
        status = write_file(&k, diag);
    }
    for (int c = 0; c < N_CHECKPOINTS; c++) {
        stele__reference_finish(&k.of[c]);
    }
    stele__graph_destroy(k.graph);
    stele__free(path);
    return status;
}
