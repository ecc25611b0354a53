#include "eval/cross.h"

#include "base/mem.h"
#include "eval/blocks.h"
#include "eval/cross_resample.h"
#include "eval/modes.h"
#include "eval/predict.h"
#include "eval/private.h"
#include "eval/tally.h"

#include <math.h>
#include <string.h>

/* Numbers of a block of rows x features. */
enum { BLOCK = 4 << 20, MOST_FEATURES = 1024 };
/* Values that a plugin scores for the intervals of one prediction, and the size of the states that
 * it reads for them: those of rankings are large. */
enum { VALUES_RESAMPLED = 20000000, STATES_RESAMPLED = 2000000000 };

typedef struct cross {
    const stele__judge *j;
    const stele__cross_request *q;
    const stele__modality *md;
    stele__cross_rows rows;
    float *z; /* (n, D) posterior means */
    float *w; /* (n, dim) the same of the private latent of what is predicted */
    stele__predictor predictor;
    stele__blocks truth, known;
    int64_t width;                 /* features of a block */
    float *block, *predicted;      /* (n or n_train, width), (n, width) */
    float *detail;                 /* (n, width) of the model's prediction, if the plugin has one */
    stele__modes modes;            /* most frequent values, if the plugin is given such */
    float *likely;                 /* (n, width) most likely values, the same */
    double *marginal, *class_mean; /* (width), (classes, width) */
    double *seen, *class_seen;     /* the same: entries that they are means of */
    int64_t n_classes;
    uint64_t state_bytes;
    void *state[STELE__N_CROSS];
    uint32_t resamples; /* 0: no intervals */
} cross;

int stele__cross_possible(const stele__modality *to)
{
    const int predicted = to->vt->decode != NULL ? to->vt->draw != NULL : to->vt->generate != NULL;
    return to->vt->tally != NULL || (predicted && to->vt->score_size != NULL);
}

static void cross_finish(cross *c)
{
    stele__cross_rows_finish(&c->rows);
    stele__free(c->z);
    stele__free(c->w);
    stele__predictor_finish(&c->predictor);
    stele__blocks_finish(&c->truth);
    stele__blocks_finish(&c->known);
    stele__free(c->block);
    stele__free(c->predicted);
    stele__free(c->detail);
    stele__free(c->likely);
    stele__modes_finish(&c->modes);
    stele__free(c->marginal);
    stele__free(c->seen);
    stele__free(c->class_mean);
    stele__free(c->class_seen);
    for (int i = 0; i < STELE__N_CROSS; i++) {
        stele__free(c->state[i]);
    }
}

stele_status stele__cross_rows_of(const stele__judge *j, const stele__cross_request *q,
                                  uint64_t mask, stele__cross_rows *ret)
{
    const uint64_t both = UINT64_C(1) << q->to | UINT64_C(1) << q->from;
    *ret = (stele__cross_rows){ .row = stele__calloc((size_t)q->n, sizeof *ret->row),
                                .place = stele__calloc((size_t)q->n, sizeof *ret->place),
                                .train = stele__calloc((size_t)q->n_train, sizeof *ret->train) };
    if (ret->row == NULL || ret->place == NULL || ret->train == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < q->n; r++) {
        if ((stele__judge_present(j, q->row[r]) & both) == both) {
            ret->place[ret->n] = r;
            ret->row[ret->n++] = q->row[r];
        }
    }
    for (int64_t r = 0; r < q->n_train; r++) {
        if ((stele__judge_present(j, q->train[r]) & mask) != 0) {
            ret->train[ret->n_train++] = q->train[r];
        }
    }
    return STELE_OK;
}

void stele__cross_rows_finish(stele__cross_rows *rows)
{
    stele__free(rows->row);
    stele__free(rows->place);
    stele__free(rows->train);
}

static int64_t features_of(const cross *c)
{
    return c->q->n_features > 0 ? c->q->n_features : c->md->n_features;
}

/* Features of a block, and how many resamples there are, for which it has to hold them all. */
static void plan_blocks(cross *c)
{
    const int64_t rows = c->rows.n > c->rows.n_train ? c->rows.n : c->rows.n_train,
                  features = features_of(c);
    const int64_t values = VALUES_RESAMPLED / (c->rows.n * features > 0 ? c->rows.n * features : 1);
    const int64_t states = (int64_t)(STATES_RESAMPLED / (c->state_bytes + 1));
    const int64_t affordable = values < states ? values : states;
    c->width = BLOCK / rows > MOST_FEATURES ? MOST_FEATURES : BLOCK / rows < 1 ? 1 : BLOCK / rows;
    if (c->q->bootstrap != NULL && affordable >= STELE__LEAST_RESAMPLES &&
        features <= BLOCK / rows) {
        c->width = features > c->width ? features : c->width;
        c->resamples = (uint32_t)affordable;
    }
}

/* Everything of the size of a block. */
static stele_status make_room(cross *c)
{
    stele__guest_begin(c->md->part.guest, "score_size");
    c->state_bytes = c->md->vt->score_size(stele__guest_inst(c->md->part.guest));
    stele__guest_restore(c->md->part.guest, "score_size");
    plan_blocks(c);
    const int64_t rows = c->rows.n > c->rows.n_train ? c->rows.n : c->rows.n_train;
    c->n_classes = c->q->label != NULL ? c->q->label->n_categories : 0;
    c->block = stele__calloc((size_t)(rows * c->width), sizeof *c->block);
    c->predicted = stele__calloc((size_t)(c->rows.n * c->width), sizeof *c->predicted);
    c->marginal = stele__calloc((size_t)c->width, sizeof *c->marginal);
    c->class_mean = stele__calloc((size_t)(c->n_classes * c->width), sizeof *c->class_mean);
    c->class_seen = stele__calloc((size_t)(c->n_classes * c->width), sizeof *c->class_seen);
    c->seen = stele__calloc((size_t)c->width, sizeof *c->seen);
    int detailed = stele__detail_name(c->md) != NULL;
    if (detailed) {
        c->detail = stele__calloc((size_t)(c->rows.n * c->width), sizeof *c->detail);
    }
    if ((stele__guest_plugin(c->md->part.guest)->desc.caps & STELE_CAP_COLUMNS) != 0) {
        c->likely = stele__calloc((size_t)(c->rows.n * c->width), sizeof *c->likely);
        if (c->likely == NULL ||
            stele__modes_init(&c->modes, c->rows.n_train, c->width, c->n_classes) != STELE_OK) {
            return STELE_E_NOMEM;
        }
    }
    int ok = c->block != NULL && c->predicted != NULL && c->marginal != NULL && c->seen != NULL &&
             c->class_mean != NULL && c->class_seen != NULL && detailed == (c->detail != NULL);
    for (int i = 0; i < STELE__N_CROSS; i++) {
        c->state[i] = stele__calloc(1, (size_t)c->state_bytes);
        ok = ok && c->state[i] != NULL;
    }
    return ok ? STELE_OK : STELE_E_NOMEM;
}

static stele_status infer(cross *c, stele__diag *diag)
{
    size_t n = (size_t)c->rows.n, size = n * c->j->model->latent_dim, own = n * c->md->own.dim;
    const uint64_t from = UINT64_C(1) << c->q->from;
    float *sd = stele__calloc(size > own ? size : own, sizeof *sd);
    c->z = stele__calloc(size, sizeof *c->z);
    c->w = stele__calloc(own, sizeof *c->w);
    stele_status status = c->z != NULL && c->w != NULL && sd != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__judge_moments(c->j, c->rows.row, c->rows.n, from, c->z, sd, diag);
    }
    if (status == STELE_OK && own > 0) {
        status =
            stele__private_moments(c->j, c->q->to, from, c->rows.row, c->rows.n, c->w, sd, diag);
    }
    if (status == STELE_OK) {
        status = stele__predictor_init(&c->predictor, c->j, c->q->to, c->rows.n);
    }
    if (status == STELE_OK) {
        stele__predictor_load(&c->predictor, c->rows.n, c->rows.row);
    }
    stele__free(sd);
    return status;
}

static stele_status predict(cross *c, int64_t first, int64_t width, stele__diag *diag)
{
    stele_draw d[] = {
        { .struct_size = sizeof d[0], .what = STELE_DRAW_MEAN, .out = c->predicted },
        { .struct_size = sizeof d[0], .what = STELE_DRAW_DETAIL, .out = c->detail },
        { .struct_size = sizeof d[0], .what = STELE_DRAW_MODE, .out = c->likely },
    };
    uint32_t n = c->detail != NULL ? 2 : 1;
    if (c->likely != NULL) {
        d[n++] = d[2];
    }
    return stele__predictor_block(&c->predictor, c->z, c->w, first, width, d, n, diag);
}

/* Means of the block over all training rows and over those of each class, of the entries that are
 * there. */
static void learn(cross *c, int64_t width)
{
    const int32_t *code = c->n_classes > 0 ? c->q->label->code : NULL;
    size_t n = (size_t)(c->n_classes * width);
    memset(c->marginal, 0, (size_t)width * sizeof *c->marginal);
    memset(c->seen, 0, (size_t)width * sizeof *c->seen);
    memset(c->class_mean, 0, n * sizeof *c->class_mean);
    memset(c->class_seen, 0, n * sizeof *c->class_seen);
    for (int64_t r = 0; r < c->rows.n_train; r++) {
        int32_t k = code != NULL ? code[c->rows.train[r]] : -1;
        for (int64_t f = 0; f < width; f++) {
            double v = (double)c->block[r * width + f];
            if (!isnan(v)) {
                c->marginal[f] += v;
                c->seen[f] += 1.0;
            }
            if (!isnan(v) && k >= 0) {
                c->class_mean[k * width + f] += v;
                c->class_seen[k * width + f] += 1.0;
            }
        }
    }
    for (int64_t f = 0; f < width; f++) {
        c->marginal[f] /= c->seen[f] > 0.0 ? c->seen[f] : 1.0;
    }
    for (size_t i = 0; i < n; i++) {
        c->class_mean[i] =
            (c->class_mean[i] + STELE__PSEUDO_ROWS * c->marginal[i % (size_t)width]) /
            (c->class_seen[i] + STELE__PSEUDO_ROWS);
    }
}

/* A baseline's prediction for the scored rows. */
static void repeat_means(cross *c, int which, int64_t width)
{
    for (int64_t r = 0; r < c->rows.n; r++) {
        int32_t k = which == STELE__CROSS_CLASS_MEAN ? c->q->label->code[c->rows.row[r]] : -1;
        const double *mean = k >= 0 ? c->class_mean + k * width : c->marginal;
        for (int64_t f = 0; f < width; f++) {
            c->predicted[r * width + f] = (float)mean[f];
        }
        for (int64_t f = 0; c->likely != NULL && f < width; f++) {
            c->likely[r * width + f] = stele__mode_of(&c->modes, k, f);
        }
    }
}

/* The block as the plugin is to score it. */
static stele_scored block_of(const cross *c, int which, int64_t first, int64_t width)
{
    return (stele_scored){ .struct_size = sizeof(stele_scored),
                           .n_rows = c->rows.n,
                           .first = first,
                           .n_features = width,
                           .truth = c->block,
                           .predicted = c->predicted,
                           .known = c->marginal,
                           .detail = which == STELE__CROSS_MODEL ? c->detail : NULL,
                           .likely = c->likely };
}

static stele_status score(cross *c, int which, const stele_scored *s, stele__diag *diag)
{
    stele__guest_begin(c->md->part.guest, "score_add");
    stele_status status =
        c->md->vt->score_add(stele__guest_inst(c->md->part.guest), c->state[which], s);
    return stele__guest_check(c->md->part.guest, "score_add", status, diag);
}

static stele_status read_metrics(cross *c, int which, stele__cross *ret, stele__diag *diag)
{
    stele__guest_begin(c->md->part.guest, "score_end");
    stele_status status =
        c->md->vt->score_end(stele__guest_inst(c->md->part.guest), c->state[which],
                             STELE__MOST_METRICS, ret->metric[which], &ret->n_metrics[which]);
    status = stele__guest_check(c->md->part.guest, "score_end", status, diag);
    return status == STELE_OK
               ? stele__metrics_check(&c->md->part, "score_end", ret->metric[which],
                                      ret->n_metrics[which], STELE__MOST_METRICS, diag)
               : status;
}

static stele_status find_intervals(cross *c, int which, const stele_scored *all, stele__cross *ret)
{
    stele__resampled_block block = { .md = c->md,
                                     .all = all,
                                     .place = c->rows.place,
                                     .state_bytes = c->state_bytes,
                                     .metric = ret->metric[which],
                                     .n_metrics = ret->n_metrics[which] };
    for (uint32_t i = 0; i < ret->n_metrics[which]; i++) {
        ret->interval[which][i] = (stele__interval){ NAN, NAN };
    }
    return c->resamples > 0
               ? stele__resample_block(&block, c->q->bootstrap, c->resamples, ret->interval[which])
               : STELE_OK;
}

/* Figures are read after the last block; if that is the only one, intervals come from it. */
static stele_status score_block(cross *c, int64_t first, int64_t width, int last, stele__cross *ret,
                                stele__diag *diag)
{
    stele__blocks_next(&c->known, width, c->block);
    learn(c, width);
    if (c->likely != NULL) {
        stele__modes_learn(&c->modes, c->block, width, c->rows.n_train, c->rows.train,
                           c->n_classes > 0 ? c->q->label->code : NULL);
    }
    stele__blocks_next(&c->truth, width, c->block);
    stele_status status = predict(c, first, width, diag);
    for (int which = 0; which < STELE__N_CROSS && status == STELE_OK; which++) {
        if (which == STELE__CROSS_CLASS_MEAN && c->n_classes == 0) {
            continue;
        }
        if (which != STELE__CROSS_MODEL) {
            repeat_means(c, which, width);
        }
        const stele_scored block = block_of(c, which, first, width);
        status = score(c, which, &block, diag);
        if (status == STELE_OK && last) {
            status = read_metrics(c, which, ret, diag);
            status = status == STELE_OK ? find_intervals(c, which, &block, ret) : status;
        }
    }
    return status;
}

static stele_status run(cross *c, stele__cross *ret, stele__diag *diag)
{
    const int64_t end = c->q->first + features_of(c);
    stele_status status = STELE_OK;
    stele__blocks_skip(&c->known, c->q->first);
    stele__blocks_skip(&c->truth, c->q->first);
    for (int64_t first = c->q->first; first < end && status == STELE_OK; first += c->width) {
        const int64_t left = end - first;
        status =
            score_block(c, first, left < c->width ? left : c->width, left <= c->width, ret, diag);
    }
    return status;
}

stele_status stele__cross_compute(const stele__judge *j, const stele__cross_request *q,
                                  stele__cross *ret, stele__diag *diag)
{
    cross c = { .j = j, .q = q, .md = &j->model->modality[q->to] };
    if (c.md->vt->tally != NULL) {
        return stele__tally_compute(j, q, ret, diag);
    }
    int64_t at = stele__dataset_matrix(j->data, c.md->name);
    memset(ret, 0, sizeof *ret);
    stele_status status = stele__cross_rows_of(j, q, UINT64_C(1) << q->to, &c.rows);
    ret->n = c.rows.n;
    if (status == STELE_OK && c.rows.n > 0) {
        status = make_room(&c);
        if (status == STELE_OK) {
            status = infer(&c, diag);
        }
        if (status == STELE_OK) {
            status = stele__blocks_init(&c.truth, &j->data->matrix[at], c.rows.row, c.rows.n);
        }
        if (status == STELE_OK) {
            status =
                stele__blocks_init(&c.known, &j->data->matrix[at], c.rows.train, c.rows.n_train);
        }
        if (status == STELE_OK) {
            status = run(&c, ret, diag);
        }
    }
    cross_finish(&c);
    return status;
}
