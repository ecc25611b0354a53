/* logistic_fit.h - multinomial logistic regression, fitted to a few rows of a few columns. */
#ifndef STELE_EVAL_LOGISTIC_FIT_H
#define STELE_EVAL_LOGISTIC_FIT_H

#include "base/diag.h"

#include <stdint.h>

/* Weights w[n_classes, n_columns + 1], the last of each class its intercept, that minimise
 *
 *     sum over rows of -log softmax(w x)_label + |w without intercepts|^2 / 2
 *
 * as scikit-learn's LogisticRegression with C = 1 does. x[n, n_columns]; label[n] in
 * 0 .. n_classes - 1. Limited-memory BFGS (Liu and Nocedal 1989) until no derivative is above 1e-6
 * per row, at most 500 iterations. Errors: E_NOMEM. */
STELE_NODISCARD stele_status stele__logistic_fit(const float *x, const int32_t *label, size_t n,
                                                 size_t n_columns, size_t n_classes, double *ret_w);
/* Class of the largest of the n_classes linear predictors. */
int32_t stele__logistic_class(const double *w, const float *x, size_t n_columns, size_t n_classes);

#endif
