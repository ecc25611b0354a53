/* fresh.h - what a classifier trained anew on frozen latents still finds of a class that a head was
 * to take out of them: the honest figure, as the head's own discriminator may merely have been
 * outrun. */
#ifndef STELE_EVAL_FRESH_H
#define STELE_EVAL_FRESH_H

#include "eval/heads.h"
#include "eval/knn.h"

typedef struct stele__fresh {
    int64_t n; /* rows judged */
    /* 15 nearest neighbours, and a logistic regression; 5 folds. NaN with one class or too few rows
     */
    stele__knn_result knn, logistic;
    double chance; /* share of the most frequent class */
    /* share of rows that the most frequent class of those with the same covariates of the head
     * names, counted on the same rows: what need not be hidden. NaN without category covariates */
    double covariates;
} stele__fresh;

/* Classifiers whose hits are told row by row. */
enum { STELE__ROW_FRESH_KNN, STELE__ROW_FRESH_LOGISTIC, STELE__N_FRESH_ROWS };

/* Is the head one whose target z is to unlearn: a category, with a reversed derivative? */
int stele__fresh_wanted(const stele__head *head);
/* Rows as in stele__head_score_of. ret_hit (STELE__N_FRESH_ROWS, n) may be NULL: as in knn.h, NaN
 * throughout where there is no figure. */
STELE_NODISCARD stele_status stele__fresh_score(const stele__judge *j, const stele__head_request *q,
                                                stele__fresh *ret, double *ret_hit);

#endif
