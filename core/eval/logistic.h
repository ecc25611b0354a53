/* logistic.h - how well a linear classifier, trained for nothing else, tells a row's class. */
#ifndef STELE_EVAL_LOGISTIC_H
#define STELE_EVAL_LOGISTIC_H

#include "eval/knn.h"

/* As stele__knn_accuracy, with a logistic regression (logistic_fit.h) on columns that are
 * standardised by the rows it is fitted to. Errors: E_DATA for too few rows, E_NOMEM. */
STELE_NODISCARD stele_status stele__logistic_accuracy(const float *x, const int32_t *label,
                                                      const int32_t *fold, size_t n,
                                                      size_t n_columns, int32_t n_folds,
                                                      stele__knn_result *ret, double *ret_hit,
                                                      stele__diag *diag);

#endif
