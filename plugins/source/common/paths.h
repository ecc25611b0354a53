/* paths.h - which files a `path` names: one, or several by a pattern. */
#ifndef SOURCE_PATHS_H
#define SOURCE_PATHS_H

#include <stele/host.h>

/* Called with each path in turn, valid for the call; anything but STELE_OK ends it. */
typedef stele_status (*paths_add)(void *user, const char *path);

/* The file of that very name; else, of `{a,b}`, each in turn, there or not; else all that match a
 * pattern with `*`, `?` or `[`, in an order that does not depend on the locale; else the path as it
 * is. STELE_E_IO if nothing matches, which is said as option `path`; what `add` returned; else
 * STELE_E_NOMEM. */
stele_status paths_each(const stele_host *host, const char *path, paths_add add, void *user);

#endif
