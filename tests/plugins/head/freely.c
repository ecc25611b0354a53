/* A head for tests that does what its options say: classes by softmax, numbers by squares, linear
 * in z, with any traits. And something wrong in one slot, if fails.h is told so. */
#include "../fails.h"

#include <stele/dense.h>
#include <stele/metrics.h>

enum { DEFECT_NONE = 0, DEFECT_NAN, DEFECT_SHAPE };
static const char *const defects[] = { "none", "nan", "shape", NULL };

typedef struct config {
    double gradient_scale;
    int32_t own_step, defect;
} config;

static const stele_option options[] = {
    STELE_OPTION_F64(config, gradient_scale, "gradient_scale", 1.0, -10.0, 10.0,
                     "Factor on the derivative towards z."),
    STELE_OPTION_BOOL(config, own_step, "own_step", 0, "Take a step of its own."),
    STELE_OPTION_ENUM(config, defect, "defect", defects, DEFECT_NONE, "What goes wrong."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t latent_dim, n_outputs, n_covariates;
    uint32_t weight, bias, covariates;
    int category;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    FAILS(a->host, "head.create", "no head for %s", a->input->name);
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->latent_dim = a->latent_dim;
    self->n_covariates = a->decoder_covariates;
    self->category = a->input->content == STELE_FIELD_CATEGORY;
    self->n_outputs = self->category ? a->input->n_categories : 1;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    FAILS(self->host, "head.build", "a head cannot be built");
    if (fails_is("FAILS_IN", "head.calibrated")) {
        const stele_shape one = stele_shape1(1);
        const stele_param_spec spec = { .struct_size = sizeof spec,
                                        .name = "sure",
                                        .shape = &one,
                                        .init = STELE_INIT_ZERO,
                                        .flags = STELE_PARAM_CALIBRATED };
        uint32_t id;
        return self->host->build->param(b, &spec, &id);
    }
    stele_status status = stele_declare_linear(self->host, b, "out", self->latent_dim,
                                               self->n_outputs, 1.0, &self->weight, &self->bias);
    if (status == STELE_OK && self->n_covariates > 0) {
        status = stele_declare(self->host, b, "out", "covariates",
                               stele_shape2(self->n_covariates, self->n_outputs), STELE_INIT_ZERO,
                               0.0, 1.0, &self->covariates);
    }
    return status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    FAILS(self->host, "head.traits", "without character");
    ret->gradient_scale = self->config->gradient_scale;
    ret->own_step = (uint32_t)self->config->own_step;
    return STELE_OK;
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    (void)f;
    FAILS(self->host, "head.fit", "the cap does not fit");
    return STELE_OK;
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    FAILS(self->host, "head.predict", "the future is dark");
    *ret_y = ops->linear(g, z, ops->param(g, self->weight), ops->param(g, self->bias));
    if (self->n_covariates > 0) {
        stele_tensor *more = ops->linear(g, covariates, ops->param(g, self->covariates), NULL);
        *ret_y = ops->add(g, *ret_y, more);
    }
    return ops->status(g);
}

/* Cross entropy: -sum_k [code == k] log p_k. */
static stele_tensor *class_loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                                stele_tensor *target)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *log_p = ops->log_softmax(g, y, -1), *rows = NULL;
    stele_view code = { .struct_size = sizeof code };
    if (ops->view(target, &code) != STELE_OK) {
        return NULL;
    }
    stele_shape one = code.shape;
    for (int64_t k = 0; k < self->n_outputs; k++) {
        stele_tensor *is = ops->cast(g, target, ops->dtype(g));
        is = ops->sub(g, is, ops->full(g, &one, (double)k));
        stele_tensor *p = ops->reshape(g, ops->slice(g, log_p, 1, k, k + 1), &one);
        p = ops->where(g, is, ops->full(g, &one, 0.0), p);
        rows = rows != NULL ? ops->sub(g, rows, p) : ops->scale(g, p, -1.0);
    }
    return rows;
}

static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_shape flat;
    FAILS(self->host, "head.loss", "lost its head");
    if (ops->shape(target, &flat) != STELE_OK) {
        return ops->status(g);
    }
    *ret_rows = self->category ? class_loss(self, g, y, target)
                               : ops->square(g, ops->sub(g, ops->reshape(g, y, &flat), target));
    if (self->config->defect == DEFECT_NAN) {
        *ret_rows = ops->log(g, ops->shift(g, ops->scale(g, *ret_rows, 0.0), -1.0));
    } else if (self->config->defect == DEFECT_SHAPE) {
        *ret_rows = ops->sum(g, *ret_rows, STELE_ALL_AXES, 0);
    }
    return ops->status(g);
}

static stele_status score(const stele_inst *self, const stele_head_scored *s, uint32_t capacity,
                          stele_metric *ret, uint32_t *ret_n)
{
    double sum = 0.0;
    FAILS(self->host, "head.score", "nobody kept count");
    for (int64_t r = 0; r < s->n_rows; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        int64_t best = 0;
        for (int64_t k = 1; self->category && k < s->n_outputs; k++) {
            best = y[k] > y[best] ? k : best;
        }
        double distance = self->category ? 0.0 : y[0] - s->number[r];
        sum += self->category ? best == s->code[r] : distance * distance;
    }
    *ret_n = capacity > 0;
    const char *name = self->category ? "accuracy" : "squared_error";
    stele_metric_set(&ret[0], fails_is("FAILS_IN", "head.names") ? "Accuracy" : name,
                     sum / (double)s->n_rows, self->category);
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
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .id = "head/freely",
    .version = "0.1.0",
    .summary = "A head for tests.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
