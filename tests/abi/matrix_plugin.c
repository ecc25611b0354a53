/* A fusion plugin that is built against the present headers and against those of the next version
 * (HAS_NEWER). It uses the slot that the next version appends to the host's table where there is
 * one, and has the one that is appended to its own. */
#include <stele/plugin.h>

#include <stdlib.h>

struct stele_inst {
    int32_t got; /* from the host's newer service, 0 without */
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
#ifdef HAS_NEWER
    if (STELE_HAS(stele_host, a->host, newer)) {
        self->got = a->host->newer(20);
    }
#else
    (void)a;
#endif
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

/* Tells what create() got. */
static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    return n_modalities + (uint32_t)self->got;
}

static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    (void)self;
    (void)g;
    ret->n = 1;
    ret->component[0] = in->q[0];
    ret->subset[0] = 1;
    return STELE_OK;
}

#ifdef HAS_NEWER
static int32_t newer(const stele_inst *self)
{
    return self->got + 1;
}
#endif

typedef struct config {
    int64_t width;
} config;

static const stele_option options[] = {
    { .name = "width",
      .help = "A width.",
      .type = STELE_OPT_I64,
      .offset = 0,
      .min = { .i = 1 },
      .max = { .i = 9 },
      .def = { .i = 3 } },
    { .name = "height",
      .help = "A height.",
      .type = STELE_OPT_I64,
      .offset = 0,
      .min = { .i = 1 },
      .max = { .i = 9 },
      .def = { .i = 4 } },
};

/* What lies behind a table is not to be read: a host that does finds no NULL there. */
typedef struct trap {
    const char *word[4];
} trap;
#define TRAP                                                                                       \
    {                                                                                              \
        {                                                                                          \
            "a", "b", "c", "d"                                                                     \
        }                                                                                          \
    }

static const struct {
    stele_fusion_vt vt;
    trap behind;
} table = { .vt = { .struct_size = sizeof table.vt,
                    .create = create,
                    .destroy = destroy,
                    .max_components = max_components,
                    .fuse = fuse,
#ifdef HAS_NEWER
                    .newer = newer,
#endif
            },
            .behind = TRAP };

static const struct {
    stele_plugin plugin;
    trap behind;
} entry = { .plugin = { .struct_size = sizeof entry.plugin,
                        .kind = STELE_FUSION,
#ifdef INSISTS
                        .min_host_minor = STELE_ABI_MINOR,
#endif
                        .id = "fusion/matrix",
                        .version = "0.1.0",
                        .summary = "A plugin for tests.",
                        .license = "BSD-3-Clause",
                        .options = options,
                        .n_options = sizeof options / sizeof options[0],
                        .option_stride = sizeof options[0],
                        .config_size = sizeof(config),
                        .vtable = &table.vt },
            .behind = TRAP };

STELE_LIBRARY(&entry.plugin)
