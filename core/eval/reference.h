/* reference.h - what `stele score` compares rows with: the scores (consistency.h) of the validation
 * rows' own pairs, which are taken to match.
 *
 * A training keeps them in the run folder as score.safetensors, so that rows can be judged where
 * its data are no more: for each of the checkpoints best and last, and for each two modalities A
 * and B that meet in a validation row, a tensor CHECKPOINT.A.B of ascending scores; `__metadata__`
 * has the digest of either checkpoint's parameters. */
#ifndef STELE_EVAL_REFERENCE_H
#define STELE_EVAL_REFERENCE_H

#include "eval/judge.h"
#include "train/run.h"

/* Of more validation rows with both modalities a random part of so many is taken. */
enum { STELE__MOST_REFERENCE = 4096 };

typedef struct stele__reference_pair {
    float *score; /* (n) ascending */
    int64_t n;
} stele__reference_pair;

/* All zero: nothing is known. */
typedef struct stele__reference {
    stele__reference_pair *pair; /* (n) of each two modalities, owned; NULL: nothing is known */
    size_t n;
} stele__reference;

/* Of modalities a < b; n 0 where they never meet. */
const stele__reference_pair *stele__reference_of(const stele__reference *r, uint32_t a, uint32_t b);
void stele__reference_finish(stele__reference *r);

/* Score the pairs of n validation rows of the judge's data, under its parameters as they are;
 * `mask`: modalities that are wanted. stele__reference_finish in any case. [main] */
STELE_NODISCARD stele_status stele__reference_compute(const stele__judge *j, const int64_t *row,
                                                      int64_t n, uint64_t mask,
                                                      stele__reference *ret, stele__diag *diag);

/* What the folder has for the model's parameters as they are; nothing known where its file is
 * absent, damaged, or of others. stele__reference_finish in any case. */
STELE_NODISCARD stele_status stele__reference_read(const stele__model *m, const char *dir,
                                                   stele__reference *ret);

/* After a training: load last and best parameters in turn, score and write, unless the folder has
 * that already. Nothing where no two modalities meet in a validation row. */
STELE_NODISCARD stele_status stele__reference_keep(const stele__run *run, const char *dir,
                                                   const char *fingerprint, stele__diag *diag);

#endif
