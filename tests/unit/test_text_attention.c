/* modality/text with self-attention: encoder and decoder against plain loops, text by text and
 * position by position, so that neither padding nor what comes later can have an influence; the
 * search, which works position by position, against the same. Derivatives are stele-check's. */
#include "test.h"

#include "allocations.h"
#include "text_case.h"

enum { STATE = 4, HEADS = 2, BLOCKS = 2, EMBEDDING = 3, MOST = 6 };

typedef double states[MOST][STATE];

static double at(toy *t, const char *part, const char *name, int64_t i)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", part, name);
    return value(t, full, i);
}

static void norm(toy *t, const char *part, const char *gain, const char *shift, const double *x,
                 double *ret)
{
    double mean = 0, var = 0;
    for (int j = 0; j < STATE; j++) {
        mean += x[j] / STATE;
    }
    for (int j = 0; j < STATE; j++) {
        var += (x[j] - mean) * (x[j] - mean) / STATE;
    }
    for (int j = 0; j < STATE; j++) {
        ret[j] = (x[j] - mean) / sqrt(var + 1e-5) * at(t, part, gain, j) + at(t, part, shift, j);
    }
}

static double linear_of(toy *t, const char *part, const char *name, int in, int out,
                        const double *x, int j)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", part, name);
    return linear_at(t, full, in, out, x, j);
}

/* What position i sees of n, the keys `seen` of them. */
static void attend(int seen, double in[MOST][3 * STATE], int i, double ret[STATE])
{
    enum { E = STATE / HEADS };
    for (int h = 0; h < HEADS; h++) {
        double weight[MOST], sum = 0;
        for (int s = 0; s < seen; s++) {
            double score = 0;
            for (int j = 0; j < E; j++) {
                score += in[i][h * E + j] * in[s][STATE + h * E + j];
            }
            sum += weight[s] = exp(score / sqrt(E));
        }
        for (int j = 0; j < E; j++) {
            ret[h * E + j] = 0;
            for (int s = 0; s < seen; s++) {
                ret[h * E + j] += weight[s] / sum * in[s][2 * STATE + h * E + j];
            }
        }
    }
}

static void block(toy *t, const char *part, int n, int causal, states x)
{
    double in[MOST][3 * STATE], y[STATE], seen[STATE], wide[4 * STATE];
    for (int i = 0; i < n; i++) {
        norm(t, part, "gain0", "shift0", x[i], y);
        for (int j = 0; j < 3 * STATE; j++) {
            in[i][j] = linear_of(t, part, "in", STATE, 3 * STATE, y, j);
        }
    }
    for (int i = 0; i < n; i++) {
        attend(causal ? i + 1 : n, in, i, seen);
        for (int j = 0; j < STATE; j++) {
            x[i][j] += linear_of(t, part, "out", STATE, STATE, seen, j);
        }
        norm(t, part, "gain1", "shift1", x[i], y);
        for (int j = 0; j < 4 * STATE; j++) {
            const double v = linear_of(t, part, "wide", STATE, 4 * STATE, y, j);
            wide[j] = v * 0.5 * erfc(-v / sqrt(2.0));
        }
        for (int j = 0; j < STATE; j++) {
            x[i][j] += linear_of(t, part, "narrow", 4 * STATE, STATE, wide, j);
        }
    }
}

/* States of n tokens; `step` is added to each input, or NULL. */
static void run(toy *t, const char *part, int n, const int *token, const double *step, int causal,
                states ret)
{
    char name[64];
    for (int i = 0; i < n; i++) {
        double e[EMBEDDING];
        for (int j = 0; j < EMBEDDING; j++) {
            e[j] = at(t, part, "embedding", (int64_t)token[i] * EMBEDDING + j);
        }
        for (int j = 0; j < STATE; j++) {
            ret[i][j] = linear_of(t, part, "enter", EMBEDDING, STATE, e, j) +
                        at(t, part, "position", i * STATE + j) + (step != NULL ? step[j] : 0);
        }
    }
    for (int k = 0; k < BLOCKS; k++) {
        snprintf(name, sizeof name, "%s.block%d", part, k);
        block(t, name, n, causal, ret);
    }
    for (int i = 0; i < n; i++) {
        norm(t, part, "gain", "shift", ret[i], ret[i]);
    }
}

/* log p of n tokens in row r: each from a run over those before it alone. */
static double log_p_by_hand(toy *t, int r, int n, const int *token)
{
    double d[2], step[STATE], sum = 0;
    int before[MOST] = { TEXT_END };
    hidden_at(t, r, d);
    for (int j = 0; j < STATE; j++) {
        step[j] = linear_at(t, "decoder.step", 2, STATE, d, j);
    }
    for (int k = 0; k < n; k++) {
        states h;
        run(t, "decoder", k + 1, before, step, 1, h);
        sum += log_softmax_at(t, "output", STATE, h[k], token[k]);
        before[k + 1] = token[k];
    }
    return sum;
}

static void open_attention(toy *t, const char *from, const char *more, uint32_t dtype)
{
    char options[320];
    snprintf(options, sizeof options,
             "decoder: {kind: attention, state: 4, heads: 2, hidden: [2], activation: tanh, "
             "word_dropout: 0.5}, encoder: {kind: attention, state: 4, heads: 2, hidden: [2], "
             "activation: tanh}%s",
             more);
    open_text(t, from, options, dtype);
}

static int length_of(int r, int most)
{
    int n = 0;
    while (n < most && own_tokens[r][n] != TEXT_END) {
        n++;
    }
    return n;
}

static void the_decoder_by_hand(void **state)
{
    (void)state;
    static const char *const from[] = { "t", "t/dense" };
    for (int cut = 0; cut < 2; cut++) {
        const int most = cut ? 2 : 4;
        double got[ROWS];
        toy t;
        open_attention(&t, from[cut], cut ? ", max_tokens: 2" : ", max_tokens: 4", STELE_F64);
        log_probs(&t, 0, got);
        for (int r = 0; r < ROWS; r++) {
            const int n = length_of(r, most);
            const double want =
                log_p_by_hand(&t, r, n + (own_tokens[r][n] == TEXT_END), own_tokens[r]);
            assert_float_equal(got[r], want, 1e-10);
        }
        toy_close(&t);
    }
}

static void the_encoder_by_hand(void **state)
{
    (void)state;
    toy t;
    stele_dist q = { 0 };
    open_attention(&t, "t", ", max_tokens: 4", STELE_F64);
    const stele__modality *md = begin(&t, 0);
    stele_encode_args a = { .struct_size = sizeof a };
    a.x = tokens(&t);
    TOY_OK(&t, md->vt->encode(stele__guest_inst(md->part.guest), t.graph, &a, &q));
    for (int r = 0; r < ROWS; r++) {
        const int n = length_of(r, 4);
        double mean[STATE] = { 0 }, hidden[2];
        states h;
        run(&t, "encoder", n, own_tokens[r], NULL, 0, h);
        for (int i = 0; i < n * STATE; i++) {
            mean[i % STATE] += h[i / STATE][i % STATE] / n;
        }
        for (int j = 0; j < 2; j++) {
            hidden[j] = tanh(linear_at(&t, "encoder.layer0", STATE, 2, mean, j));
        }
        for (int j = 0; j < 2; j++) {
            assert_float_equal(stele__tensor_real(q.p[0], r * 2 + j),
                               linear_at(&t, "mean", 2, 2, hidden, j), 1e-10);
        }
    }
    toy_close(&t);
}

/* Of a recurrent unit and of attention: tokens are there already, and indices are the pass's. */
static void passes_allocate_nothing(void **state)
{
    static const char *const kind[] = { "gru", "attention" };
    (void)state;
    if (!bench_allocations_counted()) {
        skip();
    }
    for (int k = 0; k < 2; k++) {
        toy t;
        char options[160];
        double got[ROWS];
        uint64_t before = 0;
        snprintf(options, sizeof options,
                 "encoder: {kind: %s, state: 4}, decoder: {kind: %s, state: 4, hidden: [2]}",
                 kind[k], kind[k]);
        open_text(&t, "t", options, STELE_F32);
        for (int i = 0; i < 6; i++) {
            stele_dist q = { 0 };
            before = i == 3 ? bench_allocations() : before;
            log_probs(&t, 1, got);
            stele_encode_args a = { .struct_size = sizeof a, .x = tokens(&t) };
            TOY_OK(&t, t.model.modality[0].vt->encode(
                           stele__guest_inst(t.model.modality[0].part.guest), t.graph, &a, &q));
        }
        assert_int_equal(bench_allocations(), before);
        toy_close(&t);
    }
}

static void the_search_finds_the_likeliest(void **state)
{
    (void)state;
    toy t;
    open_attention(&t, "t", ", max_tokens: 3, beam: 64", STELE_F64);
    the_search_is_exhaustive(&t, log_p_by_hand);
    toy_close(&t);
}

static void set(toy *t, const char *name, int64_t i, double v)
{
    toy_put(STELE_F64, param(t, name)->values, i, v);
}

/* Texts of `a` and `b` alone. After `a` comes `b`, and after a `b` that has an `a` somewhere before
 * it the end; else `a` comes with probability p_a. One number of the state says that the last
 * token was `a`, the other what attention has seen of it before. */
static void make_remember(toy *t, double p_a)
{
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        stele__param *p = stele__params_entry(t->model.params, e);
        const int writes =
            strncmp(p->name, "t.decoder.", 10) == 0 || strncmp(p->name, "t.output.", 9) == 0;
        for (int64_t i = 0; writes && i < p->n; i++) {
            toy_put(STELE_F64, p->values, i, strcmp(p->name, "t.output.bias") == 0 ? -50.0 : 0.0);
        }
    }
    set(t, "decoder.embedding", 'a' * EMBEDDING, 1.0);
    set(t, "decoder.enter.weight", 0, 1.0);
    set(t, "decoder.block0.gain0", 0, 1.0);
    set(t, "decoder.block0.in.weight", 2 * STATE, 1.0); /* the first value */
    set(t, "decoder.block0.out.weight", 1, 1.0);        /* to the second of the state */
    set(t, "decoder.gain", 0, 1.0);
    set(t, "decoder.gain", 1, 1.0);
    set(t, "output.weight", 'b' * STATE, 400.0);
    set(t, "output.weight", TEXT_END * STATE + 1, 400.0);
    set(t, "output.bias", 'a', log(p_a));
    set(t, "output.bias", 'b', log(1.0 - p_a));
}

/* Of .4 and .6 "ab" is the likeliest text, .4, and has to overtake "bb", .36, with what it has
 * seen. Of .3 and .7 it is "bbb", .343, that has seen no `a`. Random texts remember, too. */
static void texts_remember_what_they_began_with(void **state)
{
    static const char *const can_be[] = { "ab", "bab", "bba", "bbb" };
    (void)state;
    for (int k = 1; k < 8; k++) {
        char mode[ROWS][WIDTH + 1], random[ROWS][WIDTH + 1];
        toy t;
        open_attention(&t, "t", ", max_tokens: 3, beam: 2, top_p: 1", STELE_F64);
        make_remember(&t, 0.1 * k);
        generate(&t, STELE_DRAW_MODE, mode);
        generate(&t, STELE_DRAW_SAMPLE, random);
        for (int r = 0; r < ROWS; r++) {
            int found = 0;
            for (int i = 0; i < 4; i++) {
                found += strcmp(random[r], can_be[i]) == 0;
            }
            assert_int_equal(found, 1);
            assert_string_equal(mode[r], k < 4 ? "bbb" : "ab");
        }
        toy_close(&t);
    }
}

static void a_wider_search_finds_more(void **state)
{
    static const text_element one[] = { { "decoder.enter.weight", 0 }, { "decoder.gain", 0 } };
    static const char *const more[] = { ", max_tokens: 2, beam: 1", ", max_tokens: 2, beam: 2" };
    (void)state;
    for (int beam = 1; beam <= 2; beam++) {
        toy t;
        open_attention(&t, "t", more[beam - 1], STELE_F64);
        the_likeliest_begins_unlikely(&t, beam, 2, one);
        toy_close(&t);
    }
}

/* A narrow search over more tokens, in either dtype: each text that it finds has the greedy choice
 * at every place, by hand. */
static void greedy_texts_are_greedy(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) {
        toy t;
        char got[ROWS][WIDTH + 1];
        open_attention(&t, "t", ", max_tokens: 4", f32 ? STELE_F32 : STELE_F64);
        toy_stir(&t, 1.0);
        generate(&t, STELE_DRAW_MEAN, got);
        for (int r = 0; r < ROWS && !f32; r++) {
            char want[WIDTH + 1] = "";
            int token[MOST], best = 0;
            for (int n = 0; n < 4 && best != TEXT_END; n++) {
                double top = -HUGE_VAL;
                for (int k = 0; k < VOCAB - 1; k++) { /* the last token is not in use */
                    token[n] = k;
                    const double p = log_p_by_hand(&t, r, n + 1, token);
                    best = p > top ? k : best;
                    top = p > top ? p : top;
                }
                token[n] = best;
                append(want, best);
            }
            drop_blank(want);
            assert_string_equal(got[r], want);
        }
        toy_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decoder_by_hand),
        cmocka_unit_test(the_encoder_by_hand),
        cmocka_unit_test(passes_allocate_nothing),
        cmocka_unit_test(the_search_finds_the_likeliest),
        cmocka_unit_test(texts_remember_what_they_began_with),
        cmocka_unit_test(a_wider_search_finds_more),
        cmocka_unit_test(greedy_texts_are_greedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
