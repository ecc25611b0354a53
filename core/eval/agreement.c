#include "eval/agreement.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Runs of equal values after `shift` in a sorted list: the sum of their squared lengths, and their
 * entropy in nats. */
static double count_runs(const uint64_t *sorted, size_t n, int shift, double *ret_entropy)
{
    double squares = 0.0, entropy = 0.0;
    for (size_t i = 0; i < n;) {
        size_t begin = i;
        while (i < n && sorted[i] >> shift == sorted[begin] >> shift) {
            i++;
        }
        double length = (double)(i - begin);
        squares += length * length;
        entropy -= length / (double)n * log(length / (double)n);
    }
    *ret_entropy = entropy;
    return squares;
}

stele_status stele__agreement_compute(const int32_t *a, const int32_t *b, size_t n,
                                      stele__agreement *ret)
{
    uint64_t *pair = stele__malloc(n * sizeof *pair);
    size_t m = 0;
    if (pair == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (a[i] >= 0 && b[i] >= 0) {
            pair[m++] = (uint64_t)a[i] << 32 | (uint64_t)b[i];
        }
    }
    *ret = (stele__agreement){ NAN, NAN, m };
    if (m > 0) {
        /* Sorted by (a, b) the table's cells and a's classes are runs; sorted by b, b's classes. */
        double entropy_ab = 0.0, entropy_a = 0.0, entropy_b = 0.0;
        qsort(pair, m, sizeof *pair, ascending);
        double cells = count_runs(pair, m, 0, &entropy_ab);
        double of_a = count_runs(pair, m, 32, &entropy_a);
        for (size_t i = 0; i < m; i++) {
            pair[i] = pair[i] << 32;
        }
        qsort(pair, m, sizeof *pair, ascending);
        double of_b = count_runs(pair, m, 32, &entropy_b);
        /* Pairs of rows: together in both, only in a, only in b, in neither. */
        double both = cells - (double)m, only_a = of_a - cells, only_b = of_b - cells;
        double neither = (double)m * (double)m - of_a - of_b + cells;
        double scale = (both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither);
        ret->ari =
            only_a == 0.0 && only_b == 0.0 ? 1.0 : 2.0 * (both * neither - only_a * only_b) / scale;
        double information = entropy_a + entropy_b - entropy_ab;
        double mean = 0.5 * (entropy_a + entropy_b);
        ret->nmi = mean == 0.0 ? 1.0 : fmin(1.0, fmax(0.0, information) / mean);
    }
    stele__free(pair);
    return STELE_OK;
}
