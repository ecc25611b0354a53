/* modality/text - texts as sequences of subword tokens.
 *
 * A row holds the UTF-8 bytes of a text in their order, the byte at each place and 0 where there is
 * none. The tokenizer (bpe.h) is learned from the training rows and kept with the model. A blank is
 * put before the first word, and taken away from what is written.
 *
 *     log p(x | z) = sum_t log softmax(W h_t + b)[x_t],   the last x_t being the end of the text
 *
 * h_t is the state of a gated recurrent unit that starts from z and reads z and the tokens before
 * t; that of blocks of causal self-attention, which see z and the tokens before t; or for a bag of
 * words the same function of z for all t. A text of more than max_tokens tokens
 * is cut; its probability is that of beginning so, without an end. */
#include "text.h"

#include "lsa.h"

#include <math.h>
#include <stdlib.h>

static const char *const kinds[] = { "gru", "bag", "attention", NULL };
static const char *const weightings[] = { "auto", "mean", "tfidf", NULL };
static const char *const starts[] = { "auto", "random", "lsa", NULL };

#define SEQUENCE_OPTIONS(part_, prefix_)                                                           \
    STELE_OPTION_I64(text_config, part_.state, prefix_ ".state", 128, 1, 4096,                     \
                     "gru, attention: width of the states."),                                      \
        STELE_OPTION_I64(text_config, part_.heads, prefix_ ".heads", 4, 1, 64,                     \
                         "attention: heads of a block, which divide its features."),               \
        STELE_OPTION_I64(text_config, part_.layers, prefix_ ".layers", 2, 1, STELE_ATTENTION_MAX,  \
                         "attention: blocks.")

static const stele_option options[] = {
    STELE_OPTION_I64(text_config, vocab_size, "vocab_size", 1024, BPE_FIRST, 65536,
                     "Most different tokens: 256 bytes, an end, and pairs of tokens that are "
                     "frequent in the training rows."),
    STELE_OPTION_I64(text_config, max_tokens, "max_tokens", 64, 1, 4096,
                     "Longer texts are cut, with a warning."),
    STELE_OPTION_I64(text_config, embedding, "embedding", 64, 1, 4096,
                     "Width of the vectors that stand for tokens."),
    STELE_OPTION_ENUM(text_config, reader.kind, "encoder.kind", kinds, TEXT_BAG,
                      "What the encoder's dense layers see: the last state of a recurrent unit, "
                      "the weighted sum of the tokens' vectors, or the mean of the states of "
                      "blocks of self-attention."),
    SEQUENCE_OPTIONS(reader, "encoder"),
    STELE_OPTION_ENUM(
        text_config, weights, "encoder.weights", weightings, TEXT_WEIGHTS_AUTO,
        "bag: all tokens count alike, or by tf-idf, which is what auto says: more the fewer of the "
        "training rows have them, less each time that a text repeats them, and a text's length "
        "does not matter. The tokens of a word in pieces share its weight. Tokens that no training "
        "row has count nothing then."),
    STELE_OPTION_BOOL(
        text_config, marks, "encoder.marks", 0,
        "tfidf: words without a letter or digit, as punctuation, count too. Whatever is "
        "not ASCII is a letter."),
    STELE_OPTION_ENUM(
        text_config, start, "encoder.embedding", starts, TEXT_START_AUTO,
        "bag: the tokens' vectors start at random, or at latent semantic analysis of the training "
        "rows' texts, weighted as `encoder.weights` says: tokens of texts with words in common "
        "start alike. auto: so where `embedding` is 512 or less."),
    STELE_OPTION_F64(text_config, read_dropout, "encoder.word_dropout", 0.0, 0.0, 0.95,
                     "Share of the tokens that the encoder cannot read while training."),
    STELE_DENSE_OPTIONS(text_config, encoder, "encoder", "[]", 0.0),
    STELE_OPTION_ENUM(
        text_config, writer.kind, "decoder.kind", kinds, TEXT_GRU,
        "How tokens depend on each other: a recurrent unit, or causal self-attention, that reads "
        "z and those before; or a bag of words: not at all given z, so that z cannot be ignored."),
    SEQUENCE_OPTIONS(writer, "decoder"),
    STELE_OPTION_F64(
        text_config, word_dropout, "decoder.word_dropout", 0.25, 0.0, 0.95,
        "gru, attention: share of the tokens before that the decoder cannot read while training, "
        "so that it has to look at z (Bowman et al. 2016)."),
    STELE_OPTION_F64(
        text_config, bag_weight, "decoder.bag_weight", 0.0, 0.0, 100.0,
        "gru, attention: weight of a second likelihood while training, that of the text's tokens "
        "as a bag of words, so that z cannot be ignored (Zhao et al. 2017); above 0 "
        "the training loss is no bound."),
    STELE_DENSE_OPTIONS(text_config, decoder, "decoder", "[128]", 0.0),
    STELE_OPTION_F64(text_config, top_p, "top_p", 0.9, 0.01, 1.0,
                     "Random texts are drawn from the likeliest tokens that have this probability "
                     "together."),
    STELE_OPTION_I64(text_config, beam, "beam", 4, 1, 64,
                     "Texts that the search for the likeliest one follows at once."),
};

/* --- life ------------------------------------------------------------------------------------- */

/* What a bag alone has, and tf-idf alone. */
static stele_status check_bag(const stele_host *h, const text_config *c)
{
    const int bag = c->reader.kind == TEXT_BAG, tfidf = c->weights == TEXT_TFIDF;
    if (!bag && (tfidf || c->start == TEXT_LSA)) {
        return STELE_FAIL(h, STELE_E_OPTION, "encoder.%s: is for `encoder.kind: bag`",
                          tfidf ? "weights" : "embedding");
    }
    if (c->marks && (!bag || c->weights == TEXT_MEAN)) {
        return STELE_FAIL(h, STELE_E_OPTION,
                          "encoder.marks: is for `encoder.weights: tfidf`; else all tokens count");
    }
    if (c->start == TEXT_LSA && c->embedding > LSA_MOST) {
        return STELE_FAIL(h, STELE_E_OPTION,
                          "embedding: latent semantic analysis gives at most %d numbers a token",
                          (int)LSA_MOST);
    }
    return STELE_OK;
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->sample.ndim != 1 || a->input->sample.dim[0] < 1) {
        return STELE_FAIL(a->host, STELE_E_DATA,
                          "from: a row of `%s` has %u dimensions; a text's has one, its bytes",
                          a->input->name, a->input->sample.ndim);
    }
    const text_config *c = a->config;
    const stele_status status = check_bag(a->host, c);
    if (status != STELE_OK) {
        return status;
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->width = a->input->sample.dim[0];
    self->latent = (int64_t)a->latent_dim + (int64_t)a->private_dim;
    self->encoder_covariates = a->encoder_covariates;
    self->decoder_covariates = a->decoder_covariates;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status declare_embedding(const stele_inst *self, stele_build *b, const char *name,
                                      uint32_t *ret)
{
    return stele_declare(self->host, b, name, "embedding",
                         stele_shape2(self->config->vocab_size, self->config->embedding),
                         STELE_INIT_NORMAL, 0.3, 1.0, ret);
}

static stele_status build_encoder(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const text_config *c = self->config;
    int64_t seen = c->embedding;
    stele_status status = declare_embedding(self, b, "encoder", &self->encoder_embedding);
    if (status == STELE_OK && c->reader.kind != TEXT_BAG) {
        status = text_unit_build(self, b, "encoder", &c->reader, c->max_tokens, &self->reads);
        seen = c->reader.state;
    }
    if (status == STELE_OK) {
        status = stele_dense_build(h, b, "encoder", seen, self->encoder_covariates, 1.0,
                                   &c->encoder, &self->encoder);
    }
    return status != STELE_OK
               ? status
               : stele_gaussian_head_build(h, b, self->encoder.out, self->latent, &self->expert);
}

static stele_status build_writer(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const text_config *c = self->config;
    int64_t hidden = self->decoder.out;
    stele_status status = declare_embedding(self, b, "decoder", &self->decoder_embedding);
    if (status == STELE_OK) {
        status = stele_declare(h, b, "decoder", "unknown", stele_shape1(c->embedding),
                               STELE_INIT_NORMAL, 0.3, 1.0, &self->unknown);
    }
    if (status == STELE_OK) {
        status = text_unit_build(self, b, "decoder", &c->writer, c->max_tokens + 1, &self->writes);
    }
    if (status == STELE_OK && c->writer.kind == TEXT_GRU) {
        status = stele_declare_linear(h, b, "decoder.start", hidden, c->writer.state, 1.0,
                                      &self->start_weight, &self->start_bias);
    }
    return status != STELE_OK ? status
                              : stele_declare_linear(h, b, "decoder.step", hidden, self->writes.in,
                                                     1.0, &self->step_weight, &self->step_bias);
}

/* From `state` numbers to scores of all tokens. */
static stele_status declare_output(const stele_inst *self, stele_build *b, const char *name,
                                   int64_t state, uint32_t *ret_weight, uint32_t *ret_bias)
{
    const int64_t n = self->config->vocab_size;
    stele_status status =
        stele_declare(self->host, b, name, "weight", stele_shape2(n, state), STELE_INIT_UNIFORM,
                      1.0 / sqrt((double)state), 1.0, ret_weight);
    return status != STELE_OK ? status
                              : stele_declare(self->host, b, name, "bias", stele_shape1(n),
                                              STELE_INIT_ZERO, 0.0, 0.0, ret_bias);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const text_config *c = self->config;
    stele_status status = build_encoder(self, b);
    if (status == STELE_OK) {
        status = stele_dense_build(h, b, "decoder", self->latent, self->decoder_covariates, 1.0,
                                   &c->decoder, &self->decoder);
        self->state = c->writer.kind == TEXT_BAG ? self->decoder.out : c->writer.state;
    }
    if (status == STELE_OK && c->writer.kind != TEXT_BAG) {
        status = build_writer(self, b);
    }
    if (status == STELE_OK) {
        status = declare_output(self, b, "output", self->state, &self->output_weight,
                                &self->output_bias);
    }
    if (status == STELE_OK && c->writer.kind != TEXT_BAG && c->bag_weight > 0.0) {
        status =
            declare_output(self, b, "bag", self->decoder.out, &self->bag_weight, &self->bag_bias);
    }
    if (status == STELE_OK && text_weighs(self)) {
        const stele_shape each = stele_shape1(c->vocab_size);
        status = h->build->buffer(b, "encoder.weights", &each, 1.0, &self->weights);
    }
    if (status == STELE_OK && c->vocab_size > BPE_FIRST) {
        stele_shape pairs = stele_shape2(c->vocab_size - BPE_FIRST, 2);
        status = h->build->buffer(b, "tokenizer.merges", &pairs, -1.0, &self->merges);
    }
    return status;
}

static const stele_modality_vt vt = { .struct_size = sizeof vt,
                                      .create = create,
                                      .destroy = destroy,
                                      .build = build,
                                      .validate = text_validate,
                                      .fit = text_fit,
                                      .encode = text_encode,
                                      .log_prob = text_log_prob,
                                      .generate = text_generate,
                                      .factors = text_factors,
                                      .prepared_width = text_prepared_width,
                                      .prepare = text_prepare,
                                      .tally_width = text_tally_width,
                                      .tally = text_tally,
                                      .tally_end = text_tally_end };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_SUBPROBABILITY,
    .id = "modality/text",
    .version = "0.1.0",
    .summary = "Texts as subword tokens, with recurrent units, attention or bags of words",
    .license = "BSD-3-Clause",
    .reference = "Bowman et al. 2016, Generating sentences from a continuous space",
    STELE_PLUGIN_OPTIONS(options, text_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
