#include "model/objective_private.h"

#include "graph/noise.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "model/private.h"

#include <string.h>

static const stele_ops *const ops = &stele__ops;

/* Noise addresses of the terms of a step; those of its next sample lie beyond them. */
enum { FIRST_RANDOM = 128, ADDRESSES = FIRST_RANDOM + STELE__MAX_RANDOM };

/* Random subsets are proper and not empty, drawn per step and not per row, so that a step decodes
 * few stacks. */
static void random_terms(stele__terms *s, uint64_t seed, uint64_t at_step)
{
    uint64_t all = stele__model_all(s->m);
    uint64_t key = stele__noise_key(seed, stele__noise_hash("subsets"), at_step);
    for (uint32_t k = 0; k < s->o->n_random && all > 1; k++) {
        uint64_t mask = 0;
        for (uint64_t attempt = 0; mask == 0 || mask == all; attempt++) {
            mask = stele__noise_mix(key, k + (attempt << 32)) >> 7 & all;
        }
        s->term[s->n_terms++] = (stele__term){ .mask = mask,
                                               .sample = FIRST_RANDOM + k,
                                               .weight = s->o->subset_weight };
    }
}

void stele__terms_choose(stele__terms *s, uint64_t seed, uint64_t at_step)
{
    s->term[s->n_terms++] =
        (stele__term){ .mask = stele__model_all(s->m), .sample = 0, .weight = 1.0 };
    if (s->o->single && s->m->n_modalities > 1) {
        for (uint32_t i = 0; i < s->m->n_modalities; i++) {
            s->term[s->n_terms++] = (stele__term){ .mask = UINT64_C(1) << i,
                                                   .sample = 1 + i,
                                                   .weight = s->o->subset_weight };
        }
    }
    random_terms(s, seed, at_step);
}

double stele__terms_weight(const stele__terms *s, const stele__term *t)
{
    return t->weight * s->scale * (s->o->bound == STELE__BOUND_ELBO ? s->share : 1.0);
}

int stele__terms_redundant(uint64_t mask, uint64_t present)
{
    return (mask & present) == present;
}

/* Room for the draws of all terms. */
static int make_room(stele__terms *s)
{
    size_t sets = (size_t)s->n_terms * s->o->n_samples, most = sets * s->m->max_components;
    s->posterior = stele__op_take(s->g, s->n_terms, sizeof *s->posterior);
    s->first_draw = stele__op_take(s->g, sets + 1, sizeof *s->first_draw);
    s->draws = stele__op_take(s->g, most, sizeof *s->draws);
    s->draw_term = stele__op_take(s->g, most, sizeof *s->draw_term);
    s->draw_weight = stele__op_take(s->g, most, sizeof *s->draw_weight);
    s->log_px = stele__op_take(s->g, most, sizeof(stele_tensor *));
    s->drawn = stele__op_take(s->g, most, sizeof(stele_tensor *));
    s->gate = stele__op_take(s->g, most, sizeof *s->gate);
    if (s->posterior == NULL || s->first_draw == NULL || s->draws == NULL || s->draw_term == NULL ||
        s->draw_weight == NULL || s->log_px == NULL || s->drawn == NULL || s->gate == NULL) {
        return 0;
    }
    memset(s->log_px, 0, most * sizeof(stele_tensor *));
    memset(s->gate, 0, most * sizeof *s->gate);
    return 1;
}

/* Constant factors of each row of a draw; a mixture's own weights come on top as a tensor. The
 * samples of an importance-weighted bound share theirs. */
static int weigh_draw(stele__terms *s, uint32_t i)
{
    const stele__draws *d = &s->draws[i];
    const stele__term *t = &s->term[s->draw_term[i]];
    void *w = stele__op_take(s->g, (size_t)d->n, sizeof(double));
    if (w == NULL) {
        return 0;
    }
    for (int64_t k = 0; k < d->n; k++) {
        int skip =
            s->draw_term[i] > 0 && stele__terms_redundant(t->mask, s->b->present[d->position[k]]);
        stele__put_real(stele__graph_dtype(s->g), w, k, skip ? 0.0 : stele__terms_weight(s, t));
    }
    s->draw_weight[i] = w;
    return 1;
}

/* The joint with all of its parameters held. */
static int hold(stele__terms *s, const stele_joint *joint, stele_joint *ret)
{
    *ret = *joint;
    ret->component = stele__op_take(s->g, joint->n, sizeof *ret->component);
    if (ret->component == NULL) {
        return 0;
    }
    for (uint32_t c = 0; c < joint->n; c++) {
        ret->component[c] = joint->component[c];
        for (uint32_t k = 0; k < joint->component[c].n; k++) {
            ret->component[c].p[k] = ops->detach(s->g, joint->component[c].p[k]);
        }
    }
    if (joint->log_weight != NULL) {
        ret->log_weight = ops->detach(s->g, joint->log_weight);
    }
    return 1;
}

/* Private latents of a draw: from the measurement where the component is made of it. Their
 * divergence belongs to that of z, but for rules with a loss of their own, whose log-likelihoods it
 * bounds. */
static int draw_private(stele__terms *s, uint32_t i)
{
    stele__draws *d = &s->draws[i];
    const stele__private_how how = { .own = d->subset,
                                     .own_of_row = d->row_subset,
                                     .closed = s->o->bound == STELE__BOUND_ELBO,
                                     .gate =
                                         s->o->bound == STELE__BOUND_DREG ? &s->gate[i] : NULL };
    if (stele__private_draw(s->m, s->g, &s->e, &how, d) != STELE_OK) {
        return 0;
    }
    if (d->own_ratio != NULL && !s->own_loss) {
        d->log_ratio = ops->add(s->g, d->log_ratio, d->own_ratio);
    }
    return d->log_ratio != NULL;
}

/* Draws of term t, all samples. */
static int draw_term(stele__terms *s, uint32_t t)
{
    const int dreg = s->o->bound == STELE__BOUND_DREG;
    const int ratio = dreg                               ? STELE__RATIO_NONE
                      : s->o->bound == STELE__BOUND_ELBO ? STELE__RATIO_CLOSED
                                                         : STELE__RATIO_SAMPLED;
    stele_joint held;
    if (stele__fuse(s->m, s->g, &s->e, s->term[t].mask, &s->posterior[t]) != STELE_OK ||
        (dreg && !hold(s, &s->posterior[t].joint, &held))) {
        return 0;
    }
    for (uint32_t k = 0; k < s->o->n_samples; k++) {
        uint32_t n = 0, end = s->n_draws;
        if (stele__draw_from(s->m, s->g, &s->e, &s->posterior[t], k * ADDRESSES + s->term[t].sample,
                             ratio, s->draws + end, &n) != STELE_OK) {
            return 0;
        }
        s->first_draw[t * s->o->n_samples + k] = end;
        for (end += n; s->n_draws < end; s->n_draws++) {
            stele__draws *d = &s->draws[s->n_draws];
            s->draw_term[s->n_draws] = t;
            s->drawn[s->n_draws] = d->z;
            if (dreg) {
                d->z = stele__gated(s->g, d->z, &s->gate[s->n_draws]);
                if (stele__draws_ratio(s->g, &s->e, &held, d) != STELE_OK) {
                    return 0;
                }
            }
            if (!draw_private(s, s->n_draws)) {
                return 0;
            }
        }
    }
    return 1;
}

int stele__terms_draw(stele__terms *s)
{
    if (!make_room(s)) {
        return 0;
    }
    for (uint32_t t = 0; t < s->n_terms; t++) {
        if (!draw_term(s, t)) {
            return 0;
        }
    }
    s->first_draw[s->n_terms * s->o->n_samples] = s->n_draws;
    for (uint32_t i = 0; i < s->n_draws; i++) {
        if (!weigh_draw(s, i)) {
            return 0;
        }
    }
    return 1;
}
