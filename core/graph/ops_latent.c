#include "graph/ops.h"
#include "graph/reduce.h"

#include <math.h>

/* Distributions of latents: reparametrised samples, log-densities and divergences, each one fused
 * pass per row. The derivatives are computed in double and again in backward: latents are narrow,
 * so that is cheaper than keeping them. */

#define MAX_IN 4

/* Value of one element's term at v, and its derivative towards every v. */
typedef double (*term_fn)(const double v[MAX_IN], double d[MAX_IN]);

struct run {
    int64_t rows, n, per_block;
    uint32_t n_in, which; /* which: the input whose derivative is wanted */
    term_fn term;
    const void *in[MAX_IN], *dy;
    void *out;
    int fresh;
};

struct sample {
    int64_t n;
    double half; /* 1/2 turns a log-variance into a log-scale; 1 for a log-scale */
    const void *location, *log_scale, *unit, *dz;
    void *z, *moved;
    int fresh;
};

#define STELE__BOTH "graph/ops_latent.inc"
#include "graph/both.h"

/* --- terms --- */

#define LOG_2PI 1.8378770664093454836
#define LOG_2   0.6931471805599453094

static double sign_of(double x)
{
    return (double)((x > 0.0) - (x < 0.0));
}

/* log N(x; m, exp(s)): v = x, m, s */
static double normal_log_prob(const double v[MAX_IN], double d[MAX_IN])
{
    const double precision = exp(-v[2]), e = v[0] - v[1];
    d[0] = -e * precision;
    d[1] = e * precision;
    d[2] = -0.5 + 0.5 * e * e * precision;
    return -0.5 * (LOG_2PI + v[2] + e * e * precision);
}

/* log Laplace(x; m, exp(s)) */
static double laplace_log_prob(const double v[MAX_IN], double d[MAX_IN])
{
    const double rate = exp(-v[2]), e = v[0] - v[1];
    d[0] = -sign_of(e) * rate;
    d[1] = sign_of(e) * rate;
    d[2] = -1.0 + fabs(e) * rate;
    return -LOG_2 - v[2] - fabs(e) * rate;
}

/* KL(N(v0, exp(v1)) || N(v2, exp(v3))) */
static double normal_kl(const double v[MAX_IN], double d[MAX_IN])
{
    const double precision = exp(-v[3]), ratio = exp(v[1] - v[3]), e = v[0] - v[2];
    d[0] = e * precision;
    d[1] = 0.5 * (ratio - 1.0);
    d[2] = -d[0];
    d[3] = 0.5 * (1.0 - ratio - e * e * precision);
    return 0.5 * (v[3] - v[1] + ratio + e * e * precision - 1.0);
}

/* KL(Laplace(v0, exp(v1)) || Laplace(v2, exp(v3))) = log(b2/b1) + (b1 exp(-|e|/b1) + |e|) / b2 - 1
 */
static double laplace_kl(const double v[MAX_IN], double d[MAX_IN])
{
    const double b1 = exp(v[1]), rate = exp(-v[3]), e = v[0] - v[2], size = fabs(e);
    const double tail = exp(-size / b1), mean = (b1 * tail + size) * rate;
    d[0] = sign_of(e) * (1.0 - tail) * rate;
    d[1] = -1.0 + (b1 + size) * tail * rate;
    d[2] = -d[0];
    d[3] = 1.0 - mean;
    return v[3] - v[1] + mean - 1.0;
}

/* --- sums of terms over the last axis --- */

static stele_status rows_back(stele_graph *g, const stele__tape_node *node)
{
    struct run r = *(const struct run *)node->saved;
    r.dy = node->out->gradient;
    for (uint32_t k = 0; k < node->n; k++) {
        r.which = k;
        r.out = stele__grad_open(g, node->in[k], &r.fresh);
        if (r.out != NULL) {
            stele__op_blocks(g, stele__n_blocks(r.rows, r.per_block),
                             STELE__PICK(g, rows_back_block), &r);
        }
    }
    return g->status;
}

static stele_status term_rows(stele_graph *g, const char *op, term_fn term, uint32_t n,
                              stele_tensor *const *given, stele_tensor **ret)
{
    stele_tensor *in[MAX_IN];
    if (!stele__op_ready(g, n, given)) {
        return g->status == STELE_OK ? STELE_E_ARG : g->status;
    }
    stele_shape shape = given[0]->shape;
    for (uint32_t k = 0; k < n; k++) {
        char t0[STELE__SHAPE_TEXT], tk[STELE__SHAPE_TEXT];
        if (!stele__op_real(g, op, "an input", given[k])) {
            return g->status;
        }
        if (stele__shape_broadcast(&shape, &given[k]->shape, &shape) != 0 || shape.ndim == 0) {
            stele__op_fail(g, STELE_E_SHAPE, "%s: %s and %s do not fit", op,
                           stele__shape_text(&shape, t0), stele__shape_text(&given[k]->shape, tk));
            return g->status;
        }
    }
    struct run *r = stele__op_take(g, 1, sizeof *r);
    stele_shape rows = shape;
    rows.dim[--rows.ndim] = 0;
    stele_tensor *out = stele__op_output(g, g->dtype, &rows);
    if (out == NULL || r == NULL) {
        return g->status;
    }
    int64_t width = shape.dim[shape.ndim - 1];
    *r = (struct run){ .rows = out->n, .n = width, .n_in = n, .term = term, .out = out->data };
    r->per_block = width >= STELE__BLOCK / 4 ? 1 : STELE__BLOCK / 4 / (width < 1 ? 1 : width);
    for (uint32_t k = 0; k < n; k++) {
        in[k] = stele__shape_equal(&given[k]->shape, &shape)
                    ? given[k]
                    : stele__op_expand(g, given[k], &shape);
        if (in[k] == NULL) {
            return g->status;
        }
        r->in[k] = in[k]->data;
    }
    stele__op_blocks(g, stele__n_blocks(r->rows, r->per_block), STELE__PICK(g, rows_block), r);
    stele__op_record(g, out, n, in, rows_back, r);
    *ret = out;
    return g->status;
}

/* 1 if d is a family this file knows, with its two tensors. */
static int known(stele_graph *g, const char *op, const stele_dist *d)
{
    if (g->status == STELE_OK &&
        ((d->family != STELE_NORMAL && d->family != STELE_LAPLACE) || d->n != 2)) {
        stele__op_fail(g, STELE_E_UNSUPPORTED, "%s: no distribution of family %u with %u tensors",
                       op, (unsigned)d->family, (unsigned)d->n);
    }
    return g->status == STELE_OK;
}

stele_status stele__op_log_prob(stele_graph *g, const stele_dist *d, stele_tensor *x,
                                stele_tensor **ret_rows)
{
    if (!known(g, "log_prob", d)) {
        return g->status;
    }
    stele_tensor *in[3] = { x, d->p[0], d->p[1] };
    return term_rows(g, "log_prob", d->family == STELE_NORMAL ? normal_log_prob : laplace_log_prob,
                     3, in, ret_rows);
}

stele_status stele__op_kl(stele_graph *g, const stele_dist *q, const stele_dist *p,
                          stele_tensor **ret_rows)
{
    if (!known(g, "kl", q) || !known(g, "kl", p)) {
        return g->status;
    }
    if (q->family != p->family) {
        stele__op_fail(g, STELE_E_UNSUPPORTED, "kl: no closed form between two families");
        return g->status;
    }
    stele_tensor *in[4] = { q->p[0], q->p[1], p->p[0], p->p[1] };
    return term_rows(g, "kl", q->family == STELE_NORMAL ? normal_kl : laplace_kl, 4, in, ret_rows);
}

/* --- samples --- */

static stele_status sample_back(stele_graph *g, const stele__tape_node *node)
{
    struct sample s = *(const struct sample *)node->saved;
    stele_status status = stele__grad_add(g, node->in[0], node->out->gradient);
    s.dz = node->out->gradient;
    s.z = stele__grad_open(g, node->in[1], &s.fresh);
    if (s.z != NULL) {
        stele__op_blocks(g, stele__n_blocks(s.n, STELE__BLOCK), STELE__PICK(g, sample_back_block),
                         &s);
    }
    return status == STELE_OK ? g->status : status;
}

static stele_tensor *unit_noise(stele_graph *g, uint32_t family, const stele_shape *shape,
                                uint32_t stream)
{
    if (family == STELE_NORMAL) {
        return stele__op_noise(g, shape, stream);
    }
    stele_tensor *u = stele__op_uniform(g, shape, stream);
    if (u != NULL) {
        STELE__PICK(g, laplace_from_uniform)(u->n, u->data);
    }
    return u;
}

stele_status stele__op_rsample(stele_graph *g, const stele_dist *d, uint32_t stream,
                               stele_tensor **ret)
{
    if (!known(g, "rsample", d) || !stele__op_ready(g, 2, d->p)) {
        return g->status == STELE_OK ? STELE_E_ARG : g->status;
    }
    stele_tensor *in[2] = { d->p[0], d->p[1] };
    if (!stele__op_real(g, "rsample", "p[0]", in[0]) ||
        !stele__op_real(g, "rsample", "p[1]", in[1])) {
        return g->status;
    }
    if (!stele__shape_equal(&in[0]->shape, &in[1]->shape)) {
        char t0[STELE__SHAPE_TEXT], t1[STELE__SHAPE_TEXT];
        stele__op_fail(g, STELE_E_SHAPE, "rsample: p[0] is %s, p[1] is %s",
                       stele__shape_text(&in[0]->shape, t0), stele__shape_text(&in[1]->shape, t1));
        return g->status;
    }
    stele_tensor *unit = unit_noise(g, d->family, &in[0]->shape, stream);
    stele_tensor *out = stele__op_output(g, g->dtype, &in[0]->shape);
    stele_tensor *moved = stele__op_output(g, g->dtype, &in[0]->shape);
    struct sample *s = stele__op_take(g, 1, sizeof *s);
    if (unit == NULL || out == NULL || moved == NULL || s == NULL) {
        return g->status;
    }
    *s = (struct sample){ .n = out->n,
                          .half = d->family == STELE_NORMAL ? 0.5 : 1.0,
                          .location = in[0]->data,
                          .log_scale = in[1]->data,
                          .unit = unit->data,
                          .z = out->data,
                          .moved = moved->data };
    stele__op_blocks(g, stele__n_blocks(s->n, STELE__BLOCK), STELE__PICK(g, sample_block), s);
    stele__op_record(g, out, 2, in, sample_back, s);
    *ret = out;
    return g->status;
}
