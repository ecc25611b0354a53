/* Four short texts and a model of them, for tests of modality/text. Defines functions: for one file
 * of a program. */
#ifndef STELE_TEXT_CASE_H
#define STELE_TEXT_CASE_H

#include "toy_model.h"

#include <stdlib.h>

enum { ROWS = 4, WIDTH = 8, VOCAB = 260, TEXT_END = 256 };

/* "ab ab", "ab", "ba", nothing; the second is `ab` after a gap. */
static const double text_bytes[ROWS * WIDTH] = { 'a', 'b', ' ', 'a', 'b', 0, 0, 0,   0,
                                                 'a', 0,   'b', 0,   0,   0, 0, 'b', 'a' };
/* "ab ab ba", "ab", nothing, nothing. */
static const double repeated_bytes[ROWS * WIDTH] = { 'a', 'b', ' ', 'a', 'b',
                                                     ' ', 'b', 'a', 'a', 'b' };
/* "ab ab", "ab", "!?", nothing. */
static const double silent_bytes[ROWS * WIDTH] = { 'a', 'b', ' ', 'a', 'b', 0, 0, 0,   'a',
                                                   'b', 0,   0,   0,   0,   0, 0, '!', '?' };
/* "ab, ab", "ab", nothing, nothing. */
static const double marked_bytes[ROWS * WIDTH] = { 'a', 'b', ',', ' ', 'a', 'b', 0, 0, 'a', 'b' };
/* "ab ab ab", "abc", "7", nothing. */
static const double piece_bytes[ROWS * WIDTH] = { 'a', 'b', ' ', 'a', 'b', ' ', 'a', 'b', 'a',
                                                  'b', 'c', 0,   0,   0,   0,   0,   '7' };
static const char *const ids[] = { "r0", "r1", "r2", "r3" };
static const fake_axis axes[] = { { ids, ROWS } };
static const fake_field fields[] = {
    { "t", STELE_FIELD_MATRIX, STELE_CSR, 0, WIDTH, text_bytes, NULL, NULL, 0 },
    { "t/dense", STELE_FIELD_MATRIX, STELE_DENSE, 0, WIDTH, text_bytes, NULL, NULL, 0 },
    { "t/repeated", STELE_FIELD_MATRIX, STELE_CSR, 0, WIDTH, repeated_bytes, NULL, NULL, 0 },
    { "t/pieces", STELE_FIELD_MATRIX, STELE_CSR, 0, WIDTH, piece_bytes, NULL, NULL, 0 },
    { "t/marked", STELE_FIELD_MATRIX, STELE_CSR, 0, WIDTH, marked_bytes, NULL, NULL, 0 },
    { "t/silent", STELE_FIELD_MATRIX, STELE_CSR, 0, WIDTH, silent_bytes, NULL, NULL, 0 },
};
static const fake_source source = { axes, 1, fields, 6 };

static void open_text(toy *t, const char *from, const char *options, uint32_t dtype)
{
    char spec[640];
    snprintf(spec, sizeof spec,
             "stele: 1\nname: t\nseed: 3\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
             "  t: {plugin: text, from: %s, vocab_size: %d, embedding: 3, %s}\nfusion: poe\n"
             "train: {epochs: 1, batch_size: 4}\n",
             from, VOCAB, options);
    toy_open(t, spec, &source, NULL, 0, dtype, 1);
    toy_stir(t, 0.4);
}

/* A pass, and the plugin's own functions within it. */
static const stele__modality *begin(toy *t, int training)
{
    int64_t row[ROWS] = { 0, 1, 2, 3 };
    stele__pass pass = { .training = training, .record = 1, .seed = 3 };
    stele__batch_load(t->batch, ROWS, row, 0);
    stele__graph_begin(t->graph, &pass);
    stele__graph_enter(t->graph, &t->model.modality[0].part.scope);
    stele__graph_rows(t->graph, ROWS, t->batch->part[0].row, NULL);
    return &t->model.modality[0];
}

static stele_tensor *real(toy *t, int64_t n, int64_t m, const double *value)
{
    stele_shape shape = { 2, 0, { n, m } };
    float narrow[ROWS * WIDTH];
    int f64 = stele__graph_dtype(t->graph) == STELE_F64;
    for (int64_t i = 0; i < n * m; i++) {
        narrow[i] = (float)value[i];
    }
    return stele__ops.constant(t->graph, f64 ? STELE_F64 : STELE_F32, &shape,
                               f64 ? (const void *)value : narrow);
}

/* The batch's rows as the plugin gets them: tokens that it made of the bytes. */
static stele_tensor *tokens(toy *t)
{
    const stele__batch_values *x = &t->batch->part[0].x;
    const uint32_t dtype = stele__graph_dtype(t->graph);
    return stele__graph_csr(t->graph, dtype, ROWS, x->width, x->row_start, x->column,
                            dtype == STELE_F64 ? (const void *)x->value64 : x->value);
}

static const double latent[ROWS * 2] = { 0.3, -1.2, 0.8, 0.1, -0.5, 0.6, 1.5, -0.4 };

static inline void log_probs(toy *t, int training, double ret[ROWS])
{
    const stele__modality *md = begin(t, training);
    stele_decode_args a = { .struct_size = sizeof a, .z = real(t, ROWS, 2, latent) };
    stele_tensor *l = NULL;
    a.target = tokens(t);
    TOY_OK(t, md->vt->log_prob(stele__guest_inst(md->part.guest), t->graph, &a, &l));
    for (int64_t r = 0; r < ROWS; r++) {
        ret[r] = stele__tensor_real(l, r);
    }
}

static stele__param *param(toy *t, const char *name)
{
    char full[160];
    snprintf(full, sizeof full, "t.%s", name);
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        stele__param *p = stele__params_entry(t->model.params, e);
        if (strcmp(p->name, full) == 0) {
            return p;
        }
    }
    fail_msg("no parameter %s", full);
    return NULL;
}

static double value(toy *t, const char *name, int64_t i)
{
    return toy_real(stele__params_dtype(t->model.params), param(t, name)->values, i);
}

/* log softmax of one vector through output `name`. */
static inline double log_softmax_at(toy *t, const char *name, int n, const double *h, int token)
{
    char weight[64], bias[64];
    double total = 0, own = 0;
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    for (int k = 0; k < VOCAB; k++) {
        double score = value(t, bias, k);
        for (int j = 0; j < n; j++) {
            score += value(t, weight, (int64_t)k * n + j) * h[j];
        }
        total += exp(score);
        own = k == token ? score : own;
    }
    return own - log(total);
}

static double linear_at(toy *t, const char *name, int in, int out, const double *x, int j)
{
    char weight[128], bias[128];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    double sum = value(t, bias, j);
    for (int i = 0; i < in; i++) {
        sum += x[i] * value(t, weight, i * out + j);
    }
    return sum;
}

/* The decoder's hidden layer for row r. */
static inline void hidden_at(toy *t, int r, double ret[2])
{
    for (int j = 0; j < 2; j++) {
        ret[j] = tanh(linear_at(t, "decoder.layer0", 2, 2, latent + 2 * r, j));
    }
}

/* Tokens of the four texts, each but the empty one with a blank before it. 257 is ` a`, 258
 * ` ab`: which pairs are learned is seen from the buffer. */
static const int own_tokens[ROWS][4] = {
    { 258, 258, TEXT_END }, { 258, TEXT_END }, { ' ', 'b', 'a', TEXT_END }, { TEXT_END }
};

static void generate(toy *t, uint32_t what, char ret[ROWS][WIDTH + 1])
{
    const stele__modality *md = begin(t, 0);
    stele_decode_args a = { .struct_size = sizeof a, .z = real(t, ROWS, 2, latent) };
    stele_tensor *x = NULL;
    TOY_OK(t, md->vt->generate(stele__guest_inst(md->part.guest), t->graph, &a, what, &x));
    assert_true(x->shape.ndim == 2 && x->shape.dim[0] == ROWS && x->shape.dim[1] == WIDTH);
    memset(ret, 0, ROWS * (WIDTH + 1));
    for (int64_t i = 0; i < ROWS * WIDTH; i++) {
        ret[i / WIDTH][i % WIDTH] = (char)(int)stele__tensor_real(x, i);
    }
}

/* Five tokens, and no other, as they may come. */
static const int likely[] = { 'a', 'b', ' ', 257, TEXT_END };

static void allow_likely_alone(toy *t)
{
    for (int k = 0; k < VOCAB; k++) {
        int in = 0;
        for (int i = 0; i < 5; i++) {
            in = in || likely[i] == k;
        }
        double bias =
            k == TEXT_END || k == ' ' ? -10.0 : 0.0; /* longer ones are more of a search */
        toy_put(STELE_F64, param(t, "output.bias")->values, k, in ? bias : -50.0);
    }
}

static void append(char *text, int token)
{
    const char one[] = { (char)token, '\0' };
    strcat(text, token == TEXT_END ? "" : token == 257 ? " a" : token == 258 ? " ab" : one);
}

/* The text of tokens that were put together: the blank before its first word is none of it. */
static void drop_blank(char *text)
{
    memmove(text, text + (text[0] == ' '), strlen(text + (text[0] == ' ')) + 1);
}

/* log p of n tokens of row r, by hand. */
typedef double text_log_p_fn(toy *t, int r, int n, const int *token);

/* The likeliest of all texts of at most three tokens, and of the first tokens. */
static void try_all(toy *t, text_log_p_fn *log_p, int r, char ret[WIDTH + 1],
                    char ret_first[WIDTH + 1])
{
    double best = -HUGE_VAL, first = -HUGE_VAL;
    for (int i = 0; i < 125; i++) {
        int token[] = { likely[i / 25], likely[i / 5 % 5], likely[i % 5] }, n = 1;
        while (n < 3 && token[n - 1] != TEXT_END) {
            n++;
        }
        double p = log_p(t, r, n, token), p1 = log_p(t, r, 1, token);
        if (p > best) {
            best = p;
            ret[0] = '\0';
            for (int k = 0; k < n; k++) {
                append(ret, token[k]);
            }
        }
        if (p1 > first) {
            first = p1;
            ret_first[0] = '\0';
            append(ret_first, token[0]);
        }
    }
    drop_blank(ret);
    drop_blank(ret_first);
}

/* With at most three tokens a text: as wide a search as there is room for, and the narrowest one.
 * Stirred so much, texts of a recurrent decoder overtake each other at the second token, so states
 * that did not go with them would be seen at the third. */
static inline void the_search_is_exhaustive(toy *t, text_log_p_fn *log_p)
{
    char mode[ROWS][WIDTH + 1], greedy[ROWS][WIDTH + 1], want[WIDTH + 1], begins[WIDTH + 1];
    int n_written = 0;
    toy_stir(t, 1.6);
    allow_likely_alone(t);
    generate(t, STELE_DRAW_MODE, mode);
    generate(t, STELE_DRAW_MEAN, greedy);
    for (int r = 0; r < ROWS; r++) {
        try_all(t, log_p, r, want, begins);
        assert_string_equal(mode[r], want);
        assert_int_equal(strncmp(greedy[r], begins, strlen(begins)), 0);
        n_written += strlen(want) > 1;
    }
    assert_true(n_written > 0);
}

typedef struct text_element {
    const char *name;
    int64_t at;
} text_element;

/* Opened with at most two tokens a text and `beam`. A text goes on with `a` or `b`, but ends after
 * `a`. Of .4 and .6 the likeliest text is "a", .4, where greedy writing finds "bb", .36; of .36 and
 * .64 "bb", .41, is the likeliest. one[n]: elements of the decoder that, as 1, take the first
 * number of the embedding to the first of the state. All others are 0, and so is the state after
 * `b`. */
static inline void the_likeliest_begins_unlikely(toy *t, int beam, int n, const text_element *one)
{
    static const double p_a[] = { 0.4, 0.36 };
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        stele__param *p = stele__params_entry(t->model.params, e);
        const int writes =
            strncmp(p->name, "t.decoder.", 10) == 0 || strncmp(p->name, "t.output.", 9) == 0;
        for (int64_t i = 0; writes && i < p->n; i++) {
            toy_put(STELE_F64, p->values, i, 0.0);
        }
    }
    for (int i = 0; i < n; i++) {
        toy_put(STELE_F64, param(t, one[i].name)->values, one[i].at, 1.0);
    }
    toy_put(STELE_F64, param(t, "decoder.embedding")->values, 'a' * 3, 1.0);
    stele__param *weight = param(t, "output.weight");
    toy_put(STELE_F64, weight->values, weight->n / VOCAB * TEXT_END, 400.0);
    for (int k = 0; k < 2; k++) {
        double *bias = param(t, "output.bias")->values;
        char mode[ROWS][WIDTH + 1], greedy[ROWS][WIDTH + 1];
        for (int i = 0; i < VOCAB; i++) {
            bias[i] = -50.0;
        }
        bias['a'] = log(p_a[k]);
        bias['b'] = log(1 - p_a[k]);
        generate(t, STELE_DRAW_MODE, mode);
        generate(t, STELE_DRAW_MEAN, greedy);
        for (int r = 0; r < ROWS; r++) {
            assert_string_equal(mode[r], beam > 1 && k == 0 ? "a" : "bb");
            assert_string_equal(greedy[r], "bb");
        }
    }
}

#endif
