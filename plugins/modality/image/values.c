/* What pixels may be, and what the training rows' give parameters to start from. */
#include "image.h"

#include <stdlib.h>

static double value_at(const stele_view *x, int64_t i)
{
    return x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                 : (double)((const float *)x->data)[i];
}

/* NULL: nothing is wrong with it. */
static const char *wrong_with(const image_config *c, double v)
{
    if (isnan(v)) {
        return NULL;
    }
    if (c->likelihood == GAUSSIAN || c->likelihood == LAPLACE) {
        return isinf(v) ? "is infinite" : NULL;
    }
    if (v < 0.0 || v > c->white) {
        return v < 0.0 ? "is negative" : "is above the value of a white pixel, option `white`";
    }
    double k = v / c->white * (double)(c->levels - 1);
    return c->likelihood == LOGISTIC && fabs(k - floor(k + 0.5)) > 1e-3
               ? "is none of the levels from black to white, options `levels` and `white`"
               : NULL;
}

stele_status image_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    const int64_t rows = x->shape.dim[0], pixels = image_count(&self->extents);
    const int64_t n = x->layout == STELE_CSR ? x->row_start[rows] : rows * pixels;
    for (int64_t i = 0; i < n; i++) {
        const double v = value_at(x, i);
        const char *reason = wrong_with(self->config, v);
        if (reason != NULL) {
            int64_t r = 0;
            while (x->layout == STELE_CSR && x->row_start[r + 1] <= i) {
                r++;
            }
            ret->row = x->layout == STELE_CSR ? r : i / pixels;
            ret->column = x->layout == STELE_CSR ? x->column[i] : i % pixels;
            ret->value = v;
            ret->reason = reason;
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

/* --- starts --- */

/* Of the training rows: per pixel how many have it and the sum of y; of all pixels the largest
 * value, the sums of y and y^2 and how many are neither nearly black nor nearly white. */
typedef struct statistics {
    double *n, *sum;
    double rows, largest, count, total, squares, grey;
} statistics;

static void add_rows(const stele_inst *self, const stele_view *x, statistics *s)
{
    const image_config *c = self->config;
    const int64_t rows = x->shape.dim[0], pixels = image_count(&self->extents);
    const int64_t n = x->layout == STELE_CSR ? x->row_start[rows] : rows * pixels;
    s->rows += (double)rows;
    for (int64_t i = 0; i < n; i++) {
        const int64_t j = x->layout == STELE_CSR ? x->column[i] : i % pixels;
        double y = value_at(x, i) / c->white;
        if (isnan(y)) {
            s->n[j] += 1.0; /* of those that lack it */
            continue;
        }
        s->grey += y > 0.1 && y < 0.9;
        y = c->likelihood == BERNOULLI ? (y > 0.5 ? 1.0 : 0.0) : y;
        s->largest = fmax(s->largest, y);
        s->sum[j] += y;
        s->total += y;
        s->squares += y * y;
    }
}

/* In place of the sums: the bias that gives the pixel's mean. */
static void find_biases(const stele_inst *self, statistics *s)
{
    for (int64_t j = 0; j < image_count(&self->extents); j++) {
        const double n = s->rows - s->n[j];
        s->count += n;
        if (self->config->likelihood == BERNOULLI) {
            s->sum[j] = log((s->sum[j] + 0.5) / (n - s->sum[j] + 0.5));
        } else {
            s->sum[j] = n > 0.0 ? s->sum[j] / n : 0.0;
        }
    }
}

/* The scale that gives all pixels together their variance. */
static double first_scale(const stele_inst *self, const statistics *s)
{
    const double n = fmax(s->count, 1.0), mean = s->total / n;
    const double variance = fmax(s->squares / n - mean * mean, 1e-6);
    switch (self->config->likelihood) {
    case GAUSSIAN: return log(variance);
    case LAPLACE: return 0.5 * log(0.5 * variance);
    default: return 0.5 * log(3.0 * variance) - log(3.14159265358979323846);
    }
}

/* A quarter: handwriting, whose strokes have grey edges, stays below that; photographs do not. */
static void warn_of_greys(const stele_inst *self, const statistics *s)
{
    if (self->config->likelihood == BERNOULLI && s->grey > 0.25 * s->count) {
        self->host->log(
            self->host, STELE_LOG_WARNING,
            "likelihood: bernoulli makes every pixel black or white, but %.0f %% of the "
            "training rows' are grey (between .1 and .9 of white); laplace, gaussian "
            "and logistic keep greys",
            100.0 * s->grey / s->count);
    }
}

static stele_status set_starts(const stele_inst *self, stele_fit *f, statistics *s)
{
    const stele_fit_api *api = self->host->fit;
    const int64_t pixels = image_count(&self->extents);
    /* Bytes without their `white`: nothing else tells those likelihoods. */
    if (s->largest > 16.0) {
        return STELE_FAIL(self->host, STELE_E_OPTION,
                          "white: is %g, but training rows have pixels of %g", self->config->white,
                          s->largest * self->config->white);
    }
    find_biases(self, s);
    warn_of_greys(self, s);
    stele_status status = api->set(f, self->bias, (uint64_t)pixels, s->sum);
    if (status == STELE_OK && self->config->likelihood != BERNOULLI) {
        const int64_t n = self->config->scale == BY_PIXEL ? pixels : 1;
        for (int64_t j = 0; j < n; j++) {
            s->n[j] = first_scale(self, s);
        }
        status = api->set(f, self->scale, (uint64_t)n, s->n);
    }
    return status;
}

stele_status image_fit(const stele_inst *self, stele_fit *f)
{
    const size_t pixels = (size_t)image_count(&self->extents);
    double *room = calloc(2 * pixels, sizeof *room);
    if (room == NULL) {
        return STELE_E_NOMEM;
    }
    statistics s = { .n = room, .sum = room + pixels };
    stele_view x = { .struct_size = sizeof x };
    stele_status status = self->host->fit->next(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        add_rows(self, &x, &s);
        status = self->host->fit->next(f, &x);
    }
    if (status == STELE_OK) {
        status = set_starts(self, f, &s);
    }
    free(room);
    return status;
}
