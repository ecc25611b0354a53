/* One source, many plugins, each with the one defect that -DDEFECT_... names; see meson.build.
 * Without any it is sound: the joint posterior is the first expert. */
#include <stele/plugin.h>

#include <fenv.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct config {
    int64_t width;
    double share;
} config;

struct stele_inst {
    const config *config;
};

static const stele_option options[] = {
    STELE_OPTION_I64(config, width, "width", 2, 1, 64, "An even number."),
    STELE_OPTION_F64(config, share, "inner.share", 0.5, 0.0, 1.0, "A share below 0.9."),
#ifdef DEFECT_OPTION_OUTSIDE
    { .name = "far", .help = "Far out.", .type = STELE_OPT_F64, .offset = 4096 },
#endif
#ifdef DEFECT_OPTION_TYPE
    { .name = "odd", .help = "Of no known type.", .type = 99 },
#endif
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const config *c = a->config;
    if (c->width % 2 != 0) {
        return STELE_FAIL(a->host, STELE_E_OPTION, "width: %lld is not even", (long long)c->width);
    }
    if (c->share > 0.9) {
        return STELE_FAIL(a->host, STELE_E_OPTION, "inner.share: is too much");
    }
    a->host->log(a->host, STELE_LOG_INFO, "width %d", (int)c->width);
    stele_inst *self = malloc(sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->config = c;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

#ifndef DEFECT_NULL_SLOT
static stele_status fuse(const stele_inst *self, stele_graph *g, const stele_experts *in,
                         stele_joint *ret)
{
    (void)self;
    (void)g;
    ret->n = 1;
    ret->component[0] = in->q[0];
    ret->subset[0] = 1;
    ret->log_weight = NULL;
#ifdef DEFECT_REFUSES
    return STELE_E_UNSUPPORTED;
#endif
    return STELE_OK;
}
#endif

static const stele_fusion_vt vtable = {
#if defined(DEFECT_SHORT_VTABLE)
    .struct_size = offsetof(stele_fusion_vt, fuse),
#elif defined(DEFECT_HUGE_VTABLE)
    .struct_size = UINT64_MAX,
#else
    .struct_size = sizeof vtable,
#endif
    .create = create,
    .destroy = destroy,
    .max_components = max_components,
#ifndef DEFECT_NULL_SLOT
    .fuse = fuse,
#endif
};

static const stele_plugin plugin = {
#ifdef DEFECT_SHORT_DESCRIPTOR
    .struct_size = 64,
#else
    .struct_size = sizeof plugin,
#endif
#ifdef DEFECT_WRONG_KIND
    .kind = STELE_HEAD,
#else
    .kind = STELE_FUSION,
#endif
#ifdef DEFECT_NEWER_HOST
    .min_host_minor = STELE_ABI_MINOR + 1,
#endif
#ifdef DEFECT_STRANGE_DUTY
    .caps = UINT64_C(1) << 40,
    .must_understand = UINT64_C(1) << 40,
#endif
#ifdef DEFECT_WRONG_ID
    .id = "fusion/elsewhere",
#else
    .id = "fusion/" NAME,
#endif
    .version = "0.1.0",
#if defined(DEFECT_CONTROL)
    .summary = "A \x1b[2Jplugin for tests.",
#elif !defined(DEFECT_NO_SUMMARY)
    .summary = "A plugin for tests.",
#endif
    .license = "BSD-3-Clause",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_stride = sizeof options[0],
    .config_size = sizeof(config),
    .vtable = &vtable,
#ifdef DEFECT_DETAIL_NAME
    .detail = "no name",
#endif
};

#ifdef DEFECT_CRASHES
__attribute__((constructor)) static void crash(void)
{
    __builtin_trap();
}
#endif

#ifdef DEFECT_EXITS
__attribute__((constructor)) static void leave(void)
{
    _Exit(3);
}
#endif

#ifdef DEFECT_CLOSES
__attribute__((constructor)) static void close_files(void)
{
    for (int fd = 3; fd < 64; fd++) {
        close(fd);
    }
}
#endif

#ifdef DEFECT_ROUNDS
__attribute__((constructor)) static void change_rounding(void)
{
    fesetround(FE_UPWARD);
}
#endif

#ifdef DEFECT_UNDEFINED
int nobody_defines_this(void);
int calls_it(void);
int calls_it(void)
{
    return nobody_defines_this();
}
#endif

#ifdef DEFECT_TWO_ENTRIES
STELE_EXPORT int second_entry(void);
STELE_EXPORT int second_entry(void)
{
    return 0;
}
#endif

#if defined(DEFECT_LIBRARY)
/* A hand-written query function, for what STELE_LIBRARY cannot get wrong. */
STELE_EXPORT stele_plugin_query_fn stele_plugin_query;
const stele_library *stele_plugin_query(uint32_t host_major, uint32_t host_minor)
{
    static const stele_plugin *const list[] = { &plugin };
    static const stele_library lib = { LIBRARY_SIZE, LIBRARY_MAJOR, LIBRARY_MINOR,
                                       LIBRARY_TAG,  list,          LIBRARY_PLUGINS };
    (void)host_major;
    (void)host_minor;
    return LIBRARY_ANSWER;
}
#elif !defined(DEFECT_NO_ENTRY)
STELE_LIBRARY(&plugin)
#else
STELE_EXPORT extern const stele_plugin *const another_name;
const stele_plugin *const another_name = &plugin;
#endif
