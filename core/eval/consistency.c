#include "eval/consistency.h"

#include "base/mem.h"
#include "data/split.h"
#include "eval/matched.h"
#include "kernels/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Partners that a row is compared with at most, rows of a chunk. */
enum { MOST_CANDIDATES = 4096, CHUNK = 64 };

double stele__log_bayes_factor(uint32_t dim, const float *mean_a, const float *sd_a,
                               const float *mean_b, const float *sd_b)
{
    double sum = 0.0;
    for (uint32_t d = 0; d < dim; d++) {
        double a = (double)mean_a[d], b = (double)mean_b[d];
        double ta = fmax(1.0, 1.0 / ((double)sd_a[d] * (double)sd_a[d]));
        double tb = fmax(1.0, 1.0 / ((double)sd_b[d] * (double)sd_b[d]));
        double t = ta + tb - 1.0, h = ta * a + tb * b;
        sum += log(ta * tb / t) + h * h / t - ta * a * a - tb * b * b;
    }
    return 0.5 * sum;
}

/* Posteriors of one side. */
typedef struct side {
    float *mean, *sd; /* (n, D) */
} side;

typedef struct work {
    const stele__judge *j;
    uint32_t dim;
    side a, b;             /* of the scored rows */
    int64_t n, n_partners; /* partners are rows partner[k] */
    int64_t *partner;
    int64_t first, many;     /* the chunk at hand */
    float *forward;          /* (CHUNK, n_partners) a of a row with b of its partners */
    float *backward;         /* the same the other way round */
    double *rank_f, *rank_b; /* (n) of the own partner */
    double *score;           /* (n) */
    double *p_chance;
} work;

static void side_finish(side *s)
{
    stele__free(s->mean);
    stele__free(s->sd);
}

static stele_status side_init(side *s, const stele__judge *j, const int64_t *row, int64_t n,
                              uint64_t mask, stele__diag *diag)
{
    size_t size = (size_t)n * j->model->latent_dim;
    s->mean = stele__calloc(size, sizeof *s->mean);
    s->sd = stele__calloc(size, sizeof *s->sd);
    return s->mean != NULL && s->sd != NULL
               ? stele__judge_moments(j, row, n, mask, s->mean, s->sd, diag)
               : STELE_E_NOMEM;
}

static double between(const work *w, const side *a, int64_t i, const side *b, int64_t k)
{
    size_t at = (size_t)i * w->dim, to = (size_t)k * w->dim;
    return stele__log_bayes_factor(w->dim, a->mean + at, a->sd + at, b->mean + to, b->sd + to);
}

/* Rank of the own partner among all: those that agree better, and half of those that agree as
 * well. */
static double rank_of(const work *w, int64_t i, const float *scores, double own)
{
    double rank = 1.0;
    for (int64_t k = 0; k < w->n_partners; k++) {
        if (w->partner[k] != i) {
            double s = (double)scores[k];
            rank += s > own ? 1.0 : s == own ? 0.5 : 0.0;
        }
    }
    return rank;
}

static void score_row(void *ctx, size_t task, unsigned thread)
{
    work *w = ctx;
    int64_t i = w->first + (int64_t)task;
    float *f = w->forward + (int64_t)task * w->n_partners;
    float *b = w->backward + (int64_t)task * w->n_partners;
    const double own = w->score[i];
    (void)thread;
    for (int64_t k = 0; k < w->n_partners; k++) {
        f[k] = (float)between(w, &w->a, i, &w->b, w->partner[k]);
        b[k] = (float)between(w, &w->b, i, &w->a, w->partner[k]);
    }
    w->rank_f[i] = rank_of(w, i, f, own);
    w->rank_b[i] = rank_of(w, i, b, own);
    int64_t better = 0, others = 0;
    for (int64_t k = 0; k < w->n_partners; k++) {
        others += w->partner[k] != i;
        better += w->partner[k] != i && (double)f[k] >= own;
    }
    w->p_chance[i] = (double)(better + 1) / (double)(others + 1);
}

/* Shuffled pairs of the chunk. */
static stele_status add_shuffled(const work *w, stele__matched *m)
{
    for (int64_t t = 0; t < w->many; t++) {
        const float *f = w->forward + t * w->n_partners;
        for (int64_t k = 0; k < w->n_partners; k++) {
            if (isnan(f[k])) {
                return STELE_E_NONFINITE;
            }
            if (w->partner[k] != w->first + t) {
                stele__matched_add(m, w->first + t, w->partner[k], (double)f[k]);
            }
        }
    }
    return STELE_OK;
}

static stele_status score_all(work *w, stele__pool *pool, stele__consistency *ret)
{
    stele__matched m = { 0 };
    stele_status status = STELE_OK;
    for (int64_t i = 0; i < w->n && status == STELE_OK; i++) {
        w->score[i] = (double)(float)between(w, &w->a, i, &w->b, i); /* compared with floats */
        status = isnan(w->score[i]) ? STELE_E_NONFINITE : STELE_OK;
    }
    status = status == STELE_OK ? stele__matched_init(&m, w->score, w->n) : status;
    for (w->first = 0; w->first < w->n && status == STELE_OK; w->first += CHUNK) {
        w->many = w->n - w->first < CHUNK ? w->n - w->first : CHUNK;
        stele__pool_run(pool, (size_t)w->many, score_row, w);
        status = add_shuffled(w, &m);
    }
    if (status == STELE_OK) {
        ret->auroc = stele__matched_area(&m, ret->contribution);
    }
    stele__matched_finish(&m);
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static stele_status summarise(const double *rank, int64_t n, stele__retrieval *ret)
{
    double *sorted = stele__calloc((size_t)n, sizeof *sorted);
    if (sorted == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(sorted, rank, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    *ret = (stele__retrieval){ .median_rank = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]) };
    for (int64_t i = 0; i < n; i++) {
        ret->recall1 += rank[i] <= 1.0;
        ret->recall5 += rank[i] <= 5.0;
        ret->recall10 += rank[i] <= 10.0;
    }
    ret->recall1 /= (double)n;
    ret->recall5 /= (double)n;
    ret->recall10 /= (double)n;
    stele__free(sorted);
    return STELE_OK;
}

static stele_status make_room(work *w, stele__consistency *ret, uint64_t seed)
{
    size_t n = (size_t)w->n;
    w->n_partners = w->n < MOST_CANDIDATES ? w->n : MOST_CANDIDATES;
    w->partner = stele__calloc(n, sizeof *w->partner);
    w->forward = stele__calloc(CHUNK * (size_t)w->n_partners, sizeof *w->forward);
    w->backward = stele__calloc(CHUNK * (size_t)w->n_partners, sizeof *w->backward);
    ret->rank_forward = w->rank_f = stele__calloc(n, sizeof *w->rank_f);
    ret->rank_backward = w->rank_b = stele__calloc(n, sizeof *w->rank_b);
    ret->contribution = stele__calloc(n, sizeof *ret->contribution);
    ret->score = w->score = stele__calloc(n, sizeof *w->score);
    ret->p_chance = w->p_chance = stele__calloc(n, sizeof *w->p_chance);
    ret->p_match = stele__calloc(n, sizeof *ret->p_match);
    if (w->partner == NULL || w->forward == NULL || w->backward == NULL || w->rank_f == NULL ||
        w->rank_b == NULL || w->score == NULL || w->p_chance == NULL || ret->p_match == NULL ||
        ret->contribution == NULL) {
        return STELE_E_NOMEM;
    }
    stele__noise at = stele__noise_at(seed, stele__noise_purpose("score/partners", 0), 0);
    stele__noise_permutation(at, n, w->partner);
    return STELE_OK;
}

static void work_finish(work *w)
{
    side_finish(&w->a);
    side_finish(&w->b);
    stele__free(w->partner);
    stele__free(w->forward);
    stele__free(w->backward);
}

/* Of n rows those that have both sides: their number, in ret. */
static int64_t with_both(const stele__judge *j, uint64_t a, uint64_t b, const int64_t *row,
                         int64_t n, int64_t *ret)
{
    int64_t kept = 0;
    for (int64_t r = 0; r < n; r++) {
        uint64_t has = stele__judge_present(j, row[r]);
        if ((has & a) != 0 && (has & b) != 0) {
            ret[kept++] = row[r];
        }
    }
    return kept;
}

double stele__share_below(const float *reference, int64_t n, double score, int among)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((double)reference[middle] <= score) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    /* Of a reference that is a part of the rows it may be no member itself. */
    return among ? (double)(low > 0 ? low : 1) / (double)n : (double)(low + 1) / (double)(n + 1);
}

/* The first `most` of n rows in a random order. */
static stele_status choose(int64_t *row, int64_t n, int64_t most, uint64_t seed)
{
    int64_t *order = stele__calloc((size_t)n, sizeof *order);
    int64_t *chosen = stele__calloc((size_t)most, sizeof *chosen);
    const int there = order != NULL && chosen != NULL;
    if (there) {
        stele__noise at = stele__noise_at(seed, stele__noise_purpose("score/reference", 0), 0);
        stele__noise_permutation(at, (size_t)n, order);
        for (int64_t i = 0; i < most; i++) {
            chosen[i] = row[order[i]];
        }
        memcpy(row, chosen, (size_t)most * sizeof *row);
    }
    stele__free(order);
    stele__free(chosen);
    return there ? STELE_OK : STELE_E_NOMEM;
}

static int ascending_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

stele_status stele__consistency_scores(const stele__judge *j, uint64_t a, uint64_t b,
                                       const int64_t *row, int64_t n, int64_t most, float *ret,
                                       int64_t *ret_n, stele__diag *diag)
{
    work w = { .j = j, .dim = j->model->latent_dim };
    int64_t *both = stele__calloc((size_t)n + 1, sizeof *both), many = 0, kept = 0;
    stele_status status = both != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        many = with_both(j, a, b, row, n, both);
        status = many > most ? choose(both, many, most, j->seed) : STELE_OK;
        many = many > most ? most : many;
    }
    if (status == STELE_OK && many > 0) {
        status = side_init(&w.a, j, both, many, a, diag);
        status = status == STELE_OK ? side_init(&w.b, j, both, many, b, diag) : status;
    }
    for (int64_t i = 0; i < many && status == STELE_OK; i++) {
        ret[kept] = (float)between(&w, &w.a, i, &w.b, i);
        kept += !isnan(ret[kept]);
    }
    if (status == STELE_OK) {
        qsort(ret, (size_t)kept, sizeof *ret, ascending_floats);
        *ret_n = kept;
    }
    side_finish(&w.a);
    side_finish(&w.b);
    stele__free(both);
    return status;
}

static stele_status find_p_match(const stele__consistency_request *q, stele__consistency *ret)
{
    float *own = NULL;
    ret->n_reference = q->n_reference;
    if (q->n_reference == 0) {
        own = stele__calloc((size_t)ret->n, sizeof *own);
        if (own == NULL) {
            return STELE_E_NOMEM;
        }
        for (int64_t i = 0; i < ret->n; i++) {
            own[i] = (float)ret->score[i];
        }
        qsort(own, (size_t)ret->n, sizeof *own, ascending_floats);
    }
    for (int64_t i = 0; i < ret->n; i++) {
        if (own != NULL) {
            ret->p_match[i] =
                ret->n > 1 ? stele__share_below(own, ret->n, ret->score[i], 1) : (double)NAN;
        } else {
            const int among = q->part != NULL && q->part[ret->row[i]] == STELE__VALID;
            ret->p_match[i] =
                stele__share_below(q->reference, q->n_reference, ret->score[i], among);
        }
    }
    stele__free(own);
    return STELE_OK;
}

/* A single row has no other partners. */
static void leave_out_others(stele__consistency *c)
{
    c->p_chance[0] = c->rank_forward[0] = c->rank_backward[0] = (double)NAN;
    c->forward = c->backward =
        (stele__retrieval){ (double)NAN, (double)NAN, (double)NAN, (double)NAN };
}

stele_status stele__consistency_compute(const stele__judge *j, const stele__consistency_request *q,
                                        stele__pool *pool, stele__consistency *ret,
                                        stele__diag *diag)
{
    work w = { .j = j, .dim = j->model->latent_dim };
    memset(ret, 0, sizeof *ret);
    ret->row = stele__calloc((size_t)q->n, sizeof *ret->row);
    if (ret->row == NULL) {
        return STELE_E_NOMEM;
    }
    w.n = ret->n = with_both(j, q->a, q->b, q->row, q->n, ret->row);
    if (w.n == 0) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "none of %lld rows has both: there is nothing to compare",
                                 (long long)q->n);
    }
    stele_status status = make_room(&w, ret, j->seed);
    status = status == STELE_OK ? side_init(&w.a, j, ret->row, w.n, q->a, diag) : status;
    status = status == STELE_OK ? side_init(&w.b, j, ret->row, w.n, q->b, diag) : status;
    status = status == STELE_OK ? score_all(&w, pool, ret) : status;
    status = status == STELE_OK ? find_p_match(q, ret) : status;
    ret->n_candidates = w.n_partners;
    if (status == STELE_OK && w.n > 1) {
        status = summarise(w.rank_f, w.n, &ret->forward);
        status = status == STELE_OK ? summarise(w.rank_b, w.n, &ret->backward) : status;
    } else if (status == STELE_OK) {
        leave_out_others(ret);
    }
    work_finish(&w);
    return status;
}

void stele__consistency_finish(stele__consistency *c)
{
    stele__free(c->row);
    stele__free(c->score);
    stele__free(c->p_match);
    stele__free(c->p_chance);
    stele__free(c->rank_forward);
    stele__free(c->rank_backward);
    stele__free(c->contribution);
    memset(c, 0, sizeof *c);
}
