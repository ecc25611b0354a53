/* Self-attention one position at a time: what was worked out for the positions before is kept. */
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double at(uint32_t dtype, const void *p, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static size_t size_of(uint32_t dtype)
{
    return dtype == STELE_F64 ? sizeof(double) : sizeof(float);
}

void text_recall_finish(text_recall *r)
{
    free(r->kept);
    free(r->slot);
    free(r->before);
    free(r->score);
    *r = (text_recall){ 0 };
}

stele_status text_recall_init(const stele_inst *self, stele_graph *g, int64_t n, int64_t most,
                              text_recall *ret)
{
    const stele_attention *a = &self->writes.attention;
    const size_t places = (size_t)(n * most);
    *ret = (text_recall){ .n = n, .most = most };
    ret->kept = malloc(places * a->n * 2 * (size_t)a->width * size_of(self->host->ops->dtype(g)));
    ret->slot = calloc(places, sizeof *ret->slot);
    ret->before = calloc(places, sizeof *ret->before);
    ret->score = calloc((size_t)most, sizeof *ret->score);
    return ret->kept != NULL && ret->slot != NULL && ret->before != NULL && ret->score != NULL
               ? STELE_OK
               : STELE_E_NOMEM;
}

void text_recall_follow(text_recall *r, const int64_t *from, int64_t step)
{
    memcpy(r->before, r->slot, (size_t)(r->n * r->most) * sizeof *r->slot);
    for (int64_t i = 0; i < r->n; i++) {
        if (step > 0) {
            memcpy(r->slot + i * r->most, r->before + from[i] * r->most,
                   (size_t)step * sizeof *r->slot);
        }
        r->slot[i * r->most + step] = (int32_t)i;
    }
}

/* Key and value, beside each other, that text i sees at a position of a block. */
static char *kept_at(const stele_attention *a, const text_recall *r, uint32_t dtype, uint32_t block,
                     int64_t position, int64_t i)
{
    const int64_t place =
        ((int64_t)block * r->most + position) * r->n + r->slot[i * r->most + position];
    return r->kept + (size_t)(place * 2 * a->width) * size_of(dtype);
}

/* What head k of text i makes of the values at positions up to `step`; q is the text's query. */
static void look_back(const stele_attention *a, const text_recall *r, uint32_t dtype,
                      uint32_t block, int64_t step, int64_t i, int64_t k, const char *q,
                      double *ret)
{
    const int64_t e = a->width / a->heads, first = k * e;
    double top = -HUGE_VAL, sum = 0.0;
    for (int64_t t = 0; t <= step; t++) {
        const char *key = kept_at(a, r, dtype, block, t, i);
        double s = 0.0;
        for (int64_t j = first; j < first + e; j++) {
            s += at(dtype, q, j) * at(dtype, key, j);
        }
        r->score[t] = s / sqrt((double)e);
        top = r->score[t] > top ? r->score[t] : top;
    }
    memset(ret + first, 0, (size_t)e * sizeof *ret);
    for (int64_t t = 0; t <= step; t++) {
        const char *value = kept_at(a, r, dtype, block, t, i);
        const double w = exp(r->score[t] - top);
        sum += w;
        for (int64_t j = first; j < first + e; j++) {
            ret[j] += w * at(dtype, value, a->width + j);
        }
    }
    for (int64_t j = first; j < first + e; j++) {
        ret[j] /= sum;
    }
}

/* in (n, 3 width): queries, keys and values of the new position -> what is seen, (n, width). */
static stele_tensor *see(const stele_inst *self, stele_graph *g, text_recall *r, uint32_t block,
                         int64_t step, stele_tensor *in)
{
    const stele_attention *a = &self->writes.attention;
    const stele_shape shape = stele_shape2(r->n, a->width);
    const size_t width = (size_t)a->width;
    stele_view v = { .struct_size = sizeof v };
    double *one = malloc(width * sizeof *one);
    char *all = NULL;
    stele_tensor *seen = NULL;
    if (in != NULL && self->host->ops->view(in, &v) == STELE_OK) {
        all = malloc((size_t)r->n * width * size_of(v.dtype));
    }
    for (int64_t i = 0; i < r->n && all != NULL && one != NULL; i++) {
        const char *row = (const char *)v.data + (size_t)i * 3 * width * size_of(v.dtype);
        memcpy(kept_at(a, r, v.dtype, block, step, i), row + width * size_of(v.dtype),
               2 * width * size_of(v.dtype));
        for (int64_t k = 0; k < a->heads; k++) {
            look_back(a, r, v.dtype, block, step, i, k, row, one);
        }
        for (int64_t j = 0; j < a->width; j++) {
            const int64_t to = i * a->width + j;
            if (v.dtype == STELE_F64) {
                ((double *)(void *)all)[to] = one[j];
            } else {
                ((float *)(void *)all)[to] = (float)one[j];
            }
        }
    }
    if (all != NULL && one != NULL) {
        seen = self->host->ops->constant(g, v.dtype, &shape, all);
    }
    free(one);
    free(all);
    return seen;
}

stele_status text_recall_write(const stele_inst *self, stele_graph *g, text_recall *r, int64_t step,
                               stele_tensor *x, stele_tensor **ret)
{
    const stele_ops *ops = self->host->ops;
    const stele_attention *a = &self->writes.attention;
    for (uint32_t k = 0; k < a->n && x != NULL; k++) {
        stele_tensor *in = stele_attention_in(ops, g, &a->block[k], x);
        stele_tensor *seen = see(self, g, r, k, step, in);
        if (seen == NULL) {
            return ops->status(g) != STELE_OK ? ops->status(g) : STELE_E_NOMEM;
        }
        x = stele_attention_out(ops, g, &a->block[k], x, seen);
    }
    *ret = stele_attention_end(ops, g, a, x);
    return ops->status(g);
}
