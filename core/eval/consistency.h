/* consistency.h - do two measurements of a row agree? Their posteriors say how far they are from
 * one and the same z, widths taken into account.
 *
 * The score of a pair is the logarithm of the Bayes factor of "one z" against "two of their own",
 *
 *     log p(a, b) / (p(a) p(b)) = log integral q(z | a) q(z | b) / p(z) dz,
 *
 * in closed form for normal posteriors (mixtures: their moments) and a standard normal prior. A
 * posterior wider than the prior says nothing more than one as wide. Above 0: rather together. */
#ifndef STELE_EVAL_CONSISTENCY_H
#define STELE_EVAL_CONSISTENCY_H

#include "eval/judge.h"

/* The score, in nats. mean and sd of both: (dim). [any] */
double stele__log_bayes_factor(uint32_t dim, const float *mean_a, const float *sd_a,
                               const float *mean_b, const float *sd_b);

/* Share of n pairs, whose scores ascend, that agree as little as one of this score, in (0, 1]. That
 * one counts as one of them; `among`: it is there already. n is above 0 if it is. [any] */
double stele__share_below(const float *reference, int64_t n, double score, int among);

/* Scores of rows that are taken to match, ascending: those of n rows that have both sides, at most
 * `most` of them, of more a random part that the seed decides. ret: (most). [main] */
STELE_NODISCARD stele_status stele__consistency_scores(const stele__judge *j, uint64_t a,
                                                       uint64_t b, const int64_t *row, int64_t n,
                                                       int64_t most, float *ret, int64_t *ret_n,
                                                       stele__diag *diag);

/* Finding the partner of a row among all candidates by the score; ties count half. */
typedef struct stele__retrieval {
    double recall1, recall5, recall10; /* share of rows whose partner is among the best k */
    double median_rank;                /* 1: always first */
} stele__retrieval;

typedef struct stele__consistency_request {
    uint64_t a, b;      /* modalities of either side, as bits */
    const int64_t *row; /* (n) to be scored; those that lack a side are left out */
    int64_t n;
    const float *reference; /* (n_reference) ascending scores of pairs that are taken to match,
                               those of validation rows; none: the rows' own */
    int64_t n_reference;
    const uint8_t *part; /* of every row of the data set (data/split.h): validation rows are in the
                            reference already; NULL: no row is */
} stele__consistency_request;

typedef struct stele__consistency {
    int64_t n, n_reference, n_candidates; /* rows with both sides; partners that each is compared
                                             with, its own included: all, or a fixed random part */
    int64_t *row;                         /* (n) */
    double *score;                        /* (n) */
    double *p_match; /* (n) share of reference pairs that agree as little: small flags a mismatch.
                        NaN for a single row without a reference */
    /* What takes other rows is NaN for a single one: all below. */
    double *p_chance; /* (n) share of other partners that agree as well: small where it matches */
    double *rank_forward, *rank_backward; /* (n) of the own partner, 1: the first */
    double *contribution;                 /* (n) to auroc (matched.h) */
    double auroc;                         /* of matched against shuffled pairs */
    stele__retrieval forward, backward;   /* b of a row from its a; a from b */
} stele__consistency;

/* stele__consistency_finish in any case. E_DATA with a message if no row has both sides. [main] */
STELE_NODISCARD stele_status stele__consistency_compute(const stele__judge *j,
                                                        const stele__consistency_request *q,
                                                        stele__pool *pool, stele__consistency *ret,
                                                        stele__diag *diag);
void stele__consistency_finish(stele__consistency *c);

#endif
