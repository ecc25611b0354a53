/* preload.h - plugins that are linked into the program instead of loaded, through libltdl. The
 * build writes their table (see plugins/meson.build): for fusion/NAME an entry "fusion_NAME.a"
 * followed by its query function. Main thread only. */
#ifndef STELE_PLUGIN_PRELOAD_H
#define STELE_PLUGIN_PRELOAD_H

#include "plugin/loader.h"

#include <ltdl.h>

/* Make the table known to libltdl. `table` may be NULL. Each start wants one end. */
STELE_NODISCARD stele_status stele__preload_start(const lt_dlsymlist *table, stele__diag *diag);
void stele__preload_end(void);

/* The i-th plugin of the table: its kind and name (borrowed, *ret_len bytes). 0 at the end. */
uint32_t stele__preload_entry(const lt_dlsymlist *table, size_t i, const char **ret_name,
                              size_t *ret_len);
/* Judge and copy the plugin kind/name of the table; *ret is NULL when the table lacks it. */
STELE_NODISCARD stele_status stele__preload_open(const lt_dlsymlist *table, uint32_t kind,
                                                 const char *name, stele__library **ret,
                                                 stele__diag *diag);

#endif
