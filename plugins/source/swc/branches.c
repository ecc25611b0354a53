/* A tree as a table of its branches: the paths between the soma, branch points, tips and the places
 * where the type changes. Parents come before their children. */
#include "swc.h"

#include <math.h>
#include <stdlib.h>

/* Per node; of those that end no branch only what is summed up along the way to them. */
typedef struct place {
    double path, length, radius; /* from the soma; of the branch so far; by length */
    double way[3];               /* where a branch ends: from its begin to there */
    int32_t degree;              /* edges outwards, of any part */
    int32_t begin, order;        /* node where the branch begins; branch points above */
    int32_t parent, number;      /* branches; -1: the soma, none ends here */
    int differs;                 /* a branch of another type goes on from here */
} place;

static int is_edge(const swc_tree *t, int32_t k)
{
    return swc_in_part(t, k, SWC_ALL);
}

static place *places_of(const swc_tree *t)
{
    place *p = calloc((size_t)t->n, sizeof *p);
    for (int32_t k = 1; p != NULL && k < t->n; k++) {
        const int32_t parent = t->node[k].parent;
        p[parent].degree += is_edge(t, k);
        p[parent].differs |= is_edge(t, k) && t->node[k].type != t->node[parent].type;
    }
    return p;
}

static double angle_between(const double *x, const double *y)
{
    double xx = 0.0, yy = 0.0, xy = 0.0;
    for (int d = 0; d < 3; d++) {
        xx += x[d] * x[d];
        yy += y[d] * y[d];
        xy += x[d] * y[d];
    }
    const double cosine = fmax(-1.0, fmin(1.0, xy / (sqrt(xx) * sqrt(yy))));
    return xx > 0.0 && yy > 0.0 ? acos(cosine) * (180.0 / 3.14159265358979323846) : NAN;
}

/* Along an edge: the branch goes on, or a new one begins at the parent. */
static void add_edge(const swc_tree *t, int32_t k, place *at)
{
    const int32_t parent = t->node[k].parent;
    const place *p = &at[parent];
    place *n = &at[k];
    const int from_soma = !is_edge(t, parent);
    const int begins = from_soma || p->degree > 1 || t->node[k].type != t->node[parent].type;
    const double length = swc_length(t, k);
    n->path = (from_soma ? 0.0 : p->path) + length;
    n->length = length + (begins ? 0.0 : p->length);
    n->radius = length * t->node[k].radius + (begins ? 0.0 : p->radius);
    n->begin = begins ? parent : p->begin;
    n->order = (from_soma ? 0 : p->order) + (p->degree > 1);
    n->parent = from_soma ? -1 : begins ? p->number : p->parent;
    n->number = -1;
}

static void put_branch(const swc_config *c, const swc_tree *t, int32_t k, int32_t before, place *at,
                       float *ret)
{
    const swc_node *n = &t->node[k], *begin = &t->node[at[k].begin];
    place *p = &at[k];
    double straight = 0.0, across = 0.0;
    for (int d = 0; d < 3; d++) {
        p->way[d] = n->x[d] - begin->x[d];
        straight += p->way[d] * p->way[d];
        across += d == c->depth_axis ? 0.0 : n->x[d] * n->x[d];
    }
    const int is_stem = p->parent < 0;
    ret[SWC_BRANCH_BACK] = (float)(p->number - p->parent);
    ret[SWC_BRANCH_LENGTH] = (float)p->length;
    ret[SWC_BRANCH_TORTUOSITY] = straight > 0.0 ? (float)(p->length / sqrt(straight)) : NAN;
    ret[SWC_BRANCH_RADIUS] = p->radius > 0.0 ? (float)(p->radius / p->length) : NAN;
    ret[SWC_BRANCH_ANGLE] = is_stem ? NAN : (float)angle_between(at[before].way, p->way);
    ret[SWC_BRANCH_ORDER] = (float)p->order;
    ret[SWC_BRANCH_PATH] = (float)p->path;
    ret[SWC_BRANCH_DEPTH] = (float)n->x[c->depth_axis];
    ret[SWC_BRANCH_ACROSS] = (float)sqrt(across);
    ret[SWC_BRANCH_AXON] = n->type == SWC_TYPE_AXON ? 1.0f : 0.0f;
    ret[SWC_BRANCH_BASAL] = n->type == SWC_TYPE_BASAL ? 1.0f : 0.0f;
    ret[SWC_BRANCH_APICAL] = n->type == SWC_TYPE_APICAL ? 1.0f : 0.0f;
}

stele_status swc_branches(const swc_config *c, const input *in, const swc_tree *t, float *ret,
                          int64_t *ret_n)
{
    place *at = places_of(t);
    int32_t n = 0;
    if (at == NULL) {
        return input_nomem(in);
    }
    for (int32_t k = 1; k < t->n; k++) {
        if (!is_edge(t, k)) {
            continue;
        }
        add_edge(t, k, at);
        if (at[k].degree != 1 || at[k].differs) {
            at[k].number = n;
            if (ret != NULL) { /* a parent branch ends where this one begins */
                put_branch(c, t, k, at[k].begin, at, ret + (int64_t)n * SWC_BRANCH_COLUMNS);
            }
            n++;
        }
    }
    free(at);
    *ret_n = n;
    return STELE_OK;
}
