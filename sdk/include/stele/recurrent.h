/* stele/recurrent.h - a gated recurrent unit that encoders and decoders of sequences share. Carries no host symbol:
 * everything goes through the op table.
 */
#ifndef STELE_RECURRENT_H
#define STELE_RECURRENT_H

#include <stele/dense.h>

/* Parameter ids, to be kept in the instance. */
typedef struct stele_gru {
    uint32_t wx, wh, bx, bh;
} stele_gru;

/* Declares "NAME.wx" (in, 3 state), "NAME.wh" (state, 3 state), "NAME.bx" and "NAME.bh" (3 state), uniform within
 * 1/sqrt of the inputs' number, biases 0. [main & new] */
static inline stele_status stele_gru_build(const stele_host *h, stele_build *b, const char *name, int64_t in,
                                           int64_t state, stele_gru *ret)
{
    stele_status status = stele_declare(h, b, name, "wx", stele_shape2(in, 3 * state), STELE_INIT_UNIFORM,
                                        1.0 / sqrt((double)in), 1.0, &ret->wx);
    if (status == STELE_OK) {
        status = stele_declare(h, b, name, "wh", stele_shape2(state, 3 * state), STELE_INIT_UNIFORM,
                               1.0 / sqrt((double)state), 1.0, &ret->wh);
    }
    if (status == STELE_OK) {
        status = stele_declare(h, b, name, "bx", stele_shape1(3 * state), STELE_INIT_ZERO, 0.0, 0.0, &ret->bx);
    }
    return status == STELE_OK
               ? stele_declare(h, b, name, "bh", stele_shape1(3 * state), STELE_INIT_ZERO, 0.0, 0.0, &ret->bh)
               : status;
}

/* All states (B, T, state) for x (B, T, in), from h0 (B, state) or NULL for 0, over lengths (B) or NULL for T; see
 * ops->gru. [compute] */
static inline stele_tensor *stele_gru_apply(const stele_ops *ops, stele_graph *g, const stele_gru *p, stele_tensor *x,
                                            stele_tensor *h0, stele_tensor *lengths)
{
    return ops->gru(g, x, h0, ops->param(g, p->wx), ops->param(g, p->wh), ops->param(g, p->bx), ops->param(g, p->bh),
                    lengths);
}

#endif /* STELE_RECURRENT_H */
