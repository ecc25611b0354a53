/* modality/gaussian - real-valued features: table columns, log intensities, firing properties.
 *
 *     x_j = m_j + s_j y_j,   y_j ~ N(eta_j, v)   or   eta_j + sqrt(v) T(nu_j),   eta = decoder(z)
 *
 * m and s are mean and standard deviation of the feature over the training rows that have it; they
 * are kept with the model. v belongs to the feature, or to the row as a function of z.
 * Log-densities are those of x in its own unit. A missing entry (NaN) adds nothing to the
 * likelihood and nothing to the encoder but, if wanted, a 1 in its indicator; entries hidden by
 * encoder.input_dropout look the same, and so does a row that a window of rows lacks. */
#include <stele/dense.h>
#include <stele/feature_fit.h>
#include <stele/gaussian.h>
#include <stele/plugin.h>

#include <stdlib.h>

enum { NORMAL = 0, STUDENT_T };
enum { BY_FEATURE = 0, BY_ROW };
static const char *const likelihood_names[] = { "normal", "student_t", NULL };
static const char *const variance_names[] = { "feature", "row", NULL };

typedef struct config {
    stele_dense_config encoder, decoder;
    double input_dropout, input_decay, output_decay, least_variance;
    int32_t likelihood, variance, standardise, indicator;
} config;

static const stele_option options[] = {
    STELE_DENSE_OPTIONS_FROM(config, encoder, "encoder", "[128]", STELE_SILU, STELE_NORM_NONE, 0.0),
    STELE_OPTION_BOOL(
        config, indicator, "encoder.indicator", 1,
        "Show the encoder which entries are missing, beside a 0 in their place; with a "
        "window it always is."),
    STELE_OPTION_F64(config, input_dropout, "encoder.input_dropout", 0.0, 0.0, 0.9,
                     "Mean share of a row's entries hidden from the encoder while training; every "
                     "row draws its own share, uniform between 0 and twice this."),
    STELE_OPTION_F64(config, input_decay, "encoder.input_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the encoder's first layer."),
    STELE_DENSE_OPTIONS_FROM(config, decoder, "decoder", "[128]", STELE_SILU, STELE_NORM_NONE, 0.0),
    STELE_OPTION_F64(config, output_decay, "decoder.output_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the decoder's output layer."),
    STELE_OPTION_ENUM(config, likelihood, "likelihood", likelihood_names, NORMAL,
                      "Normal, or Student's t with learned degrees of freedom for heavy tails."),
    STELE_OPTION_ENUM(config, variance, "variance", variance_names, BY_FEATURE,
                      "What has a variance of its own: every feature, or every row as a function "
                      "of z, so that a noisy row counts for less."),
    STELE_OPTION_F64(config, least_variance, "least_variance", 1e-4, 1e-12, 1e6,
                     "Added to every variance, in units of the standardised features, so that a "
                     "feature which is predicted without error cannot take over."),
    STELE_OPTION_BOOL(config, standardise, "standardise", 1,
                      "Subtract each feature's mean over the training rows and divide by its "
                      "standard deviation."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t n_features, latent, encoder_covariates, decoder_covariates;
    int64_t bins; /* of a window of rows, 0: encode gets the row */
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    uint32_t weight, bias, centre, log_scale, log_variance, log_dof, row_weight, row_bias;
};

enum { STREAM_INPUT = 1, STREAM_ENCODER = 16, STREAM_DECODER = 32 };

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->n_features = a->input->sample.ndim == 1 ? a->input->sample.dim[0] : 0;
    self->latent = (int64_t)a->latent_dim + (int64_t)a->private_dim;
    self->encoder_covariates = a->encoder_covariates;
    self->decoder_covariates = a->decoder_covariates;
    self->bins = a->window_bins;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build_output(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const config *c = self->config;
    stele_shape by_feature = stele_shape1(self->n_features);
    stele_status status = stele_declare(
        h, b, "output", "weight", stele_shape2(self->n_features, self->decoder.out),
        STELE_INIT_UNIFORM, 1.0 / sqrt((double)self->decoder.out), c->output_decay, &self->weight);
    if (status == STELE_OK) {
        status = stele_declare(h, b, "output", "bias", by_feature, STELE_INIT_ZERO, 0.0, 0.0,
                               &self->bias);
    }
    if (status == STELE_OK && c->variance == BY_FEATURE) {
        status = stele_declare(h, b, "output", "log_variance", by_feature, STELE_INIT_ZERO, 0.0,
                               0.0, &self->log_variance);
    } else if (status == STELE_OK) {
        status = stele_declare_linear(h, b, "row_log_variance", self->decoder.out, 1, 1.0,
                                      &self->row_weight, &self->row_bias);
    }
    if (status == STELE_OK && c->likelihood == STUDENT_T) { /* 2 + e^2 degrees of freedom */
        status = stele_declare(h, b, "output", "log_dof", by_feature, STELE_INIT_CONSTANT, 2.0, 0.0,
                               &self->log_dof);
    }
    return status;
}

/* A bin that is absent looks like one of means without it. */
static int shows_missing(const stele_inst *self)
{
    return self->config->indicator || self->bins > 0;
}

/* What the encoder's dense stack sees of a row. */
static int64_t inputs_of(const stele_inst *self)
{
    int64_t rows = self->bins > 0 ? self->bins : 1;
    return rows * self->n_features * (shows_missing(self) ? 2 : 1);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const config *c = self->config;
    stele_shape by_feature = stele_shape1(self->n_features);
    if (self->n_features < 1) {
        return STELE_FAIL(h, STELE_E_SHAPE,
                          "from: the measurement is not one row of features: images are for plugin "
                          "image, windows for signal; else make one extent of them in the file");
    }
    stele_status status =
        stele_dense_build(h, b, "encoder", inputs_of(self), self->encoder_covariates,
                          c->input_decay, &c->encoder, &self->encoder);
    if (status == STELE_OK) {
        status = stele_gaussian_head_build(h, b, self->encoder.out, self->latent, &self->expert);
    }
    if (status == STELE_OK) {
        status = stele_dense_build(h, b, "decoder", self->latent, self->decoder_covariates, 1.0,
                                   &c->decoder, &self->decoder);
    }
    if (status == STELE_OK) {
        status = build_output(self, b);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "centre", &by_feature, 0.0, &self->centre);
    }
    return status != STELE_OK
               ? status
               : h->build->buffer(b, "log_scale", &by_feature, 0.0, &self->log_scale);
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    int64_t n =
        x->layout == STELE_CSR ? x->row_start[x->shape.dim[0]] : x->shape.dim[0] * self->n_features;
    for (int64_t i = 0; i < n; i++) {
        double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                         : (double)((const float *)x->data)[i];
        if (isinf(v)) {
            int64_t r = 0;
            while (x->layout == STELE_CSR && x->row_start[r + 1] <= i) {
                r++;
            }
            ret->row = x->layout == STELE_CSR ? r : i / self->n_features;
            ret->column = x->layout == STELE_CSR ? x->column[i] : i % self->n_features;
            ret->value = v;
            ret->reason = "is infinite";
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

/* --- standardisation --- */

/* Per feature: entries seen, their mean and sum of squared deviations (Welford 1962). */
typedef struct moments {
    double *n, *mean, *squares;
} moments;

static void add_entry(moments *m, int64_t j, double v, double times)
{
    if (isnan(v) || times <= 0.0) {
        return;
    }
    double n = m->n[j] + times, d = v - m->mean[j];
    m->squares[j] += d * d * m->n[j] * times / n;
    m->mean[j] += d * times / n;
    m->n[j] = n;
}

/* `stored`: entries of each column that CSR rows name; the others are zeros. */
static void add_rows(const stele_view *x, int64_t n_features, double *stored, moments *m)
{
    int64_t rows = x->shape.dim[0], n = rows * n_features;
    if (x->layout == STELE_CSR) {
        n = x->row_start[rows];
        memset(stored, 0, (size_t)n_features * sizeof *stored);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t j = x->layout == STELE_CSR ? x->column[i] : i % n_features;
        double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                         : (double)((const float *)x->data)[i];
        stored[j] += 1.0;
        add_entry(m, j, v, 1.0);
    }
    for (int64_t j = 0; j < n_features && x->layout == STELE_CSR; j++) {
        add_entry(m, j, 0.0, (double)rows - stored[j]);
    }
}

static int varies(const moments *m, int64_t j)
{
    const double variance = m->n[j] > 0.0 ? m->squares[j] / m->n[j] : 0.0;
    return variance > 1e-12 * m->mean[j] * m->mean[j] && variance > 1e-300;
}

/* Nothing is learned of a feature without spread. One that a single row has says nothing yet. */
static stele_status report_constant(const stele_inst *self, stele_fit *f, const moments *m)
{
    const stele_host *h = self->host;
    int64_t n = 0, first = 0;
    for (int64_t j = 0; j < self->n_features; j++) {
        if (m->n[j] > 1.0 && !varies(m, j) && n++ == 0) {
            first = j;
        }
    }
    if (n == self->n_features) {
        return STELE_FAIL(h, STELE_E_DATA,
                          "no feature varies over the training rows, to six digits");
    }
    const char *name = n > 0 ? h->fit->feature_name(f, first) : NULL;
    if (n > 0) {
        h->log(h, STELE_LOG_WARNING,
               "%lld of %lld features do not vary over the training rows, to six digits, so that "
               "nothing is learned of them; first: number %lld, counted from 0%s%s",
               (long long)n, (long long)self->n_features, (long long)first,
               name != NULL ? ", " : "", name != NULL ? name : "");
    }
    return STELE_OK;
}

/* A feature without spread keeps its scale of 1: there is nothing to divide by. */
static stele_status set_scales(const stele_inst *self, stele_fit *f, moments *m)
{
    const stele_fit_api *api = self->host->fit;
    for (int64_t j = 0; j < self->n_features; j++) {
        m->squares[j] = varies(m, j) ? 0.5 * log(m->squares[j] / m->n[j]) : 0.0;
    }
    stele_status status = api->set(f, self->centre, (uint64_t)self->n_features, m->mean);
    return status != STELE_OK
               ? status
               : api->set(f, self->log_scale, (uint64_t)self->n_features, m->squares);
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    size_t n = (size_t)self->n_features;
    double *room = calloc(4 * n, sizeof *room);
    if (room == NULL) {
        return STELE_E_NOMEM;
    }
    moments m = { .n = room, .mean = room + n, .squares = room + 2 * n };
    stele_view x = { .struct_size = sizeof x };
    stele_status status = self->host->fit->next(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        add_rows(&x, self->n_features, room + 3 * n, &m);
        status = self->host->fit->next(f, &x);
    }
    status = status == STELE_OK ? report_constant(self, f, &m) : status;
    status = status == STELE_OK && self->config->standardise ? set_scales(self, f, &m) : status;
    free(room);
    return status;
}

/* --- encoder and decoder --- */

/* 1 where an entry of x is missing or, while training, hidden. */
static stele_status hidden_entries(const stele_inst *self, stele_graph *g, stele_tensor *x,
                                   stele_tensor **ret)
{
    const stele_ops *ops = self->host->ops;
    double rate = self->config->input_dropout;
    stele_shape shape;
    *ret = ops->is_nan(g, x);
    stele_status status = ops->shape(x, &shape);
    if (status == STELE_OK && rate > 0.0) {
        stele_tensor *all = ops->full(g, &shape, 1.0);
        stele_tensor *kept = ops->sign(g, ops->dropout(g, all, rate, 1, STREAM_INPUT));
        *ret = ops->maximum(g, *ret, ops->sub(g, all, kept));
    }
    return status;
}

/* x as (n, features) or, with a window, (n, bins, features): standardised features are dense even
 * where the measurement is not. */
static stele_status dense_rows(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                               stele_tensor **ret)
{
    const stele_ops *ops = self->host->ops;
    const stele_shape scalar = { 0 };
    stele_shape shape;
    stele_status status = stele_densify(self->host, g, a->x, ret);
    status = status == STELE_OK ? ops->shape(*ret, &shape) : status;
    if (status != STELE_OK || self->bins == 0) {
        return status;
    }
    const stele_shape each = { 3, 0, { shape.dim[0], self->bins, self->n_features } };
    const stele_shape flag = { 3, 0, { shape.dim[0], self->bins, 1 } };
    /* Sparse rows cannot hold a NaN. */
    *ret = ops->where(g, ops->reshape(g, a->present, &flag), ops->reshape(g, *ret, &each),
                      ops->full(g, &scalar, NAN));
    return ops->status(g);
}

/* (n, inputs): 0 in place of what is missing, with the indicator beside each row. */
static stele_status encoder_input(const stele_inst *self, stele_graph *g,
                                  const stele_encode_args *a, stele_tensor **ret)
{
    const stele_ops *ops = self->host->ops;
    const stele_shape scalar = { 0 };
    stele_tensor *part[2], *x = NULL;
    stele_shape shape;
    stele_status status = dense_rows(self, g, a, &x);
    if (status == STELE_OK) {
        status = hidden_entries(self, g, x, &part[1]);
    }
    status = status == STELE_OK ? ops->shape(x, &shape) : status;
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *scale = ops->exp(g, ops->param(g, self->log_scale));
    stele_tensor *y = ops->div(g, ops->sub(g, x, ops->param(g, self->centre)), scale);
    y = self->config->standardise ? ops->clamp(g, y, -STELE_SEEN_MOST, STELE_SEEN_MOST) : y;
    part[0] = ops->where(g, part[1], ops->full(g, &scalar, 0.0), y);
    *ret = shows_missing(self) ? ops->concat(g, 2, part, -1) : part[0];
    if (self->bins > 0) {
        shape = stele_shape2(shape.dim[0], inputs_of(self));
        *ret = ops->reshape(g, *ret, &shape);
    }
    return STELE_OK;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    stele_tensor *x = NULL;
    stele_status status = encoder_input(self, g, a, &x);
    if (status != STELE_OK) {
        return status;
    }
    x = stele_dense_apply(self->host, g, &self->encoder, x, a->covariates, STREAM_ENCODER);
    stele_gaussian_head_apply(self->host, g, &self->expert, x, ret_q);
    return self->host->ops->status(g);
}

/* Order of the arrays that decode hands to the likelihood. */
enum { CENTRE = 0, LOG_SCALE, FIRST_FREE };

static stele_gaussian_terms terms(const stele_inst *self)
{
    const config *c = self->config;
    int32_t next = FIRST_FREE;
    stele_gaussian_terms t = { -1, -1, CENTRE, LOG_SCALE, -1, 0, c->least_variance };
    if (c->variance == BY_FEATURE) {
        t.log_variance = next++;
    } else {
        t.row_log_variance = 0;
    }
    if (c->likelihood == STUDENT_T) {
        t.log_dof = next;
    }
    return t;
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_gaussian_terms t = terms(self);
    ret->hidden =
        stele_dense_apply(self->host, g, &self->decoder, a->z, a->covariates, STREAM_DECODER);
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    ret->feature[CENTRE] = self->centre;
    ret->feature[LOG_SCALE] = self->log_scale;
    ret->n_feature = FIRST_FREE;
    if (t.log_variance >= 0) {
        ret->feature[ret->n_feature++] = self->log_variance;
    } else {
        ret->row[ret->n_row++] = ops->linear(g, ret->hidden, ops->param(g, self->row_weight),
                                             ops->param(g, self->row_bias));
    }
    if (t.log_dof >= 0) {
        ret->feature[ret->n_feature++] = self->log_dof;
    }
    return ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    stele_gaussian_terms t = terms(self);
    return stele_gaussian(self->host->vec, b, &t);
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    stele_gaussian_terms t = terms(self);
    return stele_gaussian_draw(b, d, &t);
}

/* --- metrics --- */

/* Besides how the features fit: sums over those that any row has. */
typedef struct score {
    stele_feature_fit fit; /* first, so that its address is the score's */
    double error, n_seen;
} score;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(score);
}

/* How one feature fits, and the median of the absolute errors. */
static void score_feature(int64_t n, double *truth, double *predicted, stele_feature_fit *f)
{
    score *sc = (score *)f;
    stele_feature_fit_one(n, truth, predicted, f);
    for (int64_t i = 0; i < n; i++) {
        predicted[i] = fabs(truth[i] - predicted[i]);
    }
    sc->error += n > 0 ? stele_median(n, predicted) : 0.0;
    sc->n_seen += n > 0 ? 1.0 : 0.0;
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    score *sc = state;
    (void)self;
    return stele_feature_fit_each(&sc->fit, s, score_feature);
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    (void)self;
    const score *sc = state;
    stele_status status = stele_feature_fit_read(&sc->fit, capacity, ret, ret_n);
    if (status != STELE_OK || *ret_n >= capacity) {
        return status != STELE_OK ? status : STELE_E_ARG;
    }
    stele_metric_set(&ret[(*ret_n)++], "median_error",
                     sc->n_seen > 0.0 ? sc->error / sc->n_seen : NAN, 0);
    return STELE_OK;
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
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_SAMPLES | STELE_CAP_WINDOW,
    .id = "modality/gaussian",
    .version = "0.1.0",
    .summary = "Real-valued features, normal or with heavy tails, entries may be missing.",
    .license = "BSD-3-Clause",
    .reference = "Kingma and Welling, ICLR 2014, arXiv:1312.6114",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
