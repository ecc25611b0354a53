#include "model/fused.h"

#include "graph/params.h"
#include "model/fused_pass.h"
#include "model/fused_sums.h"
#include "model/infer.h"

#include <string.h>

/* Tensors of the parameters that the output names. */
typedef struct parts {
    stele_tensor *hidden, *eta[STELE_MAX_ETA]; /* one or the other */
    stele_tensor *weight[STELE_MAX_ETA], *bias[STELE_MAX_ETA], *feature[STELE_MAX_PARAM];
    stele_tensor *row[STELE_MAX_PARAM];
    int64_t rows;
} parts;

static stele_tensor *parameter(stele_graph *g, const stele__scope *s, uint32_t id)
{
    if (id >= s->n) {
        return stele__op_fail(g, STELE_E_INTERNAL,
                              "decode: names a parameter of the id %u, build() got %u of them", id,
                              s->n);
    }
    return stele__graph_param(g, s->params, s->entry[id]);
}

static int shape_is(stele_graph *g, const stele_tensor *t, const char *what, uint32_t i, int64_t n,
                    int64_t m)
{
    char text[STELE__SHAPE_TEXT];
    if (t != NULL && t->layout == STELE_DENSE && t->dtype == g->dtype && t->n == n * m &&
        t->shape.dim[0] == n) {
        return 1;
    }
    if (t != NULL) {
        stele__op_fail(g, STELE_E_SHAPE, "decode: ret->%s[%u] is %s, expected (%lld, %lld)", what,
                       i, stele__shape_text(&t->shape, text), (long long)n, (long long)m);
    } else if (stele__graph_status(g) == STELE_OK) {
        stele__op_fail(g, STELE_E_INTERNAL, "decode: left ret->%s[%u] NULL", what, i);
    }
    return 0;
}

/* The members of the output that say how many of the others there are. */
static int is_described(stele_graph *g, const stele_output *o)
{
    char text[STELE__SHAPE_TEXT];
    if (o->n_eta < 1 || o->n_eta > STELE_MAX_ETA) {
        stele__op_fail(g, STELE_E_INTERNAL, "decode: left ret->n_eta at %u, allowed is 1 to %d",
                       o->n_eta, STELE_MAX_ETA);
        stele__op_hint(g, "set n_eta to the number of linear predictors, and weight and bias of "
                          "each to the ids that build() got");
    } else if (o->n_feature > STELE_MAX_PARAM || o->n_row > STELE_MAX_PARAM) {
        stele__op_fail(g, STELE_E_INTERNAL,
                       "decode: ret->n_feature is %u, ret->n_row %u: at most %d", o->n_feature,
                       o->n_row, STELE_MAX_PARAM);
    } else if (o->hidden == NULL && o->eta[0] == NULL) {
        stele__op_fail(g, STELE_E_INTERNAL, "decode: left ret->hidden NULL, and ret->eta too");
        stele__op_hint(g, "set hidden to the last hidden layer, (rows, width), or eta to linear "
                          "predictors of its own");
    } else if (o->hidden != NULL && o->hidden->shape.ndim != 2) {
        stele__op_fail(g, STELE_E_SHAPE, "decode: ret->hidden is %s, expected (rows, width)",
                       stele__shape_text(&o->hidden->shape, text));
    }
    return stele__graph_status(g) == STELE_OK;
}

/* What the predictors are made of: a hidden layer with weights, or they are there already. */
static int find_predictors(stele_graph *g, const stele__fused *f, parts *q)
{
    const stele_output *o = f->output;
    q->hidden = o->hidden;
    q->rows = o->hidden != NULL ? o->hidden->shape.dim[0] : o->eta[0]->shape.dim[0];
    int good = 1;
    for (uint32_t k = 0; k < o->n_eta && good; k++) {
        if (q->hidden == NULL) {
            q->eta[k] = o->eta[k];
            good = shape_is(g, q->eta[k], "eta", k, q->rows, f->n_features);
            continue;
        }
        q->weight[k] = parameter(g, f->scope, o->weight[k]);
        q->bias[k] = parameter(g, f->scope, o->bias[k]);
        good = shape_is(g, q->weight[k], "weight", k, f->n_features, q->hidden->shape.dim[1]) &&
               shape_is(g, q->bias[k], "bias", k, f->n_features, 1);
    }
    return good;
}

static int find_parts(stele_graph *g, const stele__fused *f, parts *q)
{
    const stele_output *o = f->output;
    memset(q, 0, sizeof *q);
    int good = is_described(g, o) && find_predictors(g, f, q);
    for (uint32_t i = 0; i < o->n_feature && good; i++) {
        q->feature[i] = parameter(g, f->scope, o->feature[i]);
        good = shape_is(g, q->feature[i], "feature", i, f->n_features, 1);
    }
    for (uint32_t i = 0; i < o->n_row && good; i++) {
        q->row[i] = o->row[i];
        good = shape_is(g, q->row[i], "row", i, q->rows, 1);
    }
    return good;
}

/* What stays from forward to backward. */
typedef struct saved {
    stele__fused f;
    parts q;
    const void *weight;     /* the promise, or NULL */
    char *d_hidden, *d_row; /* formed already: (rows, hidden), (n_row, rows) */
    char *d_eta;            /* the same: (n_eta, rows, features), of given predictors */
} saved;

static int pass_init(stele_graph *g, const stele__fused *f, const parts *q, stele__fused_pass *p)
{
    size_t threads = stele__pool_threads(stele__graph_pool(g));
    memset(p, 0, sizeof *p);
    p->f = f;
    p->dtype = g->dtype;
    p->real = stele__dtype_size(g->dtype);
    p->n_eta = f->output->n_eta;
    p->n_feature = f->output->n_feature;
    p->n_row = f->output->n_row;
    p->rows = q->rows;
    p->features = f->n_features;
    p->block = stele__fused_block(p->rows, p->n_eta, p->features);
    p->n_blocks = stele__n_blocks(p->features, p->block);
    p->n_lanes = p->n_blocks < STELE__FUSED_LANES ? p->n_blocks : STELE__FUSED_LANES;
    if (q->hidden != NULL) {
        p->hidden = q->hidden->shape.dim[1];
        p->h = q->hidden->data;
    }
    for (uint32_t k = 0; k < p->n_eta; k++) {
        p->given[k] = q->hidden == NULL ? q->eta[k]->data : NULL;
        p->w[k] = q->hidden != NULL ? q->weight[k]->data : NULL;
        p->b[k] = q->hidden != NULL ? q->bias[k]->data : NULL;
    }
    for (uint32_t i = 0; i < p->n_feature; i++) {
        p->feature[i] = q->feature[i]->data;
    }
    for (uint32_t i = 0; i < p->n_row; i++) {
        p->row[i] = q->row[i]->data;
    }
    p->eta = stele__op_take(g, threads * p->n_eta * (size_t)(p->rows * p->block), p->real);
    size_t n_log_prob = (size_t)(p->n_lanes * p->rows);
    p->lane_log_prob = stele__op_take(g, n_log_prob, sizeof(double));
    p->begin = stele__op_take(g, threads * (size_t)p->rows, sizeof *p->begin);
    p->lane_said = stele__op_take(g, (size_t)p->n_lanes, sizeof *p->lane_said);
    p->packed_size = stele__fused_packed_size(p, p->block);
    p->packed = stele__op_take(g, threads * p->packed_size, p->real);
    if (p->eta == NULL || p->lane_log_prob == NULL || p->packed == NULL || p->begin == NULL ||
        p->lane_said == NULL) {
        return 0;
    }
    memset(p->lane_log_prob, 0, n_log_prob * sizeof(double));
    return 1;
}

/* Weights take their step here if that is allowed and no other predictor has the same ones. */
static int steps_here(stele_graph *g, const parts *q, int recorded, uint32_t k,
                      stele__fused_pass *p)
{
    int alone = 1;
    for (uint32_t i = 0; i < p->n_eta; i++) {
        alone &= i == k || q->weight[i] != q->weight[k];
    }
    return alone && stele__step_begin(g, q->weight[k], recorded, &p->step[k]);
}

/* Room for derivatives towards the layer that makes the predictors. */
static int layer_want_derivatives(stele_graph *g, const parts *q, int recorded,
                                  stele__fused_pass *p)
{
    size_t threads = stele__pool_threads(stele__graph_pool(g));
    int steps = 0;
    for (uint32_t k = 0; k < p->n_eta; k++) {
        p->steps[k] = steps_here(g, q, recorded, k, p);
        steps |= p->steps[k];
        p->dw[k] = p->steps[k] ? NULL : stele__grad_open(g, q->weight[k], &p->fresh_w[k]);
        p->db[k] = stele__grad_open(g, q->bias[k], &p->fresh_b[k]);
    }
    if (steps) {
        p->block_dw_bytes = (size_t)(p->block * p->hidden) * p->real + STELE__ALIAS_PAGE;
        p->block_dw = stele__op_take(g, threads, p->block_dw_bytes);
    }
    p->packed_h = stele__op_take(g, stele__fused_packed_size(p, p->rows), p->real);
    p->squares = stele__op_take(g, p->n_eta * (size_t)p->n_blocks, sizeof(double));
    p->lane_h = stele__op_take(g, (size_t)(p->n_lanes * p->rows * p->hidden), p->real);
    return p->lane_h != NULL && p->squares != NULL;
}

/* Room for derivatives; those of parameters go straight to their place. recorded: in backward. */
static int pass_want_derivatives(stele_graph *g, const parts *q, const void *weight, int recorded,
                                 stele__fused_pass *p)
{
    p->weight = weight;
    if (q->hidden == NULL) {
        p->d_given = stele__op_take(g, p->n_eta * (size_t)(p->rows * p->features), p->real);
    }
    if (q->hidden == NULL ? p->d_given == NULL : !layer_want_derivatives(g, q, recorded, p)) {
        return 0;
    }
    for (uint32_t i = 0; i < p->n_feature; i++) {
        p->dfeature[i] = stele__grad_zeroed(g, q->feature[i]);
    }
    size_t n_row = (size_t)(p->n_lanes * p->n_row * p->rows);
    int wanted = 0;
    for (uint32_t i = 0; i < p->n_row; i++) {
        wanted |= q->row[i]->wants_gradient != 0;
    }
    if (wanted) {
        p->lane_row = stele__op_take(g, n_row, p->real);
        if (p->lane_row == NULL) {
            return 0;
        }
        memset(p->lane_row, 0, n_row * p->real);
    }
    return stele__graph_status(g) == STELE_OK;
}

static stele_status pass_run(stele_graph *g, stele__fused_pass *p)
{
    const stele__said *said = NULL;
    stele_status status = stele__fused_pass_run(stele__graph_pool(g), p, &said);
    stele__guest_restore(p->f->guest, "likelihood");
    return status == STELE_OK ? STELE_OK : stele__said_outcome(g, "likelihood", status, said);
}

static void add_to(stele_graph *g, stele_tensor *t, const void *d)
{
    int fresh = 0;
    void *out = stele__grad_open(g, t, &fresh);
    if (out != NULL) {
        stele__lane_sum(g->dtype, d, 1, t->n, fresh, out);
    }
}

static void keep_squares(const stele__fused_pass *p, const parts *q)
{
    for (uint32_t k = 0; k < p->n_eta; k++) {
        if (p->steps[k] || p->dw[k] != NULL) {
            (p->steps[k] ? stele__step_end : stele__grad_measured)(
                q->weight[k], (size_t)p->n_blocks, p->squares + (int64_t)k * p->n_blocks);
        }
    }
}

/* Keep what the single pass has formed until backward asks for it. */
static int keep_derivatives(stele_graph *g, const stele__fused_pass *p, saved *s)
{
    s->d_eta = p->d_given;
    if (s->q.hidden != NULL) {
        s->d_hidden = stele__op_take(g, (size_t)(p->rows * p->hidden), p->real);
        if (s->d_hidden == NULL) {
            return 0;
        }
        keep_squares(p, &s->q);
        stele__lane_sum(p->dtype, p->lane_h, p->n_lanes, p->rows * p->hidden, 1, s->d_hidden);
    }
    if (p->lane_row != NULL) {
        int64_t n = (int64_t)p->n_row * p->rows;
        s->d_row = stele__op_take(g, (size_t)n, p->real);
        if (s->d_row == NULL) {
            return 0;
        }
        stele__lane_sum(p->dtype, p->lane_row, p->n_lanes, n, 1, s->d_row);
    }
    return 1;
}

/* Second pass, for weights that are known only now. */
static stele_status recompute(stele_graph *g, const void *weight, saved *s)
{
    stele__fused_pass p;
    if (!pass_init(g, &s->f, &s->q, &p) || !pass_want_derivatives(g, &s->q, weight, 1, &p)) {
        return STELE_E_NOMEM;
    }
    stele_status status = pass_run(g, &p);
    return status == STELE_OK && !keep_derivatives(g, &p, s) ? STELE_E_NOMEM : status;
}

static stele_status backward(stele_graph *g, const stele__tape_node *node)
{
    saved s = *(const saved *)node->saved;
    const int64_t rows = s.q.rows;
    size_t real = stele__dtype_size(g->dtype);
    if (s.weight == NULL) {
        stele_status status = recompute(g, node->out->gradient, &s);
        if (status != STELE_OK) {
            return status;
        }
    } else if (memcmp(s.weight, node->out->gradient, (size_t)rows * real) != 0) {
        stele__op_fail(g, STELE_E_INTERNAL,
                       "fused: the promised weights are not those of the loss");
        return STELE_E_INTERNAL;
    }
    if (s.q.hidden != NULL) {
        add_to(g, s.q.hidden, s.d_hidden);
    }
    for (uint32_t k = 0; k < s.f.output->n_eta && s.q.hidden == NULL; k++) {
        add_to(g, s.q.eta[k], s.d_eta + (size_t)(k * rows * s.f.n_features) * real);
    }
    for (uint32_t i = 0; i < s.f.output->n_row && s.d_row != NULL; i++) {
        add_to(g, s.q.row[i], s.d_row + (size_t)(i * rows) * real);
    }
    return STELE_OK;
}

static stele_tensor *record(stele_graph *g, const parts *q, const saved *s, stele_tensor *out)
{
    stele_tensor *in[1 + 2 * STELE_MAX_ETA + 2 * STELE_MAX_PARAM];
    uint32_t n = 0;
    const stele_output *o = s->f.output;
    if (q->hidden != NULL) {
        in[n++] = q->hidden;
    }
    for (uint32_t k = 0; k < o->n_eta && q->hidden == NULL; k++) {
        in[n++] = q->eta[k];
    }
    for (uint32_t k = 0; k < o->n_eta && q->hidden != NULL; k++) {
        in[n++] = q->weight[k];
        in[n++] = q->bias[k];
    }
    for (uint32_t i = 0; i < o->n_feature; i++) {
        in[n++] = q->feature[i];
    }
    for (uint32_t i = 0; i < o->n_row; i++) {
        in[n++] = q->row[i];
    }
    stele__op_record(g, out, n, in, backward, s);
    return out;
}

stele_tensor *stele__fused_log_prob(stele_graph *g, const stele__fused *f)
{
    parts q;
    stele__fused_pass p;
    if (!find_parts(g, f, &q) || !pass_init(g, f, &q, &p)) {
        return NULL;
    }
    stele_output *output = stele__op_take(g, 1, sizeof *output);
    saved *s = stele__op_take(g, 1, sizeof *s);
    stele_shape shape = STELE__SHAPE(p.rows);
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    if (output == NULL || s == NULL || out == NULL) {
        return NULL;
    }
    *output = *f->output;
    *s = (saved){ .f = *f, .q = q, .weight = g->pass.record ? f->weight : NULL };
    s->f.output = output;
    if (s->weight != NULL && !pass_want_derivatives(g, &q, s->weight, 0, &p)) {
        return NULL;
    }
    if (pass_run(g, &p) != STELE_OK || (s->weight != NULL && !keep_derivatives(g, &p, s))) {
        return NULL;
    }
    for (int64_t r = 0; r < p.rows; r++) {
        double total = 0.0;
        for (int64_t l = 0; l < p.n_lanes; l++) {
            total += p.lane_log_prob[l * p.rows + r];
        }
        if (g->dtype == STELE_F32) {
            ((float *)out->data)[r] = (float)total;
        } else {
            ((double *)out->data)[r] = total;
        }
    }
    return record(g, &q, s, out);
}

stele_status stele__fused_draw(stele_graph *g, const stele__fused *f, int64_t first,
                               int64_t n_features, stele_draw *d)
{
    parts q;
    stele__fused_pass p;
    stele_block b;
    const void *feature[STELE_MAX_PARAM], *row[STELE_MAX_PARAM];
    void *d_feature[STELE_MAX_PARAM];
    char *eta[STELE_MAX_ETA];
    if (!find_parts(g, f, &q) || !pass_init(g, f, &q, &p)) {
        return stele__graph_status(g);
    }
    char *packed = stele__op_take(g, stele__fused_packed_size(&p, n_features), p.real);
    if (packed == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t k = 0; k < p.n_eta; k++) {
        eta[k] = stele__op_take(g, (size_t)(p.rows * n_features), p.real);
        if (eta[k] == NULL) {
            return STELE_E_NOMEM;
        }
    }
    for (uint32_t i = 0; i < p.n_row; i++) {
        row[i] = p.row[i];
    }
    stele__fused_fill_block(&p, first, n_features, &b, feature, d_feature);
    stele__fused_predictors(&p, first, n_features, packed, eta);
    b.eta = (const void *const *)eta;
    b.row = p.n_row > 0 ? row : NULL;
    stele__said said;
    stele__guest_begin(f->guest, "draw");
    stele_status status = f->vt->draw(f->inst, &b, d);
    stele__guest_end(f->guest, "draw", status, &said);
    return stele__said_outcome(g, "draw", status, &said);
}
