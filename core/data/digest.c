#include "data/digest.h"

#include "data/parts.h"
#include "data/store.h"
#include "data/window.h"
#include "graph/noise.h"

#include <math.h>
#include <string.h>

/* Entries that are brought to float at a time: they stay in cache. */
enum { CHUNK = 4096 };

/* Multipliers and rotation of xxHash64 (Collet 2012). */
static const uint64_t prime[2] = { UINT64_C(11400714785074694791), UINT64_C(14029467366897019727) };

static inline uint64_t mix(uint64_t h, uint64_t word)
{
    h += word * prime[1];
    return (h << 31 | h >> 33) * prime[0];
}

/* Four chains, so that a multiplication need not wait for the one before. */
typedef struct chains {
    uint64_t h, chain[4];
    size_t n;
} chains;

static void chains_add(chains *s, const unsigned char *at, size_t n)
{
    uint64_t word[4];
    for (size_t left = n; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(word, at, sizeof word);
        for (int c = 0; c < 4; c++) {
            s->chain[c] = mix(s->chain[c], word[c]);
        }
    }
    s->n += n;
}

/* A chunk: all are whole words but the last. A store may give back what it had in memory. */
enum { BYTES = 1 << 20 };

static uint64_t mix_stored(uint64_t h, const void *bytes, size_t n, stele__store *store)
{
    const unsigned char *at = bytes;
    chains s = { .h = h, .chain = { h, h + 1, h + 2, h + 3 } };
    uint64_t word[4] = { 0 };
    for (size_t k = 0; s.n < n; at += k) {
        k = n - s.n < BYTES ? n - s.n : BYTES;
        if (store != NULL) {
            stele__store_seen(store, s.n / sizeof(float), k / sizeof(float));
        }
        chains_add(&s, at, k);
    }
    memcpy(word, at - n % sizeof word, n % sizeof word);
    for (int c = 0; c < 4; c++) {
        h = mix(h, mix(s.chain[c], word[c]));
    }
    return mix(h, n);
}

static uint64_t mix_bytes(uint64_t h, const void *bytes, size_t n)
{
    return mix_stored(h, bytes, n, NULL);
}

static uint64_t mix_id(uint64_t h, const stele__dataset *ds, int64_t row)
{
    return mix(h, stele__noise_hash(stele__dataset_row_id(ds, row)));
}

static uint64_t mix_csr(uint64_t h, const stele__matrix *m)
{
    float value[CHUNK];
    int64_t n = m->row_start[m->n_present];
    h = mix_bytes(h, m->row_start, (size_t)(m->n_present + 1) * sizeof *m->row_start);
    h = mix_bytes(h, m->column, (size_t)n * sizeof *m->column);
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t some = n - at < CHUNK ? n - at : CHUNK;
        stele__matrix_values(m, at, some, value);
        h = mix_bytes(h, value, (size_t)some * sizeof *value);
    }
    return h;
}

uint64_t stele__matrix_digest(const stele__dataset *ds, size_t m)
{
    const stele__matrix *x = &ds->matrix[m];
    if (x->has_gaps) {
        return x->digest_before;
    }
    uint64_t h = mix(0, (uint64_t)x->n_present);
    for (int64_t row = 0; row < ds->n_rows; row++) {
        if (x->store_row[row] >= 0) {
            h = mix(mix_id(h, ds, row), (uint64_t)x->store_row[row]);
        }
    }
    if (x->window != NULL) { /* what is beside what */
        h = mix_bytes(h, x->window->edge, (size_t)ds->n_rows);
    }
    return x->dense == NULL
               ? mix_csr(h, x)
               : mix_stored(h, x->dense,
                            (size_t)x->n_present * (size_t)x->n_features * sizeof *x->dense,
                            x->store);
}

void stele__matrix_gap(stele__dataset *ds, size_t m, int64_t row, int64_t feature)
{
    stele__matrix *x = &ds->matrix[m];
    if (!x->has_gaps) {
        x->digest_before = stele__matrix_digest(ds, m);
        x->has_gaps = 1;
    }
    stele__matrix_row(x, x->store_row[row])[feature] = NAN;
}

uint64_t stele__label_digest(const stele__dataset *ds, const stele__label *label)
{
    uint64_t h = mix(0, (uint64_t)ds->n_rows);
    for (int64_t row = 0; row < ds->n_rows; row++) {
        h = mix_id(h, ds, row);
    }
    size_t n = (size_t)ds->n_rows;
    return label->code != NULL ? mix_bytes(h, label->code, n * sizeof *label->code)
                               : mix_bytes(h, label->number, n * sizeof *label->number);
}
