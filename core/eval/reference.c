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
#define VERSION "score/1"

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
    stele__free(r->pair);
    *r = (stele__reference){ 0 };
}

static stele_status reference_init(stele__reference *r, const stele__model *m)
{
    const size_t n = m->n_modalities < 2 ? 0 : index_of(0, m->n_modalities);
    *r = (stele__reference){ .pair = stele__calloc(n + 1, sizeof *r->pair), .n = n };
    if (r->pair == NULL) {
        r->n = 0;
        return STELE_E_NOMEM;
    }
    return STELE_OK;
}

stele_status stele__reference_compute(const stele__judge *j, const int64_t *row, int64_t n,
                                      uint64_t mask, stele__reference *ret, stele__diag *diag)
{
    const int64_t most = n < STELE__MOST_REFERENCE ? n : STELE__MOST_REFERENCE;
    stele_status status = reference_init(ret, j->model);
    for (uint32_t b = 1; b < j->model->n_modalities; b++) {
        for (uint32_t a = 0; a < b && status == STELE_OK; a++) {
            const uint64_t one = UINT64_C(1) << a, other = UINT64_C(1) << b;
            stele__reference_pair *p = &ret->pair[index_of(a, b)];
            if ((mask & one) == 0 || (mask & other) == 0) {
                continue;
            }
            p->score = stele__calloc((size_t)most + 1, sizeof *p->score);
            status = p->score == NULL ? STELE_E_NOMEM
                                      : stele__consistency_scores(j, one, other, row, n, most,
                                                                  p->score, &p->n, diag);
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

static stele_status read_pairs(const stele__model *m, const stele__safetensors *file,
                               const char *checkpoint, stele__reference *ret)
{
    stele_status status = reference_init(ret, m);
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
        status = stele__reference_compute(&j, run->split->row[STELE__VALID],
                                          run->split->n[STELE__VALID], UINT64_MAX, &k->of[c], diag);
    }
    return status;
}

/* Tensors of pairs that meet, with names that are owned: their number. */
static size_t list_tensors(const keeping *k, stele__safetensor *t, char **name)
{
    const stele__model *m = &k->run->model;
    size_t n = 0;
    for (int c = 0; c < N_CHECKPOINTS; c++) {
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
    const size_t most = N_CHECKPOINTS * k->of[0].n + 1;
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
    if (run->model.n_modalities < 2 || run->split->n[STELE__VALID] == 0) {
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
