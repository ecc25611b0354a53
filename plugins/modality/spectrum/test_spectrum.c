/* modality/spectrum: the likelihood against the normal and the t density with the covariance that
 * belongs to the spectrum, for even and odd windows, channels that are flat or lack a sample, and
 * starts from the training rows. Draws and derivatives are stele-check's. */
#include "modality_rig.h"

enum { C = 2, MOST = 12 };

static const double pi = 3.14159265358979323846;

static void open_rig(rig *r, const stele_shape *sample, const char *options)
{
    if (start_plugin(r, "spectrum", sample, options) != STELE_OK) {
        fail_msg("%s: %s", options, message(r));
    }
}

static void set(rig *r, const char *name, int k, double v)
{
    stele__param *p = stele__params_entry(r->params, (uint32_t)stele__params_find(r->params, name));
    ((double *)p->values)[k] = v;
}

/* The decoder says the same of every z: what its biases say. */
static void silence(rig *r, const char *name)
{
    stele__param *p = stele__params_entry(r->params, (uint32_t)stele__params_find(r->params, name));
    memset(p->values, 0, (size_t)p->n * sizeof(double));
}

static double log_prob(rig *r, const stele_shape *sample, const double *x)
{
    static const double z[LATENT] = { 0.3, -1.2, 0.7 };
    const stele__pass pass = { .seed = 1 };
    const stele_shape latent = STELE__SHAPE(1, LATENT);
    stele_shape s = *sample;
    stele_tensor *ret = NULL;
    memmove(&s.dim[1], &s.dim[0], s.ndim++ * sizeof s.dim[0]);
    s.dim[0] = 1;
    stele__graph_begin(r->graph, &pass);
    stele_decode_args d = { .struct_size = sizeof d };
    d.z = stele__graph_dense(r->graph, STELE_F64, &latent, z);
    d.target = stele__graph_dense(r->graph, STELE_F64, &s, x);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->log_prob(r->inst, r->graph, &d, &ret), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    assert_int_equal(ret->n, 1);
    return ((const double *)ret->data)[0];
}

/* log N(y; 0, A) of a covariance of n by n, which is lost, by Cholesky; with nu > 0 the density of
 * the multivariate t of that shape. */
static double log_density(int n, double nu, double *a, double *y)
{
    double ret = 0.0, squares = 0.0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            for (int k = 0; k < j; k++) {
                a[i * n + j] -= a[i * n + k] * a[j * n + k];
            }
            a[i * n + j] = j < i ? a[i * n + j] / a[j * n + j] : sqrt(a[i * n + i]);
            y[i] -= j < i ? a[i * n + j] * y[j] : 0.0;
        }
        y[i] /= a[i * n + i];
        squares += y[i] * y[i];
        ret -= log(a[i * n + i]);
    }
    return nu > 0.0 ? ret + lgamma(0.5 * (nu + n)) - lgamma(0.5 * nu) - 0.5 * n * log(nu * pi) -
                          0.5 * (nu + n) * log1p(squares / nu)
                    : ret - 0.5 * squares - 0.5 * n * log(2.0 * pi);
}

/* Power of frequency k of channel c, as the case below sets it; only 0 .. 2 have one of their own.
 */
static double power(int c, int k)
{
    const double noise = exp(-1.0 + 0.5 * c) + 1e-4;
    return k < 3 ? exp(0.4 * k - 0.3 * c) + noise : noise;
}

static double expected(int n, int c, double nu, const double *x)
{
    double a[MOST * MOST] = { 0 }, y[MOST];
    for (int t = 0; t < n; t++) {
        y[t] = (x[c * n + t] - 1.5) / exp(0.2 + c);
        for (int s = 0; s < n; s++) {
            for (int k = 0; k < n; k++) {
                a[t * n + s] +=
                    power(c, k < n - k ? k : n - k) * cos(2.0 * pi * k * (t - s) / n) / n;
            }
        }
    }
    return log_density(n, nu, a, y) - n * (0.2 + c);
}

static void window_set(rig *r, int n)
{
    silence(r, "output.weight");
    silence(r, "noise.weight");
    for (int c = 0; c < C; c++) {
        set(r, "noise.bias", c, -1.0 + 0.5 * c);
        for (int k = 0; k < 3; k++) {
            set(r, "output.bias", 3 * c + k, 0.4 * k - 0.3 * c);
        }
        for (int t = 0; t < n; t++) {
            set(r, "centre", c * n + t, 1.5);
            set(r, "log_scale", c * n + t, 0.2 + c);
        }
    }
}

static void densities_are_those_of_the_covariance(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        const int n = 11 + k % 2, nu = k < 2 ? 0 : 3;
        const stele_shape sample = STELE__SHAPE(C, n);
        double x[C * MOST], each[C];
        rig r;
        open_rig(&r, &sample,
                 nu == 0 ? "{bins: 2, decoder: {hidden: [3]}}"
                         : "{bins: 2, dof: 3, decoder: {hidden: [3]}}");
        window_set(&r, n);
        for (int i = 0; i < C * n; i++) {
            x[i] = 1.0 + sin(1.7 * i) * (1 + i % 3);
        }
        for (int c = 0; c < C; c++) {
            each[c] = expected(n, c, nu, x);
        }
        assert_float_equal(log_prob(&r, &sample, x), each[0] + each[1], 1e-9);
        x[3] = NAN; /* all frequencies of a channel need all of its samples */
        assert_float_equal(log_prob(&r, &sample, x), each[1], 1e-9);
        for (int t = 0; t < n; t++) {
            x[n + t] = 7.0; /* flat */
        }
        assert_true(log_prob(&r, &sample, x) == 0.0);
        finish(&r);
    }
}

/* The mean spectrum of the training rows: of a rhythm of two turns, that of a rhythm of two turns.
 */
static void powers_start_at_the_mean_spectrum(void **state)
{
    enum { ROWS = 4, N = 12 };
    const stele_shape sample = STELE__SHAPE(N);
    float x[ROWS * N];
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F32, .layout = STELE_DENSE };
    rig r;
    (void)state;
    for (int i = 0; i < ROWS * N; i++) {
        x[i] = (float)(5.0 + 3.0 * sin(2.0 * pi * 2.0 * i / N + i / N));
    }
    view.shape = STELE__SHAPE(ROWS, N);
    view.data = x;
    open_rig(&r, &sample, "{channels: 1, bins: 4}");
    stele_fit f = { .r = &r, .x = &view };
    assert_int_equal(r.vt->fit(r.inst, &f), STELE_OK);
    const double *bias = parameter(&r, "output.bias");
    /* y has variance 1, all of it at frequency 2: a power of T / 2 */
    assert_float_equal(bias[2], log(0.5 * N + 1e-3), 1e-4);
    assert_float_equal(bias[1], log(1e-3), 1e-3);
    assert_float_equal(bias[3], log(1e-3), 1e-3);
    assert_float_equal(parameter(&r, "noise.bias")[0], log(1e-3), 1e-3);
    finish(&r);
}

static double log_power(double p)
{
    return log(p > 1e-4 ? p : 1e-4);
}

/* Pearson's of n numbers, by the textbook. */
static double pearson(const double *a, const double *b, int n)
{
    double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
    for (int i = 0; i < n; i++) {
        sa += a[i];
        sb += b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
        ab += a[i] * b[i];
    }
    return (n * ab - sa * sb) / sqrt((n * aa - sa * sa) * (n * bb - sb * sb));
}

enum { N = 12, TURNS = 5, NUMBERS = 5 };

/* Two channels of 12 samples, 1 to 5 turns: channel 0 is loudest at 2 and channel 1 at 5, where 4
 * is predicted of both. Gives the correlations of their logs. */
static void turns_set(rig *r, double x[C * N], double ret[C])
{
    static const double loud[C][TURNS] = { { 0.5, 4, 1, 0.2, 0 }, { 1, 0, 0.3, 2, 3 } };
    double measured[TURNS], predicted[TURNS];
    silence(r, "output.weight");
    silence(r, "noise.weight");
    for (int c = 0; c < C; c++) {
        set(r, "noise.bias", c, -3.0);
        for (int t = 0; t < N; t++) {
            set(r, "centre", c * N + t, 1.5);
            set(r, "log_scale", c * N + t, 0.2 + c);
            x[c * N + t] = 2.0; /* the mean has no part in it */
            for (int k = 0; k < TURNS; k++) {
                x[c * N + t] +=
                    exp(0.2 + c) * sqrt(loud[c][k] * 4.0 / N) * cos(2.0 * pi * (k + 1) * t / N);
            }
        }
        for (int k = 0; k < TURNS; k++) { /* P = u^2 / 2, u = sqrt(N / 2) amplitude */
            const double eta = k == 3 ? 1.0 : -0.5 * k;
            set(r, "output.bias", 6 * c + k + 1, eta);
            measured[k] = log_power(loud[c][k]);
            predicted[k] = log(exp(eta) + exp(-3.0) + 1e-4);
        }
        ret[c] = pearson(measured, predicted, TURNS);
    }
}

static void metrics_of_window(rig *r, const double x[C * N], stele_metric ret[3])
{
    static const double z[LATENT] = { 0.3, -1.2, 0.7 };
    const stele_shape rows = STELE__SHAPE(1, C, N), latent = STELE__SHAPE(1, LATENT);
    const stele__pass pass = { .seed = 1 };
    stele_tensor *row = NULL;
    double sum[NUMBERS];
    uint32_t n = 0;
    stele__graph_begin(r->graph, &pass);
    stele_decode_args d = { .struct_size = sizeof d };
    d.z = stele__graph_dense(r->graph, STELE_F64, &latent, z);
    d.target = stele__graph_dense(r->graph, STELE_F64, &rows, x);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->tally(r->inst, r->graph, &d, &row), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    assert_true(row->n == NUMBERS && r->vt->tally_width(r->inst) == NUMBERS);
    memcpy(sum, row->data, sizeof sum);
    assert_int_equal(r->vt->tally_end(r->inst, sum, 3, ret, &n), STELE_OK);
    assert_int_equal(n, 3);
}

static void spectra_by_hand(void **state)
{
    const stele_shape sample = STELE__SHAPE(C, N);
    const double none[NUMBERS] = { 0 };
    double x[C * N], want[C];
    stele_metric m[3];
    uint32_t n = 0;
    rig r;
    (void)state;
    open_rig(&r, &sample, "{bins: 5, decoder: {hidden: [3]}}");
    turns_set(&r, x, want);
    assert_true(fabs(want[0] - want[1]) > 0.1 && want[0] < 0.9 && want[1] < 0.9);
    metrics_of_window(&r, x, m);
    assert_string_equal(m[0].name, "log_spectrum_correlation");
    assert_float_equal(m[0].value, 0.5 * (want[0] + want[1]), 1e-9);
    assert_float_equal(m[1].value, 1.5, 1e-12); /* 2 and 1 turns beside */
    assert_float_equal(m[2].value, 0.5, 1e-12);
    for (int flat = 0; flat < 2; flat++) { /* channel 1 lacks a sample, or lies flat */
        x[N + 3] = NAN;
        for (int t = 0; flat && t < N; t++) {
            x[N + t] = 7.0;
        }
        metrics_of_window(&r, x, m);
        assert_float_equal(m[0].value, want[0], 1e-9);
        assert_true(m[1].value == 2.0 && m[2].value == 0.0);
    }
    assert_int_equal(r.vt->tally_end(r.inst, none, 3, m, &n), STELE_OK);
    assert_true(isnan(m[0].value) && isnan(m[1].value) && isnan(m[2].value));
    finish(&r);
}

static void what_cannot_be_is_refused(void **state)
{
    const stele_shape sample = STELE__SHAPE(C, 8), flat = STELE__SHAPE(16);
    rig r;
    (void)state;
    assert_int_equal(start_plugin(&r, "spectrum", &sample, "{bins: 5}"), STELE_E_OPTION);
    assert_non_null(strstr(message(&r), "windows of 8 samples have 4 frequencies"));
    finish(&r);
    assert_int_equal(start_plugin(&r, "spectrum", &flat, "{}"), STELE_E_SHAPE);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(densities_are_those_of_the_covariance),
        cmocka_unit_test(powers_start_at_the_mean_spectrum),
        cmocka_unit_test(spectra_by_hand),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
