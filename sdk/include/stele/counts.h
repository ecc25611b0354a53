/* stele/counts.h - what modalities of counts share: check of the values, statistics of the training rows, the encoder's
 * input, and the size factor of a row. No host symbol.
 */
#ifndef STELE_COUNTS_H
#define STELE_COUNTS_H

#include <stele/dense.h>
#include <stele/kinds.h>
#include <stele/metrics.h>

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

/* What values have to be besides finite, not negative and below STELE_COUNT_LIMIT. */
enum {
    STELE_COUNTS_WHOLE = 1 << 0,
    STELE_COUNTS_MISSING = 1 << 1 /* entries of dense rows may be missing (NaN) */
};

/* `rules`: STELE_COUNTS_*. Columns are numbered through all extents of a row. [compute] */
static inline stele_status stele_counts_validate(const stele_view *x, int rules, stele_bad_value *ret)
{
    int64_t rows = x->shape.dim[0], columns = 1;
    for (uint32_t d = 1; d < x->shape.ndim; d++) {
        columns *= x->shape.dim[d];
    }
    for (int64_t r = 0; r < rows; r++) {
        int64_t begin = x->layout == STELE_CSR ? x->row_start[r] : r * columns;
        int64_t end = x->layout == STELE_CSR ? x->row_start[r + 1] : begin + columns;
        for (int64_t i = begin; i < end; i++) {
            double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
            const char *reason = NULL;
            if (isnan(v) && (rules & STELE_COUNTS_MISSING) != 0 && x->layout != STELE_CSR) {
                continue;
            }
            if (!isfinite(v)) {
                reason = "is not a finite number";
            } else if (v < 0.0) {
                reason = "is negative";
            } else if ((rules & STELE_COUNTS_WHOLE) != 0 && v != floor(v)) {
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
    double *missing;    /* (features) rows in which the entry is missing */
    double median;      /* of the rows' sizes, at least 1 */
    double norm;        /* root mean square over rows of |log1p(x)| */
    double norm_binary; /* root mean square over rows of |x != 0| */
    double *size;       /* (rows) until the end */
    int64_t at;
    int32_t binary, reserved;
} stele_count_stats;

static inline void stele_count_stats_finish(stele_count_stats *s)
{
    free(s->total);
    free(s->size);
    s->total = s->nonzero = s->missing = s->size = NULL;
}

/* One row into the sums; returns its size: the sum of its counts, or how many are not 0. */
static inline double stele_count_row(const stele_view *x, int64_t r, stele_count_stats *s)
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
            size += s->binary ? 1.0 : v;
        } else if (isnan(v)) {
            s->missing[j] += 1.0;
        }
    }
    return size;
}

/* Before the first chunk. `binary`: a row's size is its number of non-zeros. Finish with stele_count_stats_finish. */
static inline stele_status stele_count_stats_init(const stele_host *h, stele_fit *f, int64_t n_features, int binary,
                                                  stele_count_stats *s)
{
    memset(s, 0, sizeof *s);
    s->n_rows = h->fit->n_rows(f);
    s->n_features = n_features;
    s->binary = binary;
    s->total = (double *)calloc(3 * (size_t)n_features + 1, sizeof(double));
    s->size = (double *)calloc((size_t)s->n_rows + 1, sizeof(double));
    if (s->total == NULL || s->size == NULL) {
        stele_count_stats_finish(s);
        return STELE_E_NOMEM;
    }
    s->nonzero = s->total + n_features;
    s->missing = s->nonzero + n_features;
    return STELE_OK;
}

static inline void stele_count_stats_add(const stele_view *x, stele_count_stats *s)
{
    for (int64_t r = 0; r < x->shape.dim[0] && s->at < s->n_rows; r++) {
        s->size[s->at++] = stele_count_row(x, r, s);
    }
}

/* After the last chunk. */
static inline void stele_count_stats_end(stele_count_stats *s)
{
    if (s->at > 0) {
        qsort(s->size, (size_t)s->at, sizeof s->size[0], stele_compare_doubles);
        s->norm = sqrt(s->norm / (double)s->at);
        s->norm_binary = sqrt(s->norm_binary / (double)s->at);
    }
    s->median = s->at > 0 && s->size[s->at / 2] > 1.0 ? s->size[s->at / 2] : 1.0;
}

/* A look at a chunk of training rows. [main] */
typedef void stele_count_chunk(void *ctx, const stele_view *x);

/* Read all training rows. `each` sees every chunk as well; it may be NULL. Finish with stele_count_stats_finish. */
static inline stele_status stele_count_stats_read(const stele_host *h, stele_fit *f, int64_t n_features, int binary,
                                                  stele_count_chunk *each, void *ctx, stele_count_stats *s)
{
    stele_status status = stele_count_stats_init(h, f, n_features, binary, s);
    while (status == STELE_OK) {
        stele_view x = { sizeof x, 0, 0, { 0, 0, { 0 } }, NULL, NULL, NULL };
        status = h->fit->next(f, &x);
        if (status != STELE_OK || x.shape.dim[0] == 0) {
            break;
        }
        stele_count_stats_add(&x, s);
        if (each != NULL) {
            each(ctx, &x);
        }
    }
    if (status != STELE_OK) {
        stele_count_stats_finish(s);
        return status;
    }
    stele_count_stats_end(s);
    return STELE_OK;
}

/* x with 0 in place of missing entries, which sparse rows do not have. NULL for NULL. */
static inline stele_status stele_counts_present(const stele_host *h, stele_graph *g, stele_tensor *x,
                                                stele_tensor **ret)
{
    const stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_view view = { sizeof view, 0, 0, { 0, 0, { 0 } }, NULL, NULL, NULL };
    stele_status status = x != NULL ? h->ops->view(x, &view) : STELE_OK;
    if (status == STELE_OK) {
        *ret = x == NULL || view.layout == STELE_CSR
                   ? x
                   : h->ops->where(g, h->ops->is_nan(g, x), h->ops->full(g, &scalar, 0.0), x);
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
