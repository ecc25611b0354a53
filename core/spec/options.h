/* options.h - from a table of rows (stele/options.h) and a mapping of the spec to a block of
 * values, and back. The host's own sections and the options of plugins go the same way. */
#ifndef STELE_SPEC_OPTIONS_H
#define STELE_SPEC_OPTIONS_H

#include "spec/node.h"

/* Rows as somebody compiled them: walk with `stride`, which may be wider than we know. */
typedef struct stele__table {
    const stele_option *option;
    uint32_t n, stride;
} stele__table;
#define STELE__TABLE(rows_)                                                                        \
    {                                                                                              \
        .option = (rows_), .n = sizeof(rows_) / sizeof((rows_)[0]), .stride = sizeof(stele_option) \
    }

/* A copy of row i. */
stele_option stele__table_row(const stele__table *table, uint32_t i);
/* 1 if two options cannot stand in one mapping: the same key, or a value and a mapping at once. */
int stele__option_names_clash(const char *a, const char *b);
/* STELE_E_ABI, with the row named, unless every row has a known type, a usable name, its choices,
 * and an offset inside a block of `block_size` bytes. `who` is the owner of the table
 * ("fusion/NAME"). */
STELE_NODISCARD stele_status stele__table_check(const stele__table *table, size_t block_size,
                                                const char *who, stele__diag *diag);

/* Append "integer", "list of numbers"; "1 to 4096", "at least 0" (nothing if unbounded);
 * "[128, 64]" (nothing if the row has no default); all in one, as a message shows it: "integer, 1
 * to 4096, default 255". */
void stele__option_type(const stele_option *option, stele__str *out);
void stele__option_range(const stele_option *option, stele__str *out);
void stele__option_default(const stele_option *option, stele__str *out);
void stele__option_describe(const stele_option *option, stele__str *out);

/* The values of one mapping by one table: the block, and whatever its strings and lists need. */
typedef struct stele__config stele__config;

/* Read `mapping` by `table`; keys that are absent or null take their defaults. Every key that the
 * table knows is marked as such, so that stele__node_check_keys finds the unknown ones after all
 * tables of a mapping were read. All errors are reported. Both `table` and the document of
 * `mapping` outlive the result, which the caller destroys. */
STELE_NODISCARD stele_status stele__config_create(const stele__table *table, size_t block_size,
                                                  stele__node *mapping, const char *who,
                                                  stele__config **ret, stele__diag *diag);
void stele__config_destroy(stele__config *config); /* NULL is legal */
/* The block of block_size bytes; its owner may adjust values that depend on each other. */
void *stele__config_block(stele__config *config);
const void *stele__config_values(const stele__config *config);
const stele__table *stele__config_table(const stele__config *config);
/* A copy of a string that lives as long as the block; NULL: out of memory. */
const char *stele__config_strdup(stele__config *config, const char *s);
/* 1 if the spec gives a value for the option, 0 if it has its default. */
int stele__config_given(const stele__config *config, const char *option);
/* The value of the first option that is a path; NULL if there is none or it is unset. */
const char *stele__config_file(const stele__config *config);
/* Report an error that was found after reading. Text before a first colon that names an option
 * ("width: must be even"), or another key of the mapping, is taken for its path, and the message
 * gets its line and column; other texts get the place of the mapping. Returns `code`. */
stele_status stele__config_error(const stele__config *config, stele_status code, const char *text,
                                 stele__diag *diag);
/* Add all values to `mapping` of a document under construction, defaults included, in the order of
 * the table. */
STELE_NODISCARD stele_status stele__config_put(const stele__config *config, stele__node *mapping);

#endif
