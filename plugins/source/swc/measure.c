/* Morphometrics of a tree and its parts. Definitions are those of the table that `names` makes; for
 * whole trees they are the ones of Scala et al. 2019 where both have a feature. */
#include "swc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pairs at a branch point are as many as the square of its branches: of more than these the first
 * are taken. */
#define MOST_BRANCHES 64
/* Spheres of Sholl's analysis, `sholl_step` apart. */
#define MOST_SPHERES 4096

/* A branch point is a node with two or more edges outwards, the root included. Segments are the
 * paths between branch points, tips and where a part begins. */
enum {
    LENGTH = 0,
    BRANCH_POINTS,
    TIPS,
    STEMS,
    MAX_BRANCH_ORDER,
    MEAN_PATH,
    MAX_PATH,
    MEAN_SEGMENT,
    MAX_SEGMENT,
    MEAN_TORTUOSITY,
    MAX_TORTUOSITY,
    MEAN_ANGLE,
    MIN_ANGLE,
    MAX_ANGLE,
    MEAN_RADIUS,
    EXTENT,
    CENTRE = EXTENT + 3,
    SPREAD = CENTRE + 3,
    SHOLL_MOST = SPREAD + 3,
    SHOLL_PEAK,
    FEATURES
};
static const char *const names[FEATURES] = {
    "length",
    "branch_points",
    "tips",
    "stems",
    "max_branch_order",
    "mean_path_distance",
    "max_path_distance",
    "mean_segment_length",
    "max_segment_length",
    "mean_tortuosity",
    "max_tortuosity",
    "mean_branch_angle",
    "min_branch_angle",
    "max_branch_angle",
    "mean_radius",
    "extent_x",
    "extent_y",
    "extent_z",
    "centre_x",
    "centre_y",
    "centre_z",
    "spread_x",
    "spread_y",
    "spread_z",
    "sholl_most",
    "sholl_peak",
};
static const char *const part_names[SWC_PARTS] = { "", "axon_", "dendrite_" };

static int add_name(texts *ret, const char *part, const char *name)
{
    char text[96];
    int len = snprintf(text, sizeof text, "%s%s", part, name);
    return texts_add(ret, text, (size_t)len);
}

int swc_measure_names(const swc_config *c, texts *ret)
{
    int failed = add_name(ret, "", "soma_radius");
    for (int part = 0; part < SWC_PARTS && !failed; part++) {
        for (int k = 0; k < FEATURES && !failed; k++) {
            failed = add_name(ret, part_names[part], names[k]);
        }
        for (uint64_t k = 0; k < c->sholl_radii.n && !failed; k++) {
            char text[48];
            snprintf(text, sizeof text, "sholl_%g", c->sholl_radii.v[k]);
            failed = add_name(ret, part_names[part], text);
        }
    }
    return failed;
}

/* --- one part -------------------------------------------------------------------------------- */

/* Per node; of those outside the part only `degree` and `path` mean something. */
typedef struct place {
    double path;    /* from the root, along the tree */
    double segment; /* from the begin of the node's segment, along the tree */
    int32_t degree; /* edges of the part outwards */
    int32_t order;  /* branch points above */
    int32_t begin;  /* where the node's segment begins */
    int32_t last;   /* at the begin of segments: the last node of the first of them; -1: none */
    int32_t next;   /* at the last node of a segment: that of the next with the same begin */
} place;

typedef struct gathering {
    const swc_tree *t;
    const swc_config *config;
    int part;
    place *place;
    double *v; /* the features */
    double n_segments, n_straight, n_angles, reach;
    double low[3], high[3], squares[3];
    double *crossings; /* (MOST_SPHERES + 2) differences, then numbers */
} gathering;

static void add_mean(double *sum, double *most, double v)
{
    *sum += v;
    *most = fmax(*most, v);
}

/* What an edge adds by itself: its length, where it lies, how thick it is. */
static void add_edge(gathering *a, int32_t k, double length)
{
    const swc_node *n = &a->t->node[k], *p = &a->t->node[n->parent];
    a->v[LENGTH] += length;
    a->v[MEAN_RADIUS] += length * n->radius;
    for (int d = 0; d < 3; d++) {
        const double middle = 0.5 * (n->x[d] + p->x[d]), extent = n->x[d] - p->x[d];
        a->low[d] = fmin(a->low[d], fmin(n->x[d], p->x[d]));
        a->high[d] = fmax(a->high[d], fmax(n->x[d], p->x[d]));
        a->v[CENTRE + d] += length * middle;
        a->squares[d] += length * (middle * middle + extent * extent / 12.0);
    }
}

static double distance(const swc_node *n)
{
    return sqrt(n->x[0] * n->x[0] + n->x[1] * n->x[1] + n->x[2] * n->x[2]);
}

/* Spheres around the soma that the edge crosses: those with one end inside. */
static void add_crossings(gathering *a, int32_t k)
{
    const swc_node *n = &a->t->node[k];
    const double one = distance(n), other = distance(&a->t->node[n->parent]);
    const double near = fmin(one, other), far = fmax(one, other), step = a->config->sholl_step;
    const stele_f64_list *radii = &a->config->sholl_radii;
    const double first = floor(near / step) + 1.0, last = fmin(floor(far / step), MOST_SPHERES);
    if (first <= last) {
        a->crossings[(int)first] += 1.0;
        a->crossings[(int)last + 1] -= 1.0;
    }
    for (uint64_t i = 0; i < radii->n; i++) {
        a->v[FEATURES + i] += near < radii->v[i] && radii->v[i] <= far ? 1.0 : 0.0;
    }
}

/* The edge that leads to k is the last of a segment. */
static void add_segment(gathering *a, int32_t k)
{
    place *end = &a->place[k], *begin = &a->place[end->begin];
    const double *x = a->t->node[k].x, *y = a->t->node[end->begin].x;
    const double straight = sqrt((x[0] - y[0]) * (x[0] - y[0]) + (x[1] - y[1]) * (x[1] - y[1]) +
                                 (x[2] - y[2]) * (x[2] - y[2]));
    add_mean(&a->v[MEAN_SEGMENT], &a->v[MAX_SEGMENT], end->segment);
    a->n_segments += 1.0;
    if (straight > 0.0) {
        add_mean(&a->v[MEAN_TORTUOSITY], &a->v[MAX_TORTUOSITY], end->segment / straight);
        a->n_straight += 1.0;
    }
    end->next = begin->last;
    begin->last = k;
}

/* Parents come first, so that theirs is known. */
static void add_node(gathering *a, int32_t k)
{
    place *n = &a->place[k];
    const int32_t parent = a->t->node[k].parent;
    const place *p = &a->place[parent];
    const int begins = !swc_in_part(a->t, parent, a->part), branches = p->degree > 1;
    const double length = swc_length(a->t, k);
    add_edge(a, k, length);
    add_crossings(a, k);
    n->order = (begins ? 0 : p->order) + branches;
    n->begin = begins || branches ? parent : p->begin;
    n->segment = length + (begins || branches ? 0.0 : p->segment);
    a->v[STEMS] += begins;
    a->v[MAX_BRANCH_ORDER] = fmax(a->v[MAX_BRANCH_ORDER], n->order);
    if (n->degree == 0) {
        a->v[TIPS] += 1.0;
        add_mean(&a->v[MEAN_PATH], &a->v[MAX_PATH], n->path);
    }
    if (n->degree != 1) {
        add_segment(a, k);
    }
}

/* Between the straight ways to the ends of two segments that begin at the same node, in degrees. */
static void add_angle(gathering *a, int32_t at, int32_t one, int32_t other)
{
    const double *o = a->t->node[at].x, *x = a->t->node[one].x, *y = a->t->node[other].x;
    double xx = 0.0, yy = 0.0, xy = 0.0;
    for (int d = 0; d < 3; d++) {
        xx += (x[d] - o[d]) * (x[d] - o[d]);
        yy += (y[d] - o[d]) * (y[d] - o[d]);
        xy += (x[d] - o[d]) * (y[d] - o[d]);
    }
    if (xx > 0.0 && yy > 0.0) {
        const double cosine = fmax(-1.0, fmin(1.0, xy / (sqrt(xx) * sqrt(yy))));
        const double angle = acos(cosine) * (180.0 / 3.14159265358979323846);
        add_mean(&a->v[MEAN_ANGLE], &a->v[MAX_ANGLE], angle);
        a->v[MIN_ANGLE] = fmin(a->v[MIN_ANGLE], angle);
        a->n_angles += 1.0;
    }
}

static void add_branch_point(gathering *a, int32_t at)
{
    int32_t end[MOST_BRANCHES];
    int n = 0;
    for (int32_t k = a->place[at].last; k >= 0 && n < MOST_BRANCHES; k = a->place[k].next) {
        for (int i = 0; i < n; i++) {
            add_angle(a, at, end[i], k);
        }
        end[n++] = k;
    }
    a->v[BRANCH_POINTS] += 1.0;
}

static void end_sholl(gathering *a)
{
    double n = 0.0, most = 0.0, peak = NAN;
    for (int k = 1; k <= MOST_SPHERES; k++) {
        n += a->crossings[k];
        peak = n > most ? k * a->config->sholl_step : peak;
        most = fmax(most, n);
    }
    a->v[SHOLL_MOST] = most;
    a->v[SHOLL_PEAK] = peak;
}

/* Sums become means; what none of the part's nodes had becomes NaN. */
static void end_part(gathering *a)
{
    double *v = a->v;
    const double length = v[LENGTH];
    v[MEAN_PATH] /= v[TIPS];
    v[MEAN_SEGMENT] /= a->n_segments;
    v[MEAN_TORTUOSITY] /= a->n_straight;
    v[MAX_TORTUOSITY] = a->n_straight > 0.0 ? v[MAX_TORTUOSITY] : NAN;
    v[MEAN_ANGLE] /= a->n_angles;
    v[MIN_ANGLE] = a->n_angles > 0.0 ? v[MIN_ANGLE] : NAN;
    v[MAX_ANGLE] = a->n_angles > 0.0 ? v[MAX_ANGLE] : NAN;
    v[MEAN_RADIUS] = v[MEAN_RADIUS] > 0.0 ? v[MEAN_RADIUS] / length : NAN;
    for (int d = 0; d < 3; d++) {
        v[EXTENT + d] = a->high[d] - a->low[d];
        v[CENTRE + d] /= length;
        v[SPREAD + d] = sqrt(fmax(a->squares[d] / length - v[CENTRE + d] * v[CENTRE + d], 0.0));
    }
    end_sholl(a);
}

static void start_part(gathering *a, const swc_config *c, int part)
{
    const swc_tree *t = a->t;
    a->part = part;
    a->n_segments = a->n_straight = a->n_angles = 0.0;
    memset(a->v, 0, (FEATURES + c->sholl_radii.n) * sizeof *a->v);
    memset(a->crossings, 0, (MOST_SPHERES + 2) * sizeof *a->crossings);
    a->v[MIN_ANGLE] = HUGE_VAL;
    for (int d = 0; d < 3; d++) {
        a->low[d] = HUGE_VAL;
        a->high[d] = -HUGE_VAL;
        a->squares[d] = 0.0;
    }
    for (int32_t k = 0; k < t->n; k++) {
        a->place[k].degree = 0;
        a->place[k].last = -1;
    }
    for (int32_t k = 1; k < t->n; k++) {
        a->place[t->node[k].parent].degree += swc_in_part(t, k, part);
    }
}

/* NaN for all features of a part that is not there. */
static void measure_part(gathering *a, const swc_config *c, int part, float *ret)
{
    const swc_tree *t = a->t;
    const uint64_t n = FEATURES + c->sholl_radii.n;
    start_part(a, c, part);
    for (int32_t k = 1; k < t->n; k++) {
        if (swc_in_part(t, k, part)) {
            add_node(a, k);
        }
    }
    for (int32_t k = 0; k < t->n; k++) {
        if (a->place[k].degree > 1) {
            add_branch_point(a, k);
        }
    }
    const int there = a->v[TIPS] > 0.0;
    end_part(a);
    for (uint64_t k = 0; k < n; k++) {
        ret[k] = there ? (float)a->v[k] : NAN;
    }
}

stele_status swc_measure(const swc_config *c, const input *in, const swc_tree *t, float *ret)
{
    const uint64_t n = FEATURES + c->sholl_radii.n;
    gathering a = { .t = t, .config = c };
    a.place = calloc((size_t)t->n, sizeof *a.place);
    a.v = calloc(n, sizeof *a.v);
    a.crossings = calloc(MOST_SPHERES + 2, sizeof *a.crossings);
    stele_status st =
        a.place != NULL && a.v != NULL && a.crossings != NULL ? STELE_OK : input_nomem(in);
    for (int32_t k = 1; k < t->n && st == STELE_OK; k++) {
        a.place[k].path = a.place[t->node[k].parent].path;
        a.place[k].path += swc_in_part(t, k, SWC_ALL) ? swc_length(t, k) : 0.0;
    }
    *ret = t->node[0].radius > 0.0 ? (float)t->node[0].radius : NAN;
    for (int part = 0; part < SWC_PARTS && st == STELE_OK; part++) {
        measure_part(&a, c, part, ret + 1 + (uint64_t)part * n);
    }
    free(a.place);
    free(a.v);
    free(a.crossings);
    return st;
}
