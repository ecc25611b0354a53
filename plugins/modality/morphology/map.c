/* Maps: counts of cable by place. */
#include "morphology.h"

#include <stele/dirichlet_multinomial.h>

static int is_poisson(const stele_inst *self)
{
    return self->config->likelihood == MORPHOLOGY_POISSON;
}

stele_status map_build(stele_inst *self, stele_build *b)
{
    stele_count_model *m = &self->counts;
    stele_status status = STELE_OK;
    if (!is_poisson(self)) {
        status = stele_declare_linear(m->host, b, "clump", m->decoder.out, 1, 1.0,
                                      &self->clump_weight, &self->clump_bias);
    }
    return status == STELE_OK ? stele_count_size_build(m, b, "size") : status;
}

/* Means start at those of the training rows, with half a count added. */
stele_status map_fit(const stele_inst *self, stele_fit *f)
{
    const stele_fit_api *api = self->counts.host->fit;
    const double log_clump = is_poisson(self) ? 0.0 : log(self->config->clump);
    stele_count_stats s;
    stele_status status = stele_count_model_fit(&self->counts, f, &s);
    if (status != STELE_OK) {
        return status;
    }
    for (int64_t j = 0; j < s.n_features; j++) {
        const double seen = (double)s.n_rows - s.missing[j];
        s.total[j] = log((s.total[j] + 0.5) / (seen > 0.0 ? seen : 1.0)) - log_clump;
    }
    status = api->set(f, self->bias, (uint64_t)s.n_features, s.total);
    if (status == STELE_OK && !is_poisson(self)) {
        status = api->set(f, self->clump_bias, 1, &log_clump);
    }
    stele_count_stats_finish(&s);
    return status;
}

stele_status map_input(const stele_inst *self, stele_graph *g, stele_tensor *x, stele_tensor **ret)
{
    const stele_host *h = self->counts.host;
    stele_shape shape;
    stele_status status = h->ops->shape(x, &shape);
    if (status == STELE_OK && shape.ndim != 2) {
        shape = stele_shape2(shape.dim[0], self->counts.n_features);
        x = h->ops->reshape(g, x, &shape);
        status = h->ops->status(g);
    }
    if (status == STELE_OK) {
        status = stele_counts_present(h, g, x, &x);
    }
    if (status == STELE_OK) {
        *ret = stele_count_seen(&self->counts, g, x);
    }
    return status;
}

void map_decode(const stele_inst *self, stele_graph *g, stele_output *ret)
{
    const stele_ops *ops = self->counts.host->ops;
    if (!is_poisson(self)) {
        ret->n_row = 1;
        ret->row[0] = ops->linear(g, ret->hidden, ops->param(g, self->clump_weight),
                                  ops->param(g, self->clump_bias));
    }
}

stele_status map_likelihood(const stele_inst *self, const stele_block *b)
{
    const stele_vec *vec = self->counts.host->vec;
    return is_poisson(self) ? stele_poisson(vec, b) : stele_dirichlet_multinomial(vec, b);
}

stele_status map_draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    return stele_draw_elements(
        b, d, 1, is_poisson(self) ? stele_poisson_draw : stele_dirichlet_multinomial_draw);
}
