/* Windows of rows, for modalities that take them. */
#include "block.h"
#include "rig.h"

#include <math.h>
#include <string.h>

enum { BINS = 3, ROWS = 7, FEATURES = 6 };

/* Outputs of a modality, in order. */
enum { MEAN, LOG_VARIANCE, LOG_PX };

/* Largest difference of the expert in row i. */
static double moved(const rig_result *a, const rig_result *b, int64_t i)
{
    double most = 0.0;
    for (uint32_t k = MEAN; k <= LOG_VARIANCE; k++) {
        const int64_t width = a->out[k].width;
        most = fmax(most, block_distance(width, a->out[k].value + i * width, b->out[k].value + i * width));
    }
    return most;
}

/* Run with other windows. The rows that `touched` names have to be moved, all others to stay; and log p(x | z), whose z
 * is given, has to stay everywhere. 0: there is nothing more to say. */
static int expect(rig *r, const rig_result *before, const int *touched, const char *change)
{
    rig_result after;
    if (!rig_compute(r, ROWS, NULL, 0, &after)) {
        return 0;
    }
    for (int64_t i = 0; i < ROWS && r->t->verdict < CHECK_FAIL; i++) {
        double d = moved(before, &after, i);
        if (touched[i] && d == 0.0) {
            check_fail(r->t, "%s does not change the expert of its row", change);
        } else if (!touched[i] && d != 0.0) {
            check_fail(r->t, "%s changes the expert of another row", change);
        }
    }
    const rig_output *a = &before->out[LOG_PX], *b = &after.out[LOG_PX];
    if (memcmp(a->value, b->value, (size_t)(a->rows * a->width) * sizeof *a->value) != 0) {
        check_fail(r->t, "%s changes log p(x | z), which is that of the row", change);
    }
    rig_result_finish(&after);
    return r->t->verdict < CHECK_FAIL;
}

/* A neighbour takes values of other rows. */
static int neighbours(rig *r, const rig_result *before)
{
    rig_input *w = rig_window(r);
    const int64_t width = r->plan.features;
    int touched[ROWS] = { 0 };
    for (int64_t i = 0; i < ROWS; i++) {
        double *bin = w->value + i * w->width + (i % 3 == 0 ? BINS - 1 : 0) * width;
        for (int64_t j = 0; j < width; j++) {
            double v = r->input[0].value[(i + j) % ROWS * width + j];
            touched[i] |= v != bin[j];
            bin[j] = v;
        }
    }
    return expect(r, before, touched, "a neighbour's value");
}

/* Bins of zeros in place of absent ones. */
static int edges(rig *r, const rig_result *before)
{
    rig_input *w = rig_window(r);
    int touched[ROWS] = { 0 };
    for (int64_t i = 0; i < ROWS * w->width; i++) {
        if (isnan(w->value[i])) {
            w->value[i] = 0.0;
            touched[i / w->width] = 1;
        }
    }
    return expect(r, before, touched, "a bin of zeros in place of an absent one");
}

static void sparse_windows(check_trial *t, const rig_plan *dense, const rig_result *before)
{
    rig r;
    rig_plan plan = *dense;
    rig_result res;
    plan.layout = STELE_CSR;
    if (rig_try(t, &plan, &r) == STELE_OK && r.field.sample.ndim <= RIG_SPARSE_DIMS &&
        rig_run(&r, ROWS, NULL, 0, &res) == STELE_OK) {
        for (int64_t i = 0; i < ROWS; i++) {
            double d = moved(before, &res, i);
            if (!(d <= (r.plan.dtype == STELE_F64 ? 1e-10 : 1e-4))) {
                check_fail(t, "the expert of a sparse window differs by %.3g from that of the same, dense", d);
            }
        }
        rig_result_finish(&res);
    }
    rig_finish(&r);
}

void check_window(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = ROWS, .features = FEATURES, .window = BINS };
    rig_result before;
    rig_choose_again(); /* rows that are windows themselves may be the first that the plugin takes */
    if (rig_start(t, &plan, &r) && rig_compute(&r, ROWS, NULL, 0, &before)) {
        const rig_input *w = rig_window(&r);
        const size_t size = (size_t)(ROWS * w->width) * sizeof *w->value;
        double *kept = rig_take(&r, size);
        memcpy(kept, w->value, size);
        if (neighbours(&r, &before)) {
            memcpy(w->value, kept, size);
            edges(&r, &before);
        }
        if (t->verdict < CHECK_FAIL) {
            sparse_windows(t, &plan, &before);
        }
        rig_result_finish(&before);
    }
    rig_finish(&r);
    rig_choose_again();
}
