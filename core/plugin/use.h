/* use.h - from a spec to its plugins. */
#ifndef STELE_PLUGIN_USE_H
#define STELE_PLUGIN_USE_H

#include "plugin/registry.h"
#include "spec/spec.h"

/* Load the plugin that an instance of a spec names and read its options into instance->config. A
 * name with a slash is a path, relative to the folder of the spec. If the plugin cannot be had, the
 * keys of the instance count as known: nobody can tell what is wrong with them. *ret is written if
 * the plugin was found, even when its options are bad. */
STELE_NODISCARD stele_status stele__instance_use(stele__registry *registry,
                                                 stele__instance *instance,
                                                 const stele__plugin **ret, stele__diag *diag);

/* The plugins of a whole spec, in the order of its instances; NULL where one could not be had. The
 * plugins are the registry's. */
typedef struct stele__cast {
    const stele__plugin *fusion;
    const stele__plugin **source, **modality, **head;
} stele__cast;

/* stele__instance_use for every source, modality, head and the fusion. All errors are reported;
 * *ret is made whenever memory suffices, to be freed by stele__cast_finish. */
STELE_NODISCARD stele_status stele__cast_find(stele__registry *registry, stele__spec *spec,
                                              stele__cast *ret, stele__diag *diag);
void stele__cast_finish(stele__cast *cast);

#endif
