/* stele/count_model.h - what modalities of counts have in common beside their likelihood: a dense encoder with a
 * Gaussian expert on top, a dense decoder, the size of a row. A plugin embeds a stele_count_config in its config block
 * and a stele_count_model in its instance, and calls one function of this file in each of its slots. No host symbol.
 */
#ifndef STELE_COUNT_MODEL_H
#define STELE_COUNT_MODEL_H

#include <stele/counts.h>

/* Where the log of a row's size over the training median comes from: the row itself when it is reconstructed (0 in
 * prediction), a linear function of the decoder's hidden layer, or nowhere. */
enum { STELE_SIZE_OBSERVED = 0, STELE_SIZE_LEARNED, STELE_SIZE_NONE };

typedef struct stele_count_config {
    stele_dense_config encoder, decoder;
    stele_count_input input;
    double output_decay;
    int32_t size; /* STELE_SIZE_*; the plugin makes its row, whose choices may stop before the last */
} stele_count_config;

/* Rows of member fld_ (a stele_count_config) of config type type_. Defaults: input_: STELE_INPUT_*, dropout_: the share
 * of counts hidden from the encoder, norm_: the encoder's STELE_NORM_*. */
#define STELE_COUNT_MODEL_OPTIONS(type_, fld_, input_, dropout_, norm_)                                                \
    STELE_DENSE_OPTIONS_FROM(type_, fld_.encoder, "encoder", "[128]", STELE_RELU, norm_, 0.0),                         \
        STELE_COUNT_INPUT_OPTIONS(type_, fld_.input, input_, dropout_),                                                \
        STELE_DENSE_OPTIONS(type_, fld_.decoder, "decoder", "[128]", 0.0),                                             \
        STELE_OPTION_F64(type_, fld_.output_decay, "decoder.output_decay", 1.0, 0.0, 1e6,                              \
                         "Factor on the weight decay of the decoder's output layer.")

/* To be kept in the instance. */
typedef struct stele_count_model {
    const stele_host *host;
    const stele_count_config *config;
    int64_t n_features, latent, encoder_covariates, decoder_covariates;
    int64_t n_inputs;      /* of the encoder's dense stack: the features, unless there are layers before it */
    int32_t binary;        /* a row's size is its number of non-zeros, not the sum of its counts */
    int32_t layers_before; /* the plugin has layers of its own before the encoder's dense stack, and starts them */
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    uint32_t log_median;             /* buffer: log of the training rows' median size */
    uint32_t size_weight, size_bias; /* of a learned size */
} stele_count_model;

/* Noise streams that the encoder and decoder use; a plugin's own start at STELE_COUNT_STREAM_FREE. */
enum {
    STELE_COUNT_STREAM_INPUT = 1,
    STELE_COUNT_STREAM_ENCODER = 16,
    STELE_COUNT_STREAM_DECODER = 32,
    STELE_COUNT_STREAM_FREE = 48
};

/* In create(). The features are those of a row of one extent; a plugin that takes other rows sets n_features,
 * n_inputs and layers_before afterwards. */
static inline void stele_count_model_init(const stele_create_args *a, const stele_count_config *config, int binary,
                                          stele_count_model *m)
{
    m->host = a->host;
    m->config = config;
    m->n_features = a->input->sample.ndim == 1 ? a->input->sample.dim[0] : 0;
    m->n_inputs = m->n_features;
    m->latent = (int64_t)a->latent_dim + (int64_t)a->private_dim;
    m->encoder_covariates = a->encoder_covariates;
    m->decoder_covariates = a->decoder_covariates;
    m->binary = binary;
    m->layers_before = 0;
}

/* In build(): encoder, expert and decoder. */
static inline stele_status stele_count_model_build(stele_count_model *m, stele_build *b)
{
    const stele_host *h = m->host;
    const stele_count_config *c = m->config;
    if (m->n_features < 1) {
        return STELE_FAIL(h, STELE_E_SHAPE, "from: the measurement is not one row of features");
    }
    if (c->encoder.hidden.n == 0) { /* Its spread is fitted to the counts: stele_count_input_fit. */
        return STELE_FAIL(h, STELE_E_OPTION, "encoder.hidden: at least one layer is needed");
    }
    stele_status status = stele_dense_build(h, b, "encoder", m->n_inputs, m->encoder_covariates, c->input.input_decay,
                                            &c->encoder, &m->encoder);
    if (status == STELE_OK) {
        status = stele_gaussian_head_build(h, b, m->encoder.out, m->latent, &m->expert);
    }
    if (status == STELE_OK) {
        status = stele_dense_build(h, b, "decoder", m->latent, m->decoder_covariates, 1.0, &c->decoder, &m->decoder);
    }
    return status;
}

/* In build(), for each linear predictor: weight (features, hidden) and bias (features), as stele_output wants them. */
static inline stele_status stele_count_output_build(const stele_count_model *m, stele_build *b, const char *prefix,
                                                    uint32_t *ret_weight, uint32_t *ret_bias)
{
    stele_status status =
        stele_declare(m->host, b, prefix, "weight", stele_shape2(m->n_features, m->decoder.out), STELE_INIT_UNIFORM,
                      1.0 / sqrt((double)m->decoder.out), m->config->output_decay, ret_weight);
    if (status == STELE_OK) {
        status =
            stele_declare(m->host, b, prefix, "bias", stele_shape1(m->n_features), STELE_INIT_ZERO, 0.0, 0.0, ret_bias);
    }
    return status;
}

/* In build(), after the outputs: the median size, and a learned size as "PREFIX.weight" and "PREFIX.bias". */
static inline stele_status stele_count_size_build(stele_count_model *m, stele_build *b, const char *prefix)
{
    const stele_shape scalar = { 0, 0, { 0, 0, 0, 0, 0, 0 } };
    stele_status status = m->host->build->buffer(b, "log_median_size", &scalar, 0.0, &m->log_median);
    if (status == STELE_OK && m->config->size == STELE_SIZE_LEARNED) {
        status = stele_declare_linear(m->host, b, prefix, m->decoder.out, 1, 1.0, &m->size_weight, &m->size_bias);
    }
    return status;
}

/* stele_count_model_fit for a plugin with statistics of its own: `each` sees every chunk of rows too. */
static inline stele_status stele_count_model_fit_each(const stele_count_model *m, stele_fit *f, stele_count_chunk *each,
                                                      void *ctx, stele_count_stats *s)
{
    const stele_host *h = m->host;
    stele_status status = stele_count_stats_read(h, f, m->n_features, m->binary, each, ctx, s);
    if (status != STELE_OK) {
        return status;
    }
    if (s->norm_binary <= 0.0) {
        stele_count_stats_finish(s);
        return STELE_FAIL(h, STELE_E_DATA, "no count is above 0 in the training rows");
    }
    double log_median = log(s->median);
    status = h->fit->set(f, m->log_median, 1, &log_median);
    if (status == STELE_OK && !m->layers_before) {
        status = stele_count_input_fit(h, f, &m->config->input, &m->encoder, s, 0.3);
    }
    if (status != STELE_OK) {
        stele_count_stats_finish(s);
    }
    return status;
}

/* In fit(): the median size and, where the encoder's dense stack is the first to see the counts, the start of its first
 * layer. The statistics are left to the plugin, for the start of its biases; on success it finishes them with
 * stele_count_stats_finish. */
static inline stele_status stele_count_model_fit(const stele_count_model *m, stele_fit *f, stele_count_stats *s)
{
    return stele_count_model_fit_each(m, f, NULL, NULL, s);
}

/* What the encoder sees of x (n, features). */
static inline stele_tensor *stele_count_seen(const stele_count_model *m, stele_graph *g, stele_tensor *x)
{
    const stele_host *h = m->host;
    return stele_count_input_apply(h, g, &m->config->input, x, h->ops->param(g, m->log_median),
                                   STELE_COUNT_STREAM_INPUT);
}

/* The expert, from inputs (n, n_inputs). */
static inline stele_status stele_count_expert(const stele_count_model *m, stele_graph *g, stele_tensor *in,
                                              stele_tensor *covariates, stele_dist *ret_q)
{
    const stele_host *h = m->host;
    stele_tensor *hidden = stele_dense_apply(h, g, &m->encoder, in, covariates, STELE_COUNT_STREAM_ENCODER);
    stele_gaussian_head_apply(h, g, &m->expert, hidden, ret_q);
    return h->ops->status(g);
}

/* The encode slot. */
static inline stele_status stele_count_encode(const stele_count_model *m, stele_graph *g, const stele_encode_args *a,
                                              stele_dist *ret_q)
{
    return stele_count_expert(m, g, stele_count_seen(m, g, a->x), a->covariates, ret_q);
}

/* In decode(): the hidden layer, and the log of the row's size as row[0] where there is one. Predictors and per-feature
 * parameters are the plugin's to add. */
static inline void stele_count_decode(const stele_count_model *m, stele_graph *g, const stele_decode_args *a,
                                      stele_output *ret)
{
    const stele_ops *ops = m->host->ops;
    ret->hidden = stele_dense_apply(m->host, g, &m->decoder, a->z, a->covariates, STELE_COUNT_STREAM_DECODER);
    if (m->config->size == STELE_SIZE_LEARNED) {
        ret->n_row = 1;
        ret->row[0] = ops->linear(g, ret->hidden, ops->param(g, m->size_weight), ops->param(g, m->size_bias));
    } else if (m->config->size == STELE_SIZE_OBSERVED && a->target != NULL) {
        ret->n_row = 1;
        ret->row[0] = stele_log_size(m->host, g, a->target, m->binary, ops->param(g, m->log_median));
    }
}

#endif /* STELE_COUNT_MODEL_H */
