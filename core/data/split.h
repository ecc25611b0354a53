/* split.h - which rows train, which choose the model, which judge it. */
#ifndef STELE_DATA_SPLIT_H
#define STELE_DATA_SPLIT_H

#include "data/dataset.h"

enum { STELE__TRAIN = 0, STELE__VALID = 1, STELE__TEST = 2, STELE__UNUSED = 3 };
#define STELE__N_PARTS 3

typedef struct stele__split_spec {
    double fraction[STELE__N_PARTS]; /* each in [0, 1], together at most 1; the rest is unused */
    /* n_folds > 0: the rows are divided into that many equal parts, in the manner below, and number
     * `fold`, counted from 1, is the test part; fraction[VALID] of all rows are taken from the
     * others. */
    int64_t n_folds, fold;
    /* CATEGORY label or NULL: its values train, valid (validation, val) and test say where rows go;
     * missing or none: unused; anything else is E_DATA. Where it names no valid row,
     * fraction[VALID] of the training rows, taken in the manner below, choose the model. */
    const stele__label *column;
    /* CATEGORY label or NULL: every class is divided in proportion (largest remainders, carried
     * from class to class so that the totals are right too); each class with two rows or more has
     * at least one in training. A class with one row is an error. Rows without the label form a
     * class of their own. */
    const stele__label *stratify;
    /* CATEGORY label or NULL: rows of a group go to the same part, as near to the fractions as
     * whole groups allow; rows without the label are groups of one. Not together with stratify. */
    const stele__label *group;
    /* Parts (train, valid, test, or folds) are stretches of the row order, cut between groups where
     * there are any. Not together with stratify. */
    int contiguous;
    /* Rows left out where a stretch ends: training rows within `gap` of validation or test rows,
     * validation rows within `gap` of test rows. */
    int64_t gap;
    uint64_t seed;
    stele__place place; /* for messages */
} stele__split_spec;

typedef struct stele__split {
    int64_t n_rows;
    uint8_t *part;                /* (n_rows) STELE__TRAIN, ... */
    uint8_t *train;               /* (n_rows) 1 for training rows, as stele__dataset_load wants */
    int64_t n[STELE__N_PARTS];    /* rows of each part */
    int64_t *row[STELE__N_PARTS]; /* (n[p]) ascending */
} stele__split;

/* A function of the spec, the row ids' order and the seed alone. A part whose fraction is
 * above 0 but that gets no row: E_DATA for training, else a warning. [main] */
STELE_NODISCARD stele_status stele__split_create(const stele__dataset *ds,
                                                 const stele__split_spec *spec, stele__split **ret,
                                                 stele__diag *diag);
/* As lists of row ids say, n_ids[p] for part p; other rows are unused. Ids that the data lack are
 * E_DATA, and so is an id in two parts. [main] */
STELE_NODISCARD stele_status stele__split_from_ids(const stele__dataset *ds,
                                                   const char *const *const id[STELE__N_PARTS],
                                                   const int64_t n_ids[STELE__N_PARTS],
                                                   stele__split **ret, stele__diag *diag);
void stele__split_destroy(stele__split *split); /* NULL is legal */

/* "train", "valid", "test", "unused". */
const char *stele__part_name(int part);

#endif
