#include "train/chain_density.h"

#include "graph/op.h"

#include <string.h>

/* One pass of the decoders. */
typedef struct pass {
    const stele__model *m;
    stele_graph *g;
    const stele__chain_points *c;
    stele__expert_set e; /* measurements only */
    stele__draws at;
    uint32_t n_terms;
    stele_tensor *term[STELE__MAX_MODALITIES]; /* log p(x_i | z), (rows that have it) */
    const void *one[STELE__MAX_MODALITIES];    /* as many ones */
} pass;

int64_t stele__chain_width(const stele__model *m)
{
    int64_t width = m->latent_dim;
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        width += m->modality[i].own.dim;
    }
    return width;
}

/* Columns from .. from + n - 1 of the points, with a derivative wanted. */
static stele_tensor *leaf(const pass *p, const double *place, int64_t from, int64_t n)
{
    const uint32_t dtype = stele__graph_dtype(p->g);
    stele_shape shape = STELE__SHAPE(p->c->n, n);
    void *value = stele__op_take(p->g, (size_t)(p->c->n * n), stele__dtype_size(dtype));
    for (int64_t k = 0; value != NULL && k < p->c->n; k++) {
        for (int64_t d = 0; d < n; d++) {
            stele__put_real(dtype, value, k * n + d, place[k * p->c->width + from + d]);
        }
    }
    return value != NULL ? stele__graph_leaf(p->g, &shape, value) : NULL;
}

static stele_status enter_latents(pass *p, const double *place)
{
    int64_t from = p->m->latent_dim;
    p->at = (stele__draws){ .n = p->c->n,
                            .position = p->c->position,
                            .row = p->c->row,
                            .sample = p->c->sample,
                            .z = leaf(p, place, 0, from) };
    p->at.w = stele__op_take(p->g, p->m->n_modalities, sizeof(stele_tensor *));
    for (uint32_t i = 0; p->at.w != NULL && i < p->m->n_modalities; i++) {
        const int64_t dim = p->m->modality[i].own.dim;
        p->at.w[i] = dim > 0 ? leaf(p, place, from, dim) : NULL;
        from += dim;
    }
    return stele__graph_outcome(p->g, p->at.w != NULL ? STELE_OK : STELE_E_NOMEM);
}

static const void *ones(const pass *p, int64_t n)
{
    const uint32_t dtype = stele__graph_dtype(p->g);
    void *one = stele__op_take(p->g, (size_t)n, stele__dtype_size(dtype));
    for (int64_t k = 0; one != NULL && k < n; k++) {
        stele__put_real(dtype, one, k, 1.0);
    }
    return one;
}

/* log p(x_i | z) of the points whose row has the modality. */
static stele_status add_modality(pass *p, uint32_t i, double *log_p)
{
    const int64_t n = p->c->n;
    uint32_t *draw = stele__op_take(p->g, (size_t)n, sizeof *draw);
    int64_t *index = stele__op_take(p->g, (size_t)n, sizeof *index);
    stele__decode_rows rows = { .draw = draw, .index = index };
    if (draw == NULL || index == NULL) {
        return stele__graph_outcome(p->g, STELE_E_NOMEM);
    }
    memset(draw, 0, (size_t)n * sizeof *draw);
    for (int64_t k = 0; k < n; k++) {
        if ((p->e.batch->present[p->c->position[k]] >> i & 1) != 0) {
            index[rows.n++] = k;
        }
    }
    if (rows.n == 0) {
        return STELE_OK;
    }
    const void *one = ones(p, rows.n);
    stele_tensor *log_px =
        one != NULL ? stele__decode_log_prob(p->m, p->g, &p->e, i, &p->at, 1, &rows, one) : NULL;
    if (log_px == NULL) {
        return stele__graph_outcome(p->g, STELE_E_NOMEM);
    }
    for (int64_t k = 0; k < rows.n; k++) {
        log_p[index[k]] += stele__tensor_real(log_px, k);
    }
    p->one[p->n_terms] = one;
    p->term[p->n_terms++] = log_px;
    return STELE_OK;
}

static void add_slope(const pass *p, const stele_tensor *t, int64_t from, int64_t n, double *slope)
{
    const void *d = t != NULL ? stele__tensor_grad(t) : NULL;
    for (int64_t k = 0; d != NULL && k < p->c->n; k++) {
        for (int64_t i = 0; i < n; i++) {
            slope[k * p->c->width + from + i] += stele__get_real(t->dtype, d, k * n + i);
        }
    }
}

stele_status stele__chain_density(const stele__model *m, stele_graph *g, const stele__batch *b,
                                  const stele__chain_points *c, const double *place,
                                  double *ret_log_p, double *ret_slope)
{
    pass p = { .m = m, .g = g, .c = c };
    stele__pass begin = { .record = 1, .fixed = 1, .seed = c->seed, .step = c->step };
    stele__graph_begin(g, &begin);
    stele_status status = stele__measure(m, g, b, &p.e);
    status = status == STELE_OK ? enter_latents(&p, place) : status;
    for (int64_t k = 0; k < c->n; k++) { /* z and private latents are N(0, I) */
        ret_log_p[k] = 0.0;
        for (int64_t d = k * c->width; d < (k + 1) * c->width; d++) {
            ret_log_p[k] -= 0.5 * place[d] * place[d];
            ret_slope[d] = -place[d];
        }
    }
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        status = add_modality(&p, i, ret_log_p);
    }
    if (status == STELE_OK && p.n_terms > 0) {
        status = stele__graph_outcome(g, stele__graph_backward_from(g, p.n_terms, p.term, p.one));
    }
    int64_t from = m->latent_dim;
    if (status == STELE_OK) {
        add_slope(&p, p.at.z, 0, from, ret_slope);
    }
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        add_slope(&p, p.at.w[i], from, m->modality[i].own.dim, ret_slope);
        from += m->modality[i].own.dim;
    }
    return status;
}
