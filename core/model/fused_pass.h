/* fused_pass.h - one pass of fused.h over the blocks of features: what is read, where sums and
 * derivatives go, and the loop itself. For fused.c. */
#ifndef STELE_MODEL_FUSED_PASS_H
#define STELE_MODEL_FUSED_PASS_H

#include "graph/step.h"
#include "model/fused.h"

/* More lanes than threads, so that uneven lanes even out; few enough that their sums stay small. */
enum { STELE__FUSED_LANES = 32 };

/* Pointers to arrays of the graph's dtype. */
typedef struct stele__fused_pass {
    const stele__fused *f;
    size_t real; /* bytes of an element */
    uint32_t dtype, n_eta, n_feature, n_row;
    int64_t rows, hidden, features, block, n_blocks, n_lanes;
    const char *h;                    /* (rows, hidden); NULL: predictors are given, hidden is 0 */
    const char *given[STELE_MAX_ETA]; /* (rows, features) each */
    char *d_given;                    /* (n_eta, rows, features) */
    const char *w[STELE_MAX_ETA], *b[STELE_MAX_ETA], *feature[STELE_MAX_PARAM],
        *row[STELE_MAX_PARAM];
    const void *weight; /* NULL: value only */
    char *dw[STELE_MAX_ETA], *db[STELE_MAX_ETA], *dfeature[STELE_MAX_PARAM];
    int fresh_w[STELE_MAX_ETA], fresh_b[STELE_MAX_ETA];
    stele__stepping step[STELE_MAX_ETA];
    int steps[STELE_MAX_ETA]; /* 1: the weights take their optimiser's step block by block */
    double *squares;          /* (n_eta, blocks) of the derivatives towards weights */
    char *packed_h;           /* h as the second operand of a product (kernels/panel.h) */
    char *eta;                /* (threads, n_eta, rows, block) */
    int64_t *begin;           /* (threads, rows): where the values of each row's block begin */
    char *packed;             /* (threads, packed_size): a block of weights, the same */
    size_t packed_size;       /* elements */
    char *block_dw;           /* (threads, block_dw_bytes): derivatives of weights that step here */
    size_t block_dw_bytes;
    double *lane_log_prob; /* (lanes, rows) */
    char *lane_h;          /* (lanes, rows, hidden) */
    char *lane_row;        /* (lanes, n_row, rows) */
    stele_status lane_status[STELE__FUSED_LANES];
    stele__said *lane_said; /* (lanes), written where the status is a failure */
} stele__fused_pass;

/* Elements that a block of n features takes up when packed. */
size_t stele__fused_packed_size(const stele__fused_pass *p, int64_t n);

/* All blocks. The first failure of a likelihood in the order of the features, whichever thread came
 * upon it when, and what was said about that one. */
STELE_NODISCARD stele_status stele__fused_pass_run(stele__pool *pool, stele__fused_pass *p,
                                                   const stele__said **ret_said);

/* Predictors eta[k] (rows, n) of features first .. first + n - 1; `packed` as
 * stele__fused_packed_size says. */
void stele__fused_predictors(const stele__fused_pass *p, int64_t first, int64_t n, char *packed,
                             char *const *eta);

/* The block as a likelihood or draw() wants it, but for eta, row and what derivatives need. */
void stele__fused_fill_block(const stele__fused_pass *p, int64_t first, int64_t n, stele_block *b,
                             const void **feature, void **d_feature);

#endif
