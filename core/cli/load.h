/* load.h - from the command line's SPEC and --set to a spec with its plugins. */
#ifndef STELE_CLI_LOAD_H
#define STELE_CLI_LOAD_H

#include "plugin/use.h"

enum { STELE__MOST_SETS = 256 };

/* What the commands that read a spec were given. */
typedef struct stele__spec_arguments {
    const char *path;
    const char *set[STELE__MOST_SETS];  /* "train.epochs=3" */
    const char *said[STELE__MOST_SETS]; /* the option it stands for; NULL: --set */
    size_t n_sets;
} stele__spec_arguments;

/* A spec without errors; destroyed before the registry. */
typedef struct stele__loaded {
    stele__spec *spec;
    stele__cast cast;
} stele__loaded;

/* Read the spec, find its plugins, check all options. All errors of the spec are reported. */
STELE_NODISCARD stele_status stele__loaded_create(stele__registry *registry,
                                                  const stele__spec_arguments *arguments,
                                                  stele__loaded *ret, stele__diag *diag);
void stele__loaded_finish(stele__loaded *loaded);

#endif
