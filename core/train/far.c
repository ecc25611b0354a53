/* Why a log-likelihood is no number: a measurement beyond what float can square. */
#include "base/mem.h"
#include "train/loop.h"

#include <math.h>
#include <stdio.h>

/* Standard deviations from the mean. Variances of 1e-4 and sums over features bring its square
 * beyond what float can hold, 3e38. */
static const double too_far = 1e15;
/* By itself: in training rows it widens the standard deviation that it is measured by, but not all
 * modalities divide by that. The root of the largest float. */
static const double too_large = 1.8e19;

/* Of each feature over the training rows that have it (Welford 1962). */
typedef struct moments {
    double *n, *mean, *squares;
} moments;

static const float *row_of(const stele__dataset *ds, size_t m, int64_t row)
{
    const stele__matrix *x = &ds->matrix[m];
    const int present = ds->present[(size_t)row * ds->n_matrices + m] != 0;
    return present && x->dense != NULL ? stele__matrix_row(x, x->store_row[row]) : NULL;
}

static void add_rows(const stele__training *t, size_t m, moments *a)
{
    for (int64_t r = 0; r < t->split->n[STELE__TRAIN]; r++) {
        const float *x = row_of(t->data, m, t->split->row[STELE__TRAIN][r]);
        for (int64_t j = 0; x != NULL && j < t->data->matrix[m].n_features; j++) {
            const double v = (double)x[j], d = v - a->mean[j];
            if (isfinite(v)) {
                a->n[j] += 1.0;
                a->mean[j] += d / a->n[j];
                a->squares[j] += d * (v - a->mean[j]);
            }
        }
    }
}

/* Above 1 where its square may be too large. As modalities do, what is the same in all rows has a
 * deviation of 1. */
static double distance(const moments *a, int64_t j, double v)
{
    const double variance = a->n[j] > 0.0 ? a->squares[j] / a->n[j] : 0.0;
    const int varies = variance > 1e-12 * a->mean[j] * a->mean[j];
    return fmax(fabs(v - a->mean[j]) / (varies ? sqrt(variance) : 1.0) / too_far,
                fabs(v) / too_large);
}

typedef struct farthest {
    int64_t row, feature;
    double value, distance;
} farthest;

static farthest find(const stele__training *t, size_t m, const moments *a)
{
    farthest f = { .row = -1 };
    for (int p = STELE__TRAIN; p <= STELE__VALID; p++) {
        for (int64_t r = 0; r < t->split->n[p]; r++) {
            const int64_t row = t->split->row[p][r];
            const float *x = row_of(t->data, m, row);
            for (int64_t j = 0; x != NULL && j < t->data->matrix[m].n_features; j++) {
                const double d = isfinite(x[j]) ? distance(a, j, (double)x[j]) : 0.0;
                if (d > f.distance) {
                    f = (farthest){ row, j, (double)x[j], d };
                }
            }
        }
    }
    return f;
}

void stele__loop_say_far(const stele__loop *l, const char *modality, size_t size, char *ret)
{
    const stele__training *t = l->t;
    const int64_t at = stele__dataset_matrix(t->data, modality);
    const stele__matrix *x = at >= 0 ? &t->data->matrix[at] : NULL;
    const size_t n = x != NULL && x->dense != NULL ? (size_t)x->n_features : 0;
    double *room = n > 0 ? stele__calloc(3 * n, sizeof *room) : NULL;
    ret[0] = '\0';
    if (room == NULL) {
        return;
    }
    moments a = { room, room + n, room + 2 * n };
    add_rows(t, (size_t)at, &a);
    const farthest f = find(t, (size_t)at, &a);
    if (f.distance > 1.0) {
        const char *file = t->data->source[x->source].file;
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)f.feature);
        snprintf(ret, size,
                 "row `%s`, feature `%s`%s%s: %g lies so far out that its likelihood is beyond "
                 "what float "
                 "can hold",
                 stele__dataset_row_id(t->data, f.row),
                 x->feature_name != NULL ? x->feature_name[f.feature] : number,
                 file != NULL ? " of " : "", file != NULL ? file : "", f.value);
    }
    stele__free(room);
}
