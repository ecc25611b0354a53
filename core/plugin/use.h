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

#endif
