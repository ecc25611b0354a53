/* A source without rows and fields, for specs in tests that are about something else. Built with
 * TAKES_KEY it has an option by the name of a key that the host has in `data`. */
#include <stele/plugin.h>

struct stele_inst {
    int unused;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    static stele_inst only;
    (void)a;
    *ret = &only;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    (void)self;
}

static uint32_t none(const stele_inst *self)
{
    (void)self;
    return 0;
}

static int64_t n_rows(const stele_inst *self, uint32_t axis)
{
    (void)self;
    (void)axis;
    return 0;
}

/* The host asks for rows, fields, features and codes that were announced only: for none here. */
static const char *name(const stele_inst *self, uint32_t of, int64_t number)
{
    (void)self;
    (void)of;
    (void)number;
    return NULL;
}

static stele_status field(const stele_inst *self, uint32_t number, stele_field *ret)
{
    (void)self;
    (void)number;
    (void)ret;
    return STELE_E_ARG;
}

static stele_status count(const stele_inst *self, uint32_t of, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    (void)self;
    (void)of;
    (void)n;
    (void)row;
    (void)ret_n;
    return STELE_E_ARG;
}

static stele_status read_rows(const stele_inst *self, const stele_read *r)
{
    (void)self;
    (void)r;
    return STELE_E_ARG;
}

static const stele_source_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .n_axes = none,
    .n_rows = n_rows,
    .row_id = name,
    .n_fields = none,
    .field = field,
    .feature_name = name,
    .category = name,
    .count = count,
    .read = read_rows,
};

#ifdef TAKES_KEY
#define ID "source/takes_key"
typedef struct config {
    double missing;
} config;

static const stele_option options[] = {
    STELE_OPTION_F64(config, missing, "missing", 0.0, 0.0, 1.0, "What the host calls otherwise."),
};
#else
#define ID "source/empty"
#endif

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .id = ID,
    .version = "0.1.0",
    .summary = "No rows at all.",
    .license = "BSD-3-Clause",
#ifdef TAKES_KEY
    STELE_PLUGIN_OPTIONS(options, config),
#endif
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
