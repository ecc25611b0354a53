#include "eval/knn.h"

#include "base/mem.h"
#include "eval/distance.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum {
    QUERIES = 128,     /* rows of a block of products */
    REFERENCES = 2048, /* its columns: the block stays in the cache */
    GROUP = 32,        /* products looked at together */
    SPARE = 16,        /* candidates beyond k, so that rounding of the products does no harm */
};

/* The nearest ones so far of one query, sorted. */
typedef struct candidates {
    float *score; /* squared distance less the query's norm */
    int32_t *index;
} candidates;

static void insert(candidates c, size_t *n, size_t capacity, float score, int32_t index)
{
    size_t at = *n < capacity ? (*n)++ : capacity - 1;
    while (at > 0 && score < c.score[at - 1]) {
        c.score[at] = c.score[at - 1];
        c.index[at] = c.index[at - 1];
        at--;
    }
    c.score[at] = score;
    c.index[at] = index;
}

/* Is one of GROUP references nearer than `worst`? Few are, so a whole group is asked first. Sign
 * bits of differences, not comparisons: that is what compilers turn into vector instructions. */
static int any_nearer(const float *product, const float *norm, float worst)
{
    uint32_t signs = 0;
    for (size_t j = 0; j < GROUP; j++) {
        float difference = norm[j] - 2.0f * product[j] - worst;
        uint32_t bits;
        memcpy(&bits, &difference, sizeof bits);
        signs |= bits;
    }
    return (signs >> 31) != 0;
}

/* Take up references first .. first + n; `self` is an index to leave out, or -1. */
static size_t scan(candidates c, size_t n_found, size_t capacity, const float *product,
                   const float *norm, size_t n, int32_t first, int32_t self)
{
    for (size_t begin = 0; begin < n; begin += GROUP) {
        size_t end = begin + GROUP < n ? begin + GROUP : n;
        if (n_found == capacity && end == begin + GROUP &&
            !any_nearer(product + begin, norm + begin, c.score[capacity - 1])) {
            continue;
        }
        for (size_t j = begin; j < end; j++) {
            float score = norm[j] - 2.0f * product[j];
            int32_t index = first + (int32_t)j;
            if (index != self && (n_found < capacity || score < c.score[capacity - 1])) {
                insert(c, &n_found, capacity, score, index);
            }
        }
    }
    return n_found;
}

/* Put the k nearest of the candidates in their exact order. */
static void settle(const float *query, const float *reference, size_t n_columns, candidates c,
                   size_t n_found, size_t k, double *exact, int32_t *order)
{
    size_t n = 0;
    for (size_t i = 0; i < n_found; i++) {
        const float *r = reference + (size_t)c.index[i] * n_columns;
        const double sum = stele__squared_distance(query, r, n_columns);
        size_t at = n < k ? n++ : k;
        for (; at > 0 &&
               (sum < exact[at - 1] || (sum == exact[at - 1] && c.index[i] < order[at - 1]));
             at--) {
            if (at < k) {
                exact[at] = exact[at - 1];
                order[at] = order[at - 1];
            }
        }
        if (at < k) {
            exact[at] = sum;
            order[at] = c.index[i];
        }
    }
}

/* Products of large coordinates cancel in float; around the mean they are as small as can be. -1
 * for what is not finite or so large that a squared distance might not be. */
static int centre(const float *x, size_t n, size_t n_columns, const double *mean, float *centred,
                  float *norm)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < n_columns; j++) {
            double value = (double)x[i * n_columns + j] - mean[j];
            centred[i * n_columns + j] = (float)value;
            sum += value * value;
        }
        if (!(sum < FLT_MAX / 8.0)) {
            return -1;
        }
        if (norm != NULL) {
            norm[i] = (float)sum;
        }
    }
    return 0;
}

static void column_means(const float *x, size_t n, size_t n_columns, double *mean)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n_columns; j++) {
            mean[j] += (double)x[i * n_columns + j] / (double)n;
        }
    }
}

typedef struct search {
    const float *query, *reference; /* as given */
    float *query_block, *centred, *norm, *product;
    size_t n_query, n_reference, n_columns, k, capacity;
    double *mean, *exact;
    candidates found[QUERIES];
    size_t n_found[QUERIES];
} search;

static stele_status search_init(search *s)
{
    s->mean = stele__calloc(s->n_columns, sizeof *s->mean);
    s->exact = stele__calloc(s->k, sizeof *s->exact);
    s->query_block = stele__calloc(QUERIES * s->n_columns, sizeof *s->query_block);
    s->centred = stele__calloc(s->n_reference, s->n_columns * sizeof *s->centred);
    s->norm = stele__calloc(s->n_reference, sizeof *s->norm);
    s->product = stele__malloc(sizeof(float) * QUERIES * REFERENCES);
    s->found[0].score = stele__calloc(QUERIES * s->capacity, sizeof(float));
    s->found[0].index = stele__calloc(QUERIES * s->capacity, sizeof(int32_t));
    if (s->mean == NULL || s->exact == NULL || s->query_block == NULL || s->centred == NULL ||
        s->norm == NULL || s->product == NULL || s->found[0].score == NULL ||
        s->found[0].index == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 1; i < QUERIES; i++) {
        s->found[i].score = s->found[0].score + i * s->capacity;
        s->found[i].index = s->found[0].index + i * s->capacity;
    }
    return STELE_OK;
}

static void search_finish(search *s)
{
    stele__free(s->mean);
    stele__free(s->exact);
    stele__free(s->query_block);
    stele__free(s->centred);
    stele__free(s->norm);
    stele__free(s->product);
    stele__free(s->found[0].score);
    stele__free(s->found[0].index);
}

/* Queries first .. first + rows against all references. */
static int search_block(search *s, size_t first, size_t rows, int skip_same)
{
    const int columns = (int)s->n_columns;
    if (centre(s->query + first * s->n_columns, rows, s->n_columns, s->mean, s->query_block,
               NULL) != 0) {
        return -1;
    }
    memset(s->n_found, 0, sizeof s->n_found);
    for (size_t r = 0; r < s->n_reference; r += REFERENCES) {
        size_t n = s->n_reference - r < REFERENCES ? s->n_reference - r : REFERENCES;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)n, columns, 1.0f,
                    s->query_block, columns, s->centred + r * s->n_columns, columns, 0.0f,
                    s->product, REFERENCES);
        for (size_t i = 0; i < rows; i++) {
            int32_t self = skip_same ? (int32_t)(first + i) : -1;
            s->n_found[i] = scan(s->found[i], s->n_found[i], s->capacity,
                                 s->product + i * REFERENCES, s->norm + r, n, (int32_t)r, self);
        }
    }
    return 0;
}

stele_status stele__knn_search(const float *query, size_t n_query, const float *reference,
                               size_t n_reference, size_t n_columns, size_t k, int skip_same,
                               int32_t *ret_index, double *ret_distance, stele__diag *diag)
{
    search s = { .query = query,
                 .reference = reference,
                 .n_query = n_query,
                 .n_reference = n_reference,
                 .n_columns = n_columns,
                 .k = k,
                 .capacity = 2 * k + SPARE };
    if (k == 0 || n_columns == 0 || n_reference < k + (skip_same ? 1 : 0) ||
        n_reference > INT32_MAX) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "%zu nearest neighbours cannot be found among %zu rows of %zu "
                                 "columns",
                                 k, n_reference, n_columns);
    }
    stele_status status = search_init(&s);
    if (status != STELE_OK) {
        goto out;
    }
    column_means(reference, n_reference, n_columns, s.mean);
    int bad = centre(reference, n_reference, n_columns, s.mean, s.centred, s.norm);
    for (size_t first = 0; !bad && first < n_query; first += QUERIES) {
        size_t rows = n_query - first < QUERIES ? n_query - first : QUERIES;
        bad = search_block(&s, first, rows, skip_same);
        for (size_t i = 0; !bad && i < rows; i++) {
            size_t row = first + i;
            settle(query + row * n_columns, reference, n_columns, s.found[i], s.n_found[i], k,
                   s.exact, ret_index + row * k);
            for (size_t j = 0; ret_distance != NULL && j < k; j++) {
                ret_distance[row * k + j] = sqrt(s.exact[j]);
            }
        }
    }
    if (bad) {
        status = stele__diag_error(diag, STELE_E_NONFINITE, NULL,
                                   "nearest neighbours of rows that are not finite or too large");
    }
out:
    search_finish(&s);
    return status;
}
