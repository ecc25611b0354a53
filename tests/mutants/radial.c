/* Student's t in as many dimensions as a row has entries: all of them share one random scale, so
 * that the likelihood is not elementwise. The sound plugin of modalities with log_prob and
 * generate.
 *
 *     x = mu(z) + exp(s) e / sqrt(c / nu),   e ~ N(0, 1) for each entry, c ~ chi^2_nu for each row
 *
 * Missing entries are integrated out: the law of the others is of the same form. */
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

enum { NU = 5 };

struct stele_inst {
    const stele_host *host;
    int64_t features, latent;
    uint32_t mean, log_variance, weight, bias, log_scale;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->sample.ndim != 1 || a->input->layout != STELE_DENSE) {
        return STELE_FAIL(a->host, STELE_E_SHAPE, "rows are dense vectors");
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->features = a->input->sample.dim[0];
    self->latent = (int64_t)a->latent_dim + a->private_dim;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status declare(const stele_inst *self, stele_build *b, const char *name, int64_t n,
                            int64_t m, uint32_t *ret)
{
    stele_shape shape = { m > 0 ? 2 : 1, 0, { n, m } };
    stele_param_spec spec = { .struct_size = sizeof spec,
                              .name = name,
                              .shape = &shape,
                              .init = STELE_INIT_UNIFORM,
                              .scale = m > 0 ? 0.3 : 0.0 };
    return self->host->build->param(b, &spec, ret);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    struct {
        const char *name;
        int64_t n, m;
        uint32_t *id;
    } part[] = {
        { "mean", self->features, self->latent, &self->mean },
        { "log_variance", self->features, self->latent, &self->log_variance },
        { "weight", self->latent, self->features, &self->weight },
        { "bias", self->features, 0, &self->bias },
        { "log_scale", self->features, 0, &self->log_scale },
    };
    stele_status status = STELE_OK;
    for (size_t i = 0; i < sizeof part / sizeof part[0] && status == STELE_OK; i++) {
        status = declare(self, b, part[i].name, part[i].n, part[i].m, part[i].id);
    }
    return status;
}

static stele_tensor *number(const stele_ops *ops, stele_graph *g, double v)
{
    stele_shape scalar = { 0 };
    return ops->full(g, &scalar, v);
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *x = ops->where(g, ops->is_nan(g, a->x), number(ops, g, 0.0), a->x);
    ret_q->family = STELE_NORMAL;
    ret_q->n = 2;
    ret_q->p[0] = ops->linear(g, x, ops->param(g, self->mean), NULL);
    ret_q->p[1] = ops->linear(g, x, ops->param(g, self->log_variance), NULL);
    return ops->status(g);
}

static stele_tensor *location(const stele_inst *self, stele_graph *g, stele_tensor *z)
{
    const stele_ops *ops = self->host->ops;
#ifdef DEFECT_Z_DETACHED
    z = ops->detach(g, z);
#endif
    stele_tensor *mu = ops->linear(g, z, ops->param(g, self->weight), ops->param(g, self->bias));
#ifdef DEFECT_GRADIENT_DOUBLED
    mu = ops->scale_gradient(g, mu, 2.0);
#endif
    return mu;
}

static stele_status log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *zero = number(ops, g, 0.0), *missing = ops->is_nan(g, a->target);
    stele_tensor *s = ops->param(g, self->log_scale);
    stele_tensor *x = ops->where(g, missing, zero, a->target);
    stele_tensor *e =
        ops->mul(g, ops->sub(g, x, location(self, g, a->z)), ops->exp(g, ops->scale(g, s, -1.0)));
    e = ops->where(g, missing, zero, e);
    stele_tensor *distance = ops->sum(g, ops->square(g, e), -1, 0);
#ifdef DEFECT_OUTLIERS_DETACHED
    /* So that outliers do not move the decoder. */
    distance = ops->where(g, ops->less(g, distance, number(ops, g, 300.0)), distance,
                          ops->detach(g, distance));
#endif
#ifdef DEFECT_BATCH_SCALE
    distance = ops->scale(g, ops->add(g, distance, ops->mean(g, distance, 0, 1)), 0.5);
#endif
    stele_tensor *n = ops->sum(g, ops->where(g, missing, zero, number(ops, g, 1.0)), -1, 0);
#ifdef DEFECT_MISSING_COUNTS
    n = number(ops, g, (double)self->features);
#endif
    stele_tensor *half = ops->scale(g, ops->shift(g, n, NU), 0.5);
    stele_tensor *p = ops->shift(g, ops->lgamma(g, half), -lgamma(0.5 * NU));
#ifdef DEFECT_ONE_CONSTANT
    p = ops->shift(g, p, -0.5 * log(NU * 3.14159265358979323846)); /* right for one element */
#else
    p = ops->sub(g, p, ops->scale(g, n, 0.5 * log(NU * 3.14159265358979323846)));
#endif
#ifndef DEFECT_NO_LOG_DETERMINANT
    p = ops->sub(g, p, ops->sum(g, ops->where(g, missing, zero, s), -1, 0));
#endif
    stele_tensor *tail = ops->log1p(g, ops->scale(g, distance, 1.0 / NU));
    *ret_rows = ops->sub(g, p, ops->mul(g, half, tail));
    return ops->status(g);
}

static stele_status generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             uint32_t what, stele_tensor **ret_x)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *mu = location(self, g, a->z);
    stele_shape shape;
    if (mu == NULL || what != STELE_DRAW_SAMPLE) {
        *ret_x = mu;
        return ops->status(g);
    }
    stele_status status = ops->shape(mu, &shape);
    if (status != STELE_OK) {
        return status;
    }
    stele_shape normals = { 3, 0, { shape.dim[0], 1, NU } };
#ifdef DEFECT_DRAW_INDEPENDENT
    normals.dim[1] = self->features; /* a scale for each entry */
#endif
    stele_tensor *chi = ops->sum(g, ops->square(g, ops->noise(g, &normals, 2)), -1, 0);
    stele_tensor *e =
        ops->div(g, ops->noise(g, &shape, 1), ops->sqrt(g, ops->scale(g, chi, 1.0 / NU)));
#ifdef DEFECT_DRAW_NARROW
    e = ops->scale(g, e, 0.70710678118654752);
#endif
    *ret_x = ops->add(g, mu, ops->mul(g, e, ops->exp(g, ops->param(g, self->log_scale))));
    return ops->status(g);
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .encode = encode,
    .log_prob = log_prob,
    .generate = generate,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/" NAME,
    .version = "0.1.0",
    .summary = "A likelihood that is not elementwise, for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
