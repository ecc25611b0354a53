/* core/plugin: finding, opening and judging plugins; instances of them and their messages.
 *
 * loader.h - one file with plugins: opened, judged, and copied into tables of this program's size.
 */
#ifndef STELE_PLUGIN_LOADER_H
#define STELE_PLUGIN_LOADER_H

#include "base/diag.h"

#include <stele/plugin.h>

/* Slots that a plugin lacks are NULL, whichever minor version it was built for. */
typedef union stele__vtable {
    stele_modality_vt modality;
    stele_fusion_vt fusion;
    stele_head_vt head;
    stele_source_vt source;
} stele__vtable;

typedef struct stele__plugin {
    stele_plugin desc; /* this program's size; desc.options and desc.vtable point to the copies, and
                          desc.option_stride is sizeof(stele_option) */
    stele__vtable vt;  /* the member that desc.kind names */
    const char *name;  /* the part of desc.id after the slash */
    const char *origin;   /* real path of the file, or STELE__BUILT_IN */
    stele_option *option; /* owned: what desc.options points to */
} stele__plugin;

/* All plugins of one file. The code itself stays loaded until the process ends. */
typedef struct stele__library {
    char *origin;
    stele__plugin *plugin;
    size_t n;
} stele__library;

#define STELE__BUILT_IN "built in"

/* Open a file. Refused with the true reason as a message: what others can change (trust.h, unless
 * `allow_unsafe`), what dlopen cannot load with all symbols bound, and what stele__library_accept
 * refuses. Should the file change the floating-point environment or the locale, that is put back
 * and a warning tells. A crash in it is reported with the place `at` that wants it; NULL: none.
 * Main thread, before any worker starts. */
STELE_NODISCARD stele_status stele__library_open(const char *path, int allow_unsafe,
                                                 const stele__place *at, stele__library **ret,
                                                 stele__diag *diag);

/* Judge what a plugin file says about itself and copy it. `origin` names the file in messages,
 * every plugin has to be called `stem`. STELE_E_ABI and one message for a refusal. */
STELE_NODISCARD stele_status stele__library_accept(stele_plugin_query_fn *query, const char *origin,
                                                   const char *stem, stele__library **ret,
                                                   stele__diag *diag);

void stele__library_destroy(stele__library *library); /* frees the tables only; NULL is legal */

/* "modality" for STELE_MODALITY; NULL for what is no kind. And back: 0 for what is no kind. */
const char *stele__kind_name(uint32_t kind);
uint32_t stele__kind_of(const char *name, size_t len);

#endif
