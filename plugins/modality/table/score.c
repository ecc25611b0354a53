/* Metrics, by the types of columns: each is a mean over the columns of a type for which it is
 * defined in the rows that are scored. */
#include "table.h"

#include <stele/metrics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A sum over columns and their number. */
typedef struct average {
    double sum, n;
} average;

typedef struct score {
    average r2, correlation, log_correlation, auroc, ordered_correlation, ordered_accuracy,
        accuracy;
} score;

uint64_t table_score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(score);
}

static void count(average *a, double v)
{
    a->sum += v;
    a->n += 1.0;
}

/* What is correlated with a constant explains nothing: 0. */
static double correlation(int64_t n, const double *truth, const double *predicted)
{
    const double c = stele_pearson(n, truth, predicted);
    return isnan(c) ? 0.0 : c;
}

/* --- ranks ------------------------------------------------------------------------------------ */

typedef struct ranked {
    double value;
    int64_t at;
} ranked;

static int by_value(const void *a, const void *b)
{
    const double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x > y) - (x < y);
}

/* In place of n values their ranks from 1, ties sharing theirs. 0: no memory. */
static int rank(int64_t n, double *v)
{
    ranked *order = malloc((size_t)n * sizeof *order + 1);
    if (order == NULL) {
        return 0;
    }
    for (int64_t i = 0; i < n; i++) {
        order[i] = (ranked){ v[i], i };
    }
    qsort(order, (size_t)n, sizeof *order, by_value);
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && order[end].value == order[i].value; end++) {
        }
        for (int64_t k = i; k < end; k++) {
            v[order[k].at] = 0.5 * (double)(i + 1 + end);
        }
    }
    free(order);
    return 1;
}

/* --- one column ------------------------------------------------------------------------------- */

/* Its n rows with a value: truth, predicted mean, most likely value. */
typedef struct pairs {
    int64_t n;
    double *truth, *predicted, *likely;
} pairs;

static void score_real(pairs *p, score *s)
{
    double mean = 0.0, total = 0.0, left = 0.0;
    for (int64_t i = 0; i < p->n; i++) {
        mean += p->truth[i] / (double)p->n;
    }
    for (int64_t i = 0; i < p->n; i++) {
        total += (p->truth[i] - mean) * (p->truth[i] - mean);
        left += (p->truth[i] - p->predicted[i]) * (p->truth[i] - p->predicted[i]);
    }
    count(&s->r2, 1.0 - left / total);
    count(&s->correlation, correlation(p->n, p->truth, p->predicted));
}

/* Of logarithms, or of counts those of one more. */
static void score_log(pairs *p, double more, score *s)
{
    for (int64_t i = 0; i < p->n; i++) {
        p->truth[i] = log(p->truth[i] + more);
        p->predicted[i] = log(fmax(p->predicted[i] + more, 1e-300));
    }
    count(&s->log_correlation, correlation(p->n, p->truth, p->predicted));
}

/* The sum of the ranks of the rows with the higher value (Mann and Whitney 1947). */
static int score_binary(pairs *p, score *s)
{
    double sum = 0.0, ones = 0.0, least = p->truth[0];
    for (int64_t i = 0; i < p->n; i++) {
        least = fmin(least, p->truth[i]);
    }
    if (!rank(p->n, p->predicted)) {
        return 0;
    }
    for (int64_t i = 0; i < p->n; i++) {
        const int one = p->truth[i] > least;
        sum += one ? p->predicted[i] : 0.0;
        ones += one;
    }
    count(&s->auroc, (sum - 0.5 * ones * (ones + 1.0)) / (ones * ((double)p->n - ones)));
    return 1;
}

/* The level of the most likely value, or where that is not known the one nearest to the mean. */
static double level_near(const table_column *c, double likely, double predicted)
{
    const double at = isnan(likely) ? predicted : likely;
    int64_t best = 0;
    for (int64_t k = 1; k < c->n; k++) {
        best = fabs(table_uncoded(c, k) - at) < fabs(table_uncoded(c, best) - at) ? k : best;
    }
    return (double)best;
}

static int score_levels(const table_column *c, pairs *p, score *s)
{
    double right = 0.0;
    for (int64_t i = 0; i < p->n; i++) {
        p->likely[i] = level_near(c, p->likely[i], p->predicted[i]);
        p->truth[i] = (double)table_level(c, p->truth[i]);
        right += p->truth[i] == p->likely[i];
    }
    count(c->type == TABLE_ORDERED ? &s->ordered_accuracy : &s->accuracy, right / (double)p->n);
    if (c->type == TABLE_ORDERED && stele_varies(p->n, p->truth)) {
        if (!rank(p->n, p->truth) || !rank(p->n, p->likely)) {
            return 0;
        }
        count(&s->ordered_correlation, correlation(p->n, p->truth, p->likely));
    }
    return 1;
}

/* 0: no memory. */
static int score_column(const table_column *c, pairs *p, score *s)
{
    if (c->type == TABLE_ORDERED || c->type == TABLE_UNORDERED) {
        return score_levels(c, p, s);
    }
    if (!stele_varies(p->n, p->truth)) {
        return 1;
    }
    switch (c->type) {
    case TABLE_BINARY: return score_binary(p, s);
    case TABLE_POSITIVE: score_log(p, 0.0, s); break;
    case TABLE_COUNT: score_log(p, 1.0, s); break;
    default: score_real(p, s); break;
    }
    return 1;
}

/* --- slots ------------------------------------------------------------------------------------ */

/* Rows that have a value, of columns of levels one that the model knows. */
static void take_pairs(const table_column *c, const stele_scored *s, int64_t column, pairs *p)
{
    p->n = 0;
    for (int64_t r = 0; r < s->n_rows; r++) {
        const int64_t i = r * s->n_features + column;
        const double x = (double)s->truth[i];
        if (isnan(x) || (c->n > 0 && table_level(c, x) < 0)) {
            continue;
        }
        p->truth[p->n] = x;
        p->predicted[p->n] = (double)s->predicted[i];
        p->likely[p->n++] = s->likely != NULL ? (double)s->likely[i] : (double)NAN;
    }
}

stele_status table_score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    double *room = malloc((size_t)(3 * s->n_rows) * sizeof *room + 1);
    pairs p = { 0, room, room + s->n_rows, room + 2 * s->n_rows };
    int good = room != NULL;
    for (int64_t j = 0; good && j < s->n_features; j++) {
        const table_column *c = &self->column[s->first + j];
        if (c->type != TABLE_CONSTANT) {
            take_pairs(c, s, j, &p);
            good = p.n < 2 || score_column(c, &p, state);
        }
    }
    free(room);
    return good ? STELE_OK : STELE_E_NOMEM;
}

static int has_type(const stele_inst *self, int32_t type)
{
    for (int64_t j = 0; j < self->n_columns; j++) {
        if (self->column[j].type == type) {
            return 1;
        }
    }
    return 0;
}

stele_status table_score_end(const stele_inst *self, void *state, uint32_t capacity,
                             stele_metric *ret, uint32_t *ret_n)
{
    const score *s = state;
    const int real = has_type(self, TABLE_REAL) || has_type(self, TABLE_PROPORTION);
    const int logs = has_type(self, TABLE_POSITIVE) || has_type(self, TABLE_COUNT);
    const int ordered = has_type(self, TABLE_ORDERED);
    const struct {
        const char *name;
        const average *of;
        int there;
    } all[] = { { "real_r2", &s->r2, real },
                { "real_correlation", &s->correlation, real },
                { "log_correlation", &s->log_correlation, logs },
                { "binary_auroc", &s->auroc, has_type(self, TABLE_BINARY) },
                { "ordered_correlation", &s->ordered_correlation, ordered },
                { "ordered_accuracy", &s->ordered_accuracy, ordered },
                { "unordered_accuracy", &s->accuracy, has_type(self, TABLE_UNORDERED) } };
    uint32_t n = 0;
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        if (all[k].there && n == capacity) {
            return STELE_E_ARG;
        }
        if (all[k].there) {
            stele_metric_set(&ret[n++], all[k].name,
                             all[k].of->n > 0.0 ? all[k].of->sum / all[k].of->n : (double)NAN, 1);
        }
    }
    *ret_n = n;
    return STELE_OK;
}
