/* stele/dense.h - blocks that encoders and decoders share: a stack of dense layers with normalisation, activation and
 * dropout, and the Gaussian expert on top. Carries no host symbol: everything goes through the op table.
 */
#ifndef STELE_DENSE_H
#define STELE_DENSE_H

#include <stele/host.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STELE_DENSE_MAX 8

enum { STELE_RELU = 0, STELE_LEAKY_RELU, STELE_GELU, STELE_SILU, STELE_TANH };
enum { STELE_NORM_NONE = 0, STELE_NORM_LAYER };
static const char *const stele_activation_names[] = { "relu", "leaky_relu", "gelu", "silu", "tanh", NULL };
static const char *const stele_norm_names[] = { "none", "layer", NULL };

/* Encoders of standardised features see values beyond this, in standard deviations, as lying there: one entry far from
 * what training rows have should not decide the posterior of its row. */
#define STELE_SEEN_MOST 10.0

/* Part of a plugin's config block; STELE_DENSE_OPTIONS makes its rows. */
typedef struct stele_dense_config {
    stele_i64_list hidden;
    double dropout;
    int32_t activation, norm;
} stele_dense_config;

/* Rows "PREFIX.hidden", "PREFIX.activation", ... for member fld_ of config type type_. */
#define STELE_DENSE_OPTIONS(type_, fld_, prefix_, hidden_, dropout_)                                                   \
    STELE_DENSE_OPTIONS_FROM(type_, fld_, prefix_, hidden_, STELE_RELU, STELE_NORM_NONE, dropout_)
/* The same with the defaults of activation and norm, STELE_RELU ... and STELE_NORM_*. */
#define STELE_DENSE_OPTIONS_FROM(type_, fld_, prefix_, hidden_, activation_, norm_, dropout_)                          \
    STELE_OPTION_I64_LIST(type_, fld_.hidden, prefix_ ".hidden", hidden_, 1, 65536,                                    \
                          "Widths of the hidden layers, first to last; [] is none."),                                  \
        STELE_OPTION_ENUM(type_, fld_.activation, prefix_ ".activation", stele_activation_names, activation_,          \
                          "Nonlinearity after each hidden layer."),                                                    \
        STELE_OPTION_ENUM(type_, fld_.norm, prefix_ ".norm", stele_norm_names, norm_,                                  \
                          "Normalisation before each nonlinearity."),                                                  \
        STELE_OPTION_F64(type_, fld_.dropout, prefix_ ".dropout", dropout_, 0.0, 0.95,                                 \
                         "Share of hidden units silenced while training.")

/* A built stack: parameter ids, to be kept in the instance. */
typedef struct stele_dense {
    stele_dense_config config;
    uint32_t n, covariate_weight; /* id, valid if n_covariates > 0 */
    int64_t in, out, n_covariates;
    uint32_t weight[STELE_DENSE_MAX], bias[STELE_DENSE_MAX], gain[STELE_DENSE_MAX], shift[STELE_DENSE_MAX];
} stele_dense;

static inline stele_shape stele_shape1(int64_t a)
{
    stele_shape s = { 1, 0, { a, 0, 0, 0, 0, 0 } };
    return s;
}

static inline stele_shape stele_shape2(int64_t a, int64_t b)
{
    stele_shape s = { 2, 0, { a, b, 0, 0, 0, 0 } };
    return s;
}

/* Declare one parameter "PREFIX.NAME". */
static inline stele_status stele_declare(const stele_host *h, stele_build *b, const char *prefix, const char *name,
                                         stele_shape shape, uint32_t init, double scale, double decay, uint32_t *ret_id)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    stele_param_spec spec = { sizeof spec, full, &shape, scale, decay, init, 0 };
    return h->build->param(b, &spec, ret_id);
}

/* Weight (in, out) uniform within +-1/sqrt(in) and bias (out) zero, as "PREFIX.weight" and "PREFIX.bias". */
static inline stele_status stele_declare_linear(const stele_host *h, stele_build *b, const char *prefix, int64_t in,
                                                int64_t out, double decay, uint32_t *ret_weight, uint32_t *ret_bias)
{
    double bound = 1.0 / sqrt((double)in);
    stele_status status =
        stele_declare(h, b, prefix, "weight", stele_shape2(in, out), STELE_INIT_UNIFORM, bound, decay, ret_weight);
    if (status == STELE_OK) {
        status = stele_declare(h, b, prefix, "bias", stele_shape1(out), STELE_INIT_ZERO, 0.0, 0.0, ret_bias);
    }
    return status;
}

static inline stele_status stele_dense_layer(const stele_host *h, stele_build *b, const char *prefix, uint32_t i,
                                             int64_t in, double decay, stele_dense *d)
{
    char name[80];
    int64_t out = d->config.hidden.v[i];
    snprintf(name, sizeof name, "%s.layer%u", prefix, i);
    stele_status status = stele_declare_linear(h, b, name, in, out, decay, &d->weight[i], &d->bias[i]);
    if (status == STELE_OK && d->config.norm == STELE_NORM_LAYER) {
        status = stele_declare(h, b, name, "gain", stele_shape1(out), STELE_INIT_CONSTANT, 1.0, 0.0, &d->gain[i]);
    }
    if (status == STELE_OK && d->config.norm == STELE_NORM_LAYER) {
        status = stele_declare(h, b, name, "shift", stele_shape1(out), STELE_INIT_ZERO, 0.0, 0.0, &d->shift[i]);
    }
    return status;
}

/* Declare the stack. `in` inputs, n_covariates (may be 0) more that enter the first layer through weights of their own;
 * first_decay is the weight-decay factor of the first layer, decay that of all other weights. Afterwards d->out is the
 * width of the result. Without layers the result is the inputs with the covariates behind them; sparse inputs can then
 * have none. */
static inline stele_status stele_dense_build_decayed(const stele_host *h, stele_build *b, const char *prefix,
                                                     int64_t in, int64_t n_covariates, double first_decay, double decay,
                                                     const stele_dense_config *config, stele_dense *d)
{
    stele_status status = STELE_OK;
    if (config->hidden.n > STELE_DENSE_MAX) {
        return STELE_FAIL(h, STELE_E_OPTION, "%s.hidden: at most %d layers", prefix, STELE_DENSE_MAX);
    }
    d->config = *config;
    d->n = (uint32_t)config->hidden.n;
    d->in = in;
    d->n_covariates = n_covariates;
    for (uint32_t i = 0; i < d->n && status == STELE_OK; i++) {
        status =
            stele_dense_layer(h, b, prefix, i, i == 0 ? in : config->hidden.v[i - 1], i == 0 ? first_decay : decay, d);
    }
    d->out = d->n > 0 ? config->hidden.v[d->n - 1] : in + n_covariates;
    if (status == STELE_OK && n_covariates > 0 && d->n > 0) {
        double bound = 1.0 / sqrt((double)n_covariates);
        status = stele_declare(h, b, prefix, "covariates", stele_shape2(n_covariates, config->hidden.v[0]),
                               STELE_INIT_UNIFORM, bound, decay, &d->covariate_weight);
    }
    return status;
}

/* The same with factor 1 on the other weights. */
static inline stele_status stele_dense_build(const stele_host *h, stele_build *b, const char *prefix, int64_t in,
                                             int64_t n_covariates, double first_decay, const stele_dense_config *config,
                                             stele_dense *d)
{
    return stele_dense_build_decayed(h, b, prefix, in, n_covariates, first_decay, 1.0, config, d);
}

static inline stele_tensor *stele_activate(const stele_host *h, stele_graph *g, stele_tensor *a, int32_t activation)
{
    switch (activation) {
    case STELE_LEAKY_RELU: return h->ops->leaky_relu(g, a, 0.01);
    case STELE_GELU: return h->ops->gelu(g, a);
    case STELE_SILU: return h->ops->silu(g, a);
    case STELE_TANH: return h->ops->tanh(g, a);
    default: return h->ops->relu(g, a);
    }
}

/* x (rows, in) dense or CSR, covariates (rows, n_covariates) or NULL -> (rows, out). Noise streams stream .. stream
 * + 7. */
static inline stele_tensor *stele_dense_apply(const stele_host *h, stele_graph *g, const stele_dense *d,
                                              stele_tensor *x, stele_tensor *covariates, uint32_t stream)
{
    const stele_ops *ops = h->ops;
    if (d->n == 0 && d->n_covariates > 0) {
        stele_tensor *both[2] = { x, covariates };
        return ops->concat(g, 2, both, 1);
    }
    for (uint32_t i = 0; i < d->n; i++) {
        x = ops->linear(g, x, ops->param(g, d->weight[i]), ops->param(g, d->bias[i]));
        if (i == 0 && d->n_covariates > 0) {
            x = ops->add(g, x, ops->linear(g, covariates, ops->param(g, d->covariate_weight), NULL));
        }
        if (d->config.norm == STELE_NORM_LAYER) {
            x = ops->layer_norm(g, x, ops->param(g, d->gain[i]), ops->param(g, d->shift[i]), 1e-5);
        }
        x = stele_activate(h, g, x, d->config.activation);
        if (d->config.dropout > 0.0) {
            x = ops->dropout(g, x, d->config.dropout, 0, stream + i);
        }
    }
    return x;
}

static inline stele_status stele_densify_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const stele_view *x = in[0];
    int64_t rows = x->shape.dim[0], width = x->shape.dim[1];
    (void)user;
    (void)n;
    memset(out, 0, (size_t)(rows * width) * (x->dtype == STELE_F64 ? sizeof(double) : sizeof(float)));
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = x->row_start[r]; i < x->row_start[r + 1]; i++) {
            int64_t at = r * width + x->column[i];
            if (x->dtype == STELE_F64) {
                ((double *)out)[at] = ((const double *)x->data)[i];
            } else {
                ((float *)out)[at] = ((const float *)x->data)[i];
            }
        }
    }
    return STELE_OK;
}

/* x if it is dense, else the same (rows, columns) with its zeros: for encoders that have no use of sparsity. */
static inline stele_status stele_densify(const stele_host *h, stele_graph *g, stele_tensor *x, stele_tensor **ret)
{
    static const stele_custom op = { sizeof op, "densify", stele_densify_forward, NULL };
    stele_view view = { sizeof view, 0, 0, { 0, 0, { 0 } }, NULL, NULL, NULL };
    stele_status status = h->ops->view(x, &view);
    if (status != STELE_OK) {
        return status;
    }
    stele_shape shape = stele_shape2(view.shape.dim[0], view.shape.dim[1]);
    *ret = view.layout == STELE_CSR ? h->ops->custom(g, &op, NULL, 1, &x, &shape) : x;
    return h->ops->status(g);
}

/* The Gaussian expert on top of a stack: mean and log-variance as linear functions of the hidden layer. */
typedef struct stele_gaussian_head {
    uint32_t mean_weight, mean_bias, logvar_weight, logvar_bias;
} stele_gaussian_head;

/* Log-variances stay within these bounds: a posterior sharper or wider than this only causes overflow. */
#define STELE_LOGVAR_MIN (-12.0)
#define STELE_LOGVAR_MAX 12.0

/* Starts with log-variance 0, the prior's, whatever the input. */
static inline stele_status stele_gaussian_head_build(const stele_host *h, stele_build *b, int64_t in,
                                                     int64_t latent_dim, stele_gaussian_head *e)
{
    stele_status status = stele_declare_linear(h, b, "mean", in, latent_dim, 1.0, &e->mean_weight, &e->mean_bias);
    if (status == STELE_OK) {
        status = stele_declare(h, b, "logvar", "weight", stele_shape2(in, latent_dim), STELE_INIT_ZERO, 0.0, 1.0,
                               &e->logvar_weight);
    }
    if (status == STELE_OK) {
        status =
            stele_declare(h, b, "logvar", "bias", stele_shape1(latent_dim), STELE_INIT_ZERO, 0.0, 0.0, &e->logvar_bias);
    }
    return status;
}

static inline void stele_gaussian_head_apply(const stele_host *h, stele_graph *g, const stele_gaussian_head *e,
                                             stele_tensor *hidden, stele_dist *ret_q)
{
    const stele_ops *ops = h->ops;
    stele_tensor *v = ops->linear(g, hidden, ops->param(g, e->logvar_weight), ops->param(g, e->logvar_bias));
    ret_q->family = STELE_NORMAL;
    ret_q->n = 2;
    ret_q->p[0] = ops->linear(g, hidden, ops->param(g, e->mean_weight), ops->param(g, e->mean_bias));
    ret_q->p[1] = ops->clamp(g, v, STELE_LOGVAR_MIN, STELE_LOGVAR_MAX);
}

#endif /* STELE_DENSE_H */
