#include "eval/matched.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct scored {
    double score;
    int64_t row;
} scored;

static int by_score(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x > y) - (x < y);
}

stele_status stele__matched_init(stele__matched *m, const double *own, int64_t n)
{
    const size_t size = (size_t)n;
    scored *all = stele__calloc(size, sizeof *all);
    *m = (stele__matched){ .n = n };
    m->sorted = stele__calloc(size, sizeof *m->sorted);
    m->row = stele__calloc(size, sizeof *m->row);
    m->more = stele__calloc(size + 1, sizeof *m->more);
    m->first = stele__calloc(4 * size, sizeof *m->first);
    if (all == NULL || m->sorted == NULL || m->row == NULL || m->more == NULL || m->first == NULL) {
        stele__free(all);
        return STELE_E_NOMEM;
    }
    m->second = m->first + size;
    m->n_first = m->second + size;
    m->n_second = m->n_first + size;
    for (int64_t i = 0; i < n; i++) {
        all[i] = (scored){ own[i], i };
    }
    qsort(all, size, sizeof *all, by_score);
    for (int64_t i = 0; i < n; i++) {
        m->sorted[i] = all[i].score;
        m->row[i] = all[i].row;
    }
    stele__free(all);
    return STELE_OK;
}

void stele__matched_finish(stele__matched *m)
{
    stele__free(m->sorted);
    stele__free(m->row);
    stele__free(m->more);
    stele__free(m->first);
    memset(m, 0, sizeof *m);
}

/* Own scores below s, or not above it. */
static int64_t place(const stele__matched *m, double s, int with_equal)
{
    int64_t low = 0, high = m->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        double own = m->sorted[middle];
        if (own < s || (with_equal && own <= s)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void stele__matched_add(stele__matched *m, int64_t k, int64_t l, double s)
{
    const int64_t from = place(m, s, 0), to = place(m, s, 1);
    const double above = (double)m->n - 0.5 * (double)(from + to);
    m->more[from] += 0.5; /* equal ones count half, those beyond in full */
    m->more[to] += 0.5;
    m->first[k] += above;
    m->second[l] += above;
    m->n_first[k] += (double)m->n;
    m->n_second[l] += (double)m->n;
    m->n_shuffled += 1.0;
}

double stele__matched_area(stele__matched *m, double *ret_contribution)
{
    double exceeded = 0.0, area = 0.0;
    for (int64_t i = 0; i < m->n; i++) {
        exceeded += m->more[i];
        ret_contribution[m->row[i]] = exceeded / m->n_shuffled;
        area += exceeded / m->n_shuffled / (double)m->n;
    }
    for (int64_t r = 0; r < m->n; r++) {
        double b = m->n_first[r] > 0.0 ? m->first[r] / m->n_first[r] : area;
        double c = m->n_second[r] > 0.0 ? m->second[r] / m->n_second[r] : area;
        ret_contribution[r] += b - area + c - area;
    }
    return m->n_shuffled > 0.0 ? area : NAN;
}
