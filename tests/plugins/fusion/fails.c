/* The joint posterior is the first expert, with something wrong in one slot: see fails.h. */
#include "../fails.h"

struct stele_inst {
    const stele_host *host;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    FAILS(a->host, "fusion.create", "%u modalities do not agree", a->n_modalities);
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
    if (fails_is("FAILS_IN", "fusion.destroy")) {
        fails_disturb();
    }
}

/* A parameter of the flags that FAILS_HOW says. */
static stele_status build_width(stele_inst *self, stele_build *b, const stele_shape *one)
{
    const int calibrated = !fails_is("FAILS_HOW", "trained");
    const stele_param_spec spec = { .struct_size = sizeof spec,
                                    .name = "wide",
                                    .shape = one,
                                    .init = STELE_INIT_ZERO,
                                    .flags = STELE_PARAM_WIDTH |
                                             (calibrated ? STELE_PARAM_CALIBRATED : 0) };
    uint32_t id;
    return self->host->build->param(b, &spec, &id);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    FAILS(self->host, "fusion.build", "no plan to build by");
    static const stele_shape one = { .ndim = 1, .dim = { 1 } };
    if (fails_is("FAILS_IN", "fusion.width")) {
        return build_width(self, b, &one);
    }
    const char *name = fails_is("FAILS_IN", "fusion.names") ? getenv("FAILS_HOW") : NULL;
    uint32_t id;
    return name != NULL ? self->host->build->buffer(b, name, &one, 0.0, &id) : STELE_OK;
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    if (fails_is("FAILS_IN", "fusion.max_components")) {
        fails_disturb();
    }
    if (fails_is("FAILS_IN", "fusion.width") && fails_is("FAILS_HOW", "mixture")) {
        return 2;
    }
    return n_modalities > 0;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    FAILS(self->host, "fusion.fuse", "the experts quarrel");
    ret->n = 1;
    ret->component[0] = in->q[0];
    ret->subset[0] = 1;
    fails_spoil("fusion.fuse", &ret->component[0], in->present);
    return self->host->ops->status(g);
}

static stele_status loss(const stele_inst *self, stele_graph *g, const stele_loss_args *a,
                         stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    FAILS(self->host, "fusion.loss", "nothing is lost");
    *ret_rows = ops->sum(g, ops->sub(g, ops->scale(g, a->divergence, a->beta), a->log_px), 1, 0);
    return ops->status(g);
}

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .max_components = max_components,
    .fuse = fuse,
    .loss = loss,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_FUSION,
    .min_host_minor = STELE_ABI_MINOR,
    .id = "fusion/fails",
    .version = "0.1.0",
    .summary = "The first expert, for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
