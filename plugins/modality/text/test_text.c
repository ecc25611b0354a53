/* modality/text: tokens of any bytes, log-probabilities by hand, what cut texts and unread words
 * do, texts that are written. Derivatives are stele-check's. */
#include "test.h"

#include "toy_model.h"

#include <stdlib.h>

/* A copy of the tokenizer under names of its own: those of the plugin are taken where plugins are
 * linked in. */
#define bpe_init      own_bpe_init
#define bpe_finish    own_bpe_finish
#define bpe_encode    own_bpe_encode
#define bpe_decode    own_bpe_decode
#define corpus_add    own_corpus_add
#define corpus_learn  own_corpus_learn
#define corpus_finish own_corpus_finish
#include "bpe.c"

/* --- tokens ----------------------------------------------------------------------------------- */

static void bytes_come_back(const bpe *b, const unsigned char *text, int64_t n)
{
    int32_t token[300];
    unsigned char back[300];
    int64_t k = bpe_encode(b, text, n, token);
    assert_true(k <= n);
    assert_int_equal(bpe_decode(b, token, k, back, sizeof back), n);
    assert_memory_equal(back, text, (size_t)n);
}

static void any_bytes_survive(void **state)
{
    (void)state;
    static const char *const corpus_text[] = { "the cat sat on the mat",
                                               "gr\xc3\xbc\xc3\x9f dich, dich",
                                               "the the  the \xf0\x9f\x90\xa6\xf0\x9f\x90\xa6" };
    corpus c = { 0 };
    bpe_merge merge[64];
    bpe b;
    unsigned char noise[256];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            corpus_add(&c, (const unsigned char *)corpus_text[i], (int64_t)strlen(corpus_text[i])),
            0);
    }
    int64_t n = corpus_learn(&c, 64, merge);
    assert_in_range(n, 8, 64);
    assert_int_equal(bpe_init(&b, n, merge), 0);
    for (int i = 0; i < 3; i++) {
        bytes_come_back(&b, (const unsigned char *)corpus_text[i], (int64_t)strlen(corpus_text[i]));
    }
    for (uint32_t seed = 1; seed < 200; seed++) {
        uint32_t x = seed;
        for (int i = 0; i < 256; i++) {
            x = x * 1664525u + 1013904223u;
            noise[i] = (unsigned char)(x >> 24);
        }
        bytes_come_back(&b, noise, seed);
    }
    bpe_finish(&b);
    corpus_finish(&c);
}

/* "ab ab ab abc": `ab` and ` ab` occur most; equals go by their smaller tokens. */
static void frequent_pairs_are_merged_first(void **state)
{
    (void)state;
    static const unsigned char text[] = "ab ab ab abc";
    corpus c = { 0 };
    bpe_merge merge[8];
    bpe b;
    int32_t token[16];
    assert_int_equal(corpus_add(&c, text, sizeof text - 1), 0);
    assert_int_equal(corpus_learn(&c, 8, merge), 2); /* `c` comes once */
    assert_true(merge[0].left == 'a' && merge[0].right == 'b');
    assert_true(merge[1].left == ' ' && merge[1].right == BPE_FIRST);
    assert_int_equal(bpe_init(&b, 2, merge), 0);
    assert_int_equal(bpe_encode(&b, text, sizeof text - 1, token), 5);
    const int32_t want[] = { BPE_FIRST, BPE_FIRST + 1, BPE_FIRST + 1, BPE_FIRST + 1, 'c' };
    assert_memory_equal(token, want, sizeof want);
    bpe_finish(&b);
    corpus_finish(&c);
}

/* --- a model ---------------------------------------------------------------------------------- */

enum { ROWS = 4, WIDTH = 8, VOCAB = 260 };

/* "ab ab", "ab", "ba", nothing; the second is `ab` after a gap. */
static const double bytes[ROWS * WIDTH] = { 'a', 'b', ' ', 'a', 'b', 0, 0, 0,   0,
                                            'a', 0,   'b', 0,   0,   0, 0, 'b', 'a' };
static const char *const ids[] = { "r0", "r1", "r2", "r3" };
static const fake_axis axes[] = { { ids, ROWS } };
static const fake_field fields[] = {
    { "t", STELE_FIELD_MATRIX, STELE_CSR, 0, WIDTH, bytes, NULL, NULL, 0 },
    { "t/dense", STELE_FIELD_MATRIX, STELE_DENSE, 0, WIDTH, bytes, NULL, NULL, 0 },
};
static const fake_source source = { axes, 1, fields, 2 };

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

static const double latent[ROWS * 2] = { 0.3, -1.2, 0.8, 0.1, -0.5, 0.6, 1.5, -0.4 };

static void log_probs(toy *t, int training, double ret[ROWS])
{
    const stele__modality *md = begin(t, training);
    stele_decode_args a = { .struct_size = sizeof a, .z = real(t, ROWS, 2, latent) };
    stele_tensor *l = NULL;
    a.target = real(t, ROWS, WIDTH, bytes);
    TOY_OK(t, md->vt->log_prob(stele__guest_inst(md->part.guest), t->graph, &a, &l));
    for (int64_t r = 0; r < ROWS; r++) {
        ret[r] = stele__tensor_real(l, r);
    }
}

static stele__param *param(toy *t, const char *name)
{
    char full[96];
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
static double log_softmax_at(toy *t, const char *name, int n, const double *h, int token)
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
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    double sum = value(t, bias, j);
    for (int i = 0; i < in; i++) {
        sum += x[i] * value(t, weight, i * out + j);
    }
    return sum;
}

/* The decoder's hidden layer for row r. */
static void hidden_at(toy *t, int r, double ret[2])
{
    for (int j = 0; j < 2; j++) {
        ret[j] = tanh(linear_at(t, "decoder.layer0", 2, 2, latent + 2 * r, j));
    }
}

/* Tokens of the four texts, 257 being `ab`: which pairs are learned is seen from the buffer. */
static const int own_tokens[ROWS][4] = {
    { 257, ' ', 257, BPE_END }, { 257, BPE_END }, { 'b', 'a', BPE_END }, { BPE_END }
};

static void a_bag_of_words_by_hand(void **state)
{
    (void)state;
    toy t;
    double got[ROWS];
    open_text(&t, "t",
              "decoder: {kind: bag, hidden: [2], activation: tanh}, encoder: {kind: bag, hidden: "
              "[2], activation: tanh}",
              STELE_F64);
    log_probs(&t, 0, got);
    assert_true(value(&t, "tokenizer.merges", 0) == 'a' && value(&t, "tokenizer.merges", 1) == 'b');
    assert_true(value(&t, "tokenizer.merges", 2) < 0);
    for (int r = 0; r < ROWS; r++) {
        double want = 0, d[2];
        hidden_at(&t, r, d);
        for (int k = 0; k == 0 || own_tokens[r][k - 1] != BPE_END; k++) {
            want += log_softmax_at(&t, "output", 2, d, own_tokens[r][k]);
        }
        assert_float_equal(got[r], want, 1e-10);
    }
    toy_close(&t);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* One unit's step: state and input of two and three numbers. */
static void gru_step(toy *t, const double *x, double h[2])
{
    double a[6], b[6], next[2];
    for (int j = 0; j < 6; j++) {
        a[j] = value(t, "decoder.gru.bx", j);
        b[j] = value(t, "decoder.gru.bh", j);
        for (int i = 0; i < 3; i++) {
            a[j] += x[i] * value(t, "decoder.gru.wx", i * 6 + j);
        }
        for (int i = 0; i < 2; i++) {
            b[j] += h[i] * value(t, "decoder.gru.wh", i * 6 + j);
        }
    }
    for (int j = 0; j < 2; j++) {
        double r = sigmoid(a[j] + b[j]), u = sigmoid(a[2 + j] + b[2 + j]);
        next[j] = (1 - u) * tanh(a[4 + j] + r * b[4 + j]) + u * h[j];
    }
    memcpy(h, next, sizeof next);
}

static const char gru_options[] =
    "decoder: {state: 2, hidden: [2], activation: tanh, word_dropout: %s}, encoder: {state: 2, "
    "hidden: [2], activation: tanh}%s";

static void open_gru(toy *t, const char *from, const char *dropout, const char *more,
                     uint32_t dtype)
{
    char options[256];
    snprintf(options, sizeof options, gru_options, dropout, more);
    open_text(t, from, options, dtype);
}

/* log p of n tokens in row r's state. */
static double text_log_p(toy *t, int r, int n, const int *token)
{
    double d[2], h[2], sum = 0;
    int before = BPE_END;
    hidden_at(t, r, d);
    for (int j = 0; j < 2; j++) {
        h[j] = tanh(linear_at(t, "decoder.start", 2, 2, d, j));
    }
    for (int k = 0; k < n; k++) {
        double x[3];
        for (int j = 0; j < 3; j++) {
            x[j] = value(t, "decoder.embedding", (int64_t)before * 3 + j) +
                   linear_at(t, "decoder.step", 2, 3, d, j);
        }
        gru_step(t, x, h);
        before = token[k];
        sum += log_softmax_at(t, "output", 2, h, before);
    }
    return sum;
}

/* Texts of more than `most` tokens are the beginning of something: no end. */
static double recurrent_by_hand(toy *t, int r, int most)
{
    int n = 0;
    while (n < most && own_tokens[r][n] != BPE_END) {
        n++;
    }
    return text_log_p(t, r, n + (own_tokens[r][n] == BPE_END), own_tokens[r]);
}

static void a_recurrent_decoder_by_hand(void **state)
{
    (void)state;
    static const char *const from[] = { "t", "t/dense" };
    for (int cut = 0; cut < 2; cut++) {
        toy t;
        double got[ROWS];
        open_gru(&t, from[cut], "0.5", cut ? ", max_tokens: 2" : "", STELE_F64);
        log_probs(&t, 0, got);
        for (int r = 0; r < ROWS; r++) {
            assert_float_equal(got[r], recurrent_by_hand(&t, r, cut ? 2 : 64), 1e-10);
        }
        toy_close(&t);
    }
}

/* Only while training are words hidden, and is the bag of words added. */
static void training_is_harder(void **state)
{
    (void)state;
    toy t;
    double plain[ROWS], hidden[ROWS], with_bag[ROWS];
    open_gru(&t, "t", "0.9", "", STELE_F64);
    log_probs(&t, 0, plain);
    log_probs(&t, 1, hidden);
    assert_true(fabs(plain[0] - hidden[0]) > 1e-3);
    toy_close(&t);
    char options[] =
        "decoder: {state: 2, hidden: [2], activation: tanh, word_dropout: 0, bag_weight: 0.5}, "
        "encoder: {state: 2, hidden: [2], activation: tanh}";
    open_text(&t, "t", options, STELE_F64);
    log_probs(&t, 0, plain);
    log_probs(&t, 1, with_bag);
    for (int r = 0; r < ROWS; r++) {
        double bag = 0, d[2];
        hidden_at(&t, r, d);
        for (int k = 0; k == 0 || own_tokens[r][k - 1] != BPE_END; k++) {
            bag += log_softmax_at(&t, "bag", 2, d, own_tokens[r][k]);
        }
        assert_float_equal(with_bag[r], plain[r] + 0.5 * bag, 1e-10);
    }
    toy_close(&t);
}

/* --- writing ---------------------------------------------------------------------------------- */

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
static const int likely[] = { 'a', 'b', ' ', 257, BPE_END };

static void allow_likely_alone(toy *t)
{
    for (int k = 0; k < VOCAB; k++) {
        int in = 0;
        for (int i = 0; i < 5; i++) {
            in = in || likely[i] == k;
        }
        toy_put(STELE_F64, param(t, "output.bias")->values, k, in ? 0.0 : -50.0);
    }
}

static void append(char *text, int token)
{
    const char one[] = { (char)token, '\0' };
    strcat(text, token == BPE_END ? "" : token == 257 ? "ab" : one);
}

/* The likeliest of all texts of at most two tokens, and of the first tokens. */
static void try_all(toy *t, int r, char ret[WIDTH + 1], char ret_first[WIDTH + 1])
{
    double best = -HUGE_VAL, first = -HUGE_VAL;
    for (int i = 0; i < 25; i++) {
        int token[] = { likely[i / 5], likely[i % 5] }, n = token[0] == BPE_END ? 1 : 2;
        double p = text_log_p(t, r, n, token), p1 = text_log_p(t, r, 1, token);
        if (p > best) {
            best = p;
            ret[0] = '\0';
            append(ret, token[0]);
            append(ret, n == 2 ? token[1] : BPE_END);
        }
        if (p1 > first) {
            first = p1;
            ret_first[0] = '\0';
            append(ret_first, token[0]);
        }
    }
}

/* As wide a search as there is room for, and the narrowest one. */
static void the_search_finds_the_likeliest(void **state)
{
    (void)state;
    toy t;
    char mode[ROWS][WIDTH + 1], greedy[ROWS][WIDTH + 1], want[WIDTH + 1], begins[WIDTH + 1];
    int n_written = 0;
    open_gru(&t, "t", "0", ", max_tokens: 2, beam: 64", STELE_F64);
    toy_stir(&t, 2.0);
    allow_likely_alone(&t);
    generate(&t, STELE_DRAW_MODE, mode);
    generate(&t, STELE_DRAW_MEAN, greedy);
    for (int r = 0; r < ROWS; r++) {
        try_all(&t, r, want, begins);
        assert_string_equal(mode[r], want);
        assert_int_equal(strncmp(greedy[r], begins, strlen(begins)), 0);
        n_written += strlen(want) > 1;
    }
    assert_true(n_written > 0);
    toy_close(&t);
}

/* A small top_p leaves the likeliest token alone; the same pass draws the same. */
static void random_texts_come_from_the_likely_tokens(void **state)
{
    (void)state;
    toy t;
    char sample[ROWS][WIDTH + 1], again[ROWS][WIDTH + 1], greedy[ROWS][WIDTH + 1];
    open_gru(&t, "t", "0", ", max_tokens: 6, top_p: 0.01", STELE_F32);
    generate(&t, STELE_DRAW_SAMPLE, sample);
    generate(&t, STELE_DRAW_MEAN, greedy);
    assert_memory_equal(sample, greedy, sizeof sample);
    toy_close(&t);
    open_gru(&t, "t", "0", ", max_tokens: 6, top_p: 1", STELE_F32);
    generate(&t, STELE_DRAW_SAMPLE, sample);
    generate(&t, STELE_DRAW_SAMPLE, again);
    generate(&t, STELE_DRAW_MEAN, greedy);
    assert_memory_equal(sample, again, sizeof sample);
    assert_memory_not_equal(sample, greedy, sizeof sample);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_survive),
        cmocka_unit_test(frequent_pairs_are_merged_first),
        cmocka_unit_test(a_bag_of_words_by_hand),
        cmocka_unit_test(a_recurrent_decoder_by_hand),
        cmocka_unit_test(training_is_harder),
        cmocka_unit_test(the_search_finds_the_likeliest),
        cmocka_unit_test(random_texts_come_from_the_likely_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
