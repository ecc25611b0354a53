/* registry.h - all plugins that a program uses, by kind and name.
 *
 * Order of search: plugins linked into the program, then the folders of the settings, first to
 * last, each as FOLDER/KIND/NAME.so. The first match wins, even if it is refused: silently taking
 * another one would hide the fault. A name with a slash is a path and never searched for. Nothing
 * is ever unloaded. Main thread only. */
#ifndef STELE_PLUGIN_REGISTRY_H
#define STELE_PLUGIN_REGISTRY_H

#include "plugin/loader.h"

#include <ltdl.h>

typedef struct stele__registry stele__registry;

typedef struct stele__registry_settings {
    const lt_dlsymlist *preload; /* plugins linked into the program; NULL: none */
    const char *const *folder;   /* copied */
    size_t n_folders;
    int allow_unsafe; /* load files that others can change too: see trust.h */
} stele__registry_settings;

STELE_NODISCARD stele_status stele__registry_create(const stele__registry_settings *settings,
                                                    stele__registry **ret, stele__diag *diag);
/* Frees the tables of all plugins, whose code stays loaded. NULL is legal. */
void stele__registry_destroy(stele__registry *registry);

/* The plugin kind/name, loaded when first asked for; valid until the registry is destroyed. `name`
 * with a slash is the path of a file that holds a plugin of this kind. `at`, the place in the spec
 * that names the plugin, may be NULL. STELE_E_ABI if it is missing or refused; messages
 * say where was looked and what is near. */
STELE_NODISCARD stele_status stele__registry_find(stele__registry *registry, uint32_t kind,
                                                  const char *name, const stele__place *at,
                                                  const stele__plugin **ret, stele__diag *diag);

/* Where a plugin may lie, without opening it. Strings are owned by the list. */
typedef struct stele__candidate {
    uint32_t kind;
    char *name;
    char *path; /* NULL: built in */
    size_t by;  /* index of the candidate that shadows this one; its own index if none does */
} stele__candidate;

typedef struct stele__candidates {
    stele__candidate *item; /* by kind, name, order of search */
    size_t n, capacity;
} stele__candidates;

STELE_NODISCARD stele_status stele__registry_candidates(const stele__registry *registry,
                                                        stele__candidates *ret);
void stele__candidates_finish(stele__candidates *candidates);

/* Open a candidate, even a shadowed one. The caller destroys *ret. */
STELE_NODISCARD stele_status stele__candidate_open(const stele__registry *registry,
                                                   const stele__candidate *candidate,
                                                   stele__library **ret, stele__diag *diag);

#endif
