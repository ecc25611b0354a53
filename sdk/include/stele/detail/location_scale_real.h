/* Body of stele/location_scale.h for one real type: STELE_REAL, STELE_NAME and STELE_REAL_DTYPE are set by the
 * includer. */

/* What depends on the scale alone, per feature of a chunk, and what rows add to its derivative. */
typedef struct STELE_NAME(stele_location_chunk) {
    int64_t first, n; /* absolute first feature */
    STELE_REAL inverse[STELE_CHUNK], log_s[STELE_CHUNK], slope[STELE_CHUNK];
    STELE_REAL log_mass[STELE_CHUNK], d_log_mass[STELE_CHUNK], d_log_scale[STELE_CHUNK];
} STELE_NAME(stele_location_chunk);

/* One row's part of a chunk. e: distance of y from eta. below, above: the ends of a level's bin, in scales, as what
 * remains of the distribution beyond them: softplus and its derivative. */
typedef struct STELE_NAME(stele_location_row) {
    STELE_REAL x[STELE_CHUNK], e[STELE_CHUNK], below[STELE_CHUNK], above[STELE_CHUNK];
    STELE_REAL log_below[STELE_CHUNK], log_above[STELE_CHUNK], p_below[STELE_CHUNK], p_above[STELE_CHUNK];
    STELE_REAL log_p[STELE_CHUNK], d_eta[STELE_CHUNK], d_log_s[STELE_CHUNK];
} STELE_NAME(stele_location_row);

/* Features share a scale where none is theirs. */
static inline void STELE_NAME(stele_location_fill)(const stele_location_terms *t, const STELE_REAL *log_scale,
                                                   double row, STELE_NAME(stele_location_chunk) * c)
{
    stele_location_scale one = stele_location_scale_of(t, row);
    for (int64_t j = 0; j < c->n; j++) {
        if (log_scale != NULL) {
            one = stele_location_scale_of(t, (double)log_scale[j] + row);
        }
        c->inverse[j] = (STELE_REAL)(1.0 / one.s);
        c->log_s[j] = (STELE_REAL)one.log_s;
        c->slope[j] = (STELE_REAL)one.slope;
        c->log_mass[j] = (STELE_REAL)one.log_mass;
        c->d_log_mass[j] = (STELE_REAL)one.d_log_mass;
    }
}

STELE_HOT static void STELE_NAME(stele_laplace_terms)(const STELE_NAME(stele_location_chunk) * c, double unit,
                                                      const STELE_REAL *eta, STELE_NAME(stele_location_row) * o)
{
    const STELE_REAL per_unit = (STELE_REAL)(1.0 / unit), constant = (STELE_REAL)log(2.0 * unit);
    for (int64_t j = 0; j < c->n; j++) {
        const int seen = o->x[j] == o->x[j];
        const STELE_REAL e = o->x[j] * per_unit - eta[j], side = e > 0 ? 1 : e < 0 ? -1 : 0;
        const STELE_REAL q = side * e * c->inverse[j];
        o->log_p[j] = seen ? -(q + c->log_s[j] + constant) : 0;
        o->d_eta[j] = seen ? side * c->inverse[j] : 0;
        o->d_log_s[j] = seen ? (q - 1) * c->slope[j] : 0;
    }
}

/* With the ends a and b of its bin a level has, between the tails,
 *
 *     log(sigmoid(a) - sigmoid(b)) = -softplus(-a) - softplus(b) + log(1 - exp(b - a)):
 *
 * nothing cancels, and b - a depends on the scale alone. A tail lacks the other end and the last term. */
static inline void STELE_NAME(stele_logistic_terms)(const stele_vec *vec, const STELE_NAME(stele_location_chunk) * c,
                                                    const stele_location_terms *t, const STELE_REAL *eta,
                                                    STELE_NAME(stele_location_row) * o)
{
    const STELE_REAL last = (STELE_REAL)(t->levels - 1), half = (STELE_REAL)0.5 / last;
    const STELE_REAL per_unit = (STELE_REAL)(1.0 / t->unit);
    for (int64_t j = 0; j < c->n; j++) {
        o->e[j] = o->x[j] == o->x[j] ? o->x[j] * per_unit - eta[j] : 0;
        o->above[j] = -(o->e[j] + half) * c->inverse[j];
        o->below[j] = (o->e[j] - half) * c->inverse[j];
    }
    vec->softplus(STELE_REAL_DTYPE, (size_t)c->n, o->above, o->log_above, o->p_above);
    vec->softplus(STELE_REAL_DTYPE, (size_t)c->n, o->below, o->log_below, o->p_below);
    for (int64_t j = 0; j < c->n; j++) {
        const STELE_REAL k = o->x[j] * per_unit * last;
        const int is_first = k<(STELE_REAL)0.5, is_last = k> last - (STELE_REAL)0.5;
        const STELE_REAL a = is_last ? 0 : 1, b = is_first ? 0 : 1;
        const int seen = o->x[j] == o->x[j], is_level = k > (STELE_REAL)-0.5 && k < last + (STELE_REAL)0.5;
        STELE_REAL log_p = -(a * o->log_above[j] + b * o->log_below[j]) + a * b * c->log_mass[j];
        STELE_REAL d_log_s = a * o->above[j] * o->p_above[j] + b * o->below[j] * o->p_below[j];
        o->log_p[j] = !seen ? 0 : is_level ? log_p : -(STELE_REAL)HUGE_VAL;
        o->d_eta[j] = is_level ? (b * o->p_below[j] - a * o->p_above[j]) * c->inverse[j] : 0;
        o->d_log_s[j] = is_level ? (d_log_s + a * b * c->d_log_mass[j]) * c->slope[j] : 0;
    }
}

static inline void STELE_NAME(stele_location_row_chunk)(const stele_vec *vec, const stele_block *b, int64_t r,
                                                        const stele_location_terms *t,
                                                        STELE_NAME(stele_location_chunk) * c,
                                                        STELE_NAME(stele_location_row) * o)
{
    const int64_t at = r * b->n_features + (c->first - b->first);
    const int32_t k = t->row_log_scale;
    STELE_NAME(stele_row_values)(b->x, r, c->first, c->n, o->x);
    if (t->levels > 0) {
        STELE_NAME(stele_logistic_terms)(vec, c, t, (const STELE_REAL *)b->eta[0] + at, o);
    } else {
        STELE_NAME(stele_laplace_terms)(c, t->unit, (const STELE_REAL *)b->eta[0] + at, o);
    }
    b->log_prob[r] += STELE_NAME(stele_chunk_sum)(o->log_p, c->n);
    if (b->d_eta == NULL) {
        return;
    }
    const STELE_REAL w = ((const STELE_REAL *)b->weight)[r];
    STELE_REAL *d = (STELE_REAL *)b->d_eta[0] + at;
    for (int64_t j = 0; j < c->n; j++) {
        d[j] = w * o->d_eta[j];
        c->d_log_scale[j] += w * o->d_log_s[j];
    }
    if (k >= 0 && b->d_row != NULL && b->d_row[k] != NULL) {
        ((STELE_REAL *)b->d_row[k])[r] += w * (STELE_REAL)STELE_NAME(stele_chunk_sum)(o->d_log_s, c->n);
    }
}

static inline void STELE_NAME(stele_location)(const stele_vec *vec, const stele_block *b, const stele_location_terms *t)
{
    STELE_NAME(stele_location_chunk) c;
    STELE_NAME(stele_location_row) o;
    const STELE_REAL *row = t->row_log_scale >= 0 ? (const STELE_REAL *)b->row[t->row_log_scale] : NULL;
    const STELE_REAL *log_scale = STELE_NAME(stele_feature_array)(b, t->log_scale);
    for (int64_t j0 = 0; j0 < b->n_features; j0 += STELE_CHUNK) {
        c.first = b->first + j0;
        c.n = b->n_features - j0 < STELE_CHUNK ? b->n_features - j0 : STELE_CHUNK;
        memset(c.d_log_scale, 0, sizeof c.d_log_scale);
        for (int64_t r = 0; r < b->n_rows; r++) {
            if (r == 0 || (row != NULL && row[r] != row[r - 1])) {
                STELE_NAME(stele_location_fill)
                (t, log_scale != NULL ? log_scale + j0 : NULL, row != NULL ? (double)row[r] : 0.0, &c);
            }
            STELE_NAME(stele_location_row_chunk)(vec, b, r, t, &c, &o);
        }
        if (b->d_eta != NULL) {
            STELE_NAME(stele_gaussian_add)(b, t->log_scale, j0, c.n, c.d_log_scale);
        }
    }
}
