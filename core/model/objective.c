#include "model/objective_private.h"

#include "graph/op.h"
#include "graph/ops.h"
#include "model/contrast.h"
#include "model/distil.h"
#include "model/fusion_loss.h"

#include <math.h>
#include <string.h>

static const stele_ops *const ops = &stele__ops;

static stele_tensor *rows_constant(stele_graph *g, int64_t n, const void *values)
{
    stele_shape shape = STELE__SHAPE(n);
    return stele__graph_dense(g, stele__graph_dtype(g), &shape, values);
}

/* loss += sum of t * w. With w constant the derivative that reaches t is w to the last bit, as
 * stele__fused wants. */
static void add_weighted(stele__terms *s, stele_tensor *t, stele_tensor *w, double factor)
{
    stele_tensor *sum =
        ops->scale(s->g, ops->sum(s->g, ops->mul(s->g, t, w), STELE_ALL_AXES, 0), factor);
    s->loss = s->loss != NULL ? ops->add(s->g, s->loss, sum) : sum;
}

static void add_divergences(stele__terms *s, double beta)
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
static int64_t collect_rows(stele__terms *s, uint32_t i, uint32_t *draw, int64_t *index,
                            void *weight)
{
    int64_t n = 0;
    double own = s->m->modality[i].weight;
    for (uint32_t k = 0; k < s->n_draws; k++) {
        const stele__draws *d = &s->draws[k];
        const stele__term *t = &s->term[s->draw_term[k]];
        if (s->o->reconstruct == STELE__RECONSTRUCT_OWN && (t->mask >> i & 1) == 0) {
            continue;
        }
        for (int64_t r = 0; r < d->n; r++) {
            uint64_t present = s->b->present[d->position[r]];
            if ((present >> i & 1) == 0 ||
                (s->draw_term[k] > 0 && stele__terms_redundant(t->mask, present))) {
                continue;
            }
            draw[n] = k;
            index[n] = r;
            stele__put_real(stele__graph_dtype(s->g), weight, n++,
                            -own * stele__terms_weight(s, t));
        }
    }
    return n;
}

static void note_log_px(const stele__terms *s, uint32_t i, const stele_tensor *log_px,
                        const stele__decode_rows *rows, stele__loss_terms *ret)
{
    for (int64_t k = 0; k < rows->n && s->draw_term[rows->draw[k]] == 0; k++) {
        const stele__draws *d = &s->draws[rows->draw[k]];
        double mixture = d->weight != NULL ? stele__tensor_real(d->weight, rows->index[k]) : 1.0;
        ret->log_px[i] += s->share * mixture * stele__tensor_real(log_px, k);
    }
    ret->n_px[i] = s->b->part[i].n;
    ret->elbo += ret->log_px[i] / (double)ret->n;
}

/* Factors of the rows to decode: constants, times the mixtures' own weights where there are any. */
static stele_tensor *row_factors(stele__terms *s, const stele__decode_rows *rows,
                                 const void *weight)
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
static int gather_log_px(stele__terms *s, uint32_t i, const stele__decode_rows *rows,
                         stele_tensor *log_px)
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

/* What stands for the log-likelihoods of a draw where modalities have private latents: a bound of
 * theirs. */
static void bound_log_px(stele__terms *s, uint32_t i, double beta)
{
    const stele__draws *d = &s->draws[i];
    if (d->own_ratio != NULL) {
        stele_tensor *less = ops->scale(s->g, d->own_ratio, -beta);
        s->log_px[i] = s->log_px[i] != NULL ? ops->add(s->g, s->log_px[i], less) : less;
    }
}

/* The fusion rule's own loss of every term and sample, over the rows that count in it. */
static int add_fusion_losses(stele__terms *s, double beta)
{
    stele_shape n = STELE__SHAPE(s->b->n), scalar = { 0 };
    for (uint32_t i = 0; i < s->n_draws; i++) {
        bound_log_px(s, i, beta);
    }
    for (uint32_t i = 0; i < s->n_terms * s->o->n_samples; i++) {
        uint32_t t = i / s->o->n_samples, first = s->first_draw[i];
        stele__fusion_term one = { .posterior = &s->posterior[t],
                                   .draws = s->draws + first,
                                   .log_px = s->log_px + first,
                                   .n_draws = s->first_draw[i + 1] - first };
        void *weight = stele__op_take(s->g, (size_t)s->b->n, sizeof(double));
        int any = 0;
        for (int64_t r = 0; weight != NULL && r < s->b->n; r++) {
            int counts = s->posterior[t].used[r] != 0 &&
                         (t == 0 || !stele__terms_redundant(s->term[t].mask, s->b->present[r]));
            stele__put_real(stele__graph_dtype(s->g), weight, r,
                            counts ? stele__terms_weight(s, &s->term[t]) : 0.0);
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

/* Samples of the same component have the same rows, in the same order. */
static int add_importance(stele__terms *s, uint32_t t, uint32_t at, double beta)
{
    const uint32_t n_samples = s->o->n_samples;
    stele_tensor **log_w = stele__op_take(s->g, n_samples, sizeof(stele_tensor *)), *share = NULL;
    uint32_t i = 0;
    for (uint32_t k = 0; log_w != NULL && k < n_samples; k++) {
        i = s->first_draw[t * n_samples + k] + at;
        log_w[k] = ops->scale(s->g, s->draws[i].log_ratio, -beta);
        if (s->log_px[i] != NULL) {
            log_w[k] = ops->add(s->g, s->log_px[i], log_w[k]);
        }
        s->gate[i].column = k;
    }
    stele_tensor *bound =
        log_w != NULL ? stele__log_mean_weight(s->g, n_samples, log_w, &share) : NULL;
    stele_tensor *w = rows_constant(s->g, s->draws[i].n, s->draw_weight[i]);
    if (bound == NULL || share == NULL) {
        return 0;
    }
    /* Of the derivative that reaches z, that much is not what log q's own would take away again. */
    stele_tensor *factor = ops->shift(s->g, ops->scale(s->g, share, beta), 1.0 - beta);
    for (uint32_t k = 0; k < n_samples; k++) {
        s->gate[s->first_draw[t * n_samples + k] + at].factor = factor;
    }
    if (s->draws[i].weight != NULL) {
        w = ops->mul(s->g, s->draws[i].weight, w);
    }
    add_weighted(s, bound, w, -1.0);
    return s->loss != NULL;
}

static int add_importances(stele__terms *s, double beta)
{
    for (uint32_t t = 0; t < s->n_terms; t++) {
        const uint32_t *first = s->first_draw + t * s->o->n_samples;
        for (uint32_t at = 0; at < first[1] - first[0]; at++) {
            if (!add_importance(s, t, at, beta)) {
                return 0;
            }
        }
    }
    return 1;
}

static int add_reconstruction(stele__terms *s, uint32_t i, stele__loss_terms *ret)
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
    /* A loss of its own may weigh rows in any way, and importance weights are those of the
     * log-likelihoods themselves: nothing can be promised beforehand. */
    stele_tensor *factors = s->promises ? row_factors(s, &rows, weight) : NULL;
    if (factors == NULL && s->promises) {
        return 0;
    }
    stele_tensor *log_px = stele__decode_log_prob(s->m, s->g, &s->e, i, s->draws, s->n_draws, &rows,
                                                  factors != NULL ? factors->data : NULL);
    if (log_px == NULL) {
        return 0;
    }
    note_log_px(s, i, log_px, &rows, ret);
    if (!s->promises) {
        return gather_log_px(s, i, &rows, log_px);
    }
    add_weighted(s, log_px, factors, 1.0);
    return 1;
}

static void note_divergence(const stele__terms *s, stele__loss_terms *ret)
{
    for (uint32_t i = 0; i < s->n_draws && s->draw_term[i] == 0; i++) {
        const stele__draws *d = &s->draws[i];
        for (int64_t r = 0; r < d->n; r++) {
            double mixture = d->weight != NULL ? stele__tensor_real(d->weight, r) : 1.0;
            double ratio = stele__tensor_real(d->log_ratio, r);
            if (s->own_loss && d->own_ratio != NULL) {
                ratio += stele__tensor_real(d->own_ratio, r);
            }
            ret->divergence += s->share * mixture * ratio / (double)ret->n;
        }
    }
    ret->elbo -= ret->divergence;
}

static int add_contrast(stele__terms *s, stele__loss_terms *ret)
{
    if (s->o->contrast <= 0.0) {
        return 1;
    }
    stele_tensor *sum = stele__contrast(s->m, s->g, s->b, &s->e, &ret->n_contrast);
    if (sum == NULL) {
        return stele__graph_status(s->g) == STELE_OK;
    }
    ret->contrast = stele__tensor_real(sum, 0);
    sum = ops->scale(s->g, sum, s->o->contrast / (double)ret->n_contrast);
    s->loss = s->loss != NULL ? ops->add(s->g, s->loss, sum) : sum;
    return s->loss != NULL;
}

/* Not part of ret->loss: it grows with what the joint posterior knows, so that a model is not the
 * better for a small one. */
static int add_distil(stele__terms *s, stele__loss_terms *ret)
{
    if (s->o->distil <= 0.0) {
        return 1;
    }
    stele_tensor *sum = stele__distil(s->m, s->g, &s->e, &s->posterior[0], s->draws,
                                      s->first_draw[s->o->n_samples], s->share, &ret->n_distil);
    if (sum == NULL) {
        return stele__graph_status(s->g) == STELE_OK;
    }
    ret->distil = stele__tensor_real(sum, 0);
    sum = ops->scale(s->g, sum, s->o->distil / (double)ret->n_distil);
    s->loss = s->loss != NULL ? ops->add(s->g, s->loss, sum) : sum;
    return s->loss != NULL;
}

/* Bounds of all terms, or what the fusion rule has in their place. */
static int add_terms(stele__terms *s, double beta, stele__loss_terms *ret)
{
    if (s->promises) {
        add_divergences(s, beta);
    }
    for (uint32_t i = 0; i < s->m->n_modalities; i++) {
        if (s->b->part[i].n > 0 && !add_reconstruction(s, i, ret)) {
            return 0;
        }
    }
    if (s->promises) {
        return 1;
    }
    return s->own_loss ? add_fusion_losses(s, beta) : add_importances(s, beta);
}

stele_tensor *stele__objective_loss(const stele__model *m, stele_graph *g, const stele__batch *b,
                                    const stele__objective *o, double beta, uint64_t seed,
                                    uint64_t at_step, stele__loss_terms *ret)
{
    stele__terms s = { .m = m, .g = g, .b = b, .o = o };
    double total = 0.0;
    memset(ret, 0, sizeof *ret);
    for (int64_t r = 0; r < b->n; r++) {
        ret->n += b->present[r] != 0;
    }
    if (ret->n == 0) {
        return NULL;
    }
    s.own_loss = m->fusion_vt->loss != NULL;
    s.promises = !s.own_loss && o->bound == STELE__BOUND_ELBO;
    s.share = 1.0 / o->n_samples;
    stele__terms_choose(&s, seed, at_step);
    for (uint32_t t = 0; t < s.n_terms; t++) {
        total += s.term[t].weight;
    }
    s.scale = 1.0 / ((double)ret->n * total);
    if (stele__encode(m, g, b, &s.e) != STELE_OK || !stele__terms_draw(&s) ||
        !add_terms(&s, beta, ret) || !add_contrast(&s, ret)) {
        return NULL;
    }
    note_divergence(&s, ret);
    if (s.loss != NULL) {
        ret->loss = stele__tensor_real(s.loss, 0);
    }
    return add_distil(&s, ret) && stele__terms_heads(&s, ret) ? s.loss : NULL;
}
