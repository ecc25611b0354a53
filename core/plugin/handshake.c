/* What a plugin file says about itself, judged in the order in which it can be trusted: the first
 * sixteen bytes, the tag, the library, each plugin, its slots, its options. Nothing here calls
 * anything but the query function. */
#include "plugin/loader.h"

#include "base/mem.h"
#include "spec/options.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Sizes of version 0.1: members appended later never raise them. */
#define FLOOR(type_, last_) (offsetof(type_, last_) + sizeof(((type_ *)0)->last_))
/* Beyond this a size is taken for garbage. */
enum { LARGEST_TABLE = 65536, LARGEST_CONFIG = 1 << 20, MOST_PLUGINS = 256, MOST_OPTIONS = 1024 };

typedef struct slot {
    const char *name;
    size_t offset;
} slot;

#define SLOT(type_, name_)                                                                         \
    {                                                                                              \
#name_, offsetof(type_, name_)                                                             \
    }

static const slot modality_slots[] = {
    SLOT(stele_modality_vt, create),
    SLOT(stele_modality_vt, destroy),
    SLOT(stele_modality_vt, encode),
};
static const slot fusion_slots[] = {
    SLOT(stele_fusion_vt, create),
    SLOT(stele_fusion_vt, destroy),
    SLOT(stele_fusion_vt, max_components),
    SLOT(stele_fusion_vt, fuse),
};
static const slot head_slots[] = {
    SLOT(stele_head_vt, create),  SLOT(stele_head_vt, destroy), SLOT(stele_head_vt, traits),
    SLOT(stele_head_vt, predict), SLOT(stele_head_vt, loss),
};
static const slot source_slots[] = {
    SLOT(stele_source_vt, create),   SLOT(stele_source_vt, destroy),
    SLOT(stele_source_vt, n_axes),   SLOT(stele_source_vt, n_rows),
    SLOT(stele_source_vt, row_id),   SLOT(stele_source_vt, n_fields),
    SLOT(stele_source_vt, field),    SLOT(stele_source_vt, feature_name),
    SLOT(stele_source_vt, category), SLOT(stele_source_vt, count),
    SLOT(stele_source_vt, read),
};

typedef struct kind_info {
    const char *name;
    const slot *required;
    size_t n_required, floor, size;
} kind_info;

#define COUNT(array_) (sizeof(array_) / sizeof(array_)[0])
static const kind_info kinds[] = {
    [STELE_MODALITY] = { "modality", modality_slots, COUNT(modality_slots),
                         FLOOR(stele_modality_vt, score_end), sizeof(stele_modality_vt) },
    [STELE_FUSION] = { "fusion", fusion_slots, COUNT(fusion_slots), FLOOR(stele_fusion_vt, loss),
                       sizeof(stele_fusion_vt) },
    [STELE_HEAD] = { "head", head_slots, COUNT(head_slots), FLOOR(stele_head_vt, score),
                     sizeof(stele_head_vt) },
    [STELE_SOURCE] = { "source", source_slots, COUNT(source_slots), FLOOR(stele_source_vt, read),
                       sizeof(stele_source_vt) },
};

const char *stele__kind_name(uint32_t kind)
{
    return kind < COUNT(kinds) ? kinds[kind].name : NULL;
}

uint32_t stele__kind_of(const char *name, size_t len)
{
    for (uint32_t k = 1; k < COUNT(kinds); k++) {
        if (strlen(kinds[k].name) == len && memcmp(kinds[k].name, name, len) == 0) {
            return k;
        }
    }
    return 0;
}

/* Who is judged, for messages. `id` is NULL until it is known to be text. */
typedef struct judge {
    const char *origin, *stem, *id;
    stele__diag *diag;
} judge;

static stele_status refuse(const judge *j, const char *fmt, ...) STELE_PRINTF(2, 3);
static stele_status refuse(const judge *j, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (j->id != NULL) {
        return stele__diag_error(j->diag, STELE_E_ABI, NULL, "%s: %s: %s", j->origin, j->id, text);
    }
    return stele__diag_error(j->diag, STELE_E_ABI, NULL, "%s: %s", j->origin, text);
}

/* Make a table of the size this program knows; members the plugin does not have become NULL. */
static stele_status widen(const judge *j, const char *what, const void *src, size_t floor_size,
                          void *dst, size_t dst_size)
{
    uint64_t n;
    memcpy(&n, src, sizeof n);
    if (n < floor_size || n > LARGEST_TABLE) {
        return refuse(j, "its %s has %llu bytes, where ABI %u.%u asks for at least %zu", what,
                      (unsigned long long)n, STELE_ABI_MAJOR, STELE_ABI_MINOR, floor_size);
    }
    memset(dst, 0, dst_size);
    memcpy(dst, src, n < dst_size ? (size_t)n : dst_size);
    return STELE_OK;
}

static stele_status check_library(const judge *j, const stele_library *lib)
{
    /* Only the first sixteen bytes are the same in all major versions. */
    if (lib->abi_major != STELE_ABI_MAJOR ||
        (STELE_ABI_MAJOR == 0 && lib->abi_minor != STELE_ABI_MINOR)) {
        return refuse(j, "was built for ABI %u.%u, this program has ABI %u.%u", lib->abi_major,
                      lib->abi_minor, STELE_ABI_MAJOR, STELE_ABI_MINOR);
    }
    if (lib->struct_size < FLOOR(stele_library, n_plugins) || lib->struct_size > LARGEST_TABLE) {
        return refuse(j, "its library table has %llu bytes, where ABI %u.%u asks for at least %zu",
                      (unsigned long long)lib->struct_size, STELE_ABI_MAJOR, STELE_ABI_MINOR,
                      FLOOR(stele_library, n_plugins));
    }
    if (lib->abi_tag == NULL || strcmp(lib->abi_tag, STELE_ABI_TAG) != 0) {
        const char *tag = lib->abi_tag != NULL ? lib->abi_tag : "none";
        return refuse(j, "its ABI tag is `%.64s`, this program's is `%s`%s", tag, STELE_ABI_TAG,
                      strstr(tag, "-fast") != NULL ? ": compiled with -ffast-math" : "");
    }
    if (lib->plugins == NULL || lib->n_plugins == 0 || lib->n_plugins > MOST_PLUGINS) {
        return refuse(j, "lists %llu plugins", (unsigned long long)lib->n_plugins);
    }
    return STELE_OK;
}

/* One or more of [a-z0-9_]. */
static bool is_word(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && text[n] == '\0';
}

/* "kind/name", where kind is the plugin's own and name consists of [a-z0-9_]. */
static stele_status check_id(const judge *j, const stele_plugin *p)
{
    const char *kind = stele__kind_name(p->kind);
    const char *id = p->id;
    if (kind == NULL) {
        return refuse(j, "is of the unknown kind %u", p->kind);
    }
    if (id == NULL) {
        return refuse(j, "has no id");
    }
    size_t len = strlen(kind);
    if (strncmp(id, kind, len) != 0 || id[len] != '/' || !is_word(id + len + 1)) {
        return refuse(j, "its id `%.100s` is not of the form %s/NAME with NAME in [a-z0-9_]", id,
                      kind);
    }
    if (strcmp(id + len + 1, j->stem) != 0) {
        return refuse(j, "holds %.100s, so the file has to be called %.100s.so", id, id + len + 1);
    }
    return STELE_OK;
}

static stele_status check_descriptor(const judge *j, const stele_plugin *p)
{
    if (p->min_host_minor > STELE_ABI_MINOR) {
        return refuse(j, "needs a program of ABI %u.%u or later, this one has %u.%u",
                      STELE_ABI_MAJOR, p->min_host_minor, STELE_ABI_MAJOR, STELE_ABI_MINOR);
    }
    uint64_t strange = p->must_understand & ~STELE_CAP_KNOWN;
    if (strange != 0) {
        return refuse(j, "insists on capabilities 0x%llx, which this program does not know",
                      (unsigned long long)strange);
    }
    enum { N_REQUIRED = 3 };
    const struct {
        const char *name, *text;
    } texts[] = { { "version", p->version },
                  { "summary", p->summary },
                  { "license", p->license },
                  { "reference", p->reference } };
    for (size_t i = 0; i < COUNT(texts); i++) {
        const char *text = texts[i].text;
        if (i < N_REQUIRED && (text == NULL || text[0] == '\0')) {
            return refuse(j, "has no %s", texts[i].name);
        }
        for (; text != NULL && *text != '\0'; text++) {
            if ((unsigned char)*text < ' ' || *text == 0x7f) {
                return refuse(j, "its %s has a control character", texts[i].name);
            }
        }
    }
    if (p->detail != NULL && !is_word(p->detail)) {
        return refuse(j, "its detail `%.100s` is not a name of [a-z0-9_]", p->detail);
    }
    if (p->config_size > LARGEST_CONFIG) {
        return refuse(j, "wants %llu bytes of options", (unsigned long long)p->config_size);
    }
    if (p->vtable == NULL) {
        return refuse(j, "has no vtable");
    }
    return STELE_OK;
}

/* Is a slot, read as bytes, empty? Function and object pointers may not be compared as such. */
static bool is_empty(const void *table, size_t offset)
{
    void (*f)(void);
    memcpy(&f, (const char *)table + offset, sizeof f);
    return f == NULL;
}

/* Slots that come in groups: an elementwise likelihood or another one, all of the metrics or none,
 * by features or by rows. */
static stele_status check_modality(const judge *j, const stele_modality_vt *vt)
{
    int elementwise = (vt->decode != NULL) + (vt->likelihood != NULL) + (vt->draw != NULL);
    int score = (vt->score_size != NULL) + (vt->score_add != NULL) + (vt->score_end != NULL);
    int tally = (vt->tally_width != NULL) + (vt->tally != NULL) + (vt->tally_end != NULL);
    if (elementwise != 3 && (elementwise != 0 || vt->log_prob == NULL)) {
        return refuse(j, "needs decode, likelihood and draw together, or log_prob in their place");
    }
    if (score != 0 && score != 3) {
        return refuse(j, "needs score_size, score_add and score_end together, or none of them");
    }
    if (tally != 0 && (tally != 3 || score != 0)) {
        return refuse(j, "needs tally_width, tally and tally_end together and no score_size, or "
                         "none of them");
    }
    return STELE_OK;
}

static stele_status take_vtable(const judge *j, stele__plugin *p)
{
    const kind_info *kind = &kinds[p->desc.kind];
    stele_status status = widen(j, "vtable", p->desc.vtable, kind->floor, &p->vt, kind->size);
    for (size_t i = 0; status == STELE_OK && i < kind->n_required; i++) {
        if (is_empty(&p->vt, kind->required[i].offset)) {
            status = refuse(j, "its slot `%s` is NULL", kind->required[i].name);
        }
    }
    if (status == STELE_OK && p->desc.kind == STELE_MODALITY) {
        status = check_modality(j, &p->vt.modality);
    }
    p->desc.vtable = &p->vt;
    return status;
}

static stele_status take_options(const judge *j, stele__plugin *p)
{
    uint32_t n = p->desc.n_options;
    size_t stride = p->desc.option_stride;
    const char *row = (const char *)p->desc.options;
    if (n > MOST_OPTIONS || (n != 0 && (row == NULL || stride < FLOOR(stele_option, reserved) ||
                                        stride > LARGEST_TABLE))) {
        return refuse(j, "its option table (%u rows of %zu bytes) makes no sense", n, stride);
    }
    p->option = stele__calloc(n != 0 ? n : 1, sizeof *p->option);
    if (p->option == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++, row += stride) {
        memcpy(&p->option[i], row, stride < sizeof *p->option ? stride : sizeof *p->option);
    }
    p->desc.options = p->option;
    p->desc.option_stride = sizeof *p->option;
    stele__table table = { p->option, n, sizeof *p->option };
    char who[PATH_MAX + 256];
    snprintf(who, sizeof who, "%s: %s", j->origin, p->desc.id);
    return stele__table_check(&table, (size_t)p->desc.config_size, who, j->diag);
}

static stele_status take_plugin(judge *j, const stele_plugin *src, stele__plugin *p)
{
    if (src == NULL) {
        return refuse(j, "lists a plugin that is NULL");
    }
    stele_status status =
        widen(j, "descriptor", src, FLOOR(stele_plugin, vtable), &p->desc, sizeof p->desc);
    if (status == STELE_OK) {
        status = check_id(j, &p->desc);
    }
    if (status != STELE_OK) {
        return status;
    }
    j->id = p->desc.id;
    p->name = strchr(p->desc.id, '/') + 1;
    p->origin = j->origin;
    status = check_descriptor(j, &p->desc);
    if (status == STELE_OK) {
        status = take_vtable(j, p);
    }
    if (status == STELE_OK) {
        status = take_options(j, p);
    }
    j->id = NULL;
    return status;
}

stele_status stele__library_accept(stele_plugin_query_fn *query, const char *origin,
                                   const char *stem, stele__library **ret, stele__diag *diag)
{
    judge j = { .origin = origin, .stem = stem, .diag = diag };
    const stele_library *src = query(STELE_ABI_MAJOR, STELE_ABI_MINOR);
    if (src == NULL) {
        return refuse(&j, "has nothing for ABI %u, the one of this program", STELE_ABI_MAJOR);
    }
    stele_status status = check_library(&j, src);
    if (status != STELE_OK) {
        return status;
    }
    stele__library *lib = stele__calloc(1, sizeof *lib);
    if (lib == NULL) {
        return STELE_E_NOMEM;
    }
    lib->n = (size_t)src->n_plugins;
    lib->origin = stele__strdup(origin);
    lib->plugin = stele__calloc(lib->n, sizeof *lib->plugin);
    if (lib->origin == NULL || lib->plugin == NULL) {
        stele__library_destroy(lib);
        return STELE_E_NOMEM;
    }
    j.origin = lib->origin; /* what the plugins keep */
    for (size_t i = 0; status == STELE_OK && i < lib->n; i++) {
        status = take_plugin(&j, src->plugins[i], &lib->plugin[i]);
        for (size_t k = 0; status == STELE_OK && k < i; k++) {
            if (lib->plugin[k].desc.kind == lib->plugin[i].desc.kind) {
                status = refuse(&j, "holds %s twice", lib->plugin[i].desc.id);
            }
        }
    }
    if (status != STELE_OK) {
        stele__library_destroy(lib);
        return status;
    }
    *ret = lib;
    return STELE_OK;
}

void stele__library_destroy(stele__library *library)
{
    if (library == NULL) {
        return;
    }
    for (size_t i = 0; library->plugin != NULL && i < library->n; i++) {
        stele__free(library->plugin[i].option);
    }
    stele__free(library->plugin);
    stele__free(library->origin);
    stele__free(library);
}
