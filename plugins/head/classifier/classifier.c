/* head/classifier - tells a class from z.
 *
 *     p(class | z) = softmax((W stack(z) + b) / T - log w)
 *
 * predict gives these logits (R, classes), in the order of the target's categories; softmax makes
 * probabilities of them. w are the weights of the classes in the loss, a weighted cross entropy,
 * see classes.h. T is 1 in training and fitted to the validation rows afterwards, see
 * temperature.h. */
#include "classes.h"
#include "scores.h"
#include "temperature.h"

#include <stele/predictor.h>

#include <stdlib.h>

typedef struct config {
    stele_predictor_config stack;
    int32_t class_weights;
    double label_smoothing;
} config;

static const stele_option options[] = {
    STELE_PREDICTOR_OPTIONS(config, stack),
    STELE_OPTION_ENUM(config, class_weights, "class_weights", head_weight_names, HEAD_WEIGHTS_NONE,
                      "How classes weigh in the loss: by their rows, or balanced: all the same. "
                      "Predicted probabilities are those of the data either way."),
    STELE_OPTION_F64(config, label_smoothing, "label_smoothing", 0.0, 0.0, 0.99,
                     "Share of the target that is spread over all classes."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    head_classes classes;
    stele_predictor predictor;
    uint32_t temperature; /* buffer (1) */
};

static void destroy(stele_inst *self)
{
    if (self != NULL) {
        head_classes_finish(&self->classes);
    }
    free(self);
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_status status = head_classes_check(a, "a classifier");
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
    return head_classes_init(a, self->config->class_weights, self->config->label_smoothing,
                             &self->classes);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status =
        stele_predictor_build(self->host, b, "logits", self->classes.n, &self->predictor);
    if (status == STELE_OK) {
        status = head_temperature_build(self->host, b, &self->temperature);
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

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    return head_classes_fit(&self->classes, f);
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    stele_tensor *logits = stele_predictor_apply(self->host, g, &self->predictor, z, covariates);
    logits = head_temperature_apply(self->host, g, self->temperature, logits);
    *ret_y = head_classes_predict(&self->classes, g, logits);
    return self->host->ops->status(g);
}

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
    .id = "head/classifier",
    .version = "0.1.0",
    .summary = "Classes from the latent: softmax cross entropy on a stack of dense layers.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
