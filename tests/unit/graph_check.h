/* What the tests of windows and sequences share: numbers to compute with, a check of derivatives, a
 * check that the number of threads leaves no trace. */
#ifndef STELE_TEST_GRAPH_CHECK_H
#define STELE_TEST_GRAPH_CHECK_H

#include "test.h"

#include "graph/gradcheck.h"
#include "graph/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_INPUTS 6

/* Quasi-random numbers in (-1, 1), distinct by far more than a difference step and never near 0;
 * `salt` tells arrays apart. */
static inline double *numbers(int64_t n, int salt)
{
    double *x = malloc((size_t)(n > 0 ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) {
        const double u = 0.6180339887498949 * (double)(i + 1) + 0.2713 * salt;
        x[i] = 2.0 * (u - floor(u)) - 1.0;
        x[i] += fabs(x[i]) < 0.05 ? 0.1 : 0.0;
    }
    return x;
}

typedef stele_tensor *(*check_fn)(stele_graph *g, stele_tensor *const *in, void *user);

/* 1 if the derivatives of fn towards n inputs of the given shapes are right; else says what is not.
 */
static inline int derivatives_right(const char *name, check_fn fn, void *user, uint32_t n,
                                    const stele_shape *shape)
{
    double *value[CHECK_INPUTS] = { 0 };
    for (uint32_t i = 0; i < n; i++) {
        value[i] = numbers(stele__shape_count(&shape[i]), (int)i);
    }
    const stele__gradcheck check = {
        .fn = fn, .user = user, .n = n, .shape = shape, .value = value
    };
    stele__gradcheck_result r;
    const stele_status status = stele__gradcheck_run(&check, &r);
    for (uint32_t i = 0; i < n; i++) {
        free(value[i]);
    }
    if (status == STELE_OK && r.error < 1e-8 && r.largest > 0.0) {
        return 1;
    }
    fprintf(stderr, "%s: status %d %s: input %u element %lld: %.12g, differences say %.12g\n", name,
            (int)status, r.message, (unsigned)r.input, (long long)r.element, r.analytic, r.numeric);
    return 0;
}

/* One float pass forward and back with every output element weighted differently: the output, then
 * the derivatives of all inputs, one after the other. */
static inline float *one_pass(unsigned threads, check_fn fn, void *user, uint32_t n,
                              const stele_shape *shape, int64_t *ret_n)
{
    stele__pool *pool = NULL;
    stele_graph *g = NULL;
    stele_tensor *in[CHECK_INPUTS];
    const stele__pass pass = { .record = 1 };
    assert_int_equal(stele__pool_create(threads, &pool), STELE_OK);
    assert_int_equal(stele__graph_create(pool, STELE_F32, &g), STELE_OK);
    stele__graph_begin(g, &pass);
    for (uint32_t i = 0; i < n; i++) {
        double *x = numbers(stele__shape_count(&shape[i]), (int)i);
        stele_tensor *t = stele__op_constant(g, STELE_F64, &shape[i], x);
        in[i] = stele__graph_leaf(g, &shape[i], stele__op_cast(g, t, STELE_F32)->data);
        free(x);
    }
    stele_tensor *out = fn(g, in, user);
    assert_string_equal(stele__graph_error(g), "");
    double *w = numbers(out->n, 9);
    stele_tensor *weight = stele__op_constant(g, STELE_F64, &out->shape, w);
    const void *dy = stele__op_cast(g, weight, STELE_F32)->data;
    assert_int_equal(stele__graph_backward_from(g, 1, &out, &dy), STELE_OK);
    free(w);
    int64_t total = out->n, at = out->n;
    for (uint32_t i = 0; i < n; i++) {
        total += in[i]->n;
    }
    float *ret = malloc((size_t)total * sizeof *ret);
    assert_non_null(ret);
    memcpy(ret, out->data, (size_t)out->n * sizeof *ret);
    for (uint32_t i = 0; i < n; at += in[i++]->n) {
        assert_non_null(stele__tensor_grad(in[i]));
        memcpy(ret + at, stele__tensor_grad(in[i]), (size_t)in[i]->n * sizeof *ret);
    }
    stele__graph_destroy(g);
    stele__pool_destroy(pool);
    *ret_n = total;
    return ret;
}

static inline void same_bits_for_all_threads(check_fn fn, void *user, uint32_t n,
                                             const stele_shape *shape)
{
    int64_t total = 0;
    float *expected = one_pass(1, fn, user, n, shape, &total);
    for (unsigned threads = 2; threads <= 3; threads++) {
        float *got = one_pass(threads, fn, user, n, shape, &total);
        assert_memory_equal(got, expected, (size_t)total * sizeof *got);
        free(got);
    }
    free(expected);
}

#endif
