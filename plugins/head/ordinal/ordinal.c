/* head/ordinal - tells a class from z where the classes have an order: stages, grades, doses.
 *
 *     P(class <= k | z) = sigmoid(c_k - f),   f = W stack(z) + b,   c_1 < c_2 < ...
 *
 * One number f tells all classes apart (proportional odds, McCullagh 1980). predict gives the
 * logarithms of the classes' probabilities (R, classes), in the order of the target's categories,
 * which the spec's `classes` sets; the loss is their cross entropy, see classes.h. Thresholds start
 * where the training rows' frequencies put them. After training these logarithms are divided by a
 * temperature, see temperature.h, and then are those of probabilities up to a constant. With
 * weights of classes the form above is that of what is learned; predictions are its probabilities
 * over the weights, again up to a constant. */
#include "classes.h"
#include "scores.h"
#include "temperature.h"

#include <stele/predictor.h>

#include <math.h>
#include <stdlib.h>

typedef struct config {
    stele_predictor_config stack;
    int32_t class_weights;
} config;

static const stele_option options[] = {
    STELE_PREDICTOR_OPTIONS(config, stack),
    STELE_OPTION_ENUM(config, class_weights, "class_weights", head_weight_names, HEAD_WEIGHTS_NONE,
                      "How classes weigh in the loss: by their rows, or balanced: all the same. "
                      "Predicted probabilities are those of the data either way."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    head_classes classes;
    stele_predictor predictor;
    uint32_t temperature;    /* buffer (1) */
    uint32_t first, raw_gap; /* parameters (1), (classes - 2) */
    /* (classes - 2, classes - 2) ones on and above the diagonal: sums of the gaps so far. */
    float *sum_f32;
    double *sum_f64;
};

/* Thresholds are at least this far apart: no class has probability 0. */
#define LEAST_GAP 1e-3

static void destroy(stele_inst *self)
{
    if (self != NULL) {
        head_classes_finish(&self->classes);
        free(self->sum_f32);
        free(self->sum_f64);
    }
    free(self);
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_status status = head_classes_check(a, "an ordinal head");
    if (status != STELE_OK) {
        return status;
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    *ret = self;
    self->host = a->host;
    self->config = a->config;
    stele_predictor_init(a, &self->config->stack, &self->predictor);
    status = head_classes_init(a, self->config->class_weights, 0.0, &self->classes);
    size_t n = (size_t)a->input->n_categories - 2;
    self->sum_f32 = calloc(n * n + 1, sizeof *self->sum_f32);
    self->sum_f64 = calloc(n * n + 1, sizeof *self->sum_f64);
    if (self->sum_f32 == NULL || self->sum_f64 == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i; k < n; k++) {
            self->sum_f32[i * n + k] = 1.0f;
            self->sum_f64[i * n + k] = 1.0;
        }
    }
    return status;
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    int64_t n_gaps = self->classes.n - 2;
    stele_status status = stele_predictor_build(h, b, "output", 1, &self->predictor);
    if (status == STELE_OK) {
        status = stele_declare(h, b, "threshold", "first", stele_shape1(1), STELE_INIT_CONSTANT,
                               -1.0, 0.0, &self->first);
    }
    if (status == STELE_OK) {
        status = head_temperature_build(h, b, &self->temperature);
    }
    if (status == STELE_OK && n_gaps > 0) {
        status = stele_declare(h, b, "threshold", "raw_gap", stele_shape1(n_gaps),
                               STELE_INIT_CONSTANT, 0.5, 0.0, &self->raw_gap);
    }
    return status == STELE_OK ? head_classes_build(&self->classes, b) : status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    ret->gradient_scale = 1.0;
    ret->own_step = 0;
    ret->at_mean = self->config->stack.latent == STELE_LATENT_MEAN;
    return STELE_OK;
}

/* --- thresholds of the training rows --- */

static double logit(double p)
{
    return log(p / (1.0 - p));
}

/* Log odds of being at or below each class but the last, of counts that half a row is added to. */
static stele_status set_thresholds(const stele_inst *self, stele_fit *f, const double *count)
{
    const stele_host *h = self->host;
    int64_t n = self->classes.n;
    double total = 0.0, below = 0.0, last = 0.0, first = 0.0;
    double *raw = calloc((size_t)n, sizeof *raw);
    if (raw == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t k = 0; k < n; k++) {
        total += count[k] + 0.5;
    }
    for (int64_t k = 0; k + 1 < n; k++) {
        below += (count[k] + 0.5) / total;
        double now = logit(below);
        if (k == 0) {
            first = now;
        } else {
            double gap = fmax(now - last - LEAST_GAP, 1e-6);
            raw[k - 1] = log(expm1(gap));
        }
        last = now;
    }
    stele_status status = h->fit->set(f, self->first, 1, &first);
    if (status == STELE_OK && n > 2) {
        status = h->fit->set(f, self->raw_gap, (uint64_t)(n - 2), raw);
    }
    free(raw);
    return status;
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    double *count = calloc((size_t)self->classes.n, sizeof *count);
    stele_status status =
        count != NULL ? head_classes_count(&self->classes, f, count) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = set_thresholds(self, f, count);
    }
    if (status == STELE_OK) {
        status = head_classes_set(&self->classes, f, count);
    }
    free(count);
    return status;
}

/* --- prediction --- */

/* c_2 - c_1 and so on, (1, classes - 2). */
static stele_tensor *gaps(const stele_inst *self, stele_graph *g)
{
    const stele_ops *ops = self->host->ops;
    stele_shape row = stele_shape2(1, self->classes.n - 2);
    stele_tensor *gap = ops->softplus(g, ops->param(g, self->raw_gap));
    return ops->reshape(g, ops->shift(g, gap, LEAST_GAP), &row);
}

/* (1, classes - 1) */
static stele_tensor *thresholds(const stele_inst *self, stele_graph *g, stele_tensor *gap)
{
    const stele_ops *ops = self->host->ops;
    int64_t n = self->classes.n - 2;
    stele_shape one = stele_shape2(1, 1), square = stele_shape2(n, n);
    const void *sum = ops->dtype(g) == STELE_F64 ? (const void *)self->sum_f64 : self->sum_f32;
    stele_tensor *part[2] = { ops->reshape(g, ops->param(g, self->first), &one), NULL };
    if (n == 0) {
        return part[0];
    }
    stele_tensor *sums = ops->constant(g, ops->dtype(g), &square, sum);
    part[1] = ops->add(g, part[0], ops->linear(g, gap, sums, NULL));
    return ops->concat(g, 2, part, -1);
}

/* With a and b the predictors of the thresholds below and above a class:
 * log(sigmoid(b) - sigmoid(a)) = -softplus(-b) - softplus(a) + log(1 - exp(a - b)). */
static stele_tensor *log_p(const stele_inst *self, stele_graph *g, stele_tensor *f)
{
    const stele_ops *ops = self->host->ops;
    int64_t n = self->classes.n;
    stele_shape one = stele_shape2(1, 1);
    stele_tensor *gap = n > 2 ? gaps(self, g) : NULL;
    stele_tensor *eta = ops->sub(g, thresholds(self, g, gap), f);
    stele_tensor *none = ops->scale(g, f, 0.0), *end = ops->full(g, &one, 0.0);
    stele_tensor *above[] = { ops->softplus(g, ops->scale(g, eta, -1.0)), none };
    stele_tensor *below[] = { none, ops->softplus(g, eta) };
    stele_tensor *y = ops->add(g, ops->concat(g, 2, above, -1), ops->concat(g, 2, below, -1));
    y = ops->scale(g, y, -1.0);
    if (n > 2) {
        stele_tensor *apart = ops->expm1(g, ops->scale(g, gap, -1.0));
        stele_tensor *part[] = { end, ops->log(g, ops->scale(g, apart, -1.0)), end };
        y = ops->add(g, y, ops->concat(g, 3, part, -1));
    }
    return y;
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    stele_tensor *f = stele_predictor_apply(self->host, g, &self->predictor, z, covariates);
    stele_tensor *y = head_temperature_apply(self->host, g, self->temperature, log_p(self, g, f));
    *ret_y = head_classes_predict(&self->classes, g, y);
    return self->host->ops->status(g);
}

/* In training, log softmax of logarithms that sum to one leaves them as they are. */
static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    *ret_rows = head_classes_loss(&self->classes, g, y, target);
    return self->host->ops->status(g);
}

static stele_status log_prob(const stele_inst *self, stele_graph *g, stele_tensor *y,
                             stele_tensor *target, stele_tensor **ret_rows)
{
    *ret_rows = head_classes_log_prob(&self->classes, g, y, target);
    return self->host->ops->status(g);
}

static stele_status score(const stele_inst *self, const stele_head_scored *s, uint32_t capacity,
                          stele_metric *ret, uint32_t *ret_n)
{
    head_metrics m = { .metric = ret, .capacity = capacity };
    head_probabilities p;
    stele_status status = head_probabilities_init(s, &p);
    (void)self;
    if (status == STELE_OK) {
        status = head_score_accuracy(&p, &m);
    }
    if (status == STELE_OK) {
        head_score_steps(&p, &m);
        status = head_score_ranking(&p, &m);
    }
    if (status == STELE_OK) {
        head_score_calibration(&p, &m);
        status = m.n <= capacity ? STELE_OK : STELE_E_ARG;
    }
    *ret_n = m.n;
    head_probabilities_finish(&p);
    return status;
}

static stele_status calibrate(const stele_inst *self, const stele_head_scored *s, stele_fit *f)
{
    return head_temperature_fit(&self->classes, f, self->temperature, s);
}

static stele_status outputs(const stele_inst *self, const stele_reader *reader, uint32_t capacity,
                            stele_head_output *ret, uint32_t *ret_n)
{
    (void)reader;
    return head_classes_outputs(self->classes.n, capacity, ret, ret_n);
}

static stele_status show(const stele_inst *self, const stele_head_shown *s)
{
    head_classes_show(self->classes.n, s);
    return STELE_OK;
}

static const stele_head_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .traits = traits,
    .fit = fit,
    .predict = predict,
    .loss = loss,
    .score = score,
    .outputs = outputs,
    .show = show,
    .calibrate = calibrate,
    .log_prob = log_prob,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/ordinal",
    .version = "0.1.0",
    .summary = "Ordered classes from the latent: proportional odds on a stack of dense layers.",
    .license = "BSD-3-Clause",
    .reference = "McCullagh 1980, J. R. Stat. Soc. B 42, 109",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
