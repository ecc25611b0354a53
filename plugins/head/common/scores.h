/* scores.h - metrics of predicted probabilities of classes. */
#ifndef HEAD_SCORES_H
#define HEAD_SCORES_H

#include <stele/kinds.h>

typedef struct head_probabilities {
    int64_t n_rows, n_classes;
    double *log_p;       /* (n_rows, n_classes) */
    const int32_t *code; /* (n_rows) */
} head_probabilities;

/* Of predictions that are logits of the classes. head_probabilities_finish in any case. */
stele_status head_probabilities_init(const stele_head_scored *s, head_probabilities *ret);
void head_probabilities_finish(head_probabilities *p);

/* Metrics of a list being filled. */
typedef struct head_metrics {
    stele_metric *metric;
    uint32_t capacity, n;
} head_metrics;
/* One more; what there is no room for is counted and not written. */
void head_metrics_add(head_metrics *m, const char *name, double value, uint32_t higher_is_better);

/* accuracy: share of rows whose likeliest class, of equals the first, is theirs; balanced_accuracy:
 * the mean over the classes that occur of their own shares; cross_entropy: mean of -log p. */
stele_status head_score_accuracy(const head_probabilities *p, head_metrics *ret);
/* steps_off: mean number of classes between the likeliest one and the row's, of classes in order.
 */
void head_score_steps(const head_probabilities *p, head_metrics *ret);
/* auroc and average_precision, ties half and together; of two classes those of the second against
 * the first, of more the mean over the classes that occur, each against all others. NaN where all
 * rows are of one class. */
stele_status head_score_ranking(const head_probabilities *p, head_metrics *ret);
/* brier: mean of squared differences between probability and truth, of two classes those of the
 * second, of more the sum over the classes (Brier 1950); expected_calibration_error: over 15 equal
 * bins of the likeliest class's probability, |share of hits - mean probability|, weighted by rows
 * (Guo et al. 2017), which few rows make larger (Roelofs et al. 2022): STELE_METRIC_EXCESS. */
void head_score_calibration(const head_probabilities *p, head_metrics *ret);

#endif
