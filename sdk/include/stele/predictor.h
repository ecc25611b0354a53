/* stele/predictor.h - what heads share: a stack of dense layers on z and covariates, none or several, and a linear
 * output. Carries no host symbol: everything goes through the op table.
 */
#ifndef STELE_PREDICTOR_H
#define STELE_PREDICTOR_H

#include <stele/dense.h>
#include <stele/kinds.h>

/* What a head is shown of z while training: a plugin's traits say so to the host (at_mean). */
enum { STELE_LATENT_SAMPLE = 0, STELE_LATENT_MEAN };
static const char *const stele_latent_names[] = { "sample", "mean", NULL };

/* Part of a plugin's config block; STELE_PREDICTOR_OPTIONS makes its rows. */
typedef struct stele_predictor_config {
    stele_dense_config dense;
    double decay;
    int32_t latent; /* STELE_LATENT_* */
} stele_predictor_config;

/* Rows "hidden", "activation", "dropout", "decay" and "latent" for member fld_ of config type type_; hidden_ and
 * latent_: their defaults, "[64]" and STELE_LATENT_MEAN. */
#define STELE_PREDICTOR_OPTIONS_OF(type_, fld_, hidden_, latent_)                                                      \
    STELE_OPTION_I64_LIST(type_, fld_.dense.hidden, "hidden", hidden_, 1, 65536,                                       \
                          "Widths of the hidden layers; none is a linear prediction."),                                \
        STELE_OPTION_ENUM(type_, fld_.dense.activation, "activation", stele_activation_names, STELE_RELU,              \
                          "Nonlinearity after each hidden layer."),                                                    \
        STELE_OPTION_F64(type_, fld_.dense.dropout, "dropout", 0.0, 0.0, 0.95,                                         \
                         "Share of hidden units silenced while training."),                                            \
        STELE_OPTION_F64(type_, fld_.decay, "decay", 1.0, 0.0, 1e6,                                                    \
                         "Factor on the weight decay of its weights: more for a head on few rows, as in a ridge "      \
                         "regression."),                                                                               \
        STELE_OPTION_ENUM(type_, fld_.latent, "latent", stele_latent_names, latent_,                                   \
                          "What it is shown of z while training: a sample, or the posterior's mean.")
#define STELE_PREDICTOR_OPTIONS(type_, fld_) STELE_PREDICTOR_OPTIONS_OF(type_, fld_, "[]", STELE_LATENT_SAMPLE)

/* Parameter ids, to be kept in the instance. */
typedef struct stele_predictor {
    stele_predictor_config config;
    stele_dense stack;
    int64_t latent_dim, n_covariates;
    uint32_t weight, bias, covariates; /* covariates: where there is no hidden layer */
} stele_predictor;

/* From what create() was given; the lists of `c` have to outlive the predictor. [main & new] */
static inline void stele_predictor_init(const stele_create_args *a, const stele_predictor_config *c,
                                        stele_predictor *ret)
{
    ret->config = *c;
    ret->latent_dim = a->latent_dim;
    ret->n_covariates = a->decoder_covariates;
}

/* Declares the stack and an output layer `name` of n_out units. [main & new] */
static inline stele_status stele_predictor_build(const stele_host *h, stele_build *b, const char *name, int64_t n_out,
                                                 stele_predictor *p)
{
    const double decay = p->config.decay;
    int64_t width = p->latent_dim;
    stele_status status = STELE_OK;
    if (p->config.dense.hidden.n > 0) {
        status =
            stele_dense_build_decayed(h, b, "stack", width, p->n_covariates, decay, decay, &p->config.dense, &p->stack);
        width = p->stack.out;
    } else if (p->n_covariates > 0) {
        double bound = 1.0 / sqrt((double)p->n_covariates);
        status = stele_declare(h, b, name, "covariates", stele_shape2(p->n_covariates, n_out), STELE_INIT_UNIFORM,
                               bound, decay, &p->covariates);
    }
    return status == STELE_OK ? stele_declare_linear(h, b, name, width, n_out, decay, &p->weight, &p->bias) : status;
}

/* (R, n_out) for z (R, latent_dim) and covariates (R, n) or NULL; NULL after an error. [compute] */
static inline stele_tensor *stele_predictor_apply(const stele_host *h, stele_graph *g, const stele_predictor *p,
                                                  stele_tensor *z, stele_tensor *covariates)
{
    const stele_ops *ops = h->ops;
    if (p->config.dense.hidden.n > 0) {
        z = stele_dense_apply(h, g, &p->stack, z, covariates, 0);
    }
    stele_tensor *y = ops->linear(g, z, ops->param(g, p->weight), ops->param(g, p->bias));
    if (p->config.dense.hidden.n == 0 && p->n_covariates > 0) {
        y = ops->add(g, y, ops->linear(g, covariates, ops->param(g, p->covariates), NULL));
    }
    return y;
}

#endif /* STELE_PREDICTOR_H */
