#include "exercise.h"

#include "base/mem.h"
#include "block.h"
#include "scores.h"
#include "source.h"

#include <string.h>

/* A block of the likelihood and draws: those of block.h with their own rig. */
static void exercise_blocks(check_trial *t)
{
    block_rig b;
    block_result res;
    if (block_start(t, &(rig_plan){ .rows = 5, .features = 7 }, &b)) {
        if (b.own ? b.r.vt->modality.generate != NULL : block_whole(&b, b.r.plan.dtype, BLOCK_DERIVATIVES, &res)) {
            double *x = rig_take(&b.r, (size_t)(b.rows * b.features) * sizeof *x);
            for (uint32_t what = STELE_DRAW_MEAN; what <= STELE_DRAW_SAMPLE; what++) {
                stele_status status = block_draw(&b, what, 1, x);
                /* A likelihood of whole rows may have no mean or mode of its own: generate says so. */
                if (status != STELE_OK && !(b.own && status == STELE_E_UNSUPPORTED)) {
                    check_fail(t, "draw failed");
                }
            }
        }
    }
    block_finish(&b);
}

int exercise_instance(rig *r)
{
    if (r->plugin->desc.kind == STELE_SOURCE) {
        uint64_t n;
        source_hash(r, &n);
        return 1;
    }
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    if (!rig_compute(r, r->plan.rows, NULL, 1, &res)) {
        return 0;
    }
    stele_status status = rig_backward(r, &res, d);
    if (status != STELE_OK) {
        check_fail(r->t, "derivatives failed: %s", rig_message(r));
    }
    rig_result_finish(&res);
    stele_metric metric[SCORES_MOST];
    scores_of(r, metric);
    uint8_t *absent = rig_take(r, (size_t)r->plan.rows + 1);
    const int told = r->plugin->desc.kind != STELE_MODALITY || rig_absent(r, r->plan.rows, NULL, absent);
    return status == STELE_OK && told;
}

void exercise(check_trial *t, const rig_plan *plan)
{
    rig r;
    if (rig_start(t, plan, &r)) {
        exercise_instance(&r);
    }
    rig_finish(&r);
    if (t->plugin->desc.kind == STELE_MODALITY) {
        exercise_blocks(t);
    }
}

stele_status exercise_quietly(rig *r)
{
    rig_result res = { 0 };
    uint64_t n;
    stele_status status = STELE_OK;
    if (r->plugin->desc.kind == STELE_SOURCE) {
        source_hash(r, &n);
    } else {
        status = rig_run(r, r->plan.rows, NULL, 0, &res);
    }
    rig_result_finish(&res);
    return status;
}
