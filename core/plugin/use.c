#include "plugin/use.h"

#include "base/mem.h"

#include <string.h>

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
    if (name != NULL) {
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
