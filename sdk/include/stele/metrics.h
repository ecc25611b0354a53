/* stele/metrics.h - metrics over (truth, prediction) pairs, streamed with bounded memory. No host symbol. */
#ifndef STELE_METRICS_H
#define STELE_METRICS_H

#include <stele/kinds.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ranking of binary outcomes. Scores are put into 2^20 bins by the leading bits of their float value (a relative
 * resolution of 2^-11); pairs within a bin count half. All zero bytes is the empty state. */
#define STELE_RANK_BITS 20
typedef struct stele_ranking {
    uint64_t positive[1u << STELE_RANK_BITS];
    uint64_t negative[1u << STELE_RANK_BITS];
} stele_ranking;

static inline uint32_t stele_rank_bin(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    bits = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u; /* order of the bits = order of the values */
    return bits >> (32 - STELE_RANK_BITS);
}

static inline void stele_ranking_add(stele_ranking *r, float score, int positive)
{
    uint32_t bin = stele_rank_bin(score);
    if (positive) {
        r->positive[bin]++;
    } else {
        r->negative[bin]++;
    }
}

/* Area under the ROC curve, and average precision sum_k (R_k - R_(k-1)) P_k with all pairs of a bin taken together.
 * NaN when one class is empty. */
static inline void stele_ranking_read(const stele_ranking *r, double *ret_auroc, double *ret_average_precision)
{
    double above = 0.0, below = 0.0, area = 0.0, precision = 0.0;
    for (uint32_t i = 1u << STELE_RANK_BITS; i-- > 0;) {
        double p = (double)r->positive[i], n = (double)r->negative[i];
        area += n * (above + 0.5 * p);
        above += p;
        below += n;
        if (p > 0.0) {
            precision += p * above / (above + below);
        }
    }
    *ret_auroc = above > 0.0 && below > 0.0 ? area / (above * below) : NAN;
    *ret_average_precision = above > 0.0 && below > 0.0 ? precision / above : NAN;
}

static inline int stele_compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of n numbers, which are sorted by it; NaN of none. */
static inline double stele_median(int64_t n, double *v)
{
    qsort(v, (size_t)n, sizeof *v, stele_compare_doubles);
    return n > 0 ? 0.5 * (v[(n - 1) / 2] + v[n / 2]) : NAN;
}

/* Do n values differ? Squares of deviations do not tell: a mean that was rounded deviates from equal values, too. */
static inline int stele_varies(int64_t n, const double *v)
{
    int64_t i = 1;
    while (i < n && v[i] == v[0]) {
        i++;
    }
    return i < n;
}

/* Pearson correlation of n pairs, NaN if either side is constant. Two passes, in double. */
static inline double stele_pearson(int64_t n, const double *a, const double *b)
{
    double ma = 0.0, mb = 0.0, saa = 0.0, sbb = 0.0, sab = 0.0;
    for (int64_t i = 0; i < n; i++) {
        ma += a[i] / (double)n;
        mb += b[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        saa += (a[i] - ma) * (a[i] - ma);
        sbb += (b[i] - mb) * (b[i] - mb);
        sab += (a[i] - ma) * (b[i] - mb);
    }
    return stele_varies(n, a) && stele_varies(n, b) && saa * sbb > 0.0 ? sab / sqrt(saa * sbb) : NAN;
}

/* Mean over features of the correlation across rows between log(1 + count) and log(1 + predicted mean). All zero bytes
 * is the empty state. */
typedef struct stele_log1p_correlation {
    double sum, n;
} stele_log1p_correlation;

/* Features whose truth does not vary are left out; a constant prediction of one that does explains nothing: 0. Rows
 * without the entry (NaN) do not count. */
static inline stele_status stele_log1p_correlation_add(stele_log1p_correlation *c, const stele_scored *s)
{
    double *a = (double *)malloc((size_t)(2 * s->n_rows + 1) * sizeof *a);
    if (a == NULL) {
        return STELE_E_NOMEM;
    }
    double *b = a + s->n_rows;
    for (int64_t j = 0; j < s->n_features; j++) {
        int64_t n = 0;
        for (int64_t r = 0; r < s->n_rows; r++) {
            double truth = (double)s->truth[r * s->n_features + j];
            if (!isnan(truth)) {
                a[n] = log1p(truth);
                b[n++] = log1p((double)s->predicted[r * s->n_features + j]);
            }
        }
        if (stele_varies(n, a)) {
            double corr = stele_pearson(n, a, b);
            c->sum += isnan(corr) ? 0.0 : corr;
            c->n += 1.0;
        }
    }
    free(a);
    return STELE_OK;
}

static inline double stele_log1p_correlation_read(const stele_log1p_correlation *c)
{
    return c->n > 0.0 ? c->sum / c->n : NAN;
}

/* Bits per spike: the log-likelihood of counts, as Poisson counts of the predicted rates, less that of each feature's
 * mean over the training rows, in bits, over the number of counts (Pei et al., NeurIPS 2021, with training rows for
 * the mean). All zero bytes is the empty state. */
typedef struct stele_spike_bits {
    double bits, spikes;
} stele_spike_bits;

/* Predicted rates below this are taken for it: a spike says no more than that it was unlikely. */
#define STELE_LEAST_RATE 1e-9

/* Features without a count in the training rows have no mean rate to compare with, and are left out. */
static inline void stele_spike_bits_add(stele_spike_bits *b, const stele_scored *s)
{
    const double per_nat = 1.0 / log(2.0);
    for (int64_t i = 0; i < s->n_rows * s->n_features; i++) {
        double x = (double)s->truth[i], mean = s->known[i % s->n_features];
        double rate = fmax((double)s->predicted[i], STELE_LEAST_RATE);
        if (!isnan(x) && mean > 0.0) {
            b->bits += per_nat * (x * log(rate / mean) - (rate - mean));
            b->spikes += x;
        }
    }
}

static inline double stele_spike_bits_read(const stele_spike_bits *b)
{
    return b->spikes > 0.0 ? b->bits / b->spikes : NAN;
}

static inline void stele_metric_set(stele_metric *m, const char *name, double value, int higher_is_better)
{
    memset(m, 0, sizeof *m);
    snprintf(m->name, sizeof m->name, "%s", name);
    m->value = value;
    m->higher_is_better = (uint32_t)higher_is_better;
}

#endif /* STELE_METRICS_H */
