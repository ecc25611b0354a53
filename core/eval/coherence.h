/* coherence.h - do generated measurements say the same as the row that they were generated for, and
 * as each other?
 *
 * A classifier of a label is trained on the real measurements of each modality in the training rows
 * (class_net.h). Conditional coherence (Shi et al. 2019) of a modality given a subset of the
 * others: the share of rows whose class it names from the modality generated given that subset. By
 * the number of modalities given: the mean over subsets of that size (Sutter et al. 2021). Joint
 * coherence: the share of draws of z from the prior in which the classifiers of all modalities
 * generated from it agree; where the judge has a prior of its own also that of N(0, I). What is
 * generated is the mean of x given a drawn z, of modalities
 * whose columns differ in kind (STELE_CAP_COLUMNS) the most likely value. */
#ifndef STELE_EVAL_COHERENCE_H
#define STELE_EVAL_COHERENCE_H

#include "eval/judge.h"

/* All subsets of up to so many modalities. */
enum { STELE__COHERENCE_MODALITIES = 6 };

typedef struct stele__coherence_request {
    const stele__label *label; /* CATEGORY, of all rows */
    const int64_t *row;        /* n rows to judge; those without a label are left out */
    const int64_t *train;      /* n_train rows to train classifiers on */
    int64_t n, n_train;
    uint64_t mask;      /* at most STELE__COHERENCE_MODALITIES modalities that take part */
    uint32_t n_samples; /* draws of z per row, at least 1 */
    const char *folder; /* where classifiers are kept; NULL: nowhere */
} stele__coherence_request;

/* What a column of hits is about. */
typedef struct stele__coherence_column {
    uint32_t to;    /* modality */
    uint64_t given; /* modalities that it was generated from; 0: its real measurements */
    uint32_t n_given;
} stele__coherence_column;

typedef struct stele__coherence {
    uint64_t mask;       /* modalities that have a classifier and can be generated */
    size_t n_columns;    /* of real measurements, then by the number given, then joint */
    size_t n_joint;      /* 1: joint from the prior; 2: then from N(0, I) */
    int64_t n;           /* rows of the request */
    uint32_t most_given; /* the largest subset that there is, of the modalities asked for */
    int64_t n_train[64]; /* rows that a modality's classifier was trained on */
    stele__coherence_column *column; /* (n_columns) */
    double *hit; /* (n, n_columns) share of a row's draws with its class, of joint columns: in
                    which all agree; NaN: the row does not count */
} stele__coherence;

/* Can the modality be generated? */
int stele__coherence_possible(const stele__modality *md);

/* stele__coherence_finish in any case. Modalities that cannot be generated, and those in whose
 * training rows fewer than two classes occur, are left out of ret->mask. Memory: 256 rows of a
 * modality, and the hits. [main] */
STELE_NODISCARD stele_status stele__coherence_compute(const stele__judge *j,
                                                      const stele__coherence_request *q,
                                                      stele__coherence *ret, stele__diag *diag);
void stele__coherence_finish(stele__coherence *c);

/* Figures, in this order: of each column; then by the number given, 1 .. most_given: of each
 * modality of the mask in their order, and of all of them. */
size_t stele__coherence_n_figures(const stele__coherence *c);
/* Row r counts count[r] times, NULL: once. A column's figure is the mean over the rows that count;
 * others are means of those that are defined. ret: as many as above, NaN: undefined. [any] */
void stele__coherence_figures(const stele__coherence *c, const uint32_t *count, double *ret);

/* Share of the most frequent class of the rows judged: what a constant would reach. NaN: none. */
double stele__coherence_chance(const stele__coherence_request *q);

#endif
