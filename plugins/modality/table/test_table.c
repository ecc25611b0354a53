/* modality/table: which type a column gets, what contradicts a type, the likelihood of each by
 * hand, missing entries, predictions and metrics. Derivatives, sums to one and draws are
 * stele-check's; what the data room says about columns is made up here. */
#include "modality_rig.h"

#include <stdlib.h>

enum { MOST = 8 };

/* A column of the training rows: numbers, or texts by their names. */
typedef struct told {
    const char *name;
    int64_t n; /* different values, -1: many */
    double value[4];
    int64_t count[4];
    const char *level[4];
    double least, largest;
    uint32_t whole;
} told;

static stele_feature feature[MOST];
static const stele_feature *list[MOST];
static char said[4000]; /* by the plugin */

static void take_log(void *user, int32_t level, const char *who, const char *text)
{
    (void)user;
    (void)level;
    (void)who;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", text);
}

static stele_status start(rig *r, const told *t, int64_t n, const char *options)
{
    static stele_field field;
    static const stele__log log = { .write = take_log };
    field = (stele_field){ .struct_size = sizeof field,
                           .name = "rows",
                           .content = STELE_FIELD_MATRIX,
                           .dtype = STELE_F32,
                           .layout = STELE_DENSE,
                           .sample = { .ndim = 1, .dim = { n } },
                           .feature = list };
    said[0] = '\0';
    for (int64_t j = 0; j < n; j++) {
        feature[j] = (stele_feature){ .struct_size = sizeof feature[j],
                                      .name = t[j].name,
                                      .n_rows = 10,
                                      .n_values = t[j].n,
                                      .value = t[j].n < 0 ? NULL : t[j].value,
                                      .count = t[j].n < 0 ? NULL : t[j].count,
                                      .level = t[j].level[0] != NULL ? t[j].level : NULL,
                                      .least = t[j].least,
                                      .largest = t[j].largest,
                                      .whole = t[j].whole };
        list[j] = &feature[j];
    }
    return start_rig(r, "table", &field, &log, options);
}

static void open_rig(rig *r, const told *t, int64_t n, const char *options)
{
    if (start(r, t, n, options) != STELE_OK) {
        fail_msg("%s: %s", options, message(r));
    }
}

static const told age = { "age", -1, { 0 }, { 0 }, { 0 }, 20, 81, 1 };
static const told size = { "size", -1, { 0 }, { 0 }, { 0 }, 0.3, 900, 0 };
static const told share = { "share", -1, { 0 }, { 0 }, { 0 }, 0.1, 0.9, 0 };
static const told ended = { "ended", -1, { 0 }, { 0 }, { 0 }, 0, 1, 0 };
static const told score = { "score", -1, { 0 }, { 0 }, { 0 }, -3, 4, 0 };
static const told flag = { "flag", 2, { 1, 2 }, { 7, 3 }, { 0 }, 1, 2, 1 };
static const told kind = { "kind", 3, { 0, 1, 2 }, { 5, 3, 2 }, { "a", "b", "c" }, 0, 2, 1 };
static const told sex = { "sex", 2, { 0, 1 }, { 5, 5 }, { "f", "m" }, 0, 1, 1 };
static const told grade = { "grade", 3, { 1, 2, 3 }, { 2, 5, 3 }, { 0 }, 1, 3, 1 };
static const told same = { "same", 1, { 4 }, { 10 }, { 0 }, 4, 4, 1 };

/* --- types ------------------------------------------------------------------------------------ */

static void fit_nothing(rig *r, int64_t n)
{
    double x[MOST] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    const stele_view view = { sizeof view, STELE_F64, STELE_DENSE, STELE__SHAPE(1, n), x, 0, 0 };
    stele_fit f = { .r = r, .x = &view };
    assert_int_equal(r->vt->fit(r->inst, &f), STELE_OK);
}

static void expect_types(const char *options, const char *want)
{
    const told all[] = { age, size, share, score, flag, kind, sex, same };
    rig r;
    open_rig(&r, all, 8, options);
    fit_nothing(&r, 8);
    if (strcmp(said, want) != 0) {
        fail_msg("%s gives\n%s", options, said);
    }
    finish(&r);
}

#define CONSTANT                                                                                   \
    "options:1:1: warning: 1 constant, of which nothing is learned, as all training rows have "    \
    "the same, to seven digits: same\n"

static void types_are_found(void **state)
{
    (void)state;
    expect_types("{}",
                 "1 real: score\n1 positive: size\n1 proportion: share\n1 count: age\n2 binary: "
                 "flag, sex\n1 unordered: kind\n" CONSTANT);
    expect_types("{positive: [age], real: ['s?ze', sh*], ordered: [kind = b < a < c, flag]}",
                 "3 real: size, share, score\n1 positive: age\n1 binary: sex\n2 ordered: flag, "
                 "kind\n" CONSTANT);
    /* A name goes before a pattern. */
    expect_types("{unordered: ['*'], real: [age, size, share, score]}",
                 "4 real: age, size, share, score\n3 unordered: flag, kind, sex\n" CONSTANT);
}

static void refuse(told t, const char *options, const char *want)
{
    rig r;
    stele_status status = start(&r, &t, 1, options);
    assert_true(status == STELE_E_OPTION || status == STELE_E_DATA);
    if (strstr(message(&r), want) == NULL) {
        fail_msg("%s: `%s` lacks `%s`", options, message(&r), want);
    }
    finish(&r);
}

static void what_contradicts_is_refused(void **state)
{
    (void)state;
    refuse(score, "{count: [score]}", "column `score` holds fractions in the training rows");
    refuse(score, "{positive: [score]}", "column `score` holds -3 in the training rows");
    refuse(score, "{proportion: [score]}", "column `score` holds -3");
    refuse(size, "{proportion: [size]}",
           "column `size` holds 900 in the training rows, which is above");
    refuse(kind, "{count: [kind]}", "column `kind` holds texts");
    refuse(kind, "{binary: [kind]}", "has 3 different values");
    refuse(kind, "{ordered: [kind]}", "`kind = a < b < ...`");
    refuse(kind, "{ordered: [kind = a < b]}", "has the level `c`, which its order lacks");
    refuse(score, "{ordered: [score]}", "has more than 256 different values");
    refuse(score, "{real: [scores]}", "there is no column `scores`; there is score");
    refuse(grade, "{ordered: [grade], count: [grade]}", "is in");
    refuse(same, "{}", "every column is the same");
}

/* --- likelihoods ------------------------------------------------------------------------------ */

/* Make the predictors `bias` whatever z is, and every other parameter of its kind `own`. */
static void set(rig *r, const char *name, int64_t n, const double *v)
{
    int64_t at = stele__params_find(r->params, name);
    if (at < 0) {
        fail_msg("no parameter `%s`", name);
    }
    stele__param *p = stele__params_entry(r->params, (uint32_t)at);
    assert_int_equal(p->n, n);
    memcpy(p->values, v, (size_t)n * sizeof *v);
}

static void flatten(rig *r)
{
    stele__param *p =
        stele__params_entry(r->params, (uint32_t)stele__params_find(r->params, "output.weight"));
    memset(p->values, 0, (size_t)p->n * sizeof(double));
}

static const double z[LATENT] = { 0.3, -1.2, 0.7 };

static double log_p(rig *r, int64_t n, const double *x)
{
    const stele__pass pass = { .seed = 1 };
    const stele_shape s = STELE__SHAPE(1, n), latent = STELE__SHAPE(1, LATENT);
    stele_decode_args d = { .struct_size = sizeof d };
    stele_tensor *rows = NULL;
    stele__graph_begin(r->graph, &pass);
    d.z = stele__graph_dense(r->graph, STELE_F64, &latent, z);
    d.target = stele__graph_dense(r->graph, STELE_F64, &s, x);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->log_prob(r->inst, r->graph, &d, &rows), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    return ((const double *)rows->data)[0];
}

static void generate(rig *r, int64_t n, uint32_t what, double *ret)
{
    const stele__pass pass = { .seed = 1 };
    const stele_shape latent = STELE__SHAPE(1, LATENT);
    stele_decode_args d = { .struct_size = sizeof d };
    stele_tensor *x = NULL;
    stele__graph_begin(r->graph, &pass);
    d.z = stele__graph_dense(r->graph, STELE_F64, &latent, z);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->generate(r->inst, r->graph, &d, what, &x), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    assert_int_equal(x->n, n);
    memcpy(ret, x->data, (size_t)n * sizeof *ret);
}

static void near(double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance * fmax(1.0, fabs(want)))) {
        fail_msg("%.15g, expected %.15g", is, want);
    }
}

static double normal(double y, double mean, double variance)
{
    return -0.5 *
           (log(2.0 * 3.14159265358979323846 * variance) + (y - mean) * (y - mean) / variance);
}

static void numbers_by_hand(void **state)
{
    const told columns[] = { score, size, share, age };
    const double bias[] = { 0.4, -0.3, 0.8, 3.0 }, centre[] = { 1, 2, -0.5, 0 };
    const double log_scale[] = { 0.5, -0.2, 0.1, 0 }, log_variance[] = { -0.5, 0.2, 0.7 };
    const double log_theta = 1.1, none[] = { NAN, NAN, NAN, NAN };
    double x[4], mean[4];
    rig r;
    (void)state;
    open_rig(&r, columns, 4, "{least_variance: 0.01}");
    flatten(&r);
    set(&r, "output.bias", 4, bias);
    set(&r, "output.log_variance", 3, log_variance);
    set(&r, "output.log_dispersion", 1, &log_theta);
    set(&r, "centre", 4, centre);
    set(&r, "log_scale", 4, log_scale);
    memcpy(x, none, sizeof x);
    near(log_p(&r, 4, x), 0.0, 1e-15);
    double m[3], v[3];
    for (int k = 0; k < 3; k++) {
        const double s = exp(log_scale[k]);
        m[k] = centre[k] + s * bias[k];
        v[k] = s * s * (0.01 + exp(log_variance[k]));
    }
    x[0] = 2.5;
    near(log_p(&r, 4, x), normal(2.5, m[0], v[0]), 1e-12);
    memcpy(x, none, sizeof x);
    x[1] = 7.0;
    near(log_p(&r, 4, x), normal(log(7.0), m[1], v[1]) - log(7.0), 1e-12);
    memcpy(x, none, sizeof x);
    x[2] = 0.3;
    near(log_p(&r, 4, x), normal(log(0.3 / 0.7), m[2], v[2]) - log(0.3 * 0.7), 1e-12);
    x[2] = 0.0; /* training rows have no such: half of their least */
    near(log_p(&r, 4, x), normal(log(0.05 / 0.95), m[2], v[2]) - log(0.05 * 0.95), 1e-12);
    memcpy(x, none, sizeof x);
    x[3] = 17.0;
    const double mu = exp(3.0), theta = exp(log_theta);
    near(log_p(&r, 4, x),
         lgamma(17.0 + theta) - lgamma(theta) - lgamma(18.0) + theta * log(theta / (theta + mu)) +
             17.0 * log(mu / (theta + mu)),
         1e-11);
    generate(&r, 4, STELE_DRAW_MEAN, mean);
    near(mean[0], m[0], 1e-12);
    near(mean[1], exp(m[1] + 0.5 * v[1]), 1e-12);
    near(mean[3], mu, 1e-12);
    double sum = 0.0;
    for (int i = 0; i < 200000; i++) { /* by the midpoint rule in x */
        const double at = (i + 0.5) / 200000;
        sum += at * exp(normal(log(at / (1 - at)), m[2], v[2])) / (at * (1 - at)) / 200000;
    }
    near(mean[2], sum, 1e-6);
    generate(&r, 4, STELE_DRAW_MODE, mean);
    near(mean[1], exp(m[1] - v[1]), 1e-12);
    finish(&r);
}

static void levels_by_hand(void **state)
{
    const told columns[] = { flag, grade, kind, ended };
    /* binary, ordered, three of kind, three of the ends; the normal term comes first of all */
    const double bias[] = { 0.2, 0.7, -0.4, 0.1, 0.5, -1.0, 0.9, -0.6, 0.3 };
    const double thresholds[] = { -0.5, 0.3 };
    double x[4] = { NAN, NAN, NAN, NAN };
    rig r;
    (void)state;
    open_rig(&r, columns, 4, "{ordered: [grade]}");
    flatten(&r);
    set(&r, "output.bias", 9, bias);
    set(&r, "output.thresholds", 2, thresholds);
    x[0] = 2.0; /* the higher of 1 and 2 */
    near(log_p(&r, 4, x), -log1p(exp(-0.7)), 1e-12);
    x[0] = 5.0; /* nobody has it */
    near(log_p(&r, 4, x), 0.0, 1e-15);
    x[0] = NAN;
    x[1] = 2.0;
    const double t1 = -0.5 + exp(0.3);
    near(log_p(&r, 4, x), log(1 / (1 + exp(-0.4 - t1)) - 1 / (1 + exp(-0.4 + 0.5))), 1e-12);
    x[1] = NAN;
    x[2] = 1.0;
    near(log_p(&r, 4, x), 0.5 - log(exp(0.1) + exp(0.5) + exp(-1.0)), 1e-12);
    x[2] = NAN;
    const double ends = log(exp(0.9) + exp(-0.6) + exp(0.3));
    x[3] = 1.0;
    near(log_p(&r, 4, x), 0.3 - ends, 1e-12);
    x[3] = 0.0;
    near(log_p(&r, 4, x), -0.6 - ends, 1e-12);
    x[3] = 0.5;
    near(log_p(&r, 4, x), 0.9 - ends + normal(0.0, 0.2, 1.0001) - log(0.25), 1e-12);
    generate(&r, 4, STELE_DRAW_MODE, x);
    assert_true(x[0] == 2.0 && x[2] == 1.0 && x[3] > 0.0 && x[3] < 1.0);
    generate(&r, 4, STELE_DRAW_MEAN, x); /* there is none of levels without an order */
    assert_true(fabs(x[0] - 1.0 - 1.0 / (1.0 + exp(-0.7))) < 1e-12 && x[2] == 1.0 && x[1] != 1.0);
    finish(&r);
}

/* An order said in words decides what lies between what. */
static void orders_are_followed(void **state)
{
    const double thresholds[] = { -0.5, 0.3 }, bias = 0.4;
    rig r;
    (void)state;
    open_rig(&r, &kind, 1, "{ordered: ['kind = c < a < never < b']}");
    flatten(&r);
    set(&r, "output.bias", 1, &bias);
    set(&r, "output.thresholds", 2, thresholds);
    const double c = 2.0, b = 1.0;
    near(log_p(&r, 1, &c), -log1p(exp(0.4 + 0.5)), 1e-12);
    near(log_p(&r, 1, &b), -log1p(exp(-0.5 + exp(0.3) - 0.4)), 1e-12);
    finish(&r);
}

/* --- values ----------------------------------------------------------------------------------- */

static stele_status valid(told t, const char *options, double v)
{
    uint8_t gap = 0;
    stele_bad_value bad = { .row = -1, .gap = &gap };
    rig r;
    open_rig(&r, &t, 1, options);
    const stele_view x = { .struct_size = sizeof x,
                           .dtype = STELE_F64,
                           .layout = STELE_DENSE,
                           .shape = { .ndim = 2, .dim = { 1, 1 } },
                           .data = &v };
    stele_status status = r.vt->validate(r.inst, &x, &bad);
    assert_true(status == STELE_OK || (bad.row == 0 && bad.column == 0 && bad.reason != NULL));
    finish(&r);
    return status;
}

static void values_are_checked(void **state)
{
    (void)state;
    assert_int_equal(valid(age, "{count: [age]}", -1), STELE_E_DATA);
    assert_int_equal(valid(age, "{count: [age]}", 1.5), STELE_E_DATA);
    assert_int_equal(valid(age, "{}", NAN), STELE_OK);
    assert_int_equal(valid(size, "{positive: ['*']}", 0), STELE_E_DATA);
    assert_int_equal(valid(size, "{}", 0), STELE_OK); /* missing: nobody said the type */
    assert_int_equal(valid(share, "{proportion: [share]}", 1.01), STELE_E_DATA);
    assert_int_equal(valid(score, "{}", INFINITY), STELE_E_DATA);
    assert_int_equal(valid(kind, "{}", 3), STELE_E_DATA);
    assert_int_equal(valid(grade, "{ordered: [grade]}", 4), STELE_OK);
}

/* The encoder cannot tell what stands in a hidden place, nor a missing from an unseen level. */
static void mean_of(rig *r, int64_t n, const double *x, double *ret)
{
    const stele__pass pass = { .seed = 1 };
    const stele_shape s = STELE__SHAPE(1, n);
    stele_encode_args e = { .struct_size = sizeof e };
    stele_dist q = { 0 };
    stele__graph_begin(r->graph, &pass);
    e.x = stele__graph_dense(r->graph, STELE_F64, &s, x);
    stele__graph_enter(r->graph, &r->scope);
    assert_int_equal(r->vt->encode(r->inst, r->graph, &e, &q), STELE_OK);
    stele__graph_enter(r->graph, NULL);
    memcpy(ret, q.p[0]->data, LATENT * sizeof *ret);
}

static void missing_entries_are_told_from_zeros(void **state)
{
    const told columns[] = { score, flag };
    double a[LATENT], b[LATENT], c[LATENT], d[LATENT];
    rig r;
    (void)state;
    open_rig(&r, columns, 2, "{encoder: {activation: tanh}}");
    mean_of(&r, 2, (const double[]){ 0.0, NAN }, a); /* as it starts, 0 is the centre */
    mean_of(&r, 2, (const double[]){ 0.0, 9.0 }, b);
    mean_of(&r, 2, (const double[]){ 0.0, 1.0 }, c);
    mean_of(&r, 2, (const double[]){ NAN, NAN }, d);
    assert_memory_equal(a, b, sizeof a);
    assert_true(memcmp(a, c, sizeof a) != 0 && memcmp(a, d, sizeof a) != 0);
    finish(&r);
    open_rig(&r, columns, 2, "{encoder: {activation: tanh, indicator: false}}");
    mean_of(&r, 2, (const double[]){ 0.0, NAN }, a);
    mean_of(&r, 2, (const double[]){ NAN, NAN }, d);
    assert_memory_equal(a, d, sizeof a);
    finish(&r);
}

/* Values .9 and 1.1 of all rows and, in a second column, of n: what 5 costs there at first and when
 * training has made the most of them. Scales by Student's t of 95 % on n - 1 degrees of freedom. */
static void few_values_say_little(void **state)
{
    static const double t[][2] = { { 2, 9.71 }, { 6, 2.571 }, { 64, 1.998 } };
    const told columns[] = { score, size };
    const double far[] = { NAN, 5.0 }, bias[] = { 0.0, 0.0 }, sharp[] = { -30.0, -30.0 };
    (void)state;
    for (int k = 0; k < 3; k++) {
        double x[128], n = t[k][0], s = 0.1 * t[k][1] / 1.96 * sqrt((n + 1.0) / (n - 1.0));
        stele_view view = { sizeof view, STELE_F64, STELE_DENSE, STELE__SHAPE(64, 2), x, 0, 0 };
        rig r;
        for (int i = 0; i < 128; i++) {
            x[i] = i % 2 == 0 || i < 2 * n ? 0.9 + 0.2 * (i / 2 % 2) : (double)NAN;
        }
        open_rig(&r, columns, 2, "{least_variance: 1.0e-6, real: [size]}");
        stele_fit f = { .r = &r, .x = &view };
        assert_int_equal(r.vt->fit(r.inst, &f), STELE_OK);
        flatten(&r);
        set(&r, "output.bias", 2, bias);
        near(log_p(&r, 2, far), normal(5.0, 1.0, s * s * (1.0 + 1e-6)), 1e-2);
        set(&r, "output.log_variance", 2, sharp);
        near(log_p(&r, 2, far), normal(5.0, 1.0, s * s * (1e-6 + 1.0 / (n * n))), 1e-2);
        finish(&r);
    }
}

/* As lying at the edge, and not as missing. */
static void far_values_are_seen_at_the_edge(void **state)
{
    static const double x[] = { -10.0, -1e9, -9.0 };
    double q[3][LATENT];
    rig r;
    (void)state;
    open_rig(&r, &score, 1, "{encoder: {activation: tanh}}");
    for (int k = 0; k < 3; k++) {
        mean_of(&r, 1, &x[k], q[k]);
    }
    assert_true(memcmp(q[0], q[1], sizeof q[0]) == 0 && memcmp(q[0], q[2], sizeof q[0]) != 0);
    finish(&r);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static void metrics_by_hand(void **state)
{
    enum { N = 4, C = 5 };
    const told columns[C] = { score, size, flag, grade, kind };
    const float truth[N * C] = {
        1, 1, 1, 1, 0, 2, 10, 2, 2, 1, 3, 100, 1, 3, 2, 4, NAN, 2, 3, NAN
    };
    const float mean[N * C] = { 1, 2,   1.1f, 0, 0, 2, 20, 1.6f, 0, 0,
                                3, 200, 1.7f, 0, 0, 6, 5,  1.9f, 0, 0 };
    const float likely[N * C] = { 1, 1, 1, 1, 0, 2, 1, 2, 2, 0, 3, 1, 1, 2, 2, 4, 1, 2, 3, 1 };
    const double known[C] = { 0 };
    /* Ordered: ranks 1, 2, 3.5, 3.5 of the truth against 1, 2.5, 2.5, 4. */
    static const char *const name[] = {
        "real_r2",           "real_correlation",    "log_correlation",
        "binary_auroc",      "ordered_correlation", "ordered_accuracy",
        "unordered_accuracy"
    };
    static const double value[] = {
        1.0 - 4.0 / 5.0, 0.95618288746751495, 1.0, 0.75, 3.75 / 4.5, 0.75, 2.0 / 3.0
    };
    stele_metric m[16];
    uint32_t n = 0;
    rig r;
    (void)state;
    open_rig(&r, columns, C, "{ordered: [grade]}");
    void *score_state = calloc(1, (size_t)r.vt->score_size(r.inst));
    const stele_scored s = { .struct_size = sizeof s,
                             .n_rows = N,
                             .n_features = C,
                             .truth = truth,
                             .predicted = mean,
                             .known = known,
                             .likely = likely };
    assert_int_equal(r.vt->score_add(r.inst, score_state, &s), STELE_OK);
    assert_int_equal(r.vt->score_end(r.inst, score_state, 16, m, &n), STELE_OK);
    assert_int_equal(n, 7);
    for (uint32_t k = 0; k < n; k++) {
        assert_string_equal(m[k].name, name[k]);
        near(m[k].value, value[k], 1e-6);
    }
    free(score_state);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_found),
        cmocka_unit_test(what_contradicts_is_refused),
        cmocka_unit_test(numbers_by_hand),
        cmocka_unit_test(levels_by_hand),
        cmocka_unit_test(orders_are_followed),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(missing_entries_are_told_from_zeros),
        cmocka_unit_test(few_values_say_little),
        cmocka_unit_test(far_values_are_seen_at_the_edge),
        cmocka_unit_test(metrics_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
