/* report_private.h - parts of a report. */
#ifndef STELE_EVAL_REPORT_PRIVATE_H
#define STELE_EVAL_REPORT_PRIVATE_H

#include "eval/report.h"

/* Of classifiers that are trained anew. */
enum { STELE__REPORT_NEIGHBOURS = 15, STELE__REPORT_FOLDS = 5 };

/* Latents of the rows judged, of one posterior. */
typedef struct stele__latent {
    uint64_t mask;
    float *mean, *sd; /* (n, D) */
} stele__latent;

/* null for what is not finite. */
json_t *stele__report_number(double v);
/* "joint", "a", "a+b". */
json_t *stele__report_title(const stele__report_request *q, uint64_t mask);
const char *stele__report_name(const stele__report_request *q, uint32_t modality);
/* Metrics by name. */
json_t *stele__report_metrics(const stele_metric *metric, uint32_t n);

/* [low, high], or null. */
json_t *stele__report_interval(const stele__interval *i);
/* Intervals of metrics by name. */
json_t *stele__report_metric_intervals(const stele_metric *metric, const stele__interval *interval,
                                       uint32_t n);
/* `intervals` of an object of figures, made if it has none yet; NULL where none are wanted. */
json_t *stele__report_intervals(const stele__report_request *q, json_t *at);
/* Intervals under key[k] in at's `intervals`, of the means of the columns of value (n, n_columns).
 */
STELE_NODISCARD stele_status stele__report_means(const stele__report_request *q, json_t *at,
                                                 const char *const *key, const double *value,
                                                 uint32_t n_columns);

/* The median of those of n values that are no NaN; NaN of none. */
STELE_NODISCARD stele_status stele__report_median(const double *value, int64_t n, double *ret);

/* Append to `list` all about one posterior. */
STELE_NODISCARD stele_status stele__report_posterior(const stele__report_request *q,
                                                     const stele__latent *l,
                                                     const stele__latent *joint, json_t *list,
                                                     stele__diag *diag);
/* Set `heads` in `at`: how well they do at the means of a posterior. */
STELE_NODISCARD stele_status stele__report_heads(const stele__report_request *q,
                                                 const stele__latent *l, json_t *at,
                                                 stele__diag *diag);
/* Warn of heads whose target none of the rows judged has. */
STELE_NODISCARD stele_status stele__report_warn_heads(const stele__report_request *q,
                                                      stele__diag *diag);
/* Append to `list` how well the latents tell a label. */
STELE_NODISCARD stele_status stele__report_label(const stele__report_request *q,
                                                 const stele__label_task *t, const stele__latent *l,
                                                 json_t *list, stele__diag *diag);
/* The same of batches and classes, for rows whose code is not negative: the figures into `at`.
 * E_DATA without a message: too few rows. */
STELE_NODISCARD stele_status stele__report_silhouette(const stele__report_request *q,
                                                      const stele__label_task *t,
                                                      const stele__latent *l, const int32_t *code,
                                                      json_t *at);
STELE_NODISCARD stele_status stele__report_integration(const stele__report_request *q,
                                                       const stele__label_task *t,
                                                       const stele__latent *l, const int32_t *code,
                                                       json_t *at);
/* Append to `list` how near each pair of modalities puts the same row; whether values lie in the
 * intervals of drawn ones. */
STELE_NODISCARD stele_status stele__report_alignment(const stele__report_request *q, json_t *list,
                                                     stele__diag *diag);
STELE_NODISCARD stele_status stele__report_calibration(const stele__report_request *q, json_t *list,
                                                       stele__diag *diag);
/* Refuse coherence of more modalities than all subsets are judged of. */
STELE_NODISCARD stele_status stele__report_check_coherence(const stele__report_request *q,
                                                           stele__diag *diag);
/* Set in `at` whether generated modalities say the same as their rows and as each other. */
STELE_NODISCARD stele_status stele__report_coherence(const stele__report_request *q, json_t *at,
                                                     stele__diag *diag);
/* Append to `list` the predictions of modalities from each other. */
STELE_NODISCARD stele_status stele__report_cross(const stele__report_request *q, json_t *list,
                                                 stele__diag *diag);
/* Warn of what leaves a label without figures, or of classes to exclude that are not there. */
STELE_NODISCARD stele_status stele__report_warn_labels(const stele__report_request *q,
                                                       stele__diag *diag);

#endif
