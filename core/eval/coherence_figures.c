/* From hits row by row to figures. */
#include "eval/coherence.h"

#include "base/mem.h"

#include <math.h>

static uint32_t n_bits(uint64_t mask)
{
    uint32_t n = 0;
    for (; mask != 0; mask &= mask - 1) {
        n++;
    }
    return n;
}

size_t stele__coherence_n_figures(const stele__coherence *c)
{
    return c->n_columns + (size_t)c->most_given * (n_bits(c->mask) + 1);
}

static double mean_of(const stele__coherence *c, const uint32_t *count, size_t column)
{
    double sum = 0.0, n = 0.0;
    for (int64_t r = 0; r < c->n; r++) {
        const double hit = c->hit[(size_t)r * c->n_columns + column];
        const double times = count != NULL ? (double)count[r] : 1.0;
        if (!isnan(hit)) {
            sum += times * hit;
            n += times;
        }
    }
    return n > 0.0 ? sum / n : (double)NAN;
}

/* The mean of the columns given so many modalities, of one modality (-1: of all). */
static double by_number(const stele__coherence *c, const double *figure, uint32_t n_given,
                        int64_t to)
{
    double sum = 0.0, n = 0.0;
    for (size_t i = 0; i + c->n_joint < c->n_columns; i++) {
        if (c->column[i].n_given == n_given && (to < 0 || (int64_t)c->column[i].to == to) &&
            !isnan(figure[i])) {
            sum += figure[i];
            n += 1.0;
        }
    }
    return n > 0.0 ? sum / n : (double)NAN;
}

void stele__coherence_figures(const stele__coherence *c, const uint32_t *count, double *ret)
{
    size_t at = c->n_columns;
    for (size_t i = 0; i < c->n_columns; i++) {
        ret[i] = mean_of(c, count, i);
    }
    for (uint32_t k = 1; k <= c->most_given; k++) {
        for (uint32_t m = 0; m < 64; m++) {
            if ((c->mask >> m & 1) != 0) {
                ret[at++] = by_number(c, ret, k, m);
            }
        }
        ret[at++] = by_number(c, ret, k, -1);
    }
}

double stele__coherence_chance(const stele__coherence_request *q)
{
    int64_t *n = stele__calloc((size_t)q->label->n_categories + 1, sizeof *n);
    int64_t most = 0, all = 0;
    for (int64_t r = 0; n != NULL && r < q->n; r++) {
        const int32_t code = q->label->code[q->row[r]];
        if (code >= 0) {
            all++;
            most = ++n[code] > most ? n[code] : most;
        }
    }
    stele__free(n);
    return all > 0 ? (double)most / (double)all : (double)NAN;
}
