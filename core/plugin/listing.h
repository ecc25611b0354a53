/* listing.h - what plugins there are, without letting any of them into this process. */
#ifndef STELE_PLUGIN_LISTING_H
#define STELE_PLUGIN_LISTING_H

#include "plugin/registry.h"

/* A plugin that was found, or a file that was refused. Strings are owned by the listing. */
typedef struct stele__listed {
    uint32_t kind;
    char *name;
    char *origin;                                  /* path, or STELE__BUILT_IN */
    char *version, *summary, *license, *reference; /* NULL when refused; reference may be */
    char *refused;                                 /* why, NULL when it was not */
    char *shadowed_by; /* origin of the plugin that is used in its place, NULL when it is used */
} stele__listed;

typedef struct stele__listing {
    stele__listed *item; /* by kind, name, order of search */
    size_t n;
} stele__listing;

/* Open every plugin in a child process of its own, with a time limit: one that crashes or hangs
 * while it is loaded costs an entry, not the program. What plugins print is dropped. The process
 * should have one thread only. */
STELE_NODISCARD stele_status stele__registry_list(const stele__registry *registry,
                                                  stele__listing *ret);
/* The same for one of the candidates; the result is freed with stele__listing_finish. */
STELE_NODISCARD stele_status stele__candidate_list(const stele__registry *registry,
                                                   const stele__candidates *candidates, size_t i,
                                                   stele__listing *ret);
void stele__listing_finish(stele__listing *listing);

#endif
