#include "eval/calibration.h"

#include "base/mem.h"
#include "eval/blocks.h"
#include "eval/generate.h"
#include "eval/sample.h"
#include "graph/noise.h"

#include <math.h>
#include <string.h>

/* Rows and values that are drawn at once. */
enum { MOST_ROWS = 256, MOST_VALUES = 2 << 20 };

typedef struct work {
    const stele__judge *j;
    const stele__calibration_request *q;
    const stele__modality *md;
    stele__sampling sampling;
    int64_t n, n_features, most; /* rows that count; rows of a pass */
    int64_t *row, *place;        /* (n) of the data set, of the request */
    float *z, *truth, *drawn;    /* of a pass */
    uint32_t *less, *equal;      /* (most, n_features) draws below and at the measured value */
    uint32_t *sample;            /* (most) */
} work;

int stele__calibration_possible(const stele__modality *to)
{
    return to->vt->decode != NULL ? to->vt->draw != NULL : to->vt->generate != NULL;
}

static double overlap(double a, double b, double low, double high)
{
    return fmax(0.0, fmin(b, high) - fmax(a, low));
}

void stele__calibration_place(uint32_t less, uint32_t equal, uint32_t n_samples, double level,
                              double *ret)
{
    const double ranks = (double)n_samples + 1.0, tail = 0.5 * (1.0 - level) * ranks;
    const double a = (double)less, b = a + (double)equal + 1.0;
    ret[STELE__ROW_INSIDE] = overlap(a, b, tail, ranks - tail) / (b - a);
    ret[STELE__ROW_BELOW] = overlap(a, b, 0.0, tail) / (b - a);
    ret[STELE__ROW_ABOVE] = overlap(a, b, ranks - tail, ranks) / (b - a);
}

static void finish(work *w)
{
    stele__free(w->row);
    stele__free(w->place);
    stele__free(w->z);
    stele__free(w->truth);
    stele__free(w->drawn);
    stele__free(w->less);
    stele__free(w->equal);
    stele__free(w->sample);
}

static stele_status choose_rows(work *w)
{
    const stele__calibration_request *q = w->q;
    w->row = stele__calloc((size_t)q->n + 1, sizeof *w->row);
    w->place = stele__calloc((size_t)q->n + 1, sizeof *w->place);
    if (w->row == NULL || w->place == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < q->n; r++) {
        const uint64_t present = stele__judge_present(w->j, q->row[r]);
        if ((present >> q->to & 1) != 0 && (present & q->given) != 0) {
            w->place[w->n] = r;
            w->row[w->n++] = q->row[r];
        }
    }
    return STELE_OK;
}

static stele_status make_room(work *w)
{
    w->n_features = w->md->n_features;
    w->most = MOST_VALUES / (w->n_features > 0 ? w->n_features : 1);
    w->most = w->most > MOST_ROWS ? MOST_ROWS : w->most < 1 ? 1 : w->most;
    const size_t values = (size_t)(w->most * w->n_features);
    w->z = stele__calloc((size_t)w->most * w->j->model->latent_dim, sizeof *w->z);
    w->truth = stele__calloc(values, sizeof *w->truth);
    w->drawn = stele__calloc(values, sizeof *w->drawn);
    w->less = stele__calloc(values, sizeof *w->less);
    w->equal = stele__calloc(values, sizeof *w->equal);
    w->sample = stele__calloc((size_t)w->most, sizeof *w->sample);
    return w->z != NULL && w->truth != NULL && w->drawn != NULL && w->less != NULL &&
                   w->equal != NULL && w->sample != NULL
               ? STELE_OK
               : STELE_E_NOMEM;
}

/* One draw of the rows at .. at + n - 1, counted. */
static stele_status draw(work *w, int64_t at, int64_t n, uint32_t number, stele__diag *diag)
{
    stele__generation g = { .modality = w->q->to,
                            .what = STELE_DRAW_SAMPLE,
                            .seed = w->sampling.seed,
                            .n = n,
                            .row = w->row + at,
                            .sample = w->sample,
                            .z = w->z,
                            .source = w->row + at,
                            .own = w->q->given,
                            .temperature = w->sampling.temperature };
    for (int64_t r = 0; r < n; r++) {
        w->sample[r] = number;
    }
    stele_status status = stele__sample_posterior(w->j, w->row + at, n, w->q->given, number,
                                                  &w->sampling, w->z, diag);
    status = status == STELE_OK ? stele__generate(w->j, &g, w->drawn, diag) : status;
    for (int64_t i = 0; i < n * w->n_features && status == STELE_OK; i++) {
        w->less[i] += w->drawn[i] < w->truth[i];
        w->equal[i] += w->drawn[i] == w->truth[i];
    }
    return status;
}

static void place_row(const work *w, int64_t r, double *ret)
{
    for (int64_t i = r * w->n_features; i < (r + 1) * w->n_features; i++) {
        double place[STELE__ROW_VALUES];
        if (isnan(w->truth[i])) {
            continue;
        }
        stele__calibration_place(w->less[i], w->equal[i], w->q->n_samples, w->q->level, place);
        for (int k = 0; k < STELE__ROW_VALUES; k++) {
            ret[k] += place[k];
        }
        ret[STELE__ROW_VALUES] += 1.0;
    }
}

static stele_status judge_rows(work *w, int64_t at, int64_t n, double *ret, stele__diag *diag)
{
    const int64_t m = stele__dataset_matrix(w->j->data, w->md->name);
    const size_t values = (size_t)(n * w->n_features);
    stele__blocks measured;
    stele_status status = stele__blocks_init(&measured, &w->j->data->matrix[m], w->row + at, n);
    if (status == STELE_OK) {
        stele__blocks_next(&measured, w->n_features, w->truth);
    }
    stele__blocks_finish(&measured);
    memset(w->less, 0, values * sizeof *w->less);
    memset(w->equal, 0, values * sizeof *w->equal);
    for (uint32_t s = 0; s < w->q->n_samples && status == STELE_OK; s++) {
        status = draw(w, at, n, s, diag);
    }
    for (int64_t r = 0; r < n && status == STELE_OK; r++) {
        place_row(w, r, ret + w->place[at + r] * STELE__N_CALIBRATION_ROWS);
    }
    return status;
}

stele_status stele__calibration_compute(const stele__judge *j, const stele__calibration_request *q,
                                        double *ret_rows, stele__diag *diag)
{
    work w = { .j = j, .q = q, .md = &j->model->modality[q->to] };
    w.sampling =
        (stele__sampling){ .seed = stele__noise_mix(j->seed, stele__noise_hash("calibration")),
                           .temperature = 1.0 };
    memset(ret_rows, 0, (size_t)q->n * STELE__N_CALIBRATION_ROWS * sizeof *ret_rows);
    stele_status status = choose_rows(&w);
    status = status == STELE_OK ? make_room(&w) : status;
    for (int64_t at = 0; at < w.n && status == STELE_OK; at += w.most) {
        status = judge_rows(&w, at, w.n - at < w.most ? w.n - at : w.most, ret_rows, diag);
    }
    finish(&w);
    return status;
}
