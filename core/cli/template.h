/* template.h - the files of a new plugin. Their text comes from sdk/template, by way of its
 * embed.py. */
#ifndef STELE_CLI_TEMPLATE_H
#define STELE_CLI_TEMPLATE_H

#include "base/diag.h"

/* In `path` and `text` my_kind and my_plugin stand for the plugin's kind and name, in `text`
 * my_docs and my_pkgconfig for the folders of the documents and of stele-sdk.pc. */
typedef struct stele__template_file {
    const char *kind; /* NULL: every plugin has this file */
    const char *path; /* in the new folder, with at most one folder of its own */
    const char *text;
} stele__template_file;

extern const stele__template_file stele__template_files[]; /* the last one has no path */

typedef struct stele__template_words {
    const char *kind, *name, *docs, *pkgconfig;
} stele__template_words;

/* Options that stele-check needs for such a plugin, with a blank in front; "" if it needs none. */
const char *stele__template_check_options(const char *kind);
/* Make `folder`, which must not exist, with the files of kind/name in it: all of them or nothing.
 */
STELE_NODISCARD stele_status stele__template_write(const stele__template_words *w,
                                                   const char *folder, stele__diag *diag);

#endif
