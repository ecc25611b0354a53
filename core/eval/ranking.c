#include "eval/ranking.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct stele__ranking_counts {
    unsigned bits;
    uint64_t *total, *positive; /* [2^bits], ascending scores */
};

/* Walks down the scores, one group of equals at a time. */
typedef struct walk {
    uint64_t n_positive, n_negative; /* passed so far */
    double pairs;                    /* (positive, negative) in order, ties half */
    double precision;                /* sum over positives of the precision at their score */
} walk;

static void walk_down(walk *w, uint64_t positive, uint64_t negative)
{
    w->pairs += (double)negative * ((double)w->n_positive + 0.5 * (double)positive);
    w->n_positive += positive;
    w->n_negative += negative;
    if (positive != 0) {
        w->precision +=
            (double)positive * ((double)w->n_positive / (double)(w->n_positive + w->n_negative));
    }
}

static stele__ranking walk_result(const walk *w)
{
    const double p = (double)w->n_positive, n = (double)w->n_negative;
    const int both = w->n_positive != 0 && w->n_negative != 0;
    return (stele__ranking){
        .auroc = both ? w->pairs / p / n : NAN,
        .average_precision = both ? w->precision / p : NAN,
        .n = w->n_positive + w->n_negative,
        .n_positive = w->n_positive,
    };
}

/* Unsigned integers in the order of the floats: negative ones have all bits turned, others the
 * sign. Adding zero makes -0 equal 0. */
static uint32_t ordered(float score)
{
    uint32_t bits = 0;
    score += 0.0f;
    memcpy(&bits, &score, sizeof bits);
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

static int descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x > y ? -1 : x < y;
}

stele_status stele__ranking_exact(const float *score, const uint8_t *label, size_t n,
                                  stele__ranking *ret)
{
    walk w = { 0 };
    uint64_t *pair = stele__malloc(n * sizeof *pair);
    if (pair == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (isnan(score[i])) {
            stele__free(pair);
            return STELE_E_NONFINITE;
        }
        pair[i] = (uint64_t)ordered(score[i]) << 1 | (label[i] != 0);
    }
    qsort(pair, n, sizeof *pair, descending);
    for (size_t i = 0; i < n;) {
        uint64_t positive = 0, key = pair[i] >> 1;
        size_t begin = i;
        for (; i < n && pair[i] >> 1 == key; i++) {
            positive += pair[i] & 1;
        }
        walk_down(&w, positive, i - begin - positive);
    }
    stele__free(pair);
    *ret = walk_result(&w);
    return STELE_OK;
}

stele_status stele__ranking_counts_create(unsigned bits, stele__ranking_counts **ret)
{
    if (bits < 12 || bits > 24) {
        return STELE_E_ARG;
    }
    stele__ranking_counts *counts = stele__calloc(1, sizeof *counts);
    if (counts == NULL) {
        return STELE_E_NOMEM;
    }
    counts->bits = bits;
    counts->total = stele__calloc((size_t)1 << bits, sizeof *counts->total);
    counts->positive = stele__calloc((size_t)1 << bits, sizeof *counts->positive);
    if (counts->total == NULL || counts->positive == NULL) {
        stele__ranking_counts_destroy(counts);
        return STELE_E_NOMEM;
    }
    *ret = counts;
    return STELE_OK;
}

void stele__ranking_counts_destroy(stele__ranking_counts *counts)
{
    if (counts == NULL) {
        return;
    }
    stele__free(counts->total);
    stele__free(counts->positive);
    stele__free(counts);
}

stele_status stele__ranking_counts_add(stele__ranking_counts *counts, const float *score,
                                       const uint8_t *label, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bin = ordered(score[i]) >> (32 - counts->bits);
        bad |= isnan(score[i]);
        counts->total[bin]++;
        counts->positive[bin] += label[i] != 0;
    }
    return bad ? STELE_E_NONFINITE : STELE_OK;
}

stele_status stele__ranking_counts_add_sparse(stele__ranking_counts *counts, const float *score,
                                              size_t n, const int32_t *positive, size_t n_positive)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        bad |= isnan(score[i]);
        counts->total[ordered(score[i]) >> (32 - counts->bits)]++;
    }
    for (size_t i = 0; i < n_positive; i++) {
        counts->positive[ordered(score[positive[i]]) >> (32 - counts->bits)]++;
    }
    return bad ? STELE_E_NONFINITE : STELE_OK;
}

stele_status stele__ranking_counts_merge(stele__ranking_counts *counts,
                                         const stele__ranking_counts *other)
{
    if (counts->bits != other->bits) {
        return STELE_E_SHAPE;
    }
    for (size_t i = 0; i < (size_t)1 << counts->bits; i++) {
        counts->total[i] += other->total[i];
        counts->positive[i] += other->positive[i];
    }
    return STELE_OK;
}

void stele__ranking_counts_result(const stele__ranking_counts *counts, stele__ranking *ret)
{
    walk w = { 0 };
    for (size_t i = (size_t)1 << counts->bits; i-- > 0;) {
        walk_down(&w, counts->positive[i], counts->total[i] - counts->positive[i]);
    }
    *ret = walk_result(&w);
}
