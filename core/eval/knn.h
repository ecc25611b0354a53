/* core/eval: figures that judge a model: pure functions of arrays, checked against other programs.
 *
 * knn.h - nearest neighbours by brute force, and how well they tell a row's class. */
#ifndef STELE_EVAL_KNN_H
#define STELE_EVAL_KNN_H

#include "base/diag.h"

#include <stdint.h>

/* The k nearest rows of reference[n_reference, n_columns] to every row of query[n_query,
 * n_columns], Euclidean, nearest first, equal distances lower index first. With skip_same query i
 * and reference i are the same point and no neighbours. ret_index and ret_distance (may be NULL)
 * are [n_query, k]. Candidates come from a float product of blocks (memory: the input's size and 2
 * MB), the order from exact differences in double. Points whose distances agree to float rounding
 * at the border of several dozen equals may be exchanged. Errors: E_ARG for fewer than k other
 * rows, E_NONFINITE, E_NOMEM. Any thread. */
STELE_NODISCARD stele_status stele__knn_search(const float *query, size_t n_query,
                                               const float *reference, size_t n_reference,
                                               size_t n_columns, size_t k, int skip_same,
                                               int32_t *ret_index, double *ret_distance,
                                               stele__diag *diag);

/* Deal the rows of every class over n_folds in the order of (key, row), going on in the next class
 * with the fold where the last one stopped, so that folds differ by at most one row in every class
 * and in size. Random keys give random folds. label[n], key[n]; ret_fold[n] is -1 where label < 0.
 */
STELE_NODISCARD stele_status stele__folds_stratified(const int32_t *label, const uint64_t *key,
                                                     size_t n, int32_t n_folds, int32_t *ret_fold);

typedef struct stele__knn_result {
    double accuracy;       /* mean over the folds of the share of rows whose class was found */
    double standard_error; /* of that mean, over the folds */
    size_t n;              /* rows used */
} stele__knn_result;

/* Cross-validated k-nearest-neighbour classification: every row of a fold is given the most
 * frequent class among its k nearest rows of the other folds, of equally frequent ones the lowest
 * (as scikit-learn does). x[n, n_columns]; label[n]; fold[n] in 0..n_folds-1 where it counts. Rows
 * with label < 0 or a value that is not finite are left out. ret_hit[n] may be NULL: 1 or 0 for the
 * rows that were told rightly or not, NaN for those left out. Errors: E_DATA for too few rows,
 * E_NOMEM. */
STELE_NODISCARD stele_status stele__knn_accuracy(const float *x, const int32_t *label,
                                                 const int32_t *fold, size_t n, size_t n_columns,
                                                 size_t k, int32_t n_folds, stele__knn_result *ret,
                                                 double *ret_hit, stele__diag *diag);

/* The same without folds: every row of x[n, n_columns] is given the most frequent class among its k
 * nearest rows of reference[n_reference, n_columns]; standard_error is that of a share. */
STELE_NODISCARD stele_status stele__knn_classify(const float *x, const int32_t *label, size_t n,
                                                 const float *reference,
                                                 const int32_t *reference_label, size_t n_reference,
                                                 size_t n_columns, size_t k, stele__knn_result *ret,
                                                 double *ret_hit, stele__diag *diag);

/* Rows that such measures use: label >= 0 (label may be NULL) and all values finite. ret_row[n]
 * gets their indices, ascending; returns their number. */
size_t stele__usable_rows(const float *x, const int32_t *label, size_t n, size_t n_columns,
                          size_t *ret_row);

#endif
