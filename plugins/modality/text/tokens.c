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

stele_status text_tokenizer(const stele_inst *self, stele_graph *g, bpe *ret)
{
    const stele_ops *ops = self->host->ops;
    int64_t most = self->config->vocab_size - BPE_FIRST, n = 0;
    stele_view v = { .struct_size = sizeof v };
    bpe_merge *merge = malloc(((size_t)most + 1) * sizeof *merge);
    *ret = (bpe){ 0 };
    if (merge == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = most > 0 ? ops->view(ops->param(g, self->merges), &v) : STELE_OK;
    while (status == STELE_OK && n < most && value_at(&v, 2 * n) >= 0.0) {
        const double left = value_at(&v, 2 * n), right = value_at(&v, 2 * n + 1);
        const int known = left < 1e6 && right >= 0.0 && right < 1e6;
        merge[n++] = (bpe_merge){ known ? (int32_t)left : -1, known ? (int32_t)right : -1 };
    }
    const int code = status == STELE_OK ? bpe_init(ret, n, merge) : 0;
    if (code == BPE_DAMAGED) {
        status = STELE_FAIL(self->host, STELE_E_DATA,
                            "the tokenizer is damaged: its merges are not of tokens before them");
    } else if (code != 0) {
        status = STELE_E_NOMEM;
    }
    free(merge);
    return status;
}

void text_tokens_finish(text_tokens *t)
{
    free(t->id);
    free(t->length);
    free(t->cut);
    *t = (text_tokens){ 0 };
}

stele_status text_tokens_of(const stele_inst *self, const bpe *b, const stele_view *x,
                            text_tokens *ret)
{
    const int64_t most = self->config->max_tokens;
    text_tokens t = { .n = x->shape.dim[0] };
    unsigned char *bytes = malloc((size_t)self->width + 1);
    int32_t *token = malloc(((size_t)self->width + 1) * sizeof *token);
    t.id = malloc((size_t)(t.n * most + 1) * sizeof *t.id);
    t.length = malloc((size_t)(t.n + 1) * sizeof *t.length);
    t.cut = malloc((size_t)t.n + 1);
    int ok = bytes != NULL && token != NULL && t.id != NULL && t.length != NULL && t.cut != NULL;
    for (int64_t r = 0; ok && r < t.n; r++) {
        int64_t n = bpe_encode(b, bytes, text_row(x, r, bytes), token);
        t.cut[r] = n > most;
        t.length[r] = n > most ? most : n;
        t.most = t.length[r] > t.most ? t.length[r] : t.most;
        for (int64_t k = 0; k < t.length[r]; k++) {
            t.id[r * most + k] = token[k];
        }
    }
    free(bytes);
    free(token);
    if (!ok) {
        text_tokens_finish(&t);
        return STELE_E_NOMEM;
    }
    for (int64_t r = 1; r < t.n; r++) { /* rows closer together: most <= max_tokens */
        for (int64_t k = 0; k < t.length[r]; k++) {
            t.id[r * t.most + k] = t.id[r * most + k];
        }
    }
    *ret = t;
    return STELE_OK;
}
