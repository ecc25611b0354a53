/* Checks of a likelihood as a distribution: it sums to one, and draws come from it. */
#include "block.h"
#include "mass.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Over which x a likelihood may be a distribution. */
typedef struct law {
    double low, high; /* infinite: no bound */
    int whole;        /* sums over numbers `step` apart instead of an integral */
    double step;
} law;

/* Of exp(log_prob) over a law. */
typedef struct moments {
    double mass, mean;
    double spread; /* mean of min((x - centre)^2, clip^2): heavy tails would drown a plain second moment */
} moments;

/* "over counts", for messages. */
static const char *name_of(const law *l)
{
    static char text[96];
    const int below = isfinite(l->low), above = isfinite(l->high);
    const char *kind = !l->whole ? "over the reals" : l->step == 1.0 ? "over whole numbers" : "over levels";
    if (l->whole && l->low == 0.0 && !above) {
        return "over counts";
    }
    if (below && above) {
        snprintf(text, sizeof text, "%s from %.7g to %.7g", kind, l->low, l->high);
    } else if (below || above) {
        snprintf(text, sizeof text, "%s %s %.7g", kind, below ? "above" : "below", below ? l->low : l->high);
    } else {
        snprintf(text, sizeof text, "%s", kind);
    }
    return text;
}

/* x of a row: only the first feature is looked at, which stands for all in rows that cannot have one alone. */
static void set_x(block_rig *b, int64_t row, double v)
{
    b->x[row * b->features] = v;
}

/* Give all rows and features of a block the parameters of the first. */
static void spread_out(block_rig *b)
{
    for (uint32_t k = 0; k < b->n_eta; k++) {
        for (int64_t i = 1; i < b->rows * b->features; i++) {
            b->eta[k][i] = b->eta[k][0];
        }
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        for (int64_t j = 1; j < b->features && b->trained[k]; j++) {
            b->feature[k][j] = b->feature[k][0];
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        for (int64_t i = 1; i < b->rows; i++) {
            b->row[k][i] = b->row[k][0];
        }
    }
}

static block_result scratch; /* made once for a block_rig */

/* log_prob of the block's x, one value per row, until the next call. */
static double *log_probabilities(block_rig *b)
{
    block_result *res = &scratch;
    memset(res->log_prob, 0, (size_t)b->rows * sizeof(double));
    if (b->own) {
        own_log_prob(b, res->log_prob);
    } else {
        block_eval(b, b->r.plan.dtype, b->r.plan.dtype == STELE_F64 ? BLOCK_DENSE64 : 0, 0, 1, res);
    }
    return res->log_prob;
}

/* exp(log_prob), the same way. */
static const double *probabilities(block_rig *b)
{
    double *p = log_probabilities(b);
    for (int64_t i = 0; i < b->rows; i++) {
        p[i] = exp(p[i]);
    }
    return p;
}

static void add(moments *m, double weight, double x, double centre, double clip)
{
    double d = fmin(fabs(x - centre), clip);
    m->mass += weight;
    m->mean += weight * x;
    m->spread += weight * d * d;
}

/* Number k of a law, from a bound or from 0 outwards. */
static double whole_at(const law *l, int64_t k)
{
    if (isfinite(l->low)) {
        return l->low + l->step * (double)k;
    }
    return isfinite(l->high) ? l->high - (double)k : (double)(k % 2 == 0 ? k / 2 : -(k + 1) / 2);
}

/* One after the other, until what is left is negligible. */
static moments sum_over(block_rig *b, const law *l, double centre, double clip)
{
    moments m = { 0 };
    const double n = floor((l->high - l->low) / l->step + 1.5);
    for (int64_t first = 0; first < 400000 && (double)first < n; first += b->rows) {
        double before = m.mass;
        for (int64_t i = 0; i < b->rows; i++) {
            set_x(b, i, whole_at(l, (double)(first + i) < n ? first + i : 0));
        }
        const double *p = probabilities(b);
        for (int64_t i = 0; i < b->rows && (double)(first + i) < n; i++) {
            add(&m, p[i], whole_at(l, first + i), centre, clip);
        }
        double part = m.mass - before;
        if (!isfinite(m.mass) || m.mass > 1e3 || (part < 1e-11 && (m.mass > 0.5 || first > 100000))) {
            break;
        }
    }
    return m;
}

/* x of t, and dx/dt: dense where laws vary fast, and far out for heavy tails. */
static double map(const law *l, double t, double *ret_slope)
{
    double share = 1.0 / (1.0 + exp(-t)), rest = 1.0 / (1.0 + exp(t));
    if (isfinite(l->low) && isfinite(l->high)) {
        *ret_slope = (l->high - l->low) * share * rest;
        return l->low + (l->high - l->low) * share;
    }
    if (isfinite(l->low) || isfinite(l->high)) {
        *ret_slope = exp(t);
        return isfinite(l->low) ? l->low + exp(t) : l->high - exp(t);
    }
    *ret_slope = cosh(t);
    return sinh(t);
}

/* Trapezoids in t. */
static moments integrate(block_rig *b, const law *l, double centre, double clip)
{
    enum { STEPS = 32768 };
    const double reach = isfinite(l->low) || isfinite(l->high) ? 30.0 : 14.0, step = 2.0 * reach / STEPS;
    moments m = { 0 };
    double slope;
    for (int64_t first = 0; first <= STEPS; first += b->rows) {
        for (int64_t i = 0; i < b->rows; i++) {
            set_x(b, i, map(l, fmin(-reach + step * (double)(first + i), reach), &slope));
        }
        const double *p = probabilities(b);
        for (int64_t i = 0; i < b->rows && first + i <= STEPS; i++) {
            map(l, -reach + step * (double)(first + i), &slope);
            add(&m, p[i] > 0.0 ? p[i] * slope * step : 0.0, b->x[i * b->features], centre, clip);
        }
    }
    return m;
}

static moments moments_of(block_rig *b, const law *l, double centre, double clip)
{
    return l->whole ? sum_over(b, l, centre, clip) : integrate(b, l, centre, clip);
}

enum { MOST_LAWS = 4 };

/* Candidates; the last is the one that the data suggest. */
static size_t laws_of(const block_rig *b, law ret[MOST_LAWS])
{
    static const law binary = { 0.0, 1.0, 1, 1.0 }, counts = { 0.0, HUGE_VAL, 1, 1.0 },
                     positive = { 0.0, HUGE_VAL, 0, 1.0 };
    const rig_support *s = &b->r.support;
    size_t n = 0;
    if (b->r.vt->modality.validate == NULL) {
        ret[n++] = counts;
        ret[n++] = positive;
    }
    /* Binary laws that take any count as a 1 repeat their value: then the sum over {0, 1} is the right one. */
    if (s->low <= 0.0 && s->high >= 1.0 && s->step == 1.0 && (s->whole || isfinite(s->high) || n > 0)) {
        ret[n++] = binary;
    }
    ret[n++] = (law){ s->low, s->high, s->whole, s->step };
    return n;
}

enum { GRID = 512, SETTINGS = 8 };

/* Other parameters, by number. */
static void set_parameters(block_rig *b, uint64_t number)
{
    for (uint32_t k = 0; k < b->n_eta; k++) {
        b->eta[k][0] = 4.0 * rig_uniform(b->r.t, 800 + number, k) - (k == 0 ? 1.0 : 2.0);
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        if (b->trained[k]) {
            b->feature[k][0] = 3.0 * rig_uniform(b->r.t, 820 + number, k) - 1.0;
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        b->row[k][0] = 2.0 * rig_uniform(b->r.t, 840 + number, k) - 1.0;
    }
    spread_out(b);
    if (b->own) {
        own_set_latent(b, number);
    }
}

static law choose(block_rig *b, double *ret_worst)
{
    law candidate[MOST_LAWS], best;
    size_t n = laws_of(b, candidate);
    *ret_worst = HUGE_VAL;
    best = candidate[n - 1];
    for (size_t c = 0; c < n; c++) {
        double worst = 0.0;
        for (uint64_t s = 0; s < SETTINGS && worst < 1e-2; s++) {
            set_parameters(b, s);
            double off = fabs(moments_of(b, &candidate[c], 0.0, 1.0).mass - 1.0);
            worst = isfinite(off) ? fmax(worst, off) : HUGE_VAL;
        }
        if (worst < *ret_worst) {
            *ret_worst = worst;
            best = candidate[c];
        }
    }
    return *ret_worst < 1e-2 ? best : candidate[n - 1];
}

/* The sum or integral over one element. */
static void check_one_element(check_trial *t, block_rig *b)
{
    /* What longer rows have, and codes that are not in use. */
    const int may_lack = (t->plugin->desc.caps & STELE_CAP_SUBPROBABILITY) != 0;
    const double tolerance = b->r.plan.dtype == STELE_F64 ? 1e-5 : 2e-3;
    double worst;
    const law l = choose(b, &worst);
    for (uint64_t s = 0; s < SETTINGS && worst > tolerance; s++) {
        set_parameters(b, s);
        double mass = moments_of(b, &l, 0.0, 1.0).mass;
        if (!(mass <= 1.0 + tolerance && (may_lack || mass >= 1.0 - tolerance))) {
            char place[160];
            block_place(b, place, sizeof place);
            check_fail(t, "exp(log_prob) %s comes to %.8g for %s", name_of(&l), mass, place);
            break;
        }
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
            block_result_init(&b, &scratch);
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

/* Draws of the first element of every row, again and again; rows of many elements take their time. */
static size_t take_samples(block_rig *b, double *x, double *ret)
{
    const uint64_t rounds = b->features > 1 ? 6 : 16;
    size_t n = 0;
    for (uint64_t k = 0; k < rounds; k++) {
        if (block_draw(b, STELE_DRAW_SAMPLE, k, x) != STELE_OK || !rig_accepts(&b->r, b->rows, x)) {
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
    const moments m = moments_of(b, l, mean, clip);
    if (!(fabs(m.mass - 1.0) < 1e-4)) {
        return; /* which likelihood-normalised says */
    }
    if (!(fabs(m.mean - mean) <= 1e-3 * (1.0 + fabs(mean)))) {
        check_fail(t, "%s: draw's mean is %.6g, that of the likelihood %s %.6g", place, mean, name_of(l), m.mean);
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
                   place, a.value, a.error, name_of(l), m.spread, clip);
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
        set_x(b, i, v >= l->low && v <= l->high ? v : mode);
    }
    const double *p = log_probabilities(b);
    for (int64_t i = 1; i < b->rows && isfinite(p[0]); i++) {
        if (p[i] > p[0] + tolerance * (1.0 + fabs(p[0]))) {
            check_fail(b->r.t, "%s: draw's mode is %.6g, where log_prob is %.6g; at %.6g it is %.6g", place, mode, p[0],
                       b->x[i * b->features], p[i]);
            return;
        }
    }
}

static void compare_draws(block_rig *b, const law *l, double *x)
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
    const double mean = x[0];
    if (t->plugin->desc.detail != NULL && (block_draw(b, STELE_DRAW_DETAIL, 0, x) != STELE_OK || !isfinite(x[0]))) {
        check_fail(t, "draw of the detail failed, or is %g", x[0]);
    }
    const size_t n = take_samples(b, x, samples);
    if (n == 0) {
        return;
    }
    expect_mode(b, l, place, mode, mean, samples);
    const average a = average_of(n, samples);
    if (!(fabs(a.value - mean) <= 5.0 * a.error + 1e-5 * (1.0 + fabs(mean)))) {
        check_fail(t, "%s: draw's mean is %.6g, %zu samples average %.6g +- %.2g", place, mean, n, a.value, a.error);
    }
    compare_spread(b, l, place, mean, n, samples);
}

/* Rows that cannot have one element alone: what is known of a law in one dimension is not known of them. */
static void compare_rows_drawn(block_rig *b, double *x)
{
    static double samples[MOST_SAMPLES];
    check_trial *t = b->r.t;
    const int64_t size = b->rows * b->features;
    if (block_draw(b, STELE_DRAW_MEAN, 0, x) != STELE_OK || !isfinite(x[0])) {
        check_fail(t, "draw of the mean failed, or is %g", x[0]);
        return;
    }
    const double mean = x[0];
    const size_t n = take_samples(b, x, samples);
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
    const double *p = log_probabilities(b);
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
        block_result_init(&b, &scratch);
        const law l = several ? (law){ 0 } : choose(&b, &worst);
        for (uint64_t s = 0; s < SETTINGS && t->verdict < CHECK_FAIL; s++) {
            set_parameters(&b, s);
            if (several) {
                compare_rows_drawn(&b, x);
            } else {
                compare_draws(&b, &l, x);
            }
        }
    }
    block_finish(&b);
}
