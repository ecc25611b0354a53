#include "plugin/use.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kind that `name` begins with if it reads like the id of a plugin, "KIND/NAME"; else 0. */
static uint32_t kind_of_id(const char *name)
{
    size_t n = strcspn(name, "/");
    for (uint32_t kind = 1; stele__kind_name(kind) != NULL; kind++) {
        if (strlen(stele__kind_name(kind)) == n && strncmp(name, stele__kind_name(kind), n) == 0) {
            return name[n] == '/' && name[n + 1 + strcspn(name + n + 1, "/.")] == '\0' ? kind : 0;
        }
    }
    return 0;
}

/* What has a slash is a file, and help and listings show ids that have one. */
static stele_status refuse_id(const stele__instance *instance, uint32_t kind,
                              const stele__place *at, stele__diag *diag)
{
    const char *bare = strchr(instance->plugin, '/') + 1;
    stele__diag_error(diag, STELE_E_ABI, at, "there is no file `%s`", instance->plugin);
    if (kind == instance->kind) {
        stele__diag_hint(diag, "write the bare name of a plugin: `%s`", bare);
    } else {
        stele__diag_hint(diag, "it reads like the id of a %s plugin, but a %s plugin belongs here",
                         stele__kind_name(kind), stele__kind_name(instance->kind));
    }
    return STELE_E_ABI;
}

static stele_status find(stele__registry *registry, const stele__instance *instance,
                         const stele__plugin **ret, stele__diag *diag)
{
    const char *name = instance->plugin;
    if (strchr(name, '/') != NULL) {
        name = stele__node_resolve_path(instance->at, name);
    }
    stele__str path;
    stele__str_init(&path);
    stele__node_path(instance->at, &path);
    stele__place at = { .file = instance->at->file,
                        .line = instance->at->line,
                        .column = instance->at->column,
                        .path = path.data };
    stele_status status = STELE_E_NOMEM;
    uint32_t kind = kind_of_id(instance->plugin);
    if (name != NULL && kind != 0 && access(name, F_OK) != 0) {
        status = refuse_id(instance, kind, &at, diag);
    } else if (name != NULL) {
        status = stele__registry_find(registry, instance->kind, name, &at, ret, diag);
    }
    stele__str_finish(&path);
    return status;
}

stele_status stele__instance_use(stele__registry *registry, stele__instance *instance,
                                 const stele__plugin **ret, stele__diag *diag)
{
    const stele__plugin *plugin = NULL;
    /* Without a name there is a message already. */
    stele_status status = STELE_E_OPTION;
    if (instance->plugin != NULL) {
        status = find(registry, instance, &plugin, diag);
    }
    if (status != STELE_OK) {
        stele__node_use_all(instance->node);
        return status;
    }
    *ret = plugin;
    stele__table table = { plugin->desc.options, plugin->desc.n_options,
                           plugin->desc.option_stride };
    return stele__instance_apply(instance, &table, (size_t)plugin->desc.config_size,
                                 plugin->desc.id, diag);
}

/* The first failure, or the good news that there is none. */
static stele_status use_all(stele__registry *registry, stele__instance *instance, size_t n,
                            const stele__plugin ***ret, stele__diag *diag)
{
    stele_status first = STELE_OK;
    const stele__plugin **plugin = stele__calloc(n + 1, sizeof(*plugin));
    *ret = plugin;
    if (plugin == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        stele_status status = stele__instance_use(registry, &instance[i], &plugin[i], diag);
        first = first == STELE_OK ? status : first;
    }
    return first;
}

/* The loss of a fusion rule stands where a bound would. */
static stele_status check_bound(const stele__spec *spec, const stele__plugin *fusion,
                                stele__diag *diag)
{
    char text[256];
    if (spec->objective == NULL || spec->objective->bound == STELE__BOUND_ELBO ||
        fusion->vt.fusion.loss == NULL) {
        return STELE_OK;
    }
    snprintf(text, sizeof text,
             "%s trains on a loss of its own, which importance weights cannot enter",
             fusion->desc.id);
    stele__spec_error(spec, "objective.bound", STELE_E_OPTION, text, diag);
    stele__diag_hint(diag, "leave the bound at elbo, or choose another fusion rule");
    return STELE_E_OPTION;
}

stele_status stele__cast_find(stele__registry *registry, stele__spec *spec, stele__cast *ret,
                              stele__diag *diag)
{
    memset(ret, 0, sizeof *ret);
    stele_status status[4] = {
        use_all(registry, spec->source, spec->n_sources, &ret->source, diag),
        use_all(registry, spec->modality, spec->n_modalities, &ret->modality, diag),
        use_all(registry, spec->head, spec->n_heads, &ret->head, diag),
        STELE_E_OPTION,
    };
    if (spec->fusion.node != NULL) {
        status[3] = stele__instance_use(registry, &spec->fusion, &ret->fusion, diag);
    }
    if (status[3] == STELE_OK) {
        status[3] = check_bound(spec, ret->fusion, diag);
    }
    for (size_t i = 0; i < 4; i++) {
        if (status[i] != STELE_OK) {
            return status[i];
        }
    }
    return STELE_OK;
}

void stele__cast_finish(stele__cast *cast)
{
    stele__free((void *)cast->source);
    stele__free((void *)cast->modality);
    stele__free((void *)cast->head);
    memset(cast, 0, sizeof *cast);
}
