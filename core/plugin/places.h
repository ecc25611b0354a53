/* places.h - the folders in which plugins are looked for. The working directory is never one. */
#ifndef STELE_PLUGIN_PLACES_H
#define STELE_PLUGIN_PLACES_H

#include "base/diag.h"

typedef struct stele__places {
    char **folder; /* owned, in the order of search */
    size_t n;
} stele__places;

/* What the build knows about where something that is installed lies: plugins, headers. */
typedef struct stele__layout {
    const char *build_root;   /* the build folder */
    const char *installed;    /* absolute folder where it is installed */
    const char *from_program; /* the same, relative to the folder of the installed program */
} stele__layout;

/* The running file, links resolved. The caller frees it; NULL: out of memory. */
char *stele__program_path(void);
/* `program`, the running file, lies in the build folder: it was not installed. */
int stele__place_is_built(const stele__layout *layout, const char *program);
/* The installed folder as it lies beside `program`: an installation that was moved as a whole finds
 * its parts. Where nothing lies there, the folder that the build was told. The caller frees it;
 * NULL: out of memory. */
char *stele__place_installed(const stele__layout *layout, const char *program);

/* `listed` is the value of STELE_PLUGIN_PATH, colon separated, or NULL: its absolute folders come
 * first, others are left out with a warning, as is an empty element, which by the custom of PATH
 * would be the working directory. Then, if `program` (the running file) lies in the
 * build folder, BUILD/plugins. Then the installed folder, found from `program` when that was moved.
 */
STELE_NODISCARD stele_status stele__places_find(const stele__layout *layout, const char *listed,
                                                const char *program, stele__places *ret,
                                                stele__diag *diag);
/* The same for this process; STELE_PLUGIN_PATH does not count when it runs with the rights of
 * another user (set-uid). */
STELE_NODISCARD stele_status stele__places_default(stele__places *ret, stele__diag *diag);
void stele__places_finish(stele__places *places);

#endif
