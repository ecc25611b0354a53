/* stele/feature_fit.h - how well real-valued features are predicted, streamed by blocks of features. No host symbol.
 */
#ifndef STELE_FEATURE_FIT_H
#define STELE_FEATURE_FIT_H

#include <stele/metrics.h>

/* Sums over the features that vary, and their number. All zero bytes is the empty state. */
typedef struct stele_feature_fit {
    double r2, correlation, n;
} stele_feature_fit;

/* One feature over the rows that have it: R2 against the mean of those rows, and correlation, where a constant
 * prediction of a varying feature explains nothing. */
static inline void stele_feature_fit_one(int64_t n, double *truth, double *predicted, stele_feature_fit *f)
{
    double mean = 0.0, total = 0.0, left = 0.0;
    for (int64_t i = 0; i < n; i++) {
        mean += truth[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        total += (truth[i] - mean) * (truth[i] - mean);
        left += (truth[i] - predicted[i]) * (truth[i] - predicted[i]);
    }
    if (stele_varies(n, truth) && total > 0.0) {
        double correlation = stele_pearson(n, truth, predicted);
        f->r2 += 1.0 - left / total;
        f->correlation += isnan(correlation) ? 0.0 : correlation;
        f->n += 1.0;
    }
}

/* One feature's pairs, which may be changed on the way. */
typedef void stele_feature_fit_pairs(int64_t n, double *truth, double *predicted, stele_feature_fit *f);

static inline stele_status stele_feature_fit_each(stele_feature_fit *f, const stele_scored *s,
                                                  stele_feature_fit_pairs *one)
{
    double *truth = (double *)malloc((size_t)(2 * s->n_rows + 1) * sizeof *truth);
    if (truth == NULL) {
        return STELE_E_NOMEM;
    }
    double *predicted = truth + s->n_rows;
    for (int64_t j = 0; j < s->n_features; j++) {
        int64_t n = 0;
        for (int64_t r = 0; r < s->n_rows; r++) {
            float v = s->truth[r * s->n_features + j];
            if (!isnan(v)) {
                truth[n] = (double)v;
                predicted[n++] = (double)s->predicted[r * s->n_features + j];
            }
        }
        one(n, truth, predicted, f);
    }
    free(truth);
    return STELE_OK;
}

static inline stele_status stele_feature_fit_add(stele_feature_fit *f, const stele_scored *s)
{
    return stele_feature_fit_each(f, s, stele_feature_fit_one);
}

/* The score_end slot: "r2" and "feature_correlation", means over the features. */
static inline stele_status stele_feature_fit_read(const stele_feature_fit *f, uint32_t capacity, stele_metric *ret,
                                                  uint32_t *ret_n)
{
    if (capacity < 2) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "r2", f->n > 0.0 ? f->r2 / f->n : NAN, 1);
    stele_metric_set(&ret[1], "feature_correlation", f->n > 0.0 ? f->correlation / f->n : NAN, 1);
    *ret_n = 2;
    return STELE_OK;
}

#endif /* STELE_FEATURE_FIT_H */
