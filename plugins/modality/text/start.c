/* Where the vectors of a bag's tokens start: at what latent semantic analysis of the training texts
 * finds. Random ones say which words a text has and not what words have in common, and a few
 * thousand texts do not teach it by way of the likelihood. */
#include "text.h"

#include "lsa.h"

#include <math.h>
#include <stdlib.h>

int text_starts_from_lsa(const stele_inst *self)
{
    const text_config *c = self->config;
    const int itself = c->start == TEXT_START_AUTO && c->embedding <= LSA_MOST;
    return c->reader.kind == TEXT_BAG && (c->start == TEXT_LSA || itself);
}

/* Tokens of all texts, each text's one behind the other, as far as they are read. */
static void fill_columns(const text_words *words, int64_t most, lsa_matrix *x)
{
    const corpus *c = words->corpus;
    int64_t at = 0;
    x->begin[x->n_rows = 0] = 0;
    for (int64_t i = 0; i < c->n_sequence; i++) {
        const int32_t w = c->sequence[i];
        if (w < 0) {
            x->begin[++x->n_rows] = at;
            continue;
        }
        for (int64_t k = 0; k < words->n[w] && at < x->begin[x->n_rows] + most; k++) {
            x->column[at++] = words->token[c->begin[w] + k];
        }
    }
}

/* What the encoder sums the vectors with. times: (vocab_size) zeros. */
static void fill_values(const stele_inst *self, const double *idf, int32_t *times, lsa_matrix *x)
{
    const stele_view weight = { .struct_size = sizeof weight, .dtype = STELE_F64, .data = idf };
    for (int64_t r = 0; r < x->n_rows; r++) {
        const int64_t begin = x->begin[r], n = x->begin[r + 1] - begin;
        if (text_weighs(self)) {
            text_weigh_one(&weight, x->column + begin, n, times, STELE_F64, x->value, begin);
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            x->value[begin + i] = 1.0 / (double)n;
        }
    }
}

static int64_t tokens_at_most(const text_words *words)
{
    int64_t n = 0;
    for (int64_t i = 0; i < words->corpus->n_sequence; i++) {
        const int32_t w = words->corpus->sequence[i];
        n += w >= 0 ? words->n[w] : 0;
    }
    return n;
}

/* What the next layer makes of the vectors, whose weights are uniform within 1 / sqrt(width),
 * starts with this variance over the texts: well within the prior's. Posteriors that start far
 * apart are sure of what other modalities know nothing of yet, and a contrastive term then silences
 * those. */
static const double first_variance = 0.1;

/* One factor for all vectors, so that texts lie as far apart along each direction as the analysis
 * found. */
static void scale_vectors(const lsa_matrix *x, int64_t width, const double *value, double *vector)
{
    double total = 0.0;
    for (int64_t j = 0; j < width; j++) {
        total += value[j] * value[j] / (double)x->n_rows;
    }
    const double factor = total > 0.0 ? sqrt(3.0 * first_variance * (double)width / total) : 0.0;
    for (int64_t i = 0; i < x->n_columns * width; i++) {
        vector[i] *= factor;
    }
}

static int matrix_init(const stele_inst *self, const text_words *w, int64_t n_texts, lsa_matrix *x)
{
    const size_t most = (size_t)tokens_at_most(w) + 1;
    *x = (lsa_matrix){ .n_columns = self->config->vocab_size };
    x->begin = malloc(((size_t)n_texts + 1) * sizeof *x->begin);
    x->column = malloc(most * sizeof *x->column);
    x->value = calloc(most, sizeof *x->value); /* of texts of which nothing is read it stays 0 */
    return x->begin != NULL && x->column != NULL && x->value != NULL ? 0 : -1;
}

/* vector: room for (vocab_size, embedding); value: (embedding). */
static stele_status set_vectors(const stele_inst *self, stele_fit *f, const lsa_matrix *x,
                                double *vector, double *value)
{
    const stele_host *h = self->host;
    const int64_t width = self->config->embedding;
    const int64_t found = lsa_decompose(x, width, vector, value);
    if (found < 0) {
        return STELE_E_NOMEM;
    }
    if (found < width) {
        h->log(
            h, STELE_LOG_WARNING,
            "encoder.embedding: lsa: directions that the texts differ along: %lld; of each token's "
            "vector %lld numbers start at 0",
            (long long)found, (long long)(width - found));
    }
    scale_vectors(x, width, value, vector);
    return h->fit->set(f, self->encoder_embedding, (uint64_t)(x->n_columns * width), vector);
}

stele_status text_fit_start(const stele_inst *self, stele_fit *f, const text_words *w,
                            int64_t n_texts, const double *idf)
{
    const size_t size = (size_t)self->config->vocab_size, width = (size_t)self->config->embedding;
    lsa_matrix x;
    int32_t *times = calloc(size, sizeof *times);
    double *vector = malloc((size + 1) * width * sizeof *vector);
    const int ok = matrix_init(self, w, n_texts, &x) == 0 && times != NULL && vector != NULL;
    stele_status status = ok ? STELE_OK : STELE_E_NOMEM;
    if (ok) {
        fill_columns(w, self->config->max_tokens, &x);
        fill_values(self, idf, times, &x);
        status = set_vectors(self, f, &x, vector, vector + size * width);
    }
    free(x.begin);
    free(x.column);
    free(x.value);
    free(times);
    free(vector);
    return status;
}
