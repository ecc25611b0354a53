/* Texts given z: the likeliest one by following several at once, or random ones. */
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Texts that are being written, `beam` for each row. */
typedef struct writing {
    const stele_inst *self;
    stele_graph *g;
    int64_t rows, beam, n, most, vocab; /* n = rows * beam */
    int32_t *token, *before;            /* (n, most) */
    double *score, *old;                /* (n) log-probability; -inf: not in use */
    uint8_t *done, *was_done;           /* (n) */
    int64_t *from;                      /* (n) text that it goes on with */
    double *p;                          /* (vocab) */
    int32_t *order;                     /* (vocab) */
    text_recall recall;                 /* attention */
} writing;

static void writing_finish(writing *w)
{
    free(w->token);
    free(w->before);
    free(w->score);
    free(w->old);
    free(w->done);
    free(w->was_done);
    free(w->from);
    free(w->p);
    free(w->order);
    text_recall_finish(&w->recall);
}

static stele_status writing_init(writing *w)
{
    size_t n = (size_t)w->n, all = n * (size_t)w->most;
    w->token = calloc(all, sizeof *w->token);
    w->before = calloc(all, sizeof *w->before);
    w->score = calloc(n, sizeof *w->score);
    w->old = calloc(n, sizeof *w->old);
    w->done = calloc(n, 1);
    w->was_done = calloc(n, 1);
    w->from = calloc(n, sizeof *w->from);
    w->p = calloc((size_t)w->vocab, sizeof *w->p);
    w->order = calloc((size_t)w->vocab, sizeof *w->order);
    int ok = w->token != NULL && w->before != NULL && w->score != NULL && w->old != NULL &&
             w->done != NULL && w->was_done != NULL && w->from != NULL && w->p != NULL &&
             w->order != NULL;
    for (int64_t i = 0; ok && i < w->n; i++) {
        w->score[i] = i % w->beam == 0 ? 0.0 : -HUGE_VAL; /* the first step has one beginning */
    }
    if (ok && w->self->config->writer.kind == TEXT_ATTENTION) {
        return text_recall_init(w->self, w->g, w->n, w->most, &w->recall);
    }
    return ok ? STELE_OK : STELE_E_NOMEM;
}

static double log_p(const stele_view *v, int64_t i)
{
    return v->dtype == STELE_F64 ? ((const double *)v->data)[i]
                                 : (double)((const float *)v->data)[i];
}

/* Make `token` after text `from` the text number `at` of a row's list, which is in falling order.
 */
static void insert(writing *w, int64_t row, int64_t step, int64_t from, int32_t token, double score)
{
    int64_t first = row * w->beam, i = first + w->beam - 1;
    if (!(score > w->score[i])) {
        return;
    }
    for (; i > first && score > w->score[i - 1]; i--) {
        w->score[i] = w->score[i - 1];
        w->from[i] = w->from[i - 1];
        w->done[i] = w->done[i - 1];
        w->token[i * w->most + step] = w->token[(i - 1) * w->most + step];
    }
    w->score[i] = score;
    w->from[i] = from;
    w->done[i] = token == BPE_END;
    w->token[i * w->most + step] = token;
}

/* The `beam` likeliest continuations of each row's texts. A text that has ended stays as it is. */
static void follow_likeliest(writing *w, int64_t step, const stele_view *next)
{
    memcpy(w->old, w->score, (size_t)w->n * sizeof *w->old);
    memcpy(w->was_done, w->done, (size_t)w->n);
    for (int64_t i = 0; i < w->n; i++) {
        w->score[i] = -HUGE_VAL;
        w->from[i] = i;
        w->done[i] = 1;
        w->token[i * w->most + step] = BPE_END;
    }
    for (int64_t i = 0; i < w->n; i++) {
        if (w->was_done[i] && w->old[i] > -HUGE_VAL) {
            insert(w, i / w->beam, step, i, BPE_END, w->old[i]);
        }
        for (int64_t k = 0; !w->was_done[i] && w->old[i] > -HUGE_VAL && k < w->vocab; k++) {
            insert(w, i / w->beam, step, i, (int32_t)k, w->old[i] + log_p(next, i * w->vocab + k));
        }
    }
}

/* From the likeliest tokens that have top_p together, each with its share; u in (0, 1). */
static int32_t draw_token(writing *w, const stele_view *next, int64_t i, double u)
{
    const double top_p = w->self->config->top_p;
    double kept = 0.0, sum = 0.0;
    int64_t n = 0;
    for (int64_t k = 0; k < w->vocab; k++) {
        w->p[k] = exp(log_p(next, i * w->vocab + k));
    }
    while (n < w->vocab && kept < top_p) {
        int32_t best = 0;
        for (int32_t k = 1; k < (int32_t)w->vocab; k++) {
            best = w->p[k] > w->p[best] ? k : best;
        }
        kept += w->p[best];
        w->order[n++] = best;
        w->p[best] = -w->p[best] - 1e-300; /* taken */
    }
    for (int64_t k = 0; k < n; k++) {
        sum += -w->p[w->order[k]];
        if (sum >= u * kept) {
            return w->order[k];
        }
    }
    return w->order[n - 1];
}

static void follow_random(writing *w, int64_t step, const stele_view *next, const stele_view *noise)
{
    for (int64_t i = 0; i < w->n; i++) {
        double u = 0.5 * erfc(-log_p(noise, i * w->most + step) / sqrt(2.0));
        w->from[i] = i;
        w->token[i * w->most + step] = w->done[i] ? BPE_END : draw_token(w, next, i, u);
        w->done[i] = w->token[i * w->most + step] == BPE_END;
    }
}

/* Bring what was written before the step to the texts that go on with it. 1: all have ended. */
static int take_over(writing *w, int64_t step)
{
    int all = 1;
    memcpy(w->before, w->token, (size_t)(w->n * w->most) * sizeof *w->before);
    for (int64_t i = 0; i < w->n; i++) {
        memcpy(w->token + i * w->most, w->before + w->from[i] * w->most,
               (size_t)step * sizeof *w->token);
        all = all && w->done[i];
    }
    return all;
}

static stele_tensor *indices(writing *w, const int64_t *index)
{
    stele_shape shape = stele_shape1(w->n);
    return w->self->host->ops->constant(w->g, STELE_I64, &shape, index);
}

/* States of all texts after the tokens `last`: they follow the texts that were gone on with. */
static stele_status write_states(writing *w, int64_t step, const int64_t *last, text_plan *p)
{
    const stele_inst *self = w->self;
    const stele_ops *ops = self->host->ops;
    const text_sequence *c = &self->config->writer;
    const text_extent e = { w->n, 1, step };
    const stele_shape one = { 3, 0, { w->n, 1, self->config->embedding, 0, 0, 0 } };
    const stele_shape in = stele_shape2(w->n, self->writes.in), flat = stele_shape2(w->n, c->state);
    stele_tensor *x =
        ops->embedding(w->g, ops->param(w->g, self->decoder_embedding), indices(w, last));
    x = text_unit_enter(self, w->g, c, &self->writes, &e, ops->reshape(w->g, x, &one), p->step);
    if (c->kind == TEXT_ATTENTION) {
        text_recall_follow(&w->recall, w->from, step);
        x = ops->reshape(w->g, x, &in);
        return text_recall_write(self, w->g, &w->recall, step, x, &p->start);
    }
    p->start = step > 0 ? ops->gather(w->g, p->start, indices(w, w->from)) : p->start;
    x = text_unit_apply(self, w->g, c, &self->writes, &e, x, p->start, NULL, 1);
    p->start = ops->reshape(w->g, x, &flat);
    return ops->status(w->g);
}

/* Log-probabilities (n, vocab) of one more token of all texts. */
static stele_status write_step(writing *w, int64_t step, text_plan *p, stele_tensor **ret_next)
{
    const stele_inst *self = w->self;
    const stele_ops *ops = self->host->ops;
    int64_t *last = malloc((size_t)w->n * sizeof *last);
    stele_status status = last != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t i = 0; i < w->n && status == STELE_OK; i++) {
        last[i] = step > 0 ? w->token[i * w->most + step - 1] : BPE_END;
    }
    if (status == STELE_OK && self->config->writer.kind != TEXT_BAG) {
        status = write_states(w, step, last, p);
    }
    free(last);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *logit = ops->matmul(w->g, p->start, ops->param(w->g, self->output_weight), 0, 1);
    logit = ops->add(w->g, logit, ops->param(w->g, self->output_bias));
    *ret_next = ops->log_softmax(w->g, logit, 1);
    return ops->status(w->g);
}

/* The best text of each row as bytes, zeros behind it. */
static stele_status to_bytes(const writing *w, stele_tensor **ret_x)
{
    const stele_inst *self = w->self;
    const stele_ops *ops = self->host->ops;
    const stele_shape shape = stele_shape2(w->rows, self->width);
    size_t all = (size_t)(w->rows * self->width);
    bpe b;
    int64_t *value = calloc(all, sizeof *value);
    unsigned char *bytes = malloc((size_t)self->width + 1);
    stele_status status = text_tokenizer(self, w->g, &b);
    status = value != NULL && bytes != NULL ? status : STELE_E_NOMEM;
    for (int64_t r = 0; status == STELE_OK && r < w->rows; r++) {
        int64_t n =
            bpe_decode(&b, w->token + r * w->beam * w->most, w->most, bytes, self->width + 1);
        const int64_t first = n > 0 && bytes[0] == ' '; /* see text_row */
        for (int64_t k = first; k < n && k - first < self->width; k++) {
            value[r * self->width + k - first] = bytes[k];
        }
    }
    if (status == STELE_OK) {
        *ret_x = ops->cast(w->g, ops->constant(w->g, STELE_I64, &shape, value), ops->dtype(w->g));
        status = ops->status(w->g);
    }
    bpe_finish(&b);
    free(value);
    free(bytes);
    return status;
}

/* Rows of the plan, each repeated for the texts that are followed at once. */
static void repeat_plan(writing *w, text_plan *p)
{
    const stele_ops *ops = w->self->host->ops;
    for (int64_t i = 0; i < w->n; i++) {
        w->from[i] = i / w->beam;
    }
    p->start = ops->gather(w->g, p->start, indices(w, w->from));
    p->step = p->step != NULL ? ops->gather(w->g, p->step, indices(w, w->from)) : NULL;
}

static stele_status write_all(writing *w, const stele_decode_args *a, uint32_t what)
{
    const stele_ops *ops = w->self->host->ops;
    const stele_shape each = stele_shape2(w->n, w->most);
    stele_view next = { .struct_size = sizeof next }, noise = { .struct_size = sizeof noise };
    text_plan p;
    stele_tensor *log_next = NULL;
    text_plan_of(w->self, w->g, a, &p);
    repeat_plan(w, &p);
    stele_status status = what == STELE_DRAW_SAMPLE
                              ? ops->view(ops->noise(w->g, &each, STREAM_SAMPLE), &noise)
                              : STELE_OK;
    for (int64_t step = 0, ended = 0; step < w->most && !ended && status == STELE_OK; step++) {
        status = write_step(w, step, &p, &log_next);
        status = status == STELE_OK ? ops->view(log_next, &next) : status;
        if (status == STELE_OK && what == STELE_DRAW_SAMPLE) {
            follow_random(w, step, &next, &noise);
        } else if (status == STELE_OK) {
            follow_likeliest(w, step, &next);
        }
        ended = status == STELE_OK && take_over(w, step);
        for (int64_t i = 0; ended && step + 1 < w->most && i < w->n; i++) {
            w->token[i * w->most + step + 1] = BPE_END;
        }
    }
    return status;
}

stele_status text_generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           uint32_t what, stele_tensor **ret_x)
{
    stele_shape z;
    stele_status status = self->host->ops->shape(a->z, &z);
    if (status != STELE_OK) {
        return status;
    }
    if (self->config->writer.kind == TEXT_BAG && what != STELE_DRAW_SAMPLE) {
        return STELE_FAIL(self->host, STELE_E_UNSUPPORTED,
                          "decoder.kind: a bag of words has no order, so no likeliest text; "
                          "draw one, --draw sample");
    }
    int64_t beam = what == STELE_DRAW_MODE ? self->config->beam : 1;
    writing w = { .self = self,
                  .g = g,
                  .rows = z.dim[0],
                  .beam = beam,
                  .n = z.dim[0] * beam,
                  .most = self->config->max_tokens,
                  .vocab = self->config->vocab_size };
    status = writing_init(&w);
    status = status == STELE_OK ? write_all(&w, a, what) : status;
    status = status == STELE_OK ? to_bytes(&w, ret_x) : status;
    writing_finish(&w);
    return status;
}
