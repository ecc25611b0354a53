#include "law.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *law_name(const law *l)
{
    static char text[96];
    if (l->atom) {
        return "at 0 and over the reals above it";
    }
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

void law_set_x(block_rig *b, int64_t row, double v)
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

static block_result scratch;

void law_start(block_rig *b)
{
    block_result_init(b, &scratch);
}

double *law_log_probabilities(block_rig *b)
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
    double *p = law_log_probabilities(b);
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

enum { MOST_TERMS = 400000 };

/* One after the other, until what is left is negligible. */
static moments sum_over(block_rig *b, const law *l, double centre, double clip)
{
    moments m = { .cut = 1 };
    const double n = floor((l->high - l->low) / l->step + 1.5);
    for (int64_t first = 0; first < MOST_TERMS; first += b->rows) {
        if ((double)first >= n) {
            m.cut = 0;
            break;
        }
        double before = m.mass;
        for (int64_t i = 0; i < b->rows; i++) {
            law_set_x(b, i, whole_at(l, (double)(first + i) < n ? first + i : 0));
        }
        const double *p = probabilities(b);
        for (int64_t i = 0; i < b->rows && (double)(first + i) < n; i++) {
            add(&m, p[i], whole_at(l, first + i), centre, clip);
        }
        double part = m.mass - before;
        /* Much of a law may be at 0, and the rest beyond a thousand. */
        const int all = m.mass > 1.0 - 1e-6 || (m.mass > 0.5 && first > 20000) || first > 100000;
        if (!isfinite(m.mass) || m.mass > 1e3 || (part < 1e-11 && all)) {
            m.cut = 0;
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

/* Trapezoids in t from one end to another. */
static void integrate_part(block_rig *b, const law *l, double from, double to, int64_t steps, double centre,
                           double clip, moments *m)
{
    const double step = (to - from) / (double)steps;
    double slope;
    for (int64_t first = 0; first <= steps; first += b->rows) {
        for (int64_t i = 0; i < b->rows; i++) {
            law_set_x(b, i, map(l, fmin(from + step * (double)(first + i), to), &slope));
        }
        const double *p = probabilities(b);
        for (int64_t i = 0; i < b->rows && first + i <= steps; i++) {
            const double share = first + i == 0 || first + i == steps ? 0.5 * step : step;
            map(l, from + step * (double)(first + i), &slope);
            add(m, p[i] > 0.0 ? p[i] * slope * share : 0.0, b->x[i * b->features], centre, clip);
        }
    }
}

/* What lies between a bound of an interval and `near`, its distance from it: a density that grows towards the bound
 * does so as a power of the distance, and doubles soon tell no distances apart. */
static void add_rest(block_rig *b, double bound, double sign, double near, double centre, double clip, moments *m)
{
    law_set_x(b, 0, bound + sign * near);
    law_set_x(b, 1, bound + 64.0 * sign * near);
    const double *log_p = law_log_probabilities(b);
    const double power = 1.0 + (log_p[0] - log_p[1]) / -log(64.0);
    if (isfinite(power) && power > 0.0) {
        add(m, exp(log_p[0]) * near / power, bound, centre, clip);
    }
}

/* A density may grow without bound towards 0, where doubles reach far, and towards other bounds, where they do not. */
static moments integrate(block_rig *b, const law *l, double centre, double clip)
{
    const int between = isfinite(l->low) && isfinite(l->high);
    const double reach = between ? 26.0 : isfinite(l->low) || isfinite(l->high) ? 30.0 : 14.0;
    const double near = (l->high - l->low) / (1.0 + exp(reach));
    moments m = { 0 };
    integrate_part(b, l, -reach, reach, 32768, centre, clip, &m);
    if (l->low == 0.0) {
        integrate_part(b, l, -300.0, -reach, 4096, centre, clip, &m);
    } else if (between) {
        add_rest(b, l->low, 1.0, near, centre, clip, &m);
    }
    if (between) {
        add_rest(b, l->high, -1.0, near, centre, clip, &m);
    }
    if (l->atom) {
        for (int64_t i = 0; i < b->rows; i++) {
            law_set_x(b, i, 0.0);
        }
        add(&m, probabilities(b)[0], 0.0, centre, clip);
    }
    return m;
}

moments law_moments(block_rig *b, const law *l, double centre, double clip)
{
    return l->whole ? sum_over(b, l, centre, clip) : integrate(b, l, centre, clip);
}

double law_tail(block_rig *b, const law *l, double share, double *ret_from)
{
    const moments m = law_moments(b, l, 0.0, 1.0);
    double rest = m.mass;
    for (int64_t first = 0; first < MOST_TERMS; first += b->rows) {
        for (int64_t i = 0; i < b->rows; i++) {
            law_set_x(b, i, whole_at(l, first + i));
        }
        const double *p = probabilities(b);
        for (int64_t i = 0; i < b->rows; i++) {
            rest -= p[i];
            if (rest <= share) {
                *ret_from = whole_at(l, first + i);
                return m.cut || !(fabs(m.mass - 1.0) < 1e-2) ? 0.0 : fmax(rest, 0.0);
            }
        }
    }
    return 0.0;
}

enum { MOST_LAWS = 5 };

/* The bound of an open interval whose last float is `bound`. */
static double opened(double bound)
{
    const double near = nearbyint(1e4 * bound) / 1e4;
    return isfinite(bound) && fabs(near - bound) < 1e-6 * fmax(1.0, fabs(near)) ? near : bound;
}

/* Candidates; the last is the one that the data suggest. */
static size_t laws_of(const block_rig *b, law ret[MOST_LAWS])
{
    static const law binary = { 0.0, 1.0, 1, 1.0, 0 }, counts = { 0.0, HUGE_VAL, 1, 1.0, 0 },
                     positive = { 0.0, HUGE_VAL, 0, 1.0, 0 };
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
    const law own = { s->whole ? s->low : opened(s->low), s->whole ? s->high : opened(s->high), s->whole, s->step, 0 };
    if (!s->whole && own.low == 0.0 && s->zero) {
        ret[n] = own;
        ret[n++].atom = 1;
    }
    ret[n++] = own;
    return n;
}

void law_set_parameters(block_rig *b, uint64_t number)
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

law law_choose(block_rig *b, double *ret_worst)
{
    law candidate[MOST_LAWS], best;
    size_t n = laws_of(b, candidate);
    *ret_worst = HUGE_VAL;
    best = candidate[n - 1];
    for (size_t c = 0; c < n; c++) {
        double worst = 0.0;
        for (uint64_t s = 0; s < LAW_SETTINGS && worst < 1e-2; s++) {
            law_set_parameters(b, s);
            double off = fabs(law_moments(b, &candidate[c], 0.0, 1.0).mass - 1.0);
            worst = isfinite(off) ? fmax(worst, off) : HUGE_VAL;
        }
        if (worst < *ret_worst) {
            *ret_worst = worst;
            best = candidate[c];
        }
    }
    return *ret_worst < 1e-2 ? best : candidate[n - 1];
}
