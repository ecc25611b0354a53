/* node_private.h - what the files that build trees share. */
#ifndef STELE_SPEC_NODE_PRIVATE_H
#define STELE_SPEC_NODE_PRIVATE_H

#include "spec/node.h"
#include "spec/pool.h"

struct stele__spec_doc {
    stele__pool pool;
    const char *name;   /* in messages */
    const char *folder; /* NULL: relative paths stay */
    const char *text;   /* (n_text) as it was read; NULL: made by the program */
    size_t n_text;
    stele__node *root;
    size_t n_nodes;
    int faulty; /* keys were refused and left out: the messages are given */
};

/* A node without a place in the tree. NULL: out of memory, or STELE__SPEC_NODES reached. */
stele__node *stele__node_new(stele__spec_doc *doc, int kind);
/* Append `child` under `parent`; its key is set by the caller. */
STELE_NODISCARD stele_status stele__node_attach(stele__node *parent, stele__node *child);
/* A deep copy that keeps the places of the original. NULL as above, or deeper than `depth` levels.
 */
stele__node *stele__node_clone(stele__spec_doc *doc, const stele__node *from, int depth);
/* Read one YAML value into `doc`. With `lines` 0 the nodes get no line numbers. */
STELE_NODISCARD stele_status stele__spec_build(stele__spec_doc *doc, const char *text, size_t len,
                                               const char *file, int lines, stele__node **ret_root,
                                               stele__diag *diag);

#endif
