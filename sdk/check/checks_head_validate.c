/* validate() of a head stands between a user's targets and a training, as that of a modality does for measurements. */
#include "guard.h"
#include "rig.h"

#include <math.h>
#include <string.h>

enum { ROWS = 9, LAST = ROWS - 1, EARLY = 2 };

static int is_category(const rig *r)
{
    return r->field.content == STELE_FIELD_CATEGORY;
}

/* Targets of n rows in memory that may only be read, as the host hands them over. */
static const void *store(const rig *r, int64_t n, const double *target)
{
    const int64_t width = r->n_columns;
    if (!is_category(r)) {
        double *number = guard_take((size_t)(n * width) * sizeof *number, "x->data");
        memcpy(number, target, (size_t)(n * width) * sizeof *number);
        guard_seal(number);
        return number;
    }
    int32_t *code = guard_take((size_t)n * sizeof *code, "x->data");
    for (int64_t i = 0; i < n; i++) {
        code[i] = (int32_t)target[i];
    }
    guard_seal(code);
    return code;
}

/* Whatever is neither OK nor E_DATA is told at once. */
static stele_status ask(rig *r, int64_t n, const double *target, stele_bad_value *ret)
{
    const size_t mark = guard_mark();
    stele_view view = { .struct_size = sizeof view, .dtype = r->field.dtype, .layout = STELE_DENSE };
    view.shape = r->n_columns > 1 ? STELE__SHAPE(n, (int64_t)r->n_columns) : STELE__SHAPE(n);
    view.data = store(r, n, target);
    const stele_view kept = view;
    *ret = (stele_bad_value){ .row = -1, .column = -1 };
    const stele_status status = r->vt->head.validate(r->inst, &view, ret);
    if (memcmp(&kept, &view, sizeof kept) != 0) {
        check_fail(r->t, "validate writes to the view that it is given");
    }
    if (status != STELE_OK && status != STELE_E_DATA) {
        check_fail(r->t, "validate answers with status %d in place of STELE_OK or STELE_E_DATA", (int)status);
    }
    guard_free(r->t, mark);
    return status;
}

/* Kinds of targets that heads of numbers may be for; the first is what all other checks use. */
enum { AS_DRAWN, POSITIVE, WHOLE, SHARES, N_KINDS };

static double of_kind(int kind, double score)
{
    const double positive = exp(fmin(fmax(score, -3.0), 3.0));
    return kind == AS_DRAWN   ? score
           : kind == POSITIVE ? positive
           : kind == WHOLE    ? floor(positive)
                              : 1.0 / (1.0 + positive);
}

/* (ROWS, columns) targets that are accepted; NULL: there are none, which was said. */
static const double *find_good(rig *r)
{
    const int64_t n = ROWS * (int64_t)r->n_columns;
    const int kinds = is_category(r) || r->n_columns > 1 ? 1 : N_KINDS;
    double *good = rig_take(r, (size_t)n * sizeof *good);
    stele_bad_value bad, first = { .row = -1 };
    for (int kind = 0; kind < kinds && r->t->verdict < CHECK_FAIL; kind++) {
        for (int64_t i = 0; i < n; i++) {
            good[i] = of_kind(kind, r->target[i]);
        }
        if (ask(r, ROWS, good, &bad) == STELE_OK) {
            if (ask(r, ROWS, good, &bad) != STELE_OK) {
                check_fail(r->t, "validate refuses targets that it accepted before");
            }
            return good;
        }
        first = kind == 0 ? bad : first;
    }
    if (r->t->verdict < CHECK_FAIL) {
        check_fail(r->t, "validate refuses targets as every head gets them here: row %lld, %.9g %s",
                   (long long)first.row, first.value, first.reason != NULL ? first.reason : "");
    }
    return NULL;
}

/* `row`, refused for v in column k, is found late among others, and the first of two. */
static void expect_found(rig *r, const double *good, const double *row, int64_t k, double v)
{
    const int64_t width = r->n_columns;
    double *x = rig_take(r, (size_t)(ROWS * width) * sizeof *x);
    stele_bad_value bad;
    for (int rows = 1; rows <= 2 && r->t->verdict < CHECK_FAIL; rows++) {
        const int64_t at = rows == 1 ? LAST : EARLY;
        memcpy(x, good, (size_t)(ROWS * width) * sizeof *x);
        memcpy(x + LAST * width, row, (size_t)width * sizeof *x);
        memcpy(x + at * width, row, (size_t)width * sizeof *x);
        const stele_status status = ask(r, ROWS, x, &bad);
        if (r->t->verdict >= CHECK_FAIL) {
            return;
        }
        if (status == STELE_OK) {
            check_fail(r->t, "validate accepts %.9g in row %lld, column %lld, which it refuses in a row alone", v,
                       (long long)at, (long long)k);
        } else if (bad.row != at || (bad.column != -1 && (bad.column != k || bad.value != v))) {
            check_fail(r->t, "of %.9g, first in row %lld, column %lld, validate says row %lld, column %lld, value %.9g",
                       v, (long long)at, (long long)k, (long long)bad.row, (long long)bad.column, bad.value);
        } else if (bad.reason == NULL || bad.reason[0] == '\0') {
            check_fail(r->t, "validate gives no reason why %.9g is refused", v);
        }
    }
}

/* Numbers that some targets are not: how many of them are refused. Those of the host are finite, and none is missing.
 */
static int try_numbers(rig *r, const double *good)
{
    static const double tried[] = { -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 1e9, -1e30, 1e30 };
    const int64_t width = r->n_columns;
    double *row = rig_take(r, (size_t)width * sizeof *row);
    stele_bad_value bad;
    int n = 0;
    for (int64_t k = 0; k < width; k++) {
        for (size_t i = 0; i < sizeof tried / sizeof tried[0] && r->t->verdict < CHECK_FAIL; i++) {
            memcpy(row, good + LAST * width, (size_t)width * sizeof *row);
            row[k] = tried[i];
            if (ask(r, 1, row, &bad) != STELE_OK && r->t->verdict < CHECK_FAIL) {
                n++;
                expect_found(r, good, row, k, tried[i]);
            }
        }
    }
    return n;
}

void check_head_validate(check_trial *t)
{
    rig r;
    const rig_plan plan = { .rows = ROWS, .loaded = 1 }; /* it is called before fit */
    if (rig_start(t, &plan, &r)) {
        const double *good = find_good(&r);
        const int numbers = !is_category(&r); /* codes are those of classes that there are */
        if (good != NULL && numbers && t->verdict < CHECK_FAIL && try_numbers(&r, good) == 0 &&
            t->verdict < CHECK_FAIL) {
            check_say(t, CHECK_WARN, "validate accepts negative, fractional and huge numbers alike");
        }
    }
    rig_finish(&r);
}
