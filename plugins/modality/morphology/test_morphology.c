/* modality/morphology: each kind's likelihood against scipy 1.17, kinds as training rows show them,
 * what is missing or cannot be, what is taken from trees, and shares of a total
 * (stele/dirichlet_multinomial.h). Derivatives, integrals and draws are stele-check's, with every
 * kind and likelihood. */
#include "features.c" /* before cmocka, whose `fail` is a macro */

#define seen_as tree_seen_as
#include "tree.c"
#undef seen_as

#include "test.h"

#include "model/model.h"

#include <stele/dirichlet_multinomial.h>

enum { N = 3, ROWS = 40 };

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

static void near(double is, double want, double tolerance)
{
    if (!(is == want || fabs(is - want) <= tolerance * fmax(1.0, fabs(want)))) {
        fail_msg("%.15g, expected %.15g", is, want);
    }
}

/* --- features --- */

/* A real, a positive and a count feature. */
static const double arrays[N_ARRAYS][N] = {
    [CENTRE] = { 0.4, 3.0, 1.5 },
    [LOG_SCALE] = { 0.693147180559945286, -0.510825623765990683, -0.223143551314209763 },
    [SPREAD] = { -0.5, 0.2, 1.1 },
    [KIND] = { KIND_REAL, KIND_POSITIVE, KIND_COUNT },
};
static const double etas[N] = { 0.25, -0.3, 0.7 };
/* norm, lognorm and nbinom of scipy.stats with the parameters that morphology.c gives. */
static const double values[N] = { 1.3, 12.5, 9.0 };
static const double log_p[N] = { -1.3951371327797308, -3.1323445744405456, -2.761818745626077 };

typedef struct result {
    double log_p, d_eta[N], d_spread[N];
} result;

static result run_features(uint32_t dtype, const double *x)
{
    static const int64_t begin = 0;
    double room[N_ARRAYS + 3][N], weight;
    const void *feature[N_ARRAYS];
    void *eta[] = { room[N_ARRAYS] }, *d_feature[N_ARRAYS] = { NULL };
    result ret = { 0 };
    const stele_host host = { .vec = stele__model_tables.vec };
    stele_inst *self = calloc(1, sizeof *self + N * sizeof self->fixed[0]);
    assert_non_null(self);
    self->counts.host = &host;
    for (int k = 0; k < N_ARRAYS; k++) {
        for (int j = 0; j < N; j++) {
            put(dtype, room[k], j, arrays[k][j]);
        }
        feature[k] = room[k];
    }
    for (int j = 0; j < N; j++) {
        put(dtype, room[N_ARRAYS], j, etas[j]);
        put(dtype, room[N_ARRAYS + 1], j, x[j]);
        put(dtype, room[N_ARRAYS + 2], j, 0.0);
    }
    put(dtype, &weight, 0, 1.0);
    d_feature[SPREAD] = room[N_ARRAYS + 2];
    const stele_values v = { .struct_size = sizeof v,
                             .dtype = dtype,
                             .layout = STELE_DENSE,
                             .data = room[N_ARRAYS + 1],
                             .begin = &begin };
    const stele_block b = { .struct_size = sizeof b,
                            .dtype = dtype,
                            .n_eta = 1,
                            .n_rows = 1,
                            .n_features = N,
                            .eta = (const void *const *)eta,
                            .d_eta = eta, /* in place, as the host does it */
                            .feature = feature,
                            .d_feature = d_feature,
                            .weight = &weight,
                            .x = &v,
                            .log_prob = &ret.log_p };
    assert_int_equal(features_likelihood(self, &b), STELE_OK);
    for (int j = 0; j < N; j++) {
        ret.d_eta[j] = get(dtype, room[N_ARRAYS], j);
        ret.d_spread[j] = get(dtype, room[N_ARRAYS + 2], j);
    }
    free(self);
    return ret;
}

static void each_kind_has_its_likelihood(void **state)
{
    (void)state;
    for (int j = 0; j < N; j++) {
        double x[N] = { NAN, NAN, NAN };
        x[j] = values[j];
        near(run_features(STELE_F64, x).log_p, log_p[j], 1e-12);
        near(run_features(STELE_F32, x).log_p, log_p[j], 1e-5);
    }
    near(run_features(STELE_F64, values).log_p, log_p[0] + log_p[1] + log_p[2], 1e-12);
}

/* Missing features have no derivative, and do not change those of the others. */
static void missing_features_drop_out(void **state)
{
    (void)state;
    const result all = run_features(STELE_F64, values);
    for (int j = 0; j < N; j++) {
        double x[N] = { values[0], values[1], values[2] };
        x[j] = NAN;
        const result r = run_features(STELE_F64, x);
        near(r.log_p, all.log_p - log_p[j], 1e-12);
        for (int k = 0; k < N; k++) {
            near(r.d_eta[k], k == j ? 0.0 : all.d_eta[k], 0.0);
            near(r.d_spread[k], k == j ? 0.0 : all.d_spread[k], 0.0);
        }
    }
    assert_true(all.d_eta[0] != 0.0 && all.d_eta[1] != 0.0 && all.d_eta[2] != 0.0);
}

/* Rows that training did not see may hold what their kind cannot be. */
static void impossible_values_are_missing(void **state)
{
    (void)state;
    const double x[N] = { values[0], 0.0, -1.0 };
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        const result r = run_features(dtype, x);
        near(r.log_p, log_p[0], dtype == STELE_F64 ? 1e-12 : 1e-5);
        assert_true(r.d_eta[0] != 0.0 && r.d_eta[1] == 0.0 && r.d_eta[2] == 0.0);
        assert_true(r.d_spread[1] == 0.0 && r.d_spread[2] == 0.0);
    }
}

/* --- kinds --- */

enum { COLUMNS = 6 };
static float table[ROWS][COLUMNS];
static int64_t table_at;
static double kinds[COLUMNS], centres[COLUMNS], scales[COLUMNS];

/* Two chunks. */
static stele_status next_rows(stele_fit *f, stele_view *ret)
{
    const int64_t n = ROWS - table_at < 25 ? ROWS - table_at : 25;
    (void)f;
    *ret = (stele_view){ .struct_size = sizeof *ret,
                         .dtype = STELE_F32,
                         .layout = STELE_DENSE,
                         .shape = stele_shape2(n, COLUMNS),
                         .data = table[table_at] };
    table_at += n;
    return STELE_OK;
}

/* Ids are the places where the values go. */
static stele_status set_values(stele_fit *f, uint32_t id, uint64_t n, const double *v)
{
    double *const to[] = { kinds, centres, scales };
    (void)f;
    assert_int_equal(n, COLUMNS);
    if (id < 3) {
        memcpy(to[id], v, sizeof kinds);
    }
    return STELE_OK;
}

static void fit_table(int32_t fixed_kind)
{
    const stele_fit_api api = { .next = next_rows, .set = set_values };
    const stele_host host = { .fit = &api };
    stele_inst *self = calloc(1, sizeof *self + COLUMNS * sizeof self->fixed[0]);
    assert_non_null(self);
    self->counts.host = &host;
    self->counts.n_features = COLUMNS;
    self->centre = 1;
    self->log_scale = 2;
    self->bias = self->log_spread = 3;
    self->fixed[5] = fixed_kind;
    table_at = 0;
    assert_int_equal(features_fit(self, NULL), STELE_OK);
    free(self);
}

/* Columns: whole numbers; above 0; of both signs; whole but below 0 too; never there; from 0 on. */
static void kinds_are_those_of_the_training_rows(void **state)
{
    static const double want[COLUMNS] = { KIND_COUNT, KIND_POSITIVE, KIND_REAL,
                                          KIND_REAL,  KIND_REAL,     KIND_REAL };
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        table[i][0] = (float)(i % 7);
        table[i][1] = i == 3 ? NAN : expf(0.1f * (float)i);
        table[i][2] = (float)i - 10.5f;
        table[i][3] = (float)(i - 1);
        table[i][4] = NAN;
        table[i][5] = (float)i * 0.5f;
    }
    fit_table(KIND_AUTO);
    for (int j = 0; j < COLUMNS; j++) {
        assert_true(kinds[j] == want[j]);
    }
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < ROWS; i++) {
        sum += i == 3 ? 0.0 : 0.1 * i;
        squares += i == 3 ? 0.0 : 0.01 * i * i;
    }
    const double mean = sum / (ROWS - 1), variance = squares / (ROWS - 1) - mean * mean;
    near(centres[1], mean, 1e-6);
    near(scales[1], 0.5 * log(variance), 1e-6);
    near(centres[2], 9.0, 1e-12);
    near(scales[4], 0.0, 0.0);
    fit_table(KIND_COUNT);
    assert_true(kinds[5] == KIND_COUNT);
}

/* --- trees --- */

/* Three branches of one tree: how far their parent is before them, and two features. */
static const double branches[3][3] = { { 1, -20, 2 }, { 1, -4, 6 }, { 1, 3, 7 } };
static int trees_given;
static double tree_values[2][4];

static stele_status next_tree(stele_fit *f, stele_view *ret)
{
    (void)f;
    *ret = (stele_view){ .struct_size = sizeof *ret,
                         .dtype = STELE_F64,
                         .layout = STELE_DENSE,
                         .shape = stele_shape2(trees_given++ == 0, 9),
                         .data = branches };
    return STELE_OK;
}

static stele_status set_tree(stele_fit *f, uint32_t id, uint64_t n, const double *v)
{
    (void)f;
    assert_int_equal(n, 4);
    memcpy(tree_values[id], v, sizeof tree_values[id]);
    return STELE_OK;
}

/* Means and standard deviations of features as they are and of their logarithms, which have the
 * sign of the feature. */
static void branches_are_seen_in_logarithms_too(void **state)
{
    const stele_fit_api api = { .next_seen = next_tree, .set = set_tree };
    const stele_host host = { .fit = &api };
    stele_inst *self = calloc(1, sizeof *self);
    (void)state;
    assert_non_null(self);
    self->counts.host = &host;
    self->tree = (tree_unit){ .centre = 0, .log_scale = 1, .width = 3 };
    trees_given = 0;
    assert_int_equal(tree_fit(self, NULL), STELE_OK);
    const double seen[4][3] = {
        { -20, -4, 3 }, { 2, 6, 7 }, { -log(21), -log(5), log(4) }, { log(3), log(7), log(8) }
    };
    for (int j = 0; j < 4; j++) {
        const double mean = (seen[j][0] + seen[j][1] + seen[j][2]) / 3;
        double variance = 0.0;
        for (int i = 0; i < 3; i++) {
            variance += (seen[j][i] - mean) * (seen[j][i] - mean) / 3;
        }
        near(tree_values[0][j], mean, 1e-12);
        near(tree_values[1][j], 0.5 * log(variance), 1e-12);
    }
    free(self);
}

/* --- shares of a total --- */

static double run_shares(uint32_t dtype, const double *x, const double *log_alpha, double log_beta,
                         double *ret_d_beta)
{
    static const int64_t begin = 0;
    double value[N], eta[N], row, weight, d_row = 0.0, ret = 0.0;
    void *all_eta[] = { eta }, *d_rows[] = { &d_row };
    const void *rows[] = { &row };
    for (int j = 0; j < N; j++) {
        put(dtype, value, j, x[j]);
        put(dtype, eta, j, log_alpha[j]);
    }
    put(dtype, &row, 0, log_beta);
    put(dtype, &weight, 0, 1.0);
    const stele_values v = { .struct_size = sizeof v,
                             .dtype = dtype,
                             .layout = STELE_DENSE,
                             .data = value,
                             .begin = &begin };
    const stele_block b = { .struct_size = sizeof b,
                            .dtype = dtype,
                            .n_eta = 1,
                            .n_rows = 1,
                            .n_features = N,
                            .eta = (const void *const *)all_eta,
                            .d_eta = all_eta,
                            .row = rows,
                            .d_row = d_rows,
                            .weight = &weight,
                            .x = &v,
                            .log_prob = &ret };
    assert_int_equal(stele_dirichlet_multinomial(stele__model_tables.vec, &b), STELE_OK);
    *ret_d_beta = get(dtype, &d_row, 0);
    return ret;
}

/* dirichlet_multinomial.logpmf(x, alpha, N) + nbinom.logpmf(N, sum(alpha), 1 / (1 + beta)). */
static void shares_and_total_are_those_of_scipy(void **state)
{
    static const struct {
        double x[N], log_alpha[N], log_beta, log_p;
    } golden[] = {
        { { 4, 0, 7 }, { 0.5, -1.0, 2.0 }, 0.8, -6.244117723164553 },
        { { 5000, 3, 20000 }, { 3.5, -2.0, 1.0 }, 5.0, -142.64977328430385 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        double d, total = 0.0, expected = 0.0, beta = exp(golden[i].log_beta);
        for (int j = 0; j < N; j++) {
            total += golden[i].x[j];
            expected += beta * exp(golden[i].log_alpha[j]);
        }
        near(run_shares(STELE_F64, golden[i].x, golden[i].log_alpha, golden[i].log_beta, &d),
             golden[i].log_p, 1e-11);
        near(d, (total - expected) / (1.0 + beta), 1e-11);
        near(run_shares(STELE_F32, golden[i].x, golden[i].log_alpha, golden[i].log_beta, &d),
             golden[i].log_p, 1e-4);
    }
}

static void missing_counts_drop_out(void **state)
{
    static const double x[N] = { NAN, 2, NAN }, log_alpha[N] = { 0.5, -1.0, 2.0 };
    double d;
    (void)state;
    /* nbinom.logpmf(2, exp(-1), 1 / (1 + exp(0.8))) */
    const double theta = exp(-1.0), p = 1.0 / (1.0 + exp(0.8));
    near(run_shares(STELE_F64, x, log_alpha, 0.8, &d),
         lgamma(theta + 2.0) - lgamma(theta) - log(2.0) + theta * log(p) + 2.0 * log(1.0 - p),
         1e-12);
    near(d, (2.0 - theta * exp(0.8)) * p, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_likelihood),
        cmocka_unit_test(missing_features_drop_out),
        cmocka_unit_test(impossible_values_are_missing),
        cmocka_unit_test(kinds_are_those_of_the_training_rows),
        cmocka_unit_test(branches_are_seen_in_logarithms_too),
        cmocka_unit_test(shares_and_total_are_those_of_scipy),
        cmocka_unit_test(missing_counts_drop_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
