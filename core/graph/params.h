/* params.h - everything a model learns or keeps, in flat buffers.
 *
 * Trained tensors lie one behind the other in one buffer, every entry aligned to 64 bytes, padding
 * 0; their derivatives and the two moments of the optimiser lie in buffers of the same layout.
 * Entries are ordered by (group, decay), so that an optimiser pass is a few long segments. Buffers
 * (saved, not trained) lie in a second area; frozen tensors stay where the caller has them. Life:
 * create, declare ..., finalize, use. */
#ifndef STELE_GRAPH_PARAMS_H
#define STELE_GRAPH_PARAMS_H

#include "base/diag.h"

#include <stele/host.h>

typedef struct stele__params stele__params;
typedef struct stele__param stele__param;

enum { STELE__TRAINED = 1, STELE__BUFFER, STELE__FROZEN };

typedef struct stele__declaration {
    const char *name; /* full and unique: "counts.encoder.0.weight"; copied */
    stele_shape shape;
    uint32_t kind;    /* STELE__TRAINED, STELE__BUFFER or STELE__FROZEN */
    uint32_t init;    /* STELE_INIT_*; not for frozen */
    double scale;     /* see STELE_INIT_* */
    double decay;     /* TRAINED: factor on the optimiser's weight decay */
    uint32_t group;   /* TRAINED: entries of a group take their optimiser steps together */
    uint32_t keep;    /* TRAINED: 1 keeps the initial values beside those of later */
    uint32_t dtype;   /* FROZEN: element type of `data`; converted if it is not the object's */
    const void *data; /* FROZEN: borrowed, must outlive the object */
} stele__declaration;

/* States of stele__param.has_gradient, beside 0 and 1. */
enum { STELE__MEASURED = 2, STELE__STEPPED = 3 };

struct stele__param {
    char *name;
    stele_shape shape;
    int64_t n;
    uint32_t kind, init, group, keep;
    double scale, decay;
    size_t offset;         /* TRAINED, BUFFER: first element in the area */
    void *values;          /* n elements of the object's dtype */
    void *start;           /* the initial values of an entry that keeps them; else NULL */
    void *gradient;        /* TRAINED and room for training; else NULL */
    void *moment[2];       /* the same */
    uint32_t has_gradient; /* 0: `gradient` is to be read as 0; STELE__MEASURED: see squares;
                              STELE__STEPPED: see squares, and the optimiser's step is done, so that
                              `gradient` holds nothing (step.h) */
    double squares;        /* the sum of its squares, formed while it was in the cache */
};

/* Elements begin .. begin + n - 1 of the trained area. */
typedef struct stele__segment {
    size_t begin, n;
    uint32_t group;
    double decay;
} stele__segment;

/* dtype: STELE_F32 or STELE_F64. */
STELE_NODISCARD stele_status stele__params_create(uint32_t dtype, stele__params **ret);
void stele__params_destroy(stele__params *p); /* NULL is legal */
/* Add an entry; *ret_entry counts from 0 in the order of declaration. E_ARG: name in use, bad shape
 * or kind. */
STELE_NODISCARD stele_status stele__params_declare(stele__params *p, const stele__declaration *d,
                                                   uint32_t *ret_entry, stele__diag *diag);
/* Allocate and initialise. training 0: no derivatives and moments. Random starts depend on seed and
 * name only. */
STELE_NODISCARD stele_status stele__params_finalize(stele__params *p, uint64_t seed, int training,
                                                    stele__diag *diag);

/* Bytes that stele__params_finalize is going to take for an entry, padding included. */
double stele__params_entry_bytes(const stele__params *p, uint32_t entry, int training);

/* Elements that the entry takes up in its area, padding included. */
size_t stele__param_extent(const stele__param *p);

uint32_t stele__params_dtype(const stele__params *p);
uint32_t stele__params_count(const stele__params *p);
/* Borrowed; changing what `values` points to is allowed between passes. NULL: no such entry. */
stele__param *stele__params_entry(stele__params *p, uint32_t entry);
/* Does any entry keep its initial values? */
int stele__params_keeps(const stele__params *p);
/* Entry of that name, -1 if none. */
int64_t stele__params_find(const stele__params *p, const char *name);

/* The flat areas, 64-byte aligned; *ret_n elements, padding included. Moments and derivatives: NULL
 * without training. */
void *stele__params_values(stele__params *p, size_t *ret_n);
void *stele__params_buffers(stele__params *p, size_t *ret_n);
void *stele__params_gradient(stele__params *p);
void *stele__params_moment(stele__params *p, int which); /* which: 1 or 2; zero at the start */
const stele__segment *stele__params_segments(const stele__params *p, size_t *ret_n);

/* Before the first backward of an optimiser step: forget the derivatives (nothing is written yet).
 */
void stele__params_begin_gradient(stele__params *p);
/* After the last one: entries that no derivative reached become 0, so the flat gradient may be read
 * whole. */
void stele__params_end_gradient(stele__params *p);

/* Values and buffers of `from` (same declarations, either dtype) into `to`. */
STELE_NODISCARD stele_status stele__params_copy(stele__params *to, stele__params *from);

#endif
