#include "scores.h"

#include "classes.h"

#include <stele/metrics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

void head_metrics_add(head_metrics *m, const char *name, double value, uint32_t higher_is_better)
{
    if (m->n < m->capacity) {
        stele_metric_set(&m->metric[m->n], name, value, 1);
        m->metric[m->n].higher_is_better = higher_is_better;
    }
    m->n++;
}

stele_status head_probabilities_init(const stele_head_scored *s, head_probabilities *ret)
{
    int64_t n = s->n_outputs;
    *ret = (head_probabilities){ .n_rows = s->n_rows, .n_classes = n, .code = s->code };
    ret->log_p = calloc((size_t)(s->n_rows * n) + 1, sizeof *ret->log_p);
    for (int64_t r = 0; ret->log_p != NULL && r < s->n_rows; r++) {
        head_classes_log_p(n, s->predicted + r * n, ret->log_p + r * n);
    }
    return ret->log_p != NULL ? STELE_OK : STELE_E_NOMEM;
}

void head_probabilities_finish(head_probabilities *p)
{
    free(p->log_p);
}

static int64_t likeliest(const head_probabilities *p, int64_t r)
{
    const double *y = p->log_p + r * p->n_classes;
    int64_t best = 0;
    for (int64_t k = 1; k < p->n_classes; k++) {
        best = y[k] > y[best] ? k : best;
    }
    return best;
}

stele_status head_score_accuracy(const head_probabilities *p, head_metrics *ret)
{
    size_t n = (size_t)p->n_classes;
    double *rows = calloc(2 * n, sizeof *rows), *hits = rows != NULL ? rows + n : NULL;
    double accuracy = 0.0, balanced = 0.0, entropy = 0.0, n_rows = (double)p->n_rows, seen = 0.0;
    if (rows == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < p->n_rows; r++) {
        int hit = likeliest(p, r) == p->code[r];
        entropy -= p->log_p[r * p->n_classes + p->code[r]] / n_rows;
        accuracy += hit;
        rows[p->code[r]] += 1.0;
        hits[p->code[r]] += hit;
    }
    for (size_t k = 0; k < n; k++) {
        seen += rows[k] > 0.0;
        balanced += rows[k] > 0.0 ? hits[k] / rows[k] : 0.0;
    }
    head_metrics_add(ret, "accuracy", accuracy / n_rows, 1);
    head_metrics_add(ret, "balanced_accuracy", balanced / seen, 1);
    head_metrics_add(ret, "cross_entropy", entropy, 0);
    free(rows);
    return STELE_OK;
}

void head_score_steps(const head_probabilities *p, head_metrics *ret)
{
    int64_t steps = 0;
    for (int64_t r = 0; r < p->n_rows; r++) {
        const int64_t off = likeliest(p, r) - p->code[r];
        steps += off < 0 ? -off : off;
    }
    head_metrics_add(ret, "steps_off", (double)steps / (double)p->n_rows, 0);
}

typedef struct scored {
    double value;
    int positive;
} scored;

static int by_value(const void *a, const void *b)
{
    double x = ((const scored *)a)->value, y = ((const scored *)b)->value;
    return (x > y) - (x < y);
}

/* Scores in descending order, equal ones at once. NaN where a side is empty, or a score is. */
static void rank(scored *pair, int64_t n, double *ret_auroc, double *ret_precision)
{
    double above = 0.0, seen = 0.0, area = 0.0, precision = 0.0;
    qsort(pair, (size_t)n, sizeof *pair, by_value);
    for (int64_t r = n, begin; r > 0; r = begin) {
        double p = 0.0, negative = 0.0;
        for (begin = r; begin > 0 && pair[begin - 1].value >= pair[r - 1].value; begin--) {
            p += pair[begin - 1].positive;
            negative += !pair[begin - 1].positive;
        }
        if (begin == r) { /* NaN ranks nowhere */
            *ret_auroc = *ret_precision = NAN;
            return;
        }
        area += negative * (above + 0.5 * p);
        above += p;
        seen += p + negative;
        precision += p * above / seen;
    }
    *ret_auroc = area / (above * (seen - above));
    *ret_precision = above < seen ? precision / above : NAN; /* without negatives it is always 1 */
}

stele_status head_score_ranking(const head_probabilities *p, head_metrics *ret)
{
    scored *pair = calloc((size_t)p->n_rows + 1, sizeof *pair);
    double auroc = 0.0, precision = 0.0, n = 0.0;
    if (pair == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t k = p->n_classes == 2; k < p->n_classes; k++) {
        int64_t positive = 0;
        double one = NAN, other = NAN;
        for (int64_t r = 0; r < p->n_rows; r++) {
            pair[r].value = p->log_p[r * p->n_classes + k];
            pair[r].positive = p->code[r] == (int32_t)k;
            positive += pair[r].positive;
        }
        if (positive == 0 && p->n_classes > 2) {
            continue;
        }
        rank(pair, p->n_rows, &one, &other);
        auroc += one;
        precision += other;
        n += 1.0;
    }
    head_metrics_add(ret, "auroc", auroc / n, 1);
    head_metrics_add(ret, "average_precision", precision / n, 1);
    free(pair);
    return STELE_OK;
}

enum { BINS = 15 };

static double calibration_error(const head_probabilities *p)
{
    double hits[BINS] = { 0.0 }, sure[BINS] = { 0.0 }, error = 0.0;
    for (int64_t r = 0; r < p->n_rows; r++) {
        int64_t best = likeliest(p, r);
        double most = exp(p->log_p[r * p->n_classes + best]);
        int bin = (int)(most * BINS);
        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        hits[bin] += best == p->code[r];
        sure[bin] += most;
    }
    for (int b = 0; b < BINS; b++) {
        error += fabs(hits[b] - sure[b]) / (double)p->n_rows;
    }
    return error;
}

void head_score_calibration(const head_probabilities *p, head_metrics *ret)
{
    double brier = 0.0;
    for (int64_t r = 0; r < p->n_rows; r++) {
        for (int64_t k = p->n_classes == 2; k < p->n_classes; k++) {
            double d = exp(p->log_p[r * p->n_classes + k]) - (p->code[r] == (int32_t)k);
            brier += d * d / (double)p->n_rows;
        }
    }
    head_metrics_add(ret, "brier", brier, 0);
    head_metrics_add(ret, "expected_calibration_error", calibration_error(p), 0);
    if (ret->n <= ret->capacity) {
        ret->metric[ret->n - 1].flags = STELE_METRIC_EXCESS;
    }
}
