/* report.h - all figures about a trained model, as one JSON object.
 *
 *     rows          rows judged
 *     samples       importance samples
 *     intervals     level, resamples, units (rows or groups that are drawn), if there are any
 *     posteriors[]  the joint, then each modality alone, then other subsets by their size:
 *         name, modalities[], rows (that have any of them)
 *         variance          of the posterior, mean over rows and dimensions
 *         joint_sharper     share of rows and dimensions in which the joint's is smaller, over
 *                           rows that have more than this modality; null for the joint
 *         elbo, elbo_error, importance_weighted, importance_weighted_error, divergence,
 *         log_likelihood{}  by modality (bound.h), if the plan has likelihood
 *         labels[]          labels, rows, and knn + knn_error or ari, nmi, resolution, clusters;
 *                           or silhouette, silhouette_scaled and, with a batch, silhouette_batch;
 *                           or batch, ilisi, ilisi_median, with labels clisi, clisi_median, and
 *                           knn, logistic (of the batch), their _error, chance
 *         heads{}           by head: rows, and metrics by name (heads.h), with a reversed
 *                           derivative fresh_knn, fresh_logistic, their _error, fresh_chance and,
 *                           with covariates, fresh_covariates (fresh.h); left out without heads
 *     alignment[]   a, b, rows, foscttm (foscttm.h), if the plan has it
 *     calibration[] from, to, level, samples, rows, values, coverage, below, above (calibration.h),
 *                   if the plan has it
 *     coherence     labels, samples, rows, chance, joint, given_1, given_2, ... (coherence.h), if
 * the plan has it modalities{}      by name: train_rows, rows and accuracy of the classifier on
 * real measurements, given_1, given_2, ... conditional[]     from, to, rows, coherence cross[]
 * from, to, rows, model{}, marginal{}, class_mean{}: metrics by name (cross.h)
 *
 * An object with figures may have `intervals`: under the same keys [low, high] by the bootstrap
 * (bootstrap.h), null where there is none. What is undefined is null. */
#ifndef STELE_EVAL_REPORT_H
#define STELE_EVAL_REPORT_H

#include "eval/bootstrap.h"
#include "eval/evaluation.h"
#include "eval/judge.h"

#include <jansson.h>

typedef struct stele__report_request {
    const stele__judge *judge;
    const stele__plan *plan;
    const int64_t *row;   /* n rows to judge */
    const int64_t *train; /* n_train rows that baselines come from */
    int64_t n, n_train;
    uint64_t mask; /* modalities that take part; log-likelihoods are of all that a row has */
    const stele__bootstrap *bootstrap; /* of the n rows; NULL: no intervals */
    const char *folder;                /* where classifiers of coherence are kept; NULL: nowhere */
} stele__report_request;

/* The caller releases *ret with json_decref. Figures that cannot be had (too few rows of a class)
 * are null, with a warning. [main] */
STELE_NODISCARD stele_status stele__report_make(const stele__report_request *q, json_t **ret,
                                                stele__diag *diag);

/* `heads` of the posterior given the request's modalities, as in a report, of heads that have their
 * target in some of the rows; of adversaries no fresh classifiers. plan, train and folder are not
 * looked at. The caller releases *ret. [main] */
STELE_NODISCARD stele_status stele__report_predictions(const stele__report_request *q, json_t **ret,
                                                       stele__diag *diag);

#endif
