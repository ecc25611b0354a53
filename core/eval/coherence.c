#include "eval/coherence.h"

#include "base/mem.h"
#include "base/str.h"
#include "eval/blocks.h"
#include "eval/class_net.h"
#include "eval/generate.h"
#include "eval/sample.h"
#include "graph/noise.h"

#include <math.h>
#include <string.h>

/* Rows and values that are generated at once. */
enum { MOST_ROWS = 256, MOST_VALUES = 2 << 20 };

typedef struct work {
    const stele__judge *j;
    const stele__coherence_request *q;
    stele__coherence *c;
    stele__class_net *net[64];
    stele__sampling sampling;
    int64_t most;         /* rows of a pass */
    float *x, *z;         /* (most, features), (most, D) */
    int32_t *told, *all;  /* (most) class named; of the first modality, -1: another one disagreed */
    int64_t *row, *place; /* (n) rows that count: of the data set, of the request */
    uint32_t *sample;     /* (most) */
} work;

int stele__coherence_possible(const stele__modality *md)
{
    return md->vt->decode != NULL ? md->vt->draw != NULL : md->vt->generate != NULL;
}

void stele__coherence_finish(stele__coherence *c)
{
    stele__free(c->column);
    stele__free(c->hit);
    *c = (stele__coherence){ 0 };
}

static void finish(work *w)
{
    for (int m = 0; m < 64; m++) {
        stele__class_destroy(w->net[m]);
    }
    stele__free(w->x);
    stele__free(w->z);
    stele__free(w->told);
    stele__free(w->all);
    stele__free(w->row);
    stele__free(w->place);
    stele__free(w->sample);
}

/* --- classifiers --- */

static stele_status read_rows(void *ctx, const int64_t *row, int64_t n, float *ret)
{
    const stele__matrix *matrix = ctx;
    stele__blocks b;
    stele_status status = stele__blocks_init(&b, matrix, row, n);
    if (status == STELE_OK) {
        stele__blocks_next(&b, matrix->n_features, ret);
    }
    stele__blocks_finish(&b);
    return status;
}

/* Rows of `from` that have all of `need` and a label, their places there and classes. */
static int64_t choose(const work *w, const int64_t *from, int64_t n, uint64_t need, int64_t *row,
                      int64_t *place, int32_t *code)
{
    int64_t kept = 0;
    for (int64_t r = 0; r < n; r++) {
        const int32_t class = w->q->label->code[from[r]];
        if (class < 0 || (stele__judge_present(w->j, from[r]) & need) != need) {
            continue;
        }
        row[kept] = from[r];
        if (place != NULL) {
            place[kept] = r;
        }
        if (code != NULL) {
            code[kept] = class;
        }
        kept++;
    }
    return kept;
}

static char *path_of(const work *w, uint32_t m)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s/coherence-%s.safetensors", w->q->folder,
                      w->j->model->modality[m].name);
    return stele__str_take(&s);
}

/* From the folder if it was trained on the same, else anew. */
static stele_status classifier(work *w, uint32_t m, const stele__class_request *q,
                               stele__diag *diag)
{
    uint64_t digest = 0;
    char *path = w->q->folder != NULL ? path_of(w, m) : NULL;
    stele_status status =
        path != NULL || w->q->folder == NULL ? stele__class_digest(q, &digest) : STELE_E_NOMEM;
    if (status == STELE_OK && path != NULL) {
        status = stele__class_read(path, digest, &q->rows, q->n_classes, &w->net[m]);
    }
    if (status == STELE_OK && w->net[m] == NULL) {
        status = stele__class_train(w->j->graph, q, &w->net[m], diag);
        if (status == STELE_OK && path != NULL) {
            status = stele__class_write(w->net[m], path, digest, diag);
        }
    }
    stele__free(path);
    return status;
}

static stele__class_rows rows_of(stele__matrix *matrix, int64_t n_features)
{
    const stele_shape *s = &matrix->field.sample;
    const int grid = s->ndim == 2 || s->ndim == 3;
    /* Channels are fewer than pixels along a side. */
    const int first = s->ndim == 3 && s->dim[0] < s->dim[2];
    return (stele__class_rows){ .read = read_rows,
                                .ctx = matrix,
                                .n_columns = n_features,
                                .height = grid ? s->dim[first] : 0,
                                .width = grid ? s->dim[first + 1] : 0,
                                .channels_first = first };
}

static stele_status prepare_modality(work *w, uint32_t m, stele__diag *diag)
{
    const stele__modality *md = &w->j->model->modality[m];
    const int64_t at = stele__dataset_matrix(w->j->data, md->name), n = w->q->n_train;
    int64_t *row = stele__calloc((size_t)n + 1, sizeof *row);
    int32_t *code = stele__calloc((size_t)n + 1, sizeof *code);
    stele_status status = row != NULL && code != NULL ? STELE_OK : STELE_E_NOMEM;
    int several = 0;
    if (status == STELE_OK) {
        stele__class_request q = { .rows = rows_of(&w->j->data->matrix[at], md->n_features),
                                   .row = row,
                                   .label = code,
                                   .n =
                                       choose(w, w->q->train, n, UINT64_C(1) << m, row, NULL, code),
                                   .n_classes = (int32_t)w->q->label->n_categories,
                                   .seed =
                                       stele__noise_mix(w->j->seed, stele__noise_hash(md->name)) };
        w->c->n_train[m] = q.n;
        for (int64_t r = 1; r < q.n; r++) {
            several = several || code[r] != code[0];
        }
        status = several ? classifier(w, m, &q, diag) : STELE_OK;
    }
    stele__free(row);
    stele__free(code);
    return status;
}

static stele_status prepare(work *w, stele__diag *diag)
{
    int64_t widest = 1;
    stele_status status = STELE_OK;
    for (uint32_t m = 0; m < w->j->model->n_modalities && status == STELE_OK; m++) {
        const stele__modality *md = &w->j->model->modality[m];
        if ((w->q->mask >> m & 1) == 0 || !stele__coherence_possible(md)) {
            continue;
        }
        status = prepare_modality(w, m, diag);
        if (w->net[m] != NULL) {
            w->c->mask |= UINT64_C(1) << m;
            widest = md->n_features > widest ? md->n_features : widest;
        }
    }
    w->most = MOST_VALUES / widest;
    w->most = w->most > MOST_ROWS ? MOST_ROWS : w->most < 1 ? 1 : w->most;
    const size_t n = (size_t)w->most;
    w->x = stele__calloc(n * (size_t)widest, sizeof *w->x);
    w->z = stele__calloc(n * w->j->model->latent_dim, sizeof *w->z);
    w->told = stele__calloc(n, sizeof *w->told);
    w->all = stele__calloc(n, sizeof *w->all);
    w->sample = stele__calloc(n, sizeof *w->sample);
    w->row = stele__calloc((size_t)w->q->n + 1, sizeof *w->row);
    w->place = stele__calloc((size_t)w->q->n + 1, sizeof *w->place);
    const int ok = w->x != NULL && w->z != NULL && w->told != NULL && w->all != NULL &&
                   w->sample != NULL && w->row != NULL && w->place != NULL;
    return status == STELE_OK && !ok ? STELE_E_NOMEM : status;
}

/* --- columns --- */

static uint32_t n_bits(uint64_t mask)
{
    uint32_t n = 0;
    for (; mask != 0; mask &= mask - 1) {
        n++;
    }
    return n;
}

/* The next subset of `mask` after `given` in the order of their bits, 0 after the last. */
static uint64_t next_subset(uint64_t mask, uint64_t given)
{
    return (given - mask) & mask;
}

/* Every modality from every subset of the others, given modalities being any that take part. */
static stele_status make_columns(work *w)
{
    stele__coherence *c = w->c;
    const uint32_t n_modalities = n_bits(w->q->mask);
    const size_t most = (size_t)n_modalities << n_modalities;
    c->most_given = n_modalities > 0 ? n_modalities - 1 : 0;
    c->column = stele__calloc(most + 3, sizeof *c->column);
    if (c->column == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t k = 0; k < n_modalities; k++) {
        for (uint32_t m = 0; m < w->j->model->n_modalities; m++) {
            const uint64_t others = w->q->mask & ~(UINT64_C(1) << m);
            uint64_t given = 0;
            if ((c->mask >> m & 1) == 0) {
                continue;
            }
            do {
                if (n_bits(given) == k) {
                    c->column[c->n_columns++] =
                        (stele__coherence_column){ .to = m, .given = given, .n_given = k };
                }
                given = next_subset(others, given);
            } while (given != 0);
        }
    }
    c->n_joint = w->j->prior != NULL ? 2 : 1;
    c->n_columns += c->n_joint;
    c->hit = stele__calloc((size_t)c->n * c->n_columns + 1, sizeof *c->hit);
    for (size_t i = 0; c->hit != NULL && i < (size_t)c->n * c->n_columns; i++) {
        c->hit[i] = NAN;
    }
    return c->hit != NULL ? STELE_OK : STELE_E_NOMEM;
}

static void add_hit(const work *w, int64_t place, size_t column, double share)
{
    double *hit = &w->c->hit[(size_t)place * w->c->n_columns + column];
    *hit = (isnan(*hit) ? 0.0 : *hit) + share;
}

/* --- what classifiers say --- */

static stele_status hear_real(work *w, size_t column, stele__diag *diag)
{
    const uint32_t m = w->c->column[column].to;
    const int64_t at = stele__dataset_matrix(w->j->data, w->j->model->modality[m].name);
    stele_status status = STELE_OK;
    const int64_t n = choose(w, w->q->row, w->q->n, UINT64_C(1) << m, w->row, w->place, NULL);
    for (int64_t r = 0; r < n && status == STELE_OK; r += w->most) {
        const int64_t some = n - r < w->most ? n - r : w->most;
        status = read_rows(&w->j->data->matrix[at], w->row + r, some, w->x);
        if (status == STELE_OK) {
            status = stele__class_tell(w->net[m], w->j->graph, w->x, some, w->told, diag);
        }
        for (int64_t i = 0; i < some && status == STELE_OK; i++) {
            add_hit(w, w->place[r + i], column,
                    w->told[i] == w->q->label->code[w->row[r + i]] ? 1.0 : 0.0);
        }
    }
    return status;
}

/* Classes of modality m generated at w->z for rows at .. at + n - 1, into w->told. */
static stele_status hear_generated(work *w, uint32_t m, uint64_t given, int64_t at, int64_t n,
                                   stele__diag *diag)
{
    const stele__guest *guest = w->j->model->modality[m].part.guest;
    const int columns = (stele__guest_plugin(guest)->desc.caps & STELE_CAP_COLUMNS) != 0;
    const stele__generation g = { .modality = m,
                                  .what = columns ? STELE_DRAW_MODE : STELE_DRAW_MEAN,
                                  .seed = w->sampling.seed,
                                  .n = n,
                                  .row = w->row + at,
                                  .sample = w->sample,
                                  .z = w->z,
                                  .source = w->row + at,
                                  .own = given,
                                  .temperature = w->sampling.temperature };
    stele_status status = stele__generate(w->j, &g, w->x, diag);
    return status == STELE_OK ? stele__class_tell(w->net[m], w->j->graph, w->x, n, w->told, diag)
                              : status;
}

/* All columns given the same modalities, from the same draws of z. */
static stele_status hear_given(work *w, uint64_t given, int64_t at, int64_t n, uint32_t draw,
                               stele__diag *diag)
{
    stele_status status =
        stele__sample_posterior(w->j, w->row + at, n, given, draw, &w->sampling, w->z, diag);
    for (size_t i = 0; i + w->c->n_joint < w->c->n_columns && status == STELE_OK; i++) {
        if (w->c->column[i].given != given) {
            continue;
        }
        status = hear_generated(w, w->c->column[i].to, given, at, n, diag);
        for (int64_t r = 0; r < n && status == STELE_OK; r++) {
            const int right = w->told[r] == w->q->label->code[w->row[at + r]];
            add_hit(w, w->place[at + r], i, right / (double)w->q->n_samples);
        }
    }
    return status;
}

/* Draws of the prior stand at rows for their covariates, and so that they are resampled with them.
 */
static stele_status hear_prior(work *w, const stele__judge *j, size_t column, int64_t at, int64_t n,
                               uint32_t draw, stele__diag *diag)
{
    stele_status status = STELE_OK;
    int first = 1;
    stele__sample_prior(j, (int64_t)draw * w->q->n + at, n, &w->sampling, w->z);
    for (uint32_t m = 0; m < w->j->model->n_modalities && status == STELE_OK; m++) {
        if ((w->c->mask >> m & 1) == 0) {
            continue;
        }
        status = hear_generated(w, m, 0, at, n, diag);
        for (int64_t r = 0; r < n && status == STELE_OK; r++) {
            w->all[r] = first || w->all[r] == w->told[r] ? w->told[r] : -1;
        }
        first = 0;
    }
    for (int64_t r = 0; r < n && status == STELE_OK; r++) {
        add_hit(w, w->place[at + r], column, (w->all[r] >= 0) / (double)w->q->n_samples);
    }
    return status;
}

static stele_status hear_joint(work *w, uint64_t given, int64_t at, int64_t n, uint32_t draw,
                               stele__diag *diag)
{
    const size_t column = w->c->n_columns - w->c->n_joint;
    stele__judge standard = *w->j;
    standard.prior = NULL;
    (void)given;
    stele_status status = hear_prior(w, w->j, column, at, n, draw, diag);
    return status == STELE_OK && w->c->n_joint > 1
               ? hear_prior(w, &standard, column + 1, at, n, draw, diag)
               : status;
}

typedef stele_status hear(work *w, uint64_t given, int64_t at, int64_t n, uint32_t draw,
                          stele__diag *diag);

/* Every draw of the rows that have all of `given` and a label. */
static stele_status for_rows(work *w, uint64_t given, hear *listen, stele__diag *diag)
{
    const int64_t n = choose(w, w->q->row, w->q->n, given, w->row, w->place, NULL);
    stele_status status = STELE_OK;
    for (int64_t at = 0; at < n && status == STELE_OK; at += w->most) {
        const int64_t some = n - at < w->most ? n - at : w->most;
        for (uint32_t s = 0; s < w->q->n_samples && status == STELE_OK; s++) {
            for (int64_t r = 0; r < some; r++) {
                w->sample[r] = s;
            }
            status = listen(w, given, at, some, s, diag);
        }
    }
    return status;
}

static stele_status listen_to_all(work *w, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i + w->c->n_joint < w->c->n_columns && status == STELE_OK; i++) {
        status = w->c->column[i].given == 0 ? hear_real(w, i, diag) : STELE_OK;
    }
    for (uint64_t given = next_subset(w->q->mask, 0);
         given != 0 && given != w->q->mask && status == STELE_OK;
         given = next_subset(w->q->mask, given)) {
        status = for_rows(w, given, hear_given, diag);
    }
    if (status == STELE_OK && n_bits(w->c->mask) > 1) {
        w->sampling.seed = stele__noise_mix(w->sampling.seed, stele__noise_hash("joint"));
        status = for_rows(w, 0, hear_joint, diag);
    }
    return status;
}

stele_status stele__coherence_compute(const stele__judge *j, const stele__coherence_request *q,
                                      stele__coherence *ret, stele__diag *diag)
{
    work w = { .j = j, .q = q, .c = ret };
    *ret = (stele__coherence){ .n = q->n };
    w.sampling =
        (stele__sampling){ .seed = stele__noise_mix(j->seed, stele__noise_hash("coherence")),
                           .temperature = 1.0 };
    stele_status status = prepare(&w, diag);
    status = status == STELE_OK ? make_columns(&w) : status;
    status = status == STELE_OK ? listen_to_all(&w, diag) : status;
    finish(&w);
    return status;
}
