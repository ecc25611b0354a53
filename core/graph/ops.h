/* ops.h - the operations themselves, as stele_ops (stele/ops.h) documents them: stele__op_NAME is
 * its slot NAME. Code of the core may call them directly. */
#ifndef STELE_GRAPH_OPS_H
#define STELE_GRAPH_OPS_H

#include "graph/op.h"

/* The table handed to plugins. */
extern const stele_ops stele__ops;

stele_status stele__op_status(const stele_graph *g);
stele_status stele__op_shape(const stele_tensor *t, stele_shape *ret);
stele_status stele__op_view(const stele_tensor *t, stele_view *ret);
uint32_t stele__op_dtype(const stele_graph *g);
int32_t stele__op_training(const stele_graph *g);
stele_tensor *stele__op_param(stele_graph *g, uint32_t id);
stele_tensor *stele__op_full(stele_graph *g, const stele_shape *s, double value);
stele_tensor *stele__op_constant(stele_graph *g, uint32_t dtype, const stele_shape *s,
                                 const void *data);
stele_tensor *stele__op_noise(stele_graph *g, const stele_shape *s, uint32_t stream);
/* Uniform inside (0, 1), addressed as noise is; not a slot. */
stele_tensor *stele__op_uniform(stele_graph *g, const stele_shape *s, uint32_t stream);
stele_tensor *stele__op_cast(stele_graph *g, stele_tensor *a, uint32_t dtype);
stele_tensor *stele__op_add(stele_graph *g, stele_tensor *a, stele_tensor *b);
stele_tensor *stele__op_sub(stele_graph *g, stele_tensor *a, stele_tensor *b);
stele_tensor *stele__op_mul(stele_graph *g, stele_tensor *a, stele_tensor *b);
stele_tensor *stele__op_div(stele_graph *g, stele_tensor *a, stele_tensor *b);
stele_tensor *stele__op_maximum(stele_graph *g, stele_tensor *a, stele_tensor *b);
stele_tensor *stele__op_minimum(stele_graph *g, stele_tensor *a, stele_tensor *b);
stele_tensor *stele__op_less(stele_graph *g, stele_tensor *a, stele_tensor *b);
stele_tensor *stele__op_where(stele_graph *g, stele_tensor *cond, stele_tensor *yes,
                              stele_tensor *no);
stele_tensor *stele__op_scale(stele_graph *g, stele_tensor *a, double factor);
stele_tensor *stele__op_shift(stele_graph *g, stele_tensor *a, double term);
stele_tensor *stele__op_exp(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_expm1(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_log(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_log1p(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_sign(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_sqrt(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_square(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_abs(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_sin(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_cos(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_lgamma(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_tanh(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_sigmoid(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_softplus(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_relu(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_leaky_relu(stele_graph *g, stele_tensor *a, double slope);
stele_tensor *stele__op_gelu(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_silu(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_clamp(stele_graph *g, stele_tensor *a, double lo, double hi);
stele_tensor *stele__op_is_nan(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_dropout(stele_graph *g, stele_tensor *a, double rate, int32_t vary,
                                uint32_t stream);
stele_tensor *stele__op_sum(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep);
stele_tensor *stele__op_mean(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep);
stele_tensor *stele__op_max(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep);
stele_tensor *stele__op_logsumexp(stele_graph *g, stele_tensor *a, int32_t axis, int32_t keep);
stele_tensor *stele__op_softmax(stele_graph *g, stele_tensor *a, int32_t axis);
stele_tensor *stele__op_log_softmax(stele_graph *g, stele_tensor *a, int32_t axis);
stele_tensor *stele__op_linear(stele_graph *g, stele_tensor *x, stele_tensor *w,
                               stele_tensor *bias);
stele_tensor *stele__op_linear_logsumexp(stele_graph *g, stele_tensor *x, stele_tensor *w,
                                         stele_tensor *bias);
stele_tensor *stele__op_matmul(stele_graph *g, stele_tensor *a, stele_tensor *b,
                               int32_t transpose_a, int32_t transpose_b);
stele_tensor *stele__op_reshape(stele_graph *g, stele_tensor *a, const stele_shape *s);
stele_tensor *stele__op_permute(stele_graph *g, stele_tensor *a, const uint32_t *axes);
stele_tensor *stele__op_expand(stele_graph *g, stele_tensor *a, const stele_shape *s);
stele_tensor *stele__op_concat(stele_graph *g, uint32_t n, stele_tensor *const *a, int32_t axis);
stele_tensor *stele__op_slice(stele_graph *g, stele_tensor *a, int32_t axis, int64_t begin,
                              int64_t end);
stele_tensor *stele__op_gather(stele_graph *g, stele_tensor *a, stele_tensor *index);
stele_tensor *stele__op_scatter(stele_graph *g, stele_tensor *a, stele_tensor *index,
                                int64_t n_rows, double fill);
stele_tensor *stele__op_embedding(stele_graph *g, stele_tensor *table, stele_tensor *index);
stele_tensor *stele__op_layer_norm(stele_graph *g, stele_tensor *a, stele_tensor *gain,
                                   stele_tensor *bias, double eps);
stele_tensor *stele__op_conv1d(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                               const stele_window *p);
stele_tensor *stele__op_conv2d(stele_graph *g, stele_tensor *x, stele_tensor *w, stele_tensor *bias,
                               const stele_window *p);
stele_tensor *stele__op_conv1d_transpose(stele_graph *g, stele_tensor *x, stele_tensor *w,
                                         stele_tensor *bias, const stele_window *p);
stele_tensor *stele__op_conv2d_transpose(stele_graph *g, stele_tensor *x, stele_tensor *w,
                                         stele_tensor *bias, const stele_window *p);
stele_tensor *stele__op_max_pool(stele_graph *g, stele_tensor *x, const stele_window *p);
stele_tensor *stele__op_mean_pool(stele_graph *g, stele_tensor *x, const stele_window *p);
stele_tensor *stele__op_gru(stele_graph *g, stele_tensor *x, stele_tensor *h0, stele_tensor *wx,
                            stele_tensor *wh, stele_tensor *bx, stele_tensor *bh,
                            stele_tensor *lengths);
stele_tensor *stele__op_attention(stele_graph *g, stele_tensor *q, stele_tensor *k, stele_tensor *v,
                                  stele_tensor *lengths, int32_t causal);
stele_tensor *stele__op_detach(stele_graph *g, stele_tensor *a);
stele_tensor *stele__op_scale_gradient(stele_graph *g, stele_tensor *a, double factor);
stele_tensor *stele__op_custom(stele_graph *g, const stele_custom *op, void *user, uint32_t n,
                               stele_tensor *const *in, const stele_shape *out);
stele_status stele__op_rsample(stele_graph *g, const stele_dist *d, uint32_t stream,
                               stele_tensor **ret);
stele_status stele__op_log_prob(stele_graph *g, const stele_dist *d, stele_tensor *x,
                                stele_tensor **ret_rows);
stele_status stele__op_kl(stele_graph *g, const stele_dist *q, const stele_dist *p,
                          stele_tensor **ret_rows);
void *stele__op_scratch(stele_graph *g, uint64_t bytes);

#endif
