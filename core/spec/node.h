/* core/spec: the YAML spec as a tree with positions, tables of options, the spec's own sections.
 *
 * node.h - a YAML text as a tree. Anchors, aliases and merge keys are expanded; every node knows
 * where it stands, so that a message can name file, line, column and dotted path. Everything is
 * owned by the document. Not thread-safe. */
#ifndef STELE_SPEC_NODE_H
#define STELE_SPEC_NODE_H

#include "base/diag.h"
#include "base/str.h"

#include <stele/options.h>

enum { STELE__SCALAR = 1, STELE__SEQUENCE, STELE__MAPPING };

/* Limits: deeper or larger specs (after the expansion of aliases) are refused. */
enum { STELE__SPEC_DEPTH = 64, STELE__SPEC_NODES = 100000, STELE__SPEC_BYTES = 1 << 20 };

typedef struct stele__spec_doc stele__spec_doc;
typedef struct stele__known stele__known;
typedef struct stele__node stele__node;

struct stele__node {
    int kind;   /* STELE__SCALAR, STELE__SEQUENCE or STELE__MAPPING */
    int quoted; /* scalar in quotes, in block style or with !!str: a string, whatever it looks like
                 */
    int used;   /* somebody asked for this node; what nobody asked for is an unknown key */
    int reported;          /* a message about this node was already given: do not add another */
    const char *file;      /* the spec's path, or "--set a.b=value" */
    unsigned line, column; /* of the value, from 1; 0 for nodes of --set */
    unsigned key_line, key_column; /* of the key; for items of a sequence as of the value */
    const char *key;     /* the key in a mapping; NULL for the root and items of a sequence */
    const char *text;    /* scalar: its text, never NULL */
    stele__node **child; /* mapping: in the order of the file; merged keys last */
    size_t n, capacity;
    stele__node *parent; /* NULL for the root */
    stele__spec_doc *doc;
    stele__known *known; /* mapping: keys that somebody asked for, present or not */
};

struct stele__known {
    const char *name;           /* a key of this mapping, or a dotted path below it */
    const stele_option *option; /* its row, NULL if it has none */
    int hidden;                 /* accepted, but not offered in hints */
    stele__known *next;
};

/* Read a spec. All errors that do not hide the rest of the file are reported. Keys that are given
 * twice, empty or hold a NUL are reported and left out, and the spec is returned all the same, for
 * the other mistakes to be found: stele__spec_finish refuses it. The root is a mapping. Relative
 * paths are resolved against the folder of `path`; what comes through a stream of the process
 * (/dev/stdin, /dev/fd/N) has none. The caller destroys *ret. */
STELE_NODISCARD stele_status stele__spec_doc_read(const char *path, stele__spec_doc **ret,
                                                  stele__diag *diag);
/* The same from `len` bytes of text; `name` stands in messages, relative paths are resolved against
 * `folder` (NULL: left as they are). */
STELE_NODISCARD stele_status stele__spec_doc_parse(const char *text, size_t len, const char *name,
                                                   const char *folder, stele__spec_doc **ret,
                                                   stele__diag *diag);
/* Any YAML value, not only a mapping, as a document of its own: defaults of list options. */
STELE_NODISCARD stele_status stele__spec_value_parse(const char *text, const char *name,
                                                     stele__spec_doc **ret, stele__diag *diag);
/* An empty mapping, to be filled with the functions below: resolved specs. */
STELE_NODISCARD stele_status stele__spec_doc_create(stele__spec_doc **ret);
void stele__spec_doc_destroy(stele__spec_doc *doc); /* NULL is legal */
/* Apply "a.b=value": the value is YAML, missing mappings are made, an existing value is replaced.
 * Before anything was read from the tree. */
STELE_NODISCARD stele_status stele__spec_doc_set(stele__spec_doc *doc, const char *assignment,
                                                 stele__diag *diag);
/* The same for another option of the command line that changes a key: messages show `said`
 * ("--threads 2") in place of "--set a.b=value". */
STELE_NODISCARD stele_status stele__spec_doc_set_as(stele__spec_doc *doc, const char *assignment,
                                                    const char *said, stele__diag *diag);
/* A document of the same text as one that stele__spec_doc_read gave, untouched. The caller destroys
 * *ret. */
STELE_NODISCARD stele_status stele__spec_doc_again(const stele__spec_doc *doc,
                                                   stele__spec_doc **ret, stele__diag *diag);
/* Put a copy of `value` at the dotted `key`, as stele__spec_doc_set does; messages about it, and
 * about the mappings that it needs, point to the place of `at`. */
STELE_NODISCARD stele_status stele__spec_doc_put(stele__spec_doc *doc, const char *key,
                                                 const stele__node *value, const stele__node *at,
                                                 stele__diag *diag);
stele__node *stele__spec_doc_root(const stele__spec_doc *doc);
/* What stele__spec_doc_read has read, *ret_len bytes: a pipe cannot be read twice. NULL for other
 * documents. */
const char *stele__spec_doc_text(const stele__spec_doc *doc, size_t *ret_len);
/* A relative path as the spec that holds `node` means it: against the spec's folder, or against the
 * working directory for --set. In the pool of the document; NULL: out of memory. */
const char *stele__node_resolve_path(const stele__node *node, const char *path);

/* The child named `key`, or NULL. Marks it used and remembers that the key is known here. */
stele__node *stele__node_get(stele__node *mapping, const char *key);
/* The child without any mark. NULL if absent or `mapping` is no mapping. */
stele__node *stele__node_find(const stele__node *mapping, const char *key);
/* Take the child named `key` out of a mapping. */
void stele__node_remove(stele__node *mapping, const char *key);
/* What was noted about the dotted `key` below `root`; NULL: nothing, or no row of a table. */
const stele_option *stele__node_option(const stele__node *root, const char *key);
/* Note that `name` (a key, or a dotted path below) is known; `option` is copied and may be NULL. */
void stele__node_know(stele__node *mapping, const char *name, const stele_option *option,
                      int hidden);
int stele__node_is_null(const stele__node *node); /* a plain scalar that means null */
/* Mark a node and all below it used: nobody can tell what is known there. */
void stele__node_use_all(stele__node *node);
/* Errors for every key below `node` that nobody asked for, with a hint. */
STELE_NODISCARD stele_status stele__node_check_keys(stele__node *node, stele__diag *diag);

/* Append "modalities.NAME.encoder.hidden[1]". */
void stele__node_path(const stele__node *node, stele__str *out);
/* Report an error at the value, or at the key, of a node; return `code`. `below` is appended to the
 * path after a dot when it is not NULL. */
stele_status stele__node_error(const stele__node *node, stele_status code, stele__diag *diag,
                               const char *fmt, ...) STELE_PRINTF(4, 5);
stele_status stele__node_key_error(const stele__node *node, const char *below, stele_status code,
                                   stele__diag *diag, const char *fmt, ...) STELE_PRINTF(5, 6);
void stele__node_key_warning(const stele__node *node, stele__diag *diag, const char *fmt, ...)
    STELE_PRINTF(3, 4);
/* "`abc`", "a list", "a mapping", "empty": what a message says that a node is. */
void stele__node_describe(const stele__node *node, stele__str *out);

/* Building trees. Keys and texts are copied. NULL: out of memory, or more nodes than allowed. The
 * same key again gives the node that is there. */
stele__node *stele__node_put_mapping(stele__node *mapping, const char *key);
stele__node *stele__node_put_sequence(stele__node *mapping, const char *key);
/* `quoted` is a string: it will be written with quotes where it needs them. */
stele__node *stele__node_put_scalar(stele__node *mapping, const char *key, const char *text,
                                    int quoted);
/* The three above for a sequence: key is NULL. A deep copy of `from`, of this or another document.
 */
stele__node *stele__node_put_copy(stele__node *parent, const char *key, const stele__node *from);
/* Make a scalar or null node a mapping { key: its text }, or an empty mapping when key is NULL:
 * short forms. */
STELE_NODISCARD stele_status stele__node_make_mapping(stele__node *node, const char *key);

/* Append the tree as YAML. Reading the text back gives the same tree. */
STELE_NODISCARD stele_status stele__node_write(const stele__node *root, stele__str *out);

#endif
