/* stele/attention.h - blocks of self-attention that encoders and decoders of sequences share (Vaswani et al. 2017, with
 * the norm before each part: Xiong et al. 2020). Carries no host symbol: everything goes through the op table.
 *
 *     x += W_o attention(norm(x)),   x += W_2 gelu(W_1 norm(x)),   after the last block x = norm(x)
 */
#ifndef STELE_ATTENTION_H
#define STELE_ATTENTION_H

#include <stele/dense.h>

#define STELE_ATTENTION_MAX 12
/* Hidden units of W_1 for each feature of x. */
#define STELE_ATTENTION_WIDER 4

/* Parameter ids of one block. */
typedef struct stele_attention_block {
    uint32_t gain[2], shift[2]; /* norms before attention and before W_1 */
    uint32_t in_weight, in_bias, out_weight, out_bias, wide_weight, wide_bias, narrow_weight, narrow_bias;
} stele_attention_block;

/* A built stack, to be kept in the instance. */
typedef struct stele_attention {
    int64_t width, heads;
    uint32_t n, gain, shift; /* blocks; the last norm */
    stele_attention_block block[STELE_ATTENTION_MAX];
} stele_attention;

static inline stele_status stele_attention_norm_build(const stele_host *h, stele_build *b, const char *prefix,
                                                      const char *gain, const char *shift, int64_t width,
                                                      uint32_t *ret_gain, uint32_t *ret_shift)
{
    stele_status status =
        stele_declare(h, b, prefix, gain, stele_shape1(width), STELE_INIT_CONSTANT, 1.0, 0.0, ret_gain);
    return status == STELE_OK
               ? stele_declare(h, b, prefix, shift, stele_shape1(width), STELE_INIT_ZERO, 0.0, 0.0, ret_shift)
               : status;
}

/* W_o and W_2 start smaller the more blocks there are, so that x keeps its size (Radford et al. 2019). */
static inline stele_status stele_attention_block_build(const stele_host *h, stele_build *b, const char *prefix,
                                                       const stele_attention *a, stele_attention_block *ret)
{
    const int64_t w = a->width, wide = STELE_ATTENTION_WIDER * w;
    const double less = 1.0 / sqrt(2.0 * (double)a->n);
    const struct {
        const char *weight, *bias;
        int64_t in, out;
        double factor;
        uint32_t *id[2];
    } part[4] = { { "in.weight", "in.bias", w, 3 * w, 1.0, { &ret->in_weight, &ret->in_bias } },
                  { "out.weight", "out.bias", w, w, less, { &ret->out_weight, &ret->out_bias } },
                  { "wide.weight", "wide.bias", w, wide, 1.0, { &ret->wide_weight, &ret->wide_bias } },
                  { "narrow.weight", "narrow.bias", wide, w, less, { &ret->narrow_weight, &ret->narrow_bias } } };
    stele_status status = stele_attention_norm_build(h, b, prefix, "gain0", "shift0", w, &ret->gain[0], &ret->shift[0]);
    if (status == STELE_OK) {
        status = stele_attention_norm_build(h, b, prefix, "gain1", "shift1", w, &ret->gain[1], &ret->shift[1]);
    }
    for (int i = 0; i < 4 && status == STELE_OK; i++) {
        status = stele_declare(h, b, prefix, part[i].weight, stele_shape2(part[i].in, part[i].out), STELE_INIT_UNIFORM,
                               part[i].factor / sqrt((double)part[i].in), 1.0, part[i].id[0]);
        if (status == STELE_OK) {
            status = stele_declare(h, b, prefix, part[i].bias, stele_shape1(part[i].out), STELE_INIT_ZERO, 0.0, 0.0,
                                   part[i].id[1]);
        }
    }
    return status;
}

/* Declares "NAME.block0.in.weight" and so on for `blocks` blocks of `width` features in `heads` heads; what is said of
 * a width that the heads do not divide begins with `option`. [main & new] */
static inline stele_status stele_attention_build(const stele_host *h, stele_build *b, const char *name,
                                                 const char *option, int64_t width, int64_t heads, int64_t blocks,
                                                 stele_attention *ret)
{
    if (blocks < 1 || blocks > STELE_ATTENTION_MAX || heads < 1 || width % heads != 0) {
        return STELE_FAIL(h, STELE_E_OPTION, "%s: %lld features cannot be divided among %lld heads", option,
                          (long long)width, (long long)heads);
    }
    ret->width = width;
    ret->heads = heads;
    ret->n = (uint32_t)blocks;
    stele_status status = stele_attention_norm_build(h, b, name, "gain", "shift", width, &ret->gain, &ret->shift);
    for (uint32_t i = 0; i < ret->n && status == STELE_OK; i++) {
        char prefix[80];
        snprintf(prefix, sizeof prefix, "%s.block%u", name, i);
        status = stele_attention_block_build(h, b, prefix, ret, &ret->block[i]);
    }
    return status;
}

/* Queries, keys and values of a block beside each other: (..., width) -> (..., 3 width). [compute] */
static inline stele_tensor *stele_attention_in(const stele_ops *ops, stele_graph *g, const stele_attention_block *k,
                                               stele_tensor *x)
{
    x = ops->layer_norm(g, x, ops->param(g, k->gain[0]), ops->param(g, k->shift[0]), 1e-5);
    return ops->linear(g, x, ops->param(g, k->in_weight), ops->param(g, k->in_bias));
}

/* The rest of a block, given what its heads made of the values, (..., width). [compute] */
static inline stele_tensor *stele_attention_out(const stele_ops *ops, stele_graph *g, const stele_attention_block *k,
                                                stele_tensor *x, stele_tensor *seen)
{
    x = ops->add(g, x, ops->linear(g, seen, ops->param(g, k->out_weight), ops->param(g, k->out_bias)));
    stele_tensor *f = ops->layer_norm(g, x, ops->param(g, k->gain[1]), ops->param(g, k->shift[1]), 1e-5);
    f = ops->gelu(g, ops->linear(g, f, ops->param(g, k->wide_weight), ops->param(g, k->wide_bias)));
    return ops->add(g, x, ops->linear(g, f, ops->param(g, k->narrow_weight), ops->param(g, k->narrow_bias)));
}

static inline stele_tensor *stele_attention_end(const stele_ops *ops, stele_graph *g, const stele_attention *a,
                                                stele_tensor *x)
{
    return ops->layer_norm(g, x, ops->param(g, a->gain), ops->param(g, a->shift), 1e-5);
}

/* x (rows, time, width) -> the same. Positions at or beyond lengths (rows), or NULL, are seen by none; causal: a
 * position sees itself and those before. [compute] */
static inline stele_tensor *stele_attention_apply(const stele_ops *ops, stele_graph *g, const stele_attention *a,
                                                  int64_t rows, int64_t time, stele_tensor *x, stele_tensor *lengths,
                                                  int32_t causal)
{
    static const uint32_t swap[] = { 0, 2, 1, 3 };
    const stele_shape whole = { 3, 0, { rows, time, a->width, 0, 0, 0 } };
    const stele_shape apart = { 4, 0, { rows, time, a->heads, a->width / a->heads, 0, 0 } };
    for (uint32_t i = 0; i < a->n; i++) {
        stele_tensor *in = stele_attention_in(ops, g, &a->block[i], x), *part[3];
        for (int64_t k = 0; k < 3; k++) {
            part[k] = ops->slice(g, in, 2, k * a->width, (k + 1) * a->width);
            part[k] = ops->permute(g, ops->reshape(g, part[k], &apart), swap);
        }
        stele_tensor *seen = ops->attention(g, part[0], part[1], part[2], lengths, causal);
        seen = ops->reshape(g, ops->permute(g, seen, swap), &whole);
        x = stele_attention_out(ops, g, &a->block[i], x, seen);
    }
    return stele_attention_end(ops, g, a, x);
}

#endif /* STELE_ATTENTION_H */
