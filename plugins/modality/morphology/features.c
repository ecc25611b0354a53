/* Features of several kinds in one row. Each kind's likelihood is that of the SDK, for its features
 * alone: rows are narrow, so that they are picked out and computed in double. */
#include "morphology.h"

#include <stele/gaussian.h>

#include <math.h>

/* Added to every variance, in units of the standardised features: one that is predicted without
 * error must not take over. */
#define LEAST_VARIANCE 1e-4

/* Order of the arrays that decode hands to the likelihood. KIND holds KIND_*; SPREAD the log
 * variance or, of counts, the log of theta. */
enum { CENTRE = 0, LOG_SCALE, SPREAD, KIND, N_ARRAYS };

/* --- which kind ------------------------------------------------------------------------------ */

static stele_status fix_kinds(stele_inst *self, const char *option, const stele_i64_list *list,
                              int32_t kind)
{
    static const char *const name[] = { "", "real", "positive", "counts" };
    const stele_host *h = self->counts.host;
    for (uint64_t i = 0; i < list->n; i++) {
        const int64_t j = list->v[i];
        if (j >= self->counts.n_features) {
            return STELE_FAIL(h, STELE_E_OPTION,
                              "%s: there is no feature %lld; they are numbered from 0 to %lld",
                              option, (long long)j, (long long)self->counts.n_features - 1);
        }
        if (self->fixed[j] != KIND_AUTO) {
            return STELE_FAIL(h, STELE_E_OPTION, "%s: feature %lld stands in `%s` already", option,
                              (long long)j, name[self->fixed[j]]);
        }
        self->fixed[j] = kind;
    }
    return STELE_OK;
}

stele_status features_init(stele_inst *self)
{
    const morphology_config *c = self->config;
    stele_status status = fix_kinds(self, "real", &c->real, KIND_REAL);
    status = status == STELE_OK ? fix_kinds(self, "positive", &c->positive, KIND_POSITIVE) : status;
    status = status == STELE_OK ? fix_kinds(self, "counts", &c->counts, KIND_COUNT) : status;
    for (int64_t j = 0; j < self->counts.n_features; j++) {
        self->fixed[j] = self->fixed[j] == KIND_AUTO ? c->kind : self->fixed[j];
    }
    return status;
}

stele_status features_build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->counts.host;
    const stele_shape shape = stele_shape1(self->counts.n_features);
    stele_status status = stele_declare(h, b, "output", "log_spread", shape, STELE_INIT_ZERO, 0.0,
                                        0.0, &self->log_spread);
    status =
        status == STELE_OK ? h->build->buffer(b, "kind", &shape, KIND_REAL, &self->kind) : status;
    status =
        status == STELE_OK ? h->build->buffer(b, "centre", &shape, 0.0, &self->centre) : status;
    return status == STELE_OK ? h->build->buffer(b, "log_scale", &shape, 0.0, &self->log_scale)
                              : status;
}

/* --- values ---------------------------------------------------------------------------------- */

/* Row r of a view, dense or sparse, in double. */
static void take_row(const stele_view *x, int64_t r, int64_t n, double *ret)
{
    const int sparse = x->layout == STELE_CSR;
    const int64_t begin = sparse ? x->row_start[r] : r * n, end = sparse ? x->row_start[r + 1] : 0;
    const stele_values values = { sizeof values, x->dtype, x->layout, x->data,
                                  &begin,        &end,     x->column };
    for (int64_t j = 0; j < n; j += STELE_CHUNK) {
        stele_row_values_f64(&values, 0, j, n - j < STELE_CHUNK ? n - j : STELE_CHUNK, ret + j);
    }
}

static const char *problem_of(int32_t kind, double v)
{
    if (isinf(v)) {
        return "is infinite";
    }
    if (kind == KIND_POSITIVE && v <= 0.0) {
        return "is not positive";
    }
    if (kind == KIND_COUNT && v < 0.0) {
        return "is negative";
    }
    if (kind == KIND_COUNT && v != floor(v)) {
        return "is not a whole number";
    }
    return kind == KIND_COUNT && v >= STELE_COUNT_LIMIT ? "is no count below 2^24 (16777216)"
                                                        : NULL;
}

/* Kinds that training rows decide are not known here: there only infinity is refused. */
stele_status features_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    const int64_t n = self->counts.n_features;
    double *row = malloc((size_t)n * sizeof *row);
    stele_status status = row != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t r = 0; r < x->shape.dim[0] && status == STELE_OK; r++) {
        take_row(x, r, n, row);
        for (int64_t j = 0; j < n && status == STELE_OK; j++) {
            const char *reason = isnan(row[j]) ? NULL : problem_of(self->fixed[j], row[j]);
            if (reason != NULL) {
                *ret = (stele_bad_value){ r, j, row[j], reason };
                status = STELE_E_DATA;
            }
        }
    }
    free(row);
    return status;
}

/* What the encoder sees, before it is standardised. NaN for what the kind cannot have: training
 * rows that decide on a kind do not know of it, and one value must not end an evaluation of all. */
static double seen_as(int32_t kind, double v)
{
    return kind == KIND_POSITIVE ? (v > 0.0 ? log(v) : NAN)
           : kind == KIND_COUNT  ? (v >= 0.0 ? log1p(v) : NAN)
                                 : v;
}

/* --- fit ------------------------------------------------------------------------------------- */

/* Of one feature over the training rows, in each way of seeing it: mean and sum of squared
 * deviations (Welford 1962). */
typedef struct column {
    double n, least, fractions; /* fractions: values that are not whole */
    double mean[KIND_COUNT + 1], squares[KIND_COUNT + 1];
} column;

static void add_value(column *c, double v)
{
    if (isnan(v)) {
        return;
    }
    c->least = c->n > 0.0 ? fmin(c->least, v) : v;
    c->n += 1.0;
    c->fractions += v != floor(v) || v >= STELE_COUNT_LIMIT;
    for (int32_t kind = KIND_REAL; kind <= KIND_COUNT; kind++) {
        const double d = seen_as(kind, v) - c->mean[kind];
        c->mean[kind] += d / c->n;
        c->squares[kind] += d * d * (c->n - 1.0) / c->n;
    }
}

static int32_t kind_of(const column *c, int32_t fixed)
{
    return fixed != KIND_AUTO                       ? fixed
           : c->n == 0.0                            ? KIND_REAL
           : c->fractions == 0.0 && c->least >= 0.0 ? KIND_COUNT
           : c->least > 0.0                         ? KIND_POSITIVE
                                                    : KIND_REAL;
}

/* Counts start at the dispersion that their variance shows. */
static double count_spread(const column *c)
{
    const double mean = c->mean[KIND_REAL], excess = c->squares[KIND_REAL] / c->n - mean;
    const double theta = excess > 0.0 ? mean * mean / excess : 1e3;
    return log(fmax(0.1, fmin(1e3, theta)));
}

static stele_status set_starts(const stele_inst *self, stele_fit *f, const column *list,
                               double *room)
{
    const stele_fit_api *api = self->counts.host->fit;
    const uint64_t n = (uint64_t)self->counts.n_features;
    double *kind = room, *centre = room + n, *scale = centre + n, *bias = scale + n,
           *spread = bias + n;
    for (uint64_t j = 0; j < n; j++) {
        const column *c = &list[j];
        const int32_t k = kind_of(c, self->fixed[j]);
        const double variance = c->n > 0.0 ? c->squares[k] / c->n : 0.0, mean = c->mean[k];
        const int varies = variance > 1e-12 * mean * mean && variance > 1e-300;
        kind[j] = k;
        centre[j] = mean;
        scale[j] = varies ? 0.5 * log(variance) : 0.0; /* else there is nothing to divide by */
        const int counted = k == KIND_COUNT && c->n > 0.0;
        bias[j] = counted ? (log(c->mean[KIND_REAL] + 0.5 / c->n) - mean) * exp(-scale[j]) : 0.0;
        spread[j] = counted ? count_spread(c) : 0.0;
    }
    stele_status status = api->set(f, self->kind, n, kind);
    status = status == STELE_OK ? api->set(f, self->centre, n, centre) : status;
    status = status == STELE_OK ? api->set(f, self->log_scale, n, scale) : status;
    status = status == STELE_OK ? api->set(f, self->bias, n, bias) : status;
    return status == STELE_OK ? api->set(f, self->log_spread, n, spread) : status;
}

stele_status features_fit(const stele_inst *self, stele_fit *f)
{
    const size_t n = (size_t)self->counts.n_features;
    column *list = calloc(n, sizeof *list);
    double *room = calloc(5 * n, sizeof *room);
    stele_view x = { .struct_size = sizeof x };
    stele_status status = list != NULL && room != NULL ? STELE_OK : STELE_E_NOMEM;
    while (status == STELE_OK) {
        status = self->counts.host->fit->next(f, &x);
        if (status != STELE_OK || x.shape.dim[0] == 0) {
            break;
        }
        for (int64_t r = 0; r < x.shape.dim[0]; r++) {
            take_row(&x, r, (int64_t)n, room);
            for (size_t j = 0; j < n; j++) {
                add_value(&list[j], room[j]);
            }
        }
    }
    status = status == STELE_OK ? set_starts(self, f, list, room) : status;
    free(list);
    free(room);
    return status;
}

/* --- encoder --------------------------------------------------------------------------------- */

static double real_at(const stele_view *v, int64_t i)
{
    return v->dtype == STELE_F64 ? ((const double *)v->data)[i]
                                 : (double)((const float *)v->data)[i];
}

/* in: x (rows, features), kinds, centres, log scales. */
static stele_status standardise(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const int64_t features = in[0]->shape.dim[1], all = in[0]->shape.dim[0] * features;
    (void)user;
    (void)n;
    for (int64_t i = 0; i < all; i++) {
        const int64_t j = i % features;
        const double seen = seen_as((int32_t)real_at(in[1], j), real_at(in[0], i));
        const double y = (seen - real_at(in[2], j)) * exp(-real_at(in[3], j));
        if (in[0]->dtype == STELE_F64) {
            ((double *)out)[i] = y;
        } else {
            ((float *)out)[i] = (float)y;
        }
    }
    return STELE_OK;
}

/* 1 where an entry is missing or, while training, hidden. */
static stele_tensor *hidden_entries(const stele_inst *self, stele_graph *g, stele_tensor *y,
                                    const stele_shape *shape)
{
    const stele_ops *ops = self->counts.host->ops;
    stele_tensor *missing = ops->is_nan(g, y);
    if (self->config->input_dropout > 0.0) {
        stele_tensor *all = ops->full(g, shape, 1.0);
        stele_tensor *kept = ops->sign(
            g, ops->dropout(g, all, self->config->input_dropout, 1, STELE_COUNT_STREAM_INPUT));
        missing = ops->maximum(g, missing, ops->sub(g, all, kept));
    }
    return missing;
}

stele_status features_input(const stele_inst *self, stele_graph *g, stele_tensor *x,
                            stele_tensor **ret)
{
    static const stele_custom op = { sizeof op, "standardise", standardise, NULL };
    static const stele_shape scalar = { 0 };
    const stele_host *h = self->counts.host;
    const stele_ops *ops = h->ops;
    stele_shape shape;
    stele_status status = stele_densify(h, g, x, &x);
    status = status == STELE_OK ? ops->shape(x, &shape) : status;
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *in[] = { x, ops->param(g, self->kind), ops->param(g, self->centre),
                           ops->param(g, self->log_scale) };
    stele_tensor *y = ops->custom(g, &op, NULL, 4, in, &shape), *part[2];
    part[1] = hidden_entries(self, g, y, &shape);
    part[0] = ops->where(g, part[1], ops->full(g, &scalar, 0.0), y);
    *ret = self->config->indicator ? ops->concat(g, 2, part, 1) : part[0];
    return ops->status(g);
}

/* --- likelihood ------------------------------------------------------------------------------ */

void features_decode(const stele_inst *self, stele_output *ret)
{
    ret->n_feature = N_ARRAYS;
    ret->feature[CENTRE] = self->centre;
    ret->feature[LOG_SCALE] = self->log_scale;
    ret->feature[SPREAD] = self->log_spread;
    ret->feature[KIND] = self->kind;
}

static const stele_gaussian_terms terms = { .log_variance = SPREAD,
                                            .row_log_variance = -1,
                                            .centre = CENTRE,
                                            .log_scale = LOG_SCALE,
                                            .log_dof = -1,
                                            .floor = LEAST_VARIANCE };

/* The features of a chunk that share a likelihood, side by side. */
typedef struct picked {
    int64_t n, at[STELE_CHUNK];
    double x[STELE_CHUNK], eta[STELE_CHUNK], d_eta[STELE_CHUNK];
    double centre[STELE_CHUNK], log_scale[STELE_CHUNK], spread[STELE_CHUNK], d_spread[STELE_CHUNK];
} picked;

static int32_t kind_at(const stele_block *b, int64_t j)
{
    return (int32_t)stele_block_feature(b, KIND, j);
}

static double log_mean_at(const stele_block *b, int64_t r, int64_t j)
{
    return stele_block_feature(b, CENTRE, j) +
           exp(stele_block_feature(b, LOG_SCALE, j)) * stele_block_eta(b, 0, r, j);
}

static void pick(const stele_block *b, int64_t r, int64_t j, double x, picked *p)
{
    const int counts = kind_at(b, j) == KIND_COUNT;
    p->at[p->n] = j;
    p->x[p->n] = x;
    p->eta[p->n] = counts ? log_mean_at(b, r, j) : stele_block_eta(b, 0, r, j);
    p->centre[p->n] = stele_block_feature(b, CENTRE, j);
    p->log_scale[p->n] = stele_block_feature(b, LOG_SCALE, j);
    p->spread[p->n] = stele_block_feature(b, SPREAD, j);
    p->d_spread[p->n] = 0.0;
    p->n++;
}

static void evaluate(const stele_vec *vec, const stele_block *b, int64_t r, int counts, picked *p)
{
    static const int64_t begin = 0;
    const double w = b->d_eta != NULL ? stele_block_real(b, b->weight, r) : 0.0;
    const stele_values x = { .struct_size = sizeof x,
                             .dtype = STELE_F64,
                             .layout = STELE_DENSE,
                             .data = p->x,
                             .begin = &begin };
    const void *eta = p->eta, *of_real[] = { p->centre, p->log_scale, p->spread },
               *of_count[] = { p->spread };
    void *d_eta = p->d_eta, *d_real[] = { NULL, NULL, p->d_spread }, *d_count[] = { p->d_spread };
    const stele_block own = { .struct_size = sizeof own,
                              .dtype = STELE_F64,
                              .n_eta = 1,
                              .n_rows = 1,
                              .n_features = p->n,
                              .eta = &eta,
                              .d_eta = b->d_eta != NULL ? &d_eta : NULL,
                              .feature = counts ? of_count : of_real,
                              .d_feature = b->d_eta == NULL ? NULL
                                           : counts         ? d_count
                                                            : d_real,
                              .weight = &w,
                              .x = &x,
                              .log_prob = &b->log_prob[r] };
    if (counts) {
        stele_negative_binomial_f64(vec, &own);
    } else {
        stele_gaussian_f64(vec, &own, &terms);
    }
}

/* A log mean grows by the feature's scale with eta. */
static void put_back(const stele_block *b, int64_t r, int counts, const picked *p)
{
    for (int64_t i = 0; i < p->n; i++) {
        const int64_t j = p->at[i];
        const double slope = counts ? exp(p->log_scale[i]) : 1.0;
        stele_block_put(b, b->d_eta[0], r * b->n_features + j, slope * p->d_eta[i]);
        if (b->d_feature != NULL && b->d_feature[SPREAD] != NULL) {
            stele_block_put(b, b->d_feature[SPREAD], j,
                            stele_block_real(b, b->d_feature[SPREAD], j) + p->d_spread[i]);
        }
    }
}

/* Features j0 .. j0 + n - 1 of the block. The density of a positive x is that of its logarithm over
 * x. */
static void one_chunk(const stele_vec *vec, const stele_block *b, int64_t r, int64_t j0, int64_t n)
{
    double x[STELE_CHUNK];
    picked real, count;
    real.n = count.n = 0;
    stele_row_values_f64(b->x, r, b->first + j0, n, x);
    for (int64_t i = 0; i < n; i++) {
        const int32_t kind = kind_at(b, j0 + i);
        const double seen = seen_as(kind, x[i]);
        if (kind == KIND_COUNT) {
            pick(b, r, j0 + i, isnan(seen) ? NAN : x[i], &count);
        } else {
            pick(b, r, j0 + i, seen, &real);
            b->log_prob[r] -= kind == KIND_POSITIVE && !isnan(seen) ? seen : 0.0;
        }
    }
    picked *const part[] = { &real, &count };
    for (int k = 0; k < 2; k++) {
        if (part[k]->n > 0) {
            evaluate(vec, b, r, k, part[k]);
        }
        if (b->d_eta != NULL) {
            put_back(b, r, k, part[k]);
        }
    }
}

stele_status features_likelihood(const stele_inst *self, const stele_block *b)
{
    for (int64_t r = 0; r < b->n_rows; r++) {
        for (int64_t j = 0; j < b->n_features; j += STELE_CHUNK) {
            const int64_t left = b->n_features - j;
            one_chunk(self->counts.host->vec, b, r, j, left < STELE_CHUNK ? left : STELE_CHUNK);
        }
    }
    return STELE_OK;
}

/* --- draws ----------------------------------------------------------------------------------- */

/* Of a log-normal x, with m and v those of log x: mean exp(m + v / 2), mode exp(m - v). */
static double draw_one(const stele_block *b, uint32_t what, int64_t r, int64_t j, const double *u)
{
    const int32_t kind = kind_at(b, j);
    const double scale = exp(stele_block_feature(b, LOG_SCALE, j));
    const double spread = stele_block_feature(b, SPREAD, j);
    double y = stele_block_eta(b, 0, r, j);
    if (kind == KIND_COUNT) {
        const double mean = exp(log_mean_at(b, r, j)), theta = exp(spread);
        return what == STELE_DRAW_SAMPLE ? stele_nb_quantile(mean, theta, u[0])
               : what == STELE_DRAW_MODE ? stele_nb_mode(mean, theta)
                                         : mean;
    }
    if (what == STELE_DRAW_SAMPLE) {
        y += stele_gaussian_noise(b, &terms, r, j, u[0], u[1]);
    }
    y = stele_block_feature(b, CENTRE, j) + scale * y;
    if (kind != KIND_POSITIVE || what == STELE_DRAW_SAMPLE) {
        return kind == KIND_POSITIVE ? exp(y) : y;
    }
    const double v = scale * scale * (LEAST_VARIANCE + stele_gaussian_exp(spread));
    return exp(what == STELE_DRAW_MODE ? y - v : y + 0.5 * v);
}

stele_status features_draw(const stele_block *b, const stele_draw *d)
{
    return stele_draw_elements(b, d, 2, draw_one);
}
