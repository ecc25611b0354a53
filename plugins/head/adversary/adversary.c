/* head/adversary - tells a class from z, and has z unlearn it.
 *
 *     p(class | z) = softmax(W stack(z) + b - log w),   loss = cross entropy with weights w of the
 *     classes, see classes.h
 *
 * Its own parameters follow the loss, z goes against it: the derivative that reaches z is reversed
 * (Ganin and Lempitsky 2015), times the head's weight. update: alternating lets the discriminator
 * take a step of its own before each of the model's, with an optimiser state and learning rate of
 * its own, as in Goodfellow et al. 2014; reversal moves both in one step.
 *
 * latent: mean shows it the posterior's mean, which is what is embedded and judged: among the noise
 * of a wide posterior's draws it would overlook what the means still say.
 *
 * With covariates it tells the class from z and those. What they say about the class already is
 * then nothing that z could be asked to hide: z becomes independent of the class given the
 * covariates, not at all costs (Mirza and Osindero 2014 for the conditioning). A label that is
 * confounded with the class, named there, is kept. */
#include "classes.h"
#include "scores.h"

#include <stele/predictor.h>

#include <stdlib.h>

enum { ALTERNATING = 0, REVERSAL };
#define STEP_RATE 1.0
static const char *const update_names[] = { "alternating", "reversal", NULL };

typedef struct config {
    stele_predictor_config stack;
    int32_t update, class_weights;
    double learning_rate;
} config;

static const stele_option options[] = {
    STELE_PREDICTOR_OPTIONS_OF(config, stack, "[64, 64]", STELE_LATENT_MEAN),
    STELE_OPTION_ENUM(config, update, "update", update_names, ALTERNATING,
                      "alternating: a step of its own before each step of the model; reversal: one "
                      "step for both."),
    STELE_OPTION_F64(config, learning_rate, "learning_rate", STEP_RATE, 1e-6, 1e6,
                     "alternating: learning rate of its own steps, over train.optimiser.lr."),
    STELE_OPTION_ENUM(config, class_weights, "class_weights", head_weight_names, HEAD_WEIGHTS_NONE,
                      "How classes weigh in the loss: by their rows, or balanced: all the same. "
                      "Predicted probabilities are those of the data either way."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    head_classes classes;
    stele_predictor predictor;
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
    stele_status status = head_classes_check(a, "an adversary");
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
    return head_classes_init(a, self->config->class_weights, 0.0, &self->classes);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status =
        stele_predictor_build(self->host, b, "logits", self->classes.n, &self->predictor);
    return status == STELE_OK ? head_classes_build(&self->classes, b) : status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    ret->gradient_scale = -1.0;
    ret->own_step = self->config->update == ALTERNATING;
    ret->at_mean = self->config->stack.latent == STELE_LATENT_MEAN;
    ret->step_rate = self->config->learning_rate;
    return STELE_OK;
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    if (self->config->update == REVERSAL && self->config->learning_rate != STEP_RATE) {
        self->host->log(self->host, STELE_LOG_WARNING,
                        "learning_rate: is for update: alternating and changes nothing here");
    }
    return head_classes_fit(&self->classes, f);
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    stele_tensor *y = stele_predictor_apply(self->host, g, &self->predictor, z, covariates);
    *ret_y = head_classes_predict(&self->classes, g, y);
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

/* Share of the most frequent class: what it takes no z to reach. */
static double chance(const head_probabilities *p)
{
    int64_t most = 0;
    for (int64_t k = 0; k < p->n_classes; k++) {
        int64_t n = 0;
        for (int64_t r = 0; r < p->n_rows; r++) {
            n += p->code[r] == (int32_t)k;
        }
        most = n > most ? n : most;
    }
    return (double)most / (double)p->n_rows;
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
        head_metrics_add(&m, "chance", chance(&p), STELE_METRIC_NEITHER);
        status = m.n <= capacity ? STELE_OK : STELE_E_ARG;
    }
    *ret_n = m.n;
    head_probabilities_finish(&p);
    return status;
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
    .log_prob = log_prob,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/adversary",
    .version = "0.1.0",
    .summary = "Takes a class, such as the batch, out of the latent: a discriminator that z works "
               "against.",
    .license = "BSD-3-Clause",
    .reference = "Ganin and Lempitsky 2015, arXiv:1409.7495",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
