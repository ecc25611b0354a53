/* help.h - what people and editors read about options, from the same rows that check the values. */
#ifndef STELE_SPEC_HELP_H
#define STELE_SPEC_HELP_H

#include "spec/options.h"

#include <jansson.h>

/* Append two lines or more per option: name, type, range, unit, default; what it means. Rows that
 * are marked ADVANCED only with `advanced` not 0; deprecated rows never. */
void stele__table_help(const stele__table *table, int advanced, stele__str *out);
/* Append a Markdown table of all rows. */
void stele__table_markdown(const stele__table *table, stele__str *out);
/* Append the reference of the host's own sections: a heading, a sentence and a table each. */
void stele__sections_markdown(stele__str *out);
/* The same for a terminal; `path` picks one section with those below it ("train", "modalities",
 * "objective" with objective.beta), NULL gives all. 0: no such section. */
int stele__sections_help(const char *path, int advanced, stele__str *out);
/* Append the names of the sections that a path picks: "data, latent, ...". */
void stele__sections_list(stele__str *out);

/* A plugin as the schema sees it. Strings and tables are borrowed. */
typedef struct stele__schema_plugin {
    uint32_t kind; /* STELE_MODALITY, STELE_FUSION, STELE_HEAD, STELE_SOURCE, STELE__EVALUATION */
    const char *name, *summary;
    stele__table table;
} stele__schema_plugin;

/* Add the rows to the properties of a JSON Schema object, nested where names have dots, and to its
 * list of required keys. */
STELE_NODISCARD stele_status stele__table_schema(const stele__table *table, json_t *object);
/* JSON Schema (draft 07) of a whole spec with these plugins. The caller releases *ret with
 * json_decref. */
STELE_NODISCARD stele_status stele__schema_create(const stele__schema_plugin *plugins, size_t n,
                                                  json_t **ret);

#endif
