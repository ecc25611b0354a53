/* modes.h - the most frequent value of each feature of a block, among all training rows and among
 * those of each class. */
#ifndef STELE_EVAL_MODES_H
#define STELE_EVAL_MODES_H

#include "base/diag.h"

#include <stdint.h>

typedef struct stele__modes {
    int64_t width, n_classes;
    float *mode; /* (1 + n_classes, width): of all rows, then of each class */
    float *room; /* (rows) */
} stele__modes;

/* For blocks of at most `width` features of n_rows rows. */
STELE_NODISCARD stele_status stele__modes_init(stele__modes *m, int64_t n_rows, int64_t width,
                                               int64_t n_classes);
void stele__modes_finish(stele__modes *m);
/* block (n_rows, width), NaN missing; row (n_rows) of the data set; code of those rows, -1: none;
 * NULL without classes. Of equally frequent values it is the least; NaN where there is none. */
void stele__modes_learn(stele__modes *m, const float *block, int64_t width, int64_t n_rows,
                        const int64_t *row, const int32_t *code);
/* Of a feature of the block, in a class (-1: in all rows); of a class that has none, in all. */
float stele__mode_of(const stele__modes *m, int64_t class_, int64_t feature);

#endif
