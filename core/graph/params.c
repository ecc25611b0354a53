#include "graph/params.h"

#include "base/map.h"
#include "base/mem.h"
#include "graph/noise.h"
#include "graph/tensor.h"
#include "kernels/adamw.h"

#include <stdlib.h>
#include <string.h>

/* Flat areas with derivatives and moments: w, m, v, g as kernels/adamw.h wants them to lie. */
enum { N_AREAS = 4 };

/* 64 bytes in float; twice that in double, so that both layouts have the same offsets. */
#define ALIGN 16

struct stele__params {
    uint32_t dtype, n, capacity;
    stele__param *entry;
    const void **frozen; /* what the caller gave, one per entry, NULL for others */
    uint32_t *frozen_dtype;
    stele__map *names;
    int finalized;
    size_t n_trained, n_buffer;
    void *values, *buffers, *gradient, *moment[2];
    void *area[N_AREAS]; /* where these but the buffers were allocated */
    stele__segment *segment;
    size_t n_segments;
};

stele_status stele__params_create(uint32_t dtype, stele__params **ret)
{
    if (dtype != STELE_F32 && dtype != STELE_F64) {
        return STELE_E_DTYPE;
    }
    stele__params *p = stele__calloc(1, sizeof *p);
    if (p == NULL) {
        return STELE_E_NOMEM;
    }
    p->dtype = dtype;
    stele_status status = stele__map_create(&p->names);
    if (status != STELE_OK) {
        stele__free(p);
        return status;
    }
    *ret = p;
    return STELE_OK;
}

void stele__params_destroy(stele__params *p)
{
    if (p == NULL) {
        return;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->entry[i].kind == STELE__FROZEN && p->entry[i].values != p->frozen[i]) {
            stele__free_aligned(p->entry[i].values);
        }
        stele__free(p->entry[i].start);
        stele__free(p->entry[i].name);
    }
    stele__free(p->entry);
    stele__free(p->frozen);
    stele__free(p->frozen_dtype);
    stele__map_destroy(p->names);
    for (int i = 0; i < N_AREAS; i++) {
        stele__free_aligned(p->area[i]);
    }
    stele__free_aligned(p->buffers);
    stele__free(p->segment);
    stele__free(p);
}

static stele_status reserve(stele__params *p)
{
    if (p->n < p->capacity) {
        return STELE_OK;
    }
    uint32_t capacity = p->capacity == 0 ? 32 : 2 * p->capacity;
    stele__param *entry = stele__realloc(p->entry, capacity * sizeof *entry);
    p->entry = entry == NULL ? p->entry : entry;
    const void **frozen = stele__realloc(p->frozen, capacity * sizeof *frozen);
    p->frozen = frozen == NULL ? p->frozen : frozen;
    uint32_t *dtype = stele__realloc(p->frozen_dtype, capacity * sizeof *dtype);
    p->frozen_dtype = dtype == NULL ? p->frozen_dtype : dtype;
    if (entry == NULL || frozen == NULL || dtype == NULL) {
        return STELE_E_NOMEM;
    }
    p->capacity = capacity;
    return STELE_OK;
}

static stele_status check(const stele__params *p, const stele__declaration *d, stele__diag *diag)
{
    if (p->finalized) {
        return stele__diag_error(diag, STELE_E_STATE, NULL, "%s: declared too late", d->name);
    }
    if (stele__map_find(p->names, d->name) >= 0) {
        return stele__diag_error(diag, STELE_E_ARG, NULL, "%s: declared twice", d->name);
    }
    if (stele__shape_count(&d->shape) < 1) {
        char text[STELE__SHAPE_TEXT];
        return stele__diag_error(diag, STELE_E_SHAPE, NULL, "%s: no tensor has the shape %s",
                                 d->name, stele__shape_text(&d->shape, text));
    }
    int frozen_ok = d->data != NULL && (d->dtype == STELE_F32 || d->dtype == STELE_F64);
    int init_ok = d->init >= STELE_INIT_ZERO && d->init <= STELE_INIT_UNIFORM;
    int known = d->kind >= STELE__TRAINED && d->kind <= STELE__FROZEN;
    if (!known || (d->kind == STELE__FROZEN ? !frozen_ok : !init_ok)) {
        return stele__diag_error(diag, STELE_E_ARG, NULL, "%s: unknown kind or start", d->name);
    }
    return STELE_OK;
}

stele_status stele__params_declare(stele__params *p, const stele__declaration *d,
                                   uint32_t *ret_entry, stele__diag *diag)
{
    stele_status status = check(p, d, diag);
    if (status != STELE_OK) {
        return status;
    }
    char *name = stele__strdup(d->name);
    int64_t index;
    if (name == NULL || reserve(p) != STELE_OK ||
        stele__map_add(p->names, d->name, &index, NULL) != STELE_OK) {
        stele__free(name);
        return STELE_E_NOMEM;
    }
    p->frozen[p->n] = d->kind == STELE__FROZEN ? d->data : NULL;
    p->frozen_dtype[p->n] = d->dtype;
    p->entry[p->n] = (stele__param){ .name = name,
                                     .shape = d->shape,
                                     .n = stele__shape_count(&d->shape),
                                     .kind = d->kind,
                                     .init = d->init,
                                     .group = d->group,
                                     .keep = d->kind == STELE__TRAINED && d->keep,
                                     .scale = d->scale,
                                     .decay = d->decay };
    *ret_entry = p->n++;
    return STELE_OK;
}

/* Order of the trained area: by group, then decay, then declaration. */
static int compare(const void *a, const void *b)
{
    const stele__param *x = *(const stele__param *const *)a, *y = *(const stele__param *const *)b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (x->decay != y->decay) {
        return x->decay > y->decay ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

static size_t padded(int64_t n)
{
    return ((size_t)n + ALIGN - 1) / ALIGN * ALIGN;
}

/* Give every entry its offset, and every run of equal (group, decay) a segment. */
static stele_status lay_out(stele__params *p)
{
    stele__param **order = stele__malloc((p->n + 1) * sizeof(stele__param *));
    p->segment = stele__calloc(p->n + 1, sizeof *p->segment);
    if (order == NULL || p->segment == NULL) {
        stele__free(order);
        return STELE_E_NOMEM;
    }
    size_t n_order = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->entry[i].kind == STELE__TRAINED) {
            order[n_order++] = &p->entry[i];
        } else if (p->entry[i].kind == STELE__BUFFER) {
            p->entry[i].offset = p->n_buffer;
            p->n_buffer += padded(p->entry[i].n);
        }
    }
    qsort(order, n_order, sizeof(stele__param *), compare);
    for (size_t i = 0; i < n_order; i++) {
        stele__param *e = order[i];
        stele__segment *s = &p->segment[p->n_segments];
        if (p->n_segments == 0 || s[-1].group != e->group || s[-1].decay != e->decay) {
            *s = (stele__segment){ .begin = p->n_trained, .group = e->group, .decay = e->decay };
            p->n_segments++;
        }
        e->offset = p->n_trained;
        p->n_trained += padded(e->n);
        p->segment[p->n_segments - 1].n += padded(e->n);
    }
    stele__free(order);
    return STELE_OK;
}

static void store(uint32_t dtype, void *values, size_t i, double v)
{
    if (dtype == STELE_F32) {
        ((float *)values)[i] = (float)v;
    } else {
        ((double *)values)[i] = v;
    }
}

static double load(uint32_t dtype, const void *values, size_t i)
{
    return dtype == STELE_F32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

#define CHUNK 1024

/* Random starts come in chunks, each a row of the stream that the name stands for. */
static void initialise(stele__param *e, uint32_t dtype, uint64_t seed)
{
    stele__stream s = { .key = stele__noise_key(seed, stele__noise_hash(e->name), 0) };
    for (size_t i = 0; i < (size_t)e->n; i += CHUNK) {
        float draw[CHUNK];
        size_t n = (size_t)e->n - i < CHUNK ? (size_t)e->n - i : CHUNK;
        s.row = (int64_t)(i / CHUNK);
        if (e->init == STELE_INIT_NORMAL) {
            stele__noise_normal(&s, n, draw);
        } else if (e->init == STELE_INIT_UNIFORM) {
            stele__noise_uniform(&s, n, draw);
        }
        for (size_t j = 0; j < n; j++) {
            double v = e->init == STELE_INIT_CONSTANT  ? e->scale
                       : e->init == STELE_INIT_NORMAL  ? e->scale * (double)draw[j]
                       : e->init == STELE_INIT_UNIFORM ? e->scale * (2.0 * (double)draw[j] - 1.0)
                                                       : 0.0;
            store(dtype, e->values, i + j, v);
        }
    }
}

static stele_status place_frozen(stele__params *p, uint32_t i)
{
    stele__param *e = &p->entry[i];
    if (p->frozen_dtype[i] == p->dtype) {
        e->values = (void *)(uintptr_t)p->frozen[i];
        return STELE_OK;
    }
    e->values = stele__calloc_aligned((size_t)e->n * stele__dtype_size(p->dtype));
    if (e->values == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t k = 0; k < (size_t)e->n; k++) {
        store(p->dtype, e->values, k, load(p->frozen_dtype[i], p->frozen[i], k));
    }
    return STELE_OK;
}

static stele_status keep_start(stele__param *e, size_t size)
{
    if (!e->keep) {
        return STELE_OK;
    }
    e->start = stele__malloc((size_t)e->n * size);
    if (e->start == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(e->start, e->values, (size_t)e->n * size);
    return STELE_OK;
}

/* The first place in an area, which is a page too long, that lies `phase` bytes into a page. */
static void *staggered(char *area, uintptr_t phase)
{
    return area + (phase - (uintptr_t)area) % STELE__ALIAS_PAGE;
}

stele_status stele__params_finalize(stele__params *p, uint64_t seed, int training,
                                    stele__diag *diag)
{
    if (p->finalized) {
        return stele__diag_error(diag, STELE_E_STATE, NULL, "parameters are allocated already");
    }
    p->finalized = 1;
    size_t size = stele__dtype_size(p->dtype);
    if (lay_out(p) != STELE_OK) {
        return STELE_E_NOMEM;
    }
    void **flat[N_AREAS] = { &p->values, &p->moment[0], &p->moment[1], &p->gradient };
    p->buffers = stele__calloc_aligned(p->n_buffer * size);
    int room = p->buffers != NULL;
    for (int i = 0; i < (training ? N_AREAS : 1); i++) {
        p->area[i] = stele__calloc_aligned(p->n_trained * size + STELE__ALIAS_PAGE);
        *flat[i] =
            p->area[i] != NULL ? staggered(p->area[i], (uintptr_t)i * STELE__ALIAS_STEP) : NULL;
        room = room && p->area[i] != NULL;
    }
    if (!room) {
        return stele__diag_error(diag, STELE_E_NOMEM, NULL, "no room for %zu parameters",
                                 p->n_trained);
    }
    for (uint32_t i = 0; i < p->n; i++) {
        stele__param *e = &p->entry[i];
        if (e->kind == STELE__FROZEN) {
            if (place_frozen(p, i) != STELE_OK) {
                return STELE_E_NOMEM;
            }
            continue;
        }
        char *area = e->kind == STELE__TRAINED ? p->values : p->buffers;
        e->values = area + e->offset * size;
        if (e->kind == STELE__TRAINED && training) {
            e->gradient = (char *)p->gradient + e->offset * size;
            e->moment[0] = (char *)p->moment[0] + e->offset * size;
            e->moment[1] = (char *)p->moment[1] + e->offset * size;
        }
        initialise(e, p->dtype, seed);
        if (keep_start(e, size) != STELE_OK) {
            return STELE_E_NOMEM;
        }
    }
    return STELE_OK;
}

/* In double: what is declared may exceed every integer. */
double stele__params_entry_bytes(const stele__params *p, uint32_t entry, int training)
{
    const stele__param *e = &p->entry[entry];
    double one = (double)stele__dtype_size(p->dtype) * (double)padded(e->n);
    if (e->kind == STELE__FROZEN) {
        return p->frozen_dtype[entry] == p->dtype ? 0.0 : one;
    }
    return e->kind == STELE__TRAINED && training ? N_AREAS * one : one;
}

size_t stele__param_extent(const stele__param *p)
{
    return padded(p->n);
}

uint32_t stele__params_dtype(const stele__params *p)
{
    return p->dtype;
}

uint32_t stele__params_count(const stele__params *p)
{
    return p->n;
}

stele__param *stele__params_entry(stele__params *p, uint32_t entry)
{
    return entry < p->n ? &p->entry[entry] : NULL;
}

int stele__params_keeps(const stele__params *p)
{
    int any = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        any |= p->entry[i].keep != 0;
    }
    return any;
}

int64_t stele__params_find(const stele__params *p, const char *name)
{
    return stele__map_find(p->names, name);
}

void *stele__params_values(stele__params *p, size_t *ret_n)
{
    *ret_n = p->n_trained;
    return p->values;
}

void *stele__params_buffers(stele__params *p, size_t *ret_n)
{
    *ret_n = p->n_buffer;
    return p->buffers;
}

void *stele__params_gradient(stele__params *p)
{
    return p->gradient;
}

void *stele__params_moment(stele__params *p, int which)
{
    return p->moment[which - 1];
}

const stele__segment *stele__params_segments(const stele__params *p, size_t *ret_n)
{
    *ret_n = p->n_segments;
    return p->segment;
}

void stele__params_begin_gradient(stele__params *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        p->entry[i].has_gradient = 0;
    }
}

void stele__params_end_gradient(stele__params *p)
{
    size_t size = stele__dtype_size(p->dtype);
    for (uint32_t i = 0; i < p->n; i++) {
        stele__param *e = &p->entry[i];
        if (e->gradient != NULL && !e->has_gradient) {
            memset(e->gradient, 0, (size_t)e->n * size);
            e->has_gradient = STELE__MEASURED;
            e->squares = 0.0;
        }
    }
}

stele_status stele__params_copy(stele__params *to, stele__params *from)
{
    if (to->n_trained != from->n_trained || to->n_buffer != from->n_buffer || !to->finalized) {
        return STELE_E_SHAPE;
    }
    for (size_t i = 0; i < to->n_trained; i++) {
        store(to->dtype, to->values, i, load(from->dtype, from->values, i));
    }
    for (size_t i = 0; i < to->n_buffer; i++) {
        store(to->dtype, to->buffers, i, load(from->dtype, from->buffers, i));
    }
    return STELE_OK;
}
