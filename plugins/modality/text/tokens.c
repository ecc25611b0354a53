/* From the rows of a measurement to tokens. */
#include "text.h"

#include <stdlib.h>

static double value_at(const stele_view *x, int64_t i)
{
    return x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                 : (double)((const float *)x->data)[i];
}

/* What is no byte is left out: validate() has refused it where it comes from data. */
int64_t text_row(const stele_view *x, int64_t r, unsigned char *ret)
{
    int64_t width = x->shape.dim[1], n = 0;
    int64_t begin = x->layout == STELE_CSR ? x->row_start[r] : r * width;
    int64_t end = x->layout == STELE_CSR ? x->row_start[r + 1] : begin + width;
    for (int64_t i = begin; i < end; i++) {
        double v = value_at(x, i);
        if (v >= 1.0 && v < 256.0) {
            if (n == 0) {
                ret[n++] = ' ';
            }
            ret[n++] = (unsigned char)v;
        }
    }
    return n;
}

/* From the buffer of merges, (most, 2). */
static stele_status tokenizer_of(const stele_inst *self, const double *pair, int64_t most, bpe *ret)
{
    int64_t n = 0;
    bpe_merge *merge = malloc(((size_t)most + 1) * sizeof *merge);
    if (merge == NULL) {
        return STELE_E_NOMEM;
    }
    while (n < most && pair[2 * n] >= 0.0) {
        const double left = pair[2 * n], right = pair[2 * n + 1];
        const int known = left < 1e6 && right >= 0.0 && right < 1e6;
        merge[n++] = (bpe_merge){ known ? (int32_t)left : -1, known ? (int32_t)right : -1 };
    }
    const int code = bpe_init(ret, n, merge);
    free(merge);
    if (code == BPE_DAMAGED) {
        return STELE_FAIL(self->host, STELE_E_DATA,
                          "the tokenizer is damaged: its merges are not of tokens before them");
    }
    return code == 0 ? STELE_OK : STELE_E_NOMEM;
}

stele_status text_tokenizer(const stele_inst *self, stele_graph *g, bpe *ret)
{
    const stele_ops *ops = self->host->ops;
    const int64_t most = self->config->vocab_size - BPE_FIRST;
    stele_view v = { .struct_size = sizeof v };
    double *pair = ops->scratch(g, (uint64_t)(2 * most + 1) * sizeof *pair);
    *ret = (bpe){ 0 };
    stele_status status = most > 0 ? ops->view(ops->param(g, self->merges), &v) : STELE_OK;
    if (pair == NULL || status != STELE_OK) {
        return status != STELE_OK ? status : ops->status(g);
    }
    for (int64_t i = 0; i < 2 * most; i++) {
        pair[i] = value_at(&v, i);
    }
    return tokenizer_of(self, pair, most, ret);
}

/* --- rows of tokens --------------------------------------------------------------------------- */

int64_t text_prepared_width(const stele_inst *self)
{
    return self->config->max_tokens + 1;
}

static stele_status prepare_rows(const stele_inst *self, const bpe *b, const stele_view *x,
                                 int64_t *ret_n, float *ret_value)
{
    const int64_t most = self->config->max_tokens, rows = x->shape.dim[0];
    unsigned char *bytes = malloc((size_t)self->width + 1);
    int32_t *token = malloc(((size_t)self->width + 1) * sizeof *token);
    stele_status status = bytes != NULL && token != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t r = 0; r < rows && status == STELE_OK; r++) {
        float *value = ret_value + r * (most + 1);
        int64_t n = bpe_encode(b, bytes, text_row(x, r, bytes), token);
        for (int64_t k = 0; k < n && k < most; k++) {
            value[k] = (float)token[k];
        }
        ret_n[r] = n > most ? most : n + 1;
        if (n <= most) {
            value[n] = (float)BPE_END;
        }
    }
    free(bytes);
    free(token);
    return status;
}

stele_status text_prepare(const stele_inst *self, const stele_reader *reader, const stele_view *x,
                          int64_t *ret_n, float *ret_value)
{
    const int64_t most = self->config->vocab_size - BPE_FIRST;
    bpe b = { 0 };
    double *pair = malloc((size_t)(2 * most + 1) * sizeof *pair);
    stele_status status = pair != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK && most > 0) {
        status = reader->get(reader, self->merges, (uint64_t)(2 * most), pair);
    }
    status = status == STELE_OK ? tokenizer_of(self, pair, most, &b) : status;
    status = status == STELE_OK ? prepare_rows(self, &b, x, ret_n, ret_value) : status;
    bpe_finish(&b);
    free(pair);
    return status;
}

stele_status text_tokens_of(const stele_inst *self, stele_graph *g, stele_tensor *x,
                            text_tokens *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_view v = { .struct_size = sizeof v };
    stele_status status = ops->view(x, &v);
    if (status != STELE_OK) {
        return status;
    }
    text_tokens t = { .n = v.shape.dim[0] };
    t.length = ops->scratch(g, (uint64_t)(t.n + 1) * sizeof *t.length);
    t.cut = ops->scratch(g, (uint64_t)t.n + 1);
    for (int64_t r = 0; t.length != NULL && t.cut != NULL && r < t.n; r++) {
        const int64_t end = v.row_start[r + 1], n = end - v.row_start[r];
        t.cut[r] = n == 0 || value_at(&v, end - 1) != (double)BPE_END;
        t.length[r] = n - !t.cut[r];
        t.most = t.length[r] > t.most ? t.length[r] : t.most;
    }
    t.id = ops->scratch(g, (uint64_t)(t.n * t.most + 1) * sizeof *t.id);
    t.room = ops->scratch(g, (uint64_t)(t.n * (t.most + 1) + 1) * sizeof *t.room);
    if (ops->status(g) != STELE_OK) {
        return ops->status(g);
    }
    for (int64_t r = 0; r < t.n; r++) {
        for (int64_t k = 0; k < t.length[r]; k++) {
            t.id[r * t.most + k] = (int32_t)value_at(&v, v.row_start[r] + k);
        }
    }
    *ret = t;
    return STELE_OK;
}
