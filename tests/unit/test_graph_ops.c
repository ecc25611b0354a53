/* Derivatives of every operation against differences, over shapes with one row, one feature and all
 * kinds of broadcasting. What the values are is the matter of test_graph_values.c. */
#include "test.h"

#include "graph/gradcheck.h"
#include "graph/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_ELEMENTS 512
#define TOLERANCE    1e-8

typedef stele_tensor *(*call_fn)(stele_graph *g, stele_tensor *const *in, void *user);

typedef struct op_case {
    const char *name;
    call_fn fn;
    double lo, hi; /* values lie inside, and at least 0.05 away from 0 */
    uint32_t n;
    stele_shape shape[4];
} op_case;

#define S(...)                                                                                     \
    {                                                                                              \
        sizeof((int64_t[]){ __VA_ARGS__ }) / 8, 0,                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define SCALAR                                                                                     \
    {                                                                                              \
        0, 0,                                                                                      \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* --- the calls --- */

#define CALL(name_, expression_)                                                                   \
    static stele_tensor *name_(stele_graph *g, stele_tensor *const *in, void *user)                \
    {                                                                                              \
        (void)user;                                                                                \
        return expression_;                                                                        \
    }
#define UNARY(op_) CALL(do_##op_, stele__op_##op_(g, in[0]))
UNARY(exp)
UNARY(expm1)
UNARY(log)
UNARY(log1p)
UNARY(sqrt)
UNARY(square)
UNARY(abs)
UNARY(sin)
UNARY(cos)
UNARY(lgamma)
UNARY(tanh)
UNARY(sigmoid)
UNARY(softplus)
UNARY(relu)
UNARY(gelu)
UNARY(silu)
CALL(do_scale, stele__op_scale(g, in[0], -2.5))
CALL(do_shift, stele__op_shift(g, in[0], 1.5))
CALL(do_leaky, stele__op_leaky_relu(g, in[0], 0.1))
CALL(do_clamp, stele__op_clamp(g, in[0], -0.701, 0.901))
CALL(do_dropout, stele__op_dropout(g, in[0], 0.4, 0, 1))
CALL(do_dropout_vary, stele__op_dropout(g, in[0], 0.4, 1, 1))
#define BINARY(op_) CALL(do_##op_, stele__op_##op_(g, in[0], in[1]))
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
BINARY(maximum)
BINARY(minimum)
CALL(do_mul_self, stele__op_mul(g, in[0], in[0]))
CALL(do_where,
     stele__op_where(g, stele__op_detach(g, stele__op_less(g, in[0], in[1])), in[1], in[2]))
CALL(do_sum0, stele__op_sum(g, in[0], 0, 0))
CALL(do_sum_keep, stele__op_sum(g, in[0], -1, 1))
CALL(do_sum_all, stele__op_sum(g, in[0], STELE_ALL_AXES, 0))
CALL(do_mean1, stele__op_mean(g, in[0], 1, 0))
CALL(do_mean_all, stele__op_mean(g, in[0], STELE_ALL_AXES, 1))
CALL(do_max0, stele__op_max(g, in[0], 0, 1))
CALL(do_max_last, stele__op_max(g, in[0], -1, 0))
CALL(do_lse0, stele__op_logsumexp(g, in[0], 0, 0))
CALL(do_lse_last, stele__op_logsumexp(g, in[0], -1, 1))
CALL(do_lse_all, stele__op_logsumexp(g, in[0], STELE_ALL_AXES, 0))
CALL(do_softmax0, stele__op_softmax(g, in[0], 0))
CALL(do_softmax_last, stele__op_softmax(g, in[0], -1))
CALL(do_log_softmax0, stele__op_log_softmax(g, in[0], 0))
CALL(do_log_softmax_last, stele__op_log_softmax(g, in[0], -1))
CALL(do_linear, stele__op_linear(g, in[0], in[1], in[2]))
CALL(do_linear_plain, stele__op_linear(g, in[0], in[1], NULL))
CALL(do_matmul, stele__op_matmul(g, in[0], in[1], 0, 0))
CALL(do_matmul_tn, stele__op_matmul(g, in[0], in[1], 1, 0))
CALL(do_matmul_nt, stele__op_matmul(g, in[0], in[1], 0, 1))
CALL(do_matmul_tt, stele__op_matmul(g, in[0], in[1], 1, 1))
CALL(do_reshape, stele__op_reshape(g, in[0], &STELE__SHAPE(3, 4)))
CALL(do_permute, stele__op_permute(g, in[0], (uint32_t[]){ 2, 0, 1 }))
CALL(do_expand, stele__op_expand(g, in[0], &STELE__SHAPE(2, 3, 4)))
CALL(do_concat0, stele__op_concat(g, 3, in, 0))
CALL(do_concat1, stele__op_concat(g, 2, in, -1))
CALL(do_concat_same, stele__op_concat(g, 2, (stele_tensor *[]){ in[0], in[0] }, 0))
CALL(do_slice0, stele__op_slice(g, in[0], 0, 1, 2))
CALL(do_slice1, stele__op_slice(g, in[0], -1, 1, 3))
CALL(do_layer_norm, stele__op_layer_norm(g, in[0], in[1], in[2], 1e-5))
CALL(do_layer_norm_plain, stele__op_layer_norm(g, in[0], NULL, NULL, 1e-3))
CALL(do_scale_gradient, stele__op_scale_gradient(g, in[0], 1.0))

static stele_tensor *index_of(stele_graph *g, size_t n, const int64_t *values)
{
    return stele__op_constant(g, STELE_I64, &STELE__SHAPE((int64_t)n), values);
}

CALL(do_gather, stele__op_gather(g, in[0], index_of(g, 4, (int64_t[]){ 2, 0, 2, 1 })))
CALL(do_scatter, stele__op_scatter(g, in[0], index_of(g, 3, (int64_t[]){ 4, 0, 2 }), 5, 7.0))
CALL(do_embedding, stele__op_embedding(g, in[0],
                                       stele__op_constant(g, STELE_I32, &STELE__SHAPE(2, 2),
                                                          (int32_t[]){ 1, 1, 0, 2 })))

/* A sparse x with an empty row and an empty column. */
static stele_tensor *sparse(stele_graph *g)
{
    static const int64_t start[] = { 0, 2, 2, 5 };
    static const int32_t column[] = { 0, 3, 0, 1, 4 };
    static const double data[] = { 1.0, -2.0, 0.5, 3.0, 1.5 };
    return stele__graph_csr(g, STELE_F64, 3, 5, start, column, data);
}
CALL(do_linear_csr, stele__op_linear(g, sparse(g), in[0], in[1]))
CALL(do_linear_csr_log, stele__op_linear(g, stele__op_square(g, sparse(g)), in[0], NULL))

#define DISTRIBUTION(name_, family_)                                                               \
    static stele_tensor *do_rsample_##name_(stele_graph *g, stele_tensor *const *in, void *user)   \
    {                                                                                              \
        stele_dist d = { family_, 2, { in[0], in[1] } };                                           \
        stele_tensor *ret = user;                                                                  \
        return stele__op_rsample(g, &d, 5, &ret) == STELE_OK ? ret : NULL;                         \
    }                                                                                              \
    static stele_tensor *do_log_prob_##name_(stele_graph *g, stele_tensor *const *in, void *user)  \
    {                                                                                              \
        stele_dist d = { family_, 2, { in[1], in[2] } };                                           \
        stele_tensor *ret = user;                                                                  \
        return stele__op_log_prob(g, &d, in[0], &ret) == STELE_OK ? ret : NULL;                    \
    }                                                                                              \
    static stele_tensor *do_kl_##name_(stele_graph *g, stele_tensor *const *in, void *user)        \
    {                                                                                              \
        stele_dist q = { family_, 2, { in[0], in[1] } }, p = { family_, 2, { in[2], in[3] } };     \
        stele_tensor *ret = user;                                                                  \
        return stele__op_kl(g, &q, &p, &ret) == STELE_OK ? ret : NULL;                             \
    }
DISTRIBUTION(normal, STELE_NORMAL)
DISTRIBUTION(laplace, STELE_LAPLACE)

/* A plugin's own operation: y = x^3 w, w one number. */
static stele_status cube(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    (void)user, (void)n;
    const double *x = in[0]->data, *w = in[1]->data;
    for (int64_t i = 0; i < in[0]->shape.dim[0]; i++) {
        ((double *)out)[i] = x[i] * x[i] * x[i] * w[0];
    }
    return STELE_OK;
}

static stele_status cube_back(void *user, uint32_t n, const stele_view *const *in,
                              const stele_view *out, const void *d_out, void *const *d_in)
{
    (void)user, (void)n, (void)out;
    const double *x = in[0]->data, *w = in[1]->data, *g = d_out;
    for (int64_t i = 0; i < in[0]->shape.dim[0]; i++) {
        ((double *)d_in[0])[i] += g[i] * 3.0 * x[i] * x[i] * w[0];
        ((double *)d_in[1])[0] += g[i] * x[i] * x[i] * x[i];
    }
    return STELE_OK;
}

static stele_tensor *do_custom(stele_graph *g, stele_tensor *const *in, void *user)
{
    static const stele_custom op = { sizeof op, "cube", cube, cube_back };
    stele_shape s;
    stele__op_shape(in[0], &s);
    return stele__op_custom(g, &op, user, 2, in, &s);
}

/* --- the table --- */

#define ONE(op_, lo_, hi_)                                                                         \
    { #op_, do_##op_, lo_, hi_, 1, { S(3, 4) } },                                                  \
    {                                                                                              \
#op_ " 1", do_##op_, lo_, hi_, 1,                                                          \
        {                                                                                          \
            S(1, 1)                                                                                \
        }                                                                                          \
    }
#define TWO(op_)                                                                                   \
    { #op_, do_##op_, 0.2, 2, 2, { S(3, 4), S(3, 4) } },                                           \
        { #op_ " (1,1)", do_##op_, 0.2, 2, 2, { S(1, 1), S(1, 1) } },                              \
        { #op_ " row", do_##op_, 0.2, 2, 2, { S(3, 4), S(4) } },                                   \
        { #op_ " column", do_##op_, 0.2, 2, 2, { S(3, 1), S(3, 4) } },                             \
        { #op_ " outer", do_##op_, 0.2, 2, 2, { S(3, 1), S(4) } },                                 \
        { #op_ " scalar", do_##op_, 0.2, 2, 2, { SCALAR, S(3, 4) } },                              \
        { #op_ " middle", do_##op_, 0.2, 2, 2, { S(2, 1, 4), S(2, 3, 4) } },                       \
        { #op_ " crossed", do_##op_, 0.2, 2, 2, { S(2, 1, 2, 1), S(3, 1, 3) } },                   \
    {                                                                                              \
#op_ " one row", do_##op_, 0.2, 2, 2,                                                      \
        {                                                                                          \
            S(1, 4), S(1, 1)                                                                       \
        }                                                                                          \
    }
#define LINES(name_, fn_)                                                                          \
    { name_, fn_, -2, 2, 1, { S(3, 4) } }, { name_ " 3-d", fn_, -2, 2, 1, { S(2, 3, 4) } },        \
        { name_ " one row", fn_, -2, 2, 1, { S(1, 4) } },                                          \
    {                                                                                              \
        name_ " one feature", fn_, -2, 2, 1,                                                       \
        {                                                                                          \
            S(3, 1)                                                                                \
        }                                                                                          \
    }

static const op_case cases[] = {
    ONE(exp, -2, 2),
    ONE(expm1, -2, 2),
    ONE(log, 0.2, 3),
    ONE(log1p, -0.5, 3),
    ONE(sqrt, 0.2, 3),
    ONE(square, -2, 2),
    ONE(abs, -2, 2),
    ONE(sin, -2, 2),
    ONE(cos, -2, 2),
    ONE(lgamma, 0.3, 12),
    ONE(tanh, -2, 2),
    ONE(sigmoid, -4, 4),
    ONE(softplus, -4, 4),
    ONE(relu, -2, 2),
    ONE(leaky, -2, 2),
    ONE(gelu, -2, 2),
    ONE(silu, -2, 2),
    ONE(scale, -2, 2),
    ONE(shift, -2, 2),
    ONE(clamp, -2, 2),
    ONE(scale_gradient, -2, 2),
    { "dropout", do_dropout, -2, 2, 1, { S(3, 4) } },
    { "dropout vary", do_dropout_vary, -2, 2, 1, { S(3, 4) } },
    TWO(add),
    TWO(sub),
    TWO(mul),
    TWO(div),
    TWO(maximum),
    TWO(minimum),
    { "mul self", do_mul_self, -2, 2, 1, { S(3, 4) } },
    { "where", do_where, -2, 2, 3, { S(3, 4), S(3, 4), S(3, 4) } },
    { "where broadcast", do_where, -2, 2, 3, { S(3, 1), S(1, 4), S(2, 1, 1) } },
    LINES("sum 0", do_sum0),
    LINES("sum keep", do_sum_keep),
    LINES("sum all", do_sum_all),
    LINES("mean 1", do_mean1),
    LINES("mean all", do_mean_all),
    LINES("max 0", do_max0),
    LINES("max last", do_max_last),
    LINES("logsumexp 0", do_lse0),
    LINES("logsumexp last", do_lse_last),
    LINES("logsumexp all", do_lse_all),
    { "softmax 0", do_softmax0, -2, 2, 1, { S(3, 4) } },
    { "softmax last", do_softmax_last, -2, 2, 1, { S(2, 3, 4) } },
    { "log_softmax 0", do_log_softmax0, -2, 2, 1, { S(3, 4) } },
    { "log_softmax last", do_log_softmax_last, -2, 2, 1, { S(2, 3, 4) } },
    { "linear", do_linear, -2, 2, 3, { S(3, 4), S(4, 5), S(5) } },
    { "linear 3-d", do_linear, -2, 2, 3, { S(2, 3, 4), S(4, 5), S(5) } },
    { "linear 1", do_linear, -2, 2, 3, { S(1, 1), S(1, 1), S(1) } },
    { "linear vector", do_linear, -2, 2, 3, { S(4), S(4, 2), S(2) } },
    { "linear plain", do_linear_plain, -2, 2, 2, { S(3, 4), S(4, 5) } },
    { "linear sparse", do_linear_csr, -2, 2, 2, { S(5, 3), S(3) } },
    { "linear sparse 1", do_linear_csr_log, -2, 2, 1, { S(5, 1) } },
    { "matmul", do_matmul, -2, 2, 2, { S(3, 4), S(4, 2) } },
    { "matmul tn", do_matmul_tn, -2, 2, 2, { S(4, 3), S(4, 2) } },
    { "matmul nt", do_matmul_nt, -2, 2, 2, { S(3, 4), S(2, 4) } },
    { "matmul tt", do_matmul_tt, -2, 2, 2, { S(4, 3), S(2, 4) } },
    { "matmul batch", do_matmul, -2, 2, 2, { S(2, 3, 4), S(2, 4, 2) } },
    { "matmul batch tn", do_matmul_tn, -2, 2, 2, { S(2, 4, 3), S(2, 4, 2) } },
    { "matmul batch nt", do_matmul_nt, -2, 2, 2, { S(2, 3, 4), S(2, 2, 4) } },
    { "matmul batch tt", do_matmul_tt, -2, 2, 2, { S(2, 4, 3), S(2, 2, 4) } },
    { "matmul shared", do_matmul, -2, 2, 2, { S(2, 3, 4), S(4, 2) } },
    { "matmul shared tn", do_matmul_tn, -2, 2, 2, { S(2, 4, 3), S(4, 2) } },
    { "matmul shared nt", do_matmul_nt, -2, 2, 2, { S(2, 3, 4), S(2, 4) } },
    { "matmul shared tt", do_matmul_tt, -2, 2, 2, { S(2, 4, 3), S(2, 4) } },
    { "matmul 1", do_matmul, -2, 2, 2, { S(1, 1), S(1, 1) } },
    { "reshape", do_reshape, -2, 2, 1, { S(2, 6) } },
    { "permute", do_permute, -2, 2, 1, { S(2, 3, 4) } },
    { "expand", do_expand, -2, 2, 1, { S(3, 1) } },
    { "expand scalar", do_expand, -2, 2, 1, { SCALAR } },
    { "expand crossed", do_expand, -2, 2, 1, { S(2, 1, 4) } },
    { "concat 0", do_concat0, -2, 2, 3, { S(2, 3), S(1, 3), S(3, 3) } },
    { "concat last", do_concat1, -2, 2, 2, { S(2, 3, 1), S(2, 3, 4) } },
    { "concat same", do_concat_same, -2, 2, 1, { S(2, 3) } },
    { "slice 0", do_slice0, -2, 2, 1, { S(3, 4) } },
    { "slice last", do_slice1, -2, 2, 1, { S(2, 3, 4) } },
    { "gather", do_gather, -2, 2, 1, { S(3, 4) } },
    { "gather 1-d", do_gather, -2, 2, 1, { S(3) } },
    { "scatter", do_scatter, -2, 2, 1, { S(3, 4) } },
    { "embedding", do_embedding, -2, 2, 1, { S(3, 4) } },
    { "layer_norm", do_layer_norm, -2, 2, 3, { S(3, 5), S(5), S(5) } },
    { "layer_norm 3-d", do_layer_norm, -2, 2, 3, { S(2, 3, 5), S(5), S(5) } },
    { "layer_norm plain", do_layer_norm_plain, -2, 2, 1, { S(1, 5) } },
    { "rsample normal", do_rsample_normal, -1, 1, 2, { S(3, 4), S(3, 4) } },
    { "rsample laplace", do_rsample_laplace, -1, 1, 2, { S(1, 4), S(1, 4) } },
    { "log_prob normal", do_log_prob_normal, -1, 1, 3, { S(3, 4), S(3, 4), S(3, 4) } },
    { "log_prob normal prior", do_log_prob_normal, -1, 1, 3, { S(2, 3, 4), S(4), S(4) } },
    { "log_prob laplace", do_log_prob_laplace, -1, 1, 3, { S(3, 1), S(3, 1), S(3, 1) } },
    { "kl normal", do_kl_normal, -1, 1, 4, { S(3, 4), S(3, 4), S(3, 4), S(3, 4) } },
    { "kl normal prior", do_kl_normal, -1, 1, 4, { S(3, 4), S(3, 4), S(4), S(4) } },
    { "kl laplace", do_kl_laplace, -1, 1, 4, { S(3, 4), S(3, 4), S(3, 4), S(3, 4) } },
    { "custom", do_custom, -2, 2, 2, { S(4), S(1) } },
};

/* Quasi-random, so that values are distinct by far more than a difference step, in and across
 * inputs. */
static void fill(double *x, int64_t n, uint32_t input, double lo, double hi)
{
    for (int64_t i = 0; i < n; i++) {
        double u = 0.6180339887498949 * (double)(i + 1) + 0.2713 * (double)input;
        x[i] = lo + (hi - lo) * (u - floor(u));
        x[i] += fabs(x[i]) < 0.05 ? 0.1 : 0.0;
    }
}

static void derivatives(void **state)
{
    (void)state;
    static double memory[4][MAX_ELEMENTS];
    double *value[4] = { memory[0], memory[1], memory[2], memory[3] };
    int failures = 0;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const op_case *o = &cases[c];
        for (uint32_t i = 0; i < o->n; i++) {
            fill(memory[i], stele__shape_count(&o->shape[i]), i, o->lo, o->hi);
        }
        stele__gradcheck check = { .fn = o->fn,
                                   .n = o->n,
                                   .shape = o->shape,
                                   .value = value,
                                   .pass = { .training = 1, .seed = 11, .step = 2 } };
        stele__gradcheck_result r;
        stele_status status = stele__gradcheck_run(&check, &r);
        if (status != STELE_OK || !(r.error < TOLERANCE) || r.largest == 0.0) {
            fprintf(stderr,
                    "%s: status %d %s: input %u element %lld: %.12g, differences say %.12g\n",
                    o->name, (int)status, r.message, (unsigned)r.input, (long long)r.element,
                    r.analytic, r.numeric);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

/* The checker itself must notice: this operation has a derivative with the wrong sign. */
static stele_status wrong_back(void *user, uint32_t n, const stele_view *const *in,
                               const stele_view *out, const void *d_out, void *const *d_in)
{
    stele_status status = cube_back(user, n, in, out, d_out, d_in);
    ((double *)d_in[1])[0] *= -1.0;
    return status;
}

static stele_tensor *do_wrong(stele_graph *g, stele_tensor *const *in, void *user)
{
    static const stele_custom op = { sizeof op, "wrong", cube, wrong_back };
    return stele__op_custom(g, &op, user, 2, in, &STELE__SHAPE(3));
}

static void checker_notices(void **state)
{
    (void)state;
    double x[3] = { 1.0, 2.0, -1.5 }, w[1] = { 0.7 };
    double *value[2] = { x, w };
    const stele_shape shape[2] = { S(3), S(1) };
    stele__gradcheck check = { .fn = do_wrong, .n = 2, .shape = shape, .value = value };
    stele__gradcheck_result r;
    assert_int_equal(stele__gradcheck_run(&check, &r), STELE_OK);
    assert_true(r.error > 1.0);
    assert_int_equal(r.input, 1);
    assert_true(x[0] == 1.0 && w[0] == 0.7);
}

static stele_tensor *do_with_params(stele_graph *g, stele_tensor *const *in, void *user)
{
    return stele__op_tanh(g, stele__op_mul(g, in[0], stele__graph_param(g, user, 1)));
}

/* Parameters are checked like inputs; one that is not used has derivative 0 both ways. */
static void checker_sees_parameters(void **state)
{
    (void)state;
    stele__params *p = NULL;
    assert_int_equal(stele__params_create(STELE_F64, &p), STELE_OK);
    for (int i = 0; i < 2; i++) {
        stele__declaration d = { .name = i == 0 ? "idle" : "w",
                                 .shape = S(3),
                                 .kind = STELE__TRAINED,
                                 .init = STELE_INIT_NORMAL,
                                 .scale = 1.0 };
        uint32_t entry;
        assert_int_equal(stele__params_declare(p, &d, &entry, NULL), STELE_OK);
    }
    assert_int_equal(stele__params_finalize(p, 1, 1, NULL), STELE_OK);
    double x[3] = { 1.0, 2.0, -1.5 }, *value[1] = { x };
    const stele_shape shape[1] = { S(3) };
    stele__gradcheck check = {
        .fn = do_with_params, .user = p, .n = 1, .shape = shape, .value = value
    };
    stele__gradcheck_result r;
    check.params = p;
    assert_int_equal(stele__gradcheck_run(&check, &r), STELE_OK);
    assert_true(r.error < TOLERANCE && r.largest > 0.01);
    stele__params_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives),
        cmocka_unit_test(checker_notices),
        cmocka_unit_test(checker_sees_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
