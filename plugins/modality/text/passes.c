/* Encoder and decoder. */
#include "text.h"

/* --- encoder ---------------------------------------------------------------------------------- */

/* Indices as a tensor of the graph, which copies them. */
static stele_tensor *index_tensor(const stele_host *h, stele_graph *g, int64_t n, int64_t m,
                                  const int64_t *index)
{
    stele_shape shape = m > 0 ? stele_shape2(n, m) : stele_shape1(n);
    return h->ops->constant(g, STELE_I64, &shape, index);
}

/* Mean over a text's own positions: (n, T, ...) -> (n, ...). */
static stele_tensor *mean_of(const stele_host *h, stele_graph *g, const text_tokens *t,
                             int64_t width, stele_tensor *x, int64_t *room)
{
    const stele_ops *ops = h->ops;
    const stele_shape wide = { 3, 0, { t->n, width, 1, 0, 0, 0 } };
    for (int64_t i = 0; i < t->n * width; i++) {
        room[i] = i % width < t->length[i / width];
    }
    stele_tensor *there =
        ops->cast(g, ops->reshape(g, index_tensor(h, g, t->n, width, room), &wide), ops->dtype(g));
    for (int64_t r = 0; r < t->n; r++) {
        room[r] = t->length[r] > 0 ? t->length[r] : 1;
    }
    stele_tensor *n = ops->cast(g, index_tensor(h, g, t->n, 1, room), ops->dtype(g));
    return ops->div(g, ops->sum(g, ops->mul(g, x, there), 1, 0), n);
}

/* (n, T, ...) of tokens -> (n, state or embedding). */
static stele_status read_tokens(const stele_inst *self, stele_graph *g, const text_tokens *t,
                                int64_t *room, stele_tensor **ret)
{
    const stele_host *h = self->host;
    const stele_ops *ops = h->ops;
    const int64_t width = t->most > 0 ? t->most : 1;
    for (int64_t i = 0; i < t->n * width; i++) {
        room[i] = i % width < t->length[i / width] ? t->id[i] : BPE_END;
    }
    stele_tensor *x = ops->embedding(g, ops->param(g, self->encoder_embedding),
                                     index_tensor(h, g, t->n, width, room));
    if (self->config->read_dropout > 0.0) {
        const stele_shape each = { 3, 0, { t->n, width, 1, 0, 0, 0 } };
        x = ops->mul(
            g, x,
            ops->dropout(g, ops->full(g, &each, 1.0), self->config->read_dropout, 0, STREAM_READ));
    }
    const text_sequence *c = &self->config->reader;
    if (c->kind != TEXT_BAG) {
        const text_extent e = { t->n, width, 0 };
        x = text_unit_enter(self, g, c, &self->reads, &e, x, NULL);
        x = text_unit_apply(self, g, c, &self->reads, &e, x, NULL,
                            index_tensor(h, g, t->n, 0, t->length), 0);
    }
    if (text_weighs(self)) {
        return text_weigh(self, g, t, width, x, ret);
    }
    const stele_shape last = stele_shape2(t->n, c->state);
    *ret = c->kind != TEXT_GRU ? mean_of(h, g, t, width, x, room)
                               : ops->reshape(g, ops->slice(g, x, 1, width - 1, width), &last);
    return ops->status(g);
}

stele_status text_encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                         stele_dist *ret_q)
{
    text_tokens t;
    stele_status status = text_tokens_of(self, g, a->x, &t);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *x = NULL;
    status = read_tokens(self, g, &t, t.room, &x);
    if (status != STELE_OK) {
        return status;
    }
    x = stele_dense_apply(self->host, g, &self->encoder, x, a->covariates, STREAM_ENCODER);
    stele_gaussian_head_apply(self->host, g, &self->expert, x, ret_q);
    return self->host->ops->status(g);
}

/* --- decoder ---------------------------------------------------------------------------------- */

void text_plan_of(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                  text_plan *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *d =
        stele_dense_apply(self->host, g, &self->decoder, a->z, a->covariates, STREAM_DECODER);
    *ret = (text_plan){ .hidden = d, .start = d };
    const int32_t kind = self->config->writer.kind;
    if (kind == TEXT_GRU) {
        ret->start = ops->tanh(g, ops->linear(g, d, ops->param(g, self->start_weight),
                                              ops->param(g, self->start_bias)));
    }
    if (kind != TEXT_BAG) {
        ret->step =
            ops->linear(g, d, ops->param(g, self->step_weight), ops->param(g, self->step_bias));
    }
}

/* Embeddings of what stands before each position, some unreadable while training. */
static stele_tensor *tokens_before(const stele_inst *self, stele_graph *g, stele_tensor *before,
                                   int64_t n, int64_t width)
{
    const stele_ops *ops = self->host->ops;
    const stele_shape each = { 3, 0, { n, width, 1, 0, 0, 0 } };
    stele_tensor *x = ops->embedding(g, ops->param(g, self->decoder_embedding), before);
    if (self->config->word_dropout > 0.0 && ops->training(g)) {
        stele_tensor *kept =
            ops->dropout(g, ops->full(g, &each, 1.0), self->config->word_dropout, 0, STREAM_WORDS);
        x = ops->where(g, kept, x, ops->param(g, self->unknown));
    }
    return x;
}

stele_tensor *text_states(const stele_inst *self, stele_graph *g, const text_plan *p,
                          const text_tokens *t)
{
    const int64_t width = t->most + 1;
    int64_t *room = t->room;
    const stele_host *h = self->host;
    const text_sequence *c = &self->config->writer;
    const text_extent e = { t->n, width, 0 };
    const stele_shape rows = stele_shape2(t->n * width, self->state);
    for (int64_t i = 0; i < t->n * width; i++) {
        int64_t r = i / width, k = i % width;
        room[i] = k > 0 && k <= t->length[r] ? t->id[r * t->most + k - 1] : BPE_END;
    }
    stele_tensor *x = tokens_before(self, g, index_tensor(h, g, t->n, width, room), t->n, width);
    x = text_unit_enter(self, g, c, &self->writes, &e, x, p->step);
    for (int64_t r = 0; r < t->n; r++) {
        room[r] = t->length[r] + !t->cut[r];
    }
    x = text_unit_apply(self, g, c, &self->writes, &e, x, p->start,
                        index_tensor(h, g, t->n, 0, room), 1);
    return h->ops->reshape(g, x, &rows);
}

int text_targets_init(const stele_ops *ops, stele_graph *g, const text_tokens *t, int64_t width,
                      text_targets *ret)
{
    size_t most = (size_t)(t->n * width);
    ret->n = 0;
    ret->at = ops->scratch(g, (3 * most + 1) * sizeof *ret->at);
    if (ret->at == NULL) {
        return -1;
    }
    ret->text = ret->at + most;
    ret->token = ret->at + 2 * most;
    for (int64_t r = 0; r < t->n; r++) {
        for (int64_t k = 0; k < t->length[r] + !t->cut[r]; k++) {
            ret->at[ret->n] = r * width + k;
            ret->text[ret->n] = r;
            ret->token[ret->n++] = k < t->length[r] ? t->id[r * t->most + k] : BPE_END;
        }
    }
    return 0;
}

stele_tensor *text_own(const stele_inst *self, stele_graph *g, stele_tensor *h, stele_tensor *w,
                       stele_tensor *b, stele_tensor *token)
{
    const stele_ops *ops = self->host->ops;
    const stele_shape column = stele_shape2(self->config->vocab_size, 1);
    stele_tensor *own = ops->sum(g, ops->mul(g, h, ops->embedding(g, w, token)), 1, 1);
    return ops->add(g, own, ops->embedding(g, ops->reshape(g, b, &column), token));
}

/* log softmax(W h + b)[token] summed over the tokens of each text: (texts). h holds a row for each
 * place, (texts * width, state), or one for each text, which all of its tokens then share. */
static stele_tensor *log_p_tokens(const stele_inst *self, stele_graph *g, const text_tokens *t,
                                  int64_t width, const text_targets *to, stele_tensor *h,
                                  int shared, const uint32_t output[2])
{
    const stele_host *host = self->host;
    const stele_ops *ops = host->ops;
    const stele_shape rows = stele_shape2(t->n, width);
    stele_tensor *w = ops->param(g, output[0]), *b = ops->param(g, output[1]), *total;
    stele_tensor *at = index_tensor(host, g, to->n, 0, to->at);
    stele_tensor *from = shared ? index_tensor(host, g, to->n, 0, to->text) : at;
    stele_tensor *token = index_tensor(host, g, to->n, 0, to->token);
    if (shared) {
        total = ops->gather(g, ops->linear_logsumexp(g, h, w, b), from);
        h = ops->gather(g, h, from);
    } else { /* places behind a text's end cost nothing */
        h = ops->gather(g, h, from);
        total = ops->linear_logsumexp(g, h, w, b);
    }
    stele_tensor *own = text_own(self, g, h, w, b, token);
    own = ops->scatter(g, ops->sub(g, own, total), at, t->n * width, 0.0);
    return ops->sum(g, ops->reshape(g, own, &rows), 1, 0);
}

static stele_tensor *log_p(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           const text_tokens *t, const text_targets *to)
{
    const stele_ops *ops = self->host->ops;
    const text_config *c = self->config;
    const int64_t width = t->most + 1;
    text_plan p;
    text_plan_of(self, g, a, &p);
    const uint32_t output[2] = { self->output_weight, self->output_bias };
    if (c->writer.kind == TEXT_BAG) {
        return log_p_tokens(self, g, t, width, to, p.start, 1, output);
    }
    stele_tensor *h = text_states(self, g, &p, t);
    stele_tensor *l = log_p_tokens(self, g, t, width, to, h, 0, output);
    if (c->bag_weight > 0.0 && ops->training(g)) {
        const uint32_t bag[2] = { self->bag_weight, self->bag_bias };
        stele_tensor *words = log_p_tokens(self, g, t, width, to, p.hidden, 1, bag);
        l = ops->add(g, l, ops->scale(g, words, c->bag_weight));
    }
    return l;
}

stele_status text_log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    text_tokens t;
    text_targets to;
    stele_status status = text_tokens_of(self, g, a->target, &t);
    if (status != STELE_OK) {
        return status;
    }
    if (text_targets_init(ops, g, &t, t.most + 1, &to) == 0) {
        *ret_rows = log_p(self, g, a, &t, &to);
    }
    return ops->status(g);
}

stele_status text_factors(const stele_inst *self, stele_graph *g, stele_tensor *x, int64_t *ret_n)
{
    text_tokens t;
    stele_status status = text_tokens_of(self, g, x, &t);
    for (int64_t r = 0; status == STELE_OK && r < t.n; r++) {
        ret_n[r] = t.length[r] + !t.cut[r];
    }
    return status;
}
