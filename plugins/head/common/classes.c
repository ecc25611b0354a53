#include "classes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const head_weight_names[] = { "none", "balanced", NULL };

stele_status head_classes_check(const stele_create_args *a, const char *who)
{
    if (a->input->content != STELE_FIELD_CATEGORY) {
        return STELE_FAIL(a->host, STELE_E_DATA,
                          "target: `%s` holds numbers, %s needs classes; if they are "
                          "codes of classes write target_type: category",
                          a->input->name, who);
    }
    if (a->input->n_categories < 2) {
        return STELE_FAIL(a->host, STELE_E_DATA,
                          "target: all training rows with a value in `%s` are of one class",
                          a->input->name);
    }
    return STELE_OK;
}

void head_classes_finish(head_classes *c)
{
    free(c->one_f32);
    free(c->one_f64);
}

stele_status head_classes_init(const stele_create_args *a, int32_t weights, double smoothing,
                               head_classes *ret)
{
    size_t n = (size_t)a->input->n_categories;
    *ret = (head_classes){ .host = a->host,
                           .n = a->input->n_categories,
                           .balanced = weights == HEAD_WEIGHTS_BALANCED,
                           .smoothing = smoothing };
    ret->one_f32 = calloc(n * n, sizeof *ret->one_f32);
    ret->one_f64 = calloc(n * n, sizeof *ret->one_f64);
    if (ret->one_f32 == NULL || ret->one_f64 == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t k = 0; k < n; k++) {
        ret->one_f32[k * n + k] = 1.0f;
        ret->one_f64[k * n + k] = 1.0;
    }
    return STELE_OK;
}

stele_status head_classes_build(head_classes *c, stele_build *b)
{
    stele_shape shape = { 2, 0, { c->n, 1 } };
    return c->balanced ? c->host->build->buffer(b, "class_weight", &shape, 1.0, &c->weight)
                       : STELE_OK;
}

stele_status head_classes_count(const head_classes *c, stele_fit *f, double *ret)
{
    const stele_host *h = c->host;
    stele_view x = { .struct_size = sizeof x };
    memset(ret, 0, (size_t)c->n * sizeof *ret);
    stele_status status = h->fit->next(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        for (int64_t r = 0; r < x.shape.dim[0]; r++) {
            ret[((const int32_t *)x.data)[r]] += 1.0;
        }
        status = h->fit->next(f, &x);
    }
    return status;
}

/* A class without a row has none that its weight would be for; 1 keeps it a number. */
stele_status head_classes_set(const head_classes *c, stele_fit *f, const double *count)
{
    const stele_host *h = c->host;
    double *weight = calloc((size_t)c->n, sizeof *weight);
    double n = (double)h->fit->n_rows(f), n_there = 0.0;
    stele_status status = weight != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t k = 0; k < c->n; k++) {
        n_there += count[k] > 0.0 ? 1.0 : 0.0;
    }
    for (int64_t k = 0; weight != NULL && k < c->n; k++) {
        weight[k] = count[k] > 0.0 ? n / (n_there * count[k]) : 1.0;
    }
    if (status == STELE_OK && c->balanced) {
        status = h->fit->set(f, c->weight, (uint64_t)c->n, weight);
    }
    free(weight);
    return status;
}

stele_status head_classes_fit(const head_classes *c, stele_fit *f)
{
    double *count = calloc((size_t)c->n, sizeof *count);
    stele_status status = count != NULL ? head_classes_count(c, f, count) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = head_classes_set(c, f, count);
    }
    free(count);
    return status;
}

stele_tensor *head_classes_weigh(const head_classes *c, stele_graph *g, stele_tensor *rows,
                                 stele_tensor *target)
{
    const stele_ops *ops = c->host->ops;
    if (!c->balanced) {
        return rows;
    }
    stele_tensor *w = ops->embedding(g, ops->param(g, c->weight), target);
    return ops->mul(g, rows, ops->sum(g, w, -1, 0));
}

/* log w, (1, n). */
static stele_tensor *log_weights(const head_classes *c, stele_graph *g)
{
    const stele_ops *ops = c->host->ops;
    stele_shape row = { 2, 0, { 1, c->n } };
    return ops->log(g, ops->reshape(g, ops->param(g, c->weight), &row));
}

stele_tensor *head_classes_predict(const head_classes *c, stele_graph *g, stele_tensor *learned)
{
    return c->balanced ? c->host->ops->sub(g, learned, log_weights(c, g)) : learned;
}

/* Classes as 0/1 vectors, (R, n). */
static stele_tensor *one_hot(const head_classes *c, stele_graph *g, stele_tensor *target)
{
    const stele_ops *ops = c->host->ops;
    stele_shape shape = { 2, 0, { c->n, c->n } };
    const void *one = ops->dtype(g) == STELE_F64 ? (const void *)c->one_f64 : c->one_f32;
    return ops->embedding(g, ops->constant(g, ops->dtype(g), &shape, one), target);
}

stele_tensor *head_classes_loss(const head_classes *c, stele_graph *g, stele_tensor *logits,
                                stele_tensor *target)
{
    const stele_ops *ops = c->host->ops;
    stele_tensor *t = one_hot(c, g, target);
    logits = c->balanced ? ops->add(g, logits, log_weights(c, g)) : logits;
    if (c->smoothing > 0.0) {
        t = ops->shift(g, ops->scale(g, t, 1.0 - c->smoothing), c->smoothing / (double)c->n);
    }
    stele_tensor *log_p = ops->log_softmax(g, logits, -1);
    stele_tensor *rows = ops->scale(g, ops->sum(g, ops->mul(g, t, log_p), -1, 0), -1.0);
    return head_classes_weigh(c, g, rows, target);
}

stele_tensor *head_classes_log_prob(const head_classes *c, stele_graph *g, stele_tensor *logits,
                                    stele_tensor *target)
{
    const stele_ops *ops = c->host->ops;
    stele_tensor *log_p = ops->log_softmax(g, logits, -1);
    return ops->sum(g, ops->mul(g, one_hot(c, g, target), log_p), -1, 0);
}

stele_status head_classes_log_weights(const head_classes *c, const stele_reader *reader,
                                      double *ret)
{
    memset(ret, 0, (size_t)c->n * sizeof *ret);
    stele_status status =
        c->balanced ? reader->get(reader, c->weight, (uint64_t)c->n, ret) : STELE_OK;
    for (int64_t k = 0; status == STELE_OK && c->balanced && k < c->n; k++) {
        ret[k] = log(ret[k]);
    }
    return status;
}

stele_status head_classes_outputs(int64_t n, uint32_t capacity, stele_head_output *ret,
                                  uint32_t *ret_n)
{
    if (n > (int64_t)capacity) {
        return STELE_E_ARG;
    }
    for (int64_t k = 0; k < n; k++) {
        ret[k] = (stele_head_output){ .name = "p", .category = (int32_t)k };
    }
    *ret_n = (uint32_t)n;
    return STELE_OK;
}

void head_classes_log_p(int64_t n, const float *logits, double *ret)
{
    double most = (double)logits[0], sum = 0.0;
    for (int64_t k = 1; k < n; k++) {
        most = fmax(most, (double)logits[k]);
    }
    for (int64_t k = 0; k < n; k++) {
        sum += exp((double)logits[k] - most);
    }
    for (int64_t k = 0; k < n; k++) {
        ret[k] = (double)logits[k] - most - log(sum);
    }
}

void head_classes_show(int64_t n, const stele_head_shown *s)
{
    for (int64_t r = 0; r < s->n_rows; r++) {
        head_classes_log_p(n, s->predicted + r * n, s->ret + r * n);
        for (int64_t k = r * n; k < (r + 1) * n; k++) {
            s->ret[k] = exp(s->ret[k]);
        }
    }
}
