#include "plugin/use.h"

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
