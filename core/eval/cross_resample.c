#include "eval/cross_resample.h"

#include "base/mem.h"
#include "eval/cross.h"

#include <math.h>
#include <string.h>

typedef struct room {
    const stele__resampled_block *q;
    stele_status status;
} room;

/* The rows of a resample, one after the other; NULL stays NULL. */
static int gather(const stele__resampled_block *q, const uint32_t *count, int64_t n,
                  const float *from, float **ret)
{
    const size_t width = (size_t)q->all->n_features;
    size_t at = 0;
    *ret = from != NULL ? stele__malloc((size_t)n * width * sizeof *from) : NULL;
    for (int64_t r = 0; *ret != NULL && r < q->all->n_rows; r++) {
        for (uint32_t k = 0; k < count[q->place[r]]; k++, at++) {
            memcpy(*ret + at * width, from + (size_t)r * width, width * sizeof *from);
        }
    }
    return from == NULL || *ret != NULL;
}

static stele_status ask(const stele__resampled_block *q, const stele_scored *s, stele_metric *ret,
                        uint32_t *ret_n)
{
    stele__guest *guest = q->md->part.guest;
    const stele_inst *inst = stele__guest_inst(guest);
    void *state = stele__calloc(1, (size_t)q->state_bytes);
    if (state == NULL) {
        return STELE_E_NOMEM;
    }
    stele__guest_begin(guest, "score_add");
    stele_status status = q->md->vt->score_add(inst, state, s);
    stele__guest_end(guest, "score_add", status, NULL);
    if (status == STELE_OK) {
        stele__guest_begin(guest, "score_end");
        status = q->md->vt->score_end(inst, state, STELE__MOST_METRICS, ret, ret_n);
        stele__guest_end(guest, "score_end", status, NULL);
    }
    stele__free(state);
    return status;
}

static void score_resample(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    room *m = ctx;
    const stele__resampled_block *q = m->q;
    const stele_scored *all = q->all;
    stele_scored s = *all;
    stele_metric metric[STELE__MOST_METRICS];
    uint32_t n_metrics = 0;
    float *truth = NULL, *predicted = NULL, *detail = NULL, *likely = NULL;
    (void)thread;
    s.n_rows = 0;
    for (int64_t r = 0; r < all->n_rows; r++) {
        s.n_rows += count[q->place[r]];
    }
    for (uint32_t i = 0; i < q->n_metrics; i++) {
        ret[i] = NAN;
    }
    if (s.n_rows == 0 || m->status != STELE_OK) {
        return;
    }
    if (gather(q, count, s.n_rows, all->truth, &truth) &&
        gather(q, count, s.n_rows, all->predicted, &predicted) &&
        gather(q, count, s.n_rows, all->detail, &detail) &&
        gather(q, count, s.n_rows, all->likely, &likely)) {
        s.truth = truth;
        s.predicted = predicted;
        s.detail = detail;
        s.likely = likely;
        /* Rows that cannot be scored leave the resample without figures. */
        n_metrics = ask(q, &s, metric, &n_metrics) == STELE_OK ? n_metrics : 0;
    } else {
        m->status = STELE_E_NOMEM;
    }
    for (uint32_t i = 0; i < n_metrics && i < q->n_metrics; i++) {
        if (strncmp(metric[i].name, q->metric[i].name, sizeof metric[i].name) == 0) {
            ret[i] = metric[i].value;
        }
    }
    stele__free(truth);
    stele__free(predicted);
    stele__free(detail);
    stele__free(likely);
}

stele_status stele__resample_block(const stele__resampled_block *q, const stele__bootstrap *b,
                                   uint32_t most, stele__interval *ret)
{
    room m = { .q = q };
    stele_status status = stele__bootstrap_run(b, most, 1, q->n_metrics, score_resample, &m, ret);
    if (status == STELE_OK) {
        stele__interval_mirror(q->metric, q->n_metrics, ret);
    }
    return status == STELE_OK ? m.status : status;
}
