/* Encoders that see another measurement than the one that their modality explains. */
#include "block.h"
#include "rig.h"

#include <math.h>
#include <string.h>

enum { ROWS = 6 };

/* Outputs of a modality, in order. */
enum { MEAN, LOG_VARIANCE, LOG_PX, N_OUTPUTS };

/* Run once more: expert and log p(x | z) of row i differ from `before` if `moves` has them, and else in no bit. */
static int expect(rig *r, const rig_result *before, int64_t row, const int moves[2], const char *change)
{
    static const char *const name[] = { "expert", "log p(x | z)" };
    rig_result after;
    if (!rig_compute(r, ROWS, NULL, 0, &after)) {
        return 0;
    }
    for (int64_t i = 0; i < ROWS && r->t->verdict < CHECK_FAIL; i++) {
        int moved[2] = { 0, 0 };
        for (uint32_t k = MEAN; k < N_OUTPUTS; k++) {
            const rig_output *a = &before->out[k], *b = &after.out[k];
            moved[k == LOG_PX] |=
                memcmp(a->value + i * a->width, b->value + i * b->width, (size_t)a->width * sizeof *a->value) != 0;
        }
        for (int k = 0; k < 2; k++) {
            if (moved[k] != (i == row && moves[k])) {
                check_fail(r->t, "%s in row %lld %s the %s of row %lld", change, (long long)row,
                           moved[k] ? "changes" : "does not change", name[k], (long long)i);
                break;
            }
        }
    }
    rig_result_finish(&after);
    return r->t->verdict < CHECK_FAIL;
}

/* Row 3 gets what row 4 has, in one of both measurements. */
static int swap(rig *r, const rig_result *before, uint32_t input, const int moves[2], const char *change)
{
    rig_input *in = &r->input[input];
    const int64_t row = 3;
    const size_t size = (size_t)in->width * sizeof *in->value;
    double *kept = rig_take(r, size + 1);
    memcpy(kept, in->value + row * in->width, size);
    memcpy(in->value + row * in->width, in->value + (row + 1) * in->width, size);
    const int good = memcmp(kept, in->value + row * in->width, size) == 0 || expect(r, before, row, moves, change);
    memcpy(in->value + row * in->width, kept, size);
    return good;
}

static void sparse_agrees(check_trial *t, const rig_plan *dense, const rig_result *before)
{
    rig r;
    rig_plan plan = *dense;
    rig_result res;
    plan.layout = STELE_CSR;
    if (rig_try(t, &plan, &r) == STELE_OK && r.field.sample.ndim <= RIG_SPARSE_DIMS &&
        rig_run(&r, ROWS, NULL, 0, &res) == STELE_OK) {
        for (uint32_t k = MEAN; k <= LOG_VARIANCE; k++) {
            const rig_output *a = &before->out[k];
            const double d = block_distance(a->rows * a->width, a->value, res.out[k].value);
            if (!(d <= (r.plan.dtype == STELE_F64 ? 1e-10 : 1e-4))) {
                check_fail(t, "the expert of sparse rows that are seen differs by %.3g from that of the same, dense",
                           d);
            }
        }
        rig_result_finish(&res);
    }
    rig_finish(&r);
}

void check_seen(check_trial *t)
{
    static const int expert[2] = { 1, 0 }, likelihood[2] = { 0, 1 };
    rig r;
    rig_plan plan = { .rows = ROWS };
    rig_result before;
    if (rig_start(t, &plan, &r) && !r.sees) {
        check_skip(t, "with these options the encoder sees the modality's own measurement");
    } else if (r.sees && rig_compute(&r, ROWS, NULL, 0, &before)) {
        if (swap(&r, &before, r.at_seen, expert, "another value of what is seen") &&
            swap(&r, &before, 0, likelihood, "another value of the measurement")) {
            sparse_agrees(t, &plan, &before);
        }
        rig_result_finish(&before);
    }
    rig_finish(&r);
}
