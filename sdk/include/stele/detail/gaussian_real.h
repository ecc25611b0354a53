/* Body of stele/gaussian.h for one real type: STELE_REAL, STELE_NAME and STELE_REAL_DTYPE are set by the includer. */

/* What stands once per feature of a chunk, and what rows add to its derivatives. */
typedef struct STELE_NAME(stele_gaussian_chunk) {
    int64_t first, n; /* absolute first feature */
    STELE_REAL centre[STELE_CHUNK], log_scale[STELE_CHUNK], inverse_scale[STELE_CHUNK], log_variance[STELE_CHUNK];
    STELE_REAL dof[STELE_CHUNK], constant[STELE_CHUNK], d_constant[STELE_CHUNK], d_dof[STELE_CHUNK];
    STELE_REAL d_log_variance[STELE_CHUNK], d_log_dof[STELE_CHUNK];
} STELE_NAME(stele_gaussian_chunk);

/* One row's part of a chunk. slope: d log v / d log_variance. */
typedef struct STELE_NAME(stele_gaussian_row) {
    STELE_REAL x[STELE_CHUNK], e[STELE_CHUNK], seen[STELE_CHUNK], v[STELE_CHUNK], log_v[STELE_CHUNK];
    STELE_REAL slope[STELE_CHUNK], q[STELE_CHUNK], log_q[STELE_CHUNK];
    STELE_REAL log_p[STELE_CHUNK], d_eta[STELE_CHUNK], d_log_v[STELE_CHUNK];
} STELE_NAME(stele_gaussian_row);

/* Features first .. first + n - 1 of row r, zeros filled in. */
static inline void STELE_NAME(stele_row_values)(const stele_values *x, int64_t r, int64_t first, int64_t n,
                                                STELE_REAL *ret)
{
    STELE_REAL value[STELE_CHUNK];
    int32_t at[STELE_CHUNK];
    int64_t cursor = STELE_NAME(stele_seek)(x, r, first);
    int64_t m = STELE_NAME(stele_entries)(x, r, first, n, &cursor, at, value);
    memset(ret, 0, (size_t)n * sizeof *ret);
    for (int64_t i = 0; i < m; i++) {
        ret[at[i]] = value[i];
    }
}

static inline STELE_REAL STELE_NAME(stele_cut)(STELE_REAL v)
{
    const STELE_REAL most = (STELE_REAL)STELE_GAUSSIAN_LOG_MAX;
    return v > most ? most : v < -most ? -most : v;
}

static inline const STELE_REAL *STELE_NAME(stele_feature_array)(const stele_block *b, int32_t k)
{
    return k >= 0 ? (const STELE_REAL *)b->feature[k] : NULL;
}

/* Degrees of freedom and what depends on them alone, in double. */
static inline void STELE_NAME(stele_student_start)(const stele_vec *vec, const STELE_REAL *log_dof,
                                                   STELE_NAME(stele_gaussian_chunk) * c)
{
    double excess[STELE_CHUNK], dof[STELE_CHUNK], constant[STELE_CHUNK], d[STELE_CHUNK];
    for (int64_t j = 0; j < c->n; j++) {
        excess[j] = (double)STELE_NAME(stele_cut)(log_dof[j]);
    }
    vec->exp(STELE_F64, (size_t)c->n, excess, excess);
    for (int64_t j = 0; j < c->n; j++) {
        dof[j] = 2.0 + excess[j];
        c->d_dof[j] = STELE_NAME(stele_cut)(log_dof[j]) == log_dof[j] ? (STELE_REAL)excess[j] : 0;
    }
    stele_student_constants(vec, (size_t)c->n, dof, constant, d);
    for (int64_t j = 0; j < c->n; j++) {
        c->dof[j] = (STELE_REAL)dof[j];
        c->constant[j] = (STELE_REAL)constant[j];
        c->d_constant[j] = (STELE_REAL)d[j];
    }
}

static inline void STELE_NAME(stele_gaussian_start)(const stele_vec *vec, const stele_block *b,
                                                    const stele_gaussian_terms *t, STELE_NAME(stele_gaussian_chunk) * c)
{
    const int64_t j0 = c->first - b->first;
    const STELE_REAL *centre = STELE_NAME(stele_feature_array)(b, t->centre);
    const STELE_REAL *log_scale = STELE_NAME(stele_feature_array)(b, t->log_scale);
    const STELE_REAL *log_variance = STELE_NAME(stele_feature_array)(b, t->log_variance);
    const STELE_REAL *log_dof = STELE_NAME(stele_feature_array)(b, t->log_dof);
    for (int64_t j = 0; j < c->n; j++) {
        c->centre[j] = centre != NULL ? centre[j0 + j] : 0;
        c->log_scale[j] = log_scale != NULL ? log_scale[j0 + j] : 0;
        c->log_variance[j] = log_variance != NULL ? log_variance[j0 + j] : 0;
        c->inverse_scale[j] = -c->log_scale[j];
        c->d_log_variance[j] = c->d_log_dof[j] = 0;
    }
    vec->exp(STELE_REAL_DTYPE, (size_t)c->n, c->inverse_scale, c->inverse_scale);
    if (log_dof != NULL) {
        STELE_NAME(stele_student_start)(vec, log_dof + j0, c);
    }
}

/* v, its logarithm and slope, for a row whose own term is `row`. */
static inline void STELE_NAME(stele_gaussian_variance)(const stele_vec *vec, const STELE_NAME(stele_gaussian_chunk) * c,
                                                       STELE_REAL row, STELE_REAL least,
                                                       STELE_NAME(stele_gaussian_row) * o)
{
    STELE_REAL raw[STELE_CHUNK];
    for (int64_t j = 0; j < c->n; j++) {
        raw[j] = c->log_variance[j] + row;
        o->slope[j] = STELE_NAME(stele_cut)(raw[j]);
    }
    vec->exp(STELE_REAL_DTYPE, (size_t)c->n, o->slope, o->v);
    for (int64_t j = 0; j < c->n; j++) {
        STELE_REAL grown = o->v[j];
        o->v[j] = least + grown;
        o->slope[j] = o->slope[j] == raw[j] ? grown / o->v[j] : 0;
    }
    vec->log(STELE_REAL_DTYPE, (size_t)c->n, o->v, o->log_v);
}

/* Distance of the standardised measurement from eta, and whether there is one. */
STELE_HOT static void STELE_NAME(stele_gaussian_distance)(const STELE_NAME(stele_gaussian_chunk) * c,
                                                          const STELE_REAL *eta, STELE_NAME(stele_gaussian_row) * o)
{
    for (int64_t j = 0; j < c->n; j++) {
        o->seen[j] = o->x[j] == o->x[j] ? 1 : 0;
        o->e[j] = o->x[j] == o->x[j] ? (o->x[j] - c->centre[j]) * c->inverse_scale[j] - eta[j] : 0;
    }
}

STELE_HOT static void STELE_NAME(stele_normal_terms)(const STELE_NAME(stele_gaussian_chunk) * c,
                                                     STELE_NAME(stele_gaussian_row) * o)
{
    const STELE_REAL log_2_pi = (STELE_REAL)1.8378770664093454836;
    for (int64_t j = 0; j < c->n; j++) {
        STELE_REAL pull = o->e[j] / o->v[j], q = o->e[j] * pull;
        o->log_p[j] = -o->seen[j] * ((STELE_REAL)0.5 * (log_2_pi + o->log_v[j] + q) + c->log_scale[j]);
        o->d_eta[j] = pull;
        o->d_log_v[j] = o->seen[j] * (STELE_REAL)0.5 * (q - 1) * o->slope[j];
    }
}

/* With q = e^2 / (nu v): log p = constant - log(2 pi v) / 2 - (nu + 1) / 2 log(1 + q). */
static inline void STELE_NAME(stele_student_terms)(const stele_vec *vec, STELE_NAME(stele_gaussian_chunk) * c,
                                                   STELE_REAL w, STELE_NAME(stele_gaussian_row) * o)
{
    const STELE_REAL log_2_pi = (STELE_REAL)1.8378770664093454836, half = (STELE_REAL)0.5;
    for (int64_t j = 0; j < c->n; j++) {
        o->q[j] = o->e[j] / o->v[j] * (o->e[j] / c->dof[j]);
    }
    vec->log1p(STELE_REAL_DTYPE, (size_t)c->n, o->q, o->log_q);
    for (int64_t j = 0; j < c->n; j++) {
        STELE_REAL share = o->q[j] / (1 + o->q[j]), more = c->dof[j] + 1;
        o->log_p[j] =
            o->seen[j] * (c->constant[j] - half * (log_2_pi + o->log_v[j] + more * o->log_q[j]) - c->log_scale[j]);
        o->d_eta[j] = more / c->dof[j] * (o->e[j] / o->v[j]) / (1 + o->q[j]);
        o->d_log_v[j] = o->seen[j] * half * (more * share - 1) * o->slope[j];
        c->d_log_dof[j] +=
            w * o->seen[j] * c->d_dof[j] * (c->d_constant[j] - half * o->log_q[j] + half * more / c->dof[j] * share);
    }
}

static inline void STELE_NAME(stele_gaussian_row_chunk)(const stele_vec *vec, const stele_block *b, int64_t r,
                                                        const stele_gaussian_terms *t,
                                                        STELE_NAME(stele_gaussian_chunk) * c,
                                                        STELE_NAME(stele_gaussian_row) * o)
{
    const int64_t at = r * b->n_features + (c->first - b->first);
    const STELE_REAL w = b->d_eta != NULL ? ((const STELE_REAL *)b->weight)[r] : 0;
    STELE_NAME(stele_row_values)(b->x, r, c->first, c->n, o->x);
    STELE_NAME(stele_gaussian_distance)(c, (const STELE_REAL *)b->eta[0] + at, o);
    if (t->log_dof >= 0) {
        STELE_NAME(stele_student_terms)(vec, c, w, o);
    } else {
        STELE_NAME(stele_normal_terms)(c, o);
    }
    b->log_prob[r] += STELE_NAME(stele_chunk_sum)(o->log_p, c->n);
    if (b->d_eta == NULL) {
        return;
    }
    STELE_REAL *d = (STELE_REAL *)b->d_eta[0] + at;
    for (int64_t j = 0; j < c->n; j++) {
        d[j] = w * o->d_eta[j];
        c->d_log_variance[j] += w * o->d_log_v[j];
    }
    int32_t k = t->row_log_variance;
    if (k >= 0 && b->d_row != NULL && b->d_row[k] != NULL) {
        ((STELE_REAL *)b->d_row[k])[r] += w * (STELE_REAL)STELE_NAME(stele_chunk_sum)(o->d_log_v, c->n);
    }
}

static inline void STELE_NAME(stele_gaussian_add)(const stele_block *b, int32_t k, int64_t j0, int64_t n,
                                                  const STELE_REAL *from)
{
    if (k >= 0 && b->d_feature != NULL && b->d_feature[k] != NULL) {
        for (int64_t j = 0; j < n; j++) {
            ((STELE_REAL *)b->d_feature[k])[j0 + j] += from[j];
        }
    }
}

static inline void STELE_NAME(stele_gaussian)(const stele_vec *vec, const stele_block *b, const stele_gaussian_terms *t)
{
    STELE_NAME(stele_gaussian_chunk) c;
    STELE_NAME(stele_gaussian_row) o;
    const STELE_REAL *row = t->row_log_variance >= 0 ? (const STELE_REAL *)b->row[t->row_log_variance] : NULL;
    for (int64_t j0 = 0; j0 < b->n_features; j0 += STELE_CHUNK) {
        c.first = b->first + j0;
        c.n = b->n_features - j0 < STELE_CHUNK ? b->n_features - j0 : STELE_CHUNK;
        STELE_NAME(stele_gaussian_start)(vec, b, t, &c);
        for (int64_t r = 0; r < b->n_rows; r++) {
            if (r == 0 || row != NULL) { /* without a term of the rows all have the same */
                STELE_NAME(stele_gaussian_variance)(vec, &c, row != NULL ? row[r] : 0, (STELE_REAL)t->floor, &o);
            }
            STELE_NAME(stele_gaussian_row_chunk)(vec, b, r, t, &c, &o);
        }
        if (b->d_eta != NULL) {
            STELE_NAME(stele_gaussian_add)(b, t->log_variance, j0, c.n, c.d_log_variance);
            STELE_NAME(stele_gaussian_add)(b, t->log_dof, j0, c.n, c.d_log_dof);
        }
    }
}
