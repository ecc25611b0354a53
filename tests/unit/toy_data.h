/* Twelve rows for tests of models: three sparse measurements of different rows, three labels, and a
 * matrix that all rows have, so that rows exist which have nothing else. */
#ifndef STELE_TOY_DATA_H
#define STELE_TOY_DATA_H

#include "fake_source.h"

enum { TOY_ROWS = 12, TOY_A = 9, TOY_B = 11, TOY_C = 7, TOY_TABLE = 9, TOY_TEXT = 9 };

static const char *const toy_all_ids[TOY_ROWS] = { "r0", "r1", "r2", "r3", "r4",  "r5",
                                                   "r6", "r7", "r8", "r9", "r10", "r11" };
/* r10 has none of them, r9 and r11 only a, r8 only b, r5 lacks a, r4 lacks c, r7 lacks b and c. */
static const char *const toy_a_ids[] = { "r11", "r0", "r2", "r1", "r9", "r4", "r3", "r6", "r7" };
static const char *const toy_b_ids[] = { "r3", "r0", "r8", "r1", "r5", "r2", "r6", "r4" };
static const char *const toy_c_ids[] = { "r6", "r0", "r1", "r5", "r2", "r3" };
static const fake_axis toy_axes[] = {
    { toy_all_ids, TOY_ROWS }, { toy_a_ids, 9 }, { toy_b_ids, 8 }, { toy_c_ids, 6 }
};

/* Third row of a: nothing was counted. */
static const double toy_a[9 * TOY_A] = {
    0, 3, 0, 0, 1, 0, 12, 0, 2, /* r11 */
    1, 0, 0, 7, 0, 0, 0,  2, 0, /* r0 */
    0, 0, 0, 0, 0, 0, 0,  0, 0, /* r2 */
    5, 1, 0, 0, 0, 4, 0,  0, 1, /* r1 */
    0, 0, 9, 0, 2, 0, 1,  0, 0, /* r9 */
    0, 1, 0, 0, 0, 0, 0,  3, 0, /* r4 */
    2, 0, 0, 0, 6, 0, 0,  0, 4, /* r3 */
    0, 0, 1, 1, 0, 0, 31, 0, 0, /* r6 */
    1, 0, 0, 0, 0, 2, 0,  1, 8, /* r7 */
};
static const double toy_b[8 * TOY_B] = {
    1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, /* r3 */
    0, 1, 0, 0, 0, 0, 2, 0, 0, 1, 0, /* r0 */
    0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, /* r8 */
    1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, /* r1 */
    0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, /* r5 */
    0, 0, 1, 0, 4, 0, 1, 0, 0, 0, 1, /* r2 */
    1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* r6 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* r4 */
};
static const double toy_c[6 * TOY_C] = {
    0, 2, 0, 1, 0, 0, 0, /* r6 */
    3, 0, 0, 0, 0, 1, 0, /* r0 */
    0, 0, 1, 0, 5, 0, 1, /* r1 */
    1, 0, 0, 2, 0, 0, 9, /* r5 */
    0, 0, 0, 0, 1, 0, 0, /* r2 */
    0, 4, 0, 0, 0, 1, 2, /* r3 */
};
/* Columns of every kind, one of them constant, in the rows of a. */
static const double toy_table[9 * TOY_TABLE] = {
    -1.5, 2.25, 0.25,   0.0,  3, 1,   2, 30, 4, /* r11 */
    0.5,  0.5,  0.5,    0.5,  0, 0,   1, 10, 4, /* r0 */
    NAN,  8,    0.75,   1.0,  7, 1,   3, 20, 4, /* r2 */
    2.0,  1,    0.125,  0.25, 1, NAN, 2, 10, 4, /* r1 */
    0.25, NAN,  0.875,  1.0,  2, 0,   1, 30, 4, /* r9 */
    -0.5, 16,   NAN,    0.75, 9, 1,   3, 10, 4, /* r4 */
    1.0,  0.25, 0.3125, NAN,  4, 0,   2, 40, 4, /* r3 */
    3.5,  4,    0.625,  0.0,  5, 0,   1, 20, 4, /* r6 */
    -2.5, 32,   0.375,  0.5,  1, 1,   2, 10, 4, /* r7 */
};
/* Texts of a's rows as bytes, one of nothing and one of eight. */
static const double toy_text[9 * TOY_TEXT] = {
    'a', 'b', ' ', 'a', 0,   0,   0,   0,   0, /* r11 */
    'b', 0,   0,   0,   0,   0,   0,   0,   0, /* r0 */
    0,   0,   0,   0,   0,   0,   0,   0,   0, /* r2 */
    'a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 0, /* r1 */
    'c', ' ', 'c', ' ', 'c', 0,   0,   0,   0, /* r9 */
    'a', 'a', 0,   0,   0,   0,   0,   0,   0, /* r4 */
    'b', 'a', ' ', 'b', 'c', 0,   0,   0,   0, /* r3 */
    'c', 'b', 'a', 0,   0,   0,   0,   0,   0, /* r6 */
    ' ', 'a', 0,   0,   0,   0,   0,   0,   0, /* r7 */
};
static const char *const toy_table_names[TOY_TABLE] = { "real",   "positive", "share",
                                                        "ended",  "count",    "flag",
                                                        "ranked", "class",    "same" };
static const double toy_everywhere[TOY_ROWS] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const double toy_batch[TOY_ROWS] = { 0, 1, 2, 0, 1, -1, 2, 2, 0, 1, 0, 1 };
static const double toy_age[TOY_ROWS] = { 31, 54.5, 47, 12, 80, 66, NAN, 23, 39, 41, 5, 70 };
static const double toy_dead[TOY_ROWS] = { 1, 0, 1, 1, 0, 1, 1, NAN, 1, 0, 1, 1 };
static const double toy_years[TOY_ROWS] = { 3, 5, 3, 3, 8, 2, NAN, 5, 5, 8, 3, 2 }; /* of dead */
static const char *const toy_batch_names[] = { "x", "y", "z" };

static const fake_field toy_fields[] = {
    { "a", STELE_FIELD_MATRIX, STELE_CSR, 1, TOY_A, toy_a, NULL, NULL, 0 },
    { "b", STELE_FIELD_MATRIX, STELE_CSR, 2, TOY_B, toy_b, NULL, NULL, 0 },
    { "c", STELE_FIELD_MATRIX, STELE_CSR, 3, TOY_C, toy_c, NULL, NULL, 0 },
    { "a/dense", STELE_FIELD_MATRIX, STELE_DENSE, 1, TOY_A, toy_a, NULL, NULL, 0 },
    { "b/dense", STELE_FIELD_MATRIX, STELE_DENSE, 2, TOY_B, toy_b, NULL, NULL, 0 },
    { "everywhere", STELE_FIELD_MATRIX, STELE_CSR, 0, 1, toy_everywhere, NULL, NULL, 0 },
    { "batch", STELE_FIELD_CATEGORY, STELE_DENSE, 0, 0, toy_batch, NULL, toy_batch_names, 3 },
    { "age", STELE_FIELD_NUMBER, STELE_DENSE, 0, 0, toy_age, NULL, NULL, 0 },
    { "table", STELE_FIELD_MATRIX, STELE_DENSE, 1, TOY_TABLE, toy_table, NULL, toy_table_names, 0 },
    { "dead", STELE_FIELD_NUMBER, STELE_DENSE, 0, 0, toy_dead, NULL, NULL, 0 },
    { "years", STELE_FIELD_NUMBER, STELE_DENSE, 0, 0, toy_years, NULL, NULL, 0 },
    { "text", STELE_FIELD_MATRIX, STELE_CSR, 1, TOY_TEXT, toy_text, NULL, NULL, 0 },
};
static const fake_source toy_source = { toy_axes, 4, toy_fields, 12 };
static const char *const toy_others[] = { "everywhere" };

#endif
