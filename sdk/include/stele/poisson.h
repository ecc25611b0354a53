/* stele/poisson.h - the Poisson likelihood over one stele_block, with its derivatives, in float and double. No host
 * symbol.
 *
 *   eta[0] log rate; row[0], if there is one, the log of the row's exposure, added to eta[0]
 *
 * Missing entries (NaN) add nothing and have no derivative. Zeros of CSR data take the closed form.
 */
#ifndef STELE_POISSON_H
#define STELE_POISSON_H

#include <stele/draw.h>
#include <stele/likelihood.h>

/* Above this log rate the rate goes on along its tangent: what is left of exp() beyond e^30 counts is overflow. */
#define STELE_POISSON_LOG_MAX 30.0

static inline double stele_poisson_rate(double log_rate)
{
    double cut = log_rate > STELE_POISSON_LOG_MAX ? STELE_POISSON_LOG_MAX : log_rate;
    return exp(cut) * (1.0 + (log_rate - cut));
}

/* log(x!) of n counts. */
static inline void stele_log_factorial(const stele_vec *vec, const double *table, size_t n, const double *x,
                                       double *ret)
{
    double large[STELE_CHUNK], one[STELE_CHUNK];
    size_t from[STELE_CHUNK], m = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] >= 0 && x[i] < STELE_FACTORIALS && x[i] == (double)(int)x[i]) {
            ret[i] = table[(int)x[i]];
        } else {
            from[m] = i;
            one[m] = 1.0;
            large[m++] = x[i];
        }
    }
    vec->rising(STELE_F64, m, large, one, large, NULL);
    for (size_t i = 0; i < m; i++) {
        ret[from[i]] = large[i];
    }
}

#define STELE_REAL       float
#define STELE_NAME(n_)   n_##_f32
#define STELE_REAL_DTYPE STELE_F32
#include <stele/detail/poisson_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

#define STELE_REAL       double
#define STELE_NAME(n_)   n_##_f64
#define STELE_REAL_DTYPE STELE_F64
#include <stele/detail/poisson_real.h>
#undef STELE_REAL
#undef STELE_NAME
#undef STELE_REAL_DTYPE

static inline stele_status stele_poisson(const stele_vec *vec, const stele_block *b)
{
    if (b->dtype == STELE_F64) {
        stele_poisson_f64(vec, b);
    } else {
        stele_poisson_f32(vec, b);
    }
    return STELE_OK;
}

/* A stele_draw_element of one uniform number. */
static inline double stele_poisson_draw(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double mean = stele_poisson_rate(stele_block_eta(b, 0, row, j) + stele_block_row(b, 0, row));
    if (what == STELE_DRAW_SAMPLE) {
        return stele_poisson_quantile(mean, u[0]);
    }
    return what == STELE_DRAW_MODE ? floor(mean) : mean;
}

#endif /* STELE_POISSON_H */
