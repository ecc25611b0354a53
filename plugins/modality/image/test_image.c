/* Extents and orders of images through encoder and decoder: any size comes back as it went in,
 * channels may lie first, last or flat, and rows and columns are not mixed up. Starts, what is
 * refused, and missing pixels. Derivatives and likelihoods are stele-check's and
 * test_location_scale's. */
#include "modality_rig.h"

enum { MOST = 128 * 128 };

static stele_status start(rig *r, const stele_shape *sample, const char *options)
{
    return start_plugin(r, "image", sample, options);
}

static void open_rig(rig *r, const stele_shape *sample, const char *options)
{
    if (start(r, sample, options) != STELE_OK) {
        fail_msg("%s: %s", options, message(r));
    }
}

static const double z[2 * LATENT] = { 0.3, -1.2, 0.7, 1.9, 0.1, -0.4 };

/* Means of the expert of x (2, sample...), and predictors of z (2, n). */
static void compute(rig *r, const stele_shape *sample, const double *x, double *ret_mean,
                    double *ret_eta)
{
    const stele__pass pass = { .seed = 1 };
    stele_shape s = *sample, latent = STELE__SHAPE(2, LATENT);
    memmove(&s.dim[1], &s.dim[0], s.ndim++ * sizeof s.dim[0]);
    s.dim[0] = 2;
    stele__graph_begin(r->graph, &pass);
    stele_encode_args e = { .struct_size = sizeof e };
    stele_decode_args d = { .struct_size = sizeof d };
    stele_output out = { .struct_size = sizeof out };
    stele_dist q = { 0 };
    e.x = stele__graph_dense(r->graph, STELE_F64, &s, x);
    d.z = stele__graph_dense(r->graph, STELE_F64, &latent, z);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->encode(r->inst, r->graph, &e, &q), STELE_OK);
    assert_int_equal(r->vt->decode(r->inst, r->graph, &d, &out), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    assert_true(q.p[0]->n == 2 * LATENT && q.p[1]->n == 2 * LATENT);
    assert_true(out.hidden == NULL && out.n_eta == 1 && out.eta[0]->n == 2 * r->n);
    assert_true(((const double *)q.p[0]->data)[0] != 0.0); /* units of ReLU may be dead */
    memcpy(ret_mean, q.p[0]->data, 2 * LATENT * sizeof *ret_mean);
    memcpy(ret_eta, out.eta[0]->data, (size_t)(2 * r->n) * sizeof *ret_eta);
}

static double x[2 * MOST], y[2 * MOST], eta[2 * MOST], other_eta[2 * MOST];

static void any_size_comes_back(void **state)
{
    static const int64_t size[] = { 8, 9, 11, 28, 31, 64, 97, 127, 128 };
    enum { N = sizeof size / sizeof size[0] };
    (void)state;
    for (int i = 0; i < 2 * MOST; i++) {
        x[i] = 0.01 * (double)(i * 37 % 101);
    }
    for (size_t i = 0; i < N; i++) {
        for (int kernel = 2; kernel <= 5; kernel++) {
            char options[256];
            const stele_shape sample = STELE__SHAPE(size[i], size[N - 1 - i]);
            double mean[2 * LATENT];
            rig r;
            snprintf(options, sizeof options,
                     "{encoder: {channels: [2, 3, 2], kernel: %d, hidden: [3], activation: tanh}, "
                     "decoder: "
                     "{channels: [2, 3, 2], kernel: %d, hidden: [3]}}",
                     kernel, kernel);
            open_rig(&r, &sample, options);
            compute(&r, &sample, x, mean, eta);
            finish(&r);
        }
    }
}

static const char *const small = "{encoder: {channels: [4], hidden: [5], activation: tanh}, "
                                 "decoder: {channels: [4, 3], hidden: [5]}}";

static void same(int64_t n, const double *a, const double *b)
{
    for (int64_t i = 0; i < n; i++) {
        if (a[i] != b[i]) {
            fail_msg("element %d: %g and %g", (int)i, a[i], b[i]);
        }
    }
}

/* The same image with its channels at the other end, and flat. */
static void channels_may_lie_anywhere(void **state)
{
    enum { H = 9, W = 12, C = 3, N = H * W * C };
    const stele_shape first = STELE__SHAPE(C, H, W), last = STELE__SHAPE(H, W, C),
                      flat = STELE__SHAPE(N);
    double mean[3][2 * LATENT];
    rig a, b, c;
    (void)state;
    for (int i = 0; i < 2 * N; i++) {
        const int r = i / N, channel = i % N / (H * W), at = i % (H * W);
        x[i] = 0.01 * (double)(i * 37 % 101);
        y[r * N + at * C + channel] = x[i];
    }
    open_rig(&a, &first, small);
    compute(&a, &first, x, mean[0], eta);
    open_rig(&b, &last, small);
    compute(&b, &last, y, mean[1], other_eta);
    same(2 * LATENT, mean[0], mean[1]);
    for (int i = 0; i < 2 * N; i++) {
        const int r = i / N, channel = i % N / (H * W), at = i % (H * W);
        assert_true(eta[i] == other_eta[r * N + at * C + channel]);
    }
    open_rig(&c, &flat,
             "{size: [9, 12, 3], encoder: {channels: [4], hidden: [5], activation: tanh}, "
             "decoder: {channels: [4, 3], hidden: [5]}}");
    compute(&c, &flat, y, mean[2], eta);
    same(2 * LATENT, mean[1], mean[2]);
    same(2 * N, other_eta, eta);
    finish(&a);
    finish(&b);
    finish(&c);
}

/* What one pixel of the decoder's first image changes lies in one place of the last: a transposed
 * image would put it elsewhere. */
static void rows_and_columns_keep_their_places(void **state)
{
    enum { H = 8, W = 16 };
    const stele_shape sample = STELE__SHAPE(H, W);
    double mean[2 * LATENT];
    rig r;
    (void)state;
    open_rig(&r, &sample,
             "{encoder: {channels: [2], hidden: [3], activation: tanh}, "
             "decoder: {channels: [1], hidden: [3]}}");
    compute(&r, &sample, x, mean, eta);
    stele__param *p =
        stele__params_entry(r.params, (uint32_t)stele__params_find(r.params, "decoder.start.bias"));
    assert_int_equal(p->n, H / 2 * (W / 2));
    ((double *)p->values)[1 * (W / 2) + 6] += 5.0; /* row 1, column 6 of (4, 8) */
    compute(&r, &sample, x, mean, other_eta);
    int64_t changed = 0;
    for (int64_t i = 0; i < H * W; i++) {
        const int64_t row = i / W, column = i % W;
        if (eta[i] != other_eta[i]) {
            assert_true(row >= 1 && row <= 4 && column >= 11 && column <= 14);
            changed++;
        }
    }
    assert_int_equal(changed, 16);
    finish(&r);
}

/* NaN is black to the encoder. */
static void missing_pixels_are_black(void **state)
{
    const stele_shape sample = STELE__SHAPE(8, 8);
    double mean[2][2 * LATENT];
    rig r;
    (void)state;
    for (int i = 0; i < 128; i++) {
        x[i] = i % 5 == 0 ? NAN : 0.01 * i;
        y[i] = i % 5 == 0 ? 0.0 : 0.01 * i;
    }
    open_rig(&r, &sample, small);
    compute(&r, &sample, x, mean[0], eta);
    compute(&r, &sample, y, mean[1], eta);
    same(2 * LATENT, mean[0], mean[1]);
    finish(&r);
}

static void starts_are_those_of_the_pixels(void **state)
{
    enum { N = 64, ROWS = 4 };
    const stele_shape sample = STELE__SHAPE(8, 8);
    static float data[ROWS * N];
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F32, .layout = STELE_DENSE };
    rig r;
    (void)state;
    view.shape = STELE__SHAPE(ROWS, 8, 8);
    view.data = data;
    for (int i = 0; i < ROWS * N; i++) {
        data[i] = i / N < 2 && i % N == 7 ? 255.0f : i % N == 9 ? (float)NAN : 0.0f;
    }
    open_rig(&r, &sample, "{white: 255}");
    stele_fit f = { .r = &r, .x = &view };
    assert_int_equal(r.vt->fit(r.inst, &f), STELE_OK);
    assert_true(fabs(parameter(&r, "output.bias")[7]) < 1e-12); /* half of them are white */
    assert_true(fabs(parameter(&r, "output.bias")[8] - log(0.5 / 4.5)) < 1e-12);
    assert_true(parameter(&r, "output.bias")[9] == 0.0); /* nobody has it */
    finish(&r);
    open_rig(&r, &sample, "{white: 255, likelihood: gaussian}");
    f = (stele_fit){ .r = &r, .x = &view };
    assert_int_equal(r.vt->fit(r.inst, &f), STELE_OK);
    const double n = ROWS * (N - 1), mean = 2.0 / n;
    assert_true(fabs(parameter(&r, "output.bias")[7] - 0.5) < 1e-12);
    assert_true(fabs(parameter(&r, "output.log_variance")[0] - log(mean - mean * mean)) < 1e-9);
    finish(&r);
    open_rig(&r, &sample, "{likelihood: laplace}"); /* bytes, but nobody said so */
    f = (stele_fit){ .r = &r, .x = &view };
    assert_int_equal(r.vt->fit(r.inst, &f), STELE_E_OPTION);
    finish(&r);
}

static stele_status valid(const char *options, double v)
{
    const stele_shape sample = STELE__SHAPE(8, 8);
    double data[64] = { 0 };
    stele_bad_value bad = { 0 };
    rig r;
    stele_view view = { .struct_size = sizeof view, .dtype = STELE_F64, .layout = STELE_DENSE };
    view.shape = STELE__SHAPE(1, 8, 8);
    view.data = data;
    data[11] = v;
    open_rig(&r, &sample, options);
    stele_status status = r.vt->validate(r.inst, &view, &bad);
    assert_true(status == STELE_OK || (bad.row == 0 && bad.column == 11 && bad.reason != NULL));
    finish(&r);
    return status;
}

static void values_are_checked(void **state)
{
    (void)state;
    assert_int_equal(valid("{}", 1.0), STELE_OK);
    assert_int_equal(valid("{}", NAN), STELE_OK);
    assert_int_equal(valid("{}", 1.01), STELE_E_DATA);
    assert_int_equal(valid("{}", -0.01), STELE_E_DATA);
    assert_int_equal(valid("{likelihood: gaussian}", -3.0), STELE_OK);
    assert_int_equal(valid("{likelihood: gaussian}", INFINITY), STELE_E_DATA);
    assert_int_equal(valid("{likelihood: laplace}", -3.0), STELE_OK);
    assert_int_equal(valid("{likelihood: logistic, white: 255}", 254.0), STELE_OK);
    assert_int_equal(valid("{likelihood: logistic, white: 255}", 254.5), STELE_E_DATA);
    assert_int_equal(valid("{likelihood: logistic, white: 255}", 256.0), STELE_E_DATA);
    assert_int_equal(valid("{likelihood: logistic}", (double)(77.0f / 255.0f)), STELE_OK);
    assert_int_equal(valid("{likelihood: logistic, levels: 3}", 0.5), STELE_OK);
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
    refuse(STELE__SHAPE(64), "{}", STELE_E_SHAPE, "flat rows need `size`");
    refuse(STELE__SHAPE(7, 20), "{}", STELE_E_SHAPE, "images of 7 x 20 pixels in 1 channels");
    refuse(STELE__SHAPE(8, 8, 8), "{}", STELE_E_SHAPE, "in 8 channels");
    refuse(STELE__SHAPE(2, 8, 8, 3), "{}", STELE_E_SHAPE, "a row must be an image");
    refuse(STELE__SHAPE(65), "{size: [8, 8]}", STELE_E_OPTION, "of 64 elements, rows have 65");
    refuse(STELE__SHAPE(64), "{size: [64]}", STELE_E_OPTION, "must be [height, width] or");
    refuse(STELE__SHAPE(8, 8), "{size: [8, 8]}", STELE_E_OPTION, "is for flat rows");
    refuse(STELE__SHAPE(8, 8), "{encoder: {channels: [2, 2, 2, 2, 2]}}", STELE_E_OPTION,
           "5 convolutions halve images of 8 x 8 pixels too often");
    refuse(STELE__SHAPE(64, 64), "{decoder: {channels: [2, 2, 2, 2, 2, 2, 2]}}", STELE_E_OPTION,
           "between 1 and 6 convolutions");
}

/* Means of the expert of x while training or not. */
static void expert_of(rig *r, int training, const stele_shape *sample, const double *from,
                      double ret[2 * LATENT])
{
    const stele__pass pass = { .seed = 1, .training = training };
    const int64_t rows[] = { 0, 1 };
    stele_shape s = *sample;
    memmove(&s.dim[1], &s.dim[0], s.ndim++ * sizeof s.dim[0]);
    s.dim[0] = 2;
    stele__graph_begin(r->graph, &pass);
    stele_encode_args e = { .struct_size = sizeof e };
    stele_dist q = { 0 };
    e.x = stele__graph_dense(r->graph, STELE_F64, &s, from);
    stele__graph_enter(r->graph, &r->scope);
    stele__graph_rows(r->graph, 2, rows, NULL);
    assert_int_equal(r->vt->encode(r->inst, r->graph, &e, &q), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    memcpy(ret, q.p[0]->data, 2 * LATENT * sizeof *ret);
}

static double difference(const double *a, const double *b)
{
    double most = 0.0;
    for (int i = 0; i < 2 * LATENT; i++) {
        most = fmax(most, fabs(a[i] - b[i]));
    }
    return most;
}

/* A picture of one colour stays what it is however it is moved, turned or resized, as its edge goes
 * on; a ramp from left to right does not. */
static void pictures_move_while_training(void **state)
{
    enum { H = 12, W = 10, N = H * W * 3 };
    static const char *const option[] = { "shift: 2", "turn: 40", "zoom: 0.5", "noise: 0.5" };
    const stele_shape sample = STELE__SHAPE(H, W, 3);
    (void)state;
    for (int k = 0; k < 4; k++) {
        double still[2 * LATENT], moved[2 * LATENT];
        char options[256];
        rig r;
        snprintf(options, sizeof options,
                 "{encoder: {channels: [4], hidden: [5], activation: tanh, %s}, "
                 "decoder: {channels: [4, 3], hidden: [5]}}",
                 option[k]);
        open_rig(&r, &sample, options);
        for (int i = 0; i < 2 * N; i++) {
            x[i] = 0.2 + 0.1 * (i % 3);
            y[i] = 0.1 * (double)(i / 3 % W) + 0.1 * (i % 3);
        }
        expert_of(&r, 0, &sample, x, still);
        expert_of(&r, 1, &sample, x, moved);
        assert_true(k < 3 ? difference(still, moved) < 1e-12 : difference(still, moved) > 1e-3);
        expert_of(&r, 0, &sample, y, still);
        expert_of(&r, 1, &sample, y, moved);
        assert_true(difference(still, moved) > 1e-3);
        finish(&r);
    }
}

/* The four random numbers of both rows of a pass: size, angle, down, right. */
static void random_moves(rig *r, double ret[8])
{
    enum { STREAM = 8 };
    const stele__pass pass = { .seed = 1, .training = 1 };
    const stele_shape s = STELE__SHAPE(2, 4);
    const int64_t rows[] = { 0, 1 };
    stele__graph_begin(r->graph, &pass);
    stele__graph_enter(r->graph, &r->scope);
    stele__graph_rows(r->graph, 2, rows, NULL);
    memcpy(ret, tables()->ops->noise(r->graph, &s, STREAM)->data, 8 * sizeof *ret);
    stele__graph_enter(r->graph, NULL);
}

/* One standard deviation of an angle is `turn` degrees, of a shift `shift` pixels and of the
 * logarithm of a size `zoom`. On a slope what lies between pixels is known. */
static void pictures_move_as_far_as_asked(void **state)
{
    enum { H = 12, W = 10, N = H * W };
    static const struct {
        const char *option;
        double shift, turn, zoom;
    } by[] = { { "shift: 2", 2, 0, 0 }, { "turn: 20", 0, 20, 0 }, { "zoom: 0.3", 0, 0, 0.3 } };
    const stele_shape sample = STELE__SHAPE(H, W);
    (void)state;
    for (int k = 0; k < 3; k++) {
        double want[2 * LATENT], moved[2 * LATENT], noise[8];
        char options[256];
        rig r;
        snprintf(options, sizeof options,
                 "{encoder: {channels: [4], hidden: [5], activation: tanh, %s}, "
                 "decoder: {channels: [4, 3], hidden: [5]}}",
                 by[k].option);
        open_rig(&r, &sample, options);
        random_moves(&r, noise);
        for (int i = 0; i < 2 * N; i++) {
            const double *own = noise + i / N * 4, v = i % N / W - 5.5, u = i % W - 4.5;
            const double size = exp(by[k].zoom * own[0]), angle = by[k].turn / 57.29577951308232;
            const double c = size * cos(angle * own[1]), s = size * sin(angle * own[1]);
            const double down = c * v - s * u + by[k].shift * own[2] + 5.5;
            const double right = s * v + c * u + by[k].shift * own[3] + 4.5;
            x[i] = 0.05 * (i % N / W) + 0.03 * (i % W);
            y[i] = 0.05 * fmin(fmax(down, 0), H - 1) + 0.03 * fmin(fmax(right, 0), W - 1);
        }
        expert_of(&r, 1, &sample, x, moved);
        expert_of(&r, 0, &sample, y, want);
        assert_true(difference(want, moved) < 1e-9);
        expert_of(&r, 0, &sample, x, want);
        assert_true(difference(want, moved) > 1e-3);
        finish(&r);
    }
}

/* One standard deviation of the noise of a pixel, of which white is 1, is `noise`. */
static void noise_is_as_loud_as_asked(void **state)
{
    enum { H = 12, W = 10, N = H * W, STREAM = 9 };
    const stele__pass pass = { .seed = 1, .training = 1 };
    const stele_shape sample = STELE__SHAPE(H, W), both = STELE__SHAPE(2, H, W);
    const int64_t rows[] = { 0, 1 };
    double want[2 * LATENT], seen[2 * LATENT];
    rig r;
    (void)state;
    open_rig(&r, &sample,
             "{white: 16, encoder: {channels: [4], hidden: [5], activation: tanh, noise: 0.3}, "
             "decoder: {channels: [4, 3], hidden: [5]}}");
    stele__graph_begin(r.graph, &pass);
    stele__graph_enter(r.graph, &r.scope);
    stele__graph_rows(r.graph, 2, rows, NULL);
    const double *noise = tables()->ops->noise(r.graph, &both, STREAM)->data;
    for (int i = 0; i < 2 * N; i++) {
        x[i] = 1.0 + i % 7;
        y[i] = x[i] + 16 * 0.3 * noise[i];
    }
    stele__graph_enter(r.graph, NULL);
    expert_of(&r, 1, &sample, x, seen);
    expert_of(&r, 0, &sample, y, want);
    assert_true(difference(want, seen) < 1e-9);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_comes_back),
        cmocka_unit_test(channels_may_lie_anywhere),
        cmocka_unit_test(rows_and_columns_keep_their_places),
        cmocka_unit_test(missing_pixels_are_black),
        cmocka_unit_test(starts_are_those_of_the_pixels),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(pictures_move_while_training),
        cmocka_unit_test(pictures_move_as_far_as_asked),
        cmocka_unit_test(noise_is_as_loud_as_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
