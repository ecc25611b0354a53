#include "model/objective.h"

#include "graph/noise.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "model/fusion_loss.h"
#include "model/head.h"

#include <math.h>
#include <string.h>

static const stele_ops *const ops = &stele__ops;

enum { MAX_TERMS = STELE__MAX_MODALITIES + STELE__MAX_RANDOM + 1 };

/* One subset of a step, and the noise address of its z. */
typedef struct term {
    uint64_t mask;
    uint32_t sample;
    double weight;
} term;

/* A step in the making. */
typedef struct step {
    const stele__model *m;
    stele_graph *g;
    const stele__batch *b;
    const stele__objective *o;
    stele__expert_set e;
    term term[MAX_TERMS];
    uint32_t n_terms, n_draws;
    stele__posterior *posterior; /* (n_terms) */
    stele__draws *draws;
    uint32_t *draw_term;   /* (n_draws) */
    uint32_t *first_draw;  /* (n_terms + 1) */
    void **draw_weight;    /* (n_draws) factors (n) of each row's bound in the loss */
    int own_loss;          /* the fusion rule has the last word on the terms */
    stele_tensor **log_px; /* (n_draws) then: weighted sums over modalities, (n); NULL: none yet */
    double scale;          /* 1 / (rows with anything * sum of the terms' weights) */
    stele_tensor *loss;
} step;

static uint64_t all_modalities(const stele__model *m)
{
    return m->n_modalities < 64 ? (UINT64_C(1) << m->n_modalities) - 1 : UINT64_MAX;
}

/* Random subsets are proper and not empty, drawn per step and not per row, so that a step decodes
 * few stacks. */
static void random_terms(step *s, uint64_t seed, uint64_t at_step)
{
    uint64_t all = all_modalities(s->m);
    uint64_t key = stele__noise_key(seed, stele__noise_hash("subsets"), at_step);
    for (uint32_t k = 0; k < s->o->n_random && all > 1; k++) {
        uint64_t mask = 0;
        for (uint64_t attempt = 0; mask == 0 || mask == all; attempt++) {
            mask = stele__noise_mix(key, k + (attempt << 32)) >> 7 & all;
        }
        s->term[s->n_terms++] =
            (term){ .mask = mask, .sample = 128 + k, .weight = s->o->subset_weight };
    }
}

static void choose_terms(step *s, uint64_t seed, uint64_t at_step)
{
    s->term[s->n_terms++] = (term){ .mask = all_modalities(s->m), .sample = 0, .weight = 1.0 };
    if (s->o->single && s->m->n_modalities > 1) {
        for (uint32_t i = 0; i < s->m->n_modalities; i++) {
            s->term[s->n_terms++] =
                (term){ .mask = UINT64_C(1) << i, .sample = 1 + i, .weight = s->o->subset_weight };
        }
    }
    random_terms(s, seed, at_step);
}

/* Does a further subset add anything in a row that has `present`? */
static int adds_nothing(uint64_t mask, uint64_t present)
{
    return (mask & present) == present;
}

/* Room for the draws of all terms. */
static int make_room(step *s)
{
    size_t most = (size_t)s->n_terms * s->m->max_components;
    s->posterior = stele__op_take(s->g, s->n_terms, sizeof *s->posterior);
    s->first_draw = stele__op_take(s->g, (size_t)s->n_terms + 1, sizeof *s->first_draw);
    s->draws = stele__op_take(s->g, most, sizeof *s->draws);
    s->draw_term = stele__op_take(s->g, most, sizeof *s->draw_term);
    s->draw_weight = stele__op_take(s->g, most, sizeof *s->draw_weight);
    s->log_px = stele__op_take(s->g, most, sizeof(stele_tensor *));
    if (s->posterior == NULL || s->first_draw == NULL || s->draws == NULL || s->draw_term == NULL ||
        s->draw_weight == NULL || s->log_px == NULL) {
        return 0;
    }
    memset(s->log_px, 0, most * sizeof(stele_tensor *));
    return 1;
}

/* Constant factors of each row of a draw; a mixture's own weights come on top as a tensor. */
static int weigh_draw(step *s, uint32_t i)
{
    const stele__draws *d = &s->draws[i];
    const term *t = &s->term[s->draw_term[i]];
    void *w = stele__op_take(s->g, (size_t)d->n, sizeof(double));
    if (w == NULL) {
        return 0;
    }
    for (int64_t k = 0; k < d->n; k++) {
        int skip = s->draw_term[i] > 0 && adds_nothing(t->mask, s->b->present[d->position[k]]);
        stele__put_real(stele__graph_dtype(s->g), w, k, skip ? 0.0 : t->weight * s->scale);
    }
    s->draw_weight[i] = w;
    return 1;
}

static int draw_all(step *s)
{
    if (!make_room(s)) {
        return 0;
    }
    for (uint32_t t = 0; t < s->n_terms; t++) {
        uint32_t n = 0;
        stele_status status = stele__fuse(s->m, s->g, &s->e, s->term[t].mask, &s->posterior[t]);
        if (status != STELE_OK ||
            stele__draw_from(s->m, s->g, &s->e, &s->posterior[t], s->term[t].sample, 1,
                             s->draws + s->n_draws, &n) != STELE_OK) {
            return 0;
        }
        s->first_draw[t] = s->n_draws;
        for (uint32_t k = 0; k < n; k++) {
            s->draw_term[s->n_draws++] = t;
        }
    }
    s->first_draw[s->n_terms] = s->n_draws;
    for (uint32_t i = 0; i < s->n_draws; i++) {
        if (!weigh_draw(s, i)) {
            return 0;
        }
    }
    return 1;
}

static stele_tensor *rows_constant(stele_graph *g, int64_t n, const void *values)
{
    stele_shape shape = STELE__SHAPE(n);
    return stele__graph_dense(g, stele__graph_dtype(g), &shape, values);
}

/* loss += sum of t * w. With w constant the derivative that reaches t is w to the last bit, as
 * stele__fused wants. */
static void add_weighted(step *s, stele_tensor *t, stele_tensor *w, double factor)
{
    stele_tensor *sum =
        ops->scale(s->g, ops->sum(s->g, ops->mul(s->g, t, w), STELE_ALL_AXES, 0), factor);
    s->loss = s->loss != NULL ? ops->add(s->g, s->loss, sum) : sum;
}

static void add_divergences(step *s, double beta)
{
    for (uint32_t i = 0; i < s->n_draws; i++) {
        const stele__draws *d = &s->draws[i];
        stele_tensor *w = rows_constant(s->g, d->n, s->draw_weight[i]);
        if (d->weight != NULL) {
            w = ops->mul(s->g, d->weight, w);
        }
        add_weighted(s, d->log_ratio, w, beta);
    }
}

/* Rows of all draws that modality i has to reconstruct, and their factors in the loss (negative
 * log-likelihood). */
static int64_t collect_rows(step *s, uint32_t i, uint32_t *draw, int64_t *index, void *weight)
{
    int64_t n = 0;
    double own = s->m->modality[i].weight;
    for (uint32_t k = 0; k < s->n_draws; k++) {
        const stele__draws *d = &s->draws[k];
        const term *t = &s->term[s->draw_term[k]];
        if (s->o->reconstruct == STELE__RECONSTRUCT_OWN && (t->mask >> i & 1) == 0) {
            continue;
        }
        for (int64_t r = 0; r < d->n; r++) {
            uint64_t present = s->b->present[d->position[r]];
            if ((present >> i & 1) == 0 ||
                (s->draw_term[k] > 0 && adds_nothing(t->mask, present))) {
                continue;
            }
            draw[n] = k;
            index[n] = r;
            stele__put_real(stele__graph_dtype(s->g), weight, n++, -own * t->weight * s->scale);
        }
    }
    return n;
}

static void note_log_px(const step *s, uint32_t i, const stele_tensor *log_px,
                        const stele__decode_rows *rows, stele__loss_terms *ret)
{
    for (int64_t k = 0; k < rows->n && s->draw_term[rows->draw[k]] == 0; k++) {
        const stele__draws *d = &s->draws[rows->draw[k]];
        double mixture = d->weight != NULL ? stele__tensor_real(d->weight, rows->index[k]) : 1.0;
        ret->log_px[i] += mixture * stele__tensor_real(log_px, k);
    }
    ret->n_px[i] = s->b->part[i].n;
    ret->elbo += ret->log_px[i] / (double)ret->n;
}

/* Factors of the rows to decode: constants, times the mixtures' own weights where there are any. */
static stele_tensor *row_factors(step *s, const stele__decode_rows *rows, const void *weight)
{
    stele_tensor *constant = rows_constant(s->g, rows->n, weight);
    stele_tensor **part = stele__op_take(s->g, s->n_draws, sizeof(stele_tensor *));
    uint32_t n_parts = 0;
    int mixed = 0;
    stele_shape scalar = { 0 };
    for (int64_t at = 0, begin = 0; part != NULL && at < rows->n; begin = at) {
        const stele__draws *d = &s->draws[rows->draw[at]];
        while (at < rows->n && rows->draw[at] == rows->draw[begin]) {
            at++;
        }
        stele_shape n = STELE__SHAPE(at - begin);
        mixed |= d->weight != NULL;
        part[n_parts++] =
            d->weight == NULL
                ? ops->expand(s->g, ops->full(s->g, &scalar, 1.0), &n)
                : ops->gather(s->g, d->weight,
                              stele__graph_dense(s->g, STELE_I64, &n, rows->index + begin));
    }
    return mixed ? ops->mul(s->g, ops->concat(s->g, n_parts, part, 0), constant) : constant;
}

/* log_px of the rows to decode, joined to what other modalities gave for the same draws. */
static int gather_log_px(step *s, uint32_t i, const stele__decode_rows *rows, stele_tensor *log_px)
{
    for (int64_t at = 0, begin = 0; at < rows->n; begin = at) {
        uint32_t k = rows->draw[at];
        const stele__draws *d = &s->draws[k];
        while (at < rows->n && rows->draw[at] == k) {
            at++;
        }
        stele_shape n = STELE__SHAPE(at - begin);
        stele_tensor *part =
            ops->scale(s->g, ops->slice(s->g, log_px, 0, begin, at), s->m->modality[i].weight);
        if (at - begin < d->n) {
            stele_tensor *to = stele__graph_dense(s->g, STELE_I64, &n, rows->index + begin);
            part = ops->scatter(s->g, part, to, d->n, 0.0);
        }
        s->log_px[k] = s->log_px[k] != NULL ? ops->add(s->g, s->log_px[k], part) : part;
        if (s->log_px[k] == NULL) {
            return 0;
        }
    }
    return 1;
}

/* The fusion rule's own loss of every term, over the rows that count in it. */
static int add_fusion_losses(step *s, double beta)
{
    stele_shape n = STELE__SHAPE(s->b->n), scalar = { 0 };
    for (uint32_t t = 0; t < s->n_terms; t++) {
        uint32_t first = s->first_draw[t];
        stele__fusion_term one = { .posterior = &s->posterior[t],
                                   .draws = s->draws + first,
                                   .log_px = s->log_px + first,
                                   .n_draws = s->first_draw[t + 1] - first };
        void *weight = stele__op_take(s->g, (size_t)s->b->n, sizeof(double));
        int any = 0;
        for (int64_t r = 0; weight != NULL && r < s->b->n; r++) {
            int counts = s->posterior[t].used[r] != 0 &&
                         (t == 0 || !adds_nothing(s->term[t].mask, s->b->present[r]));
            stele__put_real(stele__graph_dtype(s->g), weight, r,
                            counts ? s->term[t].weight * s->scale : 0.0);
            any |= counts;
        }
        if (weight == NULL) {
            return 0;
        }
        if (!any) {
            continue;
        }
        stele_tensor *w = stele__graph_dense(s->g, stele__graph_dtype(s->g), &n, weight);
        stele_tensor *rows = stele__fusion_loss(s->m, s->g, s->b, &one, beta);
        rows = ops->where(s->g, w, rows, ops->full(s->g, &scalar, 0.0));
        add_weighted(s, rows, w, 1.0);
        if (s->loss == NULL) {
            return 0;
        }
    }
    return 1;
}

static int add_reconstruction(step *s, uint32_t i, stele__loss_terms *ret)
{
    int64_t most = 0;
    for (uint32_t k = 0; k < s->n_draws; k++) {
        most += s->draws[k].n;
    }
    uint32_t *draw = stele__op_take(s->g, (size_t)most, sizeof *draw);
    int64_t *index = stele__op_take(s->g, (size_t)most, sizeof *index);
    void *weight = stele__op_take(s->g, (size_t)most, sizeof(double));
    if (draw == NULL || index == NULL || weight == NULL) {
        return 0;
    }
    stele__decode_rows rows = { .n = collect_rows(s, i, draw, index, weight),
                                .draw = draw,
                                .index = index };
    if (rows.n == 0) {
        return 1;
    }
    /* A loss of its own may weigh rows in any way: nothing can be promised beforehand. */
    stele_tensor *factors = s->own_loss ? NULL : row_factors(s, &rows, weight);
    if (factors == NULL && !s->own_loss) {
        return 0;
    }
    stele_tensor *log_px = stele__decode_log_prob(s->m, s->g, &s->e, i, s->draws, s->n_draws, &rows,
                                                  factors != NULL ? factors->data : NULL);
    if (log_px == NULL) {
        return 0;
    }
    note_log_px(s, i, log_px, &rows, ret);
    if (s->own_loss) {
        return gather_log_px(s, i, &rows, log_px);
    }
    add_weighted(s, log_px, factors, 1.0);
    return 1;
}

static void note_divergence(const step *s, stele__loss_terms *ret)
{
    for (uint32_t i = 0; i < s->n_draws && s->draw_term[i] == 0; i++) {
        const stele__draws *d = &s->draws[i];
        for (int64_t r = 0; r < d->n; r++) {
            double mixture = d->weight != NULL ? stele__tensor_real(d->weight, r) : 1.0;
            ret->divergence += mixture * stele__tensor_real(d->log_ratio, r) / (double)ret->n;
        }
    }
    ret->elbo -= ret->divergence;
}

/* Heads read the joint term's z. The figures of a head that z is not to serve stay out of
 * ret->loss. */
static int add_heads(step *s, stele__loss_terms *ret)
{
    for (uint32_t h = 0; h < s->m->n_heads; h++) {
        const stele__head *head = &s->m->head[h];
        double reach = head->traits.gradient_scale;
        double weight = head->weight * (s->o->head_factor != NULL ? s->o->head_factor[h] : 1.0);
        stele__head_loss one;
        if (stele__head_loss_of(s->m, s->g, s->b, h, s->draws, s->first_draw[1], reach, &one) !=
            STELE_OK) {
            return 0;
        }
        ret->head[h] = one.sum;
        ret->n_head[h] = one.n;
        if (one.mean == NULL) {
            continue;
        }
        stele_tensor *part = ops->scale(s->g, one.mean, weight);
        s->loss = s->loss != NULL ? ops->add(s->g, s->loss, part) : part;
        ret->loss += reach > 0.0 ? weight * one.sum / (double)one.n : 0.0;
    }
    return 1;
}

/* Bounds of all terms, or what the fusion rule has in their place. */
static int add_terms(step *s, double beta, stele__loss_terms *ret)
{
    if (!s->own_loss) {
        add_divergences(s, beta);
    }
    for (uint32_t i = 0; i < s->m->n_modalities; i++) {
        if (s->b->part[i].n > 0 && !add_reconstruction(s, i, ret)) {
            return 0;
        }
    }
    return !s->own_loss || add_fusion_losses(s, beta);
}

stele_tensor *stele__objective_loss(const stele__model *m, stele_graph *g, const stele__batch *b,
                                    const stele__objective *o, double beta, uint64_t seed,
                                    uint64_t at_step, stele__loss_terms *ret)
{
    step s = { .m = m, .g = g, .b = b, .o = o };
    double total = 0.0;
    memset(ret, 0, sizeof *ret);
    for (int64_t r = 0; r < b->n; r++) {
        ret->n += b->present[r] != 0;
    }
    if (ret->n == 0) {
        return NULL;
    }
    s.own_loss = m->fusion_vt->loss != NULL;
    choose_terms(&s, seed, at_step);
    for (uint32_t t = 0; t < s.n_terms; t++) {
        total += s.term[t].weight;
    }
    s.scale = 1.0 / ((double)ret->n * total);
    if (stele__encode(m, g, b, &s.e) != STELE_OK || !draw_all(&s) || !add_terms(&s, beta, ret)) {
        return NULL;
    }
    note_divergence(&s, ret);
    if (s.loss != NULL) {
        ret->loss = stele__tensor_real(s.loss, 0);
    }
    return add_heads(&s, ret) ? s.loss : NULL;
}

stele_tensor *stele__objective_own_steps(const stele__model *m, stele_graph *g,
                                         const stele__batch *b, stele__loss_terms *ret)
{
    stele__expert_set e;
    stele__draws draws[STELE__MAX_COMPONENTS];
    stele_tensor *loss = NULL;
    uint32_t n = 0;
    memset(ret, 0, sizeof *ret);
    if (stele__encode(m, g, b, &e) != STELE_OK ||
        stele__draw(m, g, &e, all_modalities(m), 0, 1, draws, &n) != STELE_OK) {
        return NULL;
    }
    for (uint32_t h = 0; h < m->n_heads; h++) {
        stele__head_loss one;
        if (!m->head[h].traits.own_step) {
            continue;
        }
        if (stele__head_loss_of(m, g, b, h, draws, n, 0.0, &one) != STELE_OK) {
            return NULL;
        }
        ret->head[h] = one.sum;
        ret->n_head[h] = one.n;
        if (one.mean != NULL) {
            loss = loss != NULL ? ops->add(g, loss, one.mean) : one.mean;
        }
    }
    return loss;
}
