/* Windows of any length through encoder and decoder, the likelihood with a variance of each window
 * by its formula, flat channels and absent windows, statistics of the training rows by hand, what
 * a spectrum shows, and noise while training. Derivatives are stele-check's. */
#include "modality_rig.h"

enum { C = 2, T = 12, ROW = C * T, MOST = 2 * 64 };

static const double pi = 3.14159265358979323846;
static const double z[2 * LATENT] = { 0.3, -1.2, 0.7, 1.9, 0.1, -0.4 };
static const char *const small = "{encoder: {channels: [4, 3], hidden: [5], activation: tanh}, "
                                 "decoder: {channels: [4, 3], hidden: [5], activation: tanh}}";

static stele_status start(rig *r, const stele_shape *sample, const char *options)
{
    return start_plugin(r, "signal", sample, options);
}

static void open_rig(rig *r, const stele_shape *sample, const char *options)
{
    if (start(r, sample, options) != STELE_OK) {
        fail_msg("%s: %s", options, message(r));
    }
}

/* Expert of x (n, sample...) as mean and log-variance, (n, LATENT) each, one behind the other. */
static void encode_rows(rig *r, const stele_shape *sample, int n, const double *x, int training,
                        double *ret)
{
    const stele__pass pass = { .seed = 1, .training = training };
    stele_shape s = *sample;
    memmove(&s.dim[1], &s.dim[0], s.ndim++ * sizeof s.dim[0]);
    s.dim[0] = n;
    stele__graph_begin(r->graph, &pass);
    stele_encode_args e = { .struct_size = sizeof e };
    stele_dist q = { 0 };
    e.x = stele__graph_dense(r->graph, STELE_F64, &s, x);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->encode(r->inst, r->graph, &e, &q), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    assert_true(q.p[0]->n == n * LATENT && q.p[1]->n == n * LATENT);
    memcpy(ret, q.p[0]->data, (size_t)(n * LATENT) * sizeof *ret);
    memcpy(ret + n * LATENT, q.p[1]->data, (size_t)(n * LATENT) * sizeof *ret);
}

static void encode(rig *r, const stele_shape *sample, const double *x, int training, double *ret)
{
    encode_rows(r, sample, 2, x, training, ret);
}

/* A log-variance is 0 whatever the input until it is trained. */
static void wake_variance(rig *r)
{
    stele__param *p =
        stele__params_entry(r->params, (uint32_t)stele__params_find(r->params, "logvar.weight"));
    for (int64_t i = 0; i < p->n; i++) {
        ((double *)p->values)[i] = 0.1 * (double)(i % 7 - 3);
    }
}

static int same(const double *a, const double *b, int n)
{
    return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

static void any_length_comes_back(void **state)
{
    static double x[2 * MOST], q[4 * LATENT];
    (void)state;
    for (int i = 0; i < 2 * MOST; i++) {
        x[i] = sin(0.7 * i) + 0.1 * (i % 5);
    }
    for (int64_t n = 8; n <= 64; n = n + 1 + n / 3) {
        for (int kernel = 2; kernel <= 6; kernel++) {
            char options[256];
            const stele_shape sample = STELE__SHAPE(2, n), latent = STELE__SHAPE(2, LATENT);
            const stele__pass pass = { .seed = 1 };
            stele_decode_args d = { .struct_size = sizeof d };
            stele_output out = { .struct_size = sizeof out };
            rig r;
            snprintf(options, sizeof options,
                     "{encoder: {view: both, channels: [2, 3, 2], kernel: %d, hidden: [3]}, "
                     "decoder: {channels: [2, 3, 2], kernel: %d, hidden: [3]}}",
                     kernel, kernel);
            open_rig(&r, &sample, options);
            encode(&r, &sample, x, 0, q);
            stele__graph_begin(r.graph, &pass);
            d.z = stele__graph_dense(r.graph, STELE_F64, &latent, z);
            stele__graph_enter(r.graph, &r.scope);
            assert_int_equal(r.vt->decode(r.inst, r.graph, &d, &out), STELE_OK);
            stele__graph_enter(r.graph, NULL);
            assert_true(out.n_eta == 1 && out.eta[0]->n == 4 * n && out.n_row == 1);
            finish(&r);
        }
    }
}

/* log p of one window through the slot, its features in two blocks. */
static double log_prob(const rig *r, const double *x, const double *eta, double log_variance,
                       const double *centre, const double *log_scale)
{
    static const int64_t cut[] = { 0, 5, ROW }, begin = 0;
    const stele_values values = { .struct_size = sizeof values,
                                  .dtype = STELE_F64,
                                  .layout = STELE_DENSE,
                                  .data = x,
                                  .begin = &begin };
    double ret = 0.0;
    for (int k = 0; k < 2; k++) {
        const void *etas[] = { eta + cut[k] }, *row[] = { &log_variance };
        const void *feature[] = { centre + cut[k], log_scale + cut[k] };
        stele_block b = { .struct_size = sizeof b, .dtype = STELE_F64, .n_eta = 1, .n_rows = 1 };
        b.first = cut[k];
        b.n_features = cut[k + 1] - cut[k];
        b.eta = etas;
        b.feature = feature;
        b.row = row;
        b.x = &values;
        b.log_prob = &ret;
        assert_int_equal(r->vt->likelihood(r->inst, &b), STELE_OK);
    }
    return ret;
}

/* A missing sample and a flat channel leave the sum as if they had never been measured. */
static void a_window_has_a_variance(void **state)
{
    const stele_shape sample = STELE__SHAPE(C, T);
    double x[ROW], eta[ROW], centre[ROW], log_scale[ROW];
    (void)state;
    for (int flat = 0; flat < 2; flat++) {
        const double v = 1e-3 + exp(-0.7);
        double want = 0.0;
        rig r;
        open_rig(&r, &sample, flat == 0 ? small : "{flat: 0.5}");
        for (int j = 0; j < ROW; j++) {
            x[j] = j == 3 ? NAN : flat && j >= T ? 2.0 + 0.4 * (j % 2) : 2.0 + cos(2.0 * j);
            eta[j] = 0.1 * (j % 6);
            centre[j] = 1.5;
            log_scale[j] = 0.3;
            const double e = (x[j] - 1.5) / exp(0.3) - eta[j];
            if (j != 3 && !(flat && j >= T)) {
                want -= 0.5 * (log(2.0 * pi * v) + e * e / v) + 0.3;
            }
        }
        assert_float_equal(log_prob(&r, x, eta, -0.7, centre, log_scale), want, 1e-11);
        finish(&r);
    }
}

/* Row by row: everything varies; one channel is flat; both are; one flat and one without samples;
 * nothing at all; one that hardly varies. */
static void windows_without_a_signal_are_absent(void **state)
{
    enum { ROWS = 6 };
    static const struct {
        const char *options;
        uint8_t absent[ROWS];
    } cases[] = { { "{}", { 0, 0, 1, 1, 1, 0 } },
                  { "{flat: 0.01}", { 0, 0, 1, 1, 1, 1 } },
                  { "{flat: -1}", { 0, 0, 0, 0, 1, 0 } } };
    const stele_shape sample = STELE__SHAPE(C, T);
    float x[ROWS * ROW];
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F32, .layout = STELE_DENSE };
    (void)state;
    for (int i = 0; i < ROWS * ROW; i++) {
        const int row = i / ROW, channel = i % ROW / T;
        x[i] = (float)sin((double)i);
        if (row == 2 || (channel == 1 && (row == 1 || row == 3))) {
            x[i] = 7.3f;
        } else if (row == 4 || (row == 3 && channel == 0)) {
            x[i] = (float)NAN;
        } else if (row == 5) {
            x[i] *= 0.001f;
        }
    }
    view.shape = STELE__SHAPE(ROWS, C, T);
    view.data = x;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        uint8_t is[ROWS] = { 0 };
        rig r;
        open_rig(&r, &sample, cases[k].options);
        assert_int_equal(r.vt->absent(r.inst, &view, is), STELE_OK);
        assert_memory_equal(is, cases[k].absent, ROWS);
        finish(&r);
    }
}

/* A flat channel is to the encoder what one without samples is, whatever its height. */
static void flat_channels_are_missing(void **state)
{
    static const char *const options[] = {
        "{encoder: {channels: [4, 3], hidden: [5], activation: tanh}}",
        "{encoder: {view: spectrum, hidden: [5], activation: tanh}}"
    };
    const stele_shape sample = STELE__SHAPE(C, T);
    double x[2 * ROW], y[2 * ROW], a[4 * LATENT], b[4 * LATENT];
    (void)state;
    for (int i = 0; i < 2 * ROW; i++) {
        x[i] = y[i] = sin(1.3 * i);
        if (i % ROW < T) {
            x[i] = 4.0;
            y[i] = NAN;
        }
    }
    for (int k = 0; k < 2; k++) {
        rig r;
        open_rig(&r, &sample, options[k]);
        wake_variance(&r);
        encode(&r, &sample, x, 0, a);
        encode(&r, &sample, y, 0, b);
        assert_true(same(a, b, 4 * LATENT) && a[0] != 0.0);
        finish(&r);
    }
}

/* Power of one bin under the taper, by the definition. */
static double power(const float *x, int k)
{
    double mean = 0.0, re = 0.0, im = 0.0, sum = 0.0;
    for (int t = 0; t < T; t++) {
        mean += (double)x[t] / T;
    }
    for (int t = 0; t < T; t++) {
        const double taper = pow(sin(pi * (t + 0.5) / T), 2.0);
        sum += taper * taper;
        re += taper * ((double)x[t] - mean) * cos(2.0 * pi * k * t / T);
        im += taper * ((double)x[t] - mean) * sin(2.0 * pi * k * t / T);
    }
    return (re * re + im * im) / sum;
}

static void statistics_are_those_of_the_training_rows(void **state)
{
    enum { ROWS = 3 };
    const stele_shape sample = STELE__SHAPE(ROW);
    float x[ROWS * ROW];
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F32, .layout = STELE_DENSE };
    double n = 0.0, mean = 0.0, squares = 0.0, log_power[ROWS], whole;
    rig r;
    (void)state;
    for (int i = 0; i < ROWS * ROW; i++) {
        x[i] = (float)(3.0 + sin(1.0 + 0.3 * i * i));
    }
    for (int t = 0; t < T; t++) { /* one flat channel, which is no part of the statistics */
        x[ROW + t] = 100.0f;
    }
    view.shape = STELE__SHAPE(ROWS, ROW);
    view.data = x;
    open_rig(&r, &sample, "{channels: 2, encoder: {view: both}}");
    stele_fit f = { .r = &r, .x = &view };
    assert_int_equal(r.vt->fit(r.inst, &f), STELE_OK);
    for (int i = 0; i < ROWS * ROW; i++) {
        if (i % ROW < T && i / ROW != 1) {
            n += 1.0;
            mean += (double)x[i];
            squares += (double)x[i] * (double)x[i];
        }
    }
    mean /= n;
    const double log_scale = 0.5 * log(squares / n - mean * mean);
    assert_float_equal(parameter(&r, "centre")[T - 1], mean, 1e-9);
    assert_float_equal(parameter(&r, "log_scale")[T - 1], log_scale, 1e-6);
    for (int row = 0; row < ROWS; row += 2) {
        whole = 0.0;
        for (int k = 1; k <= T / 2; k++) {
            whole += power(x + row * ROW, k) / (T / 2);
        }
        log_power[row] = log(power(x + row * ROW, 2) + 1e-6 * whole) - 2.0 * log_scale;
    }
    assert_float_equal(parameter(&r, "bin_centre")[1], 0.5 * (log_power[0] + log_power[2]), 1e-5);
    assert_float_equal(parameter(&r, "bin_log_scale")[1],
                       log(0.5 * fabs(log_power[0] - log_power[2])), 1e-5);
    finish(&r);
}

/* A rhythm is the same wherever it begins; one of another rate is not. */
static void a_spectrum_has_no_phase(void **state)
{
    enum { LONG = 64 };
    const stele_shape sample = STELE__SHAPE(1, LONG);
    double x[2 * LONG], q[4 * LATENT];
    rig r;
    (void)state;
    open_rig(&r, &sample, "{encoder: {view: spectrum, bins: 16, hidden: [8], activation: tanh}}");
    for (int rate = 7; rate <= 8; rate++) {
        for (int t = 0; t < LONG; t++) {
            x[t] = sin(2.0 * pi * 7 * t / LONG);
            x[LONG + t] = sin(2.0 * pi * rate * t / LONG + 1.1);
        }
        encode(&r, &sample, x, 0, q);
        assert_true((fabs(q[0] - q[LATENT]) < 0.05) == (rate == 7));
    }
    finish(&r);
}

/* While training, and only then, some windows give experts that know nothing of them. */
static void noise_stands_in_for_windows(void **state)
{
    const stele_shape sample = STELE__SHAPE(C, T);
    double x[2 * ROW], y[2 * ROW], a[4 * LATENT], b[4 * LATENT];
    int kept = 0, replaced = 0;
    rig r;
    (void)state;
    open_rig(&r, &sample,
             "{encoder: {noise: 0.5, channels: [4, 3], hidden: [5], activation: tanh}}");
    for (int i = 0; i < 2 * ROW; i++) {
        x[i] = sin(1.3 * i);
        y[i] = cos(0.4 * i * i);
    }
    encode(&r, &sample, x, 0, a);
    encode(&r, &sample, y, 0, b);
    assert_true(a[0] != b[0] && a[LATENT] != b[LATENT]);
    encode(&r, &sample, x, 1, a);
    encode(&r, &sample, y, 1, b);
    for (int row = 0; row < 2; row++) {
        kept += a[row * LATENT] != b[row * LATENT];
        replaced += same(a + row * LATENT, b + row * LATENT, LATENT);
    }
    assert_true(kept + replaced == 2 && replaced > 0);
    finish(&r);
}

enum { WINDOWS = 400 };

/* The windows that a pass of training puts in place of others: white noise, which has a standard
 * deviation of its own in each row, exp(N(0, 1/4)). */
static void random_windows(rig *r, double *ret)
{
    enum { STREAM = 2, STREAM_LEVEL = 3 };
    const stele__pass pass = { .seed = 1, .training = 1 };
    const stele_shape s = STELE__SHAPE(WINDOWS, C, T), each = STELE__SHAPE(WINDOWS, 1, 1);
    stele__graph_begin(r->graph, &pass);
    stele__graph_enter(r->graph, &r->scope);
    const double *noise = tables()->ops->noise(r->graph, &s, STREAM)->data;
    const double *level = tables()->ops->noise(r->graph, &each, STREAM_LEVEL)->data;
    for (int i = 0; i < WINDOWS * ROW; i++) {
        ret[i] = exp(0.5 * level[i / ROW]) * noise[i];
    }
    stele__graph_enter(r->graph, NULL);
}

/* As many windows as `noise` says, within four standard deviations. */
static void noise_is_as_frequent_and_loud_as_asked(void **state)
{
    static const double share[] = { 0.1, 0.8 };
    static double x[WINDOWS * ROW], noise[WINDOWS * ROW], want[2 * WINDOWS * LATENT],
        got[2 * WINDOWS * LATENT], own[2 * WINDOWS * LATENT];
    const stele_shape sample = STELE__SHAPE(C, T);
    (void)state;
    for (int i = 0; i < WINDOWS * ROW; i++) {
        x[i] = sin(1.3 * i);
    }
    for (int k = 0; k < 2; k++) {
        int replaced = 0;
        char options[160];
        rig r;
        snprintf(options, sizeof options,
                 "{encoder: {noise: %g, channels: [4, 3], hidden: [5], activation: tanh}}",
                 share[k]);
        open_rig(&r, &sample, options);
        random_windows(&r, noise);
        encode_rows(&r, &sample, WINDOWS, x, 0, own);
        encode_rows(&r, &sample, WINDOWS, noise, 0, want);
        encode_rows(&r, &sample, WINDOWS, x, 1, got);
        for (int i = 0; i < WINDOWS * LATENT; i += LATENT) {
            const int kept = fabs(got[i] - own[i]) < 1e-12;
            assert_true(kept || fabs(got[i] - want[i]) < 1e-12);
            replaced += !kept;
        }
        assert_float_equal((double)replaced / WINDOWS, share[k],
                           4.0 * sqrt(share[k] * (1.0 - share[k]) / WINDOWS));
        finish(&r);
    }
}

static void values_are_checked(void **state)
{
    const stele_shape sample = STELE__SHAPE(C, T);
    double x[ROW] = { 0 };
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F64, .layout = STELE_DENSE };
    stele_bad_value bad = { 0 };
    rig r;
    (void)state;
    view.shape = STELE__SHAPE(1, C, T);
    view.data = x;
    open_rig(&r, &sample, small);
    x[4] = NAN;
    x[5] = -1e30;
    assert_int_equal(r.vt->validate(r.inst, &view, &bad), STELE_OK);
    x[17] = -INFINITY;
    assert_int_equal(r.vt->validate(r.inst, &view, &bad), STELE_E_DATA);
    assert_true(bad.row == 0 && bad.column == 17 && bad.reason != NULL);
    finish(&r);
}

static void refuse(stele_shape sample, const char *options, stele_status status, const char *said)
{
    rig r;
    assert_int_equal(start(&r, &sample, options), status);
    if (strstr(message(&r), said) == NULL) {
        fail_msg("`%s` lacks `%s`", message(&r), said);
    }
    finish(&r);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    refuse(STELE__SHAPE(64), "{}", STELE_E_SHAPE, "flat rows need `channels`");
    refuse(STELE__SHAPE(64), "{channels: 3}", STELE_E_OPTION, "64 samples are not 3 channels");
    refuse(STELE__SHAPE(2, 64), "{channels: 2}", STELE_E_OPTION, "is for flat rows");
    refuse(STELE__SHAPE(2, 3), "{}", STELE_E_SHAPE, "windows of 3 samples: at least 4");
    refuse(STELE__SHAPE(2, 8, 8), "{}", STELE_E_SHAPE, "a row must be a window of signals");
    refuse(STELE__SHAPE(2, 8), "{encoder: {bins: 5}}", STELE_E_OPTION, "have 4 frequencies");
    refuse(STELE__SHAPE(2, 8), "{encoder: {channels: [2, 2, 2, 2, 2]}}", STELE_E_OPTION,
           "5 convolutions halve windows of 8 samples too often");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_length_comes_back),
        cmocka_unit_test(a_window_has_a_variance),
        cmocka_unit_test(windows_without_a_signal_are_absent),
        cmocka_unit_test(flat_channels_are_missing),
        cmocka_unit_test(statistics_are_those_of_the_training_rows),
        cmocka_unit_test(a_spectrum_has_no_phase),
        cmocka_unit_test(noise_stands_in_for_windows),
        cmocka_unit_test(noise_is_as_frequent_and_loud_as_asked),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
