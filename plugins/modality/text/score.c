/* Metrics of texts given z. Bits per byte compare models whatever their tokens are: all that the
 * tokens and the end of a text cost, over the bytes that it has.
 *
 * What reads the tokens before is asked for the next one, each of them being right. A bag, which is
 * not, ranks all tokens: those of the text should come first, as the items of a user that Liang et
 * al. (WWW 2018) recommend. */
#include "text.h"

#include <stele/metrics.h>

#include <math.h>
#include <stdlib.h>

/* What a row adds: of all decoders the first two, then either. */
enum {
    LOG_P = 0,
    BYTES,
    TOKENS,
    HITS,
    SEQUENCE_WIDTH,
    TEXTS = TOKENS,
    PRECISION,
    RECALL,
    BAG_WIDTH
};
enum { FIRST = 20 }; /* of the ranks that recall looks at */

uint32_t text_tally_width(const stele_inst *self)
{
    return self->config->writer.kind == TEXT_BAG ? BAG_WIDTH : SEQUENCE_WIDTH;
}

static double number_at(const stele_view *v, int64_t i)
{
    return v->dtype == STELE_F64 ? ((const double *)v->data)[i]
                                 : (double)((const float *)v->data)[i];
}

/* Bytes of each text, without the blank in front of it (see text_row): columns BYTES of value (n,
 * width). Of a text that is cut those of its tokens. */
static stele_status count_bytes(const stele_inst *self, stele_graph *g, const text_tokens *t,
                                int64_t width, double *value)
{
    const stele_ops *ops = self->host->ops;
    bpe b = { 0 };
    int64_t *bytes = ops->scratch(g, (uint64_t)self->config->vocab_size * sizeof *bytes);
    stele_status status = bytes != NULL ? text_tokenizer(self, g, &b) : ops->status(g);
    for (int64_t k = 0; status == STELE_OK && k < self->config->vocab_size; k++) {
        const bpe_merge *m = k - BPE_FIRST < b.n && k >= BPE_FIRST ? &b.merge[k - BPE_FIRST] : NULL;
        bytes[k] = m != NULL ? bytes[m->left] + bytes[m->right] : k < BPE_END;
    }
    for (int64_t r = 0; status == STELE_OK && r < t->n; r++) {
        double sum = t->length[r] > 0 ? -1.0 : 0.0;
        for (int64_t k = 0; k < t->length[r]; k++) {
            sum += (double)bytes[t->id[r * t->most + k]];
        }
        value[r * width + BYTES] = sum;
    }
    bpe_finish(&b);
    return status;
}

/* --- the next token --------------------------------------------------------------------------- */

/* The scores of all tokens at all places are too many to hold, and their largest is wanted: that of
 * SHARP times as large ones is what the log of the sum of their exponentials is near to. A token is
 * taken for the likeliest if all others together have less than half of its share then, that is if
 * it is so by some thousandths of a nat. */
#define SHARP 1000.0
#define LEAD  0.40546510810816438198 /* log(1 + 1/2) */

static stele_status tally_sequence(const stele_inst *self, stele_graph *g,
                                   const stele_decode_args *a, const text_tokens *t, double *value)
{
    const stele_ops *ops = self->host->ops;
    stele_view own = { .struct_size = sizeof own }, total = own, sharp = own;
    text_targets to;
    text_plan p;
    if (text_targets_init(ops, g, t, t->most + 1, &to) != 0) {
        return ops->status(g);
    }
    const stele_shape n = stele_shape1(to.n);
    text_plan_of(self, g, a, &p);
    stele_tensor *w = ops->param(g, self->output_weight), *b = ops->param(g, self->output_bias);
    stele_tensor *h = text_states(self, g, &p, t);
    h = ops->gather(g, h, ops->constant(g, STELE_I64, &n, to.at));
    stele_tensor *score = text_own(self, g, h, w, b, ops->constant(g, STELE_I64, &n, to.token));
    stele_tensor *sum = ops->linear_logsumexp(g, h, w, b);
    stele_tensor *most =
        ops->linear_logsumexp(g, ops->scale(g, h, SHARP), w, ops->scale(g, b, SHARP));
    stele_status status = ops->view(score, &own);
    status = status == STELE_OK ? ops->view(sum, &total) : status;
    status = status == STELE_OK ? ops->view(most, &sharp) : status;
    for (int64_t i = 0; status == STELE_OK && i < to.n; i++) {
        double *row = value + to.text[i] * SEQUENCE_WIDTH;
        row[LOG_P] += number_at(&own, i) - number_at(&total, i);
        row[HITS] += number_at(&sharp, i) - SHARP * number_at(&own, i) < LEAD ? 1.0 : 0.0;
        row[TOKENS] += 1.0;
    }
    return status;
}

/* --- bags ------------------------------------------------------------------------------------- */

typedef struct ranked {
    double score;
    int32_t token, wanted;
} ranked;

/* Falling; of equals the token that comes first. */
static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->token > y->token) - (x->token < y->token);
}

/* One text of n tokens, and the n list[k] of all tokens by number, which are put in order. */
static void rank_text(const int32_t *token, int64_t n, ranked *list, int64_t vocab, double *row)
{
    double wanted = 0.0, found = 0.0, precision = 0.0, recall = 0.0;
    for (int64_t k = 0; k < n; k++) {
        wanted += list[token[k]].wanted == 0 ? 1.0 : 0.0;
        list[token[k]].wanted = 1;
    }
    list[BPE_END].score = -HUGE_VAL; /* the end is no word */
    qsort(list, (size_t)vocab, sizeof *list, by_score);
    for (int64_t k = 0; k < vocab && found < wanted; k++) {
        if (list[k].wanted) {
            found += 1.0;
            precision += found / (double)(k + 1);
            recall += k < FIRST ? 1.0 : 0.0;
        }
    }
    if (wanted > 0.0) {
        row[TEXTS] = 1.0;
        row[PRECISION] = precision / wanted;
        row[RECALL] = recall / fmin(wanted, FIRST);
    }
}

static stele_status tally_bag(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                              const text_tokens *t, double *value)
{
    const stele_ops *ops = self->host->ops;
    const int64_t vocab = self->config->vocab_size;
    stele_view score = { .struct_size = sizeof score }, total = score;
    text_plan p;
    text_plan_of(self, g, a, &p);
    stele_tensor *x = ops->matmul(g, p.start, ops->param(g, self->output_weight), 0, 1);
    x = ops->add(g, x, ops->param(g, self->output_bias));
    stele_tensor *sum = ops->logsumexp(g, x, 1, 0);
    ranked *list = ops->scratch(g, (uint64_t)vocab * sizeof *list);
    stele_status status = list != NULL ? ops->view(x, &score) : ops->status(g);
    status = status == STELE_OK ? ops->view(sum, &total) : status;
    for (int64_t r = 0; status == STELE_OK && r < t->n; r++) {
        double *row = value + r * BAG_WIDTH;
        const int32_t *token = t->id + r * t->most;
        for (int64_t k = 0; k < vocab; k++) {
            list[k] = (ranked){ number_at(&score, r * vocab + k), (int32_t)k, 0 };
        }
        for (int64_t k = 0; k < t->length[r] + !t->cut[r]; k++) {
            row[LOG_P] += list[k < t->length[r] ? token[k] : BPE_END].score - number_at(&total, r);
        }
        rank_text(token, t->length[r], list, vocab, row);
    }
    return status;
}

/* --- slots ------------------------------------------------------------------------------------ */

stele_status text_tally(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                        stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    const int64_t width = text_tally_width(self);
    text_tokens t;
    stele_status status = text_tokens_of(self, g, a->target, &t);
    if (status != STELE_OK) {
        return status;
    }
    const stele_shape shape = stele_shape2(t.n, width);
    double *value = ops->scratch(g, (uint64_t)(t.n * width + 1) * sizeof *value);
    if (value == NULL) {
        return ops->status(g);
    }
    for (int64_t i = 0; i < t.n * width; i++) {
        value[i] = 0.0;
    }
    status = self->config->writer.kind == TEXT_BAG ? tally_bag(self, g, a, &t, value)
                                                   : tally_sequence(self, g, a, &t, value);
    status = status == STELE_OK ? count_bytes(self, g, &t, width, value) : status;
    if (status == STELE_OK) {
        *ret_rows = ops->cast(g, ops->constant(g, STELE_F64, &shape, value), ops->dtype(g));
        status = ops->status(g);
    }
    return status;
}

static double share(double part, double whole)
{
    return whole > 0.0 ? part / whole : NAN;
}

stele_status text_tally_end(const stele_inst *self, const double *sum, uint32_t capacity,
                            stele_metric *ret, uint32_t *ret_n)
{
    const int bag = self->config->writer.kind == TEXT_BAG;
    const uint32_t n = bag ? 3 : 2;
    if (capacity < n) {
        return STELE_E_ARG;
    }
    const double bits = -sum[LOG_P] / 0.69314718055994530942;
    stele_metric_set(&ret[0], "bits_per_byte", share(bits, sum[BYTES]), 0);
    if (bag) {
        stele_metric_set(&ret[1], "average_precision", share(sum[PRECISION], sum[TEXTS]), 1);
        stele_metric_set(&ret[2], "recall_20", share(sum[RECALL], sum[TEXTS]), 1);
    } else {
        stele_metric_set(&ret[1], "token_accuracy", share(sum[HITS], sum[TOKENS]), 1);
    }
    *ret_n = n;
    return STELE_OK;
}
