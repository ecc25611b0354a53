#include "large.h"

#include <math.h>

int large_applies(const block_rig *b, const law *l)
{
    return !b->own && l->whole && isfinite(l->low) && !isfinite(l->high);
}

static void set_predictor(block_rig *b, uint32_t k, double v)
{
    for (int64_t i = 0; i < b->rows * b->features; i++) {
        b->eta[k][i] = v;
    }
}

large_found large_set(block_rig *b, const law *l, uint64_t number, double *ret_mass)
{
    static const double target[LARGE_SETTINGS] = { 30.0, 150.0, 800.0 };
    /* By halves: a likelihood that goes wrong in between is met on the way. Beyond e^12 nobody counts. */
    enum { MOST_STEPS = 24, FIRST_STEPS = 8, MOST_CUT = 4 };
    const double tolerance = b->r.plan.dtype == STELE_F64 ? 1e-4 : 1e-2;
    const int may_lack = (b->r.t->plugin->desc.caps & STELE_CAP_SUBPROBABILITY) != 0;
    int n_cut = 0;
    for (uint32_t k = 0; k < b->n_eta; k++) {
        law_set_parameters(b, number);
        const double start = b->eta[k][0], mean = law_moments(b, l, 0.0, 1.0).mean;
        for (int i = 0; i <= MOST_STEPS; i++) {
            set_predictor(b, k, start + 0.5 * i);
            const moments m = law_moments(b, l, 0.0, 1.0);
            *ret_mass = m.mass;
            if (!(m.mass <= 1.0 + tolerance) || !(m.cut || may_lack || m.mass >= 1.0 - tolerance)) {
                return LARGE_NO_LAW;
            }
            if (m.cut) {
                /* A tail that does not end may be a small part yet, and grow. */
                if (++n_cut > MOST_CUT) {
                    return LARGE_NONE;
                }
                continue;
            }
            if (m.mean >= target[number]) {
                return LARGE_REACHED;
            }
            if (i >= FIRST_STEPS && !(m.mean > 2.0 * mean)) {
                break; /* the mean hangs on another one */
            }
        }
    }
    return LARGE_NONE;
}

void large_count(block_rig *b, const law *l, size_t n, const double *sample, large_tail *tail)
{
    double from = 0.0;
    const double share = law_tail(b, l, 1e-3, &from);
    if (share > 0.0) {
        tail->expected += share * (double)n;
        for (size_t i = 0; i < n; i++) {
            tail->found += sample[i] > from;
        }
    }
}

/* Of a Poisson law: the probability of at most (or, above the mean, at least) as many. */
static double chance_of(double mean, double found)
{
    double below = 0.0, above = 0.0;
    for (double k = 0.0; k <= found; k += 1.0) {
        below += exp(k * log(mean) - mean - lgamma(k + 1.0));
    }
    for (double k = found; k <= found + 50.0 * sqrt(mean) + 50.0; k += 1.0) {
        above += exp(k * log(mean) - mean - lgamma(k + 1.0));
    }
    return found < mean ? below : above;
}

void large_judge(check_trial *t, const large_tail *tail)
{
    if (tail->expected > 0.0 && chance_of(tail->expected, tail->found) < 1e-7) {
        check_fail(t,
                   "%.0f samples lie beyond counts that one in a thousand or fewer should exceed, the likelihood has "
                   "%.3g of them there: the tail of samples is another one",
                   tail->found, tail->expected);
    }
}
