/* How much each token of a text counts in what a bag of words reads: tf-idf (Salton and Buckley,
 * "Term-weighting approaches in automatic text retrieval", 1988). */
#include "text.h"

#include <math.h>
#include <stdlib.h>

int text_weighs(const stele_inst *self)
{
    return self->config->reader.kind == TEXT_BAG && self->config->weights != TEXT_MEAN;
}

/* log((1 + n) / (1 + d)) of a token that d of n texts have; 0 of one that none has, whose vector
 * nothing ever taught. */
static void to_weights(int64_t n_texts, int64_t size, double *texts_with)
{
    for (int64_t k = 0; k < size; k++) {
        const double d = texts_with[k];
        texts_with[k] = d > 0.0 ? log((1.0 + (double)n_texts) / (1.0 + d)) : 0.0;
    }
}

/* Times the mean over a token's occurrences of 1 / (tokens of its word): a rare word in pieces,
 * which it shares with words of another meaning, counts together as much as a word that is one
 * token. Without `marks` words without letters or digits count 0. room: (2, size) zeros. */
static void share_words(const text_words *words, int64_t size, int marks, double *room,
                        double *weight)
{
    const corpus *c = words->corpus;
    double *sum = room, *n = room + size;
    for (int64_t w = 0; w < c->n; w++) {
        const int64_t begin = c->begin[w];
        const int silent = !marks && bpe_is_mark(c->bytes + begin, c->begin[w + 1] - begin);
        const double times = (double)c->count[w], share = silent ? 0.0 : 1.0 / (double)words->n[w];
        for (int64_t k = 0; k < words->n[w]; k++) {
            sum[words->token[begin + k]] += times * share;
            n[words->token[begin + k]] += times;
        }
    }
    for (int64_t k = 0; k < size; k++) {
        weight[k] *= n[k] > 0.0 ? sum[k] / n[k] : 0.0;
    }
}

/* Texts that have each token among those that are read, into texts_with (vocab_size). */
static void count_texts(const text_words *words, int64_t most, int64_t *last, double *texts_with)
{
    const corpus *c = words->corpus;
    int64_t text = 1, at = 0;
    for (int64_t i = 0; i < c->n_sequence; i++) {
        const int32_t w = c->sequence[i];
        if (w < 0) {
            text++;
            at = 0;
            continue;
        }
        for (int64_t k = 0; k < words->n[w] && at < most; k++, at++) {
            const int32_t token = words->token[c->begin[w] + k];
            texts_with[token] += last[token] != text;
            last[token] = text;
        }
    }
}

/* Texts with tokens of which, among those that are read, none counts. */
static int64_t count_unread(const text_words *words, int64_t most, const double *weight)
{
    const corpus *c = words->corpus;
    int64_t n = 0, tokens = 0, read = 0;
    for (int64_t i = 0; i < c->n_sequence; i++) {
        const int32_t w = c->sequence[i];
        if (w < 0) {
            n += tokens > 0 && read == 0;
            tokens = read = 0;
            continue;
        }
        for (int64_t k = 0; k < words->n[w] && tokens < most; k++, tokens++) {
            read += weight[words->token[c->begin[w] + k]] > 0.0;
        }
    }
    return n;
}

static void warn_unread(const stele_inst *self, const text_words *w, int64_t n_texts,
                        const double *weight)
{
    const int64_t n = count_unread(w, self->config->max_tokens, weight);
    if (n > 0) {
        self->host->log(self->host, STELE_LOG_WARNING,
                        "encoder.weights: tfidf: of %lld of %lld texts nothing is read%s",
                        (long long)n, (long long)n_texts,
                        self->config->marks ? ": all texts have what they have"
                                            : ", as they have nothing but what all texts have, or "
                                              "no letter and no digit (encoder.marks)");
    }
}

stele_status text_fit_weights(const stele_inst *self, stele_fit *f, const text_words *w,
                              int64_t n_texts, double *ret_idf)
{
    const int64_t size = self->config->vocab_size;
    int64_t *last = calloc((size_t)size, sizeof *last);
    double *room = calloc(2 * (size_t)size, sizeof *room);
    const int ok = last != NULL && room != NULL;
    if (ok) {
        memset(ret_idf, 0, (size_t)size * sizeof *ret_idf);
        count_texts(w, self->config->max_tokens, last, ret_idf);
        to_weights(n_texts, size, ret_idf);
        share_words(w, size, self->config->marks, room, ret_idf);
        warn_unread(self, w, n_texts, ret_idf);
    }
    free(last);
    free(room);
    return ok ? self->host->fit->set(f, self->weights, (uint64_t)size, ret_idf) : STELE_E_NOMEM;
}

static double weight_of(const stele_view *v, int32_t token)
{
    return v->dtype == STELE_F64 ? ((const double *)v->data)[token]
                                 : (double)((const float *)v->data)[token];
}

static void put(uint32_t dtype, void *to, int64_t i, double value)
{
    if (dtype == STELE_F64) {
        ((double *)to)[i] = value;
    } else {
        ((float *)to)[i] = (float)value;
    }
}

void text_weigh_one(const stele_view *idf, const int32_t *token, int64_t n, int32_t *times,
                    uint32_t dtype, void *weight, int64_t at)
{
    double square = 0.0;
    for (int64_t k = 0; k < n; k++) {
        times[token[k]]++;
    }
    for (int64_t k = 0; k < n; k++) {
        const double m = (double)times[token[k]], w = (1.0 + log(m)) * weight_of(idf, token[k]);
        square += w * w / m;
    }
    for (int64_t k = 0; k < n && square > 0.0; k++) {
        const double m = (double)times[token[k]], w = (1.0 + log(m)) * weight_of(idf, token[k]);
        put(dtype, weight, at + k, w / (m * sqrt(square)));
    }
    for (int64_t k = 0; k < n; k++) {
        times[token[k]] = 0;
    }
}

stele_status text_weigh(const stele_inst *self, stele_graph *g, const text_tokens *t, int64_t width,
                        stele_tensor *x, stele_tensor **ret)
{
    const stele_ops *ops = self->host->ops;
    const stele_shape shape = { 3, 0, { t->n, width, 1, 0, 0, 0 } };
    const uint32_t dtype = ops->dtype(g);
    stele_view idf = { .struct_size = sizeof idf };
    const size_t n_weights = (size_t)(t->n * width) + 1,
                 n_tokens = (size_t)self->config->vocab_size;
    double *weight = ops->scratch(g, n_weights * sizeof *weight);
    int32_t *times = ops->scratch(g, n_tokens * sizeof *times);
    stele_status status = ops->view(ops->param(g, self->weights), &idf);
    if (status != STELE_OK || weight == NULL || times == NULL) {
        return status != STELE_OK ? status : ops->status(g);
    }
    memset(weight, 0, n_weights * sizeof *weight);
    memset(times, 0, n_tokens * sizeof *times);
    for (int64_t r = 0; r < t->n; r++) {
        text_weigh_one(&idf, t->id + r * t->most, t->length[r], times, dtype, weight, r * width);
    }
    stele_tensor *w = ops->constant(g, dtype, &shape, weight);
    *ret = ops->sum(g, ops->mul(g, x, w), 1, 0);
    return ops->status(g);
}
