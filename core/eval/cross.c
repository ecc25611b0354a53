#include "eval/cross.h"

#include "base/mem.h"
#include "eval/blocks.h"
#include "eval/modes.h"
#include "eval/predict.h"
#include "eval/private.h"

#include <math.h>
#include <string.h>

/* Numbers of a block of rows x features. */
enum { BLOCK = 4 << 20, MOST_FEATURES = 1024 };

typedef struct cross {
    const stele__judge *j;
    const stele__cross_request *q;
    const stele__modality *md;
    int64_t n, n_train; /* rows that have what is needed */
    int64_t *row, *train;
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
    void *state[STELE__N_CROSS];
} cross;

int stele__cross_possible(const stele__modality *to)
{
    const int predicted = to->vt->decode != NULL ? to->vt->draw != NULL : to->vt->generate != NULL;
    return predicted && to->vt->score_size != NULL;
}

static void cross_finish(cross *c)
{
    stele__free(c->row);
    stele__free(c->train);
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

static stele_status choose_rows(cross *c)
{
    const stele__cross_request *q = c->q;
    uint64_t to = UINT64_C(1) << q->to, both = to | UINT64_C(1) << q->from;
    c->row = stele__calloc((size_t)q->n, sizeof *c->row);
    c->train = stele__calloc((size_t)q->n_train, sizeof *c->train);
    if (c->row == NULL || c->train == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < q->n; r++) {
        if ((stele__judge_present(c->j, q->row[r]) & both) == both) {
            c->row[c->n++] = q->row[r];
        }
    }
    for (int64_t r = 0; r < q->n_train; r++) {
        if ((stele__judge_present(c->j, q->train[r]) & to) != 0) {
            c->train[c->n_train++] = q->train[r];
        }
    }
    return STELE_OK;
}

/* Everything of the size of a block. */
static stele_status make_room(cross *c)
{
    int64_t rows = c->n > c->n_train ? c->n : c->n_train;
    c->width = BLOCK / rows > MOST_FEATURES ? MOST_FEATURES : BLOCK / rows < 1 ? 1 : BLOCK / rows;
    c->n_classes = c->q->label != NULL ? c->q->label->n_categories : 0;
    c->block = stele__calloc((size_t)(rows * c->width), sizeof *c->block);
    c->predicted = stele__calloc((size_t)(c->n * c->width), sizeof *c->predicted);
    c->marginal = stele__calloc((size_t)c->width, sizeof *c->marginal);
    c->class_mean = stele__calloc((size_t)(c->n_classes * c->width), sizeof *c->class_mean);
    c->class_seen = stele__calloc((size_t)(c->n_classes * c->width), sizeof *c->class_seen);
    c->seen = stele__calloc((size_t)c->width, sizeof *c->seen);
    int detailed = stele__detail_name(c->md) != NULL;
    if (detailed) {
        c->detail = stele__calloc((size_t)(c->n * c->width), sizeof *c->detail);
    }
    if ((stele__guest_plugin(c->md->part.guest)->desc.caps & STELE_CAP_COLUMNS) != 0) {
        c->likely = stele__calloc((size_t)(c->n * c->width), sizeof *c->likely);
        if (c->likely == NULL ||
            stele__modes_init(&c->modes, c->n_train, c->width, c->n_classes) != STELE_OK) {
            return STELE_E_NOMEM;
        }
    }
    int ok = c->block != NULL && c->predicted != NULL && c->marginal != NULL && c->seen != NULL &&
             c->class_mean != NULL && c->class_seen != NULL && detailed == (c->detail != NULL);
    stele__guest_begin(c->md->part.guest, "score_size");
    uint64_t bytes = c->md->vt->score_size(stele__guest_inst(c->md->part.guest));
    stele__guest_restore(c->md->part.guest, "score_size");
    for (int i = 0; i < STELE__N_CROSS; i++) {
        c->state[i] = stele__calloc(1, (size_t)bytes);
        ok = ok && c->state[i] != NULL;
    }
    return ok ? STELE_OK : STELE_E_NOMEM;
}

static stele_status infer(cross *c, stele__diag *diag)
{
    size_t n = (size_t)c->n, size = n * c->j->model->latent_dim, own = n * c->md->own.dim;
    const uint64_t from = UINT64_C(1) << c->q->from;
    float *sd = stele__calloc(size > own ? size : own, sizeof *sd);
    c->z = stele__calloc(size, sizeof *c->z);
    c->w = stele__calloc(own, sizeof *c->w);
    stele_status status = c->z != NULL && c->w != NULL && sd != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__judge_moments(c->j, c->row, c->n, from, c->z, sd, diag);
    }
    if (status == STELE_OK && own > 0) {
        status = stele__private_moments(c->j, c->q->to, from, c->row, c->n, c->w, sd, diag);
    }
    if (status == STELE_OK) {
        status = stele__predictor_init(&c->predictor, c->j, c->q->to, c->n);
    }
    if (status == STELE_OK) {
        stele__predictor_load(&c->predictor, c->n, c->row);
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
    return stele__predictor_block(&c->predictor, UINT64_C(1) << c->q->from, c->z, c->w, first,
                                  width, d, n, diag);
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
    for (int64_t r = 0; r < c->n_train; r++) {
        int32_t k = code != NULL ? code[c->train[r]] : -1;
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
    for (int64_t r = 0; r < c->n; r++) {
        int32_t k = which == STELE__CROSS_CLASS_MEAN ? c->q->label->code[c->row[r]] : -1;
        const double *mean = k >= 0 ? c->class_mean + k * width : c->marginal;
        for (int64_t f = 0; f < width; f++) {
            c->predicted[r * width + f] = (float)mean[f];
        }
        for (int64_t f = 0; c->likely != NULL && f < width; f++) {
            c->likely[r * width + f] = stele__mode_of(&c->modes, k, f);
        }
    }
}

static stele_status score(cross *c, int which, int64_t first, int64_t width, stele__diag *diag)
{
    stele_scored s = { .struct_size = sizeof s,
                       .n_rows = c->n,
                       .first = first,
                       .n_features = width,
                       .truth = c->block,
                       .predicted = c->predicted,
                       .known = c->marginal,
                       .detail = which == STELE__CROSS_MODEL ? c->detail : NULL,
                       .likely = c->likely };
    stele__guest_begin(c->md->part.guest, "score_add");
    stele_status status =
        c->md->vt->score_add(stele__guest_inst(c->md->part.guest), c->state[which], &s);
    return stele__guest_check(c->md->part.guest, "score_add", status, diag);
}

static stele_status score_block(cross *c, int64_t first, int64_t width, stele__diag *diag)
{
    stele__blocks_next(&c->known, width, c->block);
    learn(c, width);
    if (c->likely != NULL) {
        stele__modes_learn(&c->modes, c->block, width, c->n_train, c->train,
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
        status = score(c, which, first, width, diag);
    }
    return status;
}

static stele_status run(cross *c, stele__cross *ret, stele__diag *diag)
{
    const stele_inst *inst = stele__guest_inst(c->md->part.guest);
    int64_t end = c->q->n_features > 0 ? c->q->first + c->q->n_features : c->md->n_features;
    stele_status status = STELE_OK;
    stele__blocks_skip(&c->known, c->q->first);
    stele__blocks_skip(&c->truth, c->q->first);
    for (int64_t first = c->q->first; first < end && status == STELE_OK; first += c->width) {
        int64_t left = end - first;
        status = score_block(c, first, left < c->width ? left : c->width, diag);
    }
    for (int which = 0; which < STELE__N_CROSS && status == STELE_OK; which++) {
        if (which == STELE__CROSS_CLASS_MEAN && c->n_classes == 0) {
            continue;
        }
        stele__guest_begin(c->md->part.guest, "score_end");
        status = c->md->vt->score_end(inst, c->state[which], STELE__MOST_METRICS,
                                      ret->metric[which], &ret->n_metrics[which]);
        status = stele__guest_check(c->md->part.guest, "score_end", status, diag);
        if (status == STELE_OK) {
            status = stele__metrics_check(&c->md->part, "score_end", ret->metric[which],
                                          ret->n_metrics[which], STELE__MOST_METRICS, diag);
        }
    }
    return status;
}

stele_status stele__cross_compute(const stele__judge *j, const stele__cross_request *q,
                                  stele__cross *ret, stele__diag *diag)
{
    cross c = { .j = j, .q = q, .md = &j->model->modality[q->to] };
    int64_t at = stele__dataset_matrix(j->data, c.md->name);
    memset(ret, 0, sizeof *ret);
    stele_status status = choose_rows(&c);
    ret->n = c.n;
    if (status == STELE_OK && c.n > 0) {
        status = make_room(&c);
        if (status == STELE_OK) {
            status = infer(&c, diag);
        }
        if (status == STELE_OK) {
            status = stele__blocks_init(&c.truth, &j->data->matrix[at], c.row, c.n);
        }
        if (status == STELE_OK) {
            status = stele__blocks_init(&c.known, &j->data->matrix[at], c.train, c.n_train);
        }
        if (status == STELE_OK) {
            status = run(&c, ret, diag);
        }
    }
    cross_finish(&c);
    return status;
}
