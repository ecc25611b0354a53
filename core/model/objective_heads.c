/* The losses of heads in a step: at z of the joint term, or of all terms. */
#include "model/objective_private.h"

#include "graph/op.h"
#include "graph/ops.h"
#include "model/head.h"
#include "model/uncertainty.h"

#include <string.h>

static const stele_ops *const ops = &stele__ops;

/* Of one head: the sum over the terms of weight times mean loss. */
typedef struct head_sum {
    stele_tensor *sum; /* NULL: no row has the target */
    double weight;
} head_sum;

/* The head's loss at the draws of term t, unless it does not look at that. Figures are those of
 * the joint term. */
static int add_term(const stele__terms *s, uint32_t h, uint32_t t, const stele__draws *draws,
                    uint32_t n_draws, double reach, head_sum *to, stele__loss_terms *ret)
{
    const double weight = s->term[t].weight;
    stele__head_loss one;
    if (t > 0 && (!s->m->head[h].subsets || !(weight > 0.0))) {
        return 1;
    }
    if (stele__head_loss_of(s->m, s->g, s->b, h, draws, n_draws, reach, &one) != STELE_OK) {
        return 0;
    }
    if (t == 0) {
        ret->head[h] = one.sum;
        ret->n_head[h] = one.n;
    }
    if (one.mean == NULL) {
        return 1;
    }
    stele_tensor *part = ops->scale(s->g, one.mean, weight);
    to->sum = to->sum != NULL ? ops->add(s->g, to->sum, part) : part;
    to->weight += weight;
    return to->sum != NULL;
}

/* Heads read the first sample of z of each term, and none of its gates. The figures of a head that
 * z is not to serve stay out of ret->loss. */
int stele__terms_heads(stele__terms *s, stele__loss_terms *ret)
{
    const uint32_t n_samples = s->o->n_samples;
    for (uint32_t i = 0; i < s->n_draws; i++) {
        s->draws[i].z = s->drawn[i];
    }
    for (uint32_t h = 0; h < s->m->n_heads; h++) {
        const stele__head *head = &s->m->head[h];
        double reach = head->traits.gradient_scale;
        double weight = head->weight * (s->o->head_factor != NULL ? s->o->head_factor[h] : 1.0);
        head_sum all = { 0 };
        for (uint32_t t = 0; t < s->n_terms; t++) {
            const uint32_t *first = s->first_draw + t * n_samples;
            if (!add_term(s, h, t, s->draws + first[0], first[1] - first[0], reach, &all, ret)) {
                return 0;
            }
        }
        if (all.sum == NULL) {
            continue;
        }
        stele_tensor *mean = ops->scale(s->g, all.sum, 1.0 / all.weight);
        stele_tensor *part = ops->scale(s->g, stele__uncertain(s->m, s->g, h, mean), weight);
        if (part == NULL) {
            return 0;
        }
        s->loss = s->loss != NULL ? ops->add(s->g, s->loss, part) : part;
        ret->loss += reach > 0.0 ? stele__tensor_real(part, 0) : 0.0;
    }
    return 1;
}

/* The z of every term that some head with steps of its own looks at, as the model's pass draws it,
 * and the losses there. */
static int add_own(stele__terms *s, head_sum *all, stele__loss_terms *ret)
{
    stele__draws *draws = stele__op_take(s->g, s->m->max_components, sizeof *draws);
    int subsets = 0;
    for (uint32_t h = 0; h < s->m->n_heads; h++) {
        subsets |= s->m->head[h].traits.own_step != 0 && s->m->head[h].subsets;
    }
    if (draws == NULL || stele__encode(s->m, s->g, s->b, &s->e) != STELE_OK) {
        return 0;
    }
    for (uint32_t t = 0; t < (subsets ? s->n_terms : 1); t++) {
        uint32_t n = 0;
        if (stele__draw(s->m, s->g, &s->e, s->term[t].mask, s->term[t].sample, STELE__RATIO_NONE,
                        draws, &n) != STELE_OK) {
            return 0;
        }
        for (uint32_t h = 0; h < s->m->n_heads; h++) {
            if (s->m->head[h].traits.own_step && !add_term(s, h, t, draws, n, 0.0, &all[h], ret)) {
                return 0;
            }
        }
    }
    return 1;
}

stele_tensor *stele__objective_own_steps(const stele__model *m, stele_graph *g,
                                         const stele__batch *b, const stele__objective *o,
                                         uint64_t seed, uint64_t at_step, stele__loss_terms *ret)
{
    stele__terms s = { .m = m, .g = g, .b = b, .o = o };
    head_sum all[STELE__MAX_HEADS] = { { 0 } };
    stele_tensor *loss = NULL;
    memset(ret, 0, sizeof *ret);
    stele__terms_choose(&s, seed, at_step);
    if (!add_own(&s, all, ret)) {
        return NULL;
    }
    for (uint32_t h = 0; h < m->n_heads; h++) {
        if (all[h].sum != NULL) {
            stele_tensor *mean = ops->scale(g, all[h].sum, 1.0 / all[h].weight);
            loss = loss != NULL ? ops->add(g, loss, mean) : mean;
        }
    }
    return loss;
}
