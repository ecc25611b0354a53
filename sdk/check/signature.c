#include "signature.h"

#include "block.h"
#include "hash.h"
#include "scores.h"
#include "source.h"

#include "graph/tensor.h"

#include <math.h>
#include <string.h>

enum { ROWS = 12 };

static uint64_t mix_text(uint64_t h, const char *text)
{
    return text != NULL ? hash_mix(h, text, strlen(text) + 1) : hash_mix(h, "", 0);
}

static uint64_t mix_reals(uint64_t h, int64_t n, const double *v)
{
    for (int64_t i = 0; i < n; i++) {
        double x = isnan(v[i]) ? 0.0 : v[i]; /* one NaN is as good as another */
        h = hash_mix(h, &x, sizeof x);
    }
    return h;
}

static uint64_t of_parameters(const rig *r, uint64_t h, int gradients)
{
    size_t real = stele__dtype_size(r->plan.dtype);
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        const stele__param *p = stele__params_entry(r->params, e);
        if (gradients) {
            h = p->kind == STELE__TRAINED ? hash_mix(h, p->gradient, (size_t)p->n * real) : h;
            continue;
        }
        h = mix_text(h, p->name);
        h = hash_mix(h, &p->shape, sizeof p->shape);
        h = hash_mix(h, &p->kind, sizeof p->kind);
        h = hash_mix(h, &p->decay, sizeof p->decay);
        h = hash_mix(h, p->values, (size_t)p->n * real);
    }
    return hash_mix(h, &r->flags, sizeof r->flags);
}

static uint64_t of_pass(rig *r, uint64_t h, uint32_t training)
{
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    r->plan.training = training;
    stele_status status = rig_run(r, r->plan.rows, NULL, 1, &res);
    h = hash_mix(h, &status, sizeof status);
    for (uint32_t i = 0; status == STELE_OK && i < res.n; i++) {
        h = mix_reals(h, res.out[i].rows * res.out[i].width, res.out[i].value);
    }
    if (status == STELE_OK && rig_backward(r, &res, d) == STELE_OK) {
        for (uint32_t i = 0; i < r->n_inputs; i++) {
            const rig_input *in = &r->input[i];
            h = d[i] != NULL ? mix_reals(h, in->per_row ? r->plan.rows * in->width : in->width, d[i]) : h;
        }
        h = of_parameters(r, h, 1);
    }
    h = hash_mix(h, r->joint.subset, r->joint.subset != NULL ? r->joint.n * sizeof *r->joint.subset : 0);
    rig_result_finish(&res);
    return h;
}

static uint64_t of_scores(rig *r, uint64_t h)
{
    stele_metric m[SCORES_MOST];
    uint32_t n = scores_of(r, m);
    for (uint32_t k = 0; k < n; k++) {
        h = mix_text(h, m[k].name);
        h = mix_reals(h, 1, &m[k].value);
        h = hash_mix(h, &m[k].higher_is_better, sizeof m[k].higher_is_better);
    }
    return h;
}

/* What a head's predictions are read as. */
static uint64_t of_shown(rig *r, uint64_t h)
{
    scores_shown shown;
    const stele_head_vt *vt = &r->vt->head;
    if (vt->outputs == NULL || vt->show == NULL || !scores_show(r, &shown)) {
        return h;
    }
    for (uint32_t k = 0; k < shown.n; k++) {
        h = mix_text(h, shown.output[k].name);
    }
    h = mix_reals(h, (int64_t)shown.n * r->plan.rows, shown.expected);
    return mix_reals(h, (int64_t)shown.n * r->plan.rows, shown.noisy);
}

/* The likelihood as such, draws from it, which values are valid, metrics. */
static uint64_t of_blocks(check_trial *t, const rig_plan *plan, uint64_t h)
{
    static const double probes[] = { -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 1e6 };
    block_rig b;
    block_result res;
    if (block_start(t, plan, &b)) {
        for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
            int allowed = rig_allows(&b.r, probes[i]);
            h = hash_mix(h, &allowed, sizeof allowed);
        }
        if (!b.own && block_whole(&b, b.r.plan.dtype, BLOCK_DERIVATIVES, &res)) {
            h = mix_reals(h, b.rows, res.log_prob);
            for (uint32_t k = 0; k < b.n_eta; k++) {
                h = mix_reals(h, b.rows * b.features, res.d_eta[k]);
            }
        }
        double *x = rig_take(&b.r, (size_t)(b.rows * b.features) * sizeof *x);
        for (uint32_t what = STELE_DRAW_MEAN; what <= STELE_DRAW_SAMPLE; what++) {
            h = block_draw(&b, what, 1, x) == STELE_OK ? mix_reals(h, b.rows * b.features, x) : h;
        }
    }
    block_finish(&b);
    return h;
}

static uint64_t of_source(rig *r, uint64_t h)
{
    const stele_source_vt *vt = &r->vt->source;
    uint64_t n, content = source_hash(r, &n);
    h = hash_mix(h, &content, sizeof content);
    for (uint32_t a = 0; a < vt->n_axes(r->inst); a++) {
        int64_t rows = vt->n_rows(r->inst, a);
        h = hash_mix(h, &rows, sizeof rows);
        for (int64_t i = 0; i < rows && i < 50; i++) {
            h = mix_text(h, vt->row_id(r->inst, a, i));
        }
    }
    for (uint32_t i = 0; i < vt->n_fields(r->inst); i++) {
        stele_field f = { .struct_size = sizeof f };
        if (vt->field(r->inst, i, &f) != STELE_OK) {
            continue;
        }
        h = mix_text(h, f.name);
        const uint32_t kind[] = { f.content, f.dtype, f.layout, f.axis };
        h = hash_mix(hash_mix(hash_mix(h, kind, sizeof kind), &f.sample, sizeof f.sample), &f.n_categories,
                     sizeof f.n_categories);
        for (int64_t k = 0; k < f.n_categories && k < 50; k++) {
            h = mix_text(h, vt->category(r->inst, i, k));
        }
        for (int64_t k = 0; f.content == STELE_FIELD_MATRIX && k < f.sample.dim[0] && k < 50; k++) {
            h = mix_text(h, vt->feature_name(r->inst, i, k));
        }
    }
    return h;
}

stele_status signature_of(check_trial *t, const char *const *option, size_t n, int depth, uint64_t *ret)
{
    rig r;
    rig_plan plan = { .rows = ROWS, .covariates = 1, .option = option, .n_options = n };
    uint64_t h = HASH_START;
    uint32_t kind = t->plugin->desc.kind;
    static const char *const none[] = { "" };
    plan.option = option != NULL ? option : none;
    stele_status status = rig_try(t, &plan, &r);
    if (status == STELE_OK && kind == STELE_SOURCE) {
        h = of_source(&r, h);
    } else if (status == STELE_OK) {
        h = of_parameters(&r, h, 0);
        for (uint32_t training = 0; depth >= SIGNATURE_OUTPUTS && training < 2; training++) {
            h = of_pass(&r, h, training);
        }
        if (kind == STELE_FUSION) {
            uint32_t most = r.vt->fusion.max_components(r.inst, r.plan.experts);
            h = hash_mix(h, &most, sizeof most);
        }
        stele_head_traits traits = { .struct_size = sizeof traits };
        if (kind == STELE_HEAD && r.vt->head.traits(r.inst, &traits) == STELE_OK) {
            h = hash_mix(h, &traits, sizeof traits);
        }
        if (depth >= SIGNATURE_DEEPEST) {
            h = of_scores(&r, h);
        }
        if (kind == STELE_HEAD && depth >= SIGNATURE_DEEPEST) {
            h = of_shown(&r, h);
        }
        if (kind == STELE_MODALITY && depth >= SIGNATURE_DEEPEST) {
            h = of_blocks(t, &plan, h);
        }
    }
    rig_finish(&r);
    *ret = h;
    return status;
}
