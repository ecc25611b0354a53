/* source.h - reading from a source into buffers whose borders are watched. */
#ifndef STELE_CHECK_SOURCE_H
#define STELE_CHECK_SOURCE_H

#include "rig.h"

/* Rows of one field. Owned by the rig. */
typedef struct source_piece {
    stele_field field;
    uint64_t n;
    size_t element;     /* bytes of one, 0: text */
    int64_t *row_start; /* (n + 1) elements of each row begin here */
    char *data;
    int32_t *column;   /* CSR */
    const char **text; /* TEXT */
} source_piece;

/* E_UNSUPPORTED: a field whose extent varies by row, which this program cannot read yet. */
stele_status source_read(rig *r, uint32_t field, uint64_t n, const int64_t *row, source_piece *ret);
/* Does row i of a hold what row k of b does? */
int source_same(const source_piece *a, uint64_t i, const source_piece *b, uint64_t k);
/* Up to `most` rows of a field, ascending: the first, the last, and between them one at random of each stretch of equal
 * length. Which, is decided by the subject's seed and `draw`. */
uint64_t source_some_rows(const rig *r, uint32_t field, uint64_t draw, uint64_t most, int64_t *ret);
/* Is what was read of the documented form: columns ascending and features of the field, codes of its categories or
 * levels, numbers finite or missing? The first thing that is not was said: 0. */
int source_expect_content(rig *r, uint32_t field, const source_piece *p, const int64_t *row);
/* Of everything that a few rows of every field hold; `ret_n` elements that are not zero. */
uint64_t source_hash(rig *r, uint64_t *ret_n);

enum { SOURCE_SOME = 48, SOURCE_DRAWS = 4, SOURCE_MOST_LEVELS = 1 << 20 };

#endif
