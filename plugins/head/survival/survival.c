/* head/survival - time until an event from z, where some rows were lost sight of before theirs.
 *
 * The target has two columns: a time and whether the event happened then (1) or had not until then
 * (0). A row is at risk up to its time.
 *
 *     cox:     hazard(t | z) = exp(r) lambda(t), r = W stack(z) + b; loss of row i with an event
 *              -r_i + log sum_{j at risk} exp(r_j), ties as Efron 1977 has them (Cox 1972), with
 *              the risk sets of the batch. To it comes, times baseline_weight, the whole likelihood
 *              exp(r_i) Lambda(t_i) - event_i (r_i + log lambda(t_i)) with a lambda constant in
 * each interval. From it lambda is learned; to r it gives the martingale residuals towards all
 * training rows, as the partial likelihood does towards those of the batch. hazard:  h_k =
 * sigmoid(W stack(z) + b), the probability of an event in interval k if there was none before; loss
 * -log h_k of the event's interval and -log(1 - h_k) of all that were lived through to their ends
 * (Brown 1975; Gensheimer and Narasimhan 2019).
 *
 * predict gives r (R, 1), or the logits of h (R, intervals), times a slope and with an offset,
 * which are 1 and 0 in training and fitted to the validation rows afterwards (survival_calibrate).
 * Intervals end where equally many events of the training rows lie between them. */
#include "survival.h"
#include "temperature.h"

#include <stele/metrics.h>
#include <stele/predictor.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COX = 0, HAZARD };
static const char *const model_names[] = { "cox", "hazard", NULL };

typedef struct config {
    stele_predictor_config stack;
    int32_t model;
    double baseline_weight;
    int64_t intervals;
    stele_f64_list horizons;
} config;

static const stele_option options[] = {
    STELE_PREDICTOR_OPTIONS(config, stack),
    STELE_OPTION_ENUM(config, model, "model", model_names, COX,
                      "cox: proportional hazards, by the partial likelihood within the batch; "
                      "hazard: a probability for each interval of time."),
    STELE_OPTION_F64(config, baseline_weight, "baseline_weight", 1.0, 0.0, 1e6,
                     "cox: weight of the whole likelihood beside the partial one; 0: none, and the "
                     "baseline stays that of the training rows without z."),
    STELE_OPTION_I64(config, intervals, "intervals", 20, 1, 1000,
                     "Intervals of time, with equally many events."),
    STELE_OPTION_F64_LIST(
        config, horizons, "horizons", "[]", 0.0, 1e300,
        "Times of which predictions tell the probability of survival; none: three "
        "that divide the events into quarters."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    const char *column[2];
    stele_predictor predictor;
    survival_parts parts;
    uint32_t slope, offset; /* buffers (1), (outputs): calibration */
};

static int is_cox(const stele_inst *self)
{
    return self->config->model == COX;
}

static int64_t n_outputs(const stele_inst *self)
{
    return is_cox(self) ? 1 : self->config->intervals;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    *ret = self;
    self->host = a->host;
    self->config = a->config;
    self->column[0] = a->columns[0];
    self->column[1] = a->columns[1];
    self->parts = (survival_parts){ .host = a->host, .intervals = self->config->intervals };
    stele_predictor_init(a, &self->config->stack, &self->predictor);
    return survival_horizons_check(a->host, &self->config->horizons);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    int64_t n = self->config->intervals;
    stele_shape grid = stele_shape1(n), one = stele_shape1(1),
                outputs = stele_shape1(n_outputs(self));
    stele_status status = stele_predictor_build(h, b, "output", n_outputs(self), &self->predictor);
    if (status == STELE_OK) {
        status = h->build->buffer(b, "slope", &one, 1.0, &self->slope);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "offset", &outputs, 0.0, &self->offset);
    }
    if (status == STELE_OK && is_cox(self)) {
        status = stele_declare(h, b, "baseline", "log_rate", grid, STELE_INIT_ZERO, 0.0, 0.0,
                               &self->parts.log_rate);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "interval_end", &grid, 1.0, &self->parts.end);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "time_unit", &one, 1.0, &self->parts.unit);
    }
    return status == STELE_OK ? h->build->buffer(b, "least_time", &one, 0.0, &self->parts.least)
                              : status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    ret->gradient_scale = 1.0;
    ret->own_step = 0;
    ret->at_mean = self->config->stack.latent == STELE_LATENT_MEAN;
    ret->least_rows = is_cox(self) ? 2 : 1; /* alone at risk the partial likelihood is 1 */
    return STELE_OK;
}

/* --- statistics of the training rows --- */

static void grid_finish(survival_grid *g)
{
    free(g->end);
    free(g->log_rate);
}

static stele_status grid_init(const stele_inst *self, survival_grid *g)
{
    size_t n = (size_t)self->config->intervals;
    *g = (survival_grid){ .n = self->config->intervals, .unit = 1.0 };
    g->end = calloc(n, sizeof *g->end);
    g->log_rate = calloc(n, sizeof *g->log_rate);
    return g->end != NULL && g->log_rate != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* All targets, which come in chunks. */
static stele_status gather(const stele_inst *self, stele_fit *f, double *target)
{
    const stele_host *h = self->host;
    stele_view x = { .struct_size = sizeof x };
    int64_t at = 0;
    stele_status status = h->fit->next(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        memcpy(target + 2 * at, x.data, (size_t)(2 * x.shape.dim[0]) * sizeof *target);
        at += x.shape.dim[0];
        status = h->fit->next(f, &x);
    }
    return status;
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    const stele_host *h = self->host;
    survival_grid g;
    int64_t n = h->fit->n_rows(f);
    double *target = calloc((size_t)(2 * n) + 1, sizeof *target);
    survival_rows rows = { .n = n, .target = target };
    stele_status status = grid_init(self, &g);
    if (target == NULL) {
        status = STELE_E_NOMEM;
    }
    if (status == STELE_OK) {
        status = gather(self, f, target);
    }
    if (status == STELE_OK) {
        status = survival_check(h, &rows, self->column);
    }
    if (status == STELE_OK) {
        status = survival_grid_fit(&rows, &g);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->parts.end, (uint64_t)g.n, g.end);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->parts.unit, 1, &g.unit);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->parts.least, 1, &g.least);
    }
    if (status == STELE_OK && is_cox(self)) {
        status = h->fit->set(f, self->parts.log_rate, (uint64_t)g.n, g.log_rate);
    }
    grid_finish(&g);
    free(target);
    return status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    const survival_rows rows = { .n = x->shape.dim[0], .target = x->data };
    (void)self;
    return survival_validate(&rows, ret);
}

/* --- loss --- */

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *y = stele_predictor_apply(self->host, g, &self->predictor, z, covariates);
    y = ops->mul(g, y, ops->param(g, self->slope));
    *ret_y = ops->add(g, y, ops->param(g, self->offset));
    return ops->status(g);
}

static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    return is_cox(self) ? survival_cox_loss(&self->parts, g, y, target,
                                            self->config->baseline_weight, ret_rows)
                        : survival_hazard_loss(&self->parts, g, y, target, ret_rows);
}

/* --- predictions --- */

static stele_status grid_read(const stele_inst *self, const stele_reader *reader, survival_grid *g)
{
    stele_status status = grid_init(self, g);
    if (status == STELE_OK) {
        status = reader->get(reader, self->parts.end, (uint64_t)g->n, g->end);
    }
    if (status == STELE_OK) {
        status = reader->get(reader, self->parts.unit, 1, &g->unit);
    }
    if (status == STELE_OK) {
        status = reader->get(reader, self->parts.least, 1, &g->least);
    }
    if (status == STELE_OK && is_cox(self)) {
        status = reader->get(reader, self->parts.log_rate, (uint64_t)g->n, g->log_rate);
    }
    return status;
}

/* The prior of the level weighs as 1 / log(2)^2 = 2.1 events do. Rows with fewer say less than
 * that, which knows nothing of them, and without an event every lower level is likelier. */
enum { LEAST_EVENTS = 3 };

static int has_events(const stele_inst *self, const survival_rows *rows, double copies)
{
    const stele_host *h = self->host;
    int64_t n = 0;
    for (int64_t r = 0; r < rows->n; r++) {
        n += rows->target[2 * r + 1] > 0.5;
    }
    n = llround((double)n / copies);
    if (n < LEAST_EVENTS) {
        h->log(h, STELE_LOG_WARNING,
               "not calibrated: %lld of the %lld validation rows with its target have an event in "
               "`%s`, and it takes %d to tell how high curves are; use more validation rows",
               (long long)n, llround((double)rows->n / copies), self->column[1], LEAST_EVENTS);
    }
    return n >= LEAST_EVENTS;
}

static stele_status calibrate(const stele_inst *self, const stele_head_scored *s, stele_fit *f)
{
    const stele_host *h = self->host;
    const survival_rows rows = { .n = s->n_rows, .target = s->number };
    if (!has_events(self, &rows, head_copies(s))) {
        return STELE_OK;
    }
    survival_calibration c = { .offset = calloc((size_t)n_outputs(self), sizeof *c.offset) };
    survival_grid g;
    stele_status status = grid_read(self, s->reader, &g);
    if (c.offset == NULL) {
        status = STELE_E_NOMEM;
    }
    if (status == STELE_OK) {
        status = survival_calibrate(&g, is_cox(self), &rows, s->predicted, head_copies(s), &c);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->slope, 1, &c.slope);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->offset, (uint64_t)n_outputs(self), c.offset);
    }
    grid_finish(&g);
    free(c.offset);
    return status;
}

static survival_curve *curve_of(const stele_inst *self)
{
    return is_cox(self) ? survival_proportional : survival_discrete;
}

/* The log of the hazard ratio, or of the mortality. */
static double risk_of(const stele_inst *self, const survival_grid *g, const float *predicted,
                      const double *cumulative)
{
    return is_cox(self) ? (double)predicted[0] : log(survival_mortality(g, cumulative));
}

static stele_status score(const stele_inst *self, const stele_head_scored *s, uint32_t capacity,
                          stele_metric *ret, uint32_t *ret_n)
{
    survival_grid g;
    survival_rows rows = { .n = s->n_rows, .target = s->number };
    size_t n = (size_t)self->config->intervals, n_rows = (size_t)s->n_rows;
    double *cumulative = calloc(n_rows * n + 1, sizeof *cumulative), brier = 0.0;
    double *risk = calloc(n_rows + 1, sizeof *risk);
    stele_status status = grid_read(self, s->reader, &g);
    if (cumulative == NULL || risk == NULL) {
        status = STELE_E_NOMEM;
    }
    for (int64_t r = 0; status == STELE_OK && r < s->n_rows; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        curve_of(self)(&g, y, cumulative + r * g.n);
        risk[r] = risk_of(self, &g, y, cumulative + r * g.n);
    }
    if (status == STELE_OK) {
        status = survival_brier(&g, &rows, cumulative, &brier);
    }
    if (status == STELE_OK && capacity < 2) {
        status = STELE_E_ARG;
    }
    if (status == STELE_OK) {
        stele_metric_set(&ret[0], "concordance", survival_concordance(&rows, risk), 1);
        stele_metric_set(&ret[1], "integrated_brier", brier, 0);
        *ret_n = 2;
    }
    grid_finish(&g);
    free(cumulative);
    free(risk);
    return status;
}

/* Room for the horizons. */
static double *take_horizons(const stele_inst *self)
{
    return calloc((size_t)self->config->horizons.n + SURVIVAL_QUARTERS, sizeof(double));
}

/* risk, restricted_mean, and the probability of survival at each horizon. */
static stele_status outputs(const stele_inst *self, const stele_reader *reader, uint32_t capacity,
                            stele_head_output *ret, uint32_t *ret_n)
{
    const stele_f64_list *asked = &self->config->horizons;
    survival_grid g;
    int64_t n = 0;
    double *horizon = take_horizons(self);
    stele_status status = grid_read(self, reader, &g);
    status = horizon == NULL ? STELE_E_NOMEM : status;
    if (status == STELE_OK) {
        n = survival_horizons(&g, asked, horizon);
        status = n + 2 > (int64_t)capacity ? STELE_E_ARG : STELE_OK;
    }
    if (status == STELE_OK) {
        survival_horizons_warn(self->host, &g, asked);
        ret[0] = (stele_head_output){ .name = "risk", .category = -1 };
        ret[1] = (stele_head_output){ .name = "restricted_mean", .category = -1 };
        for (int64_t k = 0; k < n; k++) {
            ret[2 + k] = (stele_head_output){ .category = -1 };
            survival_horizon_name(asked->n > 0, horizon[k], ret[2 + k].name);
        }
        *ret_n = (uint32_t)(n + 2);
    }
    grid_finish(&g);
    free(horizon);
    return status;
}

static stele_status show(const stele_inst *self, const stele_head_shown *s)
{
    survival_grid g;
    int64_t n = 0;
    double *horizon = take_horizons(self);
    double *cumulative = calloc((size_t)self->config->intervals, sizeof *cumulative);
    stele_status status = grid_read(self, s->reader, &g);
    if (cumulative == NULL || horizon == NULL) {
        status = STELE_E_NOMEM;
    }
    n = status == STELE_OK ? survival_horizons(&g, &self->config->horizons, horizon) : 0;
    for (int64_t r = 0; status == STELE_OK && r < s->n_rows; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        double *to = s->ret + r * (n + 2);
        curve_of(self)(&g, y, cumulative);
        to[0] = risk_of(self, &g, y, cumulative);
        to[1] = survival_mean(&g, cumulative);
        for (int64_t k = 0; k < n; k++) {
            to[2 + k] = survival_at(&g, cumulative, horizon[k]);
        }
    }
    grid_finish(&g);
    free(cumulative);
    free(horizon);
    return status;
}

static const char *const columns[] = { "time", "event", NULL };

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
    .columns = columns,
    .outputs = outputs,
    .show = show,
    .calibrate = calibrate,
    .validate = validate,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/survival",
    .version = "0.1.0",
    .summary =
        "Time until an event from the latent, with censored rows: proportional hazards, or a "
        "hazard for each interval of time.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
