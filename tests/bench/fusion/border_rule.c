/* A fusion rule that does as little as a rule can: the posterior is the first expert. Built as a
 * file and into the program, to compare the two. */
#include <stele/plugin.h>

/* Nothing to remember, but an instance has to be something. */
struct stele_inst {
    int unused;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    static stele_inst inst;
    (void)a;
    *ret = &inst;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    (void)self;
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    (void)self;
    (void)g;
    ret->n = 1;
    ret->component[0] = in->q[0];
    ret->subset[0] = 1;
    ret->log_weight = NULL;
    return STELE_OK;
}

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .max_components = max_components,
    .fuse = fuse,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_FUSION,
    .min_host_minor = STELE_ABI_MINOR,
    .id = "fusion/border_rule",
    .version = "0.1.0",
    .summary = "The first expert, for a bench.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
