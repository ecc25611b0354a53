/* An encoder of trees: a child-sum Tree-LSTM over the branches, from the tips to the soma (Tai,
 * Socher and Manning, ACL 2015). With h' the sum of the children's states h_k,
 *
 *     i, o, u = sigmoid, sigmoid, tanh of W x + U h' + b      f_k = sigmoid(W_f x + U_f h_k + b_f)
 *     c = i u + sum_k f_k c_k                                 h = o tanh(c)
 *
 * The soma is a node without features, whose children are the branches that leave it. What is known
 * of the tree are its h and, as c adds up hundreds of branches and h ends at 1, the logarithm of
 * 1 + |c| with the sign of c. All nodes of a batch that are as far from their somas are computed
 * together: their children are all one step further. */
#include "morphology.h"

#include <stdlib.h>

/* Parts of the gates' weights, each as wide as a state. */
enum { GATE_IN = 0, GATE_OUT, GATE_NEW, GATE_FORGET, N_GATES };

stele_status tree_init(stele_inst *self, const stele_create_args *a)
{
    const stele_field *seen = a->seen;
    if (seen == NULL) { /* the host says so: `sees` */
        return STELE_OK;
    }
    if (seen->sample.ndim != 2 || seen->sample.dim[0] < 1 || seen->sample.dim[1] < 2) {
        return STELE_FAIL(a->host, STELE_E_DATA,
                          "encoder.from: a row of `%s` is no table of branches: (branches, 1 + "
                          "features), as the field `branches` of source swc",
                          seen->name);
    }
    self->tree.width = seen->sample.dim[1];
    self->counts.n_inputs = 2 * self->config->state;
    self->counts.layers_before = 1;
    return STELE_OK;
}

stele_status tree_build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->counts.host;
    const int64_t in = 2 * (self->tree.width - 1), state = self->config->state;
    const double bound = 1.0 / sqrt((double)state), decay = self->config->input_decay;
    const char *name = "encoder.tree";
    const stele_shape features = stele_shape1(in);
    tree_unit *u = &self->tree;
    stele_status status =
        stele_declare(h, b, name, "weight", stele_shape2(in, N_GATES * state), STELE_INIT_UNIFORM,
                      1.0 / sqrt((double)in), decay, &u->weight);
    status = status != STELE_OK ? status
                                : stele_declare(h, b, name, "sum", stele_shape2(state, 3 * state),
                                                STELE_INIT_UNIFORM, bound, 1.0, &u->sum);
    status = status != STELE_OK ? status
                                : stele_declare(h, b, name, "child", stele_shape2(state, state),
                                                STELE_INIT_UNIFORM, bound, 1.0, &u->child);
    status = status != STELE_OK ? status
                                : stele_declare(h, b, name, "bias", stele_shape1(3 * state),
                                                STELE_INIT_ZERO, 0.0, 0.0, &u->bias);
    /* What children hold is kept at first (Jozefowicz, Zaremba and Sutskever, ICML 2015). */
    status = status != STELE_OK ? status
                                : stele_declare(h, b, name, "forget", stele_shape1(state),
                                                STELE_INIT_CONSTANT, 1.0, 0.0, &u->forget);
    status = status != STELE_OK
                 ? status
                 : h->build->buffer(b, "encoder.tree.centre", &features, 0.0, &u->centre);
    return status != STELE_OK
               ? status
               : h->build->buffer(b, "encoder.tree.log_scale", &features, 0.0, &u->log_scale);
}

/* --- rows as trees ---------------------------------------------------------------------------- */

static double element(const stele_view *x, int64_t i)
{
    return x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                 : (double)((const float *)x->data)[i];
}

/* Where a row's elements begin; *ret_n: how many are stored. */
static int64_t row_begin(const stele_view *x, int64_t r, int64_t n, int64_t *ret_n)
{
    *ret_n = x->layout == STELE_CSR ? x->row_start[r + 1] - x->row_start[r] : n;
    return x->layout == STELE_CSR ? x->row_start[r] : r * n;
}

/* Branches of a row of n elements: up to the last one of which something is not 0. */
static int64_t count_branches(const stele_view *x, int64_t r, int64_t n, int64_t width)
{
    int64_t stored, begin = row_begin(x, r, n, &stored);
    while (stored > 0 && element(x, begin + stored - 1) == 0.0) {
        stored--;
    }
    const int64_t last = stored == 0              ? -1
                         : x->layout == STELE_CSR ? x->column[begin + stored - 1]
                                                  : stored - 1;
    return (last + width) / width;
}

/* All elements of `n_branches` branches of a row, zeros included. */
static void take_branches(const stele_view *x, int64_t r, int64_t n, int64_t n_elements,
                          double *ret)
{
    int64_t stored, begin = row_begin(x, r, n, &stored);
    memset(ret, 0, (size_t)n_elements * sizeof *ret);
    for (int64_t k = 0; k < stored; k++) {
        const int64_t at = x->layout == STELE_CSR ? x->column[begin + k] : k;
        if (at < n_elements) {
            ret[at] = element(x, begin + k);
        }
    }
}

/* How many branches before this one its parent is: k + 1 leads from branch k to the soma. Nobody
 * has validated the tree, so that anything else is the next that could be meant. */
static int64_t parent_back(double v, int64_t k)
{
    return !(v >= 1.0) ? 1 : v < (double)(k + 1) ? (int64_t)(v + 0.5) : k + 1;
}

/* A feature as it is, and its logarithm: lengths and places are both large and small. */
static double seen_as(double v, int as_log)
{
    return as_log ? copysign(log1p(fabs(v)), v) : v;
}

/* --- fit -------------------------------------------------------------------------------------- */

/* Number, mean and sum of squared deviations of a feature (Welford 1962). */
typedef struct measured {
    double n, mean, squares;
} measured;

static void add_branch(measured *list, const double *feature, int64_t features)
{
    for (int64_t j = 0; j < 2 * features; j++) {
        const double v = seen_as(feature[j % features], j >= features);
        if (isfinite(v)) {
            measured *c = &list[j];
            const double d = v - c->mean;
            c->n += 1.0;
            c->mean += d / c->n;
            c->squares += d * (v - c->mean);
        }
    }
}

static stele_status read_branches(const stele_inst *self, stele_fit *f, measured *list)
{
    const int64_t width = self->tree.width;
    stele_view x = { .struct_size = sizeof x };
    stele_status status = self->counts.host->fit->next_seen(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        const int64_t n = x.shape.dim[1] * (x.shape.ndim > 2 ? x.shape.dim[2] : 1);
        double *row = malloc((size_t)n * sizeof *row);
        status = row != NULL ? STELE_OK : STELE_E_NOMEM;
        for (int64_t r = 0; r < x.shape.dim[0] && status == STELE_OK; r++) {
            const int64_t branches = count_branches(&x, r, n, width);
            take_branches(&x, r, n, branches * width, row);
            for (int64_t k = 0; k < branches; k++) {
                add_branch(list, row + k * width + 1, width - 1);
            }
        }
        free(row);
        status = status == STELE_OK ? self->counts.host->fit->next_seen(f, &x) : status;
    }
    return status;
}

stele_status tree_fit(const stele_inst *self, stele_fit *f)
{
    const stele_fit_api *api = self->counts.host->fit;
    const size_t n = 2 * (size_t)(self->tree.width - 1);
    measured *list = calloc(n, sizeof *list);
    double *value = calloc(2 * n, sizeof *value);
    stele_status status =
        list != NULL && value != NULL ? read_branches(self, f, list) : STELE_E_NOMEM;
    for (size_t j = 0; j < n && status == STELE_OK; j++) {
        const double variance = list[j].n > 0.0 ? list[j].squares / list[j].n : 0.0;
        value[j] = list[j].mean;
        value[n + j] = variance > 1e-12 * list[j].mean * list[j].mean ? 0.5 * log(variance) : 0.0;
    }
    status = status == STELE_OK ? api->set(f, self->tree.centre, n, value) : status;
    status = status == STELE_OK ? api->set(f, self->tree.log_scale, n, value + n) : status;
    free(list);
    free(value);
    return status;
}

/* --- nodes by distance from the soma ---------------------------------------------------------- */

/* All nodes of a batch, somas first, then those one step away, and so on. */
typedef struct nodes {
    int64_t rows, most;     /* trees; branches of the largest, at least 1 */
    int64_t n, levels;      /* nodes; steps from a soma to the last of them, and one */
    int64_t *start;         /* (levels + 1) where each level begins */
    int64_t *up;            /* (n) of a branch: place of its parent within the level before */
    int64_t *place;         /* (n) of a branch: row * most + number; of a soma: any */
    const double **feature; /* (n) of a branch; NULL: a soma */
} nodes;

static void *take(const stele_ops *ops, stele_graph *g, int64_t n, size_t size)
{
    return ops->scratch(g, ((uint64_t)n + 1) * size);
}

/* Number of steps from its soma, into depth (branches of the row). */
static void row_depths(const double *row, int64_t branches, int64_t width, int64_t *depth)
{
    for (int64_t k = 0; k < branches; k++) {
        const int64_t parent = k - parent_back(row[k * width], k);
        depth[k] = 1 + (parent < 0 ? 0 : depth[parent]);
    }
}

/* Of the trees in `value`, `branches` (rows) of them in each: depth and number in their level of
 * all branches, one row after the other. */
static void put_nodes(nodes *t, int64_t width, const double *value, const int64_t *branches,
                      const int64_t *depth, int64_t *at)
{
    for (int64_t r = 0; r < t->rows; r++) {
        t->feature[r] = NULL;
        t->up[r] = t->place[r] = 0;
        for (int64_t k = 0; k < branches[r]; k++) {
            const int64_t parent = k - parent_back(value[k * width], k);
            const int64_t node = t->start[depth[k]] + at[k];
            t->feature[node] = value + k * width + 1;
            t->place[node] = r * t->most + k;
            t->up[node] = parent < 0 ? r : at[parent];
        }
        value += branches[r] * width;
        depth += branches[r];
        at += branches[r];
    }
}

/* Places in the levels, in the order of rows and branches. */
static void number_nodes(nodes *t, int64_t n, const int64_t *depth, int64_t *ret_at)
{
    memset(t->start, 0, (size_t)(t->levels + 1) * sizeof *t->start);
    for (int64_t i = 0; i < n; i++) {
        ret_at[i] = t->start[depth[i] + 1]++;
    }
    t->start[1] = t->rows;
    for (int64_t d = 0; d < t->levels; d++) {
        t->start[d + 1] += t->start[d];
    }
}

static stele_status nodes_of(const stele_inst *self, stele_graph *g, const stele_view *x, nodes *t)
{
    const stele_ops *ops = self->counts.host->ops;
    const int64_t rows = x->shape.dim[0], width = self->tree.width;
    const int64_t n = x->shape.dim[1] * (x->shape.ndim > 2 ? x->shape.dim[2] : 1);
    int64_t *branches = take(ops, g, rows, sizeof *branches), all = 0;
    *t = (nodes){ .rows = rows, .most = 1, .levels = 1 };
    for (int64_t r = 0; branches != NULL && r < rows; r++) {
        branches[r] = count_branches(x, r, n, width);
        all += branches[r];
        t->most = branches[r] > t->most ? branches[r] : t->most;
    }
    t->n = rows + all;
    double *value = take(ops, g, all * width, sizeof *value);
    int64_t *depth = take(ops, g, all, sizeof *depth), *at = take(ops, g, all, sizeof *at);
    t->up = take(ops, g, t->n, sizeof *t->up);
    t->place = take(ops, g, t->n, sizeof *t->place);
    t->feature = take(ops, g, t->n, sizeof *t->feature);
    if (ops->status(g) != STELE_OK) {
        return ops->status(g);
    }
    for (int64_t r = 0, k = 0; r < rows; k += branches[r++]) {
        take_branches(x, r, n, branches[r] * width, value + k * width);
        row_depths(value + k * width, branches[r], width, depth + k);
    }
    for (int64_t i = 0; i < all; i++) {
        t->levels = depth[i] + 1 > t->levels ? depth[i] + 1 : t->levels;
    }
    t->start = take(ops, g, t->levels + 1, sizeof *t->start);
    if (t->start == NULL) {
        return ops->status(g);
    }
    number_nodes(t, all, depth, at);
    put_nodes(t, width, value, branches, depth, at);
    return STELE_OK;
}

/* --- encoder ---------------------------------------------------------------------------------- */

static stele_tensor *indices(const stele_ops *ops, stele_graph *g, int64_t n, const int64_t *index)
{
    const stele_shape shape = stele_shape1(n);
    return ops->constant(g, STELE_I64, &shape, index);
}

/* (nodes, 2 features), standardised; what is missing and what a soma lacks is 0. */
static stele_status node_inputs(const stele_inst *self, stele_graph *g, const nodes *t,
                                stele_tensor **ret)
{
    const stele_ops *ops = self->counts.host->ops;
    const int64_t features = self->tree.width - 1, n = 2 * features;
    const stele_shape shape = stele_shape2(t->n, n);
    const int is_f64 = ops->dtype(g) == STELE_F64;
    stele_view centre = { .struct_size = sizeof centre }, log_scale = centre;
    void *value = take(ops, g, t->n * n, sizeof(double));
    stele_status status = ops->view(ops->param(g, self->tree.centre), &centre);
    status =
        status == STELE_OK ? ops->view(ops->param(g, self->tree.log_scale), &log_scale) : status;
    if (status != STELE_OK || value == NULL) {
        return status != STELE_OK ? status : ops->status(g);
    }
    for (int64_t i = 0; i < t->n * n; i++) {
        const double *feature = t->feature[i / n];
        const int64_t j = i % n;
        double v = feature != NULL ? seen_as(feature[j % features], j >= features) : NAN;
        v = isfinite(v) ? (v - element(&centre, j)) * exp(-element(&log_scale, j)) : 0.0;
        if (is_f64) {
            ((double *)value)[i] = v;
        } else {
            ((float *)value)[i] = (float)v;
        }
    }
    *ret = ops->constant(g, is_f64 ? STELE_F64 : STELE_F32, &shape, value);
    return ops->status(g);
}

/* Of each branch some features are hidden while training, both ways of seeing them at once. */
static stele_tensor *hide_features(const stele_inst *self, stele_graph *g, const nodes *t,
                                   stele_tensor *x)
{
    const stele_ops *ops = self->counts.host->ops;
    const int64_t features = self->tree.width - 1;
    const stele_shape each = { 3, 0, { t->rows, t->most, features, 0, 0, 0 } };
    const stele_shape flat = stele_shape2(t->rows * t->most, features);
    stele_tensor *kept = ops->dropout(g, ops->full(g, &each, 1.0), self->config->input_dropout, 1,
                                      STELE_COUNT_STREAM_INPUT);
    kept =
        ops->gather(g, ops->reshape(g, ops->sign(g, kept), &flat), indices(ops, g, t->n, t->place));
    stele_tensor *both[2] = { kept, kept };
    return ops->mul(g, x, ops->concat(g, 2, both, 1));
}

/* (nodes of level d, 2 state): sums over the children of each, whose values are `child` (nodes of
 * level d + 1, 2 state). Absent ones stand for themselves as a row of zeros behind the others. */
static stele_tensor *sum_children(const stele_inst *self, stele_graph *g, const nodes *t, int64_t d,
                                  stele_tensor *child)
{
    const stele_ops *ops = self->counts.host->ops;
    const int64_t n = t->start[d + 1] - t->start[d], below = t->start[d + 2] - t->start[d + 1];
    const int64_t *up = t->up + t->start[d + 1], wide = 2 * self->config->state;
    const stele_shape none = stele_shape2(1, wide);
    int64_t *count = take(ops, g, n, sizeof *count), most = 1;
    if (count == NULL) {
        return NULL;
    }
    memset(count, 0, (size_t)n * sizeof *count);
    for (int64_t k = 0; k < below; k++) {
        const int64_t of = ++count[up[k]];
        most = of > most ? of : most;
    }
    int64_t *index = take(ops, g, n * most, sizeof *index);
    if (index == NULL) {
        return NULL;
    }
    for (int64_t i = 0; i < n * most; i++) {
        index[i] = below;
    }
    for (int64_t k = below - 1; k >= 0; k--) { /* the first child comes first */
        index[up[k] * most + --count[up[k]]] = k;
    }
    stele_tensor *both[2] = { child, ops->full(g, &none, 0.0) };
    stele_tensor *all =
        ops->gather(g, ops->concat(g, 2, both, 0), indices(ops, g, n * most, index));
    const stele_shape apart = { 3, 0, { n, most, wide, 0, 0, 0 } };
    return ops->sum(g, ops->reshape(g, all, &apart), 1, 0);
}

/* States and what they remember, of all nodes of a level; NULL before the last. */
typedef struct level {
    stele_tensor *h, *c;
} level;

/* `gates` (nodes of level d, 4 state): what comes from their own features. */
static void step(const stele_inst *self, stele_graph *g, const nodes *t, int64_t d,
                 stele_tensor *gates, level *below)
{
    const stele_ops *ops = self->counts.host->ops;
    const int64_t n = self->config->state;
    stele_tensor *own = ops->slice(g, gates, 1, 0, 3 * n), *kept = NULL;
    if (below->h != NULL) {
        const int64_t first = t->start[d + 1], children = t->start[d + 2] - first;
        stele_tensor *up = indices(ops, g, children, t->up + first), *both[2];
        stele_tensor *forget =
            ops->gather(g, ops->slice(g, gates, 1, GATE_FORGET * n, N_GATES * n), up);
        forget =
            ops->add(g, forget, ops->linear(g, below->h, ops->param(g, self->tree.child), NULL));
        both[0] = below->h;
        both[1] = ops->mul(g, ops->sigmoid(g, forget), below->c);
        stele_tensor *sums = sum_children(self, g, t, d, ops->concat(g, 2, both, 1));
        kept = ops->slice(g, sums, 1, n, 2 * n);
        own = ops->add(
            g, own,
            ops->linear(g, ops->slice(g, sums, 1, 0, n), ops->param(g, self->tree.sum), NULL));
    }
    stele_tensor *in = ops->sigmoid(g, ops->slice(g, own, 1, GATE_IN * n, GATE_OUT * n));
    stele_tensor *out = ops->sigmoid(g, ops->slice(g, own, 1, GATE_OUT * n, GATE_NEW * n));
    below->c = ops->mul(g, in, ops->tanh(g, ops->slice(g, own, 1, GATE_NEW * n, GATE_FORGET * n)));
    below->c = kept != NULL ? ops->add(g, below->c, kept) : below->c;
    below->h = ops->mul(g, out, ops->tanh(g, below->c));
}

stele_status tree_input(const stele_inst *self, stele_graph *g, stele_tensor *x, stele_tensor **ret)
{
    const stele_ops *ops = self->counts.host->ops;
    stele_view view = { .struct_size = sizeof view };
    level l = { NULL, NULL };
    stele_tensor *in = NULL;
    nodes t;
    stele_status status = ops->view(x, &view);
    status = status == STELE_OK ? nodes_of(self, g, &view, &t) : status;
    status = status == STELE_OK ? node_inputs(self, g, &t, &in) : status;
    if (status != STELE_OK) {
        return status;
    }
    in = self->config->input_dropout > 0.0 ? hide_features(self, g, &t, in) : in;
    stele_tensor *bias[2] = { ops->param(g, self->tree.bias), ops->param(g, self->tree.forget) };
    stele_tensor *gates =
        ops->linear(g, in, ops->param(g, self->tree.weight), ops->concat(g, 2, bias, 0));
    for (int64_t d = t.levels - 1; d >= 0; d--) {
        step(self, g, &t, d, ops->slice(g, gates, 0, t.start[d], t.start[d + 1]), &l);
    }
    stele_tensor *known[2] = { l.h,
                               ops->mul(g, ops->sign(g, l.c), ops->log1p(g, ops->abs(g, l.c))) };
    *ret = ops->concat(g, 2, known, 1);
    return ops->status(g);
}
