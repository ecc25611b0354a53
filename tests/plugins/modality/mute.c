/* A modality that encodes and has a likelihood, but generates nothing. The likelihood does not look
 * at the values: it is for tests of what happens without draws. */
#include <stele/count_model.h>
#include <stele/plugin.h>

typedef struct config {
    stele_count_config counts;
} config;

static const stele_option options[] = {
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_BINARY, 0.0, STELE_NORM_NONE),
};

struct stele_inst {
    stele_count_model counts;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    stele_count_model_init(a, &((const config *)a->config)->counts, 1, &self->counts);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    return stele_count_model_build(&self->counts, b);
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    return stele_count_encode(&self->counts, g, a, ret_q);
}

static stele_status log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret_rows)
{
    const stele_ops *ops = self->counts.host->ops;
    *ret_rows = ops->scale(g, ops->sum(g, ops->square(g, a->z), 1, 0), -1.0);
    return ops->status(g);
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .encode = encode,
    .log_prob = log_prob,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .id = "modality/mute",
    .version = "0.1.0",
    .summary = "A likelihood without draws, for tests.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
