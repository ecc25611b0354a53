/* Host tables whose n-th call fails. One line for every service; ops.c's order. */
#include "faults.h"

#include "graph/op.h"
#include "graph/ops.h"

#include <string.h>

static int64_t left = -1, count;
static const char *fired;

static int fails(const char *name)
{
    count++;
    if (left < 0 || left-- != 0) {
        return 0;
    }
    fired = name;
    return 1;
}

/* Services that give a tensor fail as the core's own do: the error sticks to the graph. */
#define TENSOR(name_, params_, args_)                                                                                  \
    static stele_tensor *w_##name_ params_                                                                             \
    {                                                                                                                  \
        return fails(#name_) ? stele__op_fail(g, STELE_E_NOMEM, #name_ ": made to fail") : stele__ops.name_ args_;     \
    }
#define GRAPH(name_, params_, args_)                                                                                   \
    static stele_status w_##name_ params_                                                                              \
    {                                                                                                                  \
        if (fails(#name_)) {                                                                                           \
            stele__op_fail(g, STELE_E_NOMEM, #name_ ": made to fail");                                                 \
            return STELE_E_NOMEM;                                                                                      \
        }                                                                                                              \
        return stele__ops.name_ args_;                                                                                 \
    }
#define PLAIN(name_, params_, args_)                                                                                   \
    static stele_status w_##name_ params_                                                                              \
    {                                                                                                                  \
        return fails(#name_) ? STELE_E_NOMEM : stele__ops.name_ args_;                                                 \
    }

PLAIN(shape, (const stele_tensor *t, stele_shape *ret), (t, ret))
PLAIN(view, (const stele_tensor *t, stele_view *ret), (t, ret))
TENSOR(param, (stele_graph * g, uint32_t id), (g, id))
TENSOR(full, (stele_graph * g, const stele_shape *s, double value), (g, s, value))
TENSOR(constant, (stele_graph * g, uint32_t dtype, const stele_shape *s, const void *data), (g, dtype, s, data))
TENSOR(noise, (stele_graph * g, const stele_shape *s, uint32_t stream), (g, s, stream))
TENSOR(cast, (stele_graph * g, stele_tensor *a, uint32_t dtype), (g, a, dtype))
TENSOR(add, (stele_graph * g, stele_tensor *a, stele_tensor *b), (g, a, b))
TENSOR(sub, (stele_graph * g, stele_tensor *a, stele_tensor *b), (g, a, b))
TENSOR(mul, (stele_graph * g, stele_tensor *a, stele_tensor *b), (g, a, b))
TENSOR(div, (stele_graph * g, stele_tensor *a, stele_tensor *b), (g, a, b))
TENSOR(maximum, (stele_graph * g, stele_tensor *a, stele_tensor *b), (g, a, b))
TENSOR(minimum, (stele_graph * g, stele_tensor *a, stele_tensor *b), (g, a, b))
TENSOR(less, (stele_graph * g, stele_tensor *a, stele_tensor *b), (g, a, b))
TENSOR(where, (stele_graph * g, stele_tensor *cond, stele_tensor *yes, stele_tensor *no), (g, cond, yes, no))
TENSOR(scale, (stele_graph * g, stele_tensor *a, double factor), (g, a, factor))
TENSOR(shift, (stele_graph * g, stele_tensor *a, double term), (g, a, term))
TENSOR(exp, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(expm1, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(log, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(log1p, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(sign, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(sqrt, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(square, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(abs, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(sin, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(cos, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(lgamma, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(tanh, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(sigmoid, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(softplus, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(relu, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(leaky_relu, (stele_graph * g, stele_tensor *a, double slope), (g, a, slope))
TENSOR(gelu, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(silu, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(clamp, (stele_graph * g, stele_tensor *a, double lo, double hi), (g, a, lo, hi))
TENSOR(is_nan, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(dropout, (stele_graph * g, stele_tensor *a, double rate, int32_t vary, uint32_t stream),
       (g, a, rate, vary, stream))
TENSOR(sum, (stele_graph * g, stele_tensor *a, int32_t axis, int32_t keep), (g, a, axis, keep))
TENSOR(mean, (stele_graph * g, stele_tensor *a, int32_t axis, int32_t keep), (g, a, axis, keep))
TENSOR(max, (stele_graph * g, stele_tensor *a, int32_t axis, int32_t keep), (g, a, axis, keep))
TENSOR(logsumexp, (stele_graph * g, stele_tensor *a, int32_t axis, int32_t keep), (g, a, axis, keep))
TENSOR(softmax, (stele_graph * g, stele_tensor *a, int32_t axis), (g, a, axis))
TENSOR(log_softmax, (stele_graph * g, stele_tensor *a, int32_t axis), (g, a, axis))
TENSOR(linear, (stele_graph * g, stele_tensor *x, stele_tensor *w, stele_tensor *bias), (g, x, w, bias))
TENSOR(linear_logsumexp, (stele_graph * g, stele_tensor *x, stele_tensor *w, stele_tensor *bias), (g, x, w, bias))
TENSOR(matmul, (stele_graph * g, stele_tensor *a, stele_tensor *b, int32_t transpose_a, int32_t transpose_b),
       (g, a, b, transpose_a, transpose_b))
TENSOR(reshape, (stele_graph * g, stele_tensor *a, const stele_shape *s), (g, a, s))
TENSOR(permute, (stele_graph * g, stele_tensor *a, const uint32_t *axes), (g, a, axes))
TENSOR(expand, (stele_graph * g, stele_tensor *a, const stele_shape *s), (g, a, s))
TENSOR(concat, (stele_graph * g, uint32_t n, stele_tensor *const *a, int32_t axis), (g, n, a, axis))
TENSOR(slice, (stele_graph * g, stele_tensor *a, int32_t axis, int64_t begin, int64_t end), (g, a, axis, begin, end))
TENSOR(gather, (stele_graph * g, stele_tensor *a, stele_tensor *index), (g, a, index))
TENSOR(scatter, (stele_graph * g, stele_tensor *a, stele_tensor *index, int64_t n_rows, double fill),
       (g, a, index, n_rows, fill))
TENSOR(embedding, (stele_graph * g, stele_tensor *table, stele_tensor *index), (g, table, index))
TENSOR(layer_norm, (stele_graph * g, stele_tensor *a, stele_tensor *gain, stele_tensor *bias, double eps),
       (g, a, gain, bias, eps))
TENSOR(conv1d, (stele_graph * g, stele_tensor *x, stele_tensor *w, stele_tensor *bias, const stele_window *p),
       (g, x, w, bias, p))
TENSOR(conv2d, (stele_graph * g, stele_tensor *x, stele_tensor *w, stele_tensor *bias, const stele_window *p),
       (g, x, w, bias, p))
TENSOR(conv1d_transpose, (stele_graph * g, stele_tensor *x, stele_tensor *w, stele_tensor *bias, const stele_window *p),
       (g, x, w, bias, p))
TENSOR(conv2d_transpose, (stele_graph * g, stele_tensor *x, stele_tensor *w, stele_tensor *bias, const stele_window *p),
       (g, x, w, bias, p))
TENSOR(max_pool, (stele_graph * g, stele_tensor *x, const stele_window *p), (g, x, p))
TENSOR(mean_pool, (stele_graph * g, stele_tensor *x, const stele_window *p), (g, x, p))
TENSOR(gru,
       (stele_graph * g, stele_tensor *x, stele_tensor *h0, stele_tensor *wx, stele_tensor *wh, stele_tensor *bx,
        stele_tensor *bh, stele_tensor *lengths),
       (g, x, h0, wx, wh, bx, bh, lengths))
TENSOR(attention,
       (stele_graph * g, stele_tensor *q, stele_tensor *k, stele_tensor *v, stele_tensor *lengths, int32_t causal),
       (g, q, k, v, lengths, causal))
TENSOR(detach, (stele_graph * g, stele_tensor *a), (g, a))
TENSOR(scale_gradient, (stele_graph * g, stele_tensor *a, double factor), (g, a, factor))
TENSOR(custom,
       (stele_graph * g, const stele_custom *op, void *user, uint32_t n, stele_tensor *const *in,
        const stele_shape *out),
       (g, op, user, n, in, out))
GRAPH(rsample, (stele_graph * g, const stele_dist *d, uint32_t stream, stele_tensor **ret), (g, d, stream, ret))
GRAPH(log_prob, (stele_graph * g, const stele_dist *d, stele_tensor *x, stele_tensor **ret_rows), (g, d, x, ret_rows))
GRAPH(kl, (stele_graph * g, const stele_dist *q, const stele_dist *p, stele_tensor **ret_rows), (g, q, p, ret_rows))

static void *w_scratch(stele_graph *g, uint64_t bytes)
{
    if (fails("scratch")) {
        stele__op_fail(g, STELE_E_NOMEM, "scratch: made to fail");
        return NULL;
    }
    return stele__ops.scratch(g, bytes);
}

static const stele_ops wrapped = {
    .struct_size = sizeof wrapped,
    .shape = w_shape,
    .view = w_view,
    .param = w_param,
    .full = w_full,
    .constant = w_constant,
    .noise = w_noise,
    .cast = w_cast,
    .add = w_add,
    .sub = w_sub,
    .mul = w_mul,
    .div = w_div,
    .maximum = w_maximum,
    .minimum = w_minimum,
    .less = w_less,
    .where = w_where,
    .scale = w_scale,
    .shift = w_shift,
    .exp = w_exp,
    .expm1 = w_expm1,
    .log = w_log,
    .log1p = w_log1p,
    .sign = w_sign,
    .sqrt = w_sqrt,
    .square = w_square,
    .abs = w_abs,
    .sin = w_sin,
    .cos = w_cos,
    .lgamma = w_lgamma,
    .tanh = w_tanh,
    .sigmoid = w_sigmoid,
    .softplus = w_softplus,
    .relu = w_relu,
    .leaky_relu = w_leaky_relu,
    .gelu = w_gelu,
    .silu = w_silu,
    .clamp = w_clamp,
    .is_nan = w_is_nan,
    .dropout = w_dropout,
    .sum = w_sum,
    .mean = w_mean,
    .max = w_max,
    .logsumexp = w_logsumexp,
    .softmax = w_softmax,
    .log_softmax = w_log_softmax,
    .linear = w_linear,
    .linear_logsumexp = w_linear_logsumexp,
    .matmul = w_matmul,
    .reshape = w_reshape,
    .permute = w_permute,
    .expand = w_expand,
    .concat = w_concat,
    .slice = w_slice,
    .gather = w_gather,
    .scatter = w_scatter,
    .embedding = w_embedding,
    .layer_norm = w_layer_norm,
    .conv1d = w_conv1d,
    .conv2d = w_conv2d,
    .conv1d_transpose = w_conv1d_transpose,
    .conv2d_transpose = w_conv2d_transpose,
    .max_pool = w_max_pool,
    .mean_pool = w_mean_pool,
    .gru = w_gru,
    .attention = w_attention,
    .detach = w_detach,
    .scale_gradient = w_scale_gradient,
    .custom = w_custom,
    .rsample = w_rsample,
    .log_prob = w_log_prob,
    .kl = w_kl,
    .scratch = w_scratch,
};

#define BUILD(name_, params_, args_)                                                                                   \
    static stele_status w_##name_ params_                                                                              \
    {                                                                                                                  \
        return fails(#name_) ? STELE_E_NOMEM : rig_build_api.name_ args_;                                              \
    }
#define FIT(name_, params_, args_)                                                                                     \
    static stele_status w_fit_##name_ params_                                                                          \
    {                                                                                                                  \
        return fails("fit " #name_) ? STELE_E_NOMEM : rig_fit_api.name_ args_;                                         \
    }

/* `param` is an operation's name too. */
static stele_status w_declare(stele_build *b, const stele_param_spec *s, uint32_t *ret_id)
{
    return fails("declaration of a parameter") ? STELE_E_NOMEM : rig_build_api.param(b, s, ret_id);
}

BUILD(buffer, (stele_build * b, const char *name, const stele_shape *s, double value, uint32_t *ret_id),
      (b, name, s, value, ret_id))
BUILD(frozen,
      (stele_build * b, const char *name, const char *path, const char *tensor, stele_shape *ret_shape,
       uint32_t *ret_id),
      (b, name, path, tensor, ret_shape, ret_id))
FIT(next, (stele_fit * f, stele_view *ret_x), (f, ret_x))
FIT(next_seen, (stele_fit * f, stele_view *ret_x), (f, ret_x))
FIT(set, (stele_fit * f, uint32_t id, uint64_t n, const double *values), (f, id, n, values))
FIT(scale, (stele_fit * f, uint32_t id, double factor), (f, id, factor))

const stele__host_tables *faults_tables(void)
{
    static stele_ops ops;
    static stele_build_api build;
    static stele_fit_api fit;
    static stele__host_tables tables;
    ops = wrapped;
    ops.status = stele__ops.status;
    ops.dtype = stele__ops.dtype;
    ops.training = stele__ops.training;
    build =
        (stele_build_api){ .struct_size = sizeof build, .param = w_declare, .buffer = w_buffer, .frozen = w_frozen };
    fit = rig_fit_api;
    fit.next = w_fit_next;
    fit.next_seen = w_fit_next_seen;
    fit.set = w_fit_set;
    fit.scale = w_fit_scale;
    tables = *rig_tables();
    tables.ops = &ops;
    tables.build = &build;
    tables.fit = &fit;
    return &tables;
}

void faults_arm(int64_t n)
{
    left = n;
    count = 0;
    fired = NULL;
}

int64_t faults_count(void)
{
    return count;
}

const char *faults_fired(void)
{
    return fired;
}
