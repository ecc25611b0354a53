/* stele/nb_mixture.h - a mixture of two negative binomials over one stele_block, with its derivatives: background and
 * foreground of protein counts (totalVI; Gayoso et al., Nature Methods 18, 272 (2021)). No host symbol.
 *
 *   p(x) = pi NB(x; mu, theta) + (1 - pi) NB(x; mu (1 + exp(eta[0])), theta)
 *
 *   pi          probability of background, sigmoid(eta[1])
 *   log mu      eta[2] if n_eta is 3, else feature[1]; and row[0], if there is one, the log of the row's factor
 *   log theta   feature[0]; variances are m + m^2 / theta of the mean m of each part
 *
 * The foreground is never below the background, which makes the parts what their names say. All is computed in double,
 * whatever the type of the block: rows are narrow. Missing entries (NaN) add nothing and have no derivative; only
 * stored counts cost a special function more.
 */
#ifndef STELE_NB_MIXTURE_H
#define STELE_NB_MIXTURE_H

#include <stele/draw.h>
#include <stele/likelihood.h>

/* What stands once per feature of a chunk, and what rows add to its derivatives. */
typedef struct stele_nb_mixture_chunk {
    int64_t at, n; /* first feature, counted from the block's */
    double log_theta[STELE_CHUNK], theta[STELE_CHUNK], log_background[STELE_CHUNK];
    double d_log_theta[STELE_CHUNK], d_log_background[STELE_CHUNK], log_factorial[STELE_FACTORIALS];
} stele_nb_mixture_chunk;

/* One part of the mixture in one row's chunk: a = -log p(x), its derivatives da towards the log mean and dt towards log
 * theta. */
typedef struct stele_nb_part {
    double log_mean[STELE_CHUNK], a[STELE_CHUNK], da[STELE_CHUNK], dt[STELE_CHUNK];
} stele_nb_part;

/* One row's chunk. d: derivatives of cost = -log p(x) towards eta 0 and 1, log mu and log theta. */
typedef struct stele_nb_mixture_row {
    stele_nb_part back, fore;
    double x[STELE_CHUNK], slope[STELE_CHUNK], logit[STELE_CHUNK];
    double cost[STELE_CHUNK], d[4][STELE_CHUNK];
    int32_t at[STELE_CHUNK];
    int64_t n_entries;
} stele_nb_mixture_row;

/* Zeros take the closed form; then the counts. */
static inline void stele_nb_part_fill(const stele_vec *vec, const stele_nb_mixture_chunk *c,
                                      const stele_nb_mixture_row *o, stele_nb_part *p)
{
    stele_nb_terms k;
    vec->scaled_softplus(STELE_F64, (size_t)c->n, p->log_mean, 0.0, c->log_theta, c->theta, p->a, p->da, p->dt);
    for (int64_t i = 0; i < o->n_entries; i++) {
        int32_t j = o->at[i];
        k.x[i] = o->x[i];
        k.log_mean[i] = p->log_mean[j];
        k.log_theta[i] = c->log_theta[j];
        k.theta[i] = c->theta[j];
    }
    stele_nb_terms_fill(vec, c->log_factorial, (size_t)o->n_entries, &k);
    for (int64_t i = 0; i < o->n_entries; i++) {
        int32_t j = o->at[i];
        p->a[j] = k.a[i];
        p->da[j] = k.da[i];
        p->dt[j] = k.dt[i];
    }
}

/* With m the logit of background and u = log p_back - log p_fore + m, log p = log p_fore - softplus(m) + softplus(u);
 * for u > 0 the same is counted from the background's side, so that nothing large is subtracted. sigmoid(u) is the
 * share of the background in x. */
static inline void stele_nb_mixture_mix(const stele_vec *vec, int64_t n, stele_nb_mixture_row *o)
{
    double u[STELE_CHUNK], mixed[STELE_CHUNK], share[STELE_CHUNK], whole[STELE_CHUNK], prior[STELE_CHUNK];
    for (int64_t j = 0; j < n; j++) {
        u[j] = o->logit[j] + o->fore.a[j] - o->back.a[j];
    }
    vec->softplus(STELE_F64, (size_t)n, u, mixed, share);
    vec->softplus(STELE_F64, (size_t)n, o->logit, whole, prior);
    for (int64_t j = 0; j < n; j++) {
        const double other = 1.0 - share[j], d_fore = other * o->fore.da[j];
        o->cost[j] = whole[j] + (u[j] < 0 ? o->fore.a[j] - mixed[j] : o->back.a[j] - o->logit[j] - (mixed[j] - u[j]));
        o->d[0][j] = d_fore * o->slope[j];
        o->d[1][j] = prior[j] - share[j];
        o->d[2][j] = d_fore + share[j] * o->back.da[j];
        o->d[3][j] = other * o->fore.dt[j] + share[j] * o->back.dt[j];
    }
    for (int64_t i = 0; i < o->n_entries; i++) {
        int32_t j = o->at[i];
        if (isnan(o->x[i])) {
            o->cost[j] = o->d[0][j] = o->d[1][j] = o->d[2][j] = o->d[3][j] = 0.0;
        }
    }
}

static inline void stele_nb_mixture_entries(const stele_block *b, const stele_nb_mixture_chunk *c, int64_t r,
                                            stele_nb_mixture_row *o)
{
    int64_t cursor = stele_seek_f64(b->x, r, b->first + c->at);
    o->n_entries = stele_entries_f64(b->x, r, b->first + c->at, c->n, &cursor, o->at, o->x);
}

static inline void stele_nb_mixture_load(const stele_vec *vec, const stele_block *b, const stele_nb_mixture_chunk *c,
                                         int64_t r, stele_nb_mixture_row *o)
{
    double increment[STELE_CHUNK];
    const double row = stele_block_row(b, 0, r);
    for (int64_t j = 0; j < c->n; j++) {
        increment[j] = stele_block_eta(b, 0, r, c->at + j);
        o->logit[j] = stele_block_eta(b, 1, r, c->at + j);
        o->back.log_mean[j] = (b->n_eta > 2 ? stele_block_eta(b, 2, r, c->at + j) : c->log_background[j]) + row;
    }
    vec->softplus(STELE_F64, (size_t)c->n, increment, increment, o->slope);
    for (int64_t j = 0; j < c->n; j++) {
        o->fore.log_mean[j] = o->back.log_mean[j] + increment[j];
    }
}

static inline void stele_block_add(const stele_block *b, void *array, int64_t i, double v)
{
    stele_block_put(b, array, i, stele_block_real(b, array, i) + v);
}

static inline void stele_nb_mixture_store(const stele_block *b, int64_t r, const stele_nb_mixture_row *o,
                                          stele_nb_mixture_chunk *c)
{
    const double w = stele_block_real(b, b->weight, r);
    double sum = 0.0;
    for (int64_t j = 0; j < c->n; j++) {
        for (uint32_t k = 0; k < b->n_eta; k++) {
            stele_block_put(b, b->d_eta[k], r * b->n_features + c->at + j, -w * o->d[k][j]);
        }
        c->d_log_background[j] -= w * o->d[2][j];
        c->d_log_theta[j] -= w * o->d[3][j];
        sum -= w * o->d[2][j];
    }
    if (b->d_row != NULL && b->d_row[0] != NULL) {
        stele_block_add(b, b->d_row[0], r, sum);
    }
}

static inline void stele_nb_mixture_open(const stele_vec *vec, const stele_block *b, int64_t at,
                                         stele_nb_mixture_chunk *c)
{
    c->at = at;
    c->n = b->n_features - at < STELE_CHUNK ? b->n_features - at : STELE_CHUNK;
    for (int64_t j = 0; j < c->n; j++) {
        c->log_theta[j] = stele_block_feature(b, 0, at + j);
        c->log_background[j] = b->n_eta > 2 ? 0.0 : stele_block_feature(b, 1, at + j);
        c->d_log_theta[j] = c->d_log_background[j] = 0.0;
    }
    vec->exp(STELE_F64, (size_t)c->n, c->log_theta, c->theta);
}

static inline void stele_nb_mixture_close(const stele_block *b, const stele_nb_mixture_chunk *c)
{
    for (int64_t j = 0; j < c->n && b->d_feature != NULL; j++) {
        if (b->d_feature[0] != NULL) {
            stele_block_add(b, b->d_feature[0], c->at + j, c->d_log_theta[j]);
        }
        if (b->n_eta < 3 && b->d_feature[1] != NULL) {
            stele_block_add(b, b->d_feature[1], c->at + j, c->d_log_background[j]);
        }
    }
}

static inline stele_status stele_nb_mixture(const stele_vec *vec, const stele_block *b)
{
    stele_nb_mixture_chunk c;
    stele_nb_mixture_row o;
    stele_log_factorials(vec, c.log_factorial);
    for (int64_t at = 0; at < b->n_features; at += STELE_CHUNK) {
        stele_nb_mixture_open(vec, b, at, &c);
        for (int64_t r = 0; r < b->n_rows; r++) {
            stele_nb_mixture_load(vec, b, &c, r, &o);
            stele_nb_mixture_entries(b, &c, r, &o);
            stele_nb_part_fill(vec, &c, &o, &o.back);
            stele_nb_part_fill(vec, &c, &o, &o.fore);
            stele_nb_mixture_mix(vec, c.n, &o);
            b->log_prob[r] -= stele_chunk_sum_f64(o.cost, c.n);
            if (b->d_eta != NULL) {
                stele_nb_mixture_store(b, r, &o, &c);
            }
        }
        if (b->d_eta != NULL) {
            stele_nb_mixture_close(b, &c);
        }
    }
    return STELE_OK;
}

static inline double stele_nb_mixture_background(const stele_block *b, int64_t row, int64_t j)
{
    return 1.0 / (1.0 + exp(-stele_block_eta(b, 1, row, j)));
}

/* A stele_draw_element of two uniform numbers. */
static inline double stele_nb_mixture_draw(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double pi = stele_nb_mixture_background(b, row, j), theta = exp(stele_block_feature(b, 0, j));
    double log_mean = b->n_eta > 2 ? stele_block_eta(b, 2, row, j) : stele_block_feature(b, 1, j);
    double back = exp(log_mean + stele_block_row(b, 0, row)), fore = back * (1.0 + exp(stele_block_eta(b, 0, row, j)));
    if (what == STELE_DRAW_MEAN) {
        return pi * back + (1.0 - pi) * fore;
    }
    if (what == STELE_DRAW_MODE) {
        const double mean[2] = { back, fore };
        return stele_nb_pair_mode(pi, mean, theta);
    }
    return stele_nb_quantile(u[1] < pi ? back : fore, theta, u[0]);
}

#endif /* STELE_NB_MIXTURE_H */
