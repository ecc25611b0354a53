#include "model/contrast.h"

#include "graph/op.h"
#include "graph/ops.h"

static const stele_ops *const ops = &stele__ops;

/* A modality's posteriors: precision, precision times mean, and what log q(0) is but for a constant
 * that cancels, log precision - precision times mean squared. */
typedef struct side {
    stele_tensor *precision, *shift; /* (B, D) */
    stele_tensor *level;             /* (B, 1) */
} side;

/* NORMAL exp(p1), LAPLACE 2 exp(2 p1). */
static stele_tensor *variance_of(stele_graph *g, const stele_dist *q)
{
    return q->family == STELE_LAPLACE ? ops->scale(g, ops->exp(g, ops->scale(g, q->p[1], 2.0)), 2.0)
                                      : ops->exp(g, q->p[1]);
}

/* Of a mixture. What has no weight in a row may hold anything there. */
static void moments(stele_graph *g, const stele_joint *j, stele_tensor **ret_mean,
                    stele_tensor **ret_var)
{
    const stele_shape scalar = { 0 };
    stele_tensor *zero = ops->full(g, &scalar, 0.0), *share = ops->exp(g, j->log_weight);
    *ret_mean = *ret_var = zero;
    for (uint32_t c = 0; c < j->n; c++) {
        stele_tensor *w = ops->slice(g, share, 1, c, c + 1);
        stele_tensor *part = ops->where(g, w, j->component[c].p[0], zero);
        *ret_mean = ops->add(g, *ret_mean, ops->mul(g, w, part));
    }
    for (uint32_t c = 0; c < j->n; c++) {
        stele_tensor *w = ops->slice(g, share, 1, c, c + 1);
        stele_tensor *far = ops->square(g, ops->sub(g, j->component[c].p[0], *ret_mean));
        stele_tensor *part = ops->add(g, variance_of(g, &j->component[c]), far);
        *ret_var = ops->add(g, *ret_var, ops->mul(g, w, ops->where(g, w, part, zero)));
    }
}

static int side_of(const stele__model *m, stele_graph *g, const stele__expert_set *e, uint32_t i,
                   side *ret)
{
    const stele_shape scalar = { 0 };
    stele_tensor *one = ops->full(g, &scalar, 1.0), *mean, *var;
    stele__posterior p;
    if (stele__fuse(m, g, e, UINT64_C(1) << i, &p) != STELE_OK) {
        return 0;
    }
    if (p.joint.log_weight != NULL) {
        moments(g, &p.joint, &mean, &var);
    } else {
        mean = p.joint.component[0].p[0];
        var = variance_of(g, &p.joint.component[0]);
    }
    ret->precision = ops->maximum(g, ops->div(g, one, var), one);
    ret->shift = ops->mul(g, ret->precision, mean);
    stele_tensor *own = ops->sub(g, ops->log(g, ret->precision), ops->mul(g, ret->shift, mean));
    ret->level = ops->sum(g, own, 1, 1);
    return ret->level != NULL;
}

/* Rows `index` of t, laid along axis 0 or 1 of (n, n, D). */
static stele_tensor *along(stele_graph *g, stele_tensor *t, stele_tensor *index, int axis)
{
    if (index == NULL) {
        return NULL;
    }
    const int64_t n = index->shape.dim[0], dim = t->shape.dim[1];
    const stele_shape s = { 3, 0, { axis == 0 ? n : 1, axis == 0 ? 1 : n, dim, 0, 0, 0 } };
    return ops->reshape(g, ops->gather(g, t, index), &s);
}

/* s_ij, (n, n): a of row i with b of row j. */
static stele_tensor *scores(stele_graph *g, const side *a, const side *b, stele_tensor *index)
{
    const stele_shape one_row = STELE__SHAPE(1, index->shape.dim[0]);
    stele_tensor *t = ops->add(g, along(g, a->precision, index, 0),
                               ops->shift(g, along(g, b->precision, index, 1), -1.0));
    stele_tensor *h = ops->add(g, along(g, a->shift, index, 0), along(g, b->shift, index, 1));
    stele_tensor *s = ops->sub(g, ops->div(g, ops->square(g, h), t), ops->log(g, t));
    s = ops->add(g, ops->sum(g, s, 2, 0), ops->gather(g, a->level, index));
    s = ops->add(g, s, ops->reshape(g, ops->gather(g, b->level, index), &one_row));
    return ops->scale(g, s, 0.5);
}

/* The losses of n rows, summed. */
static stele_tensor *pair_loss(stele_graph *g, const side *a, const side *b, int64_t n,
                               const int64_t *row)
{
    const stele_shape rows = STELE__SHAPE(n), all = STELE__SHAPE(n, n);
    const uint32_t f64 = stele__graph_dtype(g);
    void *own = stele__op_take(g, (size_t)(n * n), sizeof(double));
    stele_tensor *index = stele__graph_dense(g, STELE_I64, &rows, row);
    if (own == NULL || index == NULL) {
        return NULL;
    }
    for (int64_t i = 0; i < n * n; i++) {
        stele__put_real(f64, own, i, i % (n + 1) == 0 ? -0.5 : 0.0);
    }
    stele_tensor *s = scores(g, a, b, index);
    s = ops->add(g, ops->log_softmax(g, s, 0), ops->log_softmax(g, s, 1));
    return ops->sum(g, ops->mul(g, s, stele__graph_dense(g, f64, &all, own)), STELE_ALL_AXES, 0);
}

stele_tensor *stele__contrast(const stele__model *m, stele_graph *g, const stele__batch *b,
                              const stele__expert_set *e, int64_t *ret_n)
{
    side *of = stele__op_take(g, m->n_modalities, sizeof *of);
    stele_tensor *total = NULL;
    *ret_n = 0;
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if (of == NULL || !side_of(m, g, e, i, &of[i])) {
            return NULL;
        }
        for (uint32_t k = 0; k < i; k++) {
            const uint64_t both = (UINT64_C(1) << i) | (UINT64_C(1) << k);
            int64_t *row = stele__op_take(g, (size_t)b->n, sizeof *row), n = 0;
            for (int64_t r = 0; row != NULL && r < b->n; r++) {
                row[n] = r;
                n += (b->present[r] & both) == both;
            }
            if (n < 2) {
                continue;
            }
            stele_tensor *part = pair_loss(g, &of[k], &of[i], n, row);
            total = total != NULL ? ops->add(g, total, part) : part;
            *ret_n += n;
        }
    }
    return stele__graph_outcome(g, STELE_OK) == STELE_OK ? total : NULL;
}
