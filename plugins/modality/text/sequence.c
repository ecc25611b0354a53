/* States of a sequence of tokens: by a recurrent unit or by self-attention. */
#include "text.h"

stele_status text_unit_build(const stele_inst *self, stele_build *b, const char *name,
                             const text_sequence *c, int64_t most, text_unit *ret)
{
    const stele_host *h = self->host;
    const int64_t embedding = self->config->embedding;
    char part[32], option[32];
    if (c->kind == TEXT_GRU) {
        ret->in = embedding;
        snprintf(part, sizeof part, "%s.gru", name);
        return stele_gru_build(h, b, part, embedding, c->state, &ret->gru);
    }
    ret->in = c->state;
    snprintf(part, sizeof part, "%s.enter", name);
    snprintf(option, sizeof option, "%s.heads", name);
    stele_status status = stele_declare_linear(h, b, part, embedding, c->state, 1.0,
                                               &ret->enter_weight, &ret->enter_bias);
    if (status == STELE_OK) {
        status = stele_declare(h, b, name, "position", stele_shape2(most, c->state),
                               STELE_INIT_NORMAL, 0.1, 1.0, &ret->position);
    }
    return status != STELE_OK ? status
                              : stele_attention_build(h, b, name, option, c->state, c->heads,
                                                      c->layers, &ret->attention);
}

stele_tensor *text_unit_enter(const stele_inst *self, stele_graph *g, const text_sequence *c,
                              const text_unit *u, const text_extent *e, stele_tensor *x,
                              stele_tensor *step)
{
    const stele_ops *ops = self->host->ops;
    if (c->kind == TEXT_ATTENTION) {
        stele_tensor *at =
            ops->slice(g, ops->param(g, u->position), 0, e->first, e->first + e->width);
        x = ops->linear(g, x, ops->param(g, u->enter_weight), ops->param(g, u->enter_bias));
        x = ops->add(g, x, at);
    }
    if (step != NULL) {
        const stele_shape each = { 3, 0, { e->n, 1, u->in, 0, 0, 0 } };
        x = ops->add(g, x, ops->reshape(g, step, &each));
    }
    return x;
}

stele_tensor *text_unit_apply(const stele_inst *self, stele_graph *g, const text_sequence *c,
                              const text_unit *u, const text_extent *e, stele_tensor *x,
                              stele_tensor *start, stele_tensor *lengths, int32_t causal)
{
    const stele_ops *ops = self->host->ops;
    return c->kind == TEXT_GRU
               ? stele_gru_apply(ops, g, &u->gru, x, start, lengths)
               : stele_attention_apply(ops, g, &u->attention, e->n, e->width, x, lengths, causal);
}
