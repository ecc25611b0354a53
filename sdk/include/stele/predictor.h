/* stele/predictor.h - what heads share: a stack of dense layers on z and covariates, none or several, and a linear
 * output. Carries no host symbol: everything goes through the op table.
 */
#ifndef STELE_PREDICTOR_H
#define STELE_PREDICTOR_H

#include <stele/dense.h>
#include <stele/kinds.h>

/* Rows "hidden", "activation" and "dropout" for a stele_dense_config of the config; hidden_: the default, "[64]". */
#define STELE_PREDICTOR_OPTIONS_OF(type_, fld_, hidden_)                                                               \
    STELE_OPTION_I64_LIST(type_, fld_.hidden, "hidden", hidden_, 1, 65536,                                             \
                          "Widths of the hidden layers; none is a linear prediction."),                                \
        STELE_OPTION_ENUM(type_, fld_.activation, "activation", stele_activation_names, STELE_RELU,                    \
                          "Nonlinearity after each hidden layer."),                                                    \
        STELE_OPTION_F64(type_, fld_.dropout, "dropout", 0.0, 0.0, 0.95,                                               \
                         "Share of hidden units silenced while training.")
#define STELE_PREDICTOR_OPTIONS(type_, fld_) STELE_PREDICTOR_OPTIONS_OF(type_, fld_, "[]")

/* Parameter ids, to be kept in the instance. */
typedef struct stele_predictor {
    stele_dense_config config;
    stele_dense stack;
    int64_t latent_dim, n_covariates;
    uint32_t weight, bias, covariates; /* covariates: where there is no hidden layer */
} stele_predictor;

/* From what create() was given; `c` has to outlive the predictor. [main & new] */
static inline void stele_predictor_init(const stele_create_args *a, const stele_dense_config *c, stele_predictor *ret)
{
    ret->config = *c;
    ret->latent_dim = a->latent_dim;
    ret->n_covariates = a->decoder_covariates;
}

/* Declares the stack and an output layer `name` of n_out units. [main & new] */
static inline stele_status stele_predictor_build(const stele_host *h, stele_build *b, const char *name, int64_t n_out,
                                                 stele_predictor *p)
{
    int64_t width = p->latent_dim;
    stele_status status = STELE_OK;
    if (p->config.hidden.n > 0) {
        status = stele_dense_build(h, b, "stack", width, p->n_covariates, 1.0, &p->config, &p->stack);
        width = p->stack.out;
    } else if (p->n_covariates > 0) {
        double bound = 1.0 / sqrt((double)p->n_covariates);
        status = stele_declare(h, b, name, "covariates", stele_shape2(p->n_covariates, n_out), STELE_INIT_UNIFORM,
                               bound, 1.0, &p->covariates);
    }
    return status == STELE_OK ? stele_declare_linear(h, b, name, width, n_out, 1.0, &p->weight, &p->bias) : status;
}

/* (R, n_out) for z (R, latent_dim) and covariates (R, n) or NULL; NULL after an error. [compute] */
static inline stele_tensor *stele_predictor_apply(const stele_host *h, stele_graph *g, const stele_predictor *p,
                                                  stele_tensor *z, stele_tensor *covariates)
{
    const stele_ops *ops = h->ops;
    if (p->config.hidden.n > 0) {
        z = stele_dense_apply(h, g, &p->stack, z, covariates, 0);
    }
    stele_tensor *y = ops->linear(g, z, ops->param(g, p->weight), ops->param(g, p->bias));
    if (p->config.hidden.n == 0 && p->n_covariates > 0) {
        y = ops->add(g, y, ops->linear(g, covariates, ops->param(g, p->covariates), NULL));
    }
    return y;
}

#endif /* STELE_PREDICTOR_H */
