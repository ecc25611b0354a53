/* From the lines of an SWC file to a tree. Nodes may come in any order; afterwards every node comes
 * behind its parent. Columns: Cannon et al., J. Neurosci. Methods 84, 49 (1998). */
#include "swc.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The largest reconstructions have a million nodes; a file that is none may have any number. */
#define MOST_NODES (1 << 23)
/* Micrometres: nothing that is alive is larger, and squares of it stay within float. */
#define FARTHEST 1e9

enum { COLUMNS = 7 };
static const char *const column_names[COLUMNS] = {
    "id", "type", "x", "y", "z", "radius", "parent"
};

typedef struct parser {
    input *in;
    lines l;
    locale_t plain; /* numbers have a point, whatever the user's language */
    swc_tree *tree;
} parser;

double swc_length(const swc_tree *t, int32_t node)
{
    const double *a = t->node[node].x, *b = t->node[t->node[node].parent].x;
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

void swc_tree_finish(swc_tree *t)
{
    free(t->node);
    *t = (swc_tree){ 0 };
}

/* --- lines ----------------------------------------------------------------------------------- */

static stele_status bad_cell(const parser *p, int column, const char *cell, const char *what)
{
    return input_fail(p->in, STELE_E_DATA, "line %lld: column %d (%s): `%.*s` %s",
                      (long long)p->l.number, column + 1, column_names[column],
                      (int)(strcspn(cell, " \t") < 40 ? strcspn(cell, " \t") : 40), cell, what);
}

static int at_cell_end(const char *at)
{
    return *at == '\0' || *at == ' ' || *at == '\t';
}

static stele_status take_whole(const parser *p, int column, const char *cell, char **ret_end,
                               int64_t *ret)
{
    errno = 0;
    long long v = strtoll(cell, ret_end, 10);
    if (*ret_end == cell || !at_cell_end(*ret_end)) {
        return bad_cell(p, column, cell, "is no whole number");
    }
    if (errno == ERANGE) {
        return bad_cell(p, column, cell, "is a whole number beyond 2^63");
    }
    *ret = v;
    return STELE_OK;
}

static stele_status take_number(const parser *p, int column, const char *cell, char **ret_end,
                                double *ret)
{
    double v = strtod_l(cell, ret_end, p->plain);
    if (*ret_end == cell || !at_cell_end(*ret_end)) {
        return bad_cell(p, column, cell, "is no number");
    }
    if (!(fabs(v) <= FARTHEST)) {
        return bad_cell(p, column, cell,
                        isfinite(v) ? "is more than 1e9 micrometres" : "is no finite number");
    }
    *ret = v;
    return STELE_OK;
}

/* The cells of a line; further ones than seven are the business of other programs. */
static stele_status take_cells(const parser *p, char *at, swc_node *ret)
{
    int64_t whole[COLUMNS] = { 0 };
    double real[COLUMNS] = { 0 };
    stele_status st = STELE_OK;
    for (int k = 0; k < COLUMNS && st == STELE_OK; k++) {
        at += strspn(at, " \t");
        if (*at == '\0') {
            return input_fail(p->in, STELE_E_DATA,
                              "line %lld has %d columns; a node has seven: id, type, x, y, z, "
                              "radius, parent",
                              (long long)p->l.number, k);
        }
        st = k < 2 || k == 6 ? take_whole(p, k, at, &at, &whole[k])
                             : take_number(p, k, at, &at, &real[k]);
    }
    *ret = (swc_node){ .x = { real[2], real[3], real[4] },
                       .radius = real[5],
                       .id = whole[0],
                       .parent_id = whole[6],
                       .line = p->l.number,
                       .type = whole[1] == (int32_t)whole[1] ? (int32_t)whole[1] : -1 };
    return st;
}

static stele_status check_node(const parser *p, const swc_node *n)
{
    const long long line = (long long)p->l.number;
    if (n->id < 0) {
        return input_fail(p->in, STELE_E_DATA, "line %lld: the id %lld is negative", line,
                          (long long)n->id);
    }
    if (n->type < 0) {
        return input_fail(p->in, STELE_E_DATA, "line %lld: column 2 (type) is no type", line);
    }
    if (n->radius < 0.0) {
        return input_fail(p->in, STELE_E_DATA, "line %lld: the radius %g is negative", line,
                          n->radius);
    }
    if (n->parent_id < -1) {
        return input_fail(p->in, STELE_E_DATA,
                          "line %lld: the parent %lld is negative; the root's is -1", line,
                          (long long)n->parent_id);
    }
    return STELE_OK;
}

static stele_status add_node(const parser *p, const swc_node *n)
{
    swc_tree *t = p->tree;
    if (t->n == MOST_NODES) {
        return input_fail(p->in, STELE_E_DATA, "has more than %d nodes", MOST_NODES);
    }
    if (t->n == t->capacity) {
        int32_t capacity = t->capacity == 0 ? 256 : 2 * t->capacity;
        swc_node *node = realloc(t->node, (size_t)capacity * sizeof *node);
        if (node == NULL) {
            return input_nomem(p->in);
        }
        t->node = node;
        t->capacity = capacity;
    }
    t->node[t->n++] = *n;
    return STELE_OK;
}

static stele_status read_nodes(parser *p)
{
    char *line = NULL;
    lines_start(&p->l, p->in);
    stele_status st = lines_next(&p->l, &line);
    for (; st == STELE_OK && line != NULL; st = st == STELE_OK ? lines_next(&p->l, &line) : st) {
        swc_node n;
        line += p->l.number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        line += strspn(line, " \t");
        if (*line == '\0' || *line == '#') {
            continue;
        }
        st = take_cells(p, line, &n);
        st = st == STELE_OK ? check_node(p, &n) : st;
        st = st == STELE_OK ? add_node(p, &n) : st;
    }
    lines_finish(&p->l);
    if (st == STELE_OK && p->tree->n == 0) {
        st = input_fail(p->in, STELE_E_DATA, "has no nodes");
    }
    return st;
}

/* --- from nodes to a tree -------------------------------------------------------------------- */

typedef struct numbered {
    int64_t id, line;
    int32_t index;
} numbered;

static int by_id(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    return x->id != y->id ? (x->id > y->id) - (x->id < y->id)
                          : (x->line > y->line) - (x->line < y->line);
}

static const numbered *find(const numbered *list, int32_t n, int64_t id)
{
    int32_t low = 0, high = n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (list[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < n && list[low].id == id ? &list[low] : NULL;
}

/* Parents as indices; ret_root: the one node without. */
static stele_status find_parents(const parser *p, const numbered *list, int32_t *ret_root)
{
    swc_tree *t = p->tree;
    int32_t root = -1;
    for (int32_t k = 1; k < t->n; k++) {
        if (list[k].id == list[k - 1].id) {
            return input_fail(p->in, STELE_E_DATA, "line %lld: the id %lld is in line %lld already",
                              (long long)list[k].line, (long long)list[k].id,
                              (long long)list[k - 1].line);
        }
    }
    for (int32_t k = 0; k < t->n; k++) {
        swc_node *n = &t->node[k];
        const numbered *parent = n->parent_id >= 0 ? find(list, t->n, n->parent_id) : NULL;
        if (n->parent_id >= 0 && parent == NULL) {
            return input_fail(p->in, STELE_E_DATA, "line %lld: there is no node %lld, its parent",
                              (long long)n->line, (long long)n->parent_id);
        }
        if (parent == NULL && root >= 0) {
            return input_fail(p->in, STELE_E_DATA,
                              "line %lld: a second root; the first is in line %lld, and a cell is "
                              "one tree",
                              (long long)n->line, (long long)t->node[root].line);
        }
        n->parent = parent != NULL ? parent->index : -1;
        root = parent == NULL ? k : root;
    }
    *ret_root = root;
    return STELE_OK;
}

/* The first node in the file that is not one of the `n` reached ones; `seen` is room. */
static int32_t first_lost(const swc_tree *t, const int32_t *reached, int32_t n, int32_t *seen)
{
    int32_t lost = 0;
    memset(seen, 0, (size_t)t->n * sizeof *seen);
    for (int32_t k = 0; k < n; k++) {
        seen[reached[k]] = 1;
    }
    while (seen[lost]) {
        lost++;
    }
    return lost;
}

/* Nodes that the root does not reach have a cycle above them: after n steps upwards one is in it.
 * The cycle's first line is named. */
static stele_status report_cycle(const parser *p, int32_t from)
{
    const swc_tree *t = p->tree;
    for (int32_t k = 0; k < t->n; k++) {
        from = t->node[from].parent;
    }
    int64_t line = t->node[from].line;
    for (int32_t k = t->node[from].parent; k != from; k = t->node[k].parent) {
        line = t->node[k].line < line ? t->node[k].line : line;
    }
    return input_fail(p->in, STELE_E_DATA,
                      "line %lld: the node is its own ancestor: its parents are a cycle",
                      (long long)line);
}

/* Nodes level by level from the root, siblings in the order of the file; returns how many the root
 * reaches. `first` and `next` (n) are room: the first child of a node, and its next sibling. */
static int32_t walk(const swc_tree *t, int32_t root, int32_t *first, int32_t *next,
                    int32_t *ret_order)
{
    int32_t n = 0;
    for (int32_t k = 0; k < t->n; k++) {
        first[k] = -1;
    }
    for (int32_t k = t->n - 1; k >= 0; k--) {
        int32_t parent = t->node[k].parent;
        if (parent >= 0) {
            next[k] = first[parent];
            first[parent] = k;
        }
    }
    if (root >= 0) {
        ret_order[n++] = root;
    }
    for (int32_t k = 0; k < n; k++) {
        for (int32_t child = first[ret_order[k]]; child >= 0; child = next[child]) {
            ret_order[n++] = child;
        }
    }
    return n;
}

/* Put the nodes into `order`; `place` (n) is room. */
static stele_status put_in_order(parser *p, const int32_t *order, int32_t *place)
{
    swc_tree *t = p->tree;
    swc_node *node = malloc((size_t)t->n * sizeof *node);
    if (node == NULL) {
        return input_nomem(p->in);
    }
    for (int32_t k = 0; k < t->n; k++) {
        place[order[k]] = k;
    }
    for (int32_t k = 0; k < t->n; k++) {
        node[k] = t->node[order[k]];
        node[k].parent = node[k].parent >= 0 ? place[node[k].parent] : -1;
    }
    free(t->node);
    t->node = node;
    t->capacity = t->n;
    return STELE_OK;
}

/* Coordinates from the middle of the soma's nodes. */
static stele_status centre(const parser *p, int any_root)
{
    swc_tree *t = p->tree;
    double sum[3] = { 0 }, n = 0.0;
    if (t->node[0].type != SWC_TYPE_SOMA && !any_root) {
        return input_fail(p->in, STELE_E_DATA,
                          "line %lld: the root has type %d, and a soma has type 1; `any_root` "
                          "takes any root for the soma",
                          (long long)t->node[0].line, (int)t->node[0].type);
    }
    t->node[0].type = SWC_TYPE_SOMA;
    for (int32_t k = 0; k < t->n; k++) {
        const double share = t->node[k].type == SWC_TYPE_SOMA ? 1.0 : 0.0;
        n += share;
        for (int d = 0; d < 3; d++) {
            sum[d] += share * t->node[k].x[d];
        }
    }
    for (int32_t k = 0; k < t->n; k++) {
        for (int d = 0; d < 3; d++) {
            t->node[k].x[d] -= sum[d] / n;
        }
    }
    return STELE_OK;
}

static stele_status link_nodes(parser *p, int any_root)
{
    const swc_tree *t = p->tree;
    const size_t n = (size_t)t->n;
    numbered *list = malloc(n * sizeof *list);
    int32_t *room = malloc(3 * n * sizeof *room), root = -1;
    stele_status st = list != NULL && room != NULL ? STELE_OK : input_nomem(p->in);
    for (int32_t k = 0; k < t->n && st == STELE_OK; k++) {
        list[k] = (numbered){ t->node[k].id, t->node[k].line, k };
    }
    if (st == STELE_OK) {
        qsort(list, n, sizeof *list, by_id);
        st = find_parents(p, list, &root);
    }
    if (st == STELE_OK) {
        int32_t *first = room, *next = room + n, *order = next + n;
        int32_t reached = walk(t, root, first, next, order);
        st = reached < t->n ? report_cycle(p, first_lost(t, order, reached, first))
                            : put_in_order(p, order, first);
    }
    free(list);
    free(room);
    return st == STELE_OK ? centre(p, any_root) : st;
}

stele_status swc_tree_read(input *in, int any_root, swc_tree *ret)
{
    swc_tree t = { 0 };
    parser p = { .in = in, .tree = &t, .plain = newlocale(LC_ALL_MASK, "C", (locale_t)0) };
    stele_status st = p.plain != (locale_t)0 ? read_nodes(&p) : input_nomem(in);
    st = st == STELE_OK ? link_nodes(&p, any_root) : st;
    if (p.plain != (locale_t)0) {
        freelocale(p.plain);
    }
    if (st != STELE_OK) {
        swc_tree_finish(&t);
        return st;
    }
    *ret = t;
    return STELE_OK;
}
