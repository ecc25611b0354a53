/* text.h - what the files of modality/text share. */
#ifndef TEXT_H
#define TEXT_H

#include "bpe.h"

#include <stele/dense.h>
#include <stele/plugin.h>
#include <stele/recurrent.h>

enum { TEXT_GRU = 0, TEXT_BAG };

typedef struct text_config {
    stele_dense_config encoder, decoder;
    int64_t vocab_size, max_tokens, embedding, encoder_state, decoder_state, beam;
    double word_dropout, bag_weight, top_p;
    int32_t encoder_kind, decoder_kind;
} text_config;

/* Parameter ids of a gated recurrent unit. */
struct stele_inst {
    const stele_host *host;
    const text_config *config;
    int64_t width, latent, encoder_covariates, decoder_covariates;
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    stele_gru reads, writes;
    int64_t state;   /* width of what the output layer sees */
    uint32_t merges; /* buffer (vocab_size - 257, 2): pairs of tokens, -1 beyond the last */
    uint32_t encoder_embedding, decoder_embedding, unknown;
    uint32_t start_weight, start_bias, step_weight, step_bias, output_weight, output_bias;
    uint32_t bag_weight, bag_bias; /* with the option of that name */
};

enum { STREAM_WORDS = 1, STREAM_SAMPLE, STREAM_ENCODER = 16, STREAM_DECODER = 32 };

/* Texts as tokens. */
typedef struct text_tokens {
    int64_t n, most; /* texts; tokens of the longest, at most max_tokens */
    int32_t *id;     /* (n, most) */
    int64_t *length; /* (n) */
    uint8_t *cut;    /* (n) there were more than max_tokens */
} text_tokens;

/* tokens.c. The tokenizer of a pass; bpe_finish either way. */
stele_status text_tokenizer(const stele_inst *self, stele_graph *g, bpe *ret);
stele_status text_tokens_of(const stele_inst *self, const bpe *b, const stele_view *x,
                            text_tokens *ret);
void text_tokens_finish(text_tokens *t);
/* Bytes of row r: their number, in ret (width). */
int64_t text_row(const stele_view *x, int64_t r, unsigned char *ret);

/* passes.c. What the decoder makes of z before the first token: its last hidden layer, from that
 * start (R, state) and step (R, embedding), added to each token's embedding; a bag's start is the
 * hidden layer, which is all that it sees. */
typedef struct text_plan {
    stele_tensor *hidden, *start, *step;
} text_plan;
void text_plan_of(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                  text_plan *ret);
stele_tensor *text_write(const stele_inst *self, stele_graph *g, stele_tensor *x, stele_tensor *h,
                         stele_tensor *lengths);

/* fit.c and passes.c: slots. */
stele_status text_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret);
stele_status text_fit(const stele_inst *self, stele_fit *f);
stele_status text_encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                         stele_dist *ret_q);
stele_status text_log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_tensor **ret_rows);

/* generate.c: a slot. */
stele_status text_generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           uint32_t what, stele_tensor **ret_x);

#endif
