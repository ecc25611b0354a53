/* For experiments: rows that lose a modality, or have that of another row. */
#include "base/mem.h"
#include "data/parts.h"
#include "data/split.h"
#include "graph/noise.h"
#include "kernels/philox.h"

#include <stdlib.h>

/* Uniform in (0, 1), a function of (seed, purpose, the modality's name, the row's id) and `at`. */
static double uniform_of(const stele__dataset *ds, const stele__matrix *x, const char *purpose,
                         uint64_t seed, int64_t row, size_t at)
{
    stele__noise noise =
        stele__noise_at(seed, stele__noise_purpose(purpose, 0), stele__noise_hash(x->name));
    double u;
    stele__noise_uniform_f64(noise, stele__noise_hash(stele__map_name(ds->id, row)), at, 1, &u);
    return u;
}

void stele__dataset_hide(stele__dataset *ds, size_t m, double fraction, uint64_t seed,
                         const uint8_t *where)
{
    stele__matrix *x = &ds->matrix[m];
    for (int64_t row = 0; row < ds->n_rows; row++) {
        uint8_t *present = &ds->present[(size_t)row * ds->n_matrices + m];
        if (*present && (where == NULL || where[row]) &&
            uniform_of(ds, x, "missing", seed, row, 0) < fraction) {
            *present = 0;
            x->n_present--;
        }
    }
}

typedef struct drawn {
    double u;
    int64_t row;
} drawn;

static int by_draw(const void *a, const void *b)
{
    const drawn *x = a, *y = b;
    return x->u != y->u ? (x->u < y->u ? -1 : 1) : (x->row > y->row) - (x->row < y->row);
}

/* Each row of the list gets what the next one has, the last what the first one has. */
static void rotate(stele__matrix *x, drawn *list, int64_t n)
{
    qsort(list, (size_t)n, sizeof *list, by_draw);
    const int64_t first = n > 0 ? x->store_row[list[0].row] : -1;
    for (int64_t k = 0; n > 1 && k < n; k++) {
        const int64_t row = list[k].row, next = list[(k + 1) % n].row;
        x->partner[row] = next;
        x->store_row[row] = k + 1 < n ? x->store_row[next] : first;
    }
}

stele_status stele__dataset_mismatch(stele__dataset *ds, size_t m, double fraction, uint64_t seed,
                                     const uint8_t *part, const uint8_t *where)
{
    stele__matrix *x = &ds->matrix[m];
    const size_t n_rows = (size_t)ds->n_rows + 1;
    drawn *list = stele__malloc(n_rows * sizeof *list);
    stele__free(x->partner);
    x->partner = stele__malloc(n_rows * sizeof *x->partner);
    if (list == NULL || x->partner == NULL) {
        stele__free(list);
        return STELE_E_NOMEM;
    }
    for (int64_t row = 0; row < ds->n_rows; row++) {
        x->partner[row] = -1;
    }
    for (int p = STELE__TRAIN; p <= STELE__UNUSED; p++) {
        int64_t n = 0;
        for (int64_t row = 0; row < ds->n_rows; row++) {
            const int present = ds->present[(size_t)row * ds->n_matrices + m];
            if (present && part[row] == p && (where == NULL || where[row]) &&
                uniform_of(ds, x, "mismatched", seed, row, 0) < fraction) {
                list[n++] = (drawn){ uniform_of(ds, x, "mismatched", seed, row, 1), row };
            }
        }
        rotate(x, list, n);
    }
    stele__free(list);
    return STELE_OK;
}
