/* validate() stands between a user's data and a training: it sees rows in the layout of the field, many at a time. */
#include "guard.h"
#include "rig.h"

#include <math.h>
#include <string.h>

enum { ROWS = 9, LAST = ROWS - 1, FEATURES = 6 };
enum { SPARSE = 1, ZEROS = 2 /* stored */ };

static const char *const layouts[] = { "dense", "", "sparse", "sparse, zeros stored" };

static const char *layout_of(unsigned how)
{
    return (how & SPARSE) == 0 ? layouts[0] : layouts[(how & ZEROS) != 0 ? 3 : 2];
}

static float *store(const double *x, int64_t rows, int64_t width, unsigned how, int64_t *start, int32_t **ret_column)
{
    const int sparse = (how & SPARSE) != 0;
    int64_t n = 0, k = 0;
    for (int64_t i = 0; i < rows * width; i++) {
        n += !sparse || (how & ZEROS) != 0 || x[i] != 0.0;
    }
    float *data = guard_take((size_t)n * sizeof *data, "x->data");
    *ret_column = sparse ? guard_take((size_t)n * sizeof **ret_column, "x->column") : NULL;
    for (int64_t i = 0; i < rows * width; i++) {
        if (sparse && (how & ZEROS) == 0 && x[i] == 0.0) {
            continue;
        }
        if (sparse) {
            (*ret_column)[k] = (int32_t)(i % width);
            start[i / width + 1] = k + 1;
        }
        data[k++] = (float)x[i];
    }
    for (int64_t r = 0; sparse && r < rows; r++) { /* rows without an entry end where the one before does */
        start[r + 1] = start[r + 1] < start[r] ? start[r] : start[r + 1];
    }
    return data;
}

/* validate() on memory whose borders are watched, as the host calls it. */
static stele_status ask(rig *r, int64_t rows, const double *x, unsigned how, stele_bad_value *ret)
{
    const size_t mark = guard_mark();
    int64_t *start = (how & SPARSE) != 0 ? guard_take((size_t)(rows + 1) * sizeof *start, "x->row_start") : NULL;
    int32_t *column = NULL;
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F32 };
    view.layout = (how & SPARSE) != 0 ? STELE_CSR : STELE_DENSE;
    view.shape.ndim = r->field.sample.ndim + 1;
    view.shape.dim[0] = rows;
    memcpy(&view.shape.dim[1], r->field.sample.dim, r->field.sample.ndim * sizeof(int64_t));
    view.data = store(x, rows, r->plan.features, how, start, &column);
    view.row_start = start;
    view.column = column;
    *ret = (stele_bad_value){ .row = -1, .column = -1 };
    stele_status status = r->vt->modality.validate(r->inst, &view, ret);
    guard_free(r->t, mark);
    return status;
}

/* What a plugin gets of x. Through memory: compilers have been seen to drop the rounding from a cast there and back. */
static double as_stored(double x)
{
    volatile float kept = (float)x;
    return (double)kept;
}

static int same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* A value that is refused elsewhere, at its place. 0: the answer is wrong, which was said. */
static int expect_found(rig *r, const double *x, unsigned how, int64_t row, int64_t column)
{
    check_trial *t = r->t;
    const double v = as_stored(x[row * r->plan.features + column]);
    const char *layout = layout_of(how);
    stele_bad_value bad;
    stele_status status = ask(r, ROWS, x, how, &bad);
    const int already = t->verdict >= CHECK_FAIL; /* it wrote where it must not */
    if (status == STELE_OK) {
        check_fail(t, "%s: validate accepts %.9g in row %lld, column %lld, which it refuses elsewhere", layout, v,
                   (long long)row, (long long)column);
    } else if (status != STELE_E_DATA) {
        check_fail(t, "%s: validate answers %.9g with `%s` in place of STELE_E_DATA", layout, v,
                   stele__status_text(status));
    } else if (bad.row != row || bad.column != column || !same(bad.value, v)) {
        check_fail(t, "%s: of %.9g in row %lld, column %lld validate says row %lld, column %lld, value %.9g", layout, v,
                   (long long)row, (long long)column, (long long)bad.row, (long long)bad.column, bad.value);
    } else if (bad.reason == NULL || bad.reason[0] == '\0') {
        check_fail(t, "%s: validate gives no reason why %.9g is refused", layout, v);
    }
    return !already && t->verdict < CHECK_FAIL;
}

/* Is v refused in the first row, dense, at this column alone? */
static int refused_at(rig *r, const double *good, int64_t column, double v)
{
    double *row = rig_take(r, (size_t)r->plan.features * sizeof *row);
    stele_bad_value bad;
    memcpy(row, good, (size_t)r->plan.features * sizeof *row);
    row[column] = v;
    return ask(r, 1, row, 0, &bad) != STELE_OK;
}

/* v at first, middle and last columns of late rows: all of those where columns are alike, else those that refuse it in
 * a first row. */
static void plant(rig *r, const double *good, double v, int alike, unsigned how)
{
    const int64_t width = r->plan.features, at[] = { width - 1, 0, width / 2, 1, 2, width - 2 };
    double *x = rig_take(r, (size_t)(ROWS * width) * sizeof *x);
    for (size_t k = 0; k < sizeof at / sizeof at[0]; k++) {
        const int64_t column = at[k] >= 0 && at[k] < width ? at[k] : 0, row = k % 2 == 0 ? LAST : LAST - 2;
        if (!alike && !refused_at(r, good, column, v)) {
            continue;
        }
        memcpy(x, good, (size_t)(ROWS * width) * sizeof *x);
        x[row * width + column] = v;
        if (!expect_found(r, x, how, row, column)) {
            return;
        }
    }
}

/* 1: a row of v is refused, and v was looked for in many places. */
static int try_value(rig *r, const double *good, double v, unsigned how)
{
    const int64_t width = r->plan.features;
    const int columns_differ = rig_has_columns(r);
    double *x = rig_take(r, (size_t)(ROWS * width) * sizeof *x);
    stele_bad_value bad;
    for (int64_t j = 0; j < width; j++) {
        x[j] = v;
    }
    if (ask(r, 1, x, 0, &bad) == STELE_OK) {
        return 0;
    }
    if (r->t->verdict >= CHECK_FAIL) {
        return 1;
    }
    if (bad.row == 0 && bad.column == -1) { /* the row as a whole: what each column allows is not said */
        memcpy(x, good, (size_t)(ROWS * width) * sizeof *x);
        for (int64_t j = 0; j < width; j++) {
            x[LAST * width + j] = v;
        }
        stele_status status = ask(r, ROWS, x, how, &bad);
        if (status != STELE_E_DATA || bad.row != LAST || bad.reason == NULL) {
            check_fail(r->t, "%s: a row of %.9g is refused alone; as the last of %d, validate gives `%s`, row %lld",
                       layout_of(how), v, ROWS, stele__status_text(status), (long long)bad.row);
        }
        return 1;
    }
    plant(r, good, v, !columns_differ, how);
    return 1;
}

/* Every second element a zero where zeros are allowed, so that a sparse view is not as long as a dense one. */
static void thin_out(rig *r)
{
    rig_input *x = &r->input[0];
    const int64_t n = r->plan.rows * x->width;
    double *kept = rig_take(r, (size_t)n * sizeof *kept);
    memcpy(kept, x->value, (size_t)n * sizeof *kept);
    for (int64_t i = 0; i < n; i++) {
        x->value[i] = (i / x->width + i % x->width) % 2 == 0 ? 0.0 : x->value[i];
    }
    if (!r->support.zero || !rig_accepts(r, r->plan.rows, x->value)) {
        memcpy(x->value, kept, (size_t)n * sizeof *kept);
    }
}

static void expect_good(rig *r, unsigned how)
{
    stele_bad_value bad;
    if (ask(r, ROWS, r->input[0].value, how, &bad) != STELE_OK) {
        check_fail(r->t, "%s: validate refuses rows that it accepts dense: row %lld, column %lld, value %.9g %s",
                   layout_of(how), (long long)bad.row, (long long)bad.column, bad.value,
                   bad.reason != NULL ? bad.reason : "");
    }
}

static void look_at(check_trial *t, uint32_t layout)
{
    rig r;
    rig_plan plan = { .rows = ROWS, .features = FEATURES, .layout = layout };
    const unsigned how = layout == STELE_CSR ? SPARSE : 0;
    int n = 0;
    if (rig_start(t, &plan, &r) && t->verdict < CHECK_HOLLOW) {
        thin_out(&r);
        expect_good(&r, how);
        if (layout == STELE_CSR) {
            expect_good(&r, SPARSE | ZEROS);
        }
        const double *good = r.input[0].value;
        const double tried[] = { NAN,
                                 HUGE_VAL,
                                 -HUGE_VAL,
                                 -1.0,
                                 -0.5,
                                 0.5,
                                 1e9,
                                 as_stored(r.support.low - 1.0),
                                 as_stored(r.support.high + 1.0) };
        for (size_t k = 0; k < sizeof tried / sizeof tried[0] && t->verdict < CHECK_FAIL; k++) {
            n += try_value(&r, good, tried[k], how);
        }
        if (n == 0 && t->verdict < CHECK_FAIL) {
            check_say(t, CHECK_WARN, "validate accepts missing, infinite, negative and fractional numbers alike");
        }
    }
    rig_finish(&r);
}

void check_validate(check_trial *t)
{
    look_at(t, STELE_DENSE);
    if (t->verdict < CHECK_FAIL && rig_takes_sparse(t)) {
        look_at(t, STELE_CSR);
    }
}
