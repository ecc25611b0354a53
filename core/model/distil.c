#include "model/distil.h"

#include "graph/op.h"
#include "graph/ops.h"

static const stele_ops *const ops = &stele__ops;

static int counts(uint64_t present, uint32_t i)
{
    const uint64_t own = UINT64_C(1) << i;
    return (present & own) != 0 && present != own;
}

/* (n): share in those rows of a draw in which modality i and another one are, else 0. */
static stele_tensor *factors(stele_graph *g, const stele__batch *b, const stele__draws *d,
                             uint32_t i, double share)
{
    const stele_shape shape = STELE__SHAPE(d->n);
    void *w = stele__op_take(g, (size_t)d->n, sizeof(double));
    for (int64_t k = 0; w != NULL && k < d->n; k++) {
        stele__put_real(stele__graph_dtype(g), w, k,
                        counts(b->present[d->position[k]], i) ? share : 0.0);
    }
    return w != NULL ? stele__graph_dense(g, stele__graph_dtype(g), &shape, w) : NULL;
}

/* Of one draw, with all of it held: log q(z | x) - log q(z | x_i), weighted and summed. */
static stele_tensor *part_of(stele_graph *g, const stele__expert_set *e,
                             const stele__posterior *all, const stele__posterior *one,
                             const stele__draws *draw, stele_tensor *w)
{
    const stele_shape scalar = { 0 };
    stele__draws d = *draw;
    d.z = ops->detach(g, draw->z);
    stele_tensor *joint = ops->detach(g, stele__posterior_log_prob(g, &all->joint, e->batch, &d));
    stele_tensor *less = stele__posterior_log_prob(g, &one->joint, e->batch, &d);
    stele_tensor *each = ops->where(g, w, ops->sub(g, joint, less), ops->full(g, &scalar, 0.0));
    each = ops->mul(g, each, w);
    if (draw->weight != NULL) {
        each = ops->mul(g, each, ops->detach(g, draw->weight));
    }
    return ops->sum(g, each, STELE_ALL_AXES, 0);
}

stele_tensor *stele__distil(const stele__model *m, stele_graph *g, const stele__expert_set *e,
                            const stele__posterior *all, const stele__draws *draws, uint32_t n,
                            double share, int64_t *ret_n)
{
    const stele__batch *b = e->batch;
    stele_tensor *total = NULL;
    *ret_n = 0;
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        stele__posterior one;
        int64_t n_rows = 0;
        for (int64_t r = 0; r < b->n; r++) {
            n_rows += counts(b->present[r], i);
        }
        if (n_rows == 0) {
            continue;
        }
        if (stele__fuse(m, g, e, UINT64_C(1) << i, &one) != STELE_OK) {
            return NULL;
        }
        for (uint32_t k = 0; k < n; k++) {
            stele_tensor *w = factors(g, b, &draws[k], i, share);
            stele_tensor *part = w != NULL ? part_of(g, e, all, &one, &draws[k], w) : NULL;
            total = total != NULL ? ops->add(g, total, part) : part;
            if (total == NULL) {
                return NULL;
            }
        }
        *ret_n += n_rows;
    }
    return stele__graph_outcome(g, STELE_OK) == STELE_OK ? total : NULL;
}
