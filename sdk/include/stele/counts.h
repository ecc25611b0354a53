/* stele/counts.h - what modalities of counts share: check of the values, statistics of the training rows, the encoder's
 * input, and the size factor of a row. No host symbol.
 */
#ifndef STELE_COUNTS_H
#define STELE_COUNTS_H

#include <stele/dense.h>
#include <stele/kinds.h>

#include <stdlib.h>
#include <string.h>

/* Part of a plugin's config block. */
typedef struct stele_count_input {
    double input_dropout, input_decay;
    int32_t input;
} stele_count_input;

enum { STELE_INPUT_LOG1P = 0, STELE_INPUT_NORMALISED, STELE_INPUT_BINARY };
static const char *const stele_input_names[] = { "log1p", "normalised", "binary", NULL };

#define STELE_COUNT_INPUT_OPTIONS(type_, fld_, input_, dropout_)                                                       \
    STELE_OPTION_ENUM(type_, fld_.input, "encoder.input", stele_input_names, input_,                                   \
                      "What the encoder sees: log(1 + count), log(1 + count brought to the median size of the "        \
                      "training rows), or 1 where the count is not 0."),                                               \
        STELE_OPTION_F64(type_, fld_.input_dropout, "encoder.input_dropout", dropout_, 0.0, 0.9,                       \
                         "Mean share of a row's counts hidden from the encoder while training; every row draws its "   \
                         "own share, uniform between 0 and twice this."),                                              \
        STELE_OPTION_F64(type_, fld_.input_decay, "encoder.input_decay", 1.0, 0.0, 1e6,                                \
                         "Factor on the weight decay of the encoder's first layer.")

/* Counts lie below 2^24: from there on float, in which they are held, skips whole numbers. */
#define STELE_COUNT_LIMIT 16777216.0

/* Counts are finite, whole, not negative and below STELE_COUNT_LIMIT. [compute; none] */
static inline stele_status stele_counts_validate(const stele_view *x, int whole, stele_bad_value *ret)
{
    int64_t rows = x->shape.dim[0], columns = x->shape.dim[1];
    for (int64_t r = 0; r < rows; r++) {
        int64_t begin = x->layout == STELE_CSR ? x->row_start[r] : r * columns;
        int64_t end = x->layout == STELE_CSR ? x->row_start[r + 1] : begin + columns;
        for (int64_t i = begin; i < end; i++) {
            double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
            const char *reason = NULL;
            if (!isfinite(v)) {
                reason = "is not a finite number";
            } else if (v < 0.0) {
                reason = "is negative";
            } else if (whole && v != floor(v)) {
                reason = "is not a whole number";
            } else if (v >= STELE_COUNT_LIMIT) {
                reason = "is no count below 2^24 (16777216)";
            }
            if (reason != NULL) {
                ret->row = r;
                ret->column = x->layout == STELE_CSR ? x->column[i] : i - begin;
                ret->value = v;
                ret->reason = reason;
                return STELE_E_DATA;
            }
        }
    }
    return STELE_OK;
}

/* Over the training rows. */
typedef struct stele_count_stats {
    int64_t n_rows, n_features;
    double *total;      /* (features) sum of the counts */
    double *nonzero;    /* (features) rows in which the feature is not 0 */
    double median;      /* of the rows' sizes, at least 1 */
    double norm;        /* root mean square over rows of |log1p(x)| */
    double norm_binary; /* root mean square over rows of |x != 0| */
} stele_count_stats;

static inline void stele_count_stats_finish(stele_count_stats *s)
{
    free(s->total);
    free(s->nonzero);
    s->total = s->nonzero = NULL;
}

static inline int stele_compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One row into the sums; returns its size: the sum of its counts, or how many are not 0. */
static inline double stele_count_row(const stele_view *x, int64_t r, int binary, stele_count_stats *s)
{
    double size = 0.0;
    int64_t begin = x->layout == STELE_CSR ? x->row_start[r] : r * s->n_features;
    int64_t end = x->layout == STELE_CSR ? x->row_start[r + 1] : begin + s->n_features;
    for (int64_t i = begin; i < end; i++) {
        double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
        int64_t j = x->layout == STELE_CSR ? x->column[i] : i - begin;
        if (v > 0.0) {
            s->total[j] += v;
            s->nonzero[j] += 1.0;
            s->norm += log1p(v) * log1p(v);
            s->norm_binary += 1.0;
            size += binary ? 1.0 : v;
        }
    }
    return size;
}

/* Read all training rows. `binary`: a row's size is its number of non-zeros. Finish with stele_count_stats_finish. */
static inline stele_status stele_count_stats_read(const stele_host *h, stele_fit *f, int64_t n_features, int binary,
                                                  stele_count_stats *s)
{
    int64_t n_rows = h->fit->n_rows(f), at = 0;
    memset(s, 0, sizeof *s);
    s->n_rows = n_rows;
    s->n_features = n_features;
    s->total = (double *)calloc((size_t)n_features + 1, sizeof(double));
    s->nonzero = (double *)calloc((size_t)n_features + 1, sizeof(double));
    double *size = (double *)calloc((size_t)n_rows + 1, sizeof(double));
    stele_status status = s->total != NULL && s->nonzero != NULL && size != NULL ? STELE_OK : STELE_E_NOMEM;
    while (status == STELE_OK) {
        stele_view x = { sizeof x, 0, 0, { 0, 0, { 0 } }, NULL, NULL, NULL };
        status = h->fit->next(f, &x);
        if (status != STELE_OK || x.shape.dim[0] == 0) {
            break;
        }
        for (int64_t r = 0; r < x.shape.dim[0] && at < n_rows; r++) {
            size[at++] = stele_count_row(&x, r, binary, s);
        }
    }
    if (status == STELE_OK && at > 0) {
        qsort(size, (size_t)at, sizeof size[0], stele_compare_doubles);
        s->norm = sqrt(s->norm / (double)at);
        s->norm_binary = sqrt(s->norm_binary / (double)at);
    }
    s->median = at > 0 && size[at / 2] > 1.0 ? size[at / 2] : 1.0;
    free(size);
    if (status != STELE_OK) {
        stele_count_stats_finish(s);
    }
    return status;
}

/* Log of a row's size (n, 1) over the reference size `reference` (a scalar tensor: log of the training median). Rows
 * without a count have size 1, so that the log stays finite. `x` (n, features). */
static inline stele_tensor *stele_log_size(const stele_host *h, stele_graph *g, stele_tensor *x, int binary,
                                           stele_tensor *reference)
{
    const stele_ops *ops = h->ops;
    stele_tensor *total = ops->sum(g, binary ? ops->sign(g, x) : x, 1, 1);
    return ops->sub(g, ops->log(g, ops->clamp(g, total, 1.0, HUGE_VAL)), reference);
}

/* The encoder's input for x, with dropout of counts while training. `reference` as above. */
static inline stele_tensor *stele_count_input_apply(const stele_host *h, stele_graph *g, const stele_count_input *c,
                                                    stele_tensor *x, stele_tensor *reference, uint32_t stream)
{
    const stele_ops *ops = h->ops;
    stele_tensor *in = x;
    if (c->input == STELE_INPUT_BINARY) {
        in = ops->sign(g, x);
    } else if (c->input == STELE_INPUT_NORMALISED) {
        stele_tensor *log_size = stele_log_size(h, g, x, 0, reference);
        in = ops->log1p(g, ops->mul(g, x, ops->exp(g, ops->scale(g, log_size, -1.0))));
    } else {
        in = ops->log1p(g, x);
    }
    return c->input_dropout > 0.0 ? ops->dropout(g, in, c->input_dropout, 1, stream) : in;
}

/* Give the first layer its start: with inputs of root mean square length `norm` the hidden units begin with a spread of
 * `spread`, whatever the number and sparsity of the features. The layer was declared uniform within +-1/sqrt(in). */
static inline stele_status stele_count_input_fit(const stele_host *h, stele_fit *f, const stele_count_input *c,
                                                 const stele_dense *d, const stele_count_stats *s, double spread)
{
    double norm = c->input == STELE_INPUT_BINARY ? s->norm_binary : s->norm;
    double sd = 1.0 / sqrt(3.0 * (double)d->in);
    return norm > 0.0 ? h->fit->scale(f, d->weight[0], spread / (norm * sd)) : STELE_OK;
}

#endif /* STELE_COUNTS_H */
