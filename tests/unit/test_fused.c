/* The fused output layer: the same as the plain formula for every shape, in one pass or two, from
 * sparse or dense values, with any number of threads. */
#include "test.h"

#include "base/mem.h"
#include "graph/ops.h"
#include "graph/params.h"
#include "model/fused.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <stele/likelihood.h>

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    (void)self;
    return stele_negative_binomial(stele__model_tables.vec, b);
}

static const stele_modality_vt vt = { .struct_size = sizeof vt, .likelihood = likelihood };

enum { HIDDEN, W0, B0, W1, B1, LOG_THETA, ROW, N_PARAMS, WIDTH = 5 };

/* A layer of two linear predictors, everything that gets a derivative as a parameter. */
typedef struct layer {
    uint32_t dtype;
    int64_t rows, features;
    stele__params *params;
    uint32_t entry[N_PARAMS];
    stele__scope scope;
    double *x; /* (rows, features) */
    void *data;
    int64_t *begin, *end;
    int32_t *column;
    stele_values values;
    void *weight; /* (rows) */
    int given;    /* the predictors are computed here, not described */
} layer;

static double real_at(uint32_t dtype, const void *p, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void put_at(uint32_t dtype, void *p, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)p)[i] = v;
    } else {
        ((float *)p)[i] = (float)v;
    }
}

static void set_values(layer *l, uint32_t layout)
{
    int64_t n = 0;
    for (int64_t r = 0; r < l->rows; r++) {
        l->begin[r] = n;
        for (int64_t j = 0; j < l->features; j++) {
            double v = l->x[r * l->features + j];
            if (layout == STELE_DENSE || v != 0.0) {
                l->column[n] = (int32_t)j;
                put_at(l->dtype, l->data, n++, v);
            }
        }
        l->end[r] = n;
    }
    l->values = (stele_values){ .struct_size = sizeof l->values,
                                .dtype = l->dtype,
                                .layout = layout,
                                .data = l->data,
                                .begin = l->begin,
                                .end = layout == STELE_CSR ? l->end : NULL,
                                .column = layout == STELE_CSR ? l->column : NULL };
}

static void open_layer(layer *l, uint32_t dtype, int64_t rows, int64_t features)
{
    const char *name[N_PARAMS] = { "hidden", "w0", "b0", "w1", "b1", "log_theta", "row" };
    const stele_shape shape[N_PARAMS] = { STELE__SHAPE(rows, WIDTH), STELE__SHAPE(features, WIDTH),
                                          STELE__SHAPE(features),    STELE__SHAPE(features, WIDTH),
                                          STELE__SHAPE(features),    STELE__SHAPE(features),
                                          STELE__SHAPE(rows) };
    memset(l, 0, sizeof *l);
    l->dtype = dtype;
    l->rows = rows;
    l->features = features;
    assert_int_equal(stele__params_create(dtype, &l->params), STELE_OK);
    for (int i = 0; i < N_PARAMS; i++) {
        stele__declaration d = { .name = name[i],
                                 .shape = shape[i],
                                 .kind = STELE__TRAINED,
                                 .init = STELE_INIT_NORMAL,
                                 .scale = 0.6 };
        assert_int_equal(stele__params_declare(l->params, &d, &l->entry[i], NULL), STELE_OK);
    }
    assert_int_equal(stele__params_finalize(l->params, 11, 1, NULL), STELE_OK);
    l->scope =
        (stele__scope){ .name = "layer", .params = l->params, .entry = l->entry, .n = N_PARAMS };
    size_t n = (size_t)(rows * features);
    l->x = calloc(n, sizeof *l->x);
    l->data = calloc(n, sizeof(double));
    l->column = calloc(n, sizeof *l->column);
    l->begin = calloc((size_t)rows, sizeof *l->begin);
    l->end = calloc((size_t)rows, sizeof *l->end);
    l->weight = calloc((size_t)rows, sizeof(double));
    assert_true(l->x != NULL && l->data != NULL && l->column != NULL && l->begin != NULL &&
                l->end != NULL && l->weight != NULL);
    for (size_t i = 0; i < n; i++) {
        l->x[i] = i * 7919 % 11 < 8 ? 0.0 : (double)(i * 31 % 13);
    }
    for (int64_t r = 0; r < rows; r++) {
        put_at(dtype, l->weight, r, -0.75 + 0.5 * (double)(r % 5));
    }
    set_values(l, STELE_CSR);
}

static void close_layer(layer *l)
{
    stele__params_destroy(l->params);
    free(l->x);
    free(l->data);
    free(l->column);
    free(l->begin);
    free(l->end);
    free(l->weight);
}

/* Log-probabilities and all derivatives of their weighted sum. */
typedef struct result {
    size_t n_gradient;
    double *log_prob, *gradient;
} result;

static void free_result(result *r)
{
    free(r->log_prob);
    free(r->gradient);
}

/* hidden w^T + b, by the host or as a plugin of its own would do it. */
static void describe(layer *l, stele_graph *g, stele_output *out)
{
    const stele_ops *ops = &stele__ops;
    stele_tensor *hidden = stele__graph_param(g, l->params, l->entry[HIDDEN]);
    for (uint32_t k = 0; k < 2; k++) {
        const uint32_t w = k == 0 ? W0 : W1, b = k == 0 ? B0 : B1;
        if (l->given) {
            stele_tensor *weight = stele__graph_param(g, l->params, l->entry[w]);
            stele_tensor *bias = stele__graph_param(g, l->params, l->entry[b]);
            out->eta[k] = ops->add(g, ops->matmul(g, hidden, weight, 0, 1), bias);
        } else {
            out->hidden = hidden;
            out->weight[k] = w;
            out->bias[k] = b;
        }
    }
}

static stele_status compute(layer *l, unsigned threads, const void *promise, result *ret)
{
    stele__pool *pool = NULL;
    stele_graph *g = NULL;
    const stele__pass pass = { .training = 1, .record = 1 };
    assert_int_equal(stele__pool_create(threads, &pool), STELE_OK);
    assert_int_equal(stele__graph_create(pool, l->dtype, &g), STELE_OK);
    stele__graph_begin(g, &pass);
    stele__params_begin_gradient(l->params);
    stele_output out = { .struct_size = sizeof out, .n_eta = 2, .n_feature = 1, .n_row = 1 };
    describe(l, g, &out);
    out.feature[0] = LOG_THETA;
    out.row[0] = stele__graph_param(g, l->params, l->entry[ROW]);
    stele__fused f = { .vt = &vt,
                       .scope = &l->scope,
                       .output = &out,
                       .n_features = l->features,
                       .x = &l->values,
                       .weight = promise };
    stele_tensor *log_px = stele__fused_log_prob(g, &f);
    assert_non_null(log_px);
    const void *weight = l->weight;
    stele_status status = stele__graph_backward_from(g, 1, &log_px, &weight);
    stele__params_end_gradient(l->params);
    (void)stele__params_values(l->params, &ret->n_gradient);
    ret->log_prob = calloc((size_t)l->rows, sizeof(double));
    ret->gradient = calloc(ret->n_gradient, sizeof(double));
    assert_true(ret->log_prob != NULL && ret->gradient != NULL);
    for (int64_t r = 0; r < l->rows; r++) {
        ret->log_prob[r] = real_at(l->dtype, stele__tensor_data(log_px), r);
    }
    for (size_t i = 0; i < ret->n_gradient; i++) {
        ret->gradient[i] = real_at(l->dtype, stele__params_gradient(l->params), (int64_t)i);
    }
    stele__graph_destroy(g);
    stele__pool_destroy(pool);
    return status;
}

static void same_bits(const layer *l, const result *a, const result *b)
{
    assert_memory_equal(a->log_prob, b->log_prob, (size_t)l->rows * sizeof(double));
    assert_memory_equal(a->gradient, b->gradient, a->n_gradient * sizeof(double));
}

/* --- the plain formula ------------------------------------------------------------------------ */

static const double *values_of(const layer *l, int which)
{
    return stele__params_entry(l->params, l->entry[which])->values;
}

/* The whole matrix of linear predictors at once, in double. */
static void plain(const layer *l, double *log_prob, double *gradient[N_PARAMS])
{
    const size_t n = (size_t)(l->rows * l->features);
    double *eta[2] = { calloc(n, sizeof(double)), calloc(n, sizeof(double)) };
    const double *h = values_of(l, HIDDEN), *theta = values_of(l, LOG_THETA);
    const double *row = values_of(l, ROW);
    assert_true(eta[0] != NULL && eta[1] != NULL);
    for (int k = 0; k < 2; k++) {
        const double *w = values_of(l, k == 0 ? W0 : W1), *b = values_of(l, k == 0 ? B0 : B1);
        for (int64_t i = 0; i < (int64_t)n; i++) {
            eta[k][i] = b[i % l->features];
            for (int64_t j = 0; j < WIDTH; j++) {
                eta[k][i] += h[i / l->features * WIDTH + j] * w[i % l->features * WIDTH + j];
            }
        }
    }
    const void *feature_at[] = { theta }, *row_at[] = { row };
    void *d_feature[] = { gradient[LOG_THETA] }, *d_row[] = { gradient[ROW] };
    stele_block block = { .struct_size = sizeof block,
                          .dtype = STELE_F64,
                          .n_eta = 2,
                          .n_rows = l->rows,
                          .n_features = l->features,
                          .eta = (const void *const *)eta,
                          .d_eta = (void *const *)eta,
                          .feature = feature_at,
                          .d_feature = d_feature,
                          .row = row_at,
                          .d_row = d_row,
                          .weight = l->weight,
                          .x = &l->values,
                          .log_prob = log_prob };
    assert_int_equal(likelihood(NULL, &block), STELE_OK);
    for (int k = 0; k < 2; k++) {
        const double *w = values_of(l, k == 0 ? W0 : W1);
        for (int64_t i = 0; i < (int64_t)n; i++) {
            int64_t r = i / l->features, f = i % l->features;
            gradient[k == 0 ? B0 : B1][f] += eta[k][i];
            for (int64_t j = 0; j < WIDTH; j++) {
                gradient[k == 0 ? W0 : W1][f * WIDTH + j] += eta[k][i] * h[r * WIDTH + j];
                gradient[HIDDEN][r * WIDTH + j] += eta[k][i] * w[f * WIDTH + j];
            }
        }
        free(eta[k]);
    }
}

static void near(const char *what, int64_t features, int64_t n, const double *is,
                 const double *want)
{
    double largest = 0.0, worst = 0.0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(want[i]));
        worst = fabs(is[i] - want[i]) <= worst ? worst : fabs(is[i] - want[i]);
    }
    assert_true(largest > 0.0);
    if (!(worst <= 1e-12 * largest)) {
        fail_msg("%s of %d features: off by %g of %g", what, (int)features, worst, largest);
    }
}

static void check_against_plain(int64_t rows, int64_t features, int given)
{
    layer l;
    result is;
    double *gradient[N_PARAMS];
    open_layer(&l, STELE_F64, rows, features);
    l.given = given;
    double *log_prob = calloc((size_t)rows, sizeof *log_prob);
    for (int i = 0; i < N_PARAMS; i++) {
        int64_t n = stele__params_entry(l.params, l.entry[i])->n;
        gradient[i] = calloc((size_t)n, sizeof(double));
        assert_non_null(gradient[i]);
    }
    assert_int_equal(compute(&l, 2, l.weight, &is), STELE_OK);
    plain(&l, log_prob, gradient);
    near("log-probability", features, rows, is.log_prob, log_prob);
    for (int i = 0; i < N_PARAMS; i++) {
        const stele__param *p = stele__params_entry(l.params, l.entry[i]);
        near(p->name, features, p->n, is.gradient + p->offset, gradient[i]);
        free(gradient[i]);
    }
    free(log_prob);
    free_result(&is);
    close_layer(&l);
}

static void any_shape_gives_the_plain_formula(void **state)
{
    (void)state;
    for (int64_t rows = 1; rows <= 3; rows += 2) {
        int64_t block = stele__fused_block(rows, 2, 1 << 20); /* of a wide layer */
        const int64_t features[] = {
            1, 2, 100, block - 1, block, block + 1, 2 * block + 17, 35 * block + 3
        };
        for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
            check_against_plain(rows, features[i], 0);
            check_against_plain(rows, features[i], 1);
        }
    }
    check_against_plain(300, 200, 0); /* narrow blocks */
    check_against_plain(300, 200, 1);
}

static void one_pass_and_two_agree_to_the_bit(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        layer l;
        result once, twice;
        open_layer(&l, i % 2 == 0 ? STELE_F32 : STELE_F64, 3, 2600);
        l.given = i / 2;
        assert_int_equal(compute(&l, 2, l.weight, &once), STELE_OK);
        assert_int_equal(compute(&l, 2, NULL, &twice), STELE_OK);
        same_bits(&l, &once, &twice);
        free_result(&once);
        free_result(&twice);
        close_layer(&l);
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    layer l;
    result one, more;
    open_layer(&l, STELE_F32, 7, 20000);
    assert_int_equal(compute(&l, 1, l.weight, &one), STELE_OK);
    for (unsigned threads = 2; threads <= 3; threads++) {
        assert_int_equal(compute(&l, threads, l.weight, &more), STELE_OK);
        same_bits(&l, &one, &more);
        free_result(&more);
    }
    free_result(&one);
    close_layer(&l);
}

static void dense_values_are_the_same_as_sparse_ones(void **state)
{
    (void)state;
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        layer l;
        result sparse, dense;
        open_layer(&l, dtype, 3, 1500);
        assert_int_equal(compute(&l, 2, l.weight, &sparse), STELE_OK);
        set_values(&l, STELE_DENSE);
        assert_int_equal(compute(&l, 2, l.weight, &dense), STELE_OK);
        same_bits(&l, &sparse, &dense);
        free_result(&sparse);
        free_result(&dense);
        close_layer(&l);
    }
}

static void a_broken_promise_is_noticed(void **state)
{
    (void)state;
    layer l;
    result r;
    const double other[3] = { 1.0, 1.0, 1.0 };
    open_layer(&l, STELE_F64, 3, 20);
    assert_int_equal(compute(&l, 1, other, &r), STELE_E_INTERNAL);
    free_result(&r);
    close_layer(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_shape_gives_the_plain_formula),
        cmocka_unit_test(one_pass_and_two_agree_to_the_bit),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(dense_values_are_the_same_as_sparse_ones),
        cmocka_unit_test(a_broken_promise_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
