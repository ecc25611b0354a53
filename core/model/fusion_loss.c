#include "model/fusion_loss.h"

#include "graph/op.h"
#include "graph/ops.h"

static const stele_ops *const ops = &stele__ops;

/* A figure of each row of a draw as a column of the whole batch, 0 where the row is not drawn. */
static stele_tensor *column(stele_graph *g, int64_t n_batch, const stele__draws *d, stele_tensor *t)
{
    stele_shape n = STELE__SHAPE(d != NULL ? d->n : 0), shape = STELE__SHAPE(n_batch, 1);
    if (d == NULL || t == NULL) {
        return ops->full(g, &shape, 0.0);
    }
    if (d->n < n_batch) {
        t = ops->scatter(g, t, stele__graph_dense(g, STELE_I64, &n, d->position), n_batch, 0.0);
    }
    return ops->reshape(g, t, &shape);
}

/* (B, components) of log_px and divergence. */
static int fill(stele_graph *g, const stele__batch *b, const stele__fusion_term *t,
                stele_loss_args *ret)
{
    stele_tensor *log_px[STELE__MAX_COMPONENTS], *divergence[STELE__MAX_COMPONENTS];
    uint32_t n = t->posterior->joint.n, k = 0;
    for (uint32_t c = 0; c < n; c++) {
        int there = k < t->n_draws && t->draws[k].component == c;
        const stele__draws *d = there ? &t->draws[k] : NULL;
        log_px[c] = column(g, b->n, d, there ? t->log_px[k] : NULL);
        divergence[c] = column(g, b->n, d, there ? d->log_ratio : NULL);
        k += (uint32_t)there;
    }
    ret->log_px = ops->concat(g, n, log_px, 1);
    ret->divergence = ops->concat(g, n, divergence, 1);
    return ret->log_px != NULL && ret->divergence != NULL;
}

stele_tensor *stele__fusion_loss(const stele__model *m, stele_graph *g, const stele__batch *b,
                                 const stele__fusion_term *term, double beta)
{
    stele_tensor *rows = NULL;
    stele_loss_args a = { .struct_size = sizeof a,
                          .experts = &term->posterior->experts,
                          .joint = &term->posterior->joint,
                          .beta = beta };
    if (!fill(g, b, term, &a)) {
        return NULL;
    }
    stele__graph_enter(g, &m->fusion.scope);
    stele__graph_rows(g, b->n, b->row, NULL);
    stele__guest_begin(m->fusion.guest, "loss");
    stele_status status = m->fusion_vt->loss(stele__guest_inst(m->fusion.guest), g, &a, &rows);
    status = stele__part_outcome(&m->fusion, g, "loss", status);
    if (status == STELE_OK &&
        (rows == NULL || rows->shape.ndim != 1 || rows->shape.dim[0] != b->n)) {
        stele__op_fail(g, STELE_E_SHAPE, "loss: gave no number for each of %lld rows",
                       (long long)b->n);
    }
    stele__graph_enter(g, NULL);
    return stele__graph_outcome(g, STELE_OK) == STELE_OK ? rows : NULL;
}
