/* Rows in the form that a modality makes of them once. */
#include "rig.h"

#include <math.h>
#include <string.h>

enum { ROWS = 6 };

typedef struct made {
    int64_t n[ROWS];
    float *value; /* (ROWS, width) */
} made;

/* Rows index[0 .. n - 1] of the inputs, over memory that holds something else. 0: it was said. */
static int make(rig *r, int64_t n, const int64_t *index, int64_t width, made *ret)
{
    const int64_t features = r->plan.features;
    double *x = rig_take(r, (size_t)(n * features) * sizeof *x + 1);
    ret->value = rig_take(r, (size_t)(n * width) * sizeof *ret->value + 1);
    memset(ret->value, 0x5A, (size_t)(n * width) * sizeof *ret->value);
    for (int64_t i = 0; i < n; i++) {
        ret->n[i] = -1;
        memcpy(x + i * features, r->input[0].value + index[i] * features, (size_t)features * sizeof *x);
    }
    if (rig_prepare(r, NULL, n, x, ret->n, ret->value) != STELE_OK) {
        check_fail(r->t, "prepare failed: %s", rig_message(r));
        return 0;
    }
    for (int64_t i = 0; i < n; i++) {
        if (ret->n[i] < 0 || ret->n[i] > width) {
            check_fail(r->t, "prepare gives %lld numbers for a row, prepared_width is %lld", (long long)ret->n[i],
                       (long long)width);
            return 0;
        }
        for (int64_t k = 0; k < ret->n[i]; k++) {
            if (!isfinite(ret->value[i * width + k])) {
                check_fail(r->t, "prepare gives %g as number %lld of a row", (double)ret->value[i * width + k],
                           (long long)k);
                return 0;
            }
        }
    }
    return 1;
}

static void expect(rig *r, const char *what, const made *whole, int64_t n, const int64_t *index, int64_t width)
{
    made other;
    if (r->t->verdict >= CHECK_FAIL || !make(r, n, index, width, &other)) {
        return;
    }
    for (int64_t i = 0; i < n && r->t->verdict < CHECK_FAIL; i++) {
        const int64_t at = index[i], k = whole->n[at];
        if (other.n[i] != k ||
            memcmp(other.value + i * width, whole->value + at * width, (size_t)k * sizeof *other.value) != 0) {
            check_fail(r->t, "%s: row %lld is not what it is among all", what, (long long)at);
        }
    }
}

void check_prepare(check_trial *t)
{
    static const int64_t all[ROWS] = { 0, 1, 2, 3, 4, 5 }, reversed[ROWS] = { 5, 4, 3, 2, 1, 0 };
    rig r;
    rig_plan plan = { .rows = ROWS };
    made whole;
    if (rig_start(t, &plan, &r)) {
        const int64_t width = r.vt->modality.prepared_width(r.inst);
        if (width < 1 || width > INT32_MAX) {
            check_fail(t, "prepared_width gives %lld", (long long)width);
        } else if (make(&r, ROWS, all, width, &whole)) {
            expect(&r, "once more", &whole, ROWS, all, width);
            expect(&r, "in reverse", &whole, ROWS, reversed, width);
            for (int64_t i = 0; i < ROWS; i++) {
                expect(&r, "alone", &whole, 1, &all[i], width);
            }
        }
    }
    rig_finish(&r);
}
