/* One modality of a whole model at work on given predictors, for tests of likelihoods: what its
 * plugin draws, with the moments of it, and its log-probability of one value. */
#ifndef STELE_ELEMENT_CASE_H
#define STELE_ELEMENT_CASE_H

#include "toy_data.h"
#include "toy_model.h"

#include <math.h>

enum { ROWS = 4000, FEATURES = 2 };

/* Evenly spread numbers in place of random ones: sums over rows are then integrals. A second number
 * of an element is spread evenly over the pairs (golden ratio). */
static void even_numbers(void *ctx, int64_t row, uint32_t k, double *ret)
{
    (void)ctx;
    for (int64_t j = 0; j < FEATURES; j++) {
        double u = k == 0 ? ((double)row + 0.5) / ROWS : 0.6180339887498949 * ((double)row + 1.0);
        ret[j] = u - floor(u);
    }
}

/* Predictors of the two features in every row, two kinds of rows by size. */
typedef struct block {
    uint32_t dtype, n_eta;
    double eta[2][FEATURES], feature[2][FEATURES];
    double size; /* log, of odd rows; 0 in even ones */
    double out[ROWS * FEATURES];
} block;

static void put_all(uint32_t dtype, const block *b, void *eta[2], void *feature[2], void *row)
{
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t j = 0; j < FEATURES; j++) {
            for (int k = 0; k < 2; k++) {
                toy_put(dtype, eta[k], r * FEATURES + j, b->eta[k][j]);
                toy_put(dtype, feature[k], j, b->feature[k][j]);
            }
        }
        toy_put(dtype, row, r, r % 2 != 0 ? b->size : 0.0);
    }
}

static inline void draw(const stele__modality *md, block *b, uint32_t what)
{
    static double eta0[ROWS * FEATURES], eta1[ROWS * FEATURES], out[ROWS * FEATURES], row[ROWS];
    double feature0[FEATURES], feature1[FEATURES];
    void *eta[2] = { eta0, eta1 }, *feature[2] = { feature0, feature1 };
    const void *rows[] = { row };
    put_all(b->dtype, b, eta, feature, row);
    stele_block s = { .struct_size = sizeof s,
                      .dtype = b->dtype,
                      .n_eta = b->n_eta,
                      .n_rows = ROWS,
                      .n_features = FEATURES,
                      .eta = (const void *const *)eta,
                      .feature = (const void *const *)feature,
                      .row = b->size != 0.0 ? rows : NULL };
    stele_draw d = { .struct_size = sizeof d, .what = what, .uniform = even_numbers, .out = out };
    assert_int_equal(md->vt->draw(stele__guest_inst(md->part.guest), &s, &d), STELE_OK);
    for (int64_t i = 0; i < ROWS * FEATURES; i++) {
        b->out[i] = toy_real(b->dtype, out, i);
    }
}

/* Mean and variance over the odd (1) or even (0) rows of feature j. */
static inline void moments(const block *b, int64_t j, int64_t odd, double *ret_mean,
                           double *ret_var)
{
    double sum = 0.0, squares = 0.0;
    for (int64_t r = odd; r < ROWS; r += 2) {
        sum += b->out[r * FEATURES + j];
        squares += b->out[r * FEATURES + j] * b->out[r * FEATURES + j];
    }
    *ret_mean = sum / (ROWS / 2);
    *ret_var = squares / (ROWS / 2) - *ret_mean * *ret_mean;
}

static inline void near(double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance * fabs(want))) {
        fail_msg("%g, expected %g", is, want);
    }
}

static inline void open_models(toy *t)
{
    toy_open(t,
             "stele: 1\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
             "  a: {plugin: nb_counts, encoder: {hidden: [3]}, decoder: {hidden: [3]}}\n"
             "  b: {plugin: bernoulli_peaks, encoder: {hidden: [3]}, decoder: {hidden: [3]}}\n"
             "fusion: poe\n",
             &toy_source, toy_others, 1, STELE_F32, 1);
}

/* What a plugin gets for one element: its predictors, parameters of its feature and of its row. */
typedef struct element {
    uint32_t dtype, n_eta;
    double eta[3], feature[2], row;
} element;

/* log p(x) of one element. */
static inline double log_prob_of(const stele__modality *md, const element *e, double x)
{
    double log_p = 0.0, room[7];
    const double value[7] = { e->eta[0],     e->eta[1], e->eta[2], e->feature[0],
                              e->feature[1], e->row,    x };
    const void *at[7];
    const int64_t begin = 0;
    for (int i = 0; i < 7; i++) {
        toy_put(e->dtype, &room[i], 0, value[i]);
        at[i] = &room[i];
    }
    stele_values values = { .struct_size = sizeof values,
                            .dtype = e->dtype,
                            .layout = STELE_DENSE,
                            .data = at[6],
                            .begin = &begin };
    stele_block s = { .struct_size = sizeof s,
                      .dtype = e->dtype,
                      .n_eta = e->n_eta,
                      .n_rows = 1,
                      .n_features = 1,
                      .eta = at,
                      .feature = at + 3,
                      .row = at + 5,
                      .x = &values,
                      .log_prob = &log_p };
    assert_int_equal(md->vt->likelihood(stele__guest_inst(md->part.guest), &s), STELE_OK);
    return log_p;
}

#endif
