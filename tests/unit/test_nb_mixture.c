/* The mixture of two negative binomials (stele/nb_mixture.h) with its derivatives against mpmath,
 * in float and double, and what is drawn from it. Sums over x are stele-check's. */
#include "test.h"

#include "model/model.h"

#include <stele/nb_mixture.h>

/* mpmath 1.3 at 40 digits, with m = exp(a), t = exp(b):
 *     nb(x, a, b) = loggamma(x + t) - loggamma(t) - loggamma(x + 1)
 *                   + t log(t / (t + m)) + x log(m / (t + m))
 *     pi = 1 / (1 + exp(-g));  c = l + log(1 + exp(f))
 *     log_p = log(pi exp(nb(x, l, b)) + (1 - pi) exp(nb(x, c, b)));  d: mp.diff towards f, g, l, b
 * The first counts agree with np.logaddexp of scipy.stats.nbinom.logpmf(x, t, t / (t + m)). */
typedef struct golden {
    double x, f, g, l, b; /* increment, logit of background, log background, log theta */
    double log_p, d[4];
} golden;

static const golden cases[] = {
    { 0.0,
      1.5,
      0.375,
      2.0,
      0.75,
      -3.6744266822068002,
      { -0.045865151964995, 0.37944907729015, -1.6557579947297, -1.61239794221571 } },
    { 3.0,
      1.5,
      0.375,
      2.0,
      0.75,
      -2.8971654945673261,
      { -0.0758601394274302, 0.357524059788533, -1.02154441601102, -0.122866292924723 } },
    { 40.0,
      -2.0,
      3.0,
      1.0,
      2.0,
      -37.182865982373568,
      { 1.84549635262936, -0.547155307598459, 26.5317109583688, -14.8387059350086 } },
    { 9319.0,
      4.0,
      -6.0,
      3.0,
      1.5,
      -32.681367031958285,
      { 32.1966533000821, -0.00247262315663477, 32.7863555753522, -22.7752641594333 } },
    { 250.0,
      3.0,
      30.0,
      5.5,
      8.0,
      -3.7730681658517875,
      { 0.0, 9.3576229688393e-14, 4.90540737791389, 0.0346606747924673 } },
    { 1000000.0,
      10.0,
      0.0,
      3.0,
      -2.0,
      -16.910891035418985,
      { 0.170545355034471, -0.5, 0.170553097781611, 0.719785167166172 } },
    { 0.0,
      5.0,
      -30.0,
      9.0,
      6.0,
      -1259.8879171026076,
      { 0.0, 0.999999999999906, -384.29583069637, -845.592086406238 } },
    { 7.0,
      -40.0,
      0.25,
      2.0,
      1.0,
      -2.565587372580366,
      { -1.94621006871504e-19, 1.09411356641893e-19, -0.104633300239075, 0.385948374570566 } },
    /* One part is out of the question by hundreds of millions of nats. */
    { 0.0,
      30.0,
      0.5,
      0.0,
      18.0,
      -1.4740769765651169,
      { 0.0, 0.377540668798145, -0.99999998477002, -7.61498971772146e-9 } },
    { 200.0,
      1048581.0,
      0.5,
      -1048576.0,
      2.0,
      -6.5690587240314948,
      { 2.44655097403252, -0.622459331201855, 2.44655097403252, 0.160215535132869 } },
};
enum { N_CASES = sizeof cases / sizeof cases[0], DRAWS = 20000 };

/* All elements are the rows of one feature, or the features of one row. */
typedef struct block {
    uint32_t dtype, n_eta, layout;
    int64_t rows, features;
    double row, weight;
    double log_p[N_CASES], d_eta[3][N_CASES], d_feature[2][N_CASES], d_row[N_CASES];
} block;

static void put(uint32_t dtype, void *to, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)to)[i] = v;
    } else {
        ((float *)to)[i] = (float)v;
    }
}

static double get(uint32_t dtype, const void *from, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

static void run(const golden *c, block *k)
{
    double x[N_CASES], eta[3][N_CASES], feature[2][N_CASES], row[N_CASES], weight[N_CASES];
    double d_feature[2][N_CASES] = { { 0 } }, d_row[N_CASES] = { 0 };
    int64_t begin[N_CASES], end[N_CASES], stored = 0, n = k->rows * k->features;
    int32_t column[N_CASES];
    for (int64_t i = 0; i < n; i++) {
        put(k->dtype, eta[0], i, c[i].f);
        put(k->dtype, eta[1], i, c[i].g);
        put(k->dtype, eta[2], i, c[i].l - k->row);
        put(k->dtype, feature[0], i, c[i].b);
        put(k->dtype, feature[1], i, c[i].l - k->row);
        if (i % k->features == 0) {
            put(k->dtype, row, i / k->features, k->row);
            put(k->dtype, weight, i / k->features, k->weight);
            begin[i / k->features] = stored;
        }
        if (k->layout == STELE_DENSE || c[i].x != 0.0) {
            column[stored] = (int32_t)(i % k->features);
            put(k->dtype, x, stored++, c[i].x);
        }
        end[i / k->features] = stored;
    }
    stele_values values = { .struct_size = sizeof values,
                            .dtype = k->dtype,
                            .layout = k->layout,
                            .data = x,
                            .begin = begin,
                            .end = end,
                            .column = column };
    void *etas[] = { eta[0], eta[1], eta[2] }, *d_features[] = { d_feature[0], d_feature[1] };
    const void *features[] = { feature[0], feature[1] }, *rows[] = { row };
    void *d_rows[] = { d_row };
    memset(k->log_p, 0, sizeof k->log_p);
    stele_block b = { .struct_size = sizeof b,
                      .dtype = k->dtype,
                      .n_eta = k->n_eta,
                      .n_rows = k->rows,
                      .n_features = k->features,
                      .eta = (const void *const *)etas,
                      .d_eta = etas, /* in place, as the host does it */
                      .feature = features,
                      .d_feature = d_features,
                      .row = rows,
                      .d_row = d_rows,
                      .weight = weight,
                      .x = &values,
                      .log_prob = k->log_p };
    assert_int_equal(stele_nb_mixture(stele__model_tables.vec, &b), STELE_OK);
    for (int64_t i = 0; i < n; i++) {
        for (uint32_t e = 0; e < k->n_eta; e++) {
            k->d_eta[e][i] = get(k->dtype, eta[e], i);
        }
        k->d_feature[0][i] = get(k->dtype, d_feature[0], i);
        k->d_feature[1][i] = get(k->dtype, d_feature[1], i);
        k->d_row[i] = get(k->dtype, d_row, i);
    }
}

/* Beside a count x log p is what is left of terms of x log x. */
static void near(const char *what, int i, double is, double want, double tolerance)
{
    double terms = i >= 0 ? cases[i].x * log1p(cases[i].x) : 0.0;
    if (!(fabs(is - want) <= tolerance * fmax(1.0, fabs(want)) + 1e-15 * terms)) {
        fail_msg("%s of case %d: %.15g, expected %.15g", what, i, is, want);
    }
}

/* Values and all derivatives of each case alone; the parameters are exact in float. */
static void test_values(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        block k = { .dtype = round % 2 == 0 ? STELE_F64 : STELE_F32,
                    .n_eta = round / 2 % 2 == 0 ? 2 : 3,
                    .layout = round / 4 == 0 ? STELE_DENSE : STELE_CSR,
                    .rows = 1,
                    .features = 1,
                    .row = round / 4 == 0 ? 0.0 : -1.5,
                    .weight = 0.5 };
        double tolerance = k.dtype == STELE_F64 ? 2e-13 : 2e-7;
        for (int i = 0; i < N_CASES; i++) {
            const golden *c = &cases[i];
            run(c, &k);
            near("log p", i, k.log_p[0], c->log_p, tolerance);
            near("d increment", i, k.d_eta[0][0], 0.5 * c->d[0], tolerance);
            near("d logit", i, k.d_eta[1][0], 0.5 * c->d[1], tolerance);
            near("d background", i, k.n_eta > 2 ? k.d_eta[2][0] : k.d_feature[1][0], 0.5 * c->d[2],
                 tolerance);
            near("d row", i, k.d_row[0], 0.5 * c->d[2], tolerance);
            near("d log theta", i, k.d_feature[0][0], 0.5 * c->d[3], tolerance);
        }
    }
}

/* All cases as one row: their sum, and each feature its own derivatives. A missing one adds
 * nothing. */
static void test_missing(void **state)
{
    golden row[N_CASES];
    block k = { .dtype = STELE_F64, .n_eta = 2, .layout = STELE_DENSE, .rows = 1, .weight = 1.0 };
    double want = 0.0, d_row = 0.0;
    (void)state;
    k.features = N_CASES;
    for (int i = 0; i < N_CASES; i++) {
        row[i] = cases[i];
        want += i == 2 || i == 6 ? 0.0 : cases[i].log_p;
        d_row += i == 2 || i == 6 ? 0.0 : cases[i].d[2];
    }
    row[2].x = row[6].x = NAN;
    run(row, &k);
    near("log p", 5, k.log_p[0], want, 1e-13); /* case 5 has the largest count */
    near("d row", 5, k.d_row[0], d_row, 1e-13);
    for (int i = 2; i < N_CASES; i += 4) {
        assert_true(k.d_eta[0][i] == 0.0 && k.d_eta[1][i] == 0.0);
        assert_true(k.d_feature[0][i] == 0.0 && k.d_feature[1][i] == 0.0);
    }
    near("d log theta", 3, k.d_feature[0][3], cases[3].d[3], 1e-13);
    near("d background", 4, k.d_feature[1][4], cases[4].d[2], 1e-13);
}

/* Parts that are as unlikely as can be, of either kind. */
static void test_extremes(void **state)
{
    static const double far[] = { -300.0, -30.0, 0.0, 30.0, 300.0 };
    (void)state;
    for (int i = 0; i < 5 * 5 * 5 * 4; i++) {
        golden c = { .x = i % 2 == 0 ? 0.0 : 5e6,
                     .f = far[i / 4 % 5],
                     .g = far[i / 20 % 5],
                     .l = far[i / 100],
                     .b = i / 2 % 2 == 0 ? -12.0 : 15.0 };
        for (int narrow = 0; narrow < 2; narrow++) {
            block k = { .dtype = narrow ? STELE_F32 : STELE_F64,
                        .n_eta = 3,
                        .layout = STELE_DENSE,
                        .rows = 1,
                        .features = 1,
                        .weight = 1.0 };
            run(&c, &k);
            assert_true(isfinite(k.log_p[0]) && k.log_p[0] <= 1e-9);
            for (int e = 0; e < 3; e++) {
                assert_true(isfinite(k.d_eta[e][0]));
            }
            assert_true(isfinite(k.d_feature[0][0]) && isfinite(k.d_row[0]));
        }
    }
}

/* Evenly spread pairs of numbers in place of random ones. */
static void even_numbers(void *ctx, int64_t row, uint32_t k, double *ret)
{
    (void)ctx;
    double u = k == 0 ? ((double)row + 0.5) / DRAWS : 0.6180339887498949 * ((double)row + 1.0);
    ret[0] = u - floor(u);
}

/* Mean and variance of what is drawn: with means m and variances v of the parts, pi m_b + (1 - pi)
 * m_f and pi (v_b + m_b^2) + (1 - pi) (v_f + m_f^2) less its square. */
static void test_draws(void **state)
{
    static double eta[3][DRAWS], out[DRAWS];
    double theta = log(8.0), row = log(3.0), mean = 0.0, square = 0.0;
    const void *etas[] = { eta[0], eta[1], eta[2] }, *feature[] = { &theta };
    static double rows[DRAWS];
    const void *row_at[] = { rows };
    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        eta[0][i] = log(4.0);
        eta[1][i] = log(0.3 / 0.7);
        eta[2][i] = log(5.0);
        rows[i] = row;
    }
    stele_block b = { .struct_size = sizeof b, .dtype = STELE_F64, .n_eta = 3, .n_rows = DRAWS };
    stele_draw d = { .struct_size = sizeof d, .what = STELE_DRAW_SAMPLE, .out = out };
    b.n_features = 1;
    b.eta = etas;
    b.feature = feature;
    b.row = row_at;
    d.uniform = even_numbers;
    assert_int_equal(stele_draw_elements(&b, &d, 2, stele_nb_mixture_draw), STELE_OK);
    for (int i = 0; i < DRAWS; i++) {
        mean += out[i] / DRAWS;
        square += out[i] * out[i] / DRAWS;
    }
    double v_b = 15.0 + 15.0 * 15.0 / 8.0, v_f = 75.0 + 75.0 * 75.0 / 8.0;
    near("mean", 0, mean, 0.3 * 15.0 + 0.7 * 75.0, 2e-3);
    near("mean square", 0, square, 0.3 * (v_b + 225.0) + 0.7 * (v_f + 5625.0), 5e-3);
    d.what = STELE_DRAW_MEAN;
    assert_int_equal(stele_draw_elements(&b, &d, 2, stele_nb_mixture_draw), STELE_OK);
    near("mean", 0, out[5], 57.0, 1e-12);
    near("background", 0, stele_nb_mixture_background(&b, 5, 0), 0.3, 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
