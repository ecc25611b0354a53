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

/* What the encoder's expert has as mean, of which `hidden: []` leaves a linear function of the
 * weighted sum of the tokens' vectors: e given, in row r and dimension j. */
static double expert_mean(toy *t, const double e[3], int j)
{
    return linear_at(t, "mean", 3, 2, e, j);
}

/* "ab ab ba" has ` ab`, which two of four texts have, twice, and three bytes of its own, a third of
 * a word each; "ab" has one token, whose weight is 1 whatever it is; the others have none. */
static void weights_are_those_of_tf_idf(void **state)
{
    (void)state;
    static const int token[] = { 258, ' ', 'b', 'a' };
    const double idf[] = { log(5.0 / 3), log(5.0 / 2) / 3 };
    const double own[] = { (1 + log(2.0)) * idf[0], idf[1], idf[1], idf[1] };
    const double norm = sqrt(own[0] * own[0] + 3 * idf[1] * idf[1]);
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        toy t;
        double e[2][3] = { { 0 }, { 0 } };
        const double none[3] = { 0 };
        stele_dist q = { 0 };
        open_text(&t, "t/repeated",
                  "decoder: {kind: bag}, encoder: {kind: bag, weights: tfidf, hidden: []}", dtype);
        const double exact = dtype == STELE_F64 ? 1e-12 : 1e-5;
        assert_float_equal(value(&t, "encoder.weights", 258), idf[0], 1e-6);
        assert_float_equal(value(&t, "encoder.weights", 'a'), idf[1], 1e-6);
        assert_float_equal(value(&t, "encoder.weights", 'z'), 0, 0);
        for (int k = 0; k < 4; k++) {
            for (int j = 0; j < 3; j++) {
                const double v = value(&t, "encoder.embedding", (int64_t)token[k] * 3 + j);
                e[0][j] += own[k] / norm * v;
                e[1][j] += k == 0 ? v : 0;
            }
        }
        const stele__modality *md = begin(&t, 0);
        stele_encode_args a = { .struct_size = sizeof a, .x = tokens(&t) };
        TOY_OK(&t, md->vt->encode(stele__guest_inst(md->part.guest), t.graph, &a, &q));
        for (int j = 0; j < 2; j++) {
            assert_float_equal(stele__tensor_real(q.p[0], j), expert_mean(&t, e[0], j), exact);
            assert_float_equal(stele__tensor_real(q.p[0], 2 + j), expert_mean(&t, e[1], j), exact);
            assert_float_equal(stele__tensor_real(q.p[0], 4 + j), expert_mean(&t, none, j), exact);
        }
        toy_close(&t);
    }
}

/* --- where vectors start ------------------------------------------------------------------
 */

/* What the encoder sums of the four texts of "t/repeated", by hand: "ab ab ba", "ab", nothing. */
static void sum_vectors(toy *t, int tfidf, double ret[ROWS][3])
{
    static const int token[] = { 258, ' ', 'b', 'a' };
    const double idf[] = { log(5.0 / 3), log(5.0 / 2) / 3 };
    const double norm = sqrt(pow((1 + log(2.0)) * idf[0], 2) + 3 * idf[1] * idf[1]);
    memset(ret, 0, ROWS * sizeof *ret);
    for (int k = 0; k < 4; k++) {
        const double w =
            tfidf ? (k == 0 ? (1 + log(2.0)) * idf[0] : idf[1]) / norm : (k == 0 ? 0.4 : 0.2);
        for (int j = 0; j < 3; j++) {
            const double v = value(t, "encoder.embedding", (int64_t)token[k] * 3 + j);
            ret[0][j] += w * v;
            ret[1][j] += k == 0 ? v : 0;
        }
    }
}

/* Two directions hold all that the texts differ by, so that products of their sums around the mean
 * are those of the weights themselves; together they vary by 0.3 a number. */
static void check_start(toy *t, int tfidf)
{
    const double both = tfidf ? (1 + log(2.0)) * log(5.0 / 3) : 2,
                 one = tfidf ? log(5.0 / 2) / 3 : 1;
    const double length = tfidf ? sqrt(both * both + 3 * one * one) : 5;
    const double own = (both * both + 3 * one * one) / (length * length), shared = both / length;
    const double exact[ROWS][ROWS] = { { own, shared }, { shared, 1 } };
    double e[ROWS][3], got[ROWS][ROWS], want[ROWS][ROWS], total[2] = { 0 };
    sum_vectors(t, tfidf, e);
    for (int r = 0; r < ROWS; r++) {
        for (int q = 0; q < ROWS; q++) {
            got[r][q] = want[r][q] = 0;
            for (int i = 0; i < ROWS; i++) {
                for (int k = 0; k < ROWS; k++) {
                    const double w = ((i == r) - 0.25) * ((k == q) - 0.25);
                    want[r][q] += w * exact[i][k];
                    for (int j = 0; j < 3; j++) {
                        got[r][q] += w * e[i][j] * e[k][j];
                    }
                }
            }
        }
        total[0] += got[r][r] / ROWS;
        total[1] += want[r][r] / ROWS;
    }
    assert_float_equal(total[0], 0.3 * 3, 1e-5);
    for (int i = 0; i < ROWS * ROWS; i++) {
        const int r = i / ROWS, q = i % ROWS;
        assert_float_equal(got[r][q] / total[0], want[r][q] / total[1], 1e-5);
    }
}

static void open_start(toy *t, const char *weights, const char *start, unsigned threads)
{
    char spec[512];
    snprintf(
        spec, sizeof spec,
        "stele: 1\nname: t\nseed: 3\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
        "  t: {plugin: text, from: t/repeated, vocab_size: %d, embedding: 3, decoder: {kind: bag}, "
        "encoder: {kind: bag, weights: %s, embedding: %s}}\nfusion: poe\n"
        "train: {epochs: 1, batch_size: 4}\n",
        VOCAB, weights, start);
    toy_open(t, spec, &source, NULL, 0, STELE_F32, threads);
}

static void vectors_start_where_texts_differ(void **state)
{
    (void)state;
    static const char *const weights[] = { "mean", "tfidf" };
    for (int tfidf = 0; tfidf < 2; tfidf++) {
        toy t, other;
        open_start(&t, weights[tfidf], "lsa", 1);
        open_start(&other, weights[tfidf], "lsa", 3);
        check_start(&t, tfidf);
        for (int i = 0; i < VOCAB * 3; i++) {
            const double v = value(&t, "encoder.embedding", i);
            assert_true(v == value(&other, "encoder.embedding", i));
            assert_true(i % 3 < 2 || v == 0); /* the third direction is none */
        }
        toy_close(&other);
        open_start(&other, weights[tfidf], "random", 1);
        assert_true(value(&other, "encoder.embedding", 0) != 0);
        toy_close(&other);
        toy_close(&t);
    }
}

/* Of "ab ab ba" three tokens are read: the last two count in no text. */
static void what_is_cut_counts_in_no_text(void **state)
{
    (void)state;
    toy t;
    open_text(&t, "t/repeated",
              "max_tokens: 3, decoder: {kind: bag}, encoder: {kind: bag, weights: tfidf}",
              STELE_F64);
    assert_float_equal(value(&t, "encoder.weights", ' '), log(5.0 / 2) / 3, 1e-6);
    assert_float_equal(value(&t, "encoder.weights", 'a'), 0, 0);
    toy_close(&t);
}

/* One text of two that have ` ab` has a comma. */
static void marks_count_if_asked_for(void **state)
{
    (void)state;
    for (int marks = 0; marks < 2; marks++) {
        toy t;
        open_text(&t, "t/marked",
                  marks ? "decoder: {kind: bag}, encoder: {kind: bag, weights: tfidf, marks: true}"
                        : "decoder: {kind: bag}, encoder: {kind: bag, weights: tfidf}",
                  STELE_F64);
        assert_float_equal(value(&t, "encoder.weights", 258), log(5.0 / 3), 1e-6);
        assert_float_equal(value(&t, "encoder.weights", ','), marks ? log(5.0 / 2) : 0, 1e-6);
        toy_close(&t);
    }
}

/* ` ab` is a word three times and half of ` abc` once; a text's first three tokens count. */
static void pieces_share_the_weight_of_a_word(void **state)
{
    (void)state;
    toy t;
    open_text(&t, "t/pieces",
              "max_tokens: 3, decoder: {kind: bag}, encoder: {kind: bag, weights: tfidf}",
              STELE_F64);
    assert_float_equal(value(&t, "encoder.weights", 258), 3.5 / 4 * log(5.0 / 3), 1e-6);
    assert_float_equal(value(&t, "encoder.weights", 'c'), log(5.0 / 2) / 2, 1e-6);
    assert_float_equal(value(&t, "encoder.weights", '7'), log(5.0 / 2) / 2, 1e-6);
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

static void the_search_finds_the_likeliest(void **state)
{
    (void)state;
    toy t;
    open_gru(&t, "t", "0", ", max_tokens: 2, beam: 64", STELE_F64);
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
        cmocka_unit_test(a_recurrent_decoder_by_hand),
        cmocka_unit_test(training_is_harder),
        cmocka_unit_test(factors_are_tokens),
        cmocka_unit_test(weights_are_those_of_tf_idf),
        cmocka_unit_test(what_is_cut_counts_in_no_text),
        cmocka_unit_test(marks_count_if_asked_for),
        cmocka_unit_test(pieces_share_the_weight_of_a_word),
        cmocka_unit_test(vectors_start_where_texts_differ),
        cmocka_unit_test(the_search_finds_the_likeliest),
        cmocka_unit_test(a_wider_search_finds_more),
        cmocka_unit_test(random_texts_come_from_the_likely_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
