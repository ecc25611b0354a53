#include "graph/step.h"

#include "graph/params.h"

int stele__step_begin(const stele_graph *g, const stele_tensor *t, int recorded,
                      stele__stepping *ret)
{
    const stele__step_within *s = g->pass.step_within;
    const stele__param *p = t->param;
    if (s == NULL || p == NULL || !t->wants_gradient || p->group != s->group || p->has_gradient ||
        t->uses != (recorded ? 1u : 0u)) {
        return 0;
    }
    stele__adamw_segment segment = { .end = (size_t)p->n,
                                     .weight_decay = p->decay * s->weight_decay,
                                     .lr_scale = 1.0 };
    *ret = (stele__stepping){
        .factors = stele__adamw_prepare(&s->opt, &segment),
        .dtype = g->dtype,
        .w = p->values,
        .m = p->moment[0],
        .v = p->moment[1],
    };
    return 1;
}

void stele__step_part(const stele__stepping *s, size_t first, size_t n, const void *derivative)
{
    size_t at = first * stele__dtype_size(s->dtype);
    void *w = s->w + at, *m = s->m + at, *v = s->v + at;
    if (s->dtype == STELE_F32) {
        stele__adamw_part_f32(&s->factors, n, w, derivative, m, v);
    } else {
        stele__adamw_part_f64(&s->factors, n, w, derivative, m, v);
    }
}

size_t stele__step_phase(const stele__stepping *s, size_t first)
{
    /* Values and moments lie a quarter of a page apart; the last quarter is free. */
    uintptr_t w = (uintptr_t)s->w + first * stele__dtype_size(s->dtype);
    return (w + 3 * STELE__ALIAS_STEP) % STELE__ALIAS_PAGE;
}

void *stele__step_place(const stele__stepping *s, size_t first, void *room)
{
    size_t shift = (stele__step_phase(s, first) - (uintptr_t)room) % STELE__ALIAS_PAGE;
    return (char *)room + shift / 64 * 64;
}

void stele__step_end(stele_tensor *t, size_t n, const double *squares)
{
    stele__grad_measured(t, n, squares);
    *t->has_gradient = STELE__STEPPED;
}
