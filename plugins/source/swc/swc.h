/* plugins/source/swc: reconstructed neurons as trees, one SWC file each, in a folder or a zip
 * archive. A row is a file: its morphometrics, a map of where its cable lies, and its branches.
 *
 * swc.h - what the files of this plugin share. When a source is built every file is parsed once, so
 * that all of them are known to be trees; reading parses those that are asked for again. Memory
 * goes with the number of files and the largest of them, never with all. */
#ifndef SWC_H
#define SWC_H

#include "zip.h"

typedef struct swc_config {
    const char *path;
    stele_f64_list sholl_radii;
    double sholl_step;
    stele_i64_list map_bins;
    double map_depth, map_radius, map_unit;
    int64_t branches;
    int32_t depth_axis, any_root;
} swc_config;

/* --- tree.c ---------------------------------------------------------------------------------- */

enum { SWC_TYPE_SOMA = 1, SWC_TYPE_AXON, SWC_TYPE_BASAL, SWC_TYPE_APICAL };

typedef struct swc_node {
    double x[3]; /* micrometres from the soma */
    double radius;
    int64_t id, parent_id, line;
    int32_t parent; /* index, less than the node's own; -1: the root, which is the first node */
    int32_t type;
} swc_node;

/* Starts zeroed. */
typedef struct swc_tree {
    swc_node *node;
    int32_t n, capacity;
} swc_tree;

/* `any_root`: the root stands for the soma, whatever its type. */
stele_status swc_tree_read(input *in, int any_root, swc_tree *ret);
void swc_tree_finish(swc_tree *t);

/* Parts of a tree, as sets of edges; an edge has the type of its far end. Inside a soma of several
 * nodes there are none. */
enum { SWC_ALL = 0, SWC_AXON, SWC_DENDRITE, SWC_PARTS };
static inline int swc_in_part(const swc_tree *t, int32_t node, int part)
{
    const int32_t type = t->node[node].type;
    const int dendrite = type == SWC_TYPE_BASAL || type == SWC_TYPE_APICAL;
    return node > 0 && type != SWC_TYPE_SOMA &&
           (part == SWC_ALL || (part == SWC_AXON ? type == SWC_TYPE_AXON : dendrite));
}

/* Length of the edge that leads to a node that is not the root. */
double swc_length(const swc_tree *t, int32_t node);

/* --- measure.c ------------------------------------------------------------------------------- */

/* Names of the morphometrics in their order. 0, or -1 without memory. */
int swc_measure_names(const swc_config *c, texts *ret);
/* All of them; NaN where there is nothing to measure. */
stele_status swc_measure(const swc_config *c, const input *in, const swc_tree *t, float *ret);

/* --- map.c ----------------------------------------------------------------------------------- */

/* Cable of axon and dendrite in (2, map_bins) bins of depth and distance from the axis of depth, in
 * whole units of length; NaN for a part that the tree lacks. */
stele_status swc_map(const swc_config *c, const input *in, const swc_tree *t, float *ret);

/* --- branches.c ------------------------------------------------------------------------------ */

/* Columns of a branch; units are micrometres and degrees. Flags say what type it has. */
enum {
    SWC_BRANCH_BACK =
        0, /* how many branches before this one its parent is; the soma's number is -1 */
    SWC_BRANCH_LENGTH,
    SWC_BRANCH_TORTUOSITY, /* length over the distance of its ends; NaN: they are one place */
    SWC_BRANCH_RADIUS,     /* mean by length; NaN: not known */
    SWC_BRANCH_ANGLE,  /* between the straight ways of its parent and its own; NaN: from the soma */
    SWC_BRANCH_ORDER,  /* branch points above, the soma among them if it is one */
    SWC_BRANCH_PATH,   /* from the soma to its end, along the tree */
    SWC_BRANCH_DEPTH,  /* of its end, from the soma along depth_axis */
    SWC_BRANCH_ACROSS, /* distance of its end from that axis through the soma */
    SWC_BRANCH_AXON,
    SWC_BRANCH_BASAL,
    SWC_BRANCH_APICAL,
    SWC_BRANCH_COLUMNS
};
/* Number of branches and, if ret is not NULL, all columns of each. */
stele_status swc_branches(const swc_config *c, const input *in, const swc_tree *t, float *ret,
                          int64_t *ret_n);

#endif
