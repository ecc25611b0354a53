#include "graph/gradcheck.h"

#include "base/mem.h"
#include "graph/op.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_INPUTS 16

/* Unequal weights without a pattern that symmetric mistakes could hide in. */
static double weight(int64_t i)
{
    double x = 0.6180339887498949 * (double)(i + 1);
    return 0.5 + (x - floor(x));
}

static stele_tensor *evaluate(const stele__gradcheck *c, stele_graph *g, stele_tensor **in,
                              int record)
{
    stele__pass pass = c->pass;
    pass.record = (uint32_t)record;
    stele__graph_begin(g, &pass);
    for (uint32_t i = 0; i < c->n; i++) {
        in[i] = stele__graph_leaf(g, &c->shape[i], c->value[i]);
    }
    return c->fn(g, in, c->user);
}

/* The weighted sum of the outputs; NAN after an error. */
static double objective(const stele__gradcheck *c, stele_graph *g)
{
    stele_tensor *in[MAX_INPUTS];
    const stele_tensor *out = evaluate(c, g, in, 0);
    if (out == NULL || stele__graph_status(g) != STELE_OK) {
        return NAN;
    }
    double sum = 0.0;
    for (int64_t i = 0; i < out->n; i++) {
        sum += weight(i) * ((const double *)out->data)[i];
    }
    return sum;
}

static double numeric_at(const stele__gradcheck *c, stele_graph *g, double *x)
{
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    const double kept = *x;
    const double h = (c->step > 0.0 ? c->step : 1e-3) * fmax(1.0, fabs(kept));
    double sum = 0.0;
    for (int k = 0; k < 4; k++) {
        *x = kept + offset[k] * h;
        sum += factor[k] * objective(c, g);
    }
    *x = kept;
    return sum / (12.0 * h);
}

/* Compare the n derivatives of one tensor. `analytic` NULL: none arrived, that is 0. */
static stele_status compare(const stele__gradcheck *c, stele_graph *g, uint32_t input, int64_t n,
                            double *value, const double *analytic, stele__gradcheck_result *ret)
{
    double *numeric = stele__malloc((size_t)n * sizeof *numeric);
    if (numeric == NULL) {
        return STELE_E_NOMEM;
    }
    double scale = 1e-4;
    for (int64_t i = 0; i < n; i++) {
        numeric[i] = numeric_at(c, g, &value[i]);
        scale = fmax(scale, fabs(numeric[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        double a = analytic == NULL ? 0.0 : analytic[i];
        double error = fabs(a - numeric[i]) / scale;
        ret->largest = fmax(ret->largest, fabs(numeric[i]));
        if (!(error <= ret->error)) { /* NaN counts as worst */
            ret->error = isnan(error) ? INFINITY : error;
            ret->input = input;
            ret->element = i;
            ret->analytic = a;
            ret->numeric = numeric[i];
        }
    }
    stele__free(numeric);
    return STELE_OK;
}

/* One recorded pass; derivatives of the inputs are copied to `kept`, one allocation, in order. */
static stele_status analytic_pass(const stele__gradcheck *c, stele_graph *g, double **ret_kept,
                                  stele__gradcheck_result *ret)
{
    stele_tensor *in[MAX_INPUTS];
    int64_t total = 1;
    if (c->params != NULL) {
        stele__params_begin_gradient(c->params);
    }
    stele_tensor *out = evaluate(c, g, in, 1);
    double *w = out == NULL ? NULL : stele__malloc((size_t)out->n * sizeof *w);
    for (int64_t i = 0; w != NULL && i < out->n; i++) {
        w[i] = weight(i);
    }
    const void *gradient = w;
    stele_status status = stele__graph_status(g);
    if (status == STELE_OK) {
        status = w == NULL ? STELE_E_NOMEM : stele__graph_backward_from(g, 1, &out, &gradient);
    }
    snprintf(ret->message, sizeof ret->message, "%s", stele__graph_error(g));
    for (uint32_t i = 0; i < c->n; i++) {
        total += stele__shape_count(&c->shape[i]);
    }
    double *kept = stele__calloc((size_t)total, sizeof *kept);
    double *to = kept;
    for (uint32_t i = 0; status == STELE_OK && kept != NULL && i < c->n; i++) {
        const void *d = stele__tensor_grad(in[i]);
        if (d != NULL) {
            memcpy(to, d, (size_t)in[i]->n * sizeof *to);
        }
        to += in[i]->n;
    }
    if (c->params != NULL) {
        stele__params_end_gradient(c->params);
    }
    stele__free(w);
    *ret_kept = kept;
    return status == STELE_OK && kept == NULL ? STELE_E_NOMEM : status;
}

stele_status stele__gradcheck_run(const stele__gradcheck *c, stele__gradcheck_result *ret)
{
    stele_graph *g = NULL;
    double *kept = NULL;
    *ret = (stele__gradcheck_result){ 0 };
    if (c->n > MAX_INPUTS) {
        return STELE_E_ARG;
    }
    stele_status status = stele__graph_create(NULL, STELE_F64, &g);
    if (status != STELE_OK) {
        return status;
    }
    status = analytic_pass(c, g, &kept, ret);
    const double *from = kept;
    for (uint32_t i = 0; status == STELE_OK && i < c->n; i++) {
        int64_t n = stele__shape_count(&c->shape[i]);
        status = compare(c, g, i, n, c->value[i], from, ret);
        from += n;
    }
    uint32_t n_params = c->params == NULL ? 0 : stele__params_count(c->params);
    for (uint32_t e = 0; status == STELE_OK && e < n_params; e++) {
        const stele__param *p = stele__params_entry(c->params, e);
        if (p->kind == STELE__TRAINED) {
            status = compare(c, g, c->n + e, p->n, p->values, p->gradient, ret);
        }
    }
    stele__free(kept);
    stele__graph_destroy(g);
    return status;
}
