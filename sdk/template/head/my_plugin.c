/* head/my_plugin - tells a class from z by softmax regression.
 *
 *     p(class | z) = softmax(W z + b),   loss = -log p(class of the row | z)
 *
 * With a gradient_scale of 1 z learns to tell the class, with 0 it is only looked at, with -1 it learns to hide it.
 * Go through the steps 1 to 6; rebuild and run stele-check after each.
 */
#include <stele/dense.h>
#include <stele/metrics.h>
#include <stele/plugin.h>

#include <stdlib.h>

/* 1. The options that a spec may set: a member of `config` and a row of `options` each. Rows are checked against the
 * type of their member when this file is compiled. `stele help head/my_plugin` prints them. */
typedef struct config {
    double gradient_scale;
} config;

static const stele_option options[] = {
    STELE_OPTION_F64(config, gradient_scale, "gradient_scale", 1.0, -10.0, 10.0,
                     "Factor on the derivative towards z: 1 learns the class, 0 looks on, -1 hides it."),
};

/* 2. The instance, and which targets it takes: a column of categories, or of numbers. */
struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t latent_dim, n_covariates, n_classes;
    uint32_t weight, bias, covariates; /* ids of parameters */
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->content != STELE_FIELD_CATEGORY) {
        return STELE_FAIL(a->host, STELE_E_DATA, "target: `%s` holds numbers, classes are needed", a->input->name);
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->latent_dim = a->latent_dim;
    self->n_covariates = a->decoder_covariates;
    self->n_classes = a->input->n_categories;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    ret->gradient_scale = self->config->gradient_scale;
    ret->own_step = 0;
    return STELE_OK;
}

/* 3. The parameters, and the prediction for z (rows, latent dimensions): here the logits (rows, classes). */
static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status = stele_declare_linear(self->host, b, "logits", self->latent_dim, self->n_classes, 1.0,
                                               &self->weight, &self->bias);
    if (status == STELE_OK && self->n_covariates > 0) {
        status = stele_declare(self->host, b, "logits", "covariates", stele_shape2(self->n_covariates, self->n_classes),
                               STELE_INIT_UNIFORM, 1.0 / sqrt((double)self->n_covariates), 1.0, &self->covariates);
    }
    return status;
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z, stele_tensor *covariates,
                            stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    *ret_y = ops->linear(g, z, ops->param(g, self->weight), ops->param(g, self->bias));
    if (self->n_covariates > 0) {
        *ret_y = ops->add(g, *ret_y, ops->linear(g, covariates, ops->param(g, self->covariates), NULL));
    }
    return ops->status(g);
}

/* 4. The loss of each row (rows), to be minimised; `target` holds the codes of the rows' classes. */
static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y, stele_tensor *target,
                         stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    const stele_shape scalar = { 0, 0, { 0 } };
    stele_shape rows;
    stele_status status = ops->shape(target, &rows);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *code = ops->cast(g, target, ops->dtype(g)), *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *log_p = ops->log_softmax(g, y, -1), *sum = zero;
    for (int64_t k = 0; k < self->n_classes; k++) {
        stele_tensor *is_other = ops->shift(g, code, -(double)k); /* 0 where the row is of class k */
        stele_tensor *of_class = ops->reshape(g, ops->slice(g, log_p, -1, k, k + 1), &rows);
        sum = ops->sub(g, sum, ops->where(g, is_other, zero, of_class));
    }
    *ret_rows = sum;
    return ops->status(g);
}

/* 5. Figures for held-out rows, which `stele eval` prints. */
static stele_status score(const stele_inst *self, const stele_head_scored *s, uint32_t capacity, stele_metric *ret,
                          uint32_t *ret_n)
{
    double hits = 0.0;
    (void)self;
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    for (int64_t r = 0; r < s->n_rows; r++) {
        const float *y = s->predicted + r * s->n_outputs;
        int64_t best = 0;
        for (int64_t k = 1; k < s->n_outputs; k++) {
            best = y[k] > y[best] ? k : best;
        }
        hits += best == s->code[r];
    }
    stele_metric_set(&ret[0], "accuracy", hits / (double)s->n_rows, 1);
    *ret_n = 1;
    return STELE_OK;
}

/* 6. What the host is told: the functions above, and who made this. Each of `caps` is a promise that stele-check puts
 * to the test; without STELE_CAP_F64 no derivative can be. */
static const stele_head_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .traits = traits,
    .predict = predict,
    .loss = loss,
    .score = score,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/my_plugin",
    .version = "0.1.0",
    .summary = "Class of a row by softmax regression on z.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
