/* stele/ops.h - what the host offers to a plugin that computes: tensor operations with automatic derivatives, vector
 * maths for inner loops, noise.
 *
 * A graph runs every operation at once and remembers it, so that derivatives can be taken afterwards. A NULL input
 * gives a NULL output and the first error sticks to the graph: write the formula straight through and check status()
 * once. Tensors belong to the graph and live as long as it. A graph computes in F32 or in F64 throughout; integer
 * tensors are indices, lengths and tokens and carry no derivative, nor do CSR tensors. Rows are the outermost axis
 * unless stated otherwise. A derivative of exactly 0 passes an elementwise operation as exactly 0, even where the slope
 * is infinite or NaN: what `where` has blocked stays blocked.
 */
#ifndef STELE_OPS_H
#define STELE_OPS_H

#include <stele/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In place of an axis: reduce over all elements to a scalar. Negative axes count from the end (-1 is the last). */
#define STELE_ALL_AXES INT32_MIN

/* Window of a convolution or pooling along each spatial axis (height, width; 1-d uses the second of both). Nothing is
 * filled in: kernel must be that of w, stride, dilation and groups at least 1 (pooling: groups 1), output_padding below
 * stride or dilation. max_pool: no window may lie in the padding as a whole. */
typedef struct stele_window {
    uint64_t struct_size;
    int64_t kernel[2], stride[2], padding[2], dilation[2], output_padding[2]; /* output_padding: transposed only */
    int64_t groups;
} stele_window;

/* An operation written by a plugin. Views show the inputs, the output and the derivatives; d_input entries are NULL
 * where no derivative is wanted and are added to otherwise. `user` is the pointer given to custom(). */
typedef struct stele_custom {
    uint64_t struct_size;
    const char *name; /* for messages */
    /* Fill `out`, (shape given to custom()). [compute; none] */
    stele_status (*forward)(void *user, uint32_t n, const stele_view *const *in, void *out);
    /* Add d loss / d input, given d loss / d output. Optional: NULL means no derivative flows. [compute; none] */
    stele_status (*backward)(void *user, uint32_t n, const stele_view *const *in, const stele_view *out,
                             const void *d_out, void *const *d_in);
} stele_custom;

/* Shapes: B rows, the others named on the spot. "broadcasts" follows NumPy's rule. dtype errors: STELE_E_DTYPE; shape
 * errors: STELE_E_SHAPE, both with a message. */
typedef struct stele_ops {
    uint64_t struct_size;
    /* 0.1 */
    /* --- the graph and its tensors --- */
    stele_status (*status)(const stele_graph *g);                   /* first error so far [compute; none] */
    stele_status (*shape)(const stele_tensor *t, stele_shape *ret); /* [any; none] */
    stele_status (*view)(const stele_tensor *t,
                         stele_view *ret);     /* set ret->struct_size first; values stay the graph's [any; graph] */
    uint32_t (*dtype)(const stele_graph *g);   /* STELE_F32 or STELE_F64 [compute; none] */
    int32_t (*training)(const stele_graph *g); /* 1 while training: dropout is on, add noise then [compute; none] */
    stele_tensor *(*param)(stele_graph *g,
                           uint32_t id); /* parameter, buffer or frozen tensor of this instance [compute; graph] */
    stele_tensor *(*full)(stele_graph *g, const stele_shape *s, double value); /* [compute; graph] */
    stele_tensor *(*constant)(stele_graph *g, uint32_t dtype, const stele_shape *s,
                              const void *data);                                   /* copies [compute; graph] */
    stele_tensor *(*noise)(stele_graph *g, const stele_shape *s, uint32_t stream); /* N(0,1); row b depends on the data
        row it stands for, on seed, step and stream only [compute; graph] */
    /* Floats of the graph's dtype from integers, or the reverse (truncation), CSR too; no derivative. To its own dtype:
     * the same tensor. [compute; graph] */
    stele_tensor *(*cast)(stele_graph *g, stele_tensor *a, uint32_t dtype);
    /* --- elementwise, two inputs, broadcasts --- */
    stele_tensor *(*add)(stele_graph *g, stele_tensor *a, stele_tensor *b); /* [compute; graph] */
    stele_tensor *(*sub)(stele_graph *g, stele_tensor *a, stele_tensor *b); /* [compute; graph] */
    stele_tensor *(*mul)(stele_graph *g, stele_tensor *a,
                         stele_tensor *b); /* CSR a: b (B, 1), detached [compute; graph] */
    stele_tensor *(*div)(stele_graph *g, stele_tensor *a, stele_tensor *b); /* [compute; graph] */
    stele_tensor *(*maximum)(stele_graph *g, stele_tensor *a,
                             stele_tensor *b); /* ties: derivative to a [compute; graph] */
    stele_tensor *(*minimum)(stele_graph *g, stele_tensor *a,
                             stele_tensor *b); /* ties: derivative to a [compute; graph] */
    stele_tensor *(*less)(stele_graph *g, stele_tensor *a,
                          stele_tensor *b); /* 1 or 0, no derivative [compute; graph] */
    stele_tensor *(*where)(stele_graph *g, stele_tensor *cond, stele_tensor *yes, stele_tensor *no); /* cond
        of any dtype: not 0; what is not chosen has no influence, NaN and infinity included, and gets a derivative of
        exactly 0 [compute; graph] */
    /* --- elementwise, one input. log1p, sign, sqrt, square, scale and dropout keep a CSR input CSR --- */
    stele_tensor *(*scale)(stele_graph *g, stele_tensor *a, double factor); /* [compute; graph] */
    stele_tensor *(*shift)(stele_graph *g, stele_tensor *a, double term);   /* [compute; graph] */
    stele_tensor *(*exp)(stele_graph *g, stele_tensor *a);                  /* [compute; graph] */
    stele_tensor *(*expm1)(stele_graph *g, stele_tensor *a);                /* [compute; graph] */
    stele_tensor *(*log)(stele_graph *g, stele_tensor *a);                  /* [compute; graph] */
    stele_tensor *(*log1p)(stele_graph *g, stele_tensor *a);                /* [compute; graph] */
    stele_tensor *(*sign)(stele_graph *g, stele_tensor *a);     /* -1, 0 or 1, no derivative [compute; graph] */
    stele_tensor *(*sqrt)(stele_graph *g, stele_tensor *a);     /* [compute; graph] */
    stele_tensor *(*square)(stele_graph *g, stele_tensor *a);   /* [compute; graph] */
    stele_tensor *(*abs)(stele_graph *g, stele_tensor *a);      /* derivative 0 at 0 [compute; graph] */
    stele_tensor *(*sin)(stele_graph *g, stele_tensor *a);      /* [compute; graph] */
    stele_tensor *(*cos)(stele_graph *g, stele_tensor *a);      /* [compute; graph] */
    stele_tensor *(*lgamma)(stele_graph *g, stele_tensor *a);   /* a > 0 [compute; graph] */
    stele_tensor *(*tanh)(stele_graph *g, stele_tensor *a);     /* [compute; graph] */
    stele_tensor *(*sigmoid)(stele_graph *g, stele_tensor *a);  /* [compute; graph] */
    stele_tensor *(*softplus)(stele_graph *g, stele_tensor *a); /* log(1 + exp(a)) [compute; graph] */
    stele_tensor *(*relu)(stele_graph *g, stele_tensor *a);     /* derivative 0 at 0 [compute; graph] */
    stele_tensor *(*leaky_relu)(stele_graph *g, stele_tensor *a, double slope); /* [compute; graph] */
    stele_tensor *(*gelu)(stele_graph *g, stele_tensor *a); /* a * Phi(a), with erf [compute; graph] */
    stele_tensor *(*silu)(stele_graph *g, stele_tensor *a); /* a * sigmoid(a) [compute; graph] */
    stele_tensor *(*clamp)(stele_graph *g, stele_tensor *a, double lo,
                           double hi);                        /* derivative 0 outside [compute; graph] */
    stele_tensor *(*is_nan)(stele_graph *g, stele_tensor *a); /* 1 or 0, no derivative [compute; graph] */
    stele_tensor *(*dropout)(stele_graph *g, stele_tensor *a, double rate, int32_t vary, uint32_t stream); /* elements
        become 0 with probability rate, the others grow by 1 / (1 - rate); identity unless training. vary 1: every row
        draws a rate of its own, uniform in (0, 2 rate), at most 0.95 [compute; graph] */
    /* --- reductions; keep 1 leaves an axis of extent 1; axis STELE_ALL_AXES gives a scalar --- */
    stele_tensor *(*sum)(stele_graph *g, stele_tensor *a, int32_t axis,
                         int32_t keep); /* CSR: axis 1 [compute; graph] */
    stele_tensor *(*mean)(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep); /* [compute; graph] */
    stele_tensor *(*max)(stele_graph *g, stele_tensor *a, int32_t axis,
                         int32_t keep); /* ties: first [compute; graph] */
    stele_tensor *(*logsumexp)(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep); /* -inf entries carry no
        weight; all -inf gives -inf with derivative 0 [compute; graph] */
    stele_tensor *(*softmax)(stele_graph *g, stele_tensor *a, int32_t axis);                 /* [compute; graph] */
    stele_tensor *(*log_softmax)(stele_graph *g, stele_tensor *a, int32_t axis);             /* [compute; graph] */
    /* --- products --- */
    stele_tensor *(*linear)(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias); /* x (..., in) or CSR
        (B, in); w (in, out); bias (out) or NULL; gives (..., out) [compute; graph] */
    /* log sum_j exp(x w_j + bias_j) over all features j of a wide output layer, which is never held as a whole: the
     * normaliser of softmax rates. x (B, H); w (features, H) and bias (features) or NULL, as stele_output has them;
     * gives (B, 1). [compute; graph] */
    stele_tensor *(*linear_logsumexp)(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias);
    stele_tensor *(*matmul)(stele_graph *g, stele_tensor *a, stele_tensor *b, int32_t transpose_a, int32_t transpose_b);
    /* (..., n, k) by (..., k, m), equal leading axes or none on b [compute; graph] */
    /* --- shape and selection --- */
    stele_tensor *(*reshape)(stele_graph *g, stele_tensor *a, const stele_shape *s); /* [compute; graph] */
    stele_tensor *(*permute)(stele_graph *g, stele_tensor *a, const uint32_t *axes); /* ndim axes [compute; graph] */
    stele_tensor *(*expand)(stele_graph *g, stele_tensor *a,
                            const stele_shape *s); /* broadcast to s [compute; graph] */
    stele_tensor *(*concat)(stele_graph *g, uint32_t n, stele_tensor *const *a, int32_t axis); /* [compute; graph] */
    stele_tensor *(*slice)(stele_graph *g, stele_tensor *a, int32_t axis, int64_t begin,
                           int64_t end);                                           /* [compute; graph] */
    stele_tensor *(*gather)(stele_graph *g, stele_tensor *a, stele_tensor *index); /* rows of a (also CSR) named by
        index (n) I64, repeats allowed [compute; graph] */
    stele_tensor *(*scatter)(stele_graph *g, stele_tensor *a, stele_tensor *index, int64_t n_rows, double fill); /* row
        i of a becomes row index[i] of the output, distinct; other rows hold fill [compute; graph] */
    stele_tensor *(*embedding)(stele_graph *g, stele_tensor *table, stele_tensor *index); /* table (V, E), index any
        shape I32 or I64; gives (..., E) [compute; graph] */
    /* --- normalisation and sequences. Layouts: signals (B, C, T), images (B, C, H, W), sequences (B, T, C) --- */
    stele_tensor *(*layer_norm)(stele_graph *g, stele_tensor *a, stele_tensor *gain, stele_tensor *bias, double eps);
    /* over the last axis; gain and bias (C) or NULL [compute; graph] */
    stele_tensor *(*conv1d)(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                            const stele_window *p);
    /* w (out, in / groups, K) [compute; graph] */
    stele_tensor *(*conv2d)(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                            const stele_window *p);
    /* w (out, in / groups, KH, KW) [compute; graph] */
    stele_tensor *(*conv1d_transpose)(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                                      const stele_window *p); /* w (in, out / groups, K) [compute; graph] */
    stele_tensor *(*conv2d_transpose)(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                                      const stele_window *p); /* w (in, out / groups, KH, KW) [compute; graph] */
    stele_tensor *(*max_pool)(stele_graph *g, stele_tensor *x, const stele_window *p); /* last axis of a (B, C, T), last
        two of a (B, C, H, W) [compute; graph] */
    stele_tensor *(*mean_pool)(stele_graph *g, stele_tensor *x,
                               const stele_window *p); /* padding counts as 0 [compute; graph] */
    stele_tensor *(*gru)(stele_graph *g, stele_tensor *x, stele_tensor *h0, stele_tensor *wx, stele_tensor *wh,
                         stele_tensor *bx, stele_tensor *bh, stele_tensor *lengths); /* x (B, T, I), h0 (B, H) or NULL,
        wx (I, 3H), wh (H, 3H), biases (3H), gates in the order reset, update, new (Cho et al. 2014, reset after the
        product); lengths (B) I64 in [0, T] or NULL; gives (B, T, H), the last state repeated beyond a row's length
        [compute; graph] */
    stele_tensor *(*attention)(stele_graph *g, stele_tensor *q, stele_tensor *k, stele_tensor *v, stele_tensor *lengths,
                               int32_t causal); /* q (B, A, T, E), k and v (B, A, S, E) with A heads; scores divided by
        sqrt(E); keys at or beyond lengths (B) I64 in [0, S] or NULL are left out; causal: key s <= query t; a query
        without keys gives 0 [compute; graph] */
    /* --- derivatives --- */
    stele_tensor *(*detach)(stele_graph *g, stele_tensor *a); /* same values, no derivative [compute; graph] */
    stele_tensor *(*scale_gradient)(stele_graph *g, stele_tensor *a, double factor); /* same values, derivative times
        factor; -1 reverses it (Ganin and Lempitsky 2015) [compute; graph] */
    stele_tensor *(*custom)(stele_graph *g, const stele_custom *op, void *user, uint32_t n, stele_tensor *const *in,
                            const stele_shape *out); /* `user` must live as long as the graph [compute; graph] */
    /* --- distributions of latents; *_rows have the shape of the variable without its last axis. log_prob and kl
     * broadcast, so that a prior may be (D) --- */
    stele_status (*rsample)(stele_graph *g, const stele_dist *d, uint32_t stream,
                            stele_tensor **ret); /* [compute; graph] */
    stele_status (*log_prob)(stele_graph *g, const stele_dist *d, stele_tensor *x,
                             stele_tensor **ret_rows); /* [compute; graph] */
    stele_status (*kl)(stele_graph *g, const stele_dist *q, const stele_dist *p, stele_tensor **ret_rows); /* closed
        form: same family [compute; graph] */
    /* 0.2 */
    void *(*scratch)(stele_graph *g, uint64_t bytes); /* memory for the length of the pass, for any type, not cleared:
        passes that have come into their stride take none from the system; NULL: there is none [compute; graph] */
    /* append only below this line */
} stele_ops;

/* Vector maths for inner loops of likelihoods: y[i] = f(x[i]) for n elements of dtype F32 or F64, any alignment, in
 * place allowed. Accurate to a few units in the last place. All [any]. */
typedef struct stele_vec {
    uint64_t struct_size;
    /* 0.1 */
    void (*exp)(uint32_t dtype, size_t n, const void *x, void *y);   /* [any; none] */
    void (*log)(uint32_t dtype, size_t n, const void *x, void *y);   /* [any; none] */
    void (*log1p)(uint32_t dtype, size_t n, const void *x, void *y); /* [any; none] */
    void (*tanh)(uint32_t dtype, size_t n, const void *x, void *y);  /* [any; none] */
    /* Both log(1 + exp(x)) and its derivative 1 / (1 + exp(-x)), without overflow. [any; none] */
    void (*softplus)(uint32_t dtype, size_t n, const void *x, void *softplus, void *sigmoid);
    void (*lgamma)(uint32_t dtype, size_t n, const void *x, void *y);  /* x > 0 [any; none] */
    void (*digamma)(uint32_t dtype, size_t n, const void *x, void *y); /* x > 0 [any; none] */
    /* The sum of log(1 + exp(t)) over t = x[i] + shift, in double, and its derivative times `scale`: y[i] = scale /
     * (1 + exp(-t)); y NULL: the sum alone. Much cheaper than softplus and a sum: one logarithm serves many elements.
     * Error below 4 units in the last place of max(1, sum). The bits depend on the elements and n alone. [any; none] */
    double (*softplus_sum)(uint32_t dtype, size_t n, const void *x, double shift, double scale, void *y);
    /* y = a log(1 + exp(t)), t = x + shift - log_a, with its derivatives dx towards x and da towards log_a; log_a is
     * the logarithm of a. y goes to exp(x + shift) as a grows, da to 0 without cancellation. [any; none] */
    void (*scaled_softplus)(uint32_t dtype, size_t n, const void *x, double shift, const void *log_a, const void *a,
                            void *y, void *dx, void *da);
    /* The rising factorial over a power, y = log(Gamma(a + x) / (Gamma(a) a^x)) for x >= 0, a > 0, and its derivative
     * dy towards log a (may be NULL); both go to 0 as a grows, nothing cancels. Error below 20 units in the last place
     * of max(1, x, |y|). For a = 1, log(x!). [any; none] */
    void (*rising)(uint32_t dtype, size_t n, const void *x, const void *a, void *y, void *dy);
    /* append only below this line */
} stele_vec;

#ifdef __cplusplus
}
#endif

#endif /* STELE_OPS_H */
