/* modality/text: tokens of any bytes, log-probabilities by hand, what cut texts and unread words
 * do, texts that are written. Derivatives are stele-check's. */
#include "test.h"

#include "text_case.h"

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

/* The comma comes often after `ab` and is no part of its token; digits are apart from letters. */
static void words_end_where_the_kind_of_character_changes(void **state)
{
    (void)state;
    static const unsigned char text[] = "ab, ab, ab7 ab7";
    corpus c = { 0 };
    bpe_merge merge[8];
    bpe b;
    int32_t token[16];
    assert_int_equal(corpus_add(&c, text, sizeof text - 1), 0);
    assert_int_equal(corpus_learn(&c, 8, merge), 2); /* ab and, with its blank, ` ab` */
    assert_int_equal(bpe_init(&b, 2, merge), 0);
    assert_int_equal(bpe_encode(&b, text, sizeof text - 1, token), 8);
    const int32_t want[] = { BPE_FIRST,     ',', BPE_FIRST + 1, ',',
                             BPE_FIRST + 1, '7', BPE_FIRST + 1, '7' };
    assert_memory_equal(token, want, sizeof want);
    bpe_finish(&b);
    corpus_finish(&c);
}

/* --- a model ---------------------------------------------------------------------------------- */

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
    assert_true(value(&t, "tokenizer.merges", 0) == ' ' && value(&t, "tokenizer.merges", 1) == 'a');
    assert_true(value(&t, "tokenizer.merges", 2) == 257 && value(&t, "tokenizer.merges", 3) == 'b');
    assert_true(value(&t, "tokenizer.merges", 4) < 0);
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

/* Of a text of one token tf-idf reads that token's vector, however rare it is. Row 1 is "ab". */
static void a_token_alone_is_its_vector(void **state)
{
    (void)state;
    toy t;
    stele_dist q = { 0 };
    open_text(&t, "t", "decoder: {kind: bag}, encoder: {kind: bag, weights: tfidf, hidden: []}",
              STELE_F64);
    assert_true(fabs(value(&t, "encoder.weights", 258) - 1.0) > 0.1);
    const double *e = (const double *)param(&t, "encoder.embedding")->values + 258 * 3;
    const stele__modality *md = begin(&t, 0);
    stele_encode_args a = { .struct_size = sizeof a, .x = tokens(&t) };
    TOY_OK(&t, md->vt->encode(stele__guest_inst(md->part.guest), t.graph, &a, &q));
    for (int64_t j = 0; j < 2; j++) {
        const double want = linear_at(&t, "mean", 3, 2, e, (int)j);
        assert_float_equal(stele__tensor_real(q.p[0], 2 + j), want, 1e-12);
    }
    toy_close(&t);
}

/* Tokens and an end; of a text that is cut as many tokens as there may be. */
static void factors_are_tokens(void **state)
{
    (void)state;
    static const int64_t want[2][ROWS] = { { 3, 2, 4, 1 }, { 3, 2, 2, 1 } };
    for (int cut = 0; cut < 2; cut++) {
        toy t;
        int64_t n[ROWS] = { 0 };
        open_text(&t, "t",
                  cut ? "max_tokens: 2, decoder: {kind: bag}, encoder: {kind: bag}"
                      : "decoder: {kind: bag}, encoder: {kind: bag}",
                  STELE_F32);
        const stele__modality *md = begin(&t, 0);
        TOY_OK(&t, md->vt->factors(stele__guest_inst(md->part.guest), t.graph, tokens(&t), n));
        assert_memory_equal(n, want[cut], sizeof n);
        toy_close(&t);
    }
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

/* log p of n tokens in row r's state; how many of them are the likeliest, if that is wanted. */
static double text_walk(toy *t, int r, int n, const int *token, int *ret_hits)
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
        const double own = log_softmax_at(t, "output", 2, h, before);
        int best = 1;
        for (int other = 0; ret_hits != NULL && other < VOCAB; other++) {
            best = best && (other == before || log_softmax_at(t, "output", 2, h, other) < own);
        }
        if (ret_hits != NULL) {
            *ret_hits += best;
        }
        sum += own;
    }
    return sum;
}

static double text_log_p(toy *t, int r, int n, const int *token)
{
    return text_walk(t, r, n, token, NULL);
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

/* --- metrics ---------------------------------------------------------------------------------- */

/* Numbers of all rows, `width` each. */
static void tallies(toy *t, uint32_t width, double *ret)
{
    const stele__modality *md = begin(t, 0);
    const stele_inst *self = stele__guest_inst(md->part.guest);
    stele_decode_args a = { .struct_size = sizeof a, .z = real(t, ROWS, 2, latent) };
    stele_tensor *x = NULL;
    a.target = tokens(t);
    assert_int_equal(md->vt->tally_width(self), width);
    TOY_OK(t, md->vt->tally(self, t->graph, &a, &x));
    assert_int_equal(x->n, ROWS * width);
    for (int64_t i = 0; i < x->n; i++) {
        ret[i] = stele__tensor_real(x, i);
    }
}

/* Some tokens are likely enough for the texts to be guessed here and there. */
static void make_likely(toy *t, double more)
{
    static const int some[] = { 258, 'b', 'a', BPE_END };
    for (int i = 0; i < 4; i++) {
        double *bias = param(t, "output.bias")->values;
        bias[some[i]] += more;
    }
}

/* log p, bytes, tokens with the end, tokens that are the likeliest after those before. */
static void next_tokens_by_hand(void **state)
{
    static const int length[2][ROWS] = { { 3, 2, 4, 1 }, { 3, 2, 2, 1 } };
    static const double bytes[2][ROWS] = { { 5, 2, 2, 0 }, { 5, 2, 1, 0 } };
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        toy t;
        double got[ROWS * 4];
        int all = 0;
        open_gru(&t, "t", "0.5", cut ? ", max_tokens: 2" : "", STELE_F64);
        toy_stir(&t, 1.0);
        make_likely(&t, 4.0);
        tallies(&t, 4, got);
        for (int r = 0; r < ROWS; r++) {
            int hits = 0;
            const double want = text_walk(&t, r, length[cut][r], own_tokens[r], &hits);
            assert_float_equal(got[4 * r], want, 1e-10);
            assert_true(got[4 * r + 1] == bytes[cut][r] && got[4 * r + 2] == length[cut][r]);
            assert_true(got[4 * r + 3] == hits);
            all += hits;
        }
        assert_true(all > 0 && all < 8);
        toy_close(&t);
    }
}

/* The rank of a token among all but the end: 1 and those that score more. */
static int rank_of(toy *t, const double *h, int token)
{
    int rank = 1;
    const double own = log_softmax_at(t, "output", 2, h, token);
    for (int k = 0; k < VOCAB; k++) {
        rank += k != BPE_END && log_softmax_at(t, "output", 2, h, k) > own;
    }
    return rank;
}

/* log p, bytes, texts that have words, precision at each of a text's words, and the share of them
 * among the first twenty. */
static void a_bag_ranks_words(void **state)
{
    static const int words[ROWS][3] = { { 258 }, { 258 }, { ' ', 'b', 'a' }, { 0 } };
    static const int n_words[ROWS] = { 1, 1, 3, 0 };
    toy t;
    double got[ROWS * 5], log_p[ROWS];
    int near = 0;
    (void)state;
    open_text(&t, "t",
              "decoder: {kind: bag, hidden: [2], activation: tanh}, encoder: {kind: bag, hidden: "
              "[2], activation: tanh}",
              STELE_F64);
    for (int k = 0; k < VOCAB; k++) { /* frequent ones are no likelier */
        ((double *)param(&t, "output.bias")->values)[k] = 0.3 * sin(k);
    }
    ((double *)param(&t, "output.bias")->values)[258] = 0.4;
    log_probs(&t, 0, log_p);
    tallies(&t, 5, got);
    for (int r = 0; r < ROWS; r++) {
        double d[2], precision = 0.0;
        int rank[3], found = 0;
        hidden_at(&t, r, d);
        for (int i = 0; i < n_words[r]; i++) {
            rank[i] = rank_of(&t, d, words[r][i]);
            found += rank[i] <= 20;
        }
        for (int i = 0; i < n_words[r]; i++) {
            int before = 0;
            for (int j = 0; j < n_words[r]; j++) {
                before += rank[j] <= rank[i];
            }
            precision += (double)before / rank[i] / n_words[r];
        }
        assert_float_equal(got[5 * r], log_p[r], 1e-10);
        assert_true(got[5 * r + 1] == (r == 0 ? 5 : r < 3 ? 2 : 0));
        assert_true(got[5 * r + 2] == (n_words[r] > 0));
        assert_float_equal(got[5 * r + 3], precision, 1e-12);
        assert_float_equal(got[5 * r + 4], n_words[r] > 0 ? (double)found / n_words[r] : 0.0,
                           1e-12);
        near += found;
    }
    assert_true(near > 0 && near < 5);
    toy_close(&t);
}

static void bits_are_per_byte(void **state)
{
    static const double sum[2][5] = { { -20.0 * M_LN2, 8, 10, 4, 0 },
                                      { -3.0 * M_LN2, 2, 4, 1, 3 } };
    static const double none[5] = { 0 };
    static const double want[2][3] = { { 2.5, 0.4, 0 }, { 1.5, 0.25, 0.75 } };
    (void)state;
    for (int bag = 0; bag < 2; bag++) {
        toy t;
        stele_metric m[3];
        uint32_t n = 0;
        open_text(&t, "t", bag ? "decoder: {kind: bag}" : "decoder: {state: 2}", STELE_F32);
        const stele__modality *md = &t.model.modality[0];
        const stele_inst *self = stele__guest_inst(md->part.guest);
        TOY_OK(&t, md->vt->tally_end(self, sum[bag], 3, m, &n));
        assert_true(n == (bag ? 3 : 2) && strcmp(m[0].name, "bits_per_byte") == 0);
        for (uint32_t k = 0; k < n; k++) {
            assert_float_equal(m[k].value, want[bag][k], 1e-12);
        }
        TOY_OK(&t, md->vt->tally_end(self, none, 3, m, &n));
        assert_true(isnan(m[0].value) && isnan(m[1].value));
        toy_close(&t);
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static void the_search_finds_the_likeliest(void **state)
{
    (void)state;
    toy t;
    open_gru(&t, "t", "0", ", max_tokens: 3, beam: 64", STELE_F64);
    the_search_is_exhaustive(&t, text_log_p);
    toy_close(&t);
}

static void a_wider_search_finds_more(void **state)
{
    static const text_element one[] = { { "decoder.gru.wx", 4 } };
    static const char *const more[] = { ", max_tokens: 2, beam: 1", ", max_tokens: 2, beam: 2" };
    (void)state;
    for (int beam = 1; beam <= 2; beam++) {
        toy t;
        open_gru(&t, "t", "0", more[beam - 1], STELE_F64);
        the_likeliest_begins_unlikely(&t, beam, 1, one);
        toy_close(&t);
    }
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
        cmocka_unit_test(words_end_where_the_kind_of_character_changes),
        cmocka_unit_test(a_bag_of_words_by_hand),
        cmocka_unit_test(a_token_alone_is_its_vector),
        cmocka_unit_test(a_recurrent_decoder_by_hand),
        cmocka_unit_test(training_is_harder),
        cmocka_unit_test(factors_are_tokens),
        cmocka_unit_test(next_tokens_by_hand),
        cmocka_unit_test(a_bag_ranks_words),
        cmocka_unit_test(bits_are_per_byte),
        cmocka_unit_test(the_search_finds_the_likeliest),
        cmocka_unit_test(a_wider_search_finds_more),
        cmocka_unit_test(random_texts_come_from_the_likely_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
