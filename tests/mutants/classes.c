/* A linear classifier: the sound plugin of mutants of heads whose target is a category. */
#include <stele/metrics.h>
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

struct stele_inst {
    const stele_host *host;
    int64_t latent, classes;
    uint32_t weight, bias, temperature;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->content != STELE_FIELD_CATEGORY) {
        return STELE_FAIL(a->host, STELE_E_DATA, "target: `%s` is no category", a->input->name);
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->latent = a->latent_dim;
    self->classes = a->input->n_categories;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_shape w = { 2, 0, { self->latent, self->classes } }, v = { 1, 0, { self->classes } };
    stele_param_spec spec = {
        .struct_size = sizeof spec, .name = "weight", .shape = &w, .init = STELE_INIT_ZERO
    };
    stele_status status = self->host->build->param(b, &spec, &self->weight);
    stele_shape one = { 1, 0, { 1 } };
    spec.name = "bias";
    spec.shape = &v;
    if (status == STELE_OK) {
        status = self->host->build->buffer(b, "temperature", &one, 1.0, &self->temperature);
    }
    return status == STELE_OK ? self->host->build->param(b, &spec, &self->bias) : status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    (void)self;
    ret->gradient_scale = 1.0;
#ifdef DEFECT_TRAITS_NAN
    ret->gradient_scale = 0.0 / (double)(self->latent - self->latent);
#endif
    return STELE_OK;
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    (void)covariates;
#ifdef DEFECT_Z_DETACHED
    z = ops->detach(g, z);
#endif
    *ret_y = ops->linear(g, z, ops->param(g, self->weight), ops->param(g, self->bias));
    *ret_y = ops->div(g, *ret_y, ops->param(g, self->temperature));
    return ops->status(g);
}

/* -log softmax of the target's class: sum over classes of log p times (class == target). */
static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    int64_t counted = self->classes;
#ifdef DEFECT_LAST_WITHOUT_LOSS
    counted--;
#endif
#ifdef DEFECT_SOFTMAX_TWICE
    y = ops->exp(g, ops->log_softmax(g, y, -1));
#endif
#ifdef DEFECT_LOG_OF_SOFTMAX
    stele_tensor *log_p = ops->log(g, ops->softmax(g, y, -1));
#else
    stele_tensor *log_p = ops->log_softmax(g, y, -1);
#endif
    double *unit = calloc((size_t)(self->classes * self->classes), sizeof *unit);
    float *narrow = calloc((size_t)(self->classes * self->classes), sizeof *narrow);
    if (unit == NULL || narrow == NULL) {
        free(unit);
        free(narrow);
        return STELE_E_NOMEM;
    }
    for (int64_t c = 0; c < counted; c++) {
        unit[c * self->classes + c] = 1.0;
        narrow[c * self->classes + c] = 1.0f;
    }
    stele_shape s = { 2, 0, { self->classes, self->classes } };
    const void *data = ops->dtype(g) == STELE_F64 ? (const void *)unit : (const void *)narrow;
    stele_tensor *one_hot = ops->embedding(g, ops->constant(g, ops->dtype(g), &s, data), target);
    free(unit);
    free(narrow);
    *ret_rows = ops->scale(g, ops->sum(g, ops->mul(g, log_p, one_hot), -1, 0), -1.0);
    return ops->status(g);
}

/* The loss has no weights that it would be without. */
static stele_status log_prob(const stele_inst *self, stele_graph *g, stele_tensor *y,
                             stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *rows = NULL;
    stele_status status = loss(self, g, y, target, &rows);
    double factor = -1.0;
#ifdef DEFECT_LOG_PROB_WEIGHED
    factor = -2.0;
#endif
    *ret_rows = ops->scale(g, rows, factor);
#ifdef DEFECT_LOG_PROB_MEAN
    stele_shape shape = { 0, 0, { 0 } };
    status = ops->shape(rows, &shape);
    *ret_rows = ops->expand(g, ops->mean(g, *ret_rows, -1, 1), &shape);
#endif
    return status == STELE_OK ? ops->status(g) : status;
}

/* Share of rows whose class has the highest logit. */
static stele_status score(const stele_inst *self, const stele_head_scored *s, uint32_t capacity,
                          stele_metric *ret, uint32_t *ret_n)
{
    int64_t hits = 0, n = s->n_rows;
#if defined(DEFECT_SCORE_COUNTS) || defined(DEFECT_SCORE_DRIFTS)
    static int64_t calls;
    calls++;
#endif
#ifdef DEFECT_SCORE_FIRST_HALF
    n /= 2;
#endif
    for (int64_t r = 0; r < n; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        int32_t best = 0;
        for (int32_t c = 1; c < (int32_t)self->classes; c++) {
            best = y[c] > y[best] ? c : best;
        }
        hits += best == s->code[r];
    }
    uint32_t n_metrics = 2;
#ifndef DEFECT_SCORE_PAST_ROOM
    n_metrics = capacity < n_metrics ? capacity : n_metrics;
#endif
    for (uint32_t k = 0; k < n_metrics; k++) {
        stele_metric_set(&ret[k], k == 0 ? "accuracy" : "errors",
                         k == 0 ? (double)hits / (double)n : (double)(n - hits), k == 0);
#ifdef DEFECT_SCORE_DRIFTS
        ret[k].value += 1e-12 * (double)calls;
#endif
#ifdef DEFECT_SCORE_DIRECTION
        ret[k].higher_is_better = !ret[k].higher_is_better;
#endif
    }
    (void)capacity;
    *ret_n = n_metrics;
    return STELE_OK;
}

static stele_status outputs(const stele_inst *self, const stele_reader *reader, uint32_t capacity,
                            stele_head_output *ret, uint32_t *ret_n)
{
    (void)reader;
    if (self->classes > (int64_t)capacity) {
        return STELE_E_ARG;
    }
    for (int64_t c = 0; c < self->classes; c++) {
        ret[c] = (stele_head_output){ .name = "logit", .category = (int32_t)c };
#ifdef DEFECT_SHOW_ROTATED
        ret[c] = (stele_head_output){ .name = "p", .category = (int32_t)c };
#endif
#ifdef DEFECT_OUTPUT_TWICE
        ret[c].category = 0;
#endif
#ifdef DEFECT_OUTPUT_NAME
        ret[c].name[0] = '/';
#endif
    }
    *ret_n = (uint32_t)self->classes;
    return STELE_OK;
}

static stele_status show(const stele_inst *self, const stele_head_shown *s)
{
    int64_t n = s->n_rows * self->classes;
#ifdef DEFECT_SHOW_DRIFTS
    static int64_t calls;
    calls++;
#endif
    for (int64_t i = 0; i < n; i++) {
        s->ret[i] = (double)s->predicted[i];
#ifdef DEFECT_SHOW_DRIFTS
        s->ret[i] += 1e-9 * (double)calls;
#endif
    }
#ifdef DEFECT_SHOW_ROTATED
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = i - i % self->classes;
        double sum = 0.0;
        for (int64_t c = 0; c < self->classes; c++) {
            sum += exp((double)s->predicted[first + c]);
        }
        s->ret[first + (i + 1) % self->classes] = exp((double)s->predicted[i]) / sum;
    }
#endif
#ifdef DEFECT_SHOW_PAST
    s->ret[n] = 1.0;
#endif
    return STELE_OK;
}

/* Cross entropy of all rows with the logits divided. */
static double entropy_at(const stele_head_scored *s, double temperature)
{
    double sum = 0.0;
    for (int64_t r = 0; r < s->n_rows; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        double all = 0.0;
        for (int64_t c = 0; c < s->n_outputs; c++) {
            all += exp((double)y[c] / temperature);
        }
        sum += log(all) - (double)y[s->code[r]] / temperature;
    }
    return sum;
}

static stele_status calibrate(const stele_inst *self, const stele_head_scored *s, stele_fit *f)
{
    double best = 1.0;
    for (double t = 0.25; t < 4.0; t *= 1.05) {
        best = entropy_at(s, t) < entropy_at(s, best) ? t : best;
    }
#ifdef DEFECT_CALIBRATE_INVERTED
    best = 1.0 / best;
#endif
#ifdef DEFECT_CALIBRATE_DRIFTS
    static int calls;
    best *= 1.0 + 1e-3 * calls++;
#endif
#ifdef DEFECT_CALIBRATE_WEIGHTS
    double zero[64] = { 0.0 };
    stele_status status = self->host->fit->set(f, self->bias, (uint64_t)self->classes, zero);
    if (status != STELE_OK) {
        return status;
    }
#endif
    return self->host->fit->set(f, self->temperature, 1, &best);
}

static const stele_head_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .traits = traits,
    .predict = predict,
    .loss = loss,
    .calibrate = calibrate,
    .log_prob = log_prob,
    .score = score,
    .outputs = outputs,
    .show = show,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/" NAME,
    .version = "0.1.0",
    .summary = "Linear classifier for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
