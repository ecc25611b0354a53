/* A regression on wide layers, a million parameters by default, with options that count for one
 * choice of another only: the sound plugin of checks that have to make a model small first. */
#include <stele/dense.h>
#include <stele/plugin.h>

#include <stdlib.h>

enum { MOST_BLOCKS = 4 };
enum { KIND_PLAIN, KIND_BLOCKS };
static const char *const kinds[] = { "plain", "blocks", NULL };

typedef struct config {
    int64_t width, blocks, parts;
    int32_t kind;
} config;

static const stele_option options[] = {
    STELE_OPTION_I64(config, width, "width", 1024, 1, 65536, "Width of the layers."),
    STELE_OPTION_ENUM(config, kind, "kind", kinds, KIND_PLAIN, "One layer, or blocks behind it."),
    STELE_OPTION_I64(config, blocks, "blocks", 2, 1, MOST_BLOCKS, "blocks: how many."),
    STELE_OPTION_I64(config, parts, "parts", 2, 1, 64,
                     "blocks: parts that divide the layers, of which the first passes unchanged."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t latent, covariates, blocks;
    uint32_t first, first_bias, covariate_weight, last, last_bias;
    uint32_t weight[MOST_BLOCKS], bias[MOST_BLOCKS];
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const config *c = a->config;
    if (c->kind == KIND_BLOCKS && (c->width % c->parts != 0 || c->parts < 2)) {
        return STELE_FAIL(a->host, STELE_E_OPTION, "parts: they have to divide width %lld",
                          (long long)c->width);
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = c;
    self->latent = a->latent_dim;
    self->covariates = a->decoder_covariates;
    self->blocks = c->kind == KIND_BLOCKS ? c->blocks : 0;
#ifdef DEFECT_BLOCKS_IGNORED
    self->blocks = c->kind == KIND_BLOCKS ? 2 : 0;
#endif
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const int64_t width = self->config->width;
    stele_status status = stele_declare_linear(h, b, "first", self->latent, width, 1.0,
                                               &self->first, &self->first_bias);
    for (int64_t i = 0; i < self->blocks && status == STELE_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "block%d", (int)i);
        status =
            stele_declare_linear(h, b, name, width, width, 1.0, &self->weight[i], &self->bias[i]);
    }
    if (status == STELE_OK && self->covariates > 0) {
        status = stele_declare(h, b, "first", "covariates", stele_shape2(self->covariates, width),
                               STELE_INIT_UNIFORM, 0.3, 1.0, &self->covariate_weight);
    }
    if (status == STELE_OK) {
        status = stele_declare_linear(h, b, "last", width, 1, 1.0, &self->last, &self->last_bias);
    }
    return status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    (void)self;
    ret->gradient_scale = 1.0;
    return STELE_OK;
}

/* x + tanh(W x + b), but for the first of the parts. */
static stele_tensor *block(const stele_inst *self, stele_graph *g, int64_t i, stele_tensor *x)
{
    const stele_ops *ops = self->host->ops;
    const int64_t width = self->config->width, kept = width / self->config->parts;
    stele_tensor *more = ops->tanh(
        g, ops->linear(g, x, ops->param(g, self->weight[i]), ops->param(g, self->bias[i])));
    stele_tensor *part[] = { ops->slice(g, x, -1, 0, kept),
                             ops->add(g, ops->slice(g, x, -1, kept, width),
                                      ops->slice(g, more, -1, kept, width)) };
    return ops->concat(g, 2, part, 1);
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *x =
        ops->linear(g, z, ops->param(g, self->first), ops->param(g, self->first_bias));
    if (self->covariates > 0) {
        x = ops->add(g, x, ops->linear(g, covariates, ops->param(g, self->covariate_weight), NULL));
    }
    x = ops->tanh(g, x);
    for (int64_t i = 0; i < self->blocks; i++) {
        x = block(self, g, i, x);
    }
    *ret_y = ops->linear(g, x, ops->param(g, self->last), ops->param(g, self->last_bias));
    return ops->status(g);
}

static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_shape rows;
    stele_status status = ops->shape(target, &rows);
    if (status == STELE_OK) {
        stele_tensor *error = ops->sub(g, ops->reshape(g, y, &rows), target), *again = error;
#ifdef DEFECT_ERROR_DETACHED
        again = ops->detach(g, error);
#endif
        *ret_rows = ops->scale(g, ops->mul(g, error, again), 0.5);
        status = ops->status(g);
    }
    return status;
}

static const stele_head_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .traits = traits,
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
    .summary = "A wide regression for tests.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
