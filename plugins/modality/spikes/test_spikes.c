/* modality/spikes: likelihoods by their formulas, exposure, what the three encoders make of a
 * window by hand, missing neurons, absent rows, bits per spike. Draws: test_poisson. */
#include "test.h"

#include "count_case.h"

#define SPIKES(from_, more_)                                                                       \
    "  a: {plugin: spikes, from: " from_ ", bins: 3, " more_                                       \
    "decoder: {hidden: [3], activation: silu}}\n" B
#define DENSE  "encoder: {hidden: [4], activation: tanh}, "
#define CONV   "encoder: {kind: conv, channels: [4, 2], hidden: [4], activation: tanh}, "
#define CONV_5 "encoder: {kind: conv, channels: [3], kernel: 5, hidden: [4], activation: tanh}, "
#define GRU    "encoder: {kind: gru, state: 5, hidden: [4], activation: tanh}, "
#define NB     "likelihood: negative_binomial, "

enum { BINS = 3, NEURONS = 3, MOST = 64 };

/* --- likelihood and exposure ------------------------------------------------------------------ */

static void probabilities_are_those_of_the_formulas(void **state)
{
    static const double xs[] = { 0.0, 1.0, 6.0, 90.0 };
    const double log_rate = 0.7, exposure = 1.5, rate = exp(log_rate) * exposure, theta = 2.0;
    (void)state;
    for (int binomial = 0; binomial < 2; binomial++) {
        toy t;
        open_spec(&t, binomial ? SPIKES("a/dense", NB DENSE) : SPIKES("a/dense", DENSE), POE, OWN,
                  STELE_F64, 1);
        for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
            const element e = {
                dtype, 1, { log_rate }, { binomial ? log(theta) : NAN }, log(exposure)
            };
            for (int i = 0; i < 4; i++) {
                const double x = xs[i], poisson = x * log(rate) - rate - lgamma(x + 1.0);
                const double nb = lgamma(x + theta) - lgamma(theta) - lgamma(x + 1.0) +
                                  theta * log(theta / (theta + rate)) +
                                  x * log(rate / (theta + rate));
                near(log_prob_of(&t.model.modality[0], &e, x), binomial ? nb : poisson,
                     dtype == STELE_F64 ? 1e-12 : 1e-6);
            }
            assert_true(log_prob_of(&t.model.modality[0], &e, NAN) == 0.0);
        }
        toy_close(&t);
    }
}

/* Gains start at the mean rate in the unit of the exposure, with half a spike added; a model of
 * other units is the same model. */
static void exposure_is_the_unit_of_the_gains(void **state)
{
    (void)state;
    double loss[2];
    for (int i = 0; i < 2; i++) {
        toy t;
        toy_open(&t,
                 i == 0 ? HEAD SPIKES("a/dense", DENSE) POE OWN TRAIN
                        : HEAD SPIKES("a/dense", "exposure: 0.02, " DENSE) POE OWN TRAIN,
                 &toy_source, toy_others, 1, STELE_F64, 1);
        for (int64_t j = 0; j < TOY_A; j++) {
            double total = 0.5;
            for (int64_t r = 0; r < 9; r++) {
                total += toy_a[r * TOY_A + j];
            }
            assert_float_equal(toy_real(STELE_F64, param(&t, "a.output.bias")->values, j),
                               log(total / (9.0 * (i == 0 ? 1.0 : 0.02))), 1e-12);
        }
        loss[i] = loss_of(&t, 0, NULL, 0);
        toy_close(&t);
    }
    near(loss[1], loss[0], 1e-12);
}

/* --- encoders, by hand ------------------------------------------------------------------------ */

static const double *values(toy *t, const char *name)
{
    return param(t, name)->values;
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* (bins, in) -> (bins, out): every channel sees `kernel` bins around its own, 0 beyond the edges.
 */
static void convolve(toy *t, const char *name, int in, int out, int kernel, double *x)
{
    char full[64];
    double y[MOST];
    snprintf(full, sizeof full, "%s.weight", name);
    const double *w = values(t, full);
    snprintf(full, sizeof full, "%s.bias", name);
    const double *bias = values(t, full);
    for (int b = 0; b < BINS; b++) {
        for (int c = 0; c < out; c++) {
            double sum = bias[c];
            for (int k = 0; k < kernel; k++) {
                const int from = b + k - kernel / 2;
                for (int i = 0; i < in && from >= 0 && from < BINS; i++) {
                    sum += w[(c * in + i) * kernel + k] * x[from * in + i];
                }
            }
            y[b * out + c] = tanh(sum);
        }
    }
    memcpy(x, y, sizeof(double) * (size_t)(BINS * out));
}

/* The last state of a gated recurrent unit (Cho et al. 2014, reset after the product). */
static void recur(toy *t, int state, double *x)
{
    const double *wx = values(t, "a.encoder.gru.wx"), *wh = values(t, "a.encoder.gru.wh");
    const double *bx = values(t, "a.encoder.gru.bx"), *bh = values(t, "a.encoder.gru.bh");
    double h[MOST] = { 0 }, next[MOST];
    for (int b = 0; b < BINS; b++) {
        for (int s = 0; s < state; s++) {
            double in[3], rec[3];
            for (int k = 0; k < 3; k++) {
                const int at = k * state + s;
                in[k] = bx[at];
                rec[k] = bh[at];
                for (int i = 0; i < NEURONS; i++) {
                    in[k] += x[b * NEURONS + i] * wx[i * 3 * state + at];
                }
                for (int i = 0; i < state; i++) {
                    rec[k] += h[i] * wh[i * 3 * state + at];
                }
            }
            const double keep = sigmoid(in[1] + rec[1]);
            const double fresh = tanh(in[2] + sigmoid(in[0] + rec[0]) * rec[2]);
            next[s] = keep * h[s] + (1.0 - keep) * fresh;
        }
        memcpy(h, next, sizeof h);
    }
    memcpy(x, h, sizeof h);
}

/* (n) -> mean (2) through a hidden layer of four. */
static void expert_of(toy *t, int n, const double *x, double ret[2])
{
    const double *w = values(t, "a.encoder.layer0.weight"), *b = values(t, "a.encoder.layer0.bias");
    const double *mean = values(t, "a.mean.weight"), *bias = values(t, "a.mean.bias");
    ret[0] = bias[0];
    ret[1] = bias[1];
    for (int k = 0; k < 4; k++) {
        double sum = b[k];
        for (int i = 0; i < n; i++) {
            sum += x[i] * w[i * 4 + k];
        }
        ret[0] += tanh(sum) * mean[2 * k];
        ret[1] += tanh(sum) * mean[2 * k + 1];
    }
}

/* Channels are laid out one after the other with all their bins. */
static void turn(int channels, double *x)
{
    double y[MOST];
    for (int i = 0; i < BINS * channels; i++) {
        y[i % channels * BINS + i / channels] = x[i];
    }
    memcpy(x, y, sizeof(double) * (size_t)(BINS * channels));
}

enum { BY_DENSE, BY_CONV, BY_CONV_5, BY_GRU, N_ENCODERS };

static void by_hand(toy *t, int encoder, const double *count, double ret[2])
{
    double x[MOST];
    int n = TOY_A;
    for (int j = 0; j < TOY_A; j++) {
        x[j] = log1p(count[j]);
    }
    if (encoder == BY_CONV) {
        convolve(t, "a.encoder.conv0", NEURONS, 4, 3, x);
        convolve(t, "a.encoder.conv1", 4, 2, 3, x);
        turn(2, x);
        n = 2 * BINS;
    } else if (encoder == BY_CONV_5) {
        convolve(t, "a.encoder.conv0", NEURONS, 3, 5, x);
        turn(3, x);
    } else if (encoder == BY_GRU) {
        recur(t, 5, x);
        n = 5;
    }
    expert_of(t, n, x, ret);
}

static void encoders_read_windows(void **state)
{
    static const char *const spec[2][N_ENCODERS] = {
        { SPIKES("a/dense", DENSE), SPIKES("a/dense", CONV), SPIKES("a/dense", CONV_5),
          SPIKES("a/dense", GRU) },
        { SPIKES("a", DENSE), SPIKES("a", CONV), SPIKES("a", CONV_5), SPIKES("a", GRU) },
    };
    (void)state;
    for (int i = 0; i < 4 * N_ENCODERS; i++) {
        const int encoder = i / 4, sparse = i % 2, narrow = i / 2 % 2;
        toy t, wide; /* values are floats in both */
        double is[2 * TOY_ROWS], want[2], count[TOY_A];
        open_spec(&t, spec[sparse][encoder], POE, OWN, narrow ? STELE_F32 : STELE_F64, 1);
        open_spec(&wide, spec[sparse][encoder], POE, OWN, STELE_F64, 1);
        expert_means(&t, is);
        for (int64_t r = 0; r < TOY_ROWS; r++) {
            for (int64_t j = 0; j < TOY_A; j++) {
                count[j] = count_at(&t, r, j);
            }
            by_hand(&wide, encoder, count, want);
            for (int d = 0; d < 2 && count[0] >= 0.0; d++) {
                assert_float_equal(is[2 * r + d], want[d], narrow ? 2e-6 : 1e-12);
            }
        }
        toy_close(&t);
        toy_close(&wide);
    }
}

static double largest(toy *t, const char *name)
{
    double ret = 0.0;
    for (int64_t i = 0; i < param(t, name)->n; i++) {
        ret = fmax(ret, fabs(values(t, name)[i]));
    }
    return ret;
}

/* The convolution's weights begin uniform with a deviation of 0.3 over the root mean square length
 * of a row's input (five bins of three see all of it), those of the dense layer after it as they
 * were declared: its nine inputs are no counts, though there are as many of those. */
static void the_first_layer_alone_starts_with_the_size_of_the_counts(void **state)
{
    toy t;
    double square = 0.0;
    (void)state;
    toy_open(&t, HEAD SPIKES("a/dense", CONV_5) POE OWN TRAIN, &toy_source, toy_others, 1,
             STELE_F64, 1);
    for (int64_t i = 0; i < 9 * TOY_A; i++) {
        square += log1p(toy_a[i]) * log1p(toy_a[i]) / 9.0;
    }
    const double conv = 0.3 / sqrt(square) * sqrt(3.0), dense = 1.0 / sqrt(9.0);
    const double conv_is = largest(&t, "a.encoder.conv0.weight");
    const double dense_is = largest(&t, "a.encoder.layer0.weight");
    assert_true(conv_is <= conv && conv_is > 0.9 * conv);
    assert_true(dense_is <= dense && dense_is > 0.9 * dense);
    toy_close(&t);
}

/* --- what is not there ------------------------------------------------------------------------ */

static void missing_neurons_have_no_influence(void **state)
{
    static const char *const poisson[] = { "a.output.weight", "a.output.bias", NULL };
    static const char *const binomial[] = { "a.output.weight", "a.output.bias",
                                            "a.dispersion.log_theta", NULL };
    (void)state;
    check_missing(SPIKES("a/dense", DENSE), poisson);
    check_missing(SPIKES("a/dense", CONV), poisson);
    check_missing(SPIKES("a/dense", NB "exposure: 0.1, " GRU), binomial);
}

static void absent_rows_have_no_influence(void **state)
{
    (void)state;
    check_absent(SPIKES("a", DENSE));
    check_absent(SPIKES("a/dense", CONV));
    check_absent(SPIKES("a", "exposure: 0.1, " NB GRU));
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* Rates of 0.5 and 2 in the training rows, a third neuron without a spike there, one count that is
 * missing. By hand: log2((1 / 0.5)^1 (4 / 2)^4) - (5 - 3) / log(2), over 5 spikes. */
static void bits_per_spike_are_those_of_poisson(void **state)
{
    static const float truth[] = { 1, 4, 7, 0, NAN, 1 }, predicted[] = { 1, 4, 9, 0, 3, 2 };
    static const double known[] = { 0.5, 2.0, 0.0 };
    double store[16] = { 0 };
    stele_metric m[2];
    uint32_t n = 0;
    toy t;
    (void)state;
    open_spec(&t, SPIKES("a/dense", NB DENSE), POE, OWN, STELE_F32, 1);
    const stele_modality_vt *vt = t.model.modality[0].vt;
    const stele_inst *inst = stele__guest_inst(t.model.modality[0].part.guest);
    stele_scored s = { .struct_size = sizeof s,
                       .n_rows = 2,
                       .n_features = 3,
                       .truth = truth,
                       .predicted = predicted,
                       .known = known };
    assert_true(vt->score_size(inst) <= sizeof store);
    assert_int_equal(vt->score_add(inst, store, &s), STELE_OK);
    assert_int_equal(vt->score_end(inst, store, 2, m, &n), STELE_OK);
    assert_int_equal(n, 2);
    assert_string_equal(m[0].name, "bits_per_spike");
    assert_float_equal(m[0].value, (5.0 - 2.0 / log(2.0)) / 5.0, 1e-8);
    assert_int_equal(m[0].higher_is_better, 1);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_the_formulas),
        cmocka_unit_test(exposure_is_the_unit_of_the_gains),
        cmocka_unit_test(encoders_read_windows),
        cmocka_unit_test(the_first_layer_alone_starts_with_the_size_of_the_counts),
        cmocka_unit_test(missing_neurons_have_no_influence),
        cmocka_unit_test(absent_rows_have_no_influence),
        cmocka_unit_test(bits_per_spike_are_those_of_poisson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
