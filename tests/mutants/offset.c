/* A linear regression around the mean of the training rows' targets, which a buffer keeps: the
 * sound plugin of mutants of heads with fit. */
#include <stele/plugin.h>

#include <stdlib.h>

struct stele_inst {
    const stele_host *host;
    int64_t latent;
    uint32_t weight, mean;
    double kept; /* of a mutant: the mean, which nobody saves */
};

#ifdef DEFECT_FIT_KEEPS_STATIC
static double kept;
#endif

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->content != STELE_FIELD_NUMBER) {
        return STELE_FAIL(a->host, STELE_E_DATA, "target: `%s` is no number", a->input->name);
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->latent = a->latent_dim;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_shape w = { 2, 0, { self->latent, 1 } }, one = { 1, 0, { 1 } };
    stele_param_spec spec = {
        .struct_size = sizeof spec, .name = "weight", .shape = &w, .init = STELE_INIT_ZERO
    };
    stele_status status = self->host->build->param(b, &spec, &self->weight);
    return status == STELE_OK ? self->host->build->buffer(b, "mean", &one, 0.0, &self->mean)
                              : status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    (void)self;
    ret->gradient_scale = 1.0;
    return STELE_OK;
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    stele_view y = { .struct_size = sizeof y };
    double sum = 0.0, n = 0.0;
    stele_status status = self->host->fit->next(f, &y);
    while (status == STELE_OK && y.shape.dim[0] > 0) {
        for (int64_t i = 0; i < y.shape.dim[0]; i++) {
            sum += ((const double *)y.data)[i];
            n += 1.0;
        }
        status = self->host->fit->next(f, &y);
    }
    const double mean = n > 0.0 ? sum / n : 0.0;
#if defined(DEFECT_FIT_KEEPS_STATIC)
    kept = mean;
#elif defined(DEFECT_FIT_KEEPS_INSTANCE)
    ((stele_inst *)self)->kept = mean;
#endif
    return status == STELE_OK ? self->host->fit->set(f, self->mean, 1, &mean) : status;
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *y = ops->linear(g, z, ops->param(g, self->weight), NULL);
    (void)covariates;
#if defined(DEFECT_FIT_KEEPS_STATIC)
    *ret_y = ops->shift(g, y, kept);
#elif defined(DEFECT_FIT_KEEPS_INSTANCE)
    *ret_y = ops->shift(g, y, self->kept);
#else
    *ret_y = ops->add(g, y, ops->param(g, self->mean));
#endif
    return ops->status(g);
}

/* Squared error. */
static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_shape rows;
    stele_status status = ops->shape(target, &rows);
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *error = ops->sub(g, ops->reshape(g, y, &rows), target);
    *ret_rows = ops->mul(g, error, error);
    return ops->status(g);
}

static const stele_head_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .traits = traits,
    .fit = fit,
    .predict = predict,
    .loss = loss,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/" NAME,
    .version = "0.1.0",
    .summary = "A linear regression around a mean, for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
