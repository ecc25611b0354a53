/* Body of stele/poisson.h for one real type: STELE_REAL, STELE_NAME and STELE_REAL_DTYPE are set by the includer. */

/* One row's part of a chunk: cost = -log p(x), d = its derivative towards the log rate. */
typedef struct STELE_NAME(stele_poisson_row) {
    STELE_REAL log_rate[STELE_CHUNK], cut[STELE_CHUNK], cost[STELE_CHUNK], d[STELE_CHUNK], x[STELE_CHUNK];
    int32_t at[STELE_CHUNK];
    int64_t n_entries;
} STELE_NAME(stele_poisson_row);

/* All as if they were zeros: the rate itself, of which the derivative is exp(cut). */
STELE_HOT static void STELE_NAME(stele_poisson_zeros)(const STELE_REAL *eta, STELE_REAL row, int64_t n,
                                                      STELE_NAME(stele_poisson_row) * o)
{
    const STELE_REAL most = (STELE_REAL)STELE_POISSON_LOG_MAX;
    for (int64_t j = 0; j < n; j++) {
        STELE_REAL t = eta[j] + row;
        o->log_rate[j] = t;
        o->cut[j] = t > most ? most : t;
    }
}

STELE_HOT static void STELE_NAME(stele_poisson_rates)(int64_t n, STELE_NAME(stele_poisson_row) * o)
{
    for (int64_t j = 0; j < n; j++) {
        o->cost[j] = o->d[j] * (1 + (o->log_rate[j] - o->cut[j]));
    }
}

/* The entries, in double: beside a large count its log-probability is a small difference. */
static inline void STELE_NAME(stele_poisson_counts)(const stele_vec *vec, const double *table, const STELE_REAL *eta,
                                                    STELE_REAL row, STELE_NAME(stele_poisson_row) * o)
{
    double x[STELE_CHUNK], t[STELE_CHUNK], rate[STELE_CHUNK], factorial[STELE_CHUNK];
    const size_t n = (size_t)o->n_entries;
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)o->x[i];
        t[i] = (double)eta[o->at[i]] + (double)row;
        rate[i] = t[i] > STELE_POISSON_LOG_MAX ? STELE_POISSON_LOG_MAX : t[i];
    }
    vec->exp(STELE_F64, n, rate, rate);
    stele_log_factorial(vec, table, n, x, factorial);
    for (size_t i = 0; i < n; i++) {
        int32_t j = o->at[i];
        double beyond = t[i] > STELE_POISSON_LOG_MAX ? t[i] - STELE_POISSON_LOG_MAX : 0.0;
        int missing = x[i] != x[i];
        o->cost[j] = missing ? 0 : (STELE_REAL)(rate[i] * (1.0 + beyond) - x[i] * t[i] + factorial[i]);
        o->d[j] = missing ? 0 : (STELE_REAL)(rate[i] - x[i]);
    }
}

STELE_HOT static void STELE_NAME(stele_poisson_store)(const STELE_NAME(stele_poisson_row) * o, STELE_REAL w, int64_t n,
                                                      STELE_REAL *d)
{
    for (int64_t j = 0; j < n; j++) {
        d[j] = -w * o->d[j];
    }
}

static inline void STELE_NAME(stele_poisson_one)(const stele_vec *vec, const stele_block *b, const double *table,
                                                 int64_t r)
{
    STELE_NAME(stele_poisson_row) o;
    const STELE_REAL w = b->d_eta != NULL ? ((const STELE_REAL *)b->weight)[r] : 0;
    const STELE_REAL row = b->row != NULL && b->row[0] != NULL ? ((const STELE_REAL *)b->row[0])[r] : 0;
    STELE_REAL *d_row = b->d_row != NULL ? (STELE_REAL *)b->d_row[0] : NULL;
    double log_prob = 0.0, sum = 0.0;
    int64_t cursor = STELE_NAME(stele_seek)(b->x, r, b->first);
    for (int64_t j0 = 0; j0 < b->n_features; j0 += STELE_CHUNK) {
        int64_t n = b->n_features - j0 < STELE_CHUNK ? b->n_features - j0 : STELE_CHUNK;
        const STELE_REAL *eta = (const STELE_REAL *)b->eta[0] + r * b->n_features + j0;
        STELE_NAME(stele_poisson_zeros)(eta, row, n, &o);
        vec->exp(STELE_REAL_DTYPE, (size_t)n, o.cut, o.d);
        STELE_NAME(stele_poisson_rates)(n, &o);
        o.n_entries = STELE_NAME(stele_entries)(b->x, r, b->first + j0, n, &cursor, o.at, o.x);
        STELE_NAME(stele_poisson_counts)(vec, table, eta, row, &o);
        log_prob -= STELE_NAME(stele_chunk_sum)(o.cost, n);
        if (b->d_eta != NULL) {
            STELE_REAL *d = (STELE_REAL *)b->d_eta[0] + r * b->n_features + j0;
            STELE_NAME(stele_poisson_store)(&o, w, n, d);
            sum += d_row != NULL ? STELE_NAME(stele_chunk_sum)(d, n) : 0.0;
        }
    }
    b->log_prob[r] += log_prob;
    if (d_row != NULL) {
        d_row[r] += (STELE_REAL)sum;
    }
}

static inline void STELE_NAME(stele_poisson)(const stele_vec *vec, const stele_block *b)
{
    double table[STELE_FACTORIALS];
    stele_log_factorials(vec, table);
    for (int64_t r = 0; r < b->n_rows; r++) {
        STELE_NAME(stele_poisson_one)(vec, b, table, r);
    }
}
