/* text.h - what the files of modality/text share. */
#ifndef TEXT_H
#define TEXT_H

#include "bpe.h"

#include <stele/attention.h>
#include <stele/plugin.h>
#include <stele/recurrent.h>

enum { TEXT_GRU = 0, TEXT_BAG, TEXT_ATTENTION };
enum { TEXT_WEIGHTS_AUTO = 0, TEXT_MEAN, TEXT_TFIDF };
enum { TEXT_START_AUTO = 0, TEXT_RANDOM, TEXT_LSA };

/* What reads or writes tokens one by one. */
typedef struct text_sequence {
    int64_t state, heads, layers; /* attention: the last two */
    int32_t kind, reserved;
} text_sequence;

typedef struct text_config {
    stele_dense_config encoder, decoder;
    text_sequence reader, writer;
    int64_t vocab_size, max_tokens, embedding, beam;
    double read_dropout, word_dropout, bag_weight, top_p;
    int32_t weights, start, marks, reserved;
} text_config;

/* Parameter ids of a sequence: a recurrent unit on the embeddings; or blocks of attention on linear
 * functions of them, with a vector added for each position. */
typedef struct text_unit {
    stele_gru gru;
    stele_attention attention;
    uint32_t enter_weight, enter_bias, position;
    int64_t in; /* width of what is added to its input: of the embeddings, or of the states */
} text_unit;

struct stele_inst {
    const stele_host *host;
    const text_config *config;
    int64_t width, latent, encoder_covariates, decoder_covariates;
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    text_unit reads, writes;
    int64_t state;    /* width of what the output layer sees */
    uint32_t merges;  /* buffer (vocab_size - 257, 2): pairs of tokens, -1 beyond the last */
    uint32_t weights; /* buffer (vocab_size) of a bag with tf-idf: inverse document frequencies */
    uint32_t encoder_embedding, decoder_embedding, unknown;
    uint32_t start_weight, start_bias, step_weight, step_bias, output_weight, output_bias;
    uint32_t bag_weight, bag_bias; /* with the option of that name */
};

enum { STREAM_WORDS = 1, STREAM_SAMPLE, STREAM_READ, STREAM_ENCODER = 16, STREAM_DECODER = 32 };

/* Texts as tokens, in memory of the pass. */
typedef struct text_tokens {
    int64_t n, most; /* texts; tokens of the longest, at most max_tokens */
    int32_t *id;     /* (n, most) */
    int64_t *length; /* (n) */
    uint8_t *cut;    /* (n) there were more than max_tokens */
    int64_t *room;   /* (n, most + 1) for whoever puts indices together */
} text_tokens;

/* tokens.c. The tokenizer of a pass; bpe_finish either way. */
stele_status text_tokenizer(const stele_inst *self, stele_graph *g, bpe *ret);
/* Slots: a row's tokens, and behind them its end unless it is cut. */
int64_t text_prepared_width(const stele_inst *self);
stele_status text_prepare(const stele_inst *self, const stele_reader *reader, const stele_view *x,
                          int64_t *ret_n, float *ret_value);
/* Of such rows. */
stele_status text_tokens_of(const stele_inst *self, stele_graph *g, stele_tensor *x,
                            text_tokens *ret);
/* Bytes of row r behind a blank, as if a word came before, so that the first word has the tokens
 * that it has elsewhere; none of an empty text. Their number, in ret (width + 1). */
int64_t text_row(const stele_view *x, int64_t r, unsigned char *ret);

/* sequence.c. For at most `most` positions of embeddings. */
stele_status text_unit_build(const stele_inst *self, stele_build *b, const char *name,
                             const text_sequence *c, int64_t most, text_unit *ret);
/* n texts of `width` positions, the first of them number `first`. */
typedef struct text_extent {
    int64_t n, width, first;
} text_extent;
/* Embeddings (n, width, embedding), each with `step` (n, in) or NULL added, as the unit's input. */
stele_tensor *text_unit_enter(const stele_inst *self, stele_graph *g, const text_sequence *c,
                              const text_unit *u, const text_extent *e, stele_tensor *x,
                              stele_tensor *step);
/* States (n, width, state) at all positions of an input; `start` (n, state) or NULL is a recurrent
 * unit's; those of attention look at what comes before alone if `causal`. */
stele_tensor *text_unit_apply(const stele_inst *self, stele_graph *g, const text_sequence *c,
                              const text_unit *u, const text_extent *e, stele_tensor *x,
                              stele_tensor *start, stele_tensor *lengths, int32_t causal);

/* passes.c. What the decoder makes of z before the first token: its last hidden layer, from that
 * start (R, state) of a recurrent unit and step (R, in), added to the input at each position; a
 * bag's start is the hidden layer, which is all that it sees. */
typedef struct text_plan {
    stele_tensor *hidden, *start, *step;
} text_plan;
void text_plan_of(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                  text_plan *ret);

/* Where all tokens to be written are: text by text, each with its end unless it is cut. */
typedef struct text_targets {
    int64_t n, *at, *text, *token; /* (n) place in (texts, width); text; token */
} text_targets;
/* In memory of the pass; width: places of a text, at least t->most + 1. -1: there is none. */
int text_targets_init(const stele_ops *ops, stele_graph *g, const text_tokens *t, int64_t width,
                      text_targets *ret);
/* States at the places of t->most + 1 tokens of each text as rows: (n T, state). No bag's. */
stele_tensor *text_states(const stele_inst *self, stele_graph *g, const text_plan *p,
                          const text_tokens *t);
/* w h + b of row i's own token [i] (n) I64, not normalised: (n, 1). */
stele_tensor *text_own(const stele_inst *self, stele_graph *g, stele_tensor *h, stele_tensor *w,
                       stele_tensor *b, stele_tensor *token);

/* recall.c. Keys and values of all positions that a search has been through: of each text, `layers`
 * by `most` positions by 2 * width numbers of the graph's dtype. Texts share what they have in
 * common: `slot` says in whose place a text's position lies. */
typedef struct text_recall {
    int64_t n, most; /* texts, positions */
    char *kept;
    int32_t *slot, *before; /* (n, most) */
    double *score;          /* (most) */
} text_recall;
stele_status text_recall_init(const stele_inst *self, stele_graph *g, int64_t n, int64_t most,
                              text_recall *ret);
void text_recall_finish(text_recall *r);
/* Text i goes on with what text from[i] has been through before `step`. */
void text_recall_follow(text_recall *r, const int64_t *from, int64_t step);
/* The states (n, state) of the next position, number `step`, whose input is x (n, state). */
stele_status text_recall_write(const stele_inst *self, stele_graph *g, text_recall *r, int64_t step,
                               stele_tensor *x, stele_tensor **ret);

/* The words of a corpus as tokens: word k has n[k], in `token` from where its bytes begin. */
typedef struct text_words {
    const corpus *corpus;
    int32_t *token;
    int64_t *n;
} text_words;

/* weigh.c. Does the encoder weigh tokens? */
int text_weighs(const stele_inst *self);
/* How rare each token is in the texts of the training rows, and how much of a word: ret_idf
 * (vocab_size), kept as well. */
stele_status text_fit_weights(const stele_inst *self, stele_fit *f, const text_words *w,
                              int64_t n_texts, double *ret_idf);
/* Weights of n tokens of a text from weight[at] on: a token that it has m times gets (1 + log m)
 * idf in all, and the squares of the different tokens add up to 1. times: (vocab_size) zeros,
 * before and after. */
void text_weigh_one(const stele_view *idf, const int32_t *token, int64_t n, int32_t *times,
                    uint32_t dtype, void *weight, int64_t at);
/* Weighted sum over a text's own positions, `width` of them: (n, width, m) -> (n, m). */
stele_status text_weigh(const stele_inst *self, stele_graph *g, const text_tokens *t, int64_t width,
                        stele_tensor *x, stele_tensor **ret);

/* start.c. Do the encoder's vectors of tokens start from latent semantic analysis? */
int text_starts_from_lsa(const stele_inst *self);
/* Set them so. idf (vocab_size) is read where the encoder weighs tokens. */
stele_status text_fit_start(const stele_inst *self, stele_fit *f, const text_words *w,
                            int64_t n_texts, const double *idf);

/* fit.c and passes.c: slots. */
stele_status text_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret);
stele_status text_fit(const stele_inst *self, stele_fit *f);
stele_status text_encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                         stele_dist *ret_q);
stele_status text_factors(const stele_inst *self, stele_graph *g, stele_tensor *x, int64_t *ret_n);
stele_status text_log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_tensor **ret_rows);

/* score.c: slots. */
uint32_t text_tally_width(const stele_inst *self);
stele_status text_tally(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                        stele_tensor **ret_rows);
stele_status text_tally_end(const stele_inst *self, const double *sum, uint32_t capacity,
                            stele_metric *ret, uint32_t *ret_n);

/* generate.c: a slot. */
stele_status text_generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           uint32_t what, stele_tensor **ret_x);

#endif
