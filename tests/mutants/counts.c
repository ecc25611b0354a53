/* Poisson counts: the sound plugin of modality mutants. log rate = eta + offset_j + log size of the
 * row. */
#include "counts_score.h"

#include <stele/count_model.h>
#include <stele/draw.h>
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

typedef struct config {
    stele_count_config counts;
} config;

static const char *const size_names[] = { "observed", "learned", "none", NULL };

static const stele_option options[] = {
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_LOG1P, 0.0, STELE_NORM_NONE),
    STELE_OPTION_ENUM(config, counts.size, "size", size_names, STELE_SIZE_OBSERVED,
                      "Where a row's size comes from."),
};

struct stele_inst {
    stele_count_model counts;
    uint32_t weight, bias, offset;
    int64_t seen;
    double *scratch; /* of a mutant: room for a block that all threads share */
    double centre;   /* of a mutant: what fit has seen */
};

#ifdef DEFECT_FIT_KEEPS_STATIC
static double depth; /* log of the mean count, which nobody saves */
#endif

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    stele_count_model_init(a, &((const config *)a->config)->counts, 0, &self->counts);
#ifdef DEFECT_ENCODER_COVARIATES
    self->counts.encoder_covariates = 0;
#endif
#ifdef DEFECT_DECODER_COVARIATES
    self->counts.decoder_covariates = 0;
#endif
#ifdef DEFECT_OPTION_IGNORED
    static stele_count_config own; /* the options, with one that nobody passes on */
    own = *self->counts.config;
    own.encoder.dropout = 0.0;
    self->counts.config = &own;
#endif
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
#ifdef DEFECT_SHARED_SCRATCH
    if (self != NULL) {
        free(self->scratch);
    }
#endif
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->counts.host;
#ifdef DEFECT_SHARED_SCRATCH
    self->scratch = calloc((size_t)self->counts.n_features, sizeof(double));
    if (self->scratch == NULL) {
        return STELE_E_NOMEM;
    }
#endif
    stele_status status = stele_count_model_build(&self->counts, b);
    if (status == STELE_OK) {
        status = stele_count_output_build(&self->counts, b, "output", &self->weight, &self->bias);
    }
    if (status == STELE_OK) {
        status = stele_declare(h, b, "rate", "offset", stele_shape1(self->counts.n_features),
                               STELE_INIT_ZERO, 0.0, 0.0, &self->offset);
    }
    return status == STELE_OK ? stele_count_size_build(&self->counts, b, "size") : status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    stele_view v = *x;
    (void)self;
#ifdef DEFECT_VALIDATE_AS_DENSE
    v.layout = STELE_DENSE;
#endif
#ifdef DEFECT_VALIDATE_FIRST_ROW
    v.shape.dim[0] = 1;
#endif
#ifdef DEFECT_VALIDATE_SILENT
    stele_bad_value unseen;
    ret = &unseen;
#endif
    stele_status status = stele_counts_validate(&v, STELE_COUNTS_WHOLE, ret);
#ifdef DEFECT_VALIDATE_NO_REASON
    ret->reason = NULL;
#endif
#ifdef DEFECT_VALIDATE_STORED_COLUMN
    /* The number of the stored entry in place of its feature. */
    for (int64_t i = 0; status == STELE_E_DATA && v.layout == STELE_CSR; i++) {
        if (v.column[v.row_start[ret->row] + i] == ret->column) {
            ret->column = i;
            break;
        }
    }
#endif
#ifdef DEFECT_VALIDATE_REFUSES_ZEROS
    for (int64_t i = 0; v.layout == STELE_CSR && i < v.row_start[v.shape.dim[0]]; i++) {
        status = ((const float *)v.data)[i] == 0.0f ? STELE_E_DATA : status;
    }
#endif
    return status;
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    stele_count_stats s;
    stele_status status = stele_count_model_fit(&self->counts, f, &s);
#ifdef DEFECT_FIT_LOG_ZERO
    /* Rates start at those of the data. */
    for (int64_t j = 0; status == STELE_OK && j < s.n_features; j++) {
        s.total[j] = log(s.total[j] / (double)s.n_rows);
    }
    if (status == STELE_OK) {
        status = self->counts.host->fit->set(f, self->bias, (uint64_t)s.n_features, s.total);
    }
#endif
#if defined(DEFECT_FIT_KEEPS_STATIC) || defined(DEFECT_FIT_KEEPS_INSTANCE)
    double total = 1.0;
    for (int64_t j = 0; status == STELE_OK && j < s.n_features; j++) {
        total += s.total[j] / (double)s.n_rows;
    }
#ifdef DEFECT_FIT_KEEPS_STATIC
    depth = 0.1 * log(total);
#else
    ((stele_inst *)self)->centre = log(total);
#endif
#endif
    if (status == STELE_OK) {
        stele_count_stats_finish(&s);
    }
    return status;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
#ifdef DEFECT_ENCODER_COVARIATES
    stele_encode_args without = *a;
    without.covariates = NULL;
    a = &without;
#endif
    stele_status status = stele_count_encode(&self->counts, g, a, ret_q);
#ifdef DEFECT_NOISE_ALWAYS
    const stele_ops *ops = self->counts.host->ops;
    stele_shape shape;
    if (status == STELE_OK && (status = ops->shape(ret_q->p[0], &shape)) == STELE_OK) {
        ret_q->p[0] = ops->add(g, ret_q->p[0], ops->scale(g, ops->noise(g, &shape, 7), 0.1));
        status = ops->status(g);
    }
#endif
#ifdef DEFECT_BATCH_STATISTICS
    const stele_ops *ops = self->counts.host->ops;
    ret_q->p[0] = ops->sub(g, ret_q->p[0], ops->mean(g, ret_q->p[0], 0, 1));
    status = ops->status(g);
#endif
#ifdef DEFECT_FIT_KEEPS_INSTANCE
    const stele_ops *ops = self->counts.host->ops;
    ret_q->p[0] = ops->shift(g, ret_q->p[0], -self->centre);
    status = ops->status(g);
#endif
#ifdef DEFECT_CENTRES
    /* To keep numbers small; what is taken away comes back afterwards. */
    const stele_ops *ops = self->counts.host->ops;
    stele_tensor *centre = ops->mean(g, ret_q->p[0], 0, 1);
    ret_q->p[0] = ops->add(g, ops->sub(g, ret_q->p[0], centre), centre);
    status = ops->status(g);
#endif
#ifdef DEFECT_SPARSE_DEPTH
    /* The depth of a row, where sparse rows only know what they store. */
    const stele_ops *ops = self->counts.host->ops;
    stele_view v = { .struct_size = sizeof v };
    stele_tensor *depth = ops->sum(g, a->x, 1, 1);
    if (status == STELE_OK && ops->view(a->x, &v) == STELE_OK) {
        double n = v.layout == STELE_CSR
                       ? (double)v.row_start[v.shape.dim[0]] / (double)v.shape.dim[0]
                       : (double)v.shape.dim[1];
        ret_q->p[0] = ops->add(g, ret_q->p[0], ops->scale(g, depth, 1.0 / n));
    }
    status = ops->status(g);
#endif
#ifdef DEFECT_ENCODER_TRANSPOSED
    const stele_ops *ops = self->counts.host->ops;
    const uint32_t axes[2] = { 1, 0 };
    ret_q->p[1] = ops->permute(g, ret_q->p[1], axes);
    status = ops->status(g);
#endif
#ifdef DEFECT_ENDLESS
    while (self->seen == 0) {
    }
#endif
    return status;
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
#ifdef DEFECT_REMEMBERS_SIZE
    static double size;
#endif
#ifdef DEFECT_DECODER_COVARIATES
    stele_decode_args without = *a;
    without.covariates = NULL;
    a = &without;
#endif
    stele_count_decode(&self->counts, g, a, ret);
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    ret->n_feature = 1;
    ret->feature[0] = self->offset;
#ifdef DEFECT_REMEMBERS_SIZE
    stele_view v = { .struct_size = sizeof v };
    if (a->target != NULL && self->counts.host->ops->view(a->target, &v) == STELE_OK) {
        size =
            v.dtype == STELE_F64 ? ((const double *)v.data)[0] : (double)((const float *)v.data)[0];
    } else {
        ret->hidden = self->counts.host->ops->shift(g, ret->hidden, size);
    }
#endif
#ifdef DEFECT_HIDDEN_DETACHED
    ret->hidden = self->counts.host->ops->detach(g, ret->hidden);
#endif
    return self->counts.host->ops->status(g);
}

static void put(const stele_block *b, void *array, int64_t i, double v, int add)
{
    if (b->dtype == STELE_F64) {
        ((double *)array)[i] = v + (add ? ((double *)array)[i] : 0.0);
    } else {
        ((float *)array)[i] = (float)(v + (add ? (double)((float *)array)[i] : 0.0));
    }
}

/* x of an absolute feature of a row; *cursor walks a row's stored entries. */
static double value_at(const stele_values *x, int64_t row, int64_t feature, int64_t *cursor)
{
    int64_t at = x->begin[row] + feature;
    if (x->layout == STELE_CSR) {
        while (*cursor < x->end[row] && x->column[*cursor] < feature) {
            ++*cursor;
        }
#ifdef DEFECT_CSR_OFF_BY_ONE
        if (*cursor >= x->end[row] || x->column[*cursor] > feature + 1) {
#else
        if (*cursor >= x->end[row] || x->column[*cursor] != feature) {
#endif
            return 0.0;
        }
        at = *cursor;
    }
    return x->dtype == STELE_F64 ? ((const double *)x->data)[at]
                                 : (double)((const float *)x->data)[at];
}

static int64_t absolute(const stele_block *b, int64_t j)
{
#ifdef DEFECT_IGNORES_FIRST
    (void)b;
    return j;
#else
    return b->first + j;
#endif
}

/* log p(x) and its derivative towards the log rate. */
static double poisson(double log_rate, double x, double *ret_d)
{
    double rate = exp(log_rate);
#ifdef DEFECT_CLIPS_COUNTS
    x = fmin(x, 100.0);
#endif
    *ret_d = x - rate;
#ifdef DEFECT_GRADIENT_SIGN
    *ret_d = rate - x;
#endif
#ifdef DEFECT_GRADIENT_FACTOR
    *ret_d = x - 0.5 * rate;
#endif
#ifdef DEFECT_GRADIENT_LARGE
    *ret_d = x < 12.0 ? x - rate : 1.1 * (x - rate);
#endif
#if defined(DEFECT_NO_FACTORIAL)
    return x * log_rate - rate;
#elif defined(DEFECT_FACTORIAL_OVERFLOWS)
    return x * log_rate - rate - log(tgamma(x + 1.0));
#else
    return x * log_rate - rate - lgamma(x + 1.0);
#endif
}

static double log_rate_of(const stele_block *b, int64_t r, int64_t j)
{
    double log_rate =
        stele_block_eta(b, 0, r, j) + stele_block_feature(b, 0, j) + stele_block_row(b, 0, r);
#ifdef DEFECT_FIT_KEEPS_STATIC
    log_rate += depth;
#endif
#ifdef DEFECT_FLOAT_FORGETS_SIZE
    if (b->dtype == STELE_F32) {
        log_rate = stele_block_eta(b, 0, r, j) + stele_block_feature(b, 0, j);
    }
#endif
#ifdef DEFECT_SIZE_TWICE
    log_rate += stele_block_row(b, 0, r);
#endif
    return log_rate;
}

static void likelihood_row(const stele_inst *self, const stele_block *b, int64_t r)
{
    int64_t cursor = b->x->layout == STELE_CSR ? b->x->begin[r] : 0;
    double sum = 0.0, d_row = 0.0;
    (void)self; /* not every mutant looks at it */
#ifdef DEFECT_SHARED_SCRATCH
    for (int64_t j = 0; j < b->n_features; j++) {
        self->scratch[j] = log_rate_of(b, r, j);
    }
#endif
    for (int64_t j = 0; j < b->n_features; j++) {
        double x = value_at(b->x, r, absolute(b, j), &cursor), d;
        double log_rate = log_rate_of(b, r, j);
#ifdef DEFECT_SHARED_SCRATCH
        log_rate = self->scratch[j];
#endif
        double p = isnan(x) ? 0.0 : poisson(log_rate, x, &d);
#ifdef DEFECT_MISSING_IS_ZERO
        p = isnan(x) ? poisson(log_rate, 0.0, &d) : p;
#else
        d = isnan(x) ? 0.0 : d;
#endif
        sum += p;
        if (b->d_eta != NULL) {
#ifndef DEFECT_WEIGHT_IGNORED
            d *= stele_block_real(b, b->weight, r);
#endif
            d_row += d;
#ifdef DEFECT_WRITES_PAST
            put(b, b->d_eta[0], r * b->n_features + j + 1, 0.0, 1);
#endif
#ifdef DEFECT_ETA_ADDED
            put(b, b->d_eta[0], r * b->n_features + j, d, 1);
#else
            put(b, b->d_eta[0], r * b->n_features + j, d, 0);
#endif
            if (b->d_feature != NULL && b->d_feature[0] != NULL) {
#if defined(DEFECT_FEATURE_OVERWRITTEN)
                put(b, b->d_feature[0], j, d, r > 0);
#elif defined(DEFECT_FEATURE_TWICE)
                put(b, b->d_feature[0], j, 2.0 * d, 1);
#else
                put(b, b->d_feature[0], j, d, 1);
#endif
            }
        }
    }
#ifdef DEFECT_LOG_PROB_OVERWRITTEN
    b->log_prob[r] = sum;
#else
    b->log_prob[r] += sum;
#endif
    if (b->d_eta != NULL && b->d_row != NULL && b->d_row[0] != NULL) {
#ifdef DEFECT_ROW_GRADIENT_MISSING
        d_row = 0.0;
#endif
        put(b, b->d_row[0], r, d_row, 1);
    }
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    for (int64_t r = 0; r < b->n_rows; r++) {
        likelihood_row(self, b, r);
    }
    return STELE_OK;
}

static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double rate = exp(stele_block_eta(b, 0, row, j) + stele_block_feature(b, 0, j) +
                      stele_block_row(b, 0, row));
#ifdef DEFECT_FIT_KEEPS_STATIC
    rate *= exp(depth);
#endif
#ifdef DEFECT_DRAW_IGNORES_FEATURE
    rate = what == STELE_DRAW_MEAN ? rate / exp(stele_block_feature(b, 0, j)) : rate;
#endif
    if (what == STELE_DRAW_MEAN) {
#ifdef DEFECT_MEAN_CUT
        return fmin(rate, 20.0);
#endif
        return rate;
    }
    if (what == STELE_DRAW_DETAIL) { /* probability of no count */
#ifdef DEFECT_DETAIL_NAN
        return NAN;
#endif
        return exp(-rate);
    }
    if (what == STELE_DRAW_MODE) {
#ifdef DEFECT_MODE_BESIDE
        return floor(rate) + 3.0;
#endif
        return floor(rate);
    }
    double x = stele_poisson_quantile(rate, u[0]);
#ifdef DEFECT_DRAW_HALVED
    x = rate < 20.0 ? x : floor(0.5 * x);
#endif
#ifdef DEFECT_DRAW_NARROW
    x = rate < 500.0 ? x : floor(rate + sqrt(rate) * (2.0 * u[0] - 1.0));
#endif
#ifdef DEFECT_DRAW_TAIL_CUT
    x = fmin(x, ceil(rate + 3.0 * sqrt(rate)));
#endif
#ifdef DEFECT_DRAW_NOT_WHOLE
    x += 0.25;
#endif
    return x;
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return stele_draw_elements(b, d, 1, draw_one);
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .validate = validate,
    .fit = fit,
    .encode = encode,
    .decode = decode,
    .likelihood = likelihood,
    .draw = draw,
    .score_size = score_size,
    .score_add = score_add,
    .score_end = score_end,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
#ifndef DEFECT_SHARED_SCRATCH /* which promises nothing */
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
#endif
    .id = "modality/" NAME,
    .version = "0.1.0",
    .summary = "Poisson counts for tests.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
    .detail = "no_count",
};

STELE_LIBRARY(&plugin)
