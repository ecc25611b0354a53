/* load.h - from the command line's SPEC and --set to a spec with its plugins. */
#ifndef STELE_CLI_LOAD_H
#define STELE_CLI_LOAD_H

#include "plugin/use.h"

struct stele__run;

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
/* The same from a document, which is taken over in any case. */
STELE_NODISCARD stele_status stele__loaded_from(stele__registry *registry, stele__spec_doc *doc,
                                                stele__loaded *ret, stele__diag *diag);
/* Change a document as the command line says. */
STELE_NODISCARD stele_status stele__arguments_apply(const stele__spec_arguments *arguments,
                                                    stele__spec_doc *doc, stele__diag *diag);
/* Append the spec, and what else it takes to have the same one again. 0, and nothing, for one that
 * came through a pipe. */
int stele__arguments_put(const stele__spec_arguments *arguments, stele__str *out);
/* Everything that a training does before its first step: sources open, rows join and split, columns
 * are there, values legal, the model is built. *ret_bytes: what its parameters would take. `show`:
 * called with what was opened if all is well; NULL: nothing is. */
STELE_NODISCARD stele_status stele__loaded_check_data(const stele__loaded *loaded, int quiet,
                                                      void (*show)(const struct stele__run *run),
                                                      double *ret_bytes, stele__diag *diag);
void stele__loaded_finish(stele__loaded *loaded);

#endif
