/* Which measurements a modality allows, found by asking its validate(). */
#include "rig.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

int rig_accepts(const rig *r, int64_t n_rows, const double *x)
{
    if (r->vt->modality.validate == NULL) {
        return 1;
    }
    stele_bad_value bad = { .row = -1, .column = -1 };
    int64_t n = n_rows * r->plan.features;
    float *data = stele__calloc((size_t)n, sizeof *data);
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F32, .layout = STELE_DENSE, .data = data };
    view.shape.ndim = r->field.sample.ndim + 1;
    view.shape.dim[0] = n_rows;
    memcpy(&view.shape.dim[1], r->field.sample.dim, r->field.sample.ndim * sizeof(int64_t));
    for (int64_t i = 0; data != NULL && i < n; i++) {
        data[i] = (float)x[i];
    }
    int good = data != NULL && r->vt->modality.validate(r->inst, &view, &bad) == STELE_OK;
    stele__free(data);
    return good;
}

int rig_allows(const rig *r, double v)
{
    double *row = stele__calloc((size_t)r->plan.features, sizeof *row);
    for (int64_t i = 0; row != NULL && i < r->plan.features; i++) {
        row[i] = v;
    }
    int good = row != NULL && rig_accepts(r, 1, row);
    stele__free(row);
    return good;
}

/* Beyond this nothing is bounded, as far as anyone can tell by trying. */
static const double far_out = 1e6;

/* The last allowed value on the way from `good`, which is, towards infinity (sign 1) or minus infinity (-1): by
 * doubling, then by bisection; by multiples of `step` where only such are allowed. Infinite: no bound was met. */
static double bound_of(const rig *r, double good, double sign, double step)
{
    const double from = good, unit = step > 0.0 ? step : 0.125;
    double k = 0.0, stride = 1.0; /* good is k units from where it began */
    while (rig_allows(r, from + sign * unit * (k + stride))) {
        k += stride;
        stride *= 2.0;
        if (unit * k > far_out) {
            return sign * HUGE_VAL;
        }
    }
    for (int i = 0; i < 200 && stride > (step > 0.0 ? 1.0 : 0.0); i++) {
        const double half = step > 0.0 ? floor(0.5 * stride) : 0.5 * stride, middle = from + sign * unit * (k + half);
        if (step == 0.0 && ((float)middle == (float)(from + sign * unit * k) ||
                            (float)middle == (float)(from + sign * unit * (k + stride)))) {
            break; /* it is asked about floats */
        }
        if (rig_allows(r, middle)) {
            k += half;
            stride -= half;
        } else {
            stride = half;
        }
    }
    const double bound = from + sign * unit * k;
    return step > 0.0 ? bound : (double)(float)bound;
}

/* Some value that is allowed. 0: none of those that are likely. */
static int find_one(const rig *r, double *ret)
{
    static const double likely[] = { 0.25, 1.0, 0.0, 2.0, -1.0, 0.0625, 3.0, 10.0, -0.25, 20.0, 37.0, 100.0, 1000.0 };
    for (size_t i = 0; i < sizeof likely / sizeof likely[0]; i++) {
        if (rig_allows(r, likely[i])) {
            *ret = likely[i];
            return 1;
        }
    }
    return 0;
}

/* Distance of the values that are allowed about `one`, which is; 0: all are. Whole numbers are 1 apart, levels of grey
 * a fraction of the white. */
static double step_of(const rig *r, double one)
{
    enum { FINEST = 1024, COARSEST = 16 };
    static const double odd[] = { 0.013719, -0.013719, 0.041237, -0.041237 }; /* no simple fractions */
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        if (rig_allows(r, one + odd[i] * fmax(1.0, fabs(one)))) {
            return 0.0;
        }
    }
    for (int n = FINEST; n > 1; n--) { /* the finest: coarser ones are among its values */
        for (int sign = -1; sign <= 1; sign += 2) {
            /* One step alone may be a whole number that is allowed to be a little off. */
            if (rig_allows(r, one + sign * 1.0 / n) && rig_allows(r, one + sign * 2.0 / n)) {
                return 1.0 / n;
            }
        }
    }
    for (int n = 1; n <= COARSEST; n++) {
        if (rig_allows(r, one + n) || rig_allows(r, one - n)) {
            return n;
        }
    }
    return 1.0;
}

void rig_find_support(rig *r)
{
    rig_support *s = &r->support;
    double one = 0.0;
    *s = (rig_support){ .low = -HUGE_VAL, .high = HUGE_VAL, .step = 1.0, .zero = 1 };
    if (r->vt->modality.validate == NULL) {
        return;
    }
    if (!find_one(r, &one)) {
        check_fail(r->t, "validate refuses a row of zeros, of ones, and of other numbers from -1 to 1,000");
        return;
    }
    const double step = step_of(r, one);
    s->whole = step > 0.0;
    s->step = s->whole ? step : 1.0;
    s->zero = rig_allows(r, 0.0);
    s->low = bound_of(r, one, -1.0, step);
    s->high = bound_of(r, one, 1.0, step);
}

double rig_value(const rig *r, uint64_t stream, int64_t i)
{
    const rig_support *s = &r->support;
    double u = rig_uniform(r->t, stream, i), g = rig_normal(r->t, stream, i);
    if (isfinite(s->low) && isfinite(s->high)) {
        const double n = floor((s->high - s->low) / s->step + 1.5);
        if (!s->whole) {
            return fmin(fmax((double)(float)(s->low + (s->high - s->low) * u), s->low), s->high);
        }
        /* Of two the first is a little likelier; of many only the first few are of interest. */
        return n == 2.0 ? s->low + s->step * (u < 0.4) : s->low + s->step * floor(fmin(n, 40.0) * u);
    }
    if (s->whole) {
        double count = s->step * (u < 0.5 ? 0.0 : floor(1.0 + exp(1.2 * g)));
        return isfinite(s->low) ? s->low + count : isfinite(s->high) ? s->high - count : s->step * floor(2.0 * g + 0.5);
    }
    double size = exp(0.5 * g);
    return (double)(float)(isfinite(s->low) ? s->low + size : isfinite(s->high) ? s->high - size : g);
}

int rig_absent(rig *r, int64_t n, const int64_t *index, uint8_t *ret)
{
    enum { AROUND = 8, MARK = 0xa5 };
    const int64_t width = r->plan.features;
    if (r->vt->modality.absent == NULL) {
        return 1;
    }
    float *x = rig_take(r, (size_t)(n * width) * sizeof *x + 1);
    uint8_t *room = rig_take(r, (size_t)n + AROUND);
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F32, .layout = STELE_DENSE, .data = x };
    view.shape = r->input[0].shape;
    view.shape.dim[0] = n;
    for (int64_t i = 0; i < n * width; i++) {
        x[i] = (float)r->input[0].value[(index != NULL ? index[i / width] : i / width) * width + i % width];
    }
    memset(room + n, MARK, AROUND);
    stele_status status =
        stele__guest_check(r->guest, "absent", r->vt->modality.absent(r->inst, &view, room), &r->diag);
    if (status != STELE_OK) {
        check_fail(r->t, "absent failed: %s", rig_message(r));
        return 0;
    }
    for (int64_t i = 0; i < n + AROUND; i++) {
        if (i < n ? room[i] > 1 : room[i] != MARK) {
            check_fail(r->t,
                       i < n ? "absent says %d of row %d, neither 0 nor 1"
                             : "absent writes %d for row %d, which is not there",
                       room[i], (int)i);
            return 0;
        }
    }
    memcpy(ret, room, (size_t)n);
    return 1;
}
