/* modality/text, what a bag reads: weights by tf-idf, of pieces of words, and where the vectors of
 * tokens start. */
#include "test.h"

#include "text_case.h"

#include <malloc.h>

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

static void open_start(toy *t, const char *from, const char *weights, const char *start,
                       unsigned threads)
{
    char spec[512];
    snprintf(spec, sizeof spec,
             "stele: 1\nname: t\nseed: 3\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
             "  t: {plugin: text, from: %s, vocab_size: %d, embedding: 3, decoder: {kind: bag}, "
             "encoder: {kind: bag, weights: %s, embedding: %s}}\nfusion: poe\n"
             "train: {epochs: 1, batch_size: 4}\n",
             from, VOCAB, weights, start);
    toy_open(t, spec, &source, NULL, 0, STELE_F32, threads);
}

static void vectors_start_where_texts_differ(void **state)
{
    (void)state;
    static const char *const weights[] = { "mean", "tfidf" };
    for (int tfidf = 0; tfidf < 2; tfidf++) {
        toy t, other;
        open_start(&t, "t/repeated", weights[tfidf], "lsa", 1);
        open_start(&other, "t/repeated", weights[tfidf], "lsa", 3);
        check_start(&t, tfidf);
        for (int i = 0; i < VOCAB * 3; i++) {
            const double v = value(&t, "encoder.embedding", i);
            assert_true(v == value(&other, "encoder.embedding", i));
            assert_true(i % 3 < 2 || v == 0); /* the third direction is none */
        }
        toy_close(&other);
        open_start(&other, "t/repeated", weights[tfidf], "random", 1);
        assert_true(value(&other, "encoder.embedding", 0) != 0);
        toy_close(&other);
        toy_close(&t);
    }
}

/* Of "!?" nothing is read, whatever memory held before: its tokens differ in no text. */
static void unread_texts_do_not_count(void **state)
{
    toy t;
    (void)state;
    mallopt(M_PERTURB, 0xC0); /* new memory holds doubles of 0.00047 */
    open_start(&t, "t/silent", "tfidf", "lsa", 1);
    mallopt(M_PERTURB, 0);
    for (int j = 0; j < 3; j++) {
        assert_true(value(&t, "encoder.embedding", '!' * 3 + j) == 0);
        assert_true((value(&t, "encoder.embedding", 258 * 3 + j) != 0) == (j == 0));
    }
    toy_close(&t);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_tf_idf),
        cmocka_unit_test(what_is_cut_counts_in_no_text),
        cmocka_unit_test(marks_count_if_asked_for),
        cmocka_unit_test(pieces_share_the_weight_of_a_word),
        cmocka_unit_test(vectors_start_where_texts_differ),
        cmocka_unit_test(unread_texts_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
