/* Body of stele/likelihood.h for one real type: STELE_REAL, STELE_NAME and STELE_REAL_DTYPE are set by the includer. */

/* Observed entries of row r that fall into features [first, first + n): count, feature offsets from `first`, values.
 * Zeros and missing (NaN) entries of dense data: zeros are left out, a NaN is returned with its NaN.
 */
static inline int64_t STELE_NAME(stele_entries)(const stele_values *x, int64_t r, int64_t first, int64_t n,
                                                int64_t *cursor, int32_t *ret_at, STELE_REAL *ret_x)
{
    int64_t count = 0;
    if (x->layout == STELE_CSR) {
        int64_t i = *cursor;
        for (; i < x->end[r] && x->column[i] < first + n; i++) {
            double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
            if (v != 0.0) {
                ret_at[count] = (int32_t)(x->column[i] - first);
                ret_x[count++] = (STELE_REAL)v;
            }
        }
        *cursor = i;
        return count;
    }
    int64_t base = x->begin[r] + first;
    for (int64_t j = 0; j < n; j++) {
        double v =
            x->dtype == STELE_F64 ? ((const double *)x->data)[base + j] : (double)((const float *)x->data)[base + j];
        if (v != 0.0) { /* true for NaN as well */
            ret_at[count] = (int32_t)j;
            ret_x[count++] = (STELE_REAL)v;
        }
    }
    return count;
}

/* First stored entry of row r at or beyond feature `first`: mostly the one that the host hands over. */
static inline int64_t STELE_NAME(stele_seek)(const stele_values *x, int64_t r, int64_t first)
{
    if (x->layout != STELE_CSR) {
        return 0;
    }
    int64_t lo = x->begin[r], hi = x->end[r];
    if (lo < hi && x->column[lo] >= first) {
        return lo;
    }
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (x->column[mid] < first) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* Sum in double, in a fixed order that vectorises. */
STELE_HOT static double STELE_NAME(stele_chunk_sum)(const STELE_REAL *a, int64_t n)
{
    double lane[8] = { 0 };
    int64_t j = 0;
    for (; j + 8 <= n; j += 8) {
        for (int k = 0; k < 8; k++) {
            lane[k] += (double)a[j + k];
        }
    }
    for (; j < n; j++) {
        lane[j & 7] += (double)a[j];
    }
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/* What the m entries add to the sum of -softplus(t) over all of a chunk, t = eta + row. One: t - softplus(t), so t.
 * Missing: nothing, so softplus(t). */
static inline double STELE_NAME(stele_bernoulli_entries)(const stele_vec *vec, const STELE_REAL *eta, STELE_REAL row,
                                                         const int32_t *at, const STELE_REAL *x, int64_t m)
{
    STELE_REAL lost[STELE_STRETCH];
    size_t n_lost = 0;
    double sum = 0.0;
    for (int64_t i = 0; i < m; i++) {
        STELE_REAL t = eta[at[i]] + row;
        if (x[i] != x[i]) {
            lost[n_lost++] = t;
        } else {
            sum += (double)t;
        }
    }
    return n_lost == 0 ? sum : sum + vec->softplus_sum(STELE_REAL_DTYPE, n_lost, lost, 0.0, 0.0, NULL);
}

/* Leave out entries up to a threshold; missing ones stay. */
static inline int64_t STELE_NAME(stele_entries_above)(STELE_REAL threshold, int64_t n, int32_t *at, STELE_REAL *x)
{
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++) {
        at[m] = at[i];
        x[m] = x[i];
        m += !(x[i] <= threshold);
    }
    return m;
}

static inline void STELE_NAME(stele_bernoulli_row)(const stele_vec *vec, const stele_block *b, double threshold,
                                                   int64_t r)
{
    STELE_REAL x[STELE_STRETCH];
    int32_t at[STELE_STRETCH];
    const STELE_REAL w = b->d_eta != NULL ? ((const STELE_REAL *)b->weight)[r] : 0;
    const STELE_REAL row = b->row != NULL && b->row[0] != NULL ? ((const STELE_REAL *)b->row[0])[r] : 0;
    double log_prob = 0.0, d_row = 0.0;
    int64_t cursor = STELE_NAME(stele_seek)(b->x, r, b->first);
    for (int64_t j0 = 0; j0 < b->n_features; j0 += STELE_STRETCH) {
        int64_t n = b->n_features - j0 < STELE_STRETCH ? b->n_features - j0 : STELE_STRETCH;
        const STELE_REAL *eta = (const STELE_REAL *)b->eta[0] + r * b->n_features + j0;
        STELE_REAL *d = b->d_eta != NULL ? (STELE_REAL *)b->d_eta[0] + r * b->n_features + j0 : NULL;
        int64_t m = STELE_NAME(stele_entries)(b->x, r, b->first + j0, n, &cursor, at, x);
        if (threshold > 0.0) {
            m = STELE_NAME(stele_entries_above)((STELE_REAL)threshold, m, at, x);
        }
        log_prob += STELE_NAME(stele_bernoulli_entries)(vec, eta, row, at, x, m); /* before d overwrites eta */
        log_prob -= vec->softplus_sum(STELE_REAL_DTYPE, (size_t)n, eta, (double)row, -(double)w, d);
        for (int64_t i = 0; i < m && d != NULL; i++) {
            d[at[i]] = x[i] != x[i] ? 0 : d[at[i]] + w;
        }
        if (d != NULL && b->d_row != NULL && b->d_row[0] != NULL) {
            d_row += STELE_NAME(stele_chunk_sum)(d, n);
        }
    }
    b->log_prob[r] += log_prob;
    if (b->d_row != NULL && b->d_row[0] != NULL) {
        ((STELE_REAL *)b->d_row[0])[r] += (STELE_REAL)d_row;
    }
}

static inline void STELE_NAME(stele_bernoulli)(const stele_vec *vec, const stele_block *b, double threshold)
{
    for (int64_t r = 0; r < b->n_rows; r++) {
        STELE_NAME(stele_bernoulli_row)(vec, b, threshold, r);
    }
}

/* What the negative binomial needs per feature of a chunk, computed once for all rows. */
typedef struct STELE_NAME(stele_nb_chunk) {
    int64_t first, n; /* absolute first feature */
    STELE_REAL log_theta[STELE_CHUNK], theta[STELE_CHUNK], d_log_theta[STELE_CHUNK];
    double log_theta_wide[STELE_CHUNK], theta_wide[STELE_CHUNK], log_factorial[STELE_FACTORIALS];
} STELE_NAME(stele_nb_chunk);

/* Per element of one row's chunk: a = -log p(x), da = d a / d log mean, dt = d a / d log theta, before zero inflation.
 */
typedef struct STELE_NAME(stele_nb_row) {
    STELE_REAL a[STELE_CHUNK], da[STELE_CHUNK], dt[STELE_CHUNK];
    int32_t at[STELE_CHUNK];
    STELE_REAL x[STELE_CHUNK];
    int64_t n_entries;
} STELE_NAME(stele_nb_row);

static inline void STELE_NAME(stele_nb_counts)(const stele_vec *vec, const STELE_NAME(stele_nb_chunk) * c,
                                               const STELE_REAL *eta, STELE_REAL row, STELE_NAME(stele_nb_row) * o)
{
    stele_nb_terms k;
    for (int64_t i = 0; i < o->n_entries; i++) {
        int32_t j = o->at[i];
        k.x[i] = (double)o->x[i];
        k.log_mean[i] = (double)eta[j] + (double)row;
        k.log_theta[i] = c->log_theta_wide[j];
        k.theta[i] = c->theta_wide[j];
    }
    stele_nb_terms_fill(vec, c->log_factorial, (size_t)o->n_entries, &k);
    for (int64_t i = 0; i < o->n_entries; i++) {
        int32_t j = o->at[i];
        int missing = o->x[i] != o->x[i]; /* counts nothing */
        o->a[j] = missing ? 0 : (STELE_REAL)k.a[i];
        o->da[j] = missing ? 0 : (STELE_REAL)k.da[i];
        o->dt[j] = missing ? 0 : (STELE_REAL)k.dt[i];
    }
}

/* Mix in an extra zero of probability pi = sigmoid(e): -log(pi [x = 0] + (1 - pi) exp(-a)). de gets its derivative.
 * With u = -a - e, a zero has log(exp(e) + exp(-a)) - softplus(e), whose first part is written as the larger of the
 * two plus what is left of softplus(u). */
static inline void STELE_NAME(stele_nb_inflate)(const stele_vec *vec, const STELE_REAL *e, STELE_REAL *de, int64_t n,
                                                STELE_NAME(stele_nb_row) * o)
{
    STELE_REAL pe[STELE_CHUNK], se[STELE_CHUNK], u[STELE_CHUNK], pu[STELE_CHUNK], su[STELE_CHUNK];
    uint8_t positive[STELE_CHUNK] = { 0 }; /* 1: a count, 2: missing */
    for (int64_t i = 0; i < o->n_entries; i++) {
        positive[o->at[i]] = o->x[i] != o->x[i] ? 2 : 1;
    }
    for (int64_t j = 0; j < n; j++) {
        u[j] = -o->a[j] - e[j];
    }
    vec->softplus(STELE_REAL_DTYPE, (size_t)n, e, pe, se);
    vec->softplus(STELE_REAL_DTYPE, (size_t)n, u, pu, su);
    for (int64_t j = 0; j < n; j++) {
        if (positive[j] == 0) {
            o->a[j] = pe[j] - (u[j] < 0 ? e[j] + pu[j] : (pu[j] - u[j]) - o->a[j]);
            o->da[j] *= su[j];
            o->dt[j] *= su[j];
            de[j] = se[j] + su[j] - 1;
        } else if (positive[j] == 1) {
            o->a[j] += pe[j];
            de[j] = se[j];
        } else {
            de[j] = 0;
        }
    }
}

STELE_HOT static void STELE_NAME(stele_nb_store)(const STELE_NAME(stele_nb_row) * o, STELE_REAL w, int64_t n,
                                                 STELE_REAL *d, STELE_REAL *d_log_theta)
{
    for (int64_t j = 0; j < n; j++) {
        d[j] = -w * o->da[j];
        d_log_theta[j] -= w * o->dt[j];
    }
}

static inline void STELE_NAME(stele_nb_row_chunk)(const stele_vec *vec, const stele_block *b, int64_t r,
                                                  STELE_NAME(stele_nb_chunk) * c, int64_t *cursor,
                                                  STELE_NAME(stele_nb_row) * o)
{
    const int64_t at = r * b->n_features + (c->first - b->first);
    const STELE_REAL *eta = (const STELE_REAL *)b->eta[0] + at;
    const STELE_REAL row = b->row != NULL && b->row[0] != NULL ? ((const STELE_REAL *)b->row[0])[r] : 0;
    const STELE_REAL w = b->d_eta != NULL ? ((const STELE_REAL *)b->weight)[r] : 0;
    STELE_REAL de[STELE_CHUNK];
    vec->scaled_softplus(STELE_REAL_DTYPE, (size_t)c->n, eta, (double)row, c->log_theta, c->theta, o->a, o->da, o->dt);
    o->n_entries = STELE_NAME(stele_entries)(b->x, r, c->first, c->n, cursor, o->at, o->x);
    STELE_NAME(stele_nb_counts)(vec, c, eta, row, o);
    if (b->n_eta > 1) {
        STELE_NAME(stele_nb_inflate)(vec, (const STELE_REAL *)b->eta[1] + at, de, c->n, o);
    }
    b->log_prob[r] -= STELE_NAME(stele_chunk_sum)(o->a, c->n);
    if (b->d_eta == NULL) {
        return;
    }
    STELE_REAL *d = (STELE_REAL *)b->d_eta[0] + at;
    STELE_NAME(stele_nb_store)(o, w, c->n, d, c->d_log_theta);
    if (b->d_row != NULL && b->d_row[0] != NULL) {
        ((STELE_REAL *)b->d_row[0])[r] += (STELE_REAL)STELE_NAME(stele_chunk_sum)(d, c->n);
    }
    if (b->n_eta > 1) {
        STELE_REAL *d1 = (STELE_REAL *)b->d_eta[1] + at;
        for (int64_t j = 0; j < c->n; j++) {
            d1[j] = -w * de[j];
        }
    }
}

static inline void STELE_NAME(stele_negative_binomial)(const stele_vec *vec, const stele_block *b)
{
    STELE_NAME(stele_nb_chunk) c;
    STELE_NAME(stele_nb_row) o;
    stele_log_factorials(vec, c.log_factorial);
    for (int64_t j0 = 0; j0 < b->n_features; j0 += STELE_CHUNK) {
        c.first = b->first + j0;
        c.n = b->n_features - j0 < STELE_CHUNK ? b->n_features - j0 : STELE_CHUNK;
        for (int64_t j = 0; j < c.n; j++) {
            c.log_theta[j] = ((const STELE_REAL *)b->feature[0])[j0 + j];
            c.log_theta_wide[j] = (double)c.log_theta[j];
        }
        vec->exp(STELE_F64, (size_t)c.n, c.log_theta_wide, c.theta_wide);
        for (int64_t j = 0; j < c.n; j++) {
            c.theta[j] = (STELE_REAL)c.theta_wide[j];
        }
        memset(c.d_log_theta, 0, sizeof c.d_log_theta);
        for (int64_t r = 0; r < b->n_rows; r++) {
            int64_t cursor = STELE_NAME(stele_seek)(b->x, r, c.first);
            STELE_NAME(stele_nb_row_chunk)(vec, b, r, &c, &cursor, &o);
        }
        if (b->d_eta != NULL && b->d_feature != NULL && b->d_feature[0] != NULL) {
            for (int64_t j = 0; j < c.n; j++) {
                ((STELE_REAL *)b->d_feature[0])[j0 + j] += c.d_log_theta[j];
            }
        }
    }
}
