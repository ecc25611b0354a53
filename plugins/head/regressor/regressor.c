/* head/regressor - a number from z.
 *
 *     t = (target - mean) / sd over the training rows,   m = W stack(z) + b
 *     gaussian: loss = (t - m)^2 / (2 s^2) + log s + log(2 pi) / 2,  s learned, for all rows or
 * each huber:    loss = (t - m)^2 / 2 where |t - m| < delta, else delta (|t - m| - delta / 2)
 *
 * Losses are in the standardised unit, so that a weight means the same whatever the target's unit
 * is; predict gives the mean, and the standard deviation where the loss is Gaussian, in the
 * target's own: (R, 2) or (R, 1). Huber 1964. A Huber loss knows no width: that of its errors is
 * fitted to validation rows after training, see noise.h; until then it is the target's own. */
#include "noise.h"
#include "temperature.h"

#include <stele/metrics.h>
#include <stele/plugin.h>
#include <stele/predictor.h>

#include <math.h>
#include <stdlib.h>

enum { GAUSSIAN = 0, HUBER };
#define DELTA       1.0
#define LEAST_SD    0.05
#define LEAST_NOISE 1e-6 /* of the target's standard deviation */
/* Of a standard deviation that is squared in float, with room for what is learned of it, and of one
 * that is not. */
#define LEAST_SQUARED 1e-21
#define MOST_SQUARED  1e18
#define LEAST_FLOAT   1e-37
#define MOST_FLOAT    1e37
enum { SHARED = 0, PER_ROW };
static const char *const loss_names[] = { "gaussian", "huber", NULL };
static const char *const variance_names[] = { "shared", "row", NULL };

typedef struct config {
    stele_predictor_config stack;
    double delta, least_sd;
    int32_t loss, variance;
} config;

static const stele_option options[] = {
    STELE_PREDICTOR_OPTIONS(config, stack),
    STELE_OPTION_ENUM(
        config, loss, "loss", loss_names, GAUSSIAN,
        "gaussian: with a learned standard deviation; huber: for targets with outliers."),
    STELE_OPTION_ENUM(config, variance, "variance", variance_names, SHARED,
                      "gaussian: one standard deviation for all rows, or one that z predicts."),
    STELE_OPTION_F64(
        config, delta, "delta", DELTA, 1e-3, 1e3,
        "huber: from this error on, in standard deviations of the target, the loss grows "
        "linearly."),
    STELE_OPTION_F64(config, least_sd, "least_sd", LEAST_SD, 1e-6, 1.0,
                     "gaussian: standard deviations, in those of the target, are at least this."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    const char *column;
    stele_predictor predictor;
    uint32_t location, scale; /* buffers (1): mean and standard deviation of the training targets */
    uint32_t raw_sd;          /* gaussian, shared: parameter (1) */
    uint32_t sd_factor;       /* gaussian: buffer (1) */
    uint32_t noise;           /* huber: buffer (1), in the target's unit */
};

static int64_t n_outputs(const stele_inst *self)
{
    return self->config->loss == GAUSSIAN && self->config->variance == PER_ROW ? 2 : 1;
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->content != STELE_FIELD_NUMBER) {
        return STELE_FAIL(a->host, STELE_E_DATA,
                          "target: `%s` holds classes, a regressor needs numbers; if they are "
                          "numbers write target_type: number",
                          a->input->name);
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->column = a->columns[0];
    stele_predictor_init(a, &self->config->stack, &self->predictor);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

/* sd = least + softplus(raw): near 1 at first, the spread of the targets themselves. */
#define RAW_OF_ONE 0.541324854612918 /* log(e - 1) */

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    stele_shape one = stele_shape1(1);
    stele_status status = stele_predictor_build(h, b, "output", n_outputs(self), &self->predictor);
    if (status == STELE_OK && self->config->loss == GAUSSIAN && self->config->variance == SHARED) {
        status = stele_declare(h, b, "output", "raw_sd", one, STELE_INIT_CONSTANT, RAW_OF_ONE, 0.0,
                               &self->raw_sd);
    }
    if (status == STELE_OK && self->config->loss == GAUSSIAN) {
        status = h->build->buffer(b, "sd_factor", &one, 1.0, &self->sd_factor);
    }
    if (status == STELE_OK && self->config->loss == HUBER) {
        status = h->build->buffer(b, "noise", &one, 1.0, &self->noise);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "target_mean", &one, 0.0, &self->location);
    }
    return status == STELE_OK ? h->build->buffer(b, "target_sd", &one, 1.0, &self->scale) : status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    ret->gradient_scale = 1.0;
    ret->own_step = 0;
    ret->at_mean = self->config->stack.latent == STELE_LATENT_MEAN;
    return STELE_OK;
}

/* Options of the loss that was not chosen. */
static void warn_of_unused(const stele_host *h, const config *c)
{
    const char *name = c->loss == GAUSSIAN && c->delta != DELTA      ? "delta"
                       : c->loss == HUBER && c->variance == PER_ROW  ? "variance"
                       : c->loss == HUBER && c->least_sd != LEAST_SD ? "least_sd"
                                                                     : NULL;
    if (name != NULL) {
        h->log(h, STELE_LOG_WARNING, "%s: is for loss: %s and changes nothing here", name,
               c->loss == GAUSSIAN ? "huber" : "gaussian");
    }
}

/* The derivative of a Gaussian loss divides by squares of standard deviations, which are down to a
 * share of the target's: float has to hold them. */
static stele_status check_unit(const stele_inst *self, double sd)
{
    const int gaussian = self->config->loss == GAUSSIAN;
    const double least = gaussian ? LEAST_SQUARED / self->config->least_sd : LEAST_FLOAT;
    if (sd >= least && sd <= (gaussian ? MOST_SQUARED : MOST_FLOAT)) {
        return STELE_OK;
    }
    return STELE_FAIL(
        self->host, STELE_E_DATA,
        "target: `%s` has a standard deviation of %.3g over the training rows, %s too "
        "%s for float: give it in another unit",
        self->column, sd, gaussian ? "whose square is" : "which is",
        sd < least ? "small" : "large");
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    const stele_host *h = self->host;
    warn_of_unused(h, self->config);
    stele_view x = { .struct_size = sizeof x };
    double n = 0.0, mean = 0.0, squares = 0.0, sd;
    stele_status status = h->fit->next(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        for (int64_t r = 0; r < x.shape.dim[0]; r++) { /* Welford 1962 */
            double v = ((const double *)x.data)[r], d = v - mean;
            n += 1.0;
            mean += d / n;
            squares += d * (v - mean);
        }
        status = h->fit->next(f, &x);
    }
    sd = n > 0.0 ? sqrt(squares / n) : 0.0;
    if (status == STELE_OK && !(sd > 1e-12 * fabs(mean))) {
        return STELE_FAIL(h, STELE_E_DATA, "target: all training rows have the same value, %g",
                          mean);
    }
    if (status == STELE_OK) {
        status = check_unit(self, sd);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->location, 1, &mean);
    }
    if (status == STELE_OK && self->config->loss == HUBER) {
        status = h->fit->set(f, self->noise, 1, &sd);
    }
    return status == STELE_OK ? h->fit->set(f, self->scale, 1, &sd) : status;
}

/* Column k of y, (R, 1). */
static stele_tensor *column(const stele_ops *ops, stele_graph *g, stele_tensor *y, int64_t k)
{
    return ops->slice(g, y, -1, k, k + 1);
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *y = stele_predictor_apply(self->host, g, &self->predictor, z, covariates);
    stele_tensor *scale = ops->param(g, self->scale), *part[2];
    stele_tensor *mean = column(ops, g, y, 0);
    part[0] = ops->add(g, ops->mul(g, mean, scale), ops->param(g, self->location));
    *ret_y = part[0];
    if (self->config->loss == GAUSSIAN) {
        stele_shape shape = { 0, 0, { 0 } };
        stele_status status = ops->shape(mean, &shape);
        if (status != STELE_OK) {
            return status;
        }
        stele_tensor *raw = self->config->variance == PER_ROW
                                ? column(ops, g, y, 1)
                                : ops->expand(g, ops->param(g, self->raw_sd), &shape);
        stele_tensor *sd = ops->shift(g, ops->softplus(g, raw), self->config->least_sd);
        sd = ops->mul(g, sd, ops->param(g, self->sd_factor));
        part[1] = ops->mul(g, sd, scale);
        *ret_y = ops->concat(g, 2, part, -1);
    }
    return ops->status(g);
}

/* |e| beyond delta grows linearly: c (|e| - c / 2) with c = min(|e|, delta) is both branches. */
static stele_tensor *huber(const stele_ops *ops, stele_graph *g, stele_tensor *error, double delta)
{
    stele_tensor *size = ops->abs(g, error), *least = ops->clamp(g, size, 0.0, delta);
    return ops->mul(g, least, ops->sub(g, size, ops->scale(g, least, 0.5)));
}

/* (R, 1) of targets (R) less predictions. */
static stele_status errors(const stele_ops *ops, stele_graph *g, stele_tensor *y,
                           stele_tensor *target, stele_tensor **ret)
{
    stele_shape shape = { 0, 0, { 0 } };
    stele_status status = ops->shape(y, &shape);
    if (status == STELE_OK) {
        shape.dim[1] = 1;
        *ret = ops->sub(g, ops->reshape(g, target, &shape), column(ops, g, y, 0));
    }
    return status;
}

static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *error = NULL, *rows = NULL;
    stele_status status = errors(ops, g, y, target, &error);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *scale = ops->param(g, self->scale);
    if (self->config->loss == HUBER) {
        rows = huber(ops, g, ops->div(g, error, scale), self->config->delta);
    } else {
        stele_tensor *sd = column(ops, g, y, 1);
        stele_tensor *half = ops->scale(g, ops->square(g, ops->div(g, error, sd)), 0.5);
        stele_tensor *log_sd = ops->log(g, ops->div(g, sd, scale));
        rows = ops->shift(g, ops->add(g, half, log_sd), 0.918938533204672742); /* log(2 pi) / 2 */
    }
    *ret_rows = ops->sum(g, rows, -1, 0);
    return ops->status(g);
}

/* In the target's unit; of Huber's distribution with the width of errors, see noise.h. */
static stele_status log_prob(const stele_inst *self, stele_graph *g, stele_tensor *y,
                             stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    const int gaussian = self->config->loss == GAUSSIAN;
    stele_tensor *error = NULL;
    stele_status status = errors(ops, g, y, target, &error);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *scale = ops->param(g, self->scale);
    /* Rows that were all fitted exactly leave a width of 0, of which there is no density. */
    stele_tensor *sd =
        gaussian ? column(ops, g, y, 1)
                 : ops->maximum(g, ops->param(g, self->noise), ops->scale(g, scale, LEAST_NOISE));
    stele_tensor *u = ops->div(g, error, sd);
    stele_tensor *rows =
        gaussian ? ops->scale(g, ops->square(g, u), 0.5) : huber(ops, g, u, REGRESSOR_BEND);
    rows = ops->add(g, rows, ops->log(g, sd));
    rows = ops->shift(g, rows, gaussian ? 0.918938533204672742 : regressor_robust_log_z());
    *ret_rows = ops->scale(g, ops->sum(g, rows, -1, 0), -1.0);
    return ops->status(g);
}

/* Mean absolute error, its root of squares, the share of variance explained, the share of targets
 * within the 90 % interval, and for a Gaussian the negative log-likelihood in the target's unit. */
static stele_status score(const stele_inst *self, const stele_head_scored *s, uint32_t capacity,
                          stele_metric *ret, uint32_t *ret_n)
{
    int gaussian = self->config->loss == GAUSSIAN;
    double n = (double)s->n_rows, mean = 0.0, total = 0.0, squares = 0.0, absolute = 0.0;
    double inside = 0.0, nats = 0.0, noise = 0.0;
    *ret_n = gaussian ? 5 : 4;
    if (capacity < *ret_n) {
        return STELE_E_ARG;
    }
    stele_status status = gaussian ? STELE_OK : s->reader->get(s->reader, self->noise, 1, &noise);
    if (status != STELE_OK) {
        return status;
    }
    const double reach = gaussian ? 1.6448536269514722 : regressor_robust_quantile(0.95);
    for (int64_t r = 0; r < s->n_rows; r++) {
        mean += s->number[r] / n;
    }
    for (int64_t r = 0; r < s->n_rows; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        double e = s->number[r] - (double)y[0], d = s->number[r] - mean;
        double sd = gaussian ? (double)y[1] : noise;
        total += d * d;
        squares += e * e;
        absolute += fabs(e) / n;
        inside += fabs(e) <= reach * sd;
        if (gaussian) {
            nats += (0.5 * (e / sd) * (e / sd) + log(sd) + 0.918938533204672742) / n;
        }
    }
    stele_metric_set(&ret[0], "mae", absolute, 0);
    stele_metric_set(&ret[1], "rmse", sqrt(squares / n), 0);
    stele_metric_set(
        &ret[2], "r2",
        stele_varies((int64_t)s->n_rows, s->number) && total > 0.0 ? 1.0 - squares / total : NAN,
        1);
    stele_metric_set(&ret[3], "coverage_90", inside / n, 1);
    if (gaussian) {
        stele_metric_set(&ret[4], "negative_log_likelihood", nats, 0);
    }
    return STELE_OK;
}

/* Of the squared errors in units of the predicted variances, the negative log-likelihood with
 * standard deviations times `factor`, less what does not depend on it. */
static double gaussian_loss(const void *ctx, double factor)
{
    const stele_head_scored *s = ctx;
    double sum = 0.0;
    for (int64_t r = 0; r < s->n_rows; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        double e = (s->number[r] - (double)y[0]) / (factor * (double)y[1]);
        sum += 0.5 * e * e + log(factor);
    }
    return sum;
}

static stele_status calibrate(const stele_inst *self, const stele_head_scored *s, stele_fit *f)
{
    if (self->config->loss == HUBER) {
        double *error = calloc((size_t)s->n_rows + 1, sizeof *error), noise = 0.0;
        if (error == NULL) {
            return STELE_E_NOMEM;
        }
        for (int64_t r = 0; r < s->n_rows; r++) {
            error[r] = s->number[r] - (double)s->predicted[r * s->n_outputs];
        }
        noise = regressor_robust_scale(error, s->n_rows, head_copies(s));
        free(error);
        return self->host->fit->set(f, self->noise, 1, &noise);
    }
    double factor = head_factor_fit(gaussian_loss, s, head_copies(s));
    return self->host->fit->set(f, self->sd_factor, 1, &factor);
}

/* The target itself: its mean, or where noise of the standard deviation puts it. */
static stele_status outputs(const stele_inst *self, const stele_reader *reader, uint32_t capacity,
                            stele_head_output *ret, uint32_t *ret_n)
{
    (void)self;
    (void)reader;
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    ret[0] = (stele_head_output){ .name = "", .category = -1 };
    *ret_n = 1;
    return STELE_OK;
}

static stele_status show(const stele_inst *self, const stele_head_shown *s)
{
    int gaussian = self->config->loss == GAUSSIAN;
    double noise = 0.0;
    stele_status status = gaussian ? STELE_OK : s->reader->get(s->reader, self->noise, 1, &noise);
    for (int64_t r = 0; r < s->n_rows && status == STELE_OK; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        s->ret[r] = (double)y[0];
        if (s->uniform != NULL) {
            s->ret[r] += gaussian ? (double)y[1] * regressor_normal_quantile(s->uniform[r])
                                  : noise * regressor_robust_quantile(s->uniform[r]);
        }
    }
    return status;
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
    .id = "head/regressor",
    .version = "0.1.0",
    .summary = "A number from the latent, with a Gaussian or a Huber loss.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
