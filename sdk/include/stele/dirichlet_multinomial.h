/* stele/dirichlet_multinomial.h - counts that share out a total, over one stele_block, with their derivatives, in float
 * and double. No host symbol.
 *
 *   x_j ~ NB(shape alpha_j, scale beta)   mean alpha_j beta, variance alpha_j beta (1 + beta), independent
 *   log alpha_j  eta[0]
 *   log beta     row[0]
 *
 * Given its total N, a row is Dirichlet-multinomial with parameters alpha; N itself is NB(shape sum_j alpha_j, scale
 * beta) (Mosimann, Biometrika 50, 47 (1963)): the likelihood of shares and total together is one of every element.
 *
 * All is computed in double, whatever the type of the block. Missing entries (NaN) add nothing and have no derivative.
 * Zeros take the closed form.
 */
#ifndef STELE_DIRICHLET_MULTINOMIAL_H
#define STELE_DIRICHLET_MULTINOMIAL_H

#include <stele/poisson.h>

/* Logarithms of alpha are cut here, and have no derivative beyond. */
#define STELE_ALPHA_LOG_MAX 40.0

/* One row's part of a chunk. */
typedef struct stele_alpha_row {
    double log_alpha[STELE_CHUNK], alpha[STELE_CHUNK], log_p[STELE_CHUNK], d[STELE_CHUNK], slope[STELE_CHUNK];
    double x[STELE_CHUNK], a[STELE_CHUNK], rising[STELE_CHUNK], d_rising[STELE_CHUNK], factorial[STELE_CHUNK];
    int32_t at[STELE_CHUNK];
    double log_beta, cost, share; /* log(1 + beta); beta / (1 + beta) */
    double d_log_beta;            /* added to */
} stele_alpha_row;

/* All as if they were zeros. */
static inline void stele_alpha_zeros(const stele_vec *vec, const stele_block *b, int64_t at, int64_t n,
                                     stele_alpha_row *o)
{
    for (int64_t j = 0; j < n; j++) {
        const double eta = stele_block_real(b, b->eta[0], at + j);
        o->log_alpha[j] = fmax(-STELE_ALPHA_LOG_MAX, fmin(STELE_ALPHA_LOG_MAX, eta));
        o->slope[j] = o->log_alpha[j] == eta ? 1.0 : 0.0;
    }
    vec->exp(STELE_F64, (size_t)n, o->log_alpha, o->alpha);
    for (int64_t j = 0; j < n; j++) {
        o->log_p[j] = o->d[j] = -o->alpha[j] * o->cost;
        o->d_log_beta -= o->alpha[j] * o->share;
    }
}

/* The m entries that are not zeros. */
static inline void stele_alpha_counts(const stele_vec *vec, const double *table, int64_t m, stele_alpha_row *o)
{
    int64_t n = 0;
    for (int64_t i = 0; i < m; i++) {
        const int32_t j = o->at[i];
        if (o->x[i] != o->x[i]) {
            o->log_p[j] = o->d[j] = 0.0;
            o->d_log_beta += o->alpha[j] * o->share;
        } else {
            o->x[n] = o->x[i];
            o->a[n] = o->alpha[j];
            o->at[n++] = j;
        }
    }
    vec->rising(STELE_F64, (size_t)n, o->x, o->a, o->rising, o->d_rising);
    stele_log_factorial(vec, table, (size_t)n, o->x, o->factorial);
    for (int64_t i = 0; i < n; i++) {
        const int32_t j = o->at[i];
        const double log_odds = o->log_alpha[j] + (o->log_beta - o->cost);
        o->log_p[j] += o->rising[i] - o->factorial[i] + o->x[i] * log_odds;
        o->d[j] += o->d_rising[i] + o->x[i];
        o->d_log_beta += o->x[i] * (1.0 - o->share);
    }
}

static inline int64_t stele_alpha_entries(const stele_block *b, int64_t r, int64_t first, int64_t n, stele_alpha_row *o)
{
    int64_t cursor = stele_seek_f64(b->x, r, first);
    return stele_entries_f64(b->x, r, first, n, &cursor, o->at, o->x);
}

static inline void stele_alpha_one(const stele_vec *vec, const stele_block *b, const double *table, int64_t r)
{
    stele_alpha_row o;
    o.log_beta = stele_block_row(b, 0, r);
    o.cost = fmax(o.log_beta, 0.0) + log1p(exp(-fabs(o.log_beta)));
    o.share = exp(o.log_beta - o.cost);
    o.d_log_beta = 0.0;
    const double w = b->d_eta != NULL ? stele_block_real(b, b->weight, r) : 0.0;
    for (int64_t j0 = 0; j0 < b->n_features; j0 += STELE_CHUNK) {
        const int64_t n = b->n_features - j0 < STELE_CHUNK ? b->n_features - j0 : STELE_CHUNK;
        const int64_t at = r * b->n_features + j0;
        stele_alpha_zeros(vec, b, at, n, &o);
        stele_alpha_counts(vec, table, stele_alpha_entries(b, r, b->first + j0, n, &o), &o);
        for (int64_t j = 0; j < n; j++) {
            b->log_prob[r] += o.log_p[j];
            if (b->d_eta != NULL) {
                stele_block_put(b, b->d_eta[0], at + j, w * o.slope[j] * o.d[j]);
            }
        }
    }
    if (b->d_row != NULL && b->d_row[0] != NULL) {
        stele_block_put(b, b->d_row[0], r, stele_block_real(b, b->d_row[0], r) + w * o.d_log_beta);
    }
}

/* The likelihood slot. */
static inline stele_status stele_dirichlet_multinomial(const stele_vec *vec, const stele_block *b)
{
    double table[STELE_FACTORIALS];
    stele_log_factorials(vec, table);
    for (int64_t r = 0; r < b->n_rows; r++) {
        stele_alpha_one(vec, b, table, r);
    }
    return STELE_OK;
}

/* A stele_draw_element of one uniform number. */
static inline double stele_dirichlet_multinomial_draw(const stele_block *b, uint32_t what, int64_t row, int64_t j,
                                                      const double *u)
{
    const double eta = stele_block_eta(b, 0, row, j);
    const double alpha = exp(fmax(-STELE_ALPHA_LOG_MAX, fmin(STELE_ALPHA_LOG_MAX, eta)));
    const double mean = alpha * exp(stele_block_row(b, 0, row));
    if (what == STELE_DRAW_SAMPLE) {
        return stele_nb_quantile(mean, alpha, u[0]);
    }
    return what == STELE_DRAW_MODE ? stele_nb_mode(mean, alpha) : mean;
}

#endif /* STELE_DIRICHLET_MULTINOMIAL_H */
