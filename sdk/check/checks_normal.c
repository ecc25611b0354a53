/* Checks of a likelihood as a distribution: it sums to one, and draws come from it. */
#include "large.h"
#include "law.h"
#include "mass.h"

#include <math.h>
#include <string.h>

enum { GRID = 512 };

/* Once more where counts are large. */
static void check_large_counts(check_trial *t, block_rig *b, const law *l)
{
    double mass;
    for (uint64_t s = 0; large_applies(b, l) && s < LARGE_SETTINGS; s++) {
        if (large_set(b, l, s, &mass) == LARGE_NO_LAW) {
            char place[160];
            block_place(b, place, sizeof place);
            check_fail(t, "exp(log_prob) %s comes to %.8g for %s: counts are large there", law_name(l), mass, place);
            return;
        }
    }
}

/* The sum or integral over one element. */
static void check_one_element(check_trial *t, block_rig *b)
{
    /* What longer rows have, and codes that are not in use. */
    const int may_lack = (t->plugin->desc.caps & STELE_CAP_SUBPROBABILITY) != 0;
    double worst;
    const law l = law_choose(b, &worst);
    const int between = !l.whole && isfinite(l.low) && isfinite(l.high); /* see add_rest */
    const double tolerance = between ? 1e-3 : b->r.plan.dtype == STELE_F64 ? 1e-5 : 2e-3;
    for (uint64_t s = 0; s < LAW_SETTINGS && worst > tolerance; s++) {
        law_set_parameters(b, s);
        double mass = law_moments(b, &l, 0.0, 1.0).mass;
        if (!(mass <= 1.0 + tolerance && (may_lack || mass >= 1.0 - tolerance))) {
            char place[160];
            block_place(b, place, sizeof place);
            check_fail(t, "exp(log_prob) %s comes to %.8g for %s", law_name(&l), mass, place);
            break;
        }
    }
    if (t->verdict < CHECK_FAIL) {
        check_large_counts(t, b, &l);
    }
}

/* A likelihood of whole rows can be right for one element and wrong for several. */
static void check_several_elements(check_trial *t)
{
    block_rig b;
    if (block_start(t, &(rig_plan){ .rows = GRID, .features = 4 }, &b)) {
        if (rig_has_columns(&b.r)) {
            /* Elements of several kinds: each alone was looked at. */
        } else if (b.r.vt->modality.generate != NULL) {
            mass_by_samples(&b);
        } else if (b.features > 4) {
            check_skip(t, "a row cannot have one element alone, the likelihood is not elementwise, and there are no "
                          "samples to go by");
        }
    }
    block_finish(&b);
}

void check_likelihood_normalised(check_trial *t)
{
    block_rig b;
    int own = 0;
    if (block_start(t, &(rig_plan){ .rows = GRID, .features = 1 }, &b)) {
        own = b.own;
        if (!own || b.features == 1) {
            law_start(&b);
            check_one_element(t, &b);
        }
    }
    block_finish(&b);
    if (own && t->verdict < CHECK_FAIL) {
        check_several_elements(t);
    }
}

/* --- draws -------------------------------------------------------------------------------------------------------- */

enum { MOST_SAMPLES = 16 * GRID };

/* Draws of the first element of every row, from *number on; rows of many elements take their time. */
static size_t take_samples(block_rig *b, uint64_t *number, double *x, double *ret)
{
    const uint64_t rounds = b->features > 1 ? 6 : 16;
    size_t n = 0;
    for (uint64_t k = 0; k < rounds; k++) {
        if (block_draw(b, STELE_DRAW_SAMPLE, (*number)++, x) != STELE_OK || !rig_accepts(&b->r, b->rows, x)) {
            check_fail(b->r.t, "a sample is refused by validate, or draw failed");
            return 0;
        }
        for (int64_t i = 0; i < b->rows; i++) {
            ret[n++] = x[i * b->features];
        }
    }
    return n;
}

/* A mean of samples, and its standard error. */
typedef struct average {
    double value, error;
} average;

static average average_of(size_t n, const double *sample)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += sample[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        squares += (sample[i] - sum) * (sample[i] - sum) / (double)n;
    }
    return (average){ sum, sqrt(squares / (double)n) };
}

/* Variances of samples and law about the mean. What lies further out than four deviations of the samples counts as
 * lying there. The samples are used up. */
static void compare_spread(block_rig *b, const law *l, const char *place, double mean, size_t n, double *sample)
{
    check_trial *t = b->r.t;
    const double clip = 4.0 * average_of(n, sample).error * sqrt((double)n) + 1e-9;
    const moments m = law_moments(b, l, mean, clip);
    if (!(fabs(m.mass - 1.0) < 1e-4)) {
        return; /* which likelihood-normalised says */
    }
    if (!(fabs(m.mean - mean) <= 1e-3 * (1.0 + fabs(mean)))) {
        check_fail(t, "%s: draw's mean is %.6g, that of the likelihood %s %.6g", place, mean, law_name(l), m.mean);
    }
    for (size_t i = 0; i < n; i++) {
        double d = fmin(fabs(sample[i] - mean), clip);
        sample[i] = d * d;
    }
    const average a = average_of(n, sample);
    if (!(fabs(a.value - m.spread) <= 5.0 * a.error + 1e-4 * m.spread + 1e-9)) {
        check_fail(t,
                   "%s: the variance of samples is %.6g +- %.2g, that of the likelihood %s %.6g (none counted beyond "
                   "%.4g from the mean)",
                   place, a.value, a.error, law_name(l), m.spread, clip);
    }
}

/* Nothing near the mode, no sample and no mean is likelier than it. */
static void expect_mode(block_rig *b, const law *l, const char *place, double mode, double mean, const double *sample)
{
    const double tolerance = b->r.plan.dtype == STELE_F64 ? 1e-6 : 1e-3;
    const double step = l->whole ? l->step : 1e-3 * (1.0 + fabs(mode));
    const double from = isfinite(l->low) ? l->low : 0.0;
    const double below = l->whole ? from + step * floor((mean - from) / step) : mean;
    const double other[] = { mode, mode - step, mode + step, below, below + step };
    const int64_t n_other = l->whole ? 5 : 4;
    for (int64_t i = 0; i < b->rows; i++) {
        double v = i < n_other ? other[i] : sample[i];
        law_set_x(b, i, v >= l->low && v <= l->high ? v : mode);
    }
    const double *p = law_log_probabilities(b);
    for (int64_t i = 1; i < b->rows && isfinite(p[0]); i++) {
        if (p[i] > p[0] + tolerance * (1.0 + fabs(p[0]))) {
            check_fail(b->r.t, "%s: draw's mode is %.6g, where log_prob is %.6g; at %.6g it is %.6g", place, mode, p[0],
                       b->x[i * b->features], p[i]);
            return;
        }
    }
}

/* A column of three or more levels without an order, which has no mean but a mode: then what its codes average is held
 * against the likelihood alone. */
static int has_no_mean(const block_rig *b, const law *l, double mean, double mode)
{
    return (b->r.t->plugin->desc.caps & STELE_CAP_COLUMNS) != 0 && l->whole && isfinite(l->high) &&
           l->high - l->low > l->step && mean == mode;
}

static void compare_draws(block_rig *b, const law *l, double *x, large_tail *tail)
{
    static double samples[MOST_SAMPLES];
    check_trial *t = b->r.t;
    char place[160];
    block_place(b, place, sizeof place);
    if (block_draw(b, STELE_DRAW_MODE, 0, x) != STELE_OK || !rig_accepts(&b->r, b->rows, x)) {
        check_fail(t, "the mode (%g) is refused by validate, or draw failed", x[0]);
    }
    const double mode = x[0];
    if (block_draw(b, STELE_DRAW_MEAN, 0, x) != STELE_OK || !isfinite(x[0])) {
        check_fail(t, "draw of the mean failed, or is %g", x[0]);
        return;
    }
    double mean = x[0];
    if (t->plugin->desc.detail != NULL && (block_draw(b, STELE_DRAW_DETAIL, 0, x) != STELE_OK || !isfinite(x[0]))) {
        check_fail(t, "draw of the detail failed, or is %g", x[0]);
    }
    const size_t n = take_samples(b, &tail->drawn, x, samples);
    if (n == 0) {
        return;
    }
    expect_mode(b, l, place, mode, mean, samples);
    const average a = average_of(n, samples);
    mean = has_no_mean(b, l, mean, mode) ? law_moments(b, l, 0.0, 1.0).mean : mean;
    if (!(fabs(a.value - mean) <= 5.0 * a.error + 1e-5 * (1.0 + fabs(mean)))) {
        check_fail(t, "%s: draw's mean is %.6g, %zu samples average %.6g +- %.2g", place, mean, n, a.value, a.error);
    }
    if (large_applies(b, l)) {
        large_count(b, l, n, samples, tail);
    }
    compare_spread(b, l, place, mean, n, samples);
}

/* Rows that cannot have one element alone: what is known of a law in one dimension is not known of them. */
static void compare_rows_drawn(block_rig *b, double *x, uint64_t *number)
{
    static double samples[MOST_SAMPLES];
    check_trial *t = b->r.t;
    const int64_t size = b->rows * b->features;
    if (block_draw(b, STELE_DRAW_MEAN, 0, x) != STELE_OK || !isfinite(x[0])) {
        check_fail(t, "draw of the mean failed, or is %g", x[0]);
        return;
    }
    const double mean = x[0];
    const size_t n = take_samples(b, number, x, samples);
    const average a = average_of(n, samples);
    if (n > 0 && !(fabs(a.value - mean) <= 5.0 * a.error + 1e-5 * (1.0 + fabs(mean)))) {
        check_fail(t, "the first element of draw's mean is %.6g, %zu samples average %.6g +- %.2g", mean, n, a.value,
                   a.error);
    }
    /* The last samples stand beside the mode, which is the first row. */
    memcpy(b->x, x, (size_t)size * sizeof *x);
    if (n == 0 || block_draw(b, STELE_DRAW_MODE, 0, x) != STELE_OK || !rig_accepts(&b->r, b->rows, x)) {
        check_fail(t, "the mode is refused by validate, or draw failed");
        return;
    }
    memcpy(b->x, x, (size_t)b->features * sizeof *x);
    const double *p = law_log_probabilities(b);
    const double tolerance = b->r.plan.dtype == STELE_F64 ? 1e-6 : 1e-3;
    for (int64_t i = 1; i < b->rows; i++) {
        if (p[i] > p[0] + tolerance * (1.0 + fabs(p[0]))) {
            check_fail(t, "log_prob of draw's mode is %.6g, that of a sample %.6g", p[0], p[i]);
            return;
        }
    }
}

void check_draw_agrees(check_trial *t)
{
    block_rig b;
    double worst;
    if (block_start(t, &(rig_plan){ .rows = GRID, .features = 1 }, &b)) {
        double *x = rig_take(&b.r, (size_t)(b.rows * b.features) * sizeof *x);
        const int several = b.own && b.features > 1;
        law_start(&b);
        const law l = several ? (law){ 0 } : law_choose(&b, &worst);
        large_tail tail = { 0 };
        for (uint64_t s = 0; s < LAW_SETTINGS && t->verdict < CHECK_FAIL; s++) {
            law_set_parameters(&b, s);
            if (several) {
                compare_rows_drawn(&b, x, &tail.drawn);
            } else {
                compare_draws(&b, &l, x, &tail);
            }
        }
        for (uint64_t s = 0; !several && large_applies(&b, &l) && s < LARGE_SETTINGS && t->verdict < CHECK_FAIL; s++) {
            if (large_set(&b, &l, s, &worst) == LARGE_REACHED) {
                compare_draws(&b, &l, x, &tail);
            }
        }
        if (t->verdict < CHECK_FAIL) {
            large_judge(t, &tail);
        }
    }
    block_finish(&b);
}
