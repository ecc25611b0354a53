/* Draws of an elementwise likelihood by blocks, as the host asks for them, and the random numbers behind them. */
#include "block.h"

#include "graph/tensor.h"

#include <math.h>
#include <stdlib.h>

static const char *const names[] = { "", "mean", "mode", "sample", "detail" };

/* Blocks of `width` features into `ret`; the last may be narrower. 0: draw failed, which was said. */
static int draw_by(block_rig *b, uint32_t what, int64_t width, double *ret)
{
    for (int64_t first = 0; first < b->features; first += width) {
        const int64_t n = b->features - first < width ? b->features - first : width;
        stele_status status = block_draw_part(b, what, 1, first, n, ret);
        if (status != STELE_OK) {
            check_fail(b->r.t, "draw of the %s of features %lld to %lld failed: %s", names[what], (long long)first,
                       (long long)(first + n - 1), stele__status_text(status));
            return 0;
        }
    }
    return 1;
}

static void compare_cuts(check_trial *t, uint32_t dtype)
{
    block_rig b;
    if (block_start(t, &(rig_plan){ .dtype = dtype, .rows = 5, .features = 11 }, &b)) {
        const int64_t n = b.rows * b.features, width[] = { 1, 3, b.features - 1 };
        const double tolerance = dtype == STELE_F64 ? 1e-10 : 1e-5;
        const uint32_t last = t->plugin->desc.detail != NULL ? STELE_DRAW_DETAIL : STELE_DRAW_SAMPLE;
        double *whole = rig_take(&b.r, (size_t)n * sizeof *whole), *cut = rig_take(&b.r, (size_t)n * sizeof *cut);
        for (uint32_t what = STELE_DRAW_MEAN; what <= last; what++) {
            int good = draw_by(&b, what, b.features, whole);
            for (size_t k = 0; good && k < sizeof width / sizeof width[0] && width[k] > 0; k++) {
                good = draw_by(&b, what, width[k], cut);
                const double d = block_distance(n, whole, cut);
                if (good && !(d <= tolerance)) {
                    check_fail(t, "draw of the %s by blocks of %lld features differs by %.3g from that of all at once",
                               names[what], (long long)width[k], d);
                    good = 0;
                }
            }
        }
    }
    block_finish(&b);
}

/* --- random numbers ----------------------------------------------------------------------------------------------- */

enum { ROWS = 256, NEIGHBOURS = 16 };

/* The same predictors and parameters everywhere: what samples differ in then is their random numbers. */
static void make_alike(block_rig *b, uint64_t setting)
{
    for (uint32_t k = 0; k < b->n_eta; k++) {
        const double v = (double)(float)(2.0 * rig_uniform(b->r.t, 880 + k, (int64_t)setting) - 1.0);
        for (int64_t i = 0; i < b->rows * b->features; i++) {
            b->eta[k][i] = v;
        }
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        for (int64_t j = 0; j < b->features; j++) {
            b->feature[k][j] = b->feature[k][0];
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        for (int64_t i = 0; i < b->rows; i++) {
            b->row[k][i] = b->row[k][0];
        }
    }
}

/* Correlation of n pairs, `stride` apart; NaN where one of the two never changes. */
static double correlation(int64_t n, int64_t stride, const double *x, const double *y)
{
    double mean_x = 0.0, mean_y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (int64_t i = 0; i < n; i++) {
        mean_x += x[i * stride] / (double)n;
        mean_y += y[i * stride] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        const double dx = x[i * stride] - mean_x, dy = y[i * stride] - mean_y;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return xx > 0.0 && yy > 0.0 ? xy / sqrt(xx * yy) : (double)NAN;
}

typedef struct ranked {
    double value;
    int64_t row;
} ranked;

static int by_value(const void *a, const void *b)
{
    const double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return x < y ? -1 : x > y;
}

/* Ranks of the rows of a feature, the mean of them where values are the same: one value far out, as heavy tails have
 * them, would decide alone what the values' own correlation is. */
static void rank(const block_rig *b, const double *x, int64_t feature, double *ret)
{
    ranked sorted[ROWS];
    for (int64_t i = 0; i < b->rows; i++) {
        sorted[i] = (ranked){ x[i * b->features + feature], i };
    }
    qsort(sorted, (size_t)b->rows, sizeof *sorted, by_value);
    for (int64_t i = 0, end; i < b->rows; i = end) {
        for (end = i + 1; end < b->rows && sorted[end].value == sorted[i].value; end++) {
        }
        for (int64_t k = i; k < end; k++) {
            ret[sorted[k].row * b->features + feature] = 0.5 * (double)(i + end - 1);
        }
    }
}

/* Of independent samples one correlation in 1e14 would be as large, were they normal. */
static const double too_large = 0.5;

/* Returns how many pairs of features told something. */
static int compare_features(block_rig *b, const double *samples)
{
    int n = 0;
    double *x = rig_take(&b->r, (size_t)(b->rows * b->features) * sizeof *x);
    for (int64_t j = 0; j < b->features; j++) {
        rank(b, samples, j, x);
    }
    for (int64_t j = 0; j + 1 < b->features && j < NEIGHBOURS; j++) {
        const int64_t other[] = { j + 1, b->features - 1 };
        for (int k = 0; k < 2; k++) {
            const double c = other[k] > j ? correlation(b->rows, b->features, x + j, x + other[k]) : (double)NAN;
            n += !isnan(c);
            if (fabs(c) > too_large) {
                check_fail(b->r.t,
                           "ranks of samples of features %lld and %lld correlate by %.3g over %lld rows alike: each "
                           "element has "
                           "random numbers of its own",
                           (long long)j, (long long)other[k], c, (long long)b->rows);
                return n;
            }
        }
    }
    return n;
}

/* What is the same in two samples, and should not be: all of them, or the rows of each. */
static int compare_samples(block_rig *b, const double *x, const double *y)
{
    int repeated = 1, varied = 0;
    for (int64_t j = 0; j < b->features; j++) {
        int same = 1;
        for (int64_t i = 0; i < b->rows; i++) {
            const int64_t at = i * b->features + j;
            repeated = repeated && x[at] == y[at];
            same = same && x[at] == x[j] && y[at] == y[j];
        }
        varied = varied || !same;
        if (same && x[j] != y[j]) {
            check_fail(b->r.t,
                       "all %lld rows get the same sample of feature %lld: each element has random numbers of its own",
                       (long long)b->rows, (long long)j);
            return 0;
        }
    }
    if (repeated && varied) {
        check_fail(b->r.t, "two samples are the same, though their random numbers are not: these come from `uniform`");
        return 0;
    }
    return 1;
}

static void expect_own_numbers(check_trial *t)
{
    block_rig b;
    int n = 0;
    if (block_start(t, &(rig_plan){ .rows = ROWS, .features = 5 }, &b)) {
        const size_t size = (size_t)(b.rows * b.features) * sizeof(double);
        double *x = rig_take(&b.r, size), *y = rig_take(&b.r, size);
        for (uint64_t setting = 0; setting < 4 && t->verdict < CHECK_FAIL; setting++) {
            make_alike(&b, setting);
            if (block_draw(&b, STELE_DRAW_SAMPLE, 3, x) != STELE_OK ||
                block_draw(&b, STELE_DRAW_SAMPLE, 4, y) != STELE_OK) {
                check_fail(t, "draw of %d rows failed", ROWS);
            } else if (compare_samples(&b, x, y)) {
                n += compare_features(&b, x);
            }
        }
        if (n == 0 && b.features > 1 && t->verdict < CHECK_FAIL) {
            check_say(t, CHECK_HOLLOW, "no feature's samples differ between %d rows", ROWS);
        }
    }
    block_finish(&b);
}

void check_draw_blocks(check_trial *t)
{
    compare_cuts(t, STELE_F32);
    if (t->verdict < CHECK_FAIL && (t->plugin->desc.caps & STELE_CAP_F64) != 0) {
        compare_cuts(t, STELE_F64);
    }
    if (t->verdict < CHECK_FAIL) {
        expect_own_numbers(t);
    }
}
