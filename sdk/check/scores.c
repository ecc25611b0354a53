#include "scores.h"

#include "guard.h"

#include <string.h>

static uint32_t modality_scores(rig *r, stele_metric *ret)
{
    const stele_modality_vt *vt = &r->vt->modality;
    const size_t count = (size_t)(r->plan.rows * r->plan.features);
    uint32_t n = 0;
    float *truth = rig_take(r, count * sizeof *truth), *predicted = rig_take(r, count * sizeof *predicted);
    double *known = rig_take(r, (size_t)r->plan.features * sizeof *known); /* taken to be those of the scored rows */
    enum { MORE = 64 }; /* what is written past the end is `score`'s business, and nobody else's harm */
    void *state = rig_take(r, (size_t)vt->score_size(r->inst) + MORE);
    stele_metric *room = rig_take(r, (SCORES_MOST + 1) * sizeof *room);
    for (size_t i = 0; i < count; i++) {
        truth[i] = (float)r->input[0].value[i];
        known[i % (size_t)r->plan.features] += r->input[0].value[i] / (double)r->plan.rows;
        predicted[i] = (float)(0.6 * r->input[0].value[i] + 0.4 * rig_uniform(r->t, 950, (int64_t)i));
    }
    stele_scored s = { .struct_size = sizeof s, .n_rows = r->plan.rows, .n_features = r->plan.features };
    s.truth = truth;
    s.predicted = predicted;
    s.known = known;
    s.likely = rig_likely(r, count, predicted);
    int good = vt->score_add(r->inst, state, &s) == STELE_OK &&
               vt->score_end(r->inst, state, SCORES_MOST, room, &n) == STELE_OK;
    memcpy(ret, room, SCORES_MOST * sizeof *ret);
    return good && n <= SCORES_MOST ? n : 0;
}

static uint32_t tally_scores(rig *r, stele_metric *ret)
{
    const uint32_t before = r->plan.tally;
    rig_result res;
    uint32_t n = 0;
    r->plan.tally = 1;
    stele_status status = rig_run(r, r->plan.rows, NULL, 0, &res);
    r->plan.tally = before;
    if (status == STELE_OK) {
        const rig_output *o = &res.out[res.n - 1];
        double *sum = rig_take(r, (size_t)o->width * sizeof *sum + 1);
        for (int64_t i = 0; i < o->rows * o->width; i++) {
            sum[i % o->width] += o->value[i];
        }
        status = r->vt->modality.tally_end(r->inst, sum, SCORES_MOST, ret, &n);
    }
    rig_result_finish(&res);
    return status == STELE_OK && n <= SCORES_MOST ? n : 0;
}

stele_head_scored scores_of_head(const rig *r, int64_t rows, int64_t width, const float *predicted, const int32_t *code,
                                 const double *number)
{
    const int is_code = r->field.content == STELE_FIELD_CATEGORY;
    return (stele_head_scored){ .struct_size = sizeof(stele_head_scored),
                                .n_rows = rows,
                                .n_distinct = rows,
                                .n_outputs = width,
                                .predicted = predicted,
                                .code = is_code ? code : NULL,
                                .number = is_code ? NULL : number,
                                .reader = &r->reader };
}

int scores_show(rig *r, scores_shown *ret)
{
    const stele_head_vt *vt = &r->vt->head;
    const int64_t rows = r->plan.rows;
    rig_result res;
    memset(ret, 0, sizeof *ret);
    stele_status status = vt->outputs(r->inst, &r->reader, SCORES_MOST_OUTPUTS, ret->output, &ret->n);
    if (status != STELE_OK || ret->n < 1 || ret->n > SCORES_MOST_OUTPUTS ||
        rig_run(r, rows, NULL, 0, &res) != STELE_OK) {
        return 0;
    }
    const rig_output *y = &res.out[0];
    size_t mark = guard_mark();
    double *watched = guard_take((size_t)rows * ret->n * sizeof *watched, "the quantities");
    double *uniform = rig_take(r, (size_t)rows * sizeof *uniform);
    float *predicted = rig_take(r, (size_t)(y->rows * y->width) * sizeof *predicted + 1);
    ret->expected = rig_take(r, (size_t)rows * ret->n * sizeof(double));
    ret->noisy = rig_take(r, (size_t)rows * ret->n * sizeof(double));
    for (int64_t i = 0; i < y->rows * y->width; i++) {
        predicted[i] = (float)y->value[i];
    }
    for (int64_t i = 0; i < rows; i++) {
        uniform[i] = rig_uniform(r->t, 600, i);
    }
    stele_head_shown s = { .struct_size = sizeof s,
                           .n_rows = rows,
                           .n_outputs = y->width,
                           .predicted = predicted,
                           .reader = &r->reader,
                           .ret = watched };
    for (int noisy = 0; noisy < 2 && status == STELE_OK; noisy++) {
        s.uniform = noisy ? uniform : NULL;
        status = vt->show(r->inst, &s);
        memcpy(noisy ? ret->noisy : ret->expected, watched, (size_t)rows * ret->n * sizeof *watched);
    }
    guard_free(r->t, mark);
    rig_result_finish(&res);
    return status == STELE_OK;
}

static uint32_t head_scores(rig *r, stele_metric *ret)
{
    rig_result res;
    uint32_t n = 0;
    if (rig_run(r, r->plan.rows, NULL, 0, &res) != STELE_OK) {
        rig_result_finish(&res);
        return 0;
    }
    const rig_output *y = &res.out[0];
    const int64_t rows = r->plan.rows;
    const int is_code = r->field.content == STELE_FIELD_CATEGORY;
    float *predicted = rig_take(r, (size_t)(y->rows * y->width) * sizeof *predicted + 1);
    int32_t *code = rig_take(r, (size_t)rows * sizeof *code);
    for (int64_t i = 0; i < y->rows * y->width; i++) {
        predicted[i] = (float)y->value[i];
    }
    for (int64_t i = 0; i < rows; i++) {
        code[i] = is_code ? (int32_t)r->target[i] : 0;
    }
    stele_head_scored s = scores_of_head(r, rows, y->width, predicted, code, r->target);
    stele_status status = r->vt->head.score(r->inst, &s, SCORES_MOST, ret, &n);
    rig_result_finish(&res);
    return status == STELE_OK && n <= SCORES_MOST ? n : 0;
}

uint32_t scores_of(rig *r, stele_metric ret[SCORES_MOST])
{
    memset(ret, 0, SCORES_MOST * sizeof *ret);
    if (r->plugin->desc.kind == STELE_MODALITY && r->vt->modality.score_size != NULL) {
        return modality_scores(r, ret);
    }
    if (r->plugin->desc.kind == STELE_MODALITY && r->vt->modality.tally != NULL) {
        return tally_scores(r, ret);
    }
    return r->plugin->desc.kind == STELE_HEAD && r->vt->head.score != NULL ? head_scores(r, ret) : 0;
}
