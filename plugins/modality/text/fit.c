/* What the training rows teach: the tokenizer, and how frequent its tokens are. */
#include "text.h"

#include <math.h>
#include <stdlib.h>

stele_status text_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    int64_t n =
        x->layout == STELE_CSR ? x->row_start[x->shape.dim[0]] : x->shape.dim[0] * self->width;
    const float *v = x->data;
    for (int64_t i = 0, row = 0; i < n; i++) {
        while (x->layout == STELE_CSR && i >= x->row_start[row + 1]) {
            row++;
        }
        if (v[i] >= 0.0f && v[i] <= 255.0f && v[i] == floorf(v[i])) {
            continue;
        }
        ret->row = x->layout == STELE_CSR ? row : i / self->width;
        ret->column = x->layout == STELE_CSR ? x->column[i] : i % self->width;
        ret->value = (double)v[i];
        ret->reason = "is no byte of a text, 0 to 255";
        return STELE_E_DATA;
    }
    return STELE_OK;
}

/* The training rows' texts as words. */
typedef struct texts_seen {
    corpus words;
    text_words split;
    int64_t n, n_cut, n_bytes;
    double *count; /* (vocab_size) of each token, each text's end among them */
    double *idf;   /* (vocab_size) */
} texts_seen;

static stele_status read_corpus(const stele_inst *self, stele_fit *f, texts_seen *s)
{
    stele_view x = { .struct_size = sizeof x };
    unsigned char *bytes = malloc((size_t)self->width + 1);
    stele_status status = bytes != NULL ? self->host->fit->next(f, &x) : STELE_E_NOMEM;
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        for (int64_t r = 0; status == STELE_OK && r < x.shape.dim[0]; r++) {
            int64_t n = text_row(&x, r, bytes);
            status = corpus_add(&s->words, bytes, n) == 0 ? STELE_OK : STELE_E_NOMEM;
            s->n++;
            s->n_bytes += n;
        }
        status = status == STELE_OK ? self->host->fit->next(f, &x) : status;
    }
    free(bytes);
    return status != STELE_OK || s->n_bytes > 0
               ? status
               : STELE_FAIL(self->host, STELE_E_DATA,
                            "all %lld texts of the training rows are empty", (long long)s->n);
}

/* The tokens of all words, how often each is written, and how many texts have too many: from the
 * words alone, as no token reaches across their borders. */
static stele_status split_words(const stele_inst *self, texts_seen *s, int64_t n,
                                const bpe_merge *merge)
{
    bpe b;
    const corpus *c = &s->words;
    int64_t *len = s->split.n = calloc((size_t)c->n + 1, sizeof *len);
    int32_t *room = s->split.token = malloc(((size_t)c->n_bytes + 1) * sizeof *room);
    const int ok = len != NULL && room != NULL;
    stele_status status = bpe_init(&b, n, merge) == 0 && ok ? STELE_OK : STELE_E_NOMEM;
    s->split.corpus = c;
    for (int64_t k = 0; status == STELE_OK && k < c->n; k++) {
        int32_t *token = room + c->begin[k];
        len[k] = bpe_encode(&b, c->bytes + c->begin[k], c->begin[k + 1] - c->begin[k], token);
        for (int64_t i = 0; i < len[k]; i++) {
            s->count[token[i]] += (double)c->count[k];
        }
    }
    for (int64_t i = 0, sum = 0; status == STELE_OK && i < c->n_sequence; i++) {
        sum += c->sequence[i] >= 0 ? len[c->sequence[i]] : 0;
        s->n_cut += c->sequence[i] < 0 && sum > self->config->max_tokens;
        sum = c->sequence[i] >= 0 ? sum : 0;
    }
    s->count[BPE_END] = (double)s->n;
    bpe_finish(&b);
    return status;
}

static void report(const stele_inst *self, const texts_seen *s, int64_t size, double total)
{
    const stele_host *h = self->host;
    h->log(h, STELE_LOG_INFO, "%lld different tokens, %.1f in a text with its end", (long long)size,
           total / (double)(s->n > 0 ? s->n : 1));
    if (s->n_cut > 0) {
        h->log(h, STELE_LOG_WARNING,
               "%lld of %lld texts have more than max_tokens, %lld, and are cut there",
               (long long)s->n_cut, (long long)s->n, (long long)self->config->max_tokens);
    }
}

/* Merges, and biases of the output at the log of the tokens' frequencies. */
static stele_status set_tokens(const stele_inst *self, stele_fit *f, texts_seen *s, double *room)
{
    const int64_t size = self->config->vocab_size, most = size - BPE_FIRST;
    const stele_host *h = self->host;
    bpe_merge *merge = malloc((size_t)(most + 1) * sizeof *merge);
    int64_t n = merge != NULL ? corpus_learn(&s->words, most, merge) : -1;
    double total = 0.0;
    stele_status status = n >= 0 ? split_words(self, s, n, merge) : STELE_E_NOMEM;
    for (int64_t k = 0; status == STELE_OK && k < most; k++) {
        room[2 * k] = k < n ? (double)merge[k].left : -1.0;
        room[2 * k + 1] = k < n ? (double)merge[k].right : -1.0;
    }
    if (status == STELE_OK && text_weighs(self)) {
        status = text_fit_weights(self, f, &s->split, s->n, s->idf);
    }
    if (status == STELE_OK && text_starts_from_lsa(self)) {
        status = text_fit_start(self, f, &s->split, s->n, s->idf);
    }
    free(merge);
    if (status == STELE_OK && most > 0) {
        status = h->fit->set(f, self->merges, (uint64_t)(2 * most), room);
    }
    for (int64_t k = 0; status == STELE_OK && k < size; k++) {
        total += s->count[k] + 0.1;
    }
    for (int64_t k = 0; status == STELE_OK && k < size; k++) {
        room[k] = log((s->count[k] + 0.1) / total);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->output_bias, (uint64_t)size, room);
        report(self, s, BPE_FIRST + n, total - 0.1 * (double)size);
    }
    return status;
}

stele_status text_fit(const stele_inst *self, stele_fit *f)
{
    texts_seen s = { .n = 0 };
    double *room = calloc((size_t)(2 * self->config->vocab_size), sizeof *room);
    s.count = calloc((size_t)self->config->vocab_size, sizeof *s.count);
    s.idf = calloc((size_t)self->config->vocab_size, sizeof *s.idf);
    const int ok = room != NULL && s.count != NULL && s.idf != NULL;
    stele_status status = ok ? read_corpus(self, f, &s) : STELE_E_NOMEM;
    status = status == STELE_OK ? set_tokens(self, f, &s, room) : status;
    corpus_finish(&s.words);
    free(s.split.token);
    free(s.split.n);
    free(s.count);
    free(s.idf);
    free(room);
    return status;
}
